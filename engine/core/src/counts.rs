//! What became of the records: counts that always add up.

use crate::decision::Decision;
use crate::decode::Reason;
use serde::Serialize;
use std::collections::BTreeMap;

/// Counts of one engine since it began.
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
    /// References to an event that no row is held of.
    pub unresolved_references: u64,
    /// Dead letters and conflicts by reason.
    #[serde(skip)]
    pub reasons: BTreeMap<Reason, u64>,
    /// Firings by rule, in pack order.
    #[serde(skip)]
    pub fired: Vec<u64>,
}

impl Counts {
    /// Adds the counts of another engine of the same ruleset.
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
        ] {
            *ours += theirs;
        }
        for (reason, count) in &other.reasons {
            *self.reasons.entry(*reason).or_default() += count;
        }
        self.fired.resize(self.fired.len().max(other.fired.len()), 0);
        self.fired.iter_mut().zip(&other.fired).for_each(|(ours, theirs)| *ours += theirs);
    }

    /// Counts a decision.
    pub(crate) fn decided(&mut self, decision: &Decision) {
        let fired = decision.live.iter().map(|fired| fired.rule).chain(decision.shadow.iter().copied());
        fired.for_each(|rule| self.fired[rule] += 1);
        self.verdicts += 1;
        self.alerts += u64::from(decision.alert.is_some());
        self.suppressed += u64::from(decision.is_suppressed());
    }

    /// Whether every record is accounted for.
    pub fn add_up(&self) -> bool {
        self.records == self.rows + self.duplicates + self.conflicts + self.late + self.dead_letters
    }
}
