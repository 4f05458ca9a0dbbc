//! A condition as a text that identifies it in every pack, so that a histogram is found again under another pack. The
//! text is compared, never parsed. It contains the `Debug` form of nodes and kinds: renaming one changes the text.

use super::{Graph, Node, NodeId};
use crate::schema::{CurrencyOf, Kind, Schema};

/// Longer texts are not built: a shared node is written as often as it is used.
const BYTES_MAX: usize = 16 * 1024;

impl Graph {
    /// The text of a condition over fields; `None` where it depends on numbers of its pack, or is too long.
    pub(crate) fn wording(&self, id: NodeId, schema: &Schema) -> Option<String> {
        let node = self.node(id);
        let mut parts = Vec::new();
        for child in node.children() {
            parts.push(self.wording(child, schema)?);
        }
        // The operands of these are in the order in which the pack first names them.
        if matches!(node, Node::And(..) | Node::Or(..) | Node::Same(..)) {
            parts.sort_unstable();
        }
        let own = match node {
            Node::Read(slot) => {
                let field = schema.fields().get(slot.index())?;
                format!("{} {}", field.name, kind_text(&field.kind))
            }
            Node::Within(_, set) => format!("Within{:?}", self.sets().get(usize::try_from(set).ok()?)?),
            Node::Listed(_, list) => format!("Listed{:?}", self.lists().get(usize::try_from(list).ok()?)?),
            Node::LocalIn(..) | Node::Text(..) => return None,
            // Operands have numbers of this graph; they are written as parts instead.
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
