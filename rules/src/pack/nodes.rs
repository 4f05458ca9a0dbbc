//! From YAML nodes to what every section is made of: names, expressions, named entries, items.
//!
//! It does not depend on the sections.

use super::parts::Name;
use crate::ast::Expr;
use crate::diagnostic::{Diagnostics, Span};
use crate::lexer::Written;
use crate::parser;
use crate::yaml::{Keys, Node, Positions, Value};

/// A text with its place.
pub(super) fn name(node: &Node, what: &str, problems: &mut Diagnostics) -> Option<Name> {
    let text = node.text(what, problems)?.to_owned();
    Some(Name { text, span: node.span })
}

/// A name that expressions can use; anything else is reported.
pub(super) fn declared(node: &Node, what: &str, problems: &mut Diagnostics) -> Option<Name> {
    let name = name(node, what, problems)?;
    let fine = name.text.starts_with(|first: char| first.is_ascii_lowercase())
        && name.text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !fine {
        problems
            .error("S006", format!("`{}` is not a valid name", name.text), name.span)
            .label("here")
            .help("use lower-case letters, digits and `_`, starting with a letter");
    }
    fine.then_some(name)
}

/// The expression in a scalar.
pub(super) fn expression(node: &Node, what: &str, problems: &mut Diagnostics) -> Option<Expr> {
    let text = node.text(what, problems)?;
    let source = problems.files()[node.span.file].text.clone();
    let positions = Positions::new(node, &source);
    Some(parser::expression(Written { text, base: 0, positions: &positions }, problems))
}

/// The entries of a section whose keys are names.
pub(super) fn section<'a>(
    keys: &mut Keys<'a>,
    key: &'static str,
    problems: &mut Diagnostics,
) -> &'a [(Node, Node)] {
    let Some(node) = keys.optional(key) else { return &[] };
    if node.is_nothing() {
        return &[];
    }
    Keys::of(node, format!("`{key}`"), problems).map_or(&[], |section| section.entries())
}

/// The items of a section that is a list.
pub(super) fn items<'a>(keys: &mut Keys<'a>, key: &'static str, problems: &mut Diagnostics) -> &'a [Node] {
    match keys.optional(key) {
        Some(Node { value: Value::List(items), .. }) => items,
        Some(node) if !node.is_nothing() => {
            node.items(&format!("`{key}`"), problems);
            let start = Span { end: node.span.start, ..node.span };
            problems
                .error("S003", format!("`{key}` must be a list, each entry after a `-`"), start)
                .label("not a list");
            &[]
        }
        _ => &[],
    }
}
