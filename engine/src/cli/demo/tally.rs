//! What the demo knows and the engine does not: which events are fraud. It says of each alert whether it was right.
//!
//! It knows no broker and no screen. What it counts depends on the events and alerts alone, not on how fast they came.

use super::alert::Alert;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use tripline_core::batch::Timestamp;
use tripline_core::simulate::{
    Campaign, CampaignId, CampaignKind, HardNegative, SimulatedEvent, Truth, TruthKind,
};

/// Events that are remembered: an alert follows its event within far fewer.
const RECENT_MAX: usize = 100_000;
/// Latencies that are remembered.
const LATENCIES_MAX: usize = 10_000;
/// How long after its last fraud a campaign's victim is still one, ms.
const AFTERMATH_MS: i64 = 24 * 60 * 60 * 1000;

/// What an alert is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The first alert about a campaign.
    Caught(CampaignKind),
    /// A further one.
    Again(CampaignKind),
    /// About frauds of before the show, found by the customers' reports.
    Reported(CampaignKind),
    /// The right account, but an event of the victim's own.
    Victim(CampaignKind),
    /// Nobody did anything wrong; an oddity of honest life, or not even that.
    FalseAlarm(Option<HardNegative>),
}

/// A fraud that was watched.
pub(super) struct Watched {
    pub campaign: Campaign,
    /// Frauds so far: account, time, US cents.
    pub takings: Vec<(String, Timestamp, i64)>,
    /// Time of the first alert about it.
    pub caught_at: Option<Timestamp>,
    /// Accounts that an alert was about, since when; under the empty name: all.
    pub covered: BTreeMap<String, Timestamp>,
}

/// An event that was published.
struct Published {
    truth: Truth,
    sent: Instant,
}

/// The running count of right and wrong.
pub struct Tally {
    pub(super) live: Timestamp,
    pub(super) now: Timestamp,
    pub(super) events: u64,
    pub(super) alerts: u64,
    pub(super) campaigns: BTreeMap<CampaignId, Watched>,
    pub(super) reported: BTreeSet<CampaignId>,
    pub(super) victims: u64,
    pub(super) false_alarms: BTreeMap<Option<HardNegative>, u64>,
    past: BTreeMap<CampaignId, CampaignKind>,
    recent: BTreeMap<String, Published>,
    order: VecDeque<String>,
    latencies: VecDeque<Duration>,
}

/// Campaigns by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// With at least one fraud while one watched.
    pub begun: usize,
    /// With an alert.
    pub caught: usize,
    /// Over, without one.
    pub missed: usize,
    /// Neither yet.
    pub open: usize,
}

impl Tally {
    /// Nothing yet, in a story that goes live then.
    pub fn new(live: Timestamp) -> Tally {
        Tally {
            live,
            now: live,
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

    /// An event goes to the log now.
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
            self.campaigns.entry(id).or_insert_with(|| Watched {
                campaign: campaign.clone(),
                takings: Vec::new(),
                caught_at: None,
                covered: BTreeMap::new(),
            });
            self.foreseen(event);
        } else {
            self.past.insert(id, campaign.kind);
        }
    }

    /// An event that happens after one stopped watching: only what a watched campaign takes by it counts.
    pub fn foreseen(&mut self, event: &SimulatedEvent) {
        if let Some(watched) = event.truth.campaign.and_then(|id| self.campaigns.get_mut(&id))
            && event.truth.is_fraud()
        {
            watched.takings.push((event.account.clone(), event.at, event.lost_cents));
        }
    }

    /// When the last campaign that was watched is over.
    pub fn last_fraud_at(&self) -> Timestamp {
        let ends = self.campaigns.values().map(|watched| watched.campaign.last_fraud_at);
        ends.max().unwrap_or(self.now)
    }

    /// An alert has reached its reader.
    pub fn alert(&mut self, alert: &Alert) -> Mark {
        self.alerts += 1;
        let mut truth = Truth::GENUINE;
        if let Some(published) = self.recent.get(&alert.event.id) {
            truth = published.truth;
            if self.latencies.len() == LATENCIES_MAX {
                self.latencies.pop_front();
            }
            self.latencies.push_back(published.sent.elapsed());
        }
        let mark = self.mark(alert, truth);
        match mark {
            Mark::Victim(_) => self.victims += 1,
            Mark::FalseAlarm(oddity) => *self.false_alarms.entry(oddity).or_default() += 1,
            Mark::Caught(_) | Mark::Again(_) | Mark::Reported(_) => {}
        }
        mark
    }

    fn mark(&mut self, alert: &Alert, truth: Truth) -> Mark {
        let by_place = || {
            let about = |watched: &Watched| watched.campaign.terminals.contains(&alert.entity.id);
            let found =
                self.campaigns.iter().find(|(_, watched)| about(watched) && watched.is_fresh(alert.at));
            found.map(|(id, _)| *id)
        };
        let id = truth.campaign.or_else(by_place);
        if let Some(watched) = id.and_then(|id| self.campaigns.get_mut(&id)) {
            return watched.alerted(alert);
        }
        if let Some((id, kind)) = id.and_then(|id| self.past.get_key_value(&id)) {
            self.reported.insert(*id);
            return Mark::Reported(*kind);
        }
        let struck = |watched: &&Watched| {
            watched.campaign.accounts.contains(&alert.account) && watched.is_fresh(alert.at)
        };
        match (self.campaigns.values().find(struck), truth.kind) {
            (Some(watched), _) => Mark::Victim(watched.campaign.kind),
            (None, TruthKind::HardNegative(oddity)) => Mark::FalseAlarm(Some(oddity)),
            (None, _) => Mark::FalseAlarm(None),
        }
    }

    /// How the campaigns of a kind stand, or of all.
    pub fn standing(&self, kind: Option<CampaignKind>) -> Standing {
        let mut standing = Standing::default();
        let of_kind = |watched: &&Watched| kind.is_none_or(|kind| watched.campaign.kind == kind);
        for watched in self.campaigns.values().filter(of_kind) {
            standing.begun += 1;
            standing.caught += usize::from(watched.caught_at.is_some());
            standing.open += usize::from(watched.is_open(self.now));
        }
        standing.missed = standing.begun - standing.caught - standing.open;
        standing
    }

    /// Kinds of campaigns of which at least one was caught.
    pub fn kinds_caught(&self) -> usize {
        CampaignKind::ALL.iter().filter(|kind| self.standing(Some(**kind)).caught > 0).count()
    }

    /// False alarms so far.
    pub fn false_alarms(&self) -> u64 {
        self.false_alarms.values().sum()
    }

    /// Events, alerts so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.events, self.alerts)
    }

    /// From an event's publication to its alert's arrival: median and 99th percentile of the latest alerts.
    pub fn latency(&self) -> Option<(Duration, Duration)> {
        let mut sorted: Vec<Duration> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        Some((sorted[last / 2], sorted[last * 99 / 100]))
    }
}

impl Watched {
    /// Whether it is neither caught nor over.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.caught_at.is_none() && self.campaign.last_fraud_at > now
    }

    /// Whether an alert of that time can be about it.
    fn is_fresh(&self, at: Timestamp) -> bool {
        (self.campaign.first_fraud_at.0..=self.campaign.last_fraud_at.0 + AFTERMATH_MS).contains(&at.0)
    }

    fn alerted(&mut self, alert: &Alert) -> Mark {
        let place = alert.entity.kind != "account";
        let whom = if place { String::new() } else { alert.account.clone() };
        let since = self.covered.entry(whom).or_insert(alert.at);
        *since = alert.at.min(*since);
        let first = self.caught_at.is_none();
        self.caught_at = Some(self.caught_at.map_or(alert.at, |at| at.min(alert.at)));
        if first { Mark::Caught(self.campaign.kind) } else { Mark::Again(self.campaign.kind) }
    }

    /// US cents taken up to the alert about the account, and after it. While it is open, nothing is counted that has not
    /// happened yet.
    pub fn lost_and_saved(&self, now: Timestamp) -> (i64, i64) {
        let (mut lost, mut saved) = (0, 0);
        for (account, at, cents) in &self.takings {
            let covered = [account.as_str(), ""].iter().filter_map(|whom| self.covered.get(*whom)).min();
            if covered.is_some_and(|since| since < at) {
                saved += cents;
            } else if *at <= now || self.caught_at.is_some() {
                lost += cents;
            }
        }
        (lost, saved)
    }
}

/// An oddity of honest life in plain words.
pub fn oddity_name(oddity: Option<HardNegative>) -> &'static str {
    match oddity {
        None => "everyday life",
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

    fn tally(events: &[SimulatedEvent]) -> Tally {
        let mut tally = Tally::new(Timestamp(0));
        events.iter().for_each(|event| tally.published(event, &[campaign()]));
        tally
    }

    #[test]
    fn what_is_taken_up_to_the_alert_is_lost_and_the_rest_is_saved() {
        let frauds = [(2_000, 100), (3_000, 20), (4_000, 3)];
        let mut tally = tally(&frauds.map(|(at, cents)| event("A1", at, TruthKind::Fraud(KIND), cents)));
        assert_eq!(tally.standing(None), Standing { begun: 1, open: 1, ..Standing::default() });
        assert_eq!(tally.alert(&alert("A1", 3_000, ["account", "A1"])), Mark::Caught(KIND));
        assert_eq!(tally.alert(&alert("A1", 4_000, ["account", "A1"])), Mark::Again(KIND));
        tally.foreseen(&event("A1", 9_000, TruthKind::Fraud(KIND), 1));
        assert_eq!(tally.campaigns[&ID].lost_and_saved(tally.now), (120, 4));
        assert_eq!(tally.standing(Some(KIND)), Standing { begun: 1, caught: 1, ..Standing::default() });
    }

    #[test]
    fn an_alert_on_one_victim_saves_nothing_of_another_and_one_on_the_terminal_does() {
        let frauds = [("A1", 2_000), ("A2", 3_000), ("A3", 4_000)];
        let mut tally = tally(&frauds.map(|(account, at)| event(account, at, TruthKind::Fraud(KIND), 10)));
        tally.alert(&alert("A1", 2_000, ["account", "A1"]));
        assert_eq!(tally.campaigns[&ID].lost_and_saved(tally.now), (30, 0));
        tally.alert(&alert("A2", 3_000, ["terminal", "T1"]));
        assert_eq!(tally.campaigns[&ID].lost_and_saved(tally.now), (20, 10));
    }

    #[test]
    fn honest_people_are_told_from_victims() {
        let traveller = TruthKind::HardNegative(HardNegative::Traveller);
        let mut tally = tally(&[
            event("A1", 2_000, TruthKind::Fraud(KIND), 10),
            event("A1", 3_000, TruthKind::Genuine, 0),
            event("A2", 4_000, traveller, 0),
        ]);
        assert_eq!(tally.alert(&alert("A1", 3_000, ["account", "A1"])), Mark::Victim(KIND));
        let oddity = Some(HardNegative::Traveller);
        assert_eq!(tally.alert(&alert("A2", 4_000, ["account", "A2"])), Mark::FalseAlarm(oddity));
        assert_eq!((tally.false_alarms(), tally.kinds_caught()), (1, 0));
    }

    #[test]
    fn a_campaign_that_ends_without_an_alert_is_missed() {
        let everyday = TruthKind::Genuine;
        let tally = tally(&[event("A1", 2_000, TruthKind::Fraud(KIND), 10), event("A2", 9_001, everyday, 0)]);
        assert_eq!(tally.standing(None), Standing { begun: 1, missed: 1, ..Standing::default() });
        assert_eq!(tally.campaigns[&ID].lost_and_saved(tally.now), (10, 0));
    }
}
