//! The section `aggregates`: the operation of each, its window and its conditions.
//!
//! It does not depend on fields and key spaces.

use super::nodes::{declared, expression, name, section};
use super::parts::{AggregateText, Name, OpText, Pack};
use crate::diagnostic::{Diagnostics, Span};
use crate::yaml::{Keys, Node};

/// Default limit of `distinct`.
const DISTINCT_DEFAULT: u32 = 1_024;
/// Maximum limit of `distinct`.
const DISTINCT_MAX: i64 = 65_536;
const LATER: &[&str] = &["since", "error"];

const OPS: [(&str, OpText); 16] = [
    ("count", OpText::Count),
    ("sum", OpText::Sum),
    ("avg", OpText::Avg),
    ("min", OpText::Min),
    ("max", OpText::Max),
    ("stddev", OpText::Stddev),
    ("median", OpText::Median),
    ("trimmed_mean", OpText::TrimmedMean),
    ("quantile", OpText::Quantile(0.5)),
    ("distinct", OpText::Distinct),
    ("last", OpText::Last),
    ("first", OpText::First),
    ("nth", OpText::Nth(1)),
    ("rate", OpText::Rate),
    ("ratio", OpText::Ratio),
    ("rank", OpText::Rank),
];

/// Whether aggregates have an operation of this name.
pub(crate) fn is_operation(name: &str) -> bool {
    OPS.iter().any(|(operation, _)| *operation == name)
}

pub(super) fn read(keys: &mut Keys<'_>, pack: &mut Pack, problems: &mut Diagnostics) {
    for (key, value) in section(keys, "aggregates", problems) {
        match aggregate(key, value, problems) {
            Some(read) => pack.aggregates.push(read),
            None => pack.lost(value, problems),
        }
    }
}

fn aggregate(key: &Node, node: &Node, problems: &mut Diagnostics) -> Option<AggregateText> {
    let name = declared(key, "an aggregate's name", problems)?;
    let called = format!("aggregate `{}`", name.text);
    let mut keys = Keys::of(node, called.clone(), problems)?.later(LATER);
    let errors = problems.errors();
    let (op, value) = operation(&mut keys, &name, &called, problems);
    let over_node = keys.optional("over");
    let delay = keys.optional("delay").and_then(|node| node.duration("`delay`", problems)).unwrap_or(0);
    let filter_node = keys.optional("where");
    let filter = filter_node.and_then(|node| expression(node, "`where`", problems));
    let current =
        keys.optional("include_current").and_then(|node| node.boolean("`include_current`", problems));
    let mut number = |key, min, max, default, problems: &mut Diagnostics| {
        let written = keys.optional(key).and_then(|node| node.whole(&format!("`{key}`"), min, max, problems));
        written.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
    };
    let at_least = number("at_least", 0, 4_096, 0, problems);
    let distinct_max = number("max_distinct", 1, DISTINCT_MAX, DISTINCT_DEFAULT, problems);
    let by = match keys.optional("by") {
        Some(node) => by(node, problems),
        None => vec![Name { text: "account".to_owned(), span: name.span }],
    };
    let over = over_node.and_then(|node| node.length("`over`", problems));
    let reads_held = matches!(op, Some(OpText::Last | OpText::First | OpText::Nth(_)) | None);
    if over_node.is_none() && !reads_held {
        problems
            .error("S021", format!("{called} has no window"), name.span)
            .label("add `over:`, e.g. `over: 24h`");
    }
    let is_rank_of_all =
        matches!(op, Some(OpText::Rank)) && by.first().is_some_and(|name| name.text == "all");
    for (key, ignored, why) in [
        ("delay", is_rank_of_all, "a rank over all accounts reads whole days up to the event"),
        ("include_current", is_rank_of_all, "a rank over all accounts never counts the event itself"),
        ("include_current", !is_rank_of_all && delay > 0, "a window with a `delay` ends before the event"),
        ("max_distinct", op.is_some_and(|op| op != OpText::Distinct), "it limits `distinct` only"),
    ] {
        if let Some(span) = keys.key_span(key).filter(|_| ignored) {
            problems
                .error("S023", format!("`{key}` has no effect in {called}: {why}"), span)
                .label("without effect")
                .help(format!("remove `{key}`"));
        }
    }
    keys.finish(problems);
    Some(AggregateText {
        whole: problems.errors() == errors,
        name,
        op,
        value,
        by,
        over,
        over_span: over_node.map(|node| node.span),
        delay,
        filter,
        include_current: current.unwrap_or(true),
        at_least,
        distinct_max,
    })
}

/// The one operation key, its number where it has one, and what it reads.
fn operation(
    keys: &mut Keys<'_>,
    name: &Name,
    called: &str,
    problems: &mut Diagnostics,
) -> (Option<OpText>, Option<crate::ast::Expr>) {
    let mut found: Option<(OpText, &Node, Span)> = None;
    for (key, op) in OPS {
        let Some(node) = keys.optional(key) else { continue };
        let span = keys.key_span(key).unwrap_or(node.span);
        match found {
            None => found = Some((op, node, span)),
            Some((_, _, first)) => {
                problems
                    .error("S022", format!("{called} has two operations"), span)
                    .label("second operation")
                    .context(first, "first operation");
            }
        }
    }
    let Some((op, node, span)) = found else {
        problems
            .error("S020", format!("{called} has no operation"), name.span)
            .label("add one, e.g. `count: events`")
            .help(OPS.map(|(key, _)| key).join(", "));
        return (None, None);
    };
    let op = match op {
        OpText::Quantile(_) => {
            keys.required("q", span, problems).and_then(|node| quantile(node, problems)).map(OpText::Quantile)
        }
        OpText::Nth(_) => keys
            .required("n", span, problems)
            .and_then(|node| node.whole("`n`", 1, 4_096, problems))
            .and_then(|n| u32::try_from(n).ok())
            .map(OpText::Nth),
        other => Some(other),
    };
    if !matches!(op, Some(OpText::Count | OpText::Rate)) {
        return (op, expression(node, "an aggregate's value", problems));
    }
    if node.text("what is counted", problems).is_some_and(|text| text != "events") {
        problems
            .error("S006", "`count` and `rate` can count `events` only", node.span)
            .label("here")
            .help("to count different values, write `distinct:`; to count some events, add `where:`");
    }
    (op, None)
}

fn quantile(node: &Node, problems: &mut Diagnostics) -> Option<f64> {
    let q = node.number("`q`", problems)?.number();
    if !(0.0..=1.0).contains(&q) {
        problems.error("S004", "`q` must be between 0% and 100%", node.span).label("out of range");
        return None;
    }
    Some(q)
}

fn by(node: &Node, problems: &mut Diagnostics) -> Vec<Name> {
    node.items("`by`", problems).iter().filter_map(|item| name(item, "`by`", problems)).collect()
}
