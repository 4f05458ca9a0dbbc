//! A plan against a layout: for each aggregate where its value lies, and for each condition, lane and window the set
//! of aggregates that depend on it, so that one row decides for all of them by a few bit operations.

use crate::batch::Timestamp;
use crate::ledger::layout::{Layout, Likeness, Place};
use tripline_rules::aggregate::{Aggregate, FactSet, Ms, Op, Plan};
use tripline_rules::value::Slot;

/// One aggregate, ready to be computed.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) op: Op,
    pub(crate) value: Option<Place>,
    pub(crate) lane: usize,
    pub(crate) span: Span,
    pub(crate) filter: Option<usize>,
    pub(crate) include_current: bool,
    pub(crate) at_least: u32,
    pub(crate) slot: Slot,
}

impl Fact {
    /// The value of a row that matches but for its lane and time; 0 where the operation reads none.
    #[inline]
    pub(crate) fn admitted(&self, layout: &Layout, row: &[u64]) -> Option<u64> {
        if self.filter.is_some_and(|tag| !layout.has_tag(row, tag)) {
            return None;
        }
        self.value.map_or(Some(0), |place| place.read(row))
    }

    /// Whether a row counts as a hit of a ratio.
    #[inline]
    pub(crate) fn is_hit(&self, layout: &Layout, row: &[u64]) -> bool {
        matches!(self.op, Op::Ratio(tag) if layout.has_tag(row, usize::from(tag.0)))
    }
}

/// A window relative to its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) over: Option<Ms>,
    pub(crate) delay: Ms,
}

impl Span {
    /// The window at an event: after the first time, up to and including the second.
    #[inline]
    pub(crate) fn at(&self, event: Timestamp, held_after: Timestamp) -> (Timestamp, Timestamp) {
        let to = event.0.saturating_sub(self.delay);
        let from = self.over.map_or(i64::MIN, |over| to.saturating_sub(over));
        (Timestamp(from).max(held_after), Timestamp(to))
    }
}

/// Aggregates that share a window.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) span: Span,
    pub(crate) facts: FactSet,
}

/// Aggregates that share a lane.
#[derive(Clone, Debug)]
pub(crate) struct LaneLens {
    pub(crate) likeness: Likeness,
    pub(crate) facts: FactSet,
    /// The same, one by one.
    pub(crate) each: Vec<usize>,
}

/// The plan, as rows are seen through it.
#[derive(Clone, Debug)]
pub(crate) struct Lens {
    pub(crate) facts: Vec<Fact>,
    pub(crate) windows: Vec<Window>,
    pub(crate) lanes: Vec<LaneLens>,
    /// For each condition the aggregates that it admits rows to.
    pub(crate) filtered: Vec<FactSet>,
    /// Aggregates that admit every row.
    pub(crate) unfiltered: FactSet,
    /// Aggregates that leave out the event itself.
    pub(crate) without_event: FactSet,
    /// Aggregates that need the values themselves.
    pub(crate) collecting: FactSet,
    /// Words of a [`FactSet`] in use.
    pub(crate) words: usize,
    /// Fields of all lanes.
    pub(crate) lane_fields: Vec<Slot>,
}

impl Lens {
    /// # Panics
    /// When the plan reads a field that rows do not keep; compiling a pack refuses that.
    pub(crate) fn new(plan: &Plan, layout: &Layout) -> Lens {
        let facts: Vec<Fact> = plan.aggregates.iter().map(|aggregate| fact(aggregate, layout)).collect();
        let lanes = plan.lanes.iter().enumerate().map(|(lane, fields)| LaneLens {
            likeness: layout
                .likeness(&fields.fields)
                .unwrap_or_else(|| panic!("lane {lane} compares fields that rows keep")),
            facts: those(&facts, |fact| fact.lane == lane),
            each: (0..facts.len()).filter(|index| facts[*index].lane == lane).collect(),
        });
        let mut windows: Vec<Window> = Vec::new();
        for fact in &facts {
            if !windows.iter().any(|window| window.span == fact.span) {
                let shared = those(&facts, |other| other.span == fact.span);
                windows.push(Window { span: fact.span, facts: shared });
            }
        }
        Lens {
            lanes: lanes.collect(),
            windows,
            filtered: (0..plan.tags).map(|tag| those(&facts, |fact| fact.filter == Some(tag))).collect(),
            unfiltered: those(&facts, |fact| fact.filter.is_none()),
            without_event: those(&facts, |fact| !fact.include_current),
            collecting: those(&facts, |fact| needs_values(fact.op)),
            words: facts.len().div_ceil(64),
            lane_fields: plan.lanes.iter().flat_map(|lane| lane.fields.iter().copied()).collect(),
            facts,
        }
    }
}

fn fact(aggregate: &Aggregate, layout: &Layout) -> Fact {
    let value = aggregate.value.map(|slot| {
        let place = layout.place(slot);
        place.unwrap_or_else(|| panic!("`{}` reads a field that rows keep", aggregate.name))
    });
    Fact {
        op: aggregate.op,
        value,
        lane: aggregate.lane,
        span: Span { over: aggregate.over, delay: aggregate.delay },
        filter: aggregate.filter.map(|tag| usize::from(tag.0)),
        include_current: aggregate.include_current,
        at_least: aggregate.at_least,
        slot: aggregate.slot,
    }
}

fn needs_values(op: Op) -> bool {
    matches!(op, Op::Median | Op::TrimmedMean | Op::Quantile(_) | Op::Rank | Op::Distinct { .. })
}

fn those(facts: &[Fact], which: impl Fn(&Fact) -> bool) -> FactSet {
    let mut set = FactSet::default();
    facts.iter().enumerate().filter(|(_, fact)| which(fact)).for_each(|(index, _)| set.insert(index));
    set
}
