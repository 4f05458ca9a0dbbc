//! What is simulated: how large the bank is, when it begins, its fraud and the faults of its feed.

use super::campaigns::Campaigns;
use super::faults::Faults;
use crate::batch::Timestamp;
use tripline_rules::time::DAY_MS;

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulationSettings {
    /// Another seed, another story.
    pub seed: u64,
    /// How many accounts the bank has, those included that open only later.
    pub accounts: u32,
    /// Nothing happens before.
    pub start: Timestamp,
    /// Mean events of an account a day, at most about 50: people rest ten minutes between two scenes.
    pub events_per_account_day: f64,
    /// The fraud.
    pub campaigns: Campaigns,
    /// The faults of the feed.
    pub faults: Faults,
}

impl SimulationSettings {
    /// An honest world without faults: three events a day and account.
    pub fn new(seed: u64, accounts: u32, start: Timestamp) -> SimulationSettings {
        let (campaigns, faults) = (Campaigns::none(), Faults::none());
        SimulationSettings { seed, accounts, start, events_per_account_day: 3.0, campaigns, faults }
    }

    /// A show: 90 days of past up to `live`, and from then on [`Campaigns::demo`] at `speed_up` seconds of events a
    /// second.
    pub fn demo(seed: u64, accounts: u32, live: Timestamp, speed_up: f64) -> SimulationSettings {
        let start = Timestamp(live.0 - 90 * DAY_MS);
        let campaigns = Campaigns::demo(live, speed_up);
        SimulationSettings { campaigns, ..SimulationSettings::new(seed, accounts, start) }
    }
}
