//! Features of models, signals of key spaces, and lines of `decide:`.

use super::reads::StateReads;
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
    /// The key space where all its inputs are known: 0, or that of a derived fact that it reads.
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
    /// The register of the value for readers; `None` when nothing reads it.
    pub slot: Option<Slot>,
    /// Smaller changes are not published; in the unit of registers, so minor units of money. A yes/no has none.
    pub step: f64,
    /// Validity of a published value, ms.
    pub valid_for: Ms,
    /// What of the state its value is computed from.
    pub state: StateReads,
    pub(crate) block: Block,
}

/// A line of `decide:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecideLine {
    /// Lowest score to which the line applies.
    pub(crate) score: i32,
    /// The action.
    pub(crate) action: Action,
}
