//! Facts: what the aggregates of a plan come to at one event, computed over the rows of its ledger.
//!
//! `tripline_rules::aggregate` defines what each aggregate means. This module does not depend on how rows are stored in
//! a ledger, or on what reads the facts.
//!
//! - `bound`: a plan bound to a layout of rows
//! - `scan`: fact by fact over the rows of its lane, for small ledgers
//! - `totals`, `group`: running totals of a large ledger at its newest event, a cache
//! - `sections`, `section`, `value_set`: partial totals of stretches of a large ledger, a cache for events that are not
//!   the newest
//! - `answer`: from what was gathered to a register, the same for every way of gathering
//! - `order`, `distinct`, `spread`: statistics that need the values themselves, or wide sums
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
mod section;
pub(crate) mod sections;
mod spread;
pub(crate) mod totals;
mod value_set;

use crate::batch::Timestamp;
use crate::fact::bound::BoundAggregate;
use crate::row::Rows;
use tripline_rules::aggregate::FactSet;

/// How exact the computed facts are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactMarks {
    /// Facts that dropped rows may have changed or that stopped counting at their maximum, and ranks over all accounts
    /// that lack values of the event's group.
    pub approximate: FactSet,
}

/// A ledger as one event sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) rows: Rows<'a>,
    /// Position of the event's own row.
    pub(crate) event: usize,
    /// When the event happened.
    pub(crate) at: Timestamp,
    /// Rows at or before this time have expired.
    pub(crate) retained_after: Timestamp,
    /// The same for what reads rows without a window: it sees the row kept of a key asleep.
    pub(crate) kept_after: Timestamp,
    /// The greatest time of a row that the ledger lacks: the cap dropped it, or it left with an evicted key.
    pub(crate) dropped_at: Option<Timestamp>,
    /// The bits of a row in the account's currency at the event; none without one.
    pub(crate) currency: u64,
}

impl View<'_> {
    /// The rows that a fact counts: after the first time, up to the second.
    #[inline]
    fn window(&self, fact: &BoundAggregate) -> (Timestamp, Timestamp) {
        // Times and lengths of windows are bounded far below what overflows.
        let to = Timestamp(self.at.0 - fact.delay);
        match fact.over {
            Some(over) => (Timestamp(to.0 - over).max(self.retained_after), to),
            None => (self.kept_after, to),
        }
    }

    /// Whether a fact may depend on a row that the ledger lacks. Without a window any may be the one it is about.
    #[inline]
    fn lacks(&self, fact: &BoundAggregate, from: Timestamp) -> bool {
        self.dropped_at.is_some_and(|dropped_at| fact.over.is_none() || dropped_at > from)
    }
}
