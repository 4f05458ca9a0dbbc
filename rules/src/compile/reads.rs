//! What of the state some nodes read, by the registers that they read.

use super::space::Space;
use crate::graph::{Graph, NodeId};
use crate::ruleset::StateReads;
use crate::schema::Schema;
use crate::value::Slot;

pub(super) fn state_reads(
    graph: &Graph,
    spaces: &[Space],
    schema: &Schema,
    nodes: impl IntoIterator<Item = NodeId>,
) -> StateReads {
    let mut reads = StateReads::default();
    graph.reads(nodes, &mut |slot| {
        if let Some((space, fact)) = fact(spaces, slot) {
            reads.facts.entry(space).or_default().insert(fact);
        } else if slot.index() >= schema.fields().len() {
            reads.others.insert(slot);
        }
    });
    reads
}

/// The key space and the position of the fact in a register, or of the fact whose coverage is in it.
fn fact(spaces: &[Space], slot: Slot) -> Option<(u8, usize)> {
    (0u8..).zip(spaces).find_map(|(at, space)| {
        let mut coverages = space.plan.coverages.iter();
        let covered = || coverages.find(|coverage| coverage.slot == slot).map(|coverage| coverage.aggregate);
        space.facts.get(&slot).copied().or_else(covered).map(|fact| (at, fact))
    })
}
