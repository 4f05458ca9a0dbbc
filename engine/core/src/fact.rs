//! Facts: what the aggregates of a plan come to at one event, computed over the rows of its ledger.
//!
//! `tripline_rules::aggregate` defines what each aggregate means. This module does not depend on how rows are stored in
//! a ledger, or on what reads the facts.
//!
//! - `bound`: a plan bound to a layout of rows
//! - `scan`: fact by fact over the rows of its lane, for small ledgers
//! - `totals`, `group`: running totals of a large ledger, a cache
//! - `answer`: from what was gathered to a register, the same for every way of gathering
//! - `order`, `distinct`: statistics that need the values themselves
//! - `histogram`, `population`, `populations`: what is usual among everybody, without rows

mod answer;
pub(crate) mod bound;
mod distinct;
mod group;
mod histogram;
mod order;
pub mod population;
pub mod populations;
pub(crate) mod scan;
pub(crate) mod totals;

use crate::batch::Timestamp;
use crate::row::Rows;
use tripline_rules::aggregate::FactSet;

/// How exact the computed facts are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactMarks {
    /// Facts that dropped rows may have changed, or that stopped counting at their maximum.
    pub approximate: FactSet,
}

/// A ledger as one event sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) rows: Rows<'a>,
    /// Position of the event's own row.
    pub(crate) event: usize,
    /// Rows at or before this time have expired.
    pub(crate) retained_after: Timestamp,
    /// Time of the newest row that the ledger's cap dropped.
    pub(crate) dropped_at: Option<Timestamp>,
}

impl View<'_> {
    /// When the event happened.
    fn at(&self) -> Timestamp {
        self.rows.at(self.event)
    }
}
