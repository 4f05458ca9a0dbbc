//! Decision state: cooldowns and incidents, the part of a shard's state that is not a function of its events alone.
//!
//! Both are intervals of event time, so that an event that comes late meets what holds at its own time and changes
//! nothing that is newer. Every change is part of the verdict that caused it, so that a restore applies committed
//! verdicts ([`Decisions::fold`]) and judges nothing again. It suppresses alerts only, and no scores or actions.

mod horizon;
mod wire;

pub use horizon::Horizon;

use crate::batch::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tripline_rules::time::DAY_MS;

/// Alerts on one account with no longer gap than this, in event time, are one incident.
pub const INCIDENT_GAP_MS: i64 = DAY_MS;
/// Intervals of one cooldown, and incidents of one key, that are held at most.
pub const INTERVALS_MAX: usize = 8;
/// Expired state is swept when so many entries were added since the last sweep.
const SWEEP_EVERY: usize = 1024;

/// What is held by time under one key, with a bound.
#[derive(Clone, Debug, PartialEq)]
struct Intervals<T> {
    /// By their beginning.
    held: Vec<T>,
    /// The latest end of those that were dropped for want of room.
    dropped_until: Option<Timestamp>,
}

/// Something that holds for a time.
trait Interval: Copy {
    fn from(&self) -> Timestamp;
    /// No event of this time or a later one is affected.
    fn end(&self) -> Timestamp;
}

impl<T> Default for Intervals<T> {
    fn default() -> Intervals<T> {
        Intervals { held: Vec::new(), dropped_until: None }
    }
}

impl<T: Interval> Intervals<T> {
    /// Adds one. Of too many the one that ends first goes; gives back whether one did.
    fn add(&mut self, added: T, settled: Timestamp) -> bool {
        self.expire(settled);
        let position = self.held.partition_point(|held| held.from() <= added.from());
        self.held.insert(position, added);
        if self.held.len() <= INTERVALS_MAX {
            return false;
        }
        let first = (0..self.held.len()).min_by_key(|at| self.held[*at].end()).expect("one was added");
        let dropped = self.held.remove(first);
        self.dropped_until = self.dropped_until.max(Some(dropped.end()));
        true
    }

    /// Forgets what no event can meet any more; false when nothing is left.
    fn expire(&mut self, settled: Timestamp) -> bool {
        self.held.retain(|held| held.end() > settled);
        self.dropped_until = self.dropped_until.filter(|until| *until > settled);
        !self.held.is_empty() || self.dropped_until.is_some()
    }

    /// Whether one that was dropped may have been about an event.
    fn may_lack(&self, at: Timestamp) -> bool {
        self.dropped_until.is_some_and(|until| at < until)
    }
}

/// An interval of a cooldown: from the event that opened it, its end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cooldown {
    opened: Timestamp,
    until: Timestamp,
    /// Score of the alert that opened it: what `unless: score_increases` compares with.
    score: i32,
}

impl Interval for Cooldown {
    fn from(&self) -> Timestamp {
        self.opened
    }

    fn end(&self) -> Timestamp {
        self.until
    }
}

/// An incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Id, keyed hash of the event that opened it.
    pub id: u128,
    /// How many alerts and silenced firings it holds.
    pub seq: u32,
    /// Event time of the oldest of them.
    pub from: Timestamp,
    /// Event time of the newest of them.
    pub to: Timestamp,
}

impl Interval for Incident {
    fn from(&self) -> Timestamp {
        self.from
    }

    fn end(&self) -> Timestamp {
        Timestamp(self.to.0.saturating_add(INCIDENT_GAP_MS + 1))
    }
}

/// What cooldowns make of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// An interval that is held silences it.
    pub is_silenced: bool,
    /// An interval that is no longer held might have.
    pub is_approximate: bool,
}

/// One change of decision state, as verdicts record it. Intervals begin at the verdict's event time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A cooldown was opened.
    Cooldown {
        /// Id of the rule.
        rule: String,
        /// Key it is about.
        #[serde(with = "hex")]
        key: u128,
        /// When messages may be sent again, ms.
        until: i64,
        /// Score of the alert that opened it.
        score: i32,
    },
    /// An incident was opened or went on.
    Incident {
        /// Key it is about.
        #[serde(with = "hex")]
        key: u128,
        /// Its id.
        #[serde(with = "hex")]
        id: u128,
        /// Its sequence number now.
        seq: u32,
        /// Event time of its newest firing, ms.
        at: i64,
    },
}

/// All decision state of one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions {
    cooldowns: BTreeMap<(u128, String), Intervals<Cooldown>>,
    incidents: BTreeMap<u128, Intervals<Incident>>,
    added: usize,
    /// The greatest event time that was judged on which a rule fired.
    judged: Timestamp,
    /// No event of this time or before can come any more.
    settled: Timestamp,
    dropped: DroppedDecisions,
}

/// What was dropped for want of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedDecisions {
    /// Intervals of cooldowns.
    pub cooldowns: u64,
    /// Incidents.
    pub incidents: u64,
}

impl Default for Decisions {
    fn default() -> Decisions {
        let never = Timestamp(i64::MIN);
        Decisions {
            cooldowns: BTreeMap::new(),
            incidents: BTreeMap::new(),
            added: 0,
            judged: never,
            settled: never,
            dropped: DroppedDecisions::default(),
        }
    }
}

impl Decisions {
    /// Takes note of an event on which a rule fired, before its changes: forgets what no later event can meet.
    /// The recorded firings and their number decide, so this is a function of the log.
    pub fn advance(&mut self, at: Timestamp, lateness_ms: i64) {
        self.judged = self.judged.max(at);
        self.settled = Timestamp(self.judged.0.saturating_sub(lateness_ms));
        if self.added < SWEEP_EVERY.max(self.len() / 2) {
            return;
        }
        self.added = 0;
        let settled = self.settled;
        self.cooldowns.retain(|_, intervals| intervals.expire(settled));
        self.incidents.retain(|_, intervals| intervals.expire(settled));
    }

    /// Whether a firing is silent: a cooldown of this rule on this key contains the event's time, and is not lifted by
    /// a score above its own.
    pub fn silence(
        &self,
        rule: &str,
        key: u128,
        at: Timestamp,
        score: i32,
        unless_score_increases: bool,
    ) -> Silence {
        // The map's key owns its text; firings are rare enough for this copy.
        let Some(intervals) = self.cooldowns.get(&(key, rule.to_owned())) else {
            return Silence { is_silenced: false, is_approximate: false };
        };
        let silences = |interval: &Cooldown| {
            let is_lifted = unless_score_increases && score > interval.score;
            interval.opened <= at && at < interval.until && !is_lifted
        };
        let is_silenced = intervals.held.iter().any(silences);
        Silence { is_silenced, is_approximate: !is_silenced && intervals.may_lack(at) }
    }

    /// Opens a cooldown at an event and returns the change to record.
    pub fn open_cooldown(
        &mut self,
        rule: &str,
        key: u128,
        at: Timestamp,
        until: Timestamp,
        score: i32,
    ) -> Change {
        self.apply(at, Change::Cooldown { rule: rule.to_owned(), key, until: until.0, score })
    }

    /// The incident that a firing at `at` belongs to: the nearest without a longer gap between them, of two equally
    /// near ones the newer.
    pub fn open_incident(&self, key: u128, at: Timestamp) -> Option<Incident> {
        let gap =
            |held: &Incident| (held.from.0.saturating_sub(at.0)).max(at.0.saturating_sub(held.to.0)).max(0);
        let near = self.incidents.get(&key)?.held.iter().rev().filter(|held| gap(held) <= INCIDENT_GAP_MS);
        near.min_by_key(|held| gap(held)).copied()
    }

    /// Whether a firing may belong to an incident that is no longer held.
    pub fn may_lack_incident(&self, key: u128, at: Timestamp) -> bool {
        self.incidents.get(&key).is_some_and(|incidents| incidents.may_lack(at))
    }

    /// Counts a firing in the key's incident; `id` names the incident should none be open.
    pub fn raise_incident(&mut self, key: u128, at: Timestamp, id: u128) -> (Incident, Change) {
        let raised = match self.open_incident(key, at) {
            Some(open) => Incident {
                seq: open.seq.saturating_add(1),
                from: open.from.min(at),
                to: open.to.max(at),
                ..open
            },
            None => Incident { id, seq: 1, from: at, to: at },
        };
        let change =
            self.apply(at, Change::Incident { key, id: raised.id, seq: raised.seq, at: raised.to.0 });
        (raised, change)
    }

    /// Applies the changes that an earlier run recorded with the verdict of an event.
    pub fn fold(&mut self, at: Timestamp, changes: Vec<Change>, lateness_ms: i64) {
        self.advance(at, lateness_ms);
        changes.into_iter().for_each(|change| drop(self.apply(at, change)));
    }

    /// How many cooldowns and keys with incidents are held.
    pub fn len(&self) -> usize {
        self.cooldowns.len() + self.incidents.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was dropped for want of room so far.
    pub fn dropped(&self) -> DroppedDecisions {
        self.dropped
    }

    fn apply(&mut self, at: Timestamp, change: Change) -> Change {
        self.added += 1;
        let settled = self.settled;
        match &change {
            Change::Cooldown { rule, key, until, score } => {
                let opened = Cooldown { opened: at, until: Timestamp(*until), score: *score };
                let intervals = self.cooldowns.entry((*key, rule.clone())).or_default();
                self.dropped.cooldowns += u64::from(intervals.add(opened, settled));
            }
            Change::Incident { key, id, seq, at: to } => {
                let incidents = self.incidents.entry(*key).or_default();
                let before = incidents.held.iter().position(|held| held.id == *id);
                let from = before.map_or(at, |before| incidents.held.remove(before).from.min(at));
                let incident = Incident { id: *id, seq: *seq, from, to: Timestamp(*to) };
                self.dropped.incidents += u64::from(incidents.add(incident, settled));
            }
        }
        change
    }
}

/// 128-bit ids as 32 hexadecimal digits: JSON numbers would lose their low bits in most readers.
pub(crate) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(id: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{id:032x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = tripline_rules::time::HOUR_MS;

    fn open(decisions: &mut Decisions, rule: &str, key: u128, from: i64, until: i64, score: i32) {
        decisions.advance(Timestamp(from), 24 * HOUR);
        decisions.open_cooldown(rule, key, Timestamp(from), Timestamp(until), score);
    }

    #[test]
    fn a_cooldown_silences_its_rule_on_its_key_from_its_opening_to_its_last_millisecond() {
        let mut decisions = Decisions::default();
        open(&mut decisions, "CARD-001", 7, 500, 1000, 35);
        let silenced = |rule, key, at| decisions.silence(rule, key, Timestamp(at), 35, false).is_silenced;
        assert!(silenced("CARD-001", 7, 500) && silenced("CARD-001", 7, 999));
        assert!(!silenced("CARD-001", 7, 499) && !silenced("CARD-001", 7, 1000));
        assert!(!silenced("CARD-001", 8, 999));
        assert!(!silenced("CARD-002", 7, 999));
    }

    #[test]
    fn a_risen_score_lifts_the_silence_where_the_rule_says_so() {
        let mut decisions = Decisions::default();
        open(&mut decisions, "ACCT-011", 7, 0, 1000, 35);
        let silenced =
            |score, unless| decisions.silence("ACCT-011", 7, Timestamp(1), score, unless).is_silenced;
        assert!(silenced(35, true));
        assert!(!silenced(36, true));
        assert!(silenced(36, false));
    }

    #[test]
    fn a_late_event_opens_an_interval_of_its_own_and_shortens_none() {
        let mut decisions = Decisions::default();
        open(&mut decisions, "R", 7, 10 * HOUR, 16 * HOUR, 10);
        open(&mut decisions, "R", 7, 5 * HOUR, 11 * HOUR, 40);
        let silenced =
            |hour: i64, score| decisions.silence("R", 7, Timestamp(hour * HOUR), score, true).is_silenced;
        assert!(silenced(12, 10) && !silenced(12, 11), "of the interval that contains it, the score counts");
        assert!(silenced(10, 40) && !silenced(10, 41), "every interval that contains it must be lifted");
        assert!(!silenced(4, 10));
    }

    #[test]
    fn beyond_eight_intervals_the_first_to_end_goes_and_what_it_might_have_silenced_is_approximate() {
        let mut decisions = Decisions::default();
        for hour in 0..9 {
            open(&mut decisions, "R", 7, 2 * hour * HOUR, (2 * hour + 1) * HOUR, 1);
        }
        let silence = |at| decisions.silence("R", 7, Timestamp(at), 1, false);
        assert_eq!(silence(0), Silence { is_silenced: false, is_approximate: true });
        assert_eq!(silence(HOUR), Silence { is_silenced: false, is_approximate: false });
        assert_eq!(silence(2 * HOUR), Silence { is_silenced: true, is_approximate: false });
        assert_eq!(decisions.dropped(), DroppedDecisions { cooldowns: 1, incidents: 0 });
    }

    #[test]
    fn intervals_that_no_event_can_meet_take_no_room() {
        let mut decisions = Decisions::default();
        for day in 0..100 {
            open(&mut decisions, "R", 7, 24 * day * HOUR, (24 * day + 1) * HOUR, 1);
        }
        assert_eq!(decisions.dropped(), DroppedDecisions::default());
    }

    #[test]
    fn an_incident_ends_after_a_day_without_alerts() {
        let mut decisions = Decisions::default();
        let mut raise = |at: i64| {
            let (incident, _) = decisions.raise_incident(7, Timestamp(at), at.unsigned_abs().into());
            (incident.id, incident.seq)
        };
        assert_eq!(raise(HOUR), (u128::from(HOUR.unsigned_abs()), 1));
        assert_eq!(raise(25 * HOUR), (u128::from(HOUR.unsigned_abs()), 2));
        assert_eq!(raise(49 * HOUR + 1), (u128::from((49 * HOUR + 1).unsigned_abs()), 1));
    }

    #[test]
    fn a_late_alert_joins_the_incident_of_its_time_and_replaces_none() {
        let mut decisions = Decisions::default();
        let mut raise = |hour: i64, id| {
            let (incident, _) = decisions.raise_incident(7, Timestamp(hour * HOUR), id);
            (incident.id, incident.seq)
        };
        assert_eq!((raise(100, 1), raise(120, 2), raise(140, 3)), ((1, 1), (1, 2), (1, 3)));
        assert_eq!(raise(110, 4), (1, 4), "30 hours before the newest, within the incident");
        assert_eq!(raise(50, 5), (5, 1), "long before it");
        assert_eq!(raise(150, 6), (1, 5), "the newer one goes on");
        assert_eq!(raise(60, 7), (5, 2));
    }

    #[test]
    fn folding_the_recorded_changes_gives_the_same_state() {
        let mut decisions = Decisions::default();
        let mut recorded = Vec::new();
        for at in 0..5_000i64 {
            let now = Timestamp(at * HOUR - 7 * (at % 3) * HOUR);
            decisions.advance(now, 24 * HOUR);
            let until = Timestamp(now.0 + 30 * HOUR);
            let key = u128::from((at % 17).unsigned_abs());
            let opened = decisions.open_cooldown("R", key, now, until, 15);
            let raised = decisions.raise_incident(u128::from((at % 5).unsigned_abs()), now, 9 + key).1;
            recorded.push((now, serde_json::to_string(&[opened, raised]).unwrap()));
        }
        let mut folded = Decisions::default();
        for (at, changes) in recorded {
            folded.fold(at, serde_json::from_str(&changes).unwrap(), 24 * HOUR);
        }
        assert_eq!(folded, decisions);
    }

    #[test]
    fn expired_state_is_forgotten_and_open_state_is_not() {
        let mut decisions = Decisions::default();
        for key in 0..2_000u128 {
            decisions.open_cooldown("R", key, Timestamp(0), Timestamp(HOUR), 1);
        }
        decisions.open_cooldown("R", 5_000, Timestamp(0), Timestamp(100 * HOUR), 1);
        decisions.advance(Timestamp(50 * HOUR), 24 * HOUR);
        assert_eq!(decisions.len(), 1);
    }
}
