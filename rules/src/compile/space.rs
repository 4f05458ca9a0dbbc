//! What one key space computes, while its program is built.

use crate::aggregate::AggregatePlan;
use crate::graph::NodeId;
use crate::resolve::PlanBuilder;
use crate::value::Slot;
use std::collections::BTreeMap;

/// A key space whose program is built.
pub(super) struct Space {
    pub(super) plan: AggregatePlan,
    pub(super) tags: Vec<NodeId>,
    pub(super) facts: BTreeMap<Slot, usize>,
}

impl Space {
    pub(super) fn new(plan: PlanBuilder) -> Space {
        let (plan, tags) = plan.finish();
        let facts = plan.aggregates.iter().enumerate().map(|(at, aggregate)| (aggregate.slot, at)).collect();
        Space { plan, tags, facts }
    }

    pub(super) fn is_used(&self) -> bool {
        !self.plan.aggregates.is_empty() || !self.plan.populations.is_empty()
    }
}
