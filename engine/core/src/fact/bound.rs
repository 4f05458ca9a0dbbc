//! A plan bound to a layout: for each aggregate the column of its value and which rows it admits, and for each lane the
//! aggregates that share its rows.

use crate::row::{self, Bit, Column, GroupKey, Layout};
use tripline_rules::aggregate::{Aggregate, AggregatePlan, FactSet, Op};
use tripline_rules::schema::{CurrencyOf, Kind};
use tripline_rules::time::Ms;
use tripline_rules::value::Slot;

/// One aggregate, ready to be computed.
#[derive(Clone, Debug)]
pub(crate) struct BoundAggregate {
    pub(crate) op: Op,
    /// What is read of a row; 0 where the operation reads nothing.
    pub(crate) value: Column,
    pub(crate) lane: usize,
    /// Length of the window; `None` for all rows kept.
    pub(crate) over: Option<Ms>,
    /// Distance from its end to the event.
    pub(crate) delay: Ms,
    /// Bits of a row's first packed word that decide whether it is admitted, and which of them must be set: no
    /// follow-up, the filter's, that the value is known. The currency's are set at each event.
    head: u64,
    set: u64,
    /// Set in the rows that are admitted, in other words.
    rest: [Bit; 2],
    /// Whether the first packed word alone decides.
    is_head_enough: bool,
    /// Whether the value is money in the account's currency.
    in_currency: bool,
    /// Set in the rows that are a ratio's hits.
    hit: Bit,
    pub(crate) include_current: bool,
    pub(crate) at_least: u32,
    pub(crate) slot: Slot,
}

impl BoundAggregate {
    /// What the first packed word of an admitted row is, in the bits that decide: `currency` are the bits of the
    /// account's currency at the event.
    #[inline]
    pub(crate) fn wanted(&self, currency: u64) -> u64 {
        self.set | if self.in_currency { currency } else { 0 }
    }

    /// Whether a row matches but for its lane and time; `head` is its first packed word.
    #[inline]
    pub(super) fn admits<'a>(&self, head: u64, wanted: u64, row: impl FnOnce() -> &'a [u64]) -> bool {
        head & self.head == wanted && (self.is_head_enough || self.has_rest(row()))
    }

    /// The value of a row that matches but for its lane and time; 0 where the operation reads none.
    #[inline]
    pub(crate) fn admitted(&self, row: &[u64], wanted: u64) -> Option<u64> {
        self.admits(row::head(row), wanted, || row).then(|| self.value.raw(row))
    }

    fn has_rest(&self, row: &[u64]) -> bool {
        self.rest.iter().all(|bit| bit.is_set(row))
    }

    /// The value of a row, whether or not the row matches.
    pub(crate) fn value_of(&self, row: &[u64]) -> Option<i64> {
        self.value.number(row)
    }

    /// Whether a row counts as a hit of a ratio.
    #[inline]
    pub(crate) fn is_hit(&self, row: &[u64]) -> bool {
        self.hit.is_set(row)
    }
}

/// Aggregates that share a lane.
#[derive(Clone, Debug)]
pub(crate) struct BoundLane {
    pub(crate) key: GroupKey,
    pub(crate) facts: FactSet,
    /// The same, one by one.
    pub(crate) each: Vec<usize>,
}

/// A plan bound to a layout.
#[derive(Clone, Debug)]
pub(crate) struct BoundPlan {
    pub(crate) facts: Vec<BoundAggregate>,
    pub(crate) lanes: Vec<BoundLane>,
    /// Words of a [`FactSet`] in use.
    pub(crate) words: usize,
    /// Fields of all lanes.
    pub(crate) lane_fields: Vec<Slot>,
    /// Whether an aggregate has no window.
    pub(crate) has_unbounded: bool,
}

impl BoundPlan {
    /// # Panics
    /// When the plan reads a field that rows do not keep; compiling a pack refuses that.
    pub(crate) fn new(plan: &AggregatePlan, layout: &Layout) -> BoundPlan {
        let facts: Vec<BoundAggregate> =
            plan.aggregates.iter().map(|aggregate| fact(aggregate, layout)).collect();
        let lanes = plan.lanes.iter().enumerate().map(|(lane, fields)| BoundLane {
            key: layout
                .group_key(&fields.fields)
                .unwrap_or_else(|| panic!("lane {lane} compares fields that rows keep")),
            facts: those(&facts, |fact| fact.lane == lane),
            each: (0..facts.len()).filter(|index| facts[*index].lane == lane).collect(),
        });
        BoundPlan {
            lanes: lanes.collect(),
            words: facts.len().div_ceil(64),
            has_unbounded: facts.iter().any(|fact| fact.over.is_none()),
            lane_fields: plan.lanes.iter().flat_map(|lane| lane.fields.iter().copied()).collect(),
            facts,
        }
    }
}

fn fact(aggregate: &Aggregate, layout: &Layout) -> BoundAggregate {
    let value = aggregate.value.map(|slot| {
        let column = layout.column(slot);
        column.unwrap_or_else(|| panic!("`{}` reads a field that rows keep", aggregate.name))
    });
    let value = value.unwrap_or(Column::NOTHING);
    let in_currency = aggregate.value.is_some() && aggregate.value_kind == Kind::Money(CurrencyOf::Account);
    let needs = [value.known(), aggregate.filter.map_or(Bit::NONE, |tag| layout.tag(tag))];
    let set = needs.iter().filter(|bit| bit.is_in_head()).fold(0, |set, bit| set | bit.mask());
    let rest = needs.map(|bit| if bit.is_in_head() { Bit::NONE } else { bit });
    let follow_up = if aggregate.follow_ups { 0 } else { layout.follow_up().mask() };
    let currency = if in_currency { layout.currency_mask() } else { 0 };
    BoundAggregate {
        op: aggregate.op,
        value,
        lane: aggregate.lane,
        over: aggregate.over,
        delay: aggregate.delay,
        head: set | follow_up | currency,
        set,
        is_head_enough: rest == [Bit::NONE; 2],
        rest,
        in_currency,
        hit: if let Op::Ratio(tag) = aggregate.op { layout.tag(tag) } else { Bit::NONE },
        include_current: aggregate.include_current,
        at_least: aggregate.at_least,
        slot: aggregate.slot,
    }
}

fn those(facts: &[BoundAggregate], which: impl Fn(&BoundAggregate) -> bool) -> FactSet {
    let mut set = FactSet::default();
    facts.iter().enumerate().filter(|(_, fact)| which(fact)).for_each(|(index, _)| set.insert(index));
    set
}
