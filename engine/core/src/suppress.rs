//! Decision state: open cooldowns and incidents, the part of a shard's state that is not a function of its events
//! alone.
//!
//! Every change is part of the verdict that caused it, so that a restore applies committed verdicts
//! ([`Decisions::fold`]) and judges nothing again. It suppresses alerts only, and no scores or actions.

mod wire;

use crate::batch::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tripline_rules::time::DAY_MS;

/// Alerts on one account with no longer gap than this, in event time, are one incident.
pub const INCIDENT_GAP_MS: i64 = DAY_MS;
/// Expired state is swept when so many entries were added since the last sweep.
const SWEEP_EVERY: usize = 1024;

/// An open cooldown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cooldown {
    until: Timestamp,
    /// Score of the alert that opened it: what `unless: score_increases` compares with.
    score: i32,
}

/// An open incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Id, keyed hash of the event that opened it.
    pub id: u128,
    /// How many alerts and silenced firings it holds.
    pub seq: u32,
    /// Event time of the newest of them.
    pub at: Timestamp,
}

/// One change of decision state, as verdicts record it.
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
        /// Event time, ms.
        at: i64,
    },
}

/// All decision state of one shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decisions {
    cooldowns: BTreeMap<(u128, String), Cooldown>,
    incidents: BTreeMap<u128, Incident>,
    added: usize,
}

impl Decisions {
    /// Whether a firing is silent: a cooldown of this rule on this key is open, and is not lifted by a score that rose.
    pub fn is_silenced(
        &self,
        rule: &str,
        key: u128,
        at: Timestamp,
        score: i32,
        unless_score_increases: bool,
    ) -> bool {
        // The map's key owns its text; firings are rare enough for this copy.
        self.cooldowns
            .get(&(key, rule.to_owned()))
            .is_some_and(|open| at < open.until && !(unless_score_increases && score > open.score))
    }

    /// Opens a cooldown and returns the change to record.
    pub fn open_cooldown(&mut self, rule: &str, key: u128, until: Timestamp, score: i32) -> Change {
        self.apply(Change::Cooldown { rule: rule.to_owned(), key, until: until.0, score })
    }

    /// The incident a firing at `at` belongs to, if one is open on the key.
    pub fn open_incident(&self, key: u128, at: Timestamp) -> Option<Incident> {
        self.incidents.get(&key).copied().filter(|held| (at.0 - held.at.0).abs() <= INCIDENT_GAP_MS)
    }

    /// Counts a firing in the key's incident; `id` names the incident should none be open.
    pub fn raise_incident(&mut self, key: u128, at: Timestamp, id: u128) -> (Incident, Change) {
        let raised = match self.open_incident(key, at) {
            Some(open) => Incident { seq: open.seq.saturating_add(1), at: open.at.max(at), ..open },
            None => Incident { id, seq: 1, at },
        };
        let change = self.apply(Change::Incident { key, id: raised.id, seq: raised.seq, at: raised.at.0 });
        (raised, change)
    }

    /// Applies a change that an earlier run recorded.
    pub fn fold(&mut self, change: Change) {
        self.apply(change);
    }

    /// Forgets what has expired. The watermark and the number of entries decide, so this is a function of the log.
    pub fn sweep(&mut self, watermark: Timestamp, lateness_ms: i64) {
        if self.added < SWEEP_EVERY.max((self.cooldowns.len() + self.incidents.len()) / 2) {
            return;
        }
        self.added = 0;
        // An event may still come that is `lateness` older than the watermark, and has to meet the same state.
        let oldest = watermark.0.saturating_sub(lateness_ms);
        self.cooldowns.retain(|_, held| held.until.0 > oldest);
        self.incidents.retain(|_, held| held.at.0 >= oldest - INCIDENT_GAP_MS);
    }

    /// How many cooldowns and incidents are held.
    pub fn len(&self) -> usize {
        self.cooldowns.len() + self.incidents.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn apply(&mut self, change: Change) -> Change {
        self.added += 1;
        match &change {
            Change::Cooldown { rule, key, until, score } => {
                self.cooldowns
                    .insert((*key, rule.clone()), Cooldown { until: Timestamp(*until), score: *score });
            }
            Change::Incident { key, id, seq, at } => {
                self.incidents.insert(*key, Incident { id: *id, seq: *seq, at: Timestamp(*at) });
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

    #[test]
    fn a_cooldown_silences_its_rule_on_its_key_until_its_last_millisecond() {
        let mut decisions = Decisions::default();
        decisions.open_cooldown("CARD-001", 7, Timestamp(1000), 35);
        let silenced = |rule, key, at| decisions.is_silenced(rule, key, Timestamp(at), 35, false);
        assert!(silenced("CARD-001", 7, 999));
        assert!(!silenced("CARD-001", 7, 1000));
        assert!(!silenced("CARD-001", 8, 999));
        assert!(!silenced("CARD-002", 7, 999));
    }

    #[test]
    fn a_risen_score_lifts_the_silence_where_the_rule_says_so() {
        let mut decisions = Decisions::default();
        decisions.open_cooldown("ACCT-011", 7, Timestamp(1000), 35);
        assert!(decisions.is_silenced("ACCT-011", 7, Timestamp(1), 35, true));
        assert!(!decisions.is_silenced("ACCT-011", 7, Timestamp(1), 36, true));
        assert!(decisions.is_silenced("ACCT-011", 7, Timestamp(1), 36, false));
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
    fn folding_the_recorded_changes_gives_the_same_state() {
        let mut decisions = Decisions::default();
        let mut recorded = Vec::new();
        for at in 0..5_000i64 {
            recorded.push(decisions.open_cooldown(
                "R",
                (at % 17).unsigned_abs().into(),
                Timestamp(at * HOUR),
                15,
            ));
            recorded
                .push(decisions.raise_incident((at % 5).unsigned_abs().into(), Timestamp(at * HOUR), 9).1);
        }
        let lines = serde_json::to_string(&recorded).unwrap();
        let mut folded = Decisions::default();
        serde_json::from_str::<Vec<Change>>(&lines)
            .unwrap()
            .into_iter()
            .for_each(|change| folded.fold(change));
        assert_eq!(folded, decisions);
    }

    #[test]
    fn expired_state_is_forgotten_and_open_state_is_not() {
        let mut decisions = Decisions::default();
        for key in 0..2_000u128 {
            decisions.open_cooldown("R", key, Timestamp(HOUR), 1);
        }
        decisions.open_cooldown("R", 5_000, Timestamp(100 * HOUR), 1);
        decisions.sweep(Timestamp(50 * HOUR), 24 * HOUR);
        assert_eq!(decisions.len(), 1);
    }
}
