//! How long the cooldowns are that may still be open, under whichever pack they were opened: so far back a restore from
//! the log reads verdicts. The pack that runs may have shorter ones.

use crate::batch::Timestamp;

/// Lengths that are distinguished; two more of them count as the longer one.
const LENGTHS_MAX: usize = 8;

/// The lengths of cooldowns that may be open, ms, each with the time when the last of that length or a greater one
/// ends. The longest comes first, and each ends later than those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Horizon(Vec<(i64, Timestamp)>);

impl Horizon {
    /// A cooldown of a length was opened, and ends then.
    pub fn opened(&mut self, length_ms: i64, until: Timestamp) {
        if self.0.iter().any(|(length, end)| *length >= length_ms && *end >= until) {
            return;
        }
        self.0.retain(|(length, end)| *length > length_ms || *end > until);
        let place = self.0.partition_point(|(length, _)| *length > length_ms);
        self.0.insert(place, (length_ms, until));
        if self.0.len() > LENGTHS_MAX {
            // The later end of the two shortest, and the greater length: too far back rather than not far enough.
            let (_, end) = self.0.pop().unwrap_or((0, until));
            if let Some(last) = self.0.last_mut() {
                last.1 = end;
            }
        }
    }

    /// Forgets what ended at or before a time.
    pub fn forget(&mut self, ended: Timestamp) {
        self.0.retain(|(_, end)| *end > ended);
    }

    /// The longest length.
    pub fn longest_ms(&self) -> Option<i64> {
        self.0.first().map(|(length, _)| *length)
    }

    /// All of them, the longest first.
    pub fn lengths(&self) -> &[(i64, Timestamp)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = tripline_rules::time::HOUR_MS;

    #[test]
    fn a_long_cooldown_counts_until_it_has_ended_whatever_is_opened_after_it() {
        let mut horizon = Horizon::default();
        horizon.opened(30 * HOUR, Timestamp(30 * HOUR));
        for hour in 20..40 {
            horizon.opened(10 * HOUR, Timestamp((hour + 10) * HOUR));
            horizon.opened(HOUR, Timestamp((hour + 1) * HOUR));
        }
        let longest = |at: i64| {
            let mut horizon = horizon.clone();
            horizon.forget(Timestamp(at));
            horizon.longest_ms().map(|length| length / HOUR)
        };
        assert_eq!(longest(30 * HOUR - 1), Some(30));
        assert_eq!(longest(30 * HOUR), Some(10));
        assert_eq!(longest(49 * HOUR), None);
    }

    #[test]
    fn what_is_kept_is_never_shorter_than_what_is_open() {
        let mut horizon = Horizon::default();
        let mut opened = Vec::new();
        // 30 lengths, in an order that keeps as many of them as there can be.
        for place in 0..30 {
            let (length, until) = ((40 - place) * HOUR, Timestamp((100 + place) * HOUR));
            horizon.opened(length, until);
            opened.push((length, until));
        }
        assert_eq!(horizon.lengths().len(), LENGTHS_MAX);
        for at in (90..140).map(|hour| Timestamp(hour * HOUR)) {
            let mut horizon = horizon.clone();
            horizon.forget(at);
            let open = opened.iter().filter(|(_, until)| *until > at).map(|(length, _)| *length).max();
            assert!(horizon.longest_ms() >= open, "{at}");
            assert_eq!(horizon.longest_ms().is_some(), open.is_some(), "{at}");
        }
    }
}
