//! The simulated bank of the demo: its past on the way into the ledgers, then its events as they fall due.

use super::tally::Tally;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::lines::{Collect, Lines};
use tripline_core::outputs::Outputs;
use tripline_core::simulate::{SimulatedEvent, Simulation, SimulationSettings};
use tripline_core::spaces::Spaces;

/// When the story goes live: Friday, 13 March 2026, 17:00 UTC, noon in New York. A fixed time, so that a seed tells the
/// same story whenever it is told.
pub const LIVE: Timestamp = Timestamp(1_773_421_200_000);
/// Records of a step while the past is taken in.
const BATCH_RECORDS: usize = 1_024;
/// Batches that the simulation may be ahead of the ledgers.
const BATCHES_AHEAD: usize = 16;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plot {
    /// Another seed, another story.
    pub seed: u64,
    /// Accounts of the bank.
    pub accounts: u32,
    /// Seconds of the story in a second of watching.
    pub speed_up: f64,
}

/// A bank that has a past and goes on living.
pub struct Story {
    plot: Plot,
    simulation: Simulation,
    event: SimulatedEvent,
}

impl Story {
    /// Lives 90 days and takes them into the ledgers without judging them. `progress` is told the number of events now
    /// and then and may say false to stop early. Gives the number of events, too.
    pub fn with_past(plot: Plot, spaces: &mut Spaces, mut progress: impl FnMut(u64) -> bool) -> (Story, u64) {
        let settings = SimulationSettings::demo(plot.seed, plot.accounts, LIVE, plot.speed_up);
        let (batches, filled) = sync_channel::<Batch>(BATCHES_AHEAD);
        thread::scope(|scope| {
            let past = scope.spawn(move || {
                let mut simulation = Simulation::new(&settings);
                let mut event = SimulatedEvent::default();
                let mut count = 0;
                let mut batch = empty();
                while simulation.next_before(LIVE, &mut event) {
                    batch.push(count, Some(event.appended_at), event.account.as_bytes(), &event.value);
                    count += 1;
                    let full = batch.records.len() == BATCH_RECORDS;
                    if full && batches.send(std::mem::replace(&mut batch, empty())).is_err() {
                        break;
                    }
                }
                // Nobody receives any more when the loading was stopped.
                let _ = batches.send(batch);
                Story { plot, simulation, event }
            });
            let (mut out, mut lines) = (Outputs::default(), Lines::new(Collect::Nothing));
            let mut taken = 0;
            for batch in filled {
                spaces.step(&batch, &mut out, &mut lines);
                out.clear();
                taken += batch.records.len() as u64;
                if !progress(taken) {
                    break;
                }
            }
            (past.join().expect("the simulation does not panic"), taken)
        })
    }

    /// The story's time after so much watching.
    pub fn time_after(&self, watched: Duration) -> Timestamp {
        Timestamp(LIVE.0 + story_ms(watched, self.plot.speed_up))
    }

    /// The next event that reaches the log before a time.
    pub fn next_before(&mut self, until: Timestamp) -> Option<&SimulatedEvent> {
        self.simulation.next_before(until, &mut self.event).then_some(&self.event)
    }

    /// Tells the event given last to the tally.
    pub fn tell(&self, tally: &mut Tally) {
        tally.published(&self.event, self.simulation.campaigns());
    }

    /// Lives on unwatched until the campaigns under way have ended, so that the tally knows what they would have taken.
    pub fn finish(&mut self, tally: &mut Tally) {
        let end = tally.last_fraud_at();
        while self.simulation.next_before(Timestamp(end.0 + 1), &mut self.event) {
            tally.foreseen(&self.event);
        }
    }
}

fn empty() -> Batch {
    Batch::new(ShardId { space: 0, partition: 0 })
}

/// Milliseconds of the story in so much watching.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a show lasts less than the 10^8 years that a millisecond count holds"
)]
fn story_ms(watched: Duration, speed_up: f64) -> i64 {
    (watched.as_secs_f64() * speed_up * 1_000.0) as i64
}
