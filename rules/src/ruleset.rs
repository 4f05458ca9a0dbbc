//! A compiled ruleset: programs by key space, rules, features, signals, and what follows from a score.
//!
//! It does not know ledgers or Kafka; `tripline-core` drives it.

mod describe;

use crate::action::{Action, Cooldown, Mode, Severity};
use crate::aggregate::FactSet;
use crate::program::{Block, Program, Shared};
use crate::reason::{self, Printed};
use crate::schema::Kind;
use crate::time::Ms;
use crate::value::{Registers, Slot, TextSource};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use describe::Described;

/// A set of event types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventTypes(Vec<u64>);

impl EventTypes {
    /// Whether the type of this code is in the set.
    #[inline]
    pub fn has(&self, code: u16) -> bool {
        self.0.get(usize::from(code) / 64).is_some_and(|word| word >> (code % 64) & 1 == 1)
    }

    pub(crate) fn insert(&mut self, code: u16) {
        let at = usize::from(code) / 64;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (code % 64);
    }
}

/// A value that a rule reads: what an alert reports.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadValue {
    /// As it is written, a parameter with its `$`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where it is found.
    pub from: ReadFrom,
}

/// Where a read value is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReadFrom {
    /// A field of the event.
    Field(Slot),
    /// A fact, by its position in the plan of a program of this key space.
    Fact {
        /// Its register.
        slot: Slot,
        /// Its key space.
        space: u8,
        /// Position in [`AggregatePlan::aggregates`](crate::aggregate::AggregatePlan::aggregates); `None` for population ranks.
        aggregate: Option<usize>,
    },
    /// A signal or a model's score.
    Other(Slot),
    /// A parameter: numbers as they are, lengths of time in ms.
    Param(f64),
}

impl ReadFrom {
    /// The register, unless it is a parameter.
    pub fn slot(self) -> Option<Slot> {
        match self {
            ReadFrom::Field(slot) | ReadFrom::Fact { slot, .. } | ReadFrom::Other(slot) => Some(slot),
            ReadFrom::Param(_) => None,
        }
    }
}

/// A rule.
#[derive(Debug)]
#[expect(missing_docs, reason = "named as the keys of packs")]
pub struct Rule {
    pub id: String,
    pub title: String,
    pub pack: String,
    /// Changes when the rule's own text changes.
    pub version: String,
    pub mode: Mode,
    pub severity: Severity,
    /// −100 to 100.
    pub score: i32,
    pub action: Option<Action>,
    /// Which types it judges.
    pub events: EventTypes,
    /// Number of its key space.
    pub space: u8,
    pub cooldown: Option<Cooldown>,
    pub typology: Vec<String>,
    /// What its condition and its reason read, in the order written.
    pub values: Vec<ReadValue>,
    pub(crate) reason: Vec<Told>,
    pub(crate) block: Block,
    pub(crate) zone: TimeZone,
}

#[derive(Debug)]
pub(crate) enum Told {
    Words(String),
    Value(Printed),
}

/// A named numeric expression: an input of a model.
#[derive(Debug)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Number, money, duration (given in hours) or yes/no.
    pub kind: Kind,
    /// The key space where all it reads is known: 0, or that of a derived fact it reads.
    pub space: u8,
    pub(crate) facts: BTreeMap<u8, FactSet>,
}

/// A value about an entity that its key space publishes.
#[derive(Debug)]
pub struct Signal {
    /// `fraud_rate_7d`, without its entity.
    pub name: String,
    /// `terminal`.
    pub entity: String,
    /// The field that holds the entity's id in an event.
    pub key: Slot,
    /// The key space that publishes it.
    pub space: u8,
    /// Number, money or yes/no.
    pub kind: Kind,
    /// The register where a reader finds it; `None` when nothing reads it.
    pub slot: Option<Slot>,
    /// Smaller moves are not published; in the value's own unit, money in major units.
    pub step: f64,
    /// How long a published value holds, ms.
    pub valid_for: Ms,
    pub(crate) block: Block,
}

/// A line of `decide:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Holds from this score on.
    pub score: i32,
    /// What is then done.
    pub action: Action,
}

/// A compiled set of packs.
#[derive(Debug)]
pub struct Ruleset {
    pub(crate) registers: usize,
    pub(crate) programs: Vec<Arc<Program>>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) features: Vec<Feature>,
    pub(crate) feature_block: Block,
    pub(crate) signals: Vec<Signal>,
    pub(crate) decide: Vec<Decision>,
    pub(crate) models: BTreeMap<String, Slot>,
    pub(crate) text_slots: BTreeSet<Slot>,
    pub(crate) field_slots: BTreeSet<Slot>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) hash: String,
}

impl Ruleset {
    /// How many registers an event needs.
    pub fn registers(&self) -> usize {
        self.registers
    }

    /// The account's program, then those of the derived key spaces that something uses, in the schema's order.
    pub fn programs(&self) -> &[Arc<Program>] {
        &self.programs
    }

    /// All rules but those that are `off`.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// 32 hexadecimal digits that are equal for packs of equal content, whatever their layout and comments.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What the sum of scores leads to: the first line of `decide:` that holds.
    pub fn decide(&self, score: f64) -> Option<&Action> {
        self.decide.iter().find(|line| score >= f64::from(line.score)).map(|line| &line.action)
    }

    /// The lines of `decide:`.
    pub fn decisions(&self) -> &[Decision] {
        &self.decide
    }

    /// The features, in the order of their packs.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// What is published, by which key space.
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

    /// Text fields whose text is needed, beside their hash.
    pub fn text_slots(&self) -> Vec<Slot> {
        self.text_slots.iter().copied().collect()
    }

    /// Fields of the event that anything reads.
    pub fn field_slots(&self) -> Vec<Slot> {
        self.field_slots.iter().copied().collect()
    }

    /// Facts of a key space that features read.
    pub fn feature_demand(&self, space: u8) -> FactSet {
        let mut wanted = FactSet::default();
        for facts in self.features.iter().filter_map(|feature| feature.facts.get(&space)) {
            wanted.union(facts);
        }
        wanted
    }

    /// All features: `out: [F]`, missing is NaN, money in major units, durations in hours, yes/no 0 or 1.
    ///
    /// # Panics
    /// When `out` is shorter than the features.
    pub fn features_row(&self, registers: &mut Registers, texts: &dyn TextSource, out: &mut [f64]) {
        self.feature_block.run(&self.shared, registers, texts);
        for (at, (feature, slot)) in self.features.iter().zip(&self.feature_block.results).enumerate() {
            out[at] = describe::in_major_units(&feature.kind, *slot, registers).unwrap_or(f64::NAN);
        }
    }

    /// The value that a signal's key space publishes now: money in minor units, yes/no 0 or 1.
    pub fn signal(&self, signal: usize, registers: &mut Registers, texts: &dyn TextSource) -> Option<f64> {
        let signal = &self.signals[signal];
        signal.block.run(&self.shared, registers, texts);
        let word = registers.get(*signal.block.results.first()?)?;
        Some(match signal.kind {
            Kind::Bool => f64::from(u8::from(word == 1)),
            _ => f64::from_bits(word),
        })
    }

    /// Appends the reason text of a rule that fired.
    pub fn reason(&self, rule: usize, registers: &mut Registers, texts: &dyn TextSource, out: &mut String) {
        let rule = &self.rules[rule];
        rule.block.run(&self.shared, registers, texts);
        let currency = crate::program::event_currency(registers);
        for told in &rule.reason {
            match told {
                Told::Words(words) => out.push_str(words),
                Told::Value(printed) => reason::print(printed, registers, currency, &rule.zone, texts, out),
            }
        }
    }
}
