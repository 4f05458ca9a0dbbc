//! Aggregates in normal form, and the plan of one key space.
//!
//! This module defines *what* is computed; `tripline-core` computes it over rows. Two aggregates with the same meaning
//! have equal normal forms and are computed once, however they are written.

use crate::schema::Kind;
use crate::time::{DAY_MS, Ms};
use crate::value::Slot;

/// Order statistics read at most this many matching rows of their window, the newest ones.
pub const ORDER_ROWS_MAX: usize = 128;
/// Maximum number of distinct `where` conditions in a key space: one bit of a row each.
pub const TAGS_MAX: usize = 256;
/// Maximum number of different windows (length and delay) in a key space.
pub const WINDOWS_MAX: usize = 64;
/// Maximum number of aggregates in a key space, ranks over all accounts included.
pub const AGGREGATES_MAX: usize = 256;
/// Share trimmed off each side by `trimmed_mean`.
pub const TRIM_SHARE: f64 = 0.1;

/// Index of a distinct condition over rows; the rows' bit of the same number holds its truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagId(pub u8);

/// Truth of every distinct condition for one row: bit `i` is [`TagId`] `i`; an unknown condition is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags(pub [u64; TAGS_MAX / 64]);

impl Tags {
    /// Whether the condition is true.
    #[inline]
    pub fn has(&self, tag: TagId) -> bool {
        self.0[usize::from(tag.0) / 64] >> (tag.0 % 64) & 1 == 1
    }

    /// Marks a condition as true.
    #[inline]
    pub fn set(&mut self, tag: TagId) {
        self.0[usize::from(tag.0) / 64] |= 1 << (tag.0 % 64);
    }
}

/// A set of aggregates and population ranks of one plan, by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactSet(pub [u64; AGGREGATES_MAX / 64]);

impl FactSet {
    /// Whether aggregate `index` is in the set.
    #[inline]
    pub fn has(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    /// Adds aggregate `index`.
    #[inline]
    pub fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    /// Adds all of another set.
    #[inline]
    pub fn union(&mut self, other: &FactSet) {
        for (word, theirs) in self.0.iter_mut().zip(&other.0) {
            *word |= theirs;
        }
    }

    /// The aggregates of both sets.
    #[inline]
    pub fn of_both(&self, other: &FactSet) -> FactSet {
        let mut set = *self;
        set.0.iter_mut().zip(&other.0).for_each(|(word, theirs)| *word &= theirs);
        set
    }

    /// The aggregates that the other set does not contain.
    #[inline]
    pub fn without(&self, other: &FactSet) -> FactSet {
        let mut set = *self;
        set.0.iter_mut().zip(&other.0).for_each(|(word, theirs)| *word &= !theirs);
        set
    }

    /// Number of aggregates.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The first `count` aggregates.
    pub fn first(count: usize) -> FactSet {
        let mut set = FactSet::default();
        (0..count).for_each(|index| set.insert(index));
        set
    }

    /// The indices of its aggregates, in their order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(word, bits)| {
            let left = std::iter::successors(Some(bits), |left| Some(left & left.wrapping_sub(1)));
            left.take_while(|left| *left != 0).map(move |left| word * 64 + left.trailing_zeros() as usize)
        })
    }

    /// Whether the set is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// What is computed of the matching rows. Of no rows `Count`, `Sum`, `Distinct` and `Rate` are 0, the others missing.
/// Rows whose value field is unknown are not matching rows for every operation that reads a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Number of rows.
    Count,
    /// Sum of the values, gathered exactly in minor units (money) or 10⁻⁶ (numbers). Of money missing beyond what a
    /// register holds exactly, of numbers the nearest `f64`.
    Sum,
    /// `Sum / count`, one division in `f64`.
    Avg,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Sample standard deviation (n − 1), from exact integer sums: `sqrt((n·Σx² − (Σx)²) / (n·(n−1)))`; missing below
    /// two rows.
    Stddev,
    /// Median of the newest [`ORDER_ROWS_MAX`] values; the mean of the middle two when even.
    Median,
    /// Mean after taking `floor(n · TRIM_SHARE)` values off each side, of the newest [`ORDER_ROWS_MAX`].
    TrimmedMean,
    /// Quantile in [0, 1] of the newest [`ORDER_ROWS_MAX`] values, linear between ranks (rank = q · (n − 1)).
    Quantile(f64),
    /// Number of different values; counting stops at `max` (the value is then `max`, marked approximate).
    Distinct {
        /// Where counting stops.
        max: u32,
    },
    /// Value of the newest row.
    Last,
    /// Value of the oldest row.
    First,
    /// Value of the `n`-th newest row, 1 is the newest.
    Nth(u32),
    /// Rows per day of the window: `count · 86,400,000 / over`.
    Rate,
    /// Share of the rows that satisfy a further condition.
    Ratio(TagId),
    /// Share of the newest [`ORDER_ROWS_MAX`] rows whose value is smaller than the event's own; missing when the event
    /// has none.
    Rank,
}

/// One aggregate in normal form.
///
/// Matching rows at event time `t`: rows of the lane in the ledger with `t - delay - over < at <= t - delay` (without
/// `over`: all rows kept with `at <= t - delay`) whose `filter` bit is set, without the event itself unless
/// `include_current` is set, and without follow-ups unless `follow_ups` is set. Of a value in the account's currency,
/// the rows in the account's currency at the event alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Name of the first declaration; equal declarations share one aggregate.
    pub name: String,
    /// What is computed.
    pub op: Op,
    /// The field that is read; `None` for operations that read no field.
    pub value: Option<Slot>,
    /// Kind of `value`: how the row's word is read. Not used without a value.
    pub value_kind: Kind,
    /// Index into [`AggregatePlan::lanes`].
    pub lane: usize,
    /// Length of the window; `None` for all rows kept.
    pub over: Option<Ms>,
    /// Distance from the end of the window to the event.
    pub delay: Ms,
    /// Condition for rows.
    pub filter: Option<TagId>,
    /// Whether the event itself is included.
    pub include_current: bool,
    /// Whether follow-ups count: labels, outcomes, reversals, clearings and other events that refer to an earlier one.
    pub follow_ups: bool,
    /// Minimum number of matching rows; below it the fact is missing.
    pub at_least: u32,
    /// Register of the fact.
    pub slot: Slot,
    /// Kind of the fact.
    pub kind: Kind,
}

/// The rows of a ledger that have the same values as the event in some fields; without fields, the whole ledger.
/// Facts of a lane are missing for an event in which one of the fields is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Fields that a row must share with the event.
    pub fields: Vec<Slot>,
}

/// `rank: … by: all`: the share of the shard's recent events with a smaller value, from a histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    /// Name of the first declaration.
    pub name: String,
    /// The ranked field: money or a number.
    pub value: Slot,
    /// One histogram for each value of this field (`by: [all, merchant.mcc]`).
    pub group: Option<Slot>,
    /// Number of whole UTC days, today included.
    pub days: u32,
    /// Condition for events.
    pub filter: Option<TagId>,
    /// Whether follow-ups count, as in [`Aggregate::follow_ups`].
    pub follow_ups: bool,
    /// The condition as a text that is the same in every pack; `None` without a condition, or where the condition
    /// depends on its pack. A snapshot's histograms are found by it.
    pub condition: Option<String>,
    /// Minimum number of events; below it the rank is missing.
    pub at_least: u32,
    /// Register of the share, in [0, 1].
    pub slot: Slot,
}

impl Population {
    /// Length of the window, ms.
    pub fn over_ms(&self) -> Ms {
        Ms::from(self.days) * DAY_MS
    }
}

/// The coverage of a fact, read by `coverage(fact)` and reported on alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Index into [`AggregatePlan::aggregates`].
    pub aggregate: usize,
    /// Register of the share of the window for which rows are kept, in [0, 1].
    pub slot: Slot,
}

/// A key space, by its entity. The input is keyed by account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeySpace {
    /// `account`, or an entity of the schema such as `terminal`.
    pub entity: String,
    /// The field that holds the key.
    pub key: Slot,
}

/// Everything that a key space computes; `tripline-core` builds ledgers and facts from it.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregatePlan {
    /// The key space.
    pub space: KeySpace,
    /// Distinct lanes; lane 0 is the whole ledger.
    pub lanes: Vec<Lane>,
    /// Number of distinct conditions over rows.
    pub tags: usize,
    /// Distinct aggregates; a [`FactSet`] refers to positions in it, and to population ranks after them.
    pub aggregates: Vec<Aggregate>,
    /// Distinct population ranks.
    pub populations: Vec<Population>,
    /// Coverages that rules read.
    pub coverages: Vec<Coverage>,
    /// Longest window + delay of all aggregates; 0 without any.
    pub look_back: Ms,
}

impl AggregatePlan {
    /// Where a [`FactSet`] has a population rank: after the aggregates.
    pub fn rank_position(&self, number: usize) -> usize {
        self.aggregates.len() + number
    }
}
