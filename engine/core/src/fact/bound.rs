//! A plan bound to a layout: for each aggregate the column of its value and which rows it admits, and for each lane the
//! aggregates that share its rows.

use crate::row::{Bit, Column, GroupKey, Layout};
use tripline_rules::aggregate::{Aggregate, AggregatePlan, FactSet, Op};
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
    /// Set in the rows that are admitted: the filter's, and that the value is known.
    needs: [Bit; 2],
    /// Set in the rows that are a ratio's hits.
    hit: Bit,
    pub(crate) include_current: bool,
    pub(crate) at_least: u32,
    pub(crate) slot: Slot,
}

impl BoundAggregate {
    /// The value of a row that matches but for its lane and time; 0 where the operation reads none.
    #[inline]
    pub(crate) fn admitted(&self, row: &[u64]) -> Option<u64> {
        let [one, other] = self.needs;
        (one.is_set(row) && other.is_set(row)).then(|| self.value.raw(row))
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
    BoundAggregate {
        op: aggregate.op,
        value,
        lane: aggregate.lane,
        over: aggregate.over,
        delay: aggregate.delay,
        needs: value.known().both(aggregate.filter.map_or(Bit::NONE, |tag| layout.tag(tag))),
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
