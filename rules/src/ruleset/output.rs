//! What a ruleset gives beside rules: features of models, signals of key spaces, lines of `decide:`.

use crate::action::Action;
use crate::aggregate::FactSet;
use crate::program::Block;
use crate::schema::Kind;
use crate::time::Ms;
use crate::value::Slot;
use std::collections::BTreeMap;

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
pub(crate) struct DecideLine {
    /// Holds from this score on.
    pub(crate) score: i32,
    /// What is then done.
    pub(crate) action: Action,
}
