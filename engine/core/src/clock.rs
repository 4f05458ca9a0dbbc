//! Whether an event's time is accepted: it is compared with the log's trusted time.

use crate::batch::Timestamp;
use crate::limits::FUTURE_MS_MAX;

/// How an event's time compares with the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Accepted.
    InTime,
    /// Older than the lateness allows.
    Late,
    /// Ahead of the log: one bad clock must not evict everybody's history.
    Future,
    /// In a file or a log without append times: too far ahead of everything before it.
    Jump,
}

/// The trusted time of one log.
#[derive(Clone, Debug)]
pub struct IntakeClock {
    lateness_ms: i64,
    jump_ms: i64,
    greatest: Option<Timestamp>,
}

impl IntakeClock {
    /// A clock that has seen nothing. `jump_ms`: how far an event may be ahead of all before it without a further
    /// check; as far as the lateness it makes no other event late.
    pub fn new(lateness_ms: i64, jump_ms: Option<i64>) -> IntakeClock {
        IntakeClock { lateness_ms, jump_ms: jump_ms.unwrap_or(lateness_ms), greatest: None }
    }

    /// How late an event may be, ms.
    pub fn lateness_ms(&self) -> i64 {
        self.lateness_ms
    }

    /// The greatest event time of a log without append times; `None` before the first event.
    pub fn greatest(&self) -> Option<Timestamp> {
        self.greatest
    }

    /// Continues from [`IntakeClock::greatest`].
    pub(crate) fn resume(&mut self, greatest: Option<Timestamp>) {
        self.greatest = greatest;
    }

    /// Places an event. Without an append time the log's time is the greatest event time so far, this one's included;
    /// `is_refused` says of an event that is the first or jumps ahead whether its time is refused.
    pub fn place(
        &mut self,
        at: Timestamp,
        appended_at: Option<Timestamp>,
        is_refused: impl FnOnce(&IntakeClock) -> bool,
    ) -> Timing {
        let now = match appended_at {
            Some(appended_at) => appended_at,
            None => {
                let jumps = self.greatest.is_none_or(|greatest| at.0 - greatest.0 > self.jump_ms);
                if jumps && is_refused(self) {
                    return Timing::Jump;
                }
                let greatest = self.greatest.map_or(at, |greatest| greatest.max(at));
                self.greatest = Some(greatest);
                greatest
            }
        };
        if at.0 - now.0 > FUTURE_MS_MAX {
            Timing::Future
        } else if now.0 - at.0 > self.lateness_ms {
            Timing::Late
        } else {
            Timing::InTime
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = tripline_rules::time::MINUTE_MS;
    const DAY: i64 = tripline_rules::time::DAY_MS;

    #[test]
    fn lateness_and_future_are_properties_of_the_record_alone() {
        let mut clock = IntakeClock::new(DAY, None);
        let appended = Some(Timestamp(100 * DAY));
        let mut place =
            |at| clock.place(Timestamp(at), appended, |_| panic!("a log says when its records came"));
        assert_eq!(place(99 * DAY), Timing::InTime);
        assert_eq!(place(99 * DAY - 1), Timing::Late);
        assert_eq!(place(100 * DAY + 5 * MINUTE), Timing::InTime);
        assert_eq!(place(100 * DAY + 5 * MINUTE + 1), Timing::Future);
    }

    #[test]
    fn a_file_keeps_its_own_time_and_refuses_a_jump_without_following_it() {
        for (jump, limit) in [(None, DAY), (Some(3 * DAY), 3 * DAY)] {
            let mut clock = IntakeClock::new(DAY, jump);
            assert_eq!(
                clock.place(Timestamp(70 * DAY), None, |_| true),
                Timing::Jump,
                "the first may be wrong, too"
            );
            assert_eq!(clock.place(Timestamp(0), None, |_| false), Timing::InTime);
            assert_eq!(clock.place(Timestamp(limit), None, |_| true), Timing::InTime);
            assert_eq!(clock.place(Timestamp(2 * limit + 1), None, |_| true), Timing::Jump);
            assert_eq!(clock.place(Timestamp(limit - DAY), None, |_| true), Timing::InTime);
            assert_eq!(clock.place(Timestamp(limit - DAY - 1), None, |_| true), Timing::Late);
            assert_eq!(clock.place(Timestamp(90 * DAY), None, |_| false), Timing::InTime, "a pause");
        }
    }
}
