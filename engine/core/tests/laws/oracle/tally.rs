//! How often what happened in the streams: a law that never met a kind of record has shown nothing about it.

use super::rules;
use std::collections::BTreeMap;

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub records: u64,
    pub rows: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub late: u64,
    pub dead_letters: u64,
    pub labels: u64,
    pub alerts: u64,
    pub suppressed: u64,
    pub out_of_order: u64,
    pub equal_times: u64,
    pub capped: u64,
    pub expired: u64,
    pub edges: u64,
    pub amended: u64,
    /// What a newer follow-up had said otherwise before.
    pub superseded: u64,
    /// Amendments that came before the event that they are about.
    pub amended_before: u64,
    pub references: u64,
    pub terminal_alerts: u64,
    /// Events that saw a row of before the retention, of a key that was asleep.
    pub woken: u64,
    /// Firings within what a later event's cooldown would last, but before that event.
    pub before_cooldown: u64,
    /// Firings by rule.
    pub fired: BTreeMap<&'static str, u64>,
    /// Silences by rule.
    pub silenced: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Everything that these streams are for has happened.
    ///
    /// # Panics
    /// When something never did.
    pub(crate) fn assert_none_is_idle(&self) {
        let Tally { rows, duplicates, conflicts, late, dead_letters, alerts, suppressed, .. } = *self;
        let Tally { out_of_order, equal_times, capped, expired, edges, amended, references, .. } = *self;
        let Tally { terminal_alerts, labels, woken, before_cooldown, superseded, amended_before, .. } = *self;
        let all =
            [rows, duplicates, conflicts, late, dead_letters, alerts, suppressed, out_of_order, equal_times];
        let more =
            [capped, expired, edges, amended, references, terminal_alerts, labels, woken, before_cooldown];
        let amendments = [superseded, amended_before];
        assert!(
            all.iter().chain(&more).chain(&amendments).all(|count| *count > 0),
            "a kind of record never occurred: {self:?}"
        );
        for rule in rules::account().iter().chain(&rules::terminal()) {
            assert!(self.fired.contains_key(rule.id), "{} never fired", rule.id);
            let is_silenced = self.silenced.contains_key(rule.id);
            assert_eq!(is_silenced, rule.live && rule.cooldown.is_some(), "{} silenced", rule.id);
        }
    }

    /// Adds another stream's.
    pub(crate) fn add(&mut self, other: &Tally) {
        let Tally { records, rows, duplicates, conflicts, late, dead_letters, alerts, suppressed, .. } =
            *other;
        self.records += records;
        self.rows += rows;
        self.duplicates += duplicates;
        self.conflicts += conflicts;
        self.late += late;
        self.dead_letters += dead_letters;
        self.alerts += alerts;
        self.suppressed += suppressed;
        self.labels += other.labels;
        self.out_of_order += other.out_of_order;
        self.equal_times += other.equal_times;
        self.capped += other.capped;
        self.expired += other.expired;
        self.edges += other.edges;
        self.amended += other.amended;
        self.superseded += other.superseded;
        self.amended_before += other.amended_before;
        self.references += other.references;
        self.terminal_alerts += other.terminal_alerts;
        self.woken += other.woken;
        self.before_cooldown += other.before_cooldown;
        other.fired.iter().for_each(|(rule, count)| *self.fired.entry(rule).or_default() += count);
        other.silenced.iter().for_each(|(rule, count)| *self.silenced.entry(rule).or_default() += count);
    }
}
