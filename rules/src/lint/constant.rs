//! Conditions that are always or never true.

use crate::graph::Node;
use crate::resolve::{CheckedRule, Resolver};
use crate::schema::EVENT_TYPE;
use std::collections::BTreeMap;

pub(super) fn check(resolver: &mut Resolver<'_>, rules: &[CheckedRule<'_>]) {
    for rule in rules {
        let (Some(when), Some(expr)) = (rule.when, &rule.text.when) else { continue };
        if resolver.problems.any_error_inside(expr.span) {
            continue;
        }
        let what = match resolver.graph.node(when) {
            Node::Const(1) => "is always true",
            Node::Missing => "is never true: a part of it is always missing",
            _ if never(resolver, rule, when) => "is never true",
            _ => continue,
        };
        resolver
            .problems
            .error("E310", format!("the condition of rule {} {what}", rule.text.id.text), expr.span)
            .label("independent of the event");
    }
}

/// Whether the condition is false for every event type that the rule judges.
fn never(resolver: &mut Resolver<'_>, rule: &CheckedRule<'_>, when: crate::graph::NodeId) -> bool {
    // Only a condition that reads the event type can differ between types.
    if resolver.graph.constant(when) == Some(0) {
        return true;
    }
    if !resolver.slots_of([when]).contains(&EVENT_TYPE) {
        return false;
    }
    rule.events.iter().all(|code| {
        let given = resolver.graph.given(when, EVENT_TYPE, u64::from(*code), &mut BTreeMap::new());
        resolver.graph.constant(given) == Some(0)
    })
}
