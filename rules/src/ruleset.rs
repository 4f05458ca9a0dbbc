//! A compiled ruleset: programs by key space, rules, features, signals and the decision by score.
//!
//! It does not depend on ledgers or Kafka; `tripline-core` drives it.

mod describe;
mod output;
mod reads;
mod rule;

pub use crate::function::Zones;
pub use describe::{Described, describe_field};
pub(crate) use output::DecideLine;
pub use output::{Feature, Signal};
pub use reads::StateReads;
pub(crate) use rule::ReasonPart;
pub use rule::{EventTypes, ReadFrom, ReadValue, Rule};

use crate::action::Action;
use crate::aggregate::FactSet;
use crate::diagnostic::Span;
use crate::program::{Block, Program, Shared, event_currency};
use crate::reason;
use crate::value::{Registers, Slot, TextSource};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A compiled set of packs.
#[derive(Debug)]
pub struct Ruleset {
    pub(crate) registers: usize,
    pub(crate) programs: Vec<Arc<Program>>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) features: Vec<Feature>,
    pub(crate) feature_block: Block,
    pub(crate) signals: Vec<Signal>,
    pub(crate) decide: Vec<DecideLine>,
    pub(crate) models: BTreeMap<String, Slot>,
    pub(crate) text_slots: BTreeSet<Slot>,
    pub(crate) zone_slots: BTreeSet<Slot>,
    pub(crate) field_slots: BTreeSet<Slot>,
    pub(crate) read_slots: BTreeSet<Slot>,
    pub(crate) derived_places: Vec<(String, Span)>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) hash: String,
}

impl Ruleset {
    /// How many registers an event needs.
    pub fn registers(&self) -> usize {
        self.registers
    }

    /// The program of the account, then those of the derived key spaces in use, in the order of the schema.
    pub fn programs(&self) -> &[Arc<Program>] {
        &self.programs
    }

    /// All rules except those that are `off`.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// 32 hexadecimal digits that are equal for packs of equal content, independent of layout and comments.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The action for a sum of scores: that of the first line of `decide:` that applies.
    pub fn decide(&self, score: f64) -> Option<&Action> {
        self.decide.iter().find(|line| score >= f64::from(line.score)).map(|line| &line.action)
    }

    /// The actions of rules and of the lines of `decide:`.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        let rules = self.rules.iter().filter_map(|rule| rule.action.as_ref());
        rules.chain(self.decide.iter().map(|line| &line.action))
    }

    /// The features, in the order of their packs.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The signals that key spaces publish.
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// Whether anything reads a model's score.
    pub fn reads_model(&self, name: &str) -> bool {
        self.models.contains_key(name)
    }

    /// The register for a model's score, if anything reads it.
    pub fn model_slot(&self, name: &str) -> Option<Slot> {
        self.models.get(name).copied()
    }

    /// Text fields whose text is needed in addition to their hash.
    pub fn text_slots(&self) -> Vec<Slot> {
        self.text_slots.iter().copied().collect()
    }

    /// Whether something reads the text of a field as a time zone.
    pub fn is_zone(&self, field: Slot) -> bool {
        self.zone_slots.contains(&field)
    }

    /// Fields of the event that anything reads.
    pub fn field_slots(&self) -> Vec<Slot> {
        self.field_slots.iter().copied().collect()
    }

    /// The fields without those that only identify the entities of key spaces not in use.
    pub fn read_fields(&self) -> Vec<Slot> {
        self.read_slots.iter().copied().collect()
    }

    /// The entity of every derived key space in use, and a place in the packs that needs it.
    pub fn derived_places(&self) -> &[(String, Span)] {
        &self.derived_places
    }

    /// Facts of a key space that features read.
    pub fn feature_demand(&self, space: u8) -> FactSet {
        let mut wanted = FactSet::default();
        for facts in self.features.iter().filter_map(|feature| feature.facts.get(&space)) {
            wanted.union(facts);
        }
        wanted
    }

    /// All features: `out: [F]`; missing is NaN, money in major units, durations in hours, yes/no 0 or 1.
    ///
    /// # Panics
    /// When `out` is shorter than the features.
    pub fn features_row(&self, registers: &mut Registers, texts: &dyn TextSource, out: &mut [f64]) {
        self.feature_block.run(&self.shared, registers, texts);
        for (at, (feature, slot)) in self.features.iter().zip(&self.feature_block.results).enumerate() {
            out[at] = describe::in_major_units(&feature.kind, *slot, registers).unwrap_or(f64::NAN);
        }
    }

    /// The word of the value that the key space of a signal publishes now, as its kind is held in registers.
    pub fn signal(&self, signal: usize, registers: &mut Registers, texts: &dyn TextSource) -> Option<u64> {
        let signal = &self.signals[signal];
        signal.block.run(&self.shared, registers, texts);
        registers.get(*signal.block.results.first()?)
    }

    /// Names and values that a rule reads, in the order written. Texts of which only the hash is known are left out.
    pub fn values<'a>(
        &'a self,
        rule: usize,
        registers: &'a Registers,
        texts: &'a dyn TextSource,
    ) -> impl Iterator<Item = (&'a str, Described<'a>)> {
        let values = self.rules[rule].values.iter();
        values.filter_map(move |value| {
            Some((value.name.as_str(), describe::described(value, registers, texts)?))
        })
    }

    /// Appends the reason text of a rule that fired.
    pub fn reason(&self, rule: usize, registers: &mut Registers, texts: &dyn TextSource, out: &mut String) {
        let rule = &self.rules[rule];
        rule.block.run(&self.shared, registers, texts);
        let currency = event_currency(registers);
        for part in &rule.reason {
            match part {
                ReasonPart::Words(words) => out.push_str(words),
                ReasonPart::Value(printed) => {
                    reason::print(printed, registers, currency, &rule.zone, texts, out)
                }
            }
        }
    }
}
