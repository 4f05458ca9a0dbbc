//! Campaigns and alerts of the demo, counted with the ground truth of the simulation, which the engine does not have.
//!
//! It does not depend on a broker or a screen. The counts depend on events and alerts alone; only the latencies depend
//! on time.

use super::alert::Alert;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use tripline_core::batch::Timestamp;
use tripline_core::simulate::{
    Campaign, CampaignId, CampaignKind, HardNegative, SimulatedEvent, Truth, TruthKind,
};
use tripline_rules::time::DAY_MS;

/// Events that are kept: far more than lie between an event and its alert.
const RECENT_MAX: usize = 100_000;
/// Latencies that are kept.
const LATENCIES_MAX: usize = 10_000;
/// How long after the last fraud of a campaign an alert can still be about it, ms.
const AFTERMATH_MS: i64 = DAY_MS;

/// Whether an alert is correct, by the ground truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assessment {
    /// The first alert about a campaign.
    Caught(CampaignKind),
    /// A further alert about a campaign.
    Again(CampaignKind),
    /// About a fraud before the live part, which customers have reported.
    Reported(CampaignKind),
    /// The account of a victim, but a genuine event.
    Victim(CampaignKind),
    /// No fraud: an unusual genuine activity, or a usual one.
    FalseAlarm(Option<HardNegative>),
}

/// A campaign with at least one published fraud.
pub(super) struct WatchedCampaign {
    pub campaign: Campaign,
    /// Frauds so far: account, time, US cents.
    pub frauds: Vec<(String, Timestamp, i64)>,
    /// Time of the first alert about it.
    pub caught_at: Option<Timestamp>,
    /// When the first alert about each account was raised; under the empty name: about all of them.
    pub alerted_at: BTreeMap<String, Timestamp>,
}

/// An event that was published.
struct Published {
    truth: Truth,
    sent: Instant,
}

/// Counts of a part of the simulation so far.
pub struct CampaignCounts {
    pub(super) from: Timestamp,
    pub(super) now: Timestamp,
    pub(super) events: u64,
    pub(super) alerts: u64,
    pub(super) campaigns: BTreeMap<CampaignId, WatchedCampaign>,
    pub(super) reported: BTreeSet<CampaignId>,
    pub(super) victims: u64,
    pub(super) false_alarms: BTreeMap<Option<HardNegative>, u64>,
    past: BTreeMap<CampaignId, CampaignKind>,
    recent: BTreeMap<String, Published>,
    order: VecDeque<String>,
    latencies: VecDeque<Duration>,
}

/// Campaigns by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CampaignStates {
    /// With at least one published fraud.
    pub begun: usize,
    /// With an alert.
    pub caught: usize,
    /// Ended without an alert.
    pub missed: usize,
    /// Still under way without an alert.
    pub open: usize,
}

impl CampaignCounts {
    /// No counts, for a part that begins at this time.
    pub fn new(from: Timestamp) -> CampaignCounts {
        CampaignCounts {
            from,
            now: from,
            events: 0,
            alerts: 0,
            campaigns: BTreeMap::new(),
            reported: BTreeSet::new(),
            victims: 0,
            false_alarms: BTreeMap::new(),
            past: BTreeMap::new(),
            recent: BTreeMap::new(),
            order: VecDeque::new(),
            latencies: VecDeque::new(),
        }
    }

    /// Counts an event that is published now.
    pub fn published(&mut self, event: &SimulatedEvent, campaigns: &[Campaign]) {
        self.events += 1;
        self.now = self.now.max(event.appended_at);
        if self.order.len() == RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
        self.order.push_back(event.id.clone());
        self.recent.insert(event.id.clone(), Published { truth: event.truth, sent: Instant::now() });
        let Some(id) = event.truth.campaign else { return };
        let Some(campaign) = campaigns.iter().find(|campaign| campaign.id == id) else { return };
        if event.truth.is_fraud() {
            self.campaigns.entry(id).or_insert_with(|| WatchedCampaign {
                campaign: campaign.clone(),
                frauds: Vec::new(),
                caught_at: None,
                alerted_at: BTreeMap::new(),
            });
            self.unpublished(event);
        } else {
            self.past.insert(id, campaign.kind);
        }
    }

    /// Counts what a campaign would take by an event after the end of the demo.
    pub fn unpublished(&mut self, event: &SimulatedEvent) {
        if let Some(watched) = event.truth.campaign.and_then(|id| self.campaigns.get_mut(&id))
            && event.truth.is_fraud()
        {
            watched.frauds.push((event.account.clone(), event.at, event.lost_cents));
        }
    }

    /// When the last campaign ends.
    pub fn last_fraud_at(&self) -> Timestamp {
        let ends = self.campaigns.values().map(|watched| watched.campaign.last_fraud_at);
        ends.max().unwrap_or(self.now)
    }

    /// Counts an alert that was consumed now.
    pub fn alert(&mut self, alert: &Alert) -> Assessment {
        self.alerts += 1;
        let mut truth = Truth::GENUINE;
        if let Some(published) = self.recent.get(&alert.event.id) {
            truth = published.truth;
            if self.latencies.len() == LATENCIES_MAX {
                self.latencies.pop_front();
            }
            self.latencies.push_back(published.sent.elapsed());
        }
        let assessment = self.assess(alert, truth);
        match assessment {
            Assessment::Victim(_) => self.victims += 1,
            Assessment::FalseAlarm(oddity) => *self.false_alarms.entry(oddity).or_default() += 1,
            Assessment::Caught(_) | Assessment::Again(_) | Assessment::Reported(_) => {}
        }
        assessment
    }

    fn assess(&mut self, alert: &Alert, truth: Truth) -> Assessment {
        let by_terminal = || {
            let about = |watched: &WatchedCampaign| watched.campaign.terminals.contains(&alert.entity.id);
            let found =
                self.campaigns.iter().find(|(_, watched)| about(watched) && watched.is_fresh(alert.at));
            found.map(|(id, _)| *id)
        };
        let id = truth.campaign.or_else(by_terminal);
        if let Some(watched) = id.and_then(|id| self.campaigns.get_mut(&id)) {
            return watched.alerted(alert);
        }
        if let Some((id, kind)) = id.and_then(|id| self.past.get_key_value(&id)) {
            self.reported.insert(*id);
            return Assessment::Reported(*kind);
        }
        let struck = |watched: &&WatchedCampaign| {
            watched.campaign.accounts.contains(&alert.account) && watched.is_fresh(alert.at)
        };
        match (self.campaigns.values().find(struck), truth.kind) {
            (Some(watched), _) => Assessment::Victim(watched.campaign.kind),
            (None, TruthKind::HardNegative(oddity)) => Assessment::FalseAlarm(Some(oddity)),
            (None, _) => Assessment::FalseAlarm(None),
        }
    }

    /// Campaigns of one kind, or of all kinds, by state.
    pub fn states(&self, kind: Option<CampaignKind>) -> CampaignStates {
        let mut states = CampaignStates::default();
        let of_kind = |watched: &&WatchedCampaign| kind.is_none_or(|kind| watched.campaign.kind == kind);
        for watched in self.campaigns.values().filter(of_kind) {
            states.begun += 1;
            states.caught += usize::from(watched.caught_at.is_some());
            states.open += usize::from(watched.is_open(self.now));
        }
        states.missed = states.begun - states.caught - states.open;
        states
    }

    /// Kinds of which at least one campaign was caught.
    pub fn kinds_caught(&self) -> usize {
        CampaignKind::ALL.iter().filter(|kind| self.states(Some(**kind)).caught > 0).count()
    }

    /// False alarms so far.
    pub fn false_alarms(&self) -> u64 {
        self.false_alarms.values().sum()
    }

    /// From publishing an event to consuming its alert: median and 99th percentile of the latest alerts.
    pub fn latency(&self) -> Option<(Duration, Duration)> {
        let mut sorted: Vec<Duration> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        Some((sorted[last / 2], sorted[last * 99 / 100]))
    }
}

impl WatchedCampaign {
    /// Whether it is still under way without an alert.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.caught_at.is_none() && self.campaign.last_fraud_at > now
    }

    /// Whether an alert of that time can be about it.
    fn is_fresh(&self, at: Timestamp) -> bool {
        (self.campaign.first_fraud_at.0..=self.campaign.last_fraud_at.0 + AFTERMATH_MS).contains(&at.0)
    }

    fn alerted(&mut self, alert: &Alert) -> Assessment {
        let is_terminal = alert.entity.kind != "account";
        let whom = if is_terminal { String::new() } else { alert.account.clone() };
        let since = self.alerted_at.entry(whom).or_insert(alert.at);
        *since = alert.at.min(*since);
        let first = self.caught_at.is_none();
        self.caught_at = Some(self.caught_at.map_or(alert.at, |at| at.min(alert.at)));
        if first { Assessment::Caught(self.campaign.kind) } else { Assessment::Again(self.campaign.kind) }
    }

    /// US cents taken up to the first alert about the account, and after it. Of an open campaign only what was taken
    /// until
    /// `now` counts.
    pub fn lost_and_saved(&self, now: Timestamp) -> (i64, i64) {
        let (mut lost, mut saved) = (0, 0);
        for (account, at, cents) in &self.frauds {
            let alerted = [account.as_str(), ""].iter().filter_map(|whom| self.alerted_at.get(*whom)).min();
            if alerted.is_some_and(|since| since < at) {
                saved += cents;
            } else if *at <= now || self.caught_at.is_some() {
                lost += cents;
            }
        }
        (lost, saved)
    }
}

/// The name of an unusual genuine activity.
pub fn oddity_name(oddity: Option<HardNegative>) -> &'static str {
    match oddity {
        None => "usual activity",
        Some(HardNegative::Traveller) => "traveller",
        Some(HardNegative::ShoppingSpree) => "shopping spree on payday",
        Some(HardNegative::Transit) => "commuter's fares",
        Some(HardNegative::NewPhone) => "new phone",
        Some(HardNegative::BigPurchase) => "big purchase",
        Some(HardNegative::GamePurchases) => "purchases in a game",
        Some(HardNegative::NewPayee) => "new payee",
        Some(HardNegative::PayRun) => "pay run",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: CampaignKind = CampaignKind::TakeoverDrain;
    const ID: CampaignId = CampaignId(1);

    fn campaign() -> Campaign {
        Campaign {
            id: ID,
            kind: KIND,
            accounts: vec!["A1".to_owned()],
            terminals: vec!["T1".to_owned()],
            first_fraud_at: Timestamp(1_000),
            last_fraud_at: Timestamp(9_000),
            stake_cents: 0,
            lost_cents: 0,
        }
    }

    fn event(account: &str, at: i64, kind: TruthKind, cents: i64) -> SimulatedEvent {
        let campaign = matches!(kind, TruthKind::Fraud(_)).then_some(ID);
        SimulatedEvent {
            account: account.to_owned(),
            id: format!("{account}-{at}"),
            at: Timestamp(at),
            appended_at: Timestamp(at),
            truth: Truth { campaign, kind },
            lost_cents: cents,
            ..SimulatedEvent::default()
        }
    }

    fn alert(account: &str, at: i64, entity: [&str; 2]) -> Alert {
        let written = serde_json::json!({
            "at": Timestamp(at), "account": account, "entity": {"kind": entity[0], "id": entity[1]},
            "event": {"id": format!("{account}-{at}"), "type": "p2p"},
            "action": {"do": "block"}, "severity": "high", "rules": [],
        });
        serde_json::from_value(written).unwrap()
    }

    fn counts(events: &[SimulatedEvent]) -> CampaignCounts {
        let mut counts = CampaignCounts::new(Timestamp(0));
        events.iter().for_each(|event| counts.published(event, &[campaign()]));
        counts
    }

    #[test]
    fn money_taken_up_to_the_alert_is_lost_and_the_rest_is_saved() {
        let frauds = [(2_000, 100), (3_000, 20), (4_000, 3)];
        let mut counts = counts(&frauds.map(|(at, cents)| event("A1", at, TruthKind::Fraud(KIND), cents)));
        assert_eq!(counts.states(None), CampaignStates { begun: 1, open: 1, ..CampaignStates::default() });
        assert_eq!(counts.alert(&alert("A1", 3_000, ["account", "A1"])), Assessment::Caught(KIND));
        assert_eq!(counts.alert(&alert("A1", 4_000, ["account", "A1"])), Assessment::Again(KIND));
        counts.unpublished(&event("A1", 9_000, TruthKind::Fraud(KIND), 1));
        assert_eq!(counts.campaigns[&ID].lost_and_saved(counts.now), (120, 4));
        assert_eq!(
            counts.states(Some(KIND)),
            CampaignStates { begun: 1, caught: 1, ..CampaignStates::default() }
        );
    }

    #[test]
    fn an_alert_on_one_victim_saves_nothing_of_another_and_one_on_the_terminal_does() {
        let frauds = [("A1", 2_000), ("A2", 3_000), ("A3", 4_000)];
        let mut counts = counts(&frauds.map(|(account, at)| event(account, at, TruthKind::Fraud(KIND), 10)));
        counts.alert(&alert("A1", 2_000, ["account", "A1"]));
        assert_eq!(counts.campaigns[&ID].lost_and_saved(counts.now), (30, 0));
        counts.alert(&alert("A2", 3_000, ["terminal", "T1"]));
        assert_eq!(counts.campaigns[&ID].lost_and_saved(counts.now), (20, 10));
    }

    #[test]
    fn alerts_on_genuine_events_distinguish_victims_from_false_alarms() {
        let traveller = TruthKind::HardNegative(HardNegative::Traveller);
        let mut counts = counts(&[
            event("A1", 2_000, TruthKind::Fraud(KIND), 10),
            event("A1", 3_000, TruthKind::Genuine, 0),
            event("A2", 4_000, traveller, 0),
        ]);
        assert_eq!(counts.alert(&alert("A1", 3_000, ["account", "A1"])), Assessment::Victim(KIND));
        let oddity = Some(HardNegative::Traveller);
        assert_eq!(counts.alert(&alert("A2", 4_000, ["account", "A2"])), Assessment::FalseAlarm(oddity));
        assert_eq!((counts.false_alarms(), counts.kinds_caught()), (1, 0));
    }

    #[test]
    fn a_campaign_that_ends_without_an_alert_is_missed() {
        let everyday = TruthKind::Genuine;
        let counts =
            counts(&[event("A1", 2_000, TruthKind::Fraud(KIND), 10), event("A2", 9_001, everyday, 0)]);
        assert_eq!(counts.states(None), CampaignStates { begun: 1, missed: 1, ..CampaignStates::default() });
        assert_eq!(counts.campaigns[&ID].lost_and_saved(counts.now), (10, 0));
    }
}
