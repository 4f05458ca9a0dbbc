//! A condition in words that tell it from every other one, whichever pack it stands in: so that what was counted under one
//! pack is known again under the next. It is compared, never read.

use super::{Graph, Node, NodeId};
use crate::schema::Schema;

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
                format!("{} {:?}", field.name, field.kind)
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

#[cfg(test)]
mod tests {
    use crate::diagnostic::File;
    use crate::ruleset::{CompileOptions, Ruleset};
    use crate::schema::Schema;
    use crate::value::TextKey;

    const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase|login
  tx.amount: money in EUR
  merchant.mcc: text
keep: [tx.amount, tx.declined, merchant.mcc]
";

    fn wording(condition: &str, before: &str) -> Option<String> {
        let (schema, _) = Schema::load(&File::new("schema.yaml", SCHEMA));
        let pack = format!(
            "version: 1\npack: p\nowner: a\ntimezone: UTC\naggregates:\n{before}  r: {{rank: tx.amount, by: all, over: 2d, \
             where: '{condition}'}}\nfeatures:\n  f: r\n"
        );
        let no_list = |_: &str| Err(String::new());
        let options = CompileOptions {
            key: TextKey::default(),
            models: &[],
            retention: None,
            list: &no_list,
            now: None,
        };
        let (ruleset, faults) =
            Ruleset::compile(&[File::new("pack.yaml", pack)], &schema.expect("a schema"), &options);
        let ruleset = ruleset.unwrap_or_else(|| panic!("{faults:?}"));
        ruleset.programs()[0].plan().populations[0].condition.clone()
    }

    #[test]
    fn a_condition_is_known_again_in_another_pack_and_told_from_others() {
        let both = "tx.declined and tx.amount > 5";
        let own = wording(both, "").expect("it has words");
        let other =
            "  n: {count: events, by: account, over: 1h, where: tx.amount > 5 or merchant.mcc == \"1\"}\n";
        assert_eq!(wording("tx.amount > 5 and tx.declined", other).as_ref(), Some(&own));
        for different in ["tx.declined and tx.amount > 6", "tx.declined and tx.amount >= 5", "tx.declined"] {
            assert_ne!(wording(different, "").expect("it has words"), own, "{different}");
        }
        assert_ne!(
            wording("merchant.mcc in [\"1\", \"2\"]", ""),
            wording("merchant.mcc in [\"1\", \"3\"]", "")
        );
    }
}
