//! What is still to come, by the minute.
//!
//! It does not depend on what happens then. Each minute is opened once, in order.

use super::draft::Draft;
use super::rhythm::Duty;
use crate::batch::Timestamp;
use std::collections::VecDeque;
use tripline_rules::time::MINUTE_MS;

/// Wakes farther ahead are cut here and drawn again: a Poisson process has no memory.
pub(super) const AHEAD_MS_MAX: i64 = 45 * 24 * 60 * MINUTE_MS;

/// Why an account wakes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// A scene of life.
    Live,
    /// Only to draw the next wake.
    Sleep,
    /// A duty of the month.
    Do(Duty),
}

/// An account's next step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wake {
    pub at: Timestamp,
    pub account: u32,
    pub reason: Reason,
}

/// One minute of the future.
#[derive(Default)]
pub(super) struct Minute {
    pub wakes: Vec<Wake>,
    pub drafts: Vec<Draft>,
}

/// The minutes to come.
pub(super) struct Calendar {
    /// Number of the first one, counted from 1970.
    first: i64,
    minutes: VecDeque<Minute>,
    /// Emptied minutes, whose memory is used again.
    spare: Vec<Minute>,
}

impl Calendar {
    /// Nothing to come, from a time on.
    pub fn new(start: Timestamp) -> Calendar {
        Calendar { first: start.0.div_euclid(MINUTE_MS), minutes: VecDeque::new(), spare: Vec::new() }
    }

    /// The end of what has been opened.
    pub fn opened_until(&self) -> Timestamp {
        Timestamp(self.first * MINUTE_MS)
    }

    /// Takes a wake in. What is past goes into the next minute.
    pub fn wake(&mut self, wake: Wake) {
        self.minute(wake.at).wakes.push(wake);
    }

    /// Takes a draft in. What is past goes into the next minute.
    pub fn draft(&mut self, draft: Draft) {
        self.minute(draft.at).drafts.push(draft);
    }

    /// Opens the next minute.
    pub fn open(&mut self) -> Minute {
        self.first += 1;
        self.minutes.pop_front().unwrap_or_default()
    }

    /// Gives an opened minute's memory back.
    pub fn recycle(&mut self, mut minute: Minute) {
        const SPARE_MAX: usize = 64;
        if self.spare.len() < SPARE_MAX && minute.wakes.capacity() + minute.drafts.capacity() > 0 {
            minute.wakes.clear();
            minute.drafts.clear();
            self.spare.push(minute);
        }
    }

    fn minute(&mut self, at: Timestamp) -> &mut Minute {
        let ahead = usize::try_from(at.0.div_euclid(MINUTE_MS) - self.first).unwrap_or(0);
        if ahead >= self.minutes.len() {
            self.minutes.resize_with(ahead + 1, Minute::default);
        }
        let minute = &mut self.minutes[ahead];
        let unused = minute.wakes.capacity() + minute.drafts.capacity() == 0;
        if let Some(spare) = unused.then(|| self.spare.pop()).flatten() {
            *minute = spare;
        }
        minute
    }
}

#[cfg(test)]
mod tests {
    use super::super::draft::What;
    use super::*;

    #[test]
    fn drafts_come_out_in_the_minute_in_which_they_fall_due() {
        let mut calendar = Calendar::new(Timestamp(30));
        for at in [MINUTE_MS - 1, MINUTE_MS, 5 * MINUTE_MS] {
            calendar.draft(Draft::new(Timestamp(at), 1, What::Login));
        }
        let due: Vec<usize> = (0..7).map(|_| calendar.open().drafts.len()).collect();
        assert_eq!(due, [1, 1, 0, 0, 0, 1, 0]);
        assert_eq!(calendar.opened_until(), Timestamp(7 * MINUTE_MS));
    }
}
