//! A pack as written: its sections with places. Expressions are parsed, names are not resolved.
//!
//! It does not depend on the schema; `resolve` gives names a meaning.

mod aggregates;
mod nodes;
mod parts;
mod rules;
mod sections;

pub use crate::parser::DEPTH_MAX;
pub(crate) use aggregates::is_operation;
pub(crate) use parts::{
    AggregateText, CooldownText, DecideText, ListText, Name, NamedText, OpText, Pack, ParamText, ParamValue,
    RuleText, SignalText,
};
pub use parts::{NODES_MAX, RULES_MAX};
pub(crate) use sections::{as_decimal, parsed_value};

use crate::ast::Expr;
use crate::diagnostic::{Diagnostics, Span};
use crate::lexer;
use crate::yaml::{self, Keys, Node};

const LATER: &[&str] = &["lookups", "segments", "marks", "tests", "sequences"];

/// Reads one pack; `file` is its index in `problems`. Returns what could be read.
pub(crate) fn read(file: usize, problems: &mut Diagnostics) -> Pack {
    let mut pack = Pack::default();
    let start = Span { file, start: 0, end: 0 };
    let Some(root) = yaml::parse(file, problems) else {
        if !problems.list().iter().any(|problem| problem.span.file == file) {
            problems.error("S002", "the pack is empty", start);
        }
        pack.unread = lexer::names(&problems.files()[file].text);
        return pack;
    };
    root.content(&mut |bytes| pack.content.extend_from_slice(bytes));
    let Some(mut keys) = Keys::of(&root, "a pack", problems).map(|keys| keys.later(LATER)) else {
        return pack;
    };
    if let Some(version) = keys.required("version", start, problems) {
        version.form("pack", problems);
    }
    let text = |node: Option<&Node>, what: &str, problems: &mut Diagnostics| {
        node.and_then(|node| node.text(what, problems)).map(str::to_owned)
    };
    pack.name = text(keys.optional("pack"), "`pack`", problems).unwrap_or_default();
    pack.owner = text(keys.optional("owner"), "`owner`", problems).unwrap_or_default();
    pack.timezone = keys.optional("timezone").and_then(|node| nodes::name(node, "`timezone`", problems));
    sections::read(&mut keys, &mut pack, problems);
    aggregates::read(&mut keys, &mut pack, problems);
    rules::read(&mut keys, &mut pack, problems);
    keys.finish(problems);
    pack.nodes = pack.condition_nodes();
    pack
}

impl Pack {
    fn condition_nodes(&self) -> usize {
        let terms = self.terms.iter().filter_map(|term| term.expr.as_ref());
        let filters = self.aggregates.iter().filter_map(|aggregate| aggregate.filter.as_ref());
        let conditions = self.rules.iter().filter_map(|rule| rule.when.as_ref());
        terms.chain(filters).chain(conditions).map(Expr::nodes).sum()
    }
}
