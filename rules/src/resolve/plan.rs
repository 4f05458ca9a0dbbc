//! The plan of a key space, built while names are resolved; equal aggregates enter it once.
//!
//! It does not depend on expressions; conditions are nodes.

use crate::aggregate::{
    AGGREGATES_MAX, Aggregate, AggregatePlan, Coverage, KeySpace, Lane, Population, TAGS_MAX, TagId,
    WINDOWS_MAX,
};
use crate::graph::NodeId;
use crate::time::Ms;
use crate::value::Slot;

/// The place of a fact in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    Aggregate(usize),
    Population,
}

/// A plan that is being built.
#[derive(Debug)]
pub(crate) struct PlanBuilder {
    plan: AggregatePlan,
    tags: Vec<NodeId>,
    /// Different lengths and delays.
    windows: Vec<(Option<Ms>, Ms)>,
}

impl PlanBuilder {
    pub(crate) fn new(space: KeySpace) -> PlanBuilder {
        let plan = AggregatePlan {
            space,
            lanes: vec![Lane { fields: Vec::new() }],
            tags: 0,
            aggregates: Vec::new(),
            populations: Vec::new(),
            coverages: Vec::new(),
            look_back: 0,
        };
        PlanBuilder { plan, tags: Vec::new(), windows: Vec::new() }
    }

    pub(crate) fn space(&self) -> &KeySpace {
        &self.plan.space
    }

    /// The tag of a condition; `None` beyond [`TAGS_MAX`].
    pub(crate) fn tag(&mut self, node: NodeId) -> Option<TagId> {
        let at = match self.tags.iter().position(|held| *held == node) {
            Some(at) => at,
            None if self.tags.len() == TAGS_MAX => return None,
            None => {
                self.tags.push(node);
                self.tags.len() - 1
            }
        };
        u8::try_from(at).ok().map(TagId)
    }

    /// Position and register of an aggregate, or of an equal one.
    ///
    /// # Errors
    /// The limit of the key space that would be exceeded, as text.
    pub(crate) fn aggregate(
        &mut self,
        mut aggregate: Aggregate,
        lane: Lane,
    ) -> Result<(usize, Slot), String> {
        aggregate.lane = match self.plan.lanes.iter().position(|held| *held == lane) {
            Some(at) => at,
            None => {
                self.plan.lanes.push(lane);
                self.plan.lanes.len() - 1
            }
        };
        let same = |held: &Aggregate| {
            *held == Aggregate { name: held.name.clone(), slot: held.slot, ..aggregate.clone() }
        };
        if let Some(at) = self.plan.aggregates.iter().position(same) {
            return Ok((at, self.plan.aggregates[at].slot));
        }
        self.has_room()?;
        let window = (aggregate.over, aggregate.delay);
        if !self.windows.contains(&window) {
            if self.windows.len() == WINDOWS_MAX {
                return Err(format!("{WINDOWS_MAX} different windows"));
            }
            self.windows.push(window);
        }
        let back = aggregate.over.unwrap_or(0).saturating_add(aggregate.delay);
        self.plan.look_back = self.plan.look_back.max(back);
        let slot = aggregate.slot;
        self.plan.aggregates.push(aggregate);
        Ok((self.plan.aggregates.len() - 1, slot))
    }

    /// Whether one more aggregate or rank over all accounts has room.
    fn has_room(&self) -> Result<(), String> {
        let held = self.plan.aggregates.len() + self.plan.populations.len();
        if held == AGGREGATES_MAX { Err(format!("{AGGREGATES_MAX} aggregates")) } else { Ok(()) }
    }

    /// How far back its aggregates read rows.
    pub(crate) fn look_back(&self) -> Ms {
        self.plan.look_back
    }

    /// Register of a population rank, or of an equal one.
    ///
    /// # Errors
    /// The limit of the key space that would be exceeded, as text.
    pub(crate) fn population(&mut self, population: Population) -> Result<Slot, String> {
        let same = |held: &Population| {
            *held == Population { name: held.name.clone(), slot: held.slot, ..population.clone() }
        };
        let at = match self.plan.populations.iter().position(same) {
            Some(at) => at,
            None => {
                self.has_room()?;
                self.plan.populations.push(population);
                self.plan.populations.len() - 1
            }
        };
        Ok(self.plan.populations[at].slot)
    }

    /// Register of an aggregate's coverage: `slot`, unless there is one already.
    pub(crate) fn coverage(&mut self, aggregate: usize, slot: Slot) -> Slot {
        if let Some(held) = self.plan.coverages.iter().find(|held| held.aggregate == aggregate) {
            return held.slot;
        }
        self.plan.coverages.push(Coverage { aggregate, slot });
        slot
    }

    /// The plan, and the conditions of its tags in order.
    pub(crate) fn finish(mut self) -> (AggregatePlan, Vec<NodeId>) {
        self.plan.tags = self.tags.len();
        (self.plan, self.tags)
    }
}
