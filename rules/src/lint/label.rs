//! A label that is read from the purchase itself: labels become known later, in events of their own.

use crate::graph::NodeId;
use crate::resolve::{CheckedRule, Origin, Resolver};
use crate::schema::EVENT_TYPE;
use crate::value::Slot;
use std::collections::BTreeMap;

pub(super) fn check(resolver: &mut Resolver<'_>, rules: &[CheckedRule<'_>]) {
    let label = resolver.schema.event_types().code("label");
    for rule in rules {
        let Some(when) = rule.when else { continue };
        for read in &rule.reads {
            let Origin::Field(slot, _) = read.origin else { continue };
            let elsewhere = |code: &&u16| Some(**code) != label;
            if read.name.starts_with("label.")
                && rule.events.iter().filter(elsewhere).any(|code| reads(resolver, when, *code, slot))
            {
                resolver
                    .problems
                    .error(
                        "E409",
                        format!("`{}` is read for events that are not labels", read.name),
                        read.span,
                    )
                    .label("known only after the event")
                    .help("set `event: label`, or count labels in an aggregate");
            }
        }
    }
}

/// Whether the condition still reads the field once the event's type is known.
fn reads(resolver: &mut Resolver<'_>, when: NodeId, code: u16, field: Slot) -> bool {
    let given = resolver.graph.given(when, EVENT_TYPE, u64::from(code), &mut BTreeMap::new());
    resolver.slots_of([given]).contains(&field)
}
