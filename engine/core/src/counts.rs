//! What became of the records: counts that always add up.

use crate::decision::Decision;
use crate::decode::Reason;
use serde::Serialize;
use std::collections::BTreeMap;
use tripline_rules::ruleset::Ruleset;

/// Counts of one shard since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Records read: `rows + duplicates + conflicts + late + dead_letters`.
    pub records: u64,
    /// Records that became a row.
    pub rows: u64,
    /// Repeats of an event.
    pub duplicates: u64,
    /// Another event under the identity of an earlier one.
    pub conflicts: u64,
    /// Too late.
    pub late: u64,
    /// Could not be taken.
    pub dead_letters: u64,
    /// Label events derived from records.
    pub labels: u64,
    /// Alerts raised.
    pub alerts: u64,
    /// Events on which live rules fired with an action and every one of them was silenced.
    pub suppressed: u64,
    /// Verdicts written.
    pub verdicts: u64,
    /// Conditions that were unknown for want of a field or fact.
    pub unknown: u64,
    /// References to an event that no row is held of, and clearings in another currency than their event.
    pub unresolved_references: u64,
    /// Events with a local time that a clock change repeats or skips, as the mapping decided.
    pub ambiguous_times: u64,
    /// State that was dropped for want of room.
    pub dropped: Dropped,
    /// Accepted records whose place was compared with their account.
    pub placed: u64,
    /// Those that are in another partition than their account's, or under another key.
    pub misplaced: u64,
    /// Dead letters and conflicts by reason.
    #[serde(skip)]
    pub reasons: BTreeMap<Reason, u64>,
    /// Firings by rule.
    #[serde(skip)]
    pub fired: FiredCounts,
}

/// State that was dropped because a limit was reached. What depends on it says so: coverage, `approximate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Keys that were evicted, by the limits on keys and bytes.
    pub keys: u64,
    /// Their rows.
    pub rows: u64,
    /// Rows of full ledgers.
    pub capped_rows: u64,
    /// Intervals of cooldowns beyond those held of a rule and key.
    pub cooldowns: u64,
    /// Incidents beyond those held of a key.
    pub incidents: u64,
    /// Outcomes, reversals and clearings for which there was no room to hold which row they amend.
    pub follow_ups: u64,
    /// Values that ranks over all accounts did not count because their group was one too many.
    pub rank_values: u64,
}

impl Dropped {
    /// What was dropped, by kind.
    pub fn by_kind(&self) -> [(&'static str, u64); 7] {
        [
            ("keys", self.keys),
            ("rows", self.rows),
            ("capped_rows", self.capped_rows),
            ("cooldowns", self.cooldowns),
            ("incidents", self.incidents),
            ("follow_ups", self.follow_ups),
            ("rank_values", self.rank_values),
        ]
    }

    /// Adds what another shard dropped.
    pub(crate) fn add(&mut self, other: &Dropped) {
        self.keys += other.keys;
        self.rows += other.rows;
        self.capped_rows += other.capped_rows;
        self.cooldowns += other.cooldowns;
        self.incidents += other.incidents;
        self.follow_ups += other.follow_ups;
        self.rank_values += other.rank_values;
    }
}

/// Firings by the id of the rule. Those of rules that another pack took away stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FiredCounts {
    /// The rules of the ruleset in its order, then those of earlier ones.
    rules: Vec<(String, u64)>,
}

impl FiredCounts {
    /// No firings yet of the rules of a ruleset.
    pub(crate) fn new(ruleset: &Ruleset) -> FiredCounts {
        FiredCounts { rules: ruleset.rules().iter().map(|rule| (rule.id.clone(), 0)).collect() }
    }

    /// Rules and how often they fired.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rules.iter().map(|(rule, count)| (rule.as_str(), *count))
    }

    /// How often a rule fired. `hint`: its likely position, that in other counts.
    pub fn of(&self, rule: &str, hint: usize) -> u64 {
        self.position(rule, hint).map_or(0, |at| self.rules[at].1)
    }

    /// Shards of one ruleset have their rules in the same order.
    fn position(&self, rule: &str, hint: usize) -> Option<usize> {
        let is_it = |(id, _): &(String, u64)| id == rule;
        let hinted = self.rules.get(hint).is_some_and(is_it).then_some(hint);
        hinted.or_else(|| self.rules.iter().position(is_it))
    }

    /// Goes on under another ruleset.
    pub(crate) fn install(&mut self, ruleset: &Ruleset) {
        let mut counts = FiredCounts::new(ruleset);
        counts.add(self);
        *self = counts;
    }

    fn add(&mut self, other: &FiredCounts) {
        for (at, (rule, count)) in other.rules.iter().enumerate() {
            match self.position(rule, at) {
                Some(at) => self.rules[at].1 += count,
                None => self.rules.push((rule.clone(), *count)),
            }
        }
    }
}

impl Counts {
    /// Adds the counts of another shard.
    pub fn add(&mut self, other: &Counts) {
        let Counts {
            records,
            rows,
            duplicates,
            conflicts,
            late,
            dead_letters,
            labels,
            alerts,
            suppressed,
            verdicts,
            ..
        } = other;
        for (ours, theirs) in [
            (&mut self.records, records),
            (&mut self.rows, rows),
            (&mut self.duplicates, duplicates),
            (&mut self.conflicts, conflicts),
            (&mut self.late, late),
            (&mut self.dead_letters, dead_letters),
            (&mut self.labels, labels),
            (&mut self.alerts, alerts),
            (&mut self.suppressed, suppressed),
            (&mut self.verdicts, verdicts),
            (&mut self.unknown, &other.unknown),
            (&mut self.unresolved_references, &other.unresolved_references),
            (&mut self.ambiguous_times, &other.ambiguous_times),
            (&mut self.placed, &other.placed),
            (&mut self.misplaced, &other.misplaced),
        ] {
            *ours += theirs;
        }
        for (reason, count) in &other.reasons {
            *self.reasons.entry(*reason).or_default() += count;
        }
        self.fired.add(&other.fired);
        self.dropped.add(&other.dropped);
    }

    /// Counts a decision.
    pub(crate) fn decided(&mut self, decision: &Decision) {
        let fired = decision.live.iter().map(|fired| fired.rule).chain(decision.shadow.iter().copied());
        fired.for_each(|rule| self.fired.rules[rule].1 += 1);
        self.verdicts += 1;
        self.alerts += u64::from(decision.alert.is_some());
        self.suppressed += u64::from(decision.is_suppressed());
    }

    /// Whether every record is accounted for.
    pub fn add_up(&self) -> bool {
        self.records == self.rows + self.duplicates + self.conflicts + self.late + self.dead_letters
    }
}
