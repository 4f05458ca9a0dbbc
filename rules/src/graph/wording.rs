//! A condition in words that tell it from every other one, whichever pack it stands in: so that what was counted under one
//! pack is known again under the next. It is compared, never read.

use super::{Graph, Node, NodeId};
use crate::schema::{CurrencyOf, Kind, Schema};

/// Longer wordings are not written: a shared node is written as often as it is used.
const BYTES_MAX: usize = 16 * 1024;

impl Graph {
    /// The words of a condition over fields; `None` where it depends on what is numbered pack by pack, or is too long.
    pub(crate) fn wording(&self, id: NodeId, schema: &Schema) -> Option<String> {
        let node = self.node(id);
        let mut parts = Vec::new();
        for child in node.children() {
            parts.push(self.wording(child, schema)?);
        }
        // Nodes of these come in the order in which their pack first named them.
        if matches!(node, Node::And(..) | Node::Or(..) | Node::Same(..)) {
            parts.sort_unstable();
        }
        let own = match node {
            Node::Read(slot) => {
                let field = schema.fields().get(slot.index())?;
                format!("{} {}", field.name, kind_text(&field.kind))
            }
            Node::Within(_, set) => format!("Within{:?}", self.sets().get(usize::try_from(set).ok()?)?),
            Node::LocalIn(..) | Node::Text(..) => return None,
            // The same for all: children are numbered by their graph and written as parts.
            other => format!("{:?}", other.over(|_| NodeId(0))),
        };
        let wording = format!("{own}({})", parts.join(","));
        (wording.len() <= BYTES_MAX).then_some(wording)
    }
}

/// A kind as snapshots of earlier releases hold it.
fn kind_text(kind: &Kind) -> String {
    match kind {
        Kind::Money(CurrencyOf::Fixed(currency)) => format!("Money(Fixed({}))", currency.number()),
        other => format!("{other:?}"),
    }
}
