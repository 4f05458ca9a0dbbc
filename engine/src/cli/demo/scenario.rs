//! The simulated bank of the demo: its history is loaded into the ledgers, then its events become due.

use super::campaign_counts::CampaignCounts;
use crate::config::Config;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::outputs::Outputs;
use tripline_core::results::{Collect, EventResults};
use tripline_core::settings::Settings;
use tripline_core::simulate::{SimulatedEvent, Simulation, SimulationSettings};
use tripline_core::spaces::Spaces;

/// When the live part begins: Friday, 13 March 2026, 17:00 UTC, noon in New York. A fixed time, so that a seed always
/// gives the same events.
pub const LIVE: Timestamp = Timestamp(1_773_421_200_000);
/// Records of a step while the history is loaded.
const BATCH_RECORDS: usize = 1_024;
/// Batches by which the simulation may be ahead of the ledgers.
const BATCHES_AHEAD: usize = 16;

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScenarioSettings {
    /// Seed of the simulation.
    pub seed: u64,
    /// Accounts of the bank.
    pub accounts: u32,
    /// Simulated seconds per second of real time.
    pub speed_up: f64,
}

/// A simulated bank behind its history.
pub struct Scenario {
    settings: ScenarioSettings,
    simulation: Simulation,
    event: SimulatedEvent,
}

impl Scenario {
    /// Simulates 90 days and loads them into the ledgers without judging them. `progress` gets the number of events
    /// after each batch and returns false to stop early. Returns the number of events, too.
    pub fn with_history(
        settings: ScenarioSettings,
        spaces: &mut Spaces,
        mut progress: impl FnMut(u64) -> bool,
    ) -> (Scenario, u64) {
        let simulated = SimulationSettings::demo(settings.seed, settings.accounts, LIVE, settings.speed_up);
        let (sender, batches) = sync_channel::<Batch>(BATCHES_AHEAD);
        thread::scope(|scope| {
            let history = scope.spawn(move || {
                let mut simulation = Simulation::new(&simulated);
                let mut event = SimulatedEvent::default();
                let mut count = 0;
                let mut batch = empty();
                while simulation.next_before(LIVE, &mut event) {
                    batch.push(count, Some(event.appended_at), event.account.as_bytes(), &event.value);
                    count += 1;
                    let full = batch.records.len() == BATCH_RECORDS;
                    if full && sender.send(std::mem::replace(&mut batch, empty())).is_err() {
                        break;
                    }
                }
                // There is no receiver any more when loading was stopped.
                let _ = sender.send(batch);
                Scenario { settings, simulation, event }
            });
            let (mut out, mut results) = (Outputs::default(), EventResults::new(Collect::Nothing));
            let mut loaded = 0;
            for batch in batches {
                spaces.step(&batch, &mut out, &mut results);
                out.clear();
                loaded += batch.records.len() as u64;
                if !progress(loaded) {
                    break;
                }
            }
            (history.join().expect("the simulation does not panic"), loaded)
        })
    }

    /// Simulated time after this much real time.
    pub fn time_after(&self, watched: Duration) -> Timestamp {
        Timestamp(LIVE.0 + simulated_ms(watched, self.settings.speed_up))
    }

    /// The next event that is appended to the log before a time.
    pub fn next_before(&mut self, until: Timestamp) -> Option<&SimulatedEvent> {
        self.simulation.next_before(until, &mut self.event).then_some(&self.event)
    }

    /// Counts the event that [`Scenario::next_before`] returned last.
    pub fn count(&self, counts: &mut CampaignCounts) {
        counts.published(&self.event, self.simulation.campaigns());
    }

    /// Simulates on until the campaigns under way have ended, so that the counts include what they would have taken.
    pub fn finish(&mut self, counts: &mut CampaignCounts) {
        let end = counts.last_fraud_at();
        while self.simulation.next_before(Timestamp(end.0 + 1), &mut self.event) {
            counts.unpublished(&self.event);
        }
    }
}

/// Every key space of the demo, which judges events from the start of the live part on.
pub fn spaces(config: &Config) -> Spaces {
    let settings = Settings { judge_from: Some(LIVE), ..config.settings().clone() };
    Spaces::new(&Arc::new(config.installation.with_settings(settings)))
}

fn empty() -> Batch {
    Batch::new(ShardId::account(0))
}

/// Simulated milliseconds in this much real time.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a demo ends before the 10^8 years that a millisecond count holds"
)]
fn simulated_ms(watched: Duration, speed_up: f64) -> i64 {
    (watched.as_secs_f64() * speed_up * 1_000.0) as i64
}
