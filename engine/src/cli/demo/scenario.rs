//! The simulated bank of the demo: its history is loaded into the ledgers, then its events become due.
//!
//! The last days of the history are judged: the live part alone has too few events to tell how many alarms are false.

use super::alert::Alert;
use super::campaign_counts::CampaignCounts;
use crate::config::Config;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::outputs::Outputs;
use tripline_core::results::{Collect, EventResults};
use tripline_core::settings::Settings;
use tripline_core::simulate::{Campaign, SimulatedEvent, Simulation, SimulationSettings};
use tripline_core::spaces::Spaces;
use tripline_rules::time::DAY_MS;

/// When the live part begins: Friday, 13 March 2026, 17:00 UTC, noon in New York. A fixed time, so that a seed always
/// gives the same events.
pub const LIVE: Timestamp = Timestamp(1_773_421_200_000);
/// Records of a step while the history is loaded.
const BATCH_RECORDS: usize = 1_024;
/// Batches by which the simulation may be ahead of the ledgers.
const BATCHES_AHEAD: usize = 16;

/// Account-days of the history that are judged, a little more than 20,000 days of open accounts. From them the share of
/// false alarms is known within about a third of its value.
const JUDGED_ACCOUNT_DAYS: i64 = 20_500;

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

impl ScenarioSettings {
    /// From when on events are judged.
    pub fn judged_from(&self) -> Timestamp {
        let accounts = i64::from(self.accounts);
        Timestamp(LIVE.0 - (JUDGED_ACCOUNT_DAYS + accounts - 1) / accounts * DAY_MS)
    }
}

/// A simulated bank behind its history.
pub struct Scenario {
    settings: ScenarioSettings,
    simulation: Simulation,
    event: SimulatedEvent,
}

/// A loaded history.
pub struct History {
    /// The bank behind it.
    pub scenario: Scenario,
    /// Its events.
    pub events: u64,
    /// Campaigns and alerts of its judged part.
    pub counts: CampaignCounts,
}

/// Records of the history on their way to the ledgers.
struct Loading {
    batch: Batch,
    /// The truth about those that are judged.
    judged: Vec<SimulatedEvent>,
    /// The campaigns so far, if one of the records belongs to one.
    campaigns: Vec<Campaign>,
}

impl Scenario {
    /// Simulates 90 days and loads them into the ledgers, the last ones judged. `progress` gets the number of events
    /// after each batch and returns false to stop early.
    pub fn with_history(
        settings: ScenarioSettings,
        spaces: &mut Spaces,
        mut progress: impl FnMut(u64) -> bool,
    ) -> Result<History, serde_json::Error> {
        let simulated = SimulationSettings::demo(settings.seed, settings.accounts, LIVE, settings.speed_up);
        let (sender, loading) = sync_channel(BATCHES_AHEAD);
        thread::scope(|scope| {
            let bank = scope.spawn(move || simulate_history(settings, &simulated, &sender));
            let (mut out, mut results) = (Outputs::default(), EventResults::new(Collect::Nothing));
            let mut counts = CampaignCounts::new(settings.judged_from());
            let mut events = 0;
            // The simulation ends when nothing more is received.
            for Loading { batch, judged, campaigns } in loading {
                spaces.step(&batch, &mut out, &mut results);
                judged.iter().for_each(|event| counts.published(event, &campaigns));
                for alert in Alert::all(&out) {
                    counts.alert(&alert?);
                }
                out.clear();
                events += batch.records.len() as u64;
                if !progress(events) {
                    break;
                }
            }
            let scenario = bank.join().expect("the simulation does not panic");
            Ok(History { scenario, events, counts })
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

    /// Days on which accounts were open, summed over the accounts.
    pub fn account_days(&self, from: Timestamp, until: Timestamp) -> f64 {
        self.simulation.account_days(from, until)
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

/// Simulates the events before the live part.
fn simulate_history(
    settings: ScenarioSettings,
    simulated: &SimulationSettings,
    sender: &SyncSender<Loading>,
) -> Scenario {
    let mut simulation = Simulation::new(simulated);
    let mut event = SimulatedEvent::default();
    let (mut offset, mut goes_on) = (0, true);
    while goes_on {
        let mut batch = Batch::new(ShardId::account(0));
        let (mut judged, mut of_campaign) = (Vec::new(), false);
        while batch.records.len() < BATCH_RECORDS {
            goes_on = simulation.next_before(LIVE, &mut event);
            if !goes_on {
                break;
            }
            batch.push(offset, Some(event.appended_at), event.account.as_bytes(), &event.value);
            offset += 1;
            if event.at >= settings.judged_from() {
                of_campaign |= event.truth.campaign.is_some();
                judged.push(SimulatedEvent { value: Vec::new(), ..event.clone() });
            }
        }
        let campaigns = if of_campaign { simulation.campaigns().to_vec() } else { Vec::new() };
        // There is no receiver any more when loading was stopped.
        goes_on &= sender.send(Loading { batch, judged, campaigns }).is_ok();
    }
    Scenario { settings, simulation, event }
}

/// Every key space of the demo.
pub fn spaces(config: &Config, settings: ScenarioSettings) -> Spaces {
    let settings = Settings { judge_from: Some(settings.judged_from()), ..config.settings().clone() };
    Spaces::new(&Arc::new(config.installation.with_settings(settings)))
}

/// Simulated milliseconds in this much real time.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a demo ends before the 10^8 years that a millisecond count holds"
)]
fn simulated_ms(watched: Duration, speed_up: f64) -> i64 {
    (watched.as_secs_f64() * speed_up * 1_000.0) as i64
}
