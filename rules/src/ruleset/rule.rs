//! A compiled rule: its event types, the values that it reads, its action and its reason.

use super::reads::StateReads;
use crate::action::{Action, Cooldown, Mode, Severity};
use crate::program::Block;
use crate::reason::Printed;
use crate::schema::Kind;
use crate::value::Slot;
use jiff::tz::TimeZone;

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

/// A value that a rule reads; alerts report it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadValue {
    /// The name as written; a parameter with its `$`.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Its source.
    pub from: ReadFrom,
}

/// The source of a value that a rule reads.
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
        /// Position in [`AggregatePlan::aggregates`](crate::aggregate::AggregatePlan::aggregates); `None` for
        /// population ranks.
        aggregate: Option<usize>,
    },
    /// A signal or a model's score.
    Other(Slot),
    /// A parameter; durations in ms.
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
    /// Changes when the text of the rule changes.
    pub version: String,
    pub mode: Mode,
    pub severity: Severity,
    /// −100 to 100.
    pub score: i32,
    pub action: Option<Action>,
    /// The event types that it judges.
    pub events: EventTypes,
    /// Number of its key space.
    pub space: u8,
    pub cooldown: Option<Cooldown>,
    pub typology: Vec<String>,
    /// The values that its condition and its reason read, in the order written.
    pub values: Vec<ReadValue>,
    /// What of the state its condition and its reason read.
    pub state: StateReads,
    pub(crate) reason: Vec<ReasonPart>,
    pub(crate) block: Block,
    pub(crate) zone: TimeZone,
}

impl Rule {
    /// Whether its condition or its reason reads a field, directly or through terms.
    pub fn reads(&self, field: Slot) -> bool {
        self.values.iter().any(|value| matches!(value.from, ReadFrom::Field(slot) if slot == field))
    }

    /// The time zone of its pack.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// A part of a reason, ready to print.
#[derive(Debug)]
pub(crate) enum ReasonPart {
    Words(String),
    Value(Printed),
}
