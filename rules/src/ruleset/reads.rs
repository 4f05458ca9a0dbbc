//! What of the state a rule or a signal reads, under whatever name: how complete it is, an alert reports.

use crate::aggregate::FactSet;
use crate::value::Slot;
use std::collections::{BTreeMap, BTreeSet};

/// The values that a rule or a signal reads and that do not come from its event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateReads {
    /// Facts by key space, those of `seen_before` and of coverages included.
    pub facts: BTreeMap<u8, FactSet>,
    /// Registers of ranks over all accounts, signals and models' scores.
    pub others: BTreeSet<Slot>,
}
