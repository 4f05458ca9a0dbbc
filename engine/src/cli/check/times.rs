//! The event times of a sample: their range, their order, and what `replay` would refuse for them. It does not know
//! where the records are from.

use std::fmt;
use tripline_core::batch::Timestamp;
use tripline_core::clock::{IntakeClock, Timing};

use crate::cli::text::duration;

/// Event times in the order of a file.
pub struct Times {
    lateness_ms: i64,
    clock: IntakeClock,
    events: u64,
    range: Option<(Timestamp, Timestamp)>,
    /// Events that are older than one before them.
    out_of_order: u64,
    /// The longest time without an event, in the order of the file.
    gap_ms: i64,
    late: u64,
    jumps: u64,
}

impl Times {
    /// No event yet.
    pub fn new(lateness_ms: i64, jump_ms: Option<i64>) -> Times {
        let clock = IntakeClock::new(lateness_ms, jump_ms);
        Times { lateness_ms, clock, events: 0, range: None, out_of_order: 0, gap_ms: 0, late: 0, jumps: 0 }
    }

    /// Adds the time of the next event. `is_refused`: what the records behind it say about a jump.
    pub fn add(&mut self, at: Timestamp, is_refused: impl FnOnce(&IntakeClock) -> bool) {
        self.events += 1;
        if let Some((_, last)) = self.range {
            self.out_of_order += u64::from(at < last);
        }
        let before = self.clock.greatest();
        match self.clock.place(at, None, is_refused) {
            Timing::Late => self.late += 1,
            Timing::Jump => {
                self.jumps += 1;
                return;
            }
            Timing::InTime | Timing::Future => {}
        }
        self.gap_ms = self.gap_ms.max(before.map_or(0, |before| at.0 - before.0));
        let (first, last) = self.range.unwrap_or((at, at));
        self.range = Some((first.min(at), last.max(at)));
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, last)) = self.range else { return Ok(()) };
        let Times { events, out_of_order, late, jumps, .. } = self;
        writeln!(f, "event times: {first} to {last}, largest gap {}", duration(self.gap_ms))?;
        #[expect(clippy::cast_precision_loss, reason = "shown as a percentage with one decimal")]
        let share = *out_of_order as f64 / *events as f64 * 100.0;
        writeln!(
            f,
            "out of order: {out_of_order} of {events} events ({share:.1} %) are older than one before them"
        )?;
        if *late > 0 {
            let lateness = duration(self.lateness_ms);
            writeln!(
                f,
                "late: {late} events are more than {lateness} older than one before them and would give no row; \
                 if the file is not in the order of time, use `--sort`"
            )?;
        }
        if *jumps > 0 {
            writeln!(f, "dead letters, time_jump: {jumps} events are far ahead of most events behind them")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = tripline_rules::time::DAY_MS;

    #[test]
    fn a_file_that_is_newest_first_is_said_to_be_out_of_order_and_late() {
        let mut times = Times::new(DAY, None);
        (0..10).for_each(|day| times.add(Timestamp((20_000 - day) * DAY), |_| false));
        let shown = times.to_string();
        assert!(shown.contains("2024-09-25T00:00:00.000Z to 2024-10-04T00:00:00.000Z"), "{shown}");
        assert!(shown.contains("out of order: 9 of 10 events (90.0 %)"), "{shown}");
        assert!(shown.contains("late: 8 events") && shown.contains("`--sort`"), "{shown}");
    }

    #[test]
    fn a_pause_is_a_gap_and_an_event_that_the_others_contradict_is_none() {
        let mut times = Times::new(DAY, None);
        for (day, refused) in [(1, false), (2, false), (900, true), (3, false), (40, false)] {
            times.add(Timestamp(day * DAY), |_| refused);
        }
        let shown = times.to_string();
        assert!(shown.contains("largest gap 37 d\n") && shown.contains("time_jump: 1 events"), "{shown}");
        assert!(!shown.contains("late"), "{shown}");
        assert_eq!(Times::new(DAY, None).to_string(), "");
    }
}
