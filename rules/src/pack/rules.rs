//! The section `rules`.
//!
//! It does not know names of fields and facts.

use super::nodes::{expression, items, name};
use super::parts::{Name, Pack, RULES_MAX, RuleText};
use super::sections;
use crate::action::Severity;
use crate::diagnostic::{Diagnostics, Span};
use crate::reason;
use crate::typology;
use crate::yaml::{Keys, Node, Positions};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

const LATER: &[&str] =
    &["sequence", "absent", "exceptions", "effective", "expect", "mark", "marks", "segments"];

pub(super) fn read(keys: &mut Keys<'_>, pack: &mut Pack, faults: &mut Diagnostics) {
    let written = items(keys, "rules", faults);
    pack.rules_written = written.len();
    if let Some(extra) = written.get(RULES_MAX) {
        let span = Span { end: extra.span.start, ..extra.span };
        faults.error("S007", format!("a pack has at most {RULES_MAX} rules"), span);
        return;
    }
    for node in written {
        pack.rules.extend(rule(node, faults));
    }
}

fn rule(node: &Node, faults: &mut Diagnostics) -> Option<RuleText> {
    let start = Span { end: node.span.start, ..node.span };
    let id = node.value_of("id").and_then(|node| node.scalar()).unwrap_or_default();
    let called = if id.is_empty() { "this rule".to_owned() } else { format!("rule {id}") };
    let mut keys = Keys::of(node, called, faults)?.later(LATER);
    let id = keys.required("id", start, faults).and_then(|node| name(node, "`id`", faults));
    let title = keys.optional("title").and_then(|node| node.text("`title`", faults));
    let event = keys.optional("event").map(|node| names(node, "`event`", faults));
    let by = keys.optional("by").and_then(|node| name(node, "`by`", faults));
    let when = keys.optional("when").map(|node| expression(node, "`when`", faults));
    if when.is_none() && !keys.has("sequence") {
        let at = id.as_ref().map_or(start, |id| id.span);
        faults.error("S002", format!("{} has no `when`", keys.what()), at).label("add `when:`");
    }
    let score = keys.optional("score").and_then(|node| node.whole("`score`", -100, 100, faults)).unwrap_or(0);
    let severities = [
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ];
    let severity = keys.optional("severity").and_then(|node| node.word("`severity`", &severities, faults));
    let action = keys.optional("action").and_then(|node| sections::action(node, faults));
    // A sequence's reason names its steps, which nothing knows yet.
    let sequence = keys.has("sequence");
    let reason = keys.optional("reason").filter(|_| !sequence).and_then(|node| template(node, faults));
    let cooldown = keys.optional("cooldown").and_then(|node| sections::cooldown(node, faults));
    let typology = keys.optional("typology").map_or(Vec::new(), |node| typologies(node, faults));
    let mode = keys.optional("mode").and_then(|node| sections::mode(node, faults));
    for key in ["owner", "doc"] {
        if let Some(node) = keys.optional(key) {
            node.text(key, faults);
        }
    }
    keys.finish(faults);
    Some(RuleText {
        id: id?,
        title: title.unwrap_or_default().to_owned(),
        event,
        by,
        when: when.flatten(),
        score: i32::try_from(score).expect("between -100 and 100"),
        severity: severity.unwrap_or(Severity::Medium),
        action,
        reason,
        cooldown,
        typology,
        mode,
        version: version(node),
    })
}

/// Eight hexadecimal digits that change with the rule's own content.
fn version(node: &Node) -> String {
    let mut hasher = SipHasher13::new();
    node.content(&mut |bytes| hasher.write(bytes));
    format!("{:08x}", hasher.finish() >> 32)
}

fn names(node: &Node, what: &str, faults: &mut Diagnostics) -> Vec<Name> {
    node.items(what, faults).iter().filter_map(|item| name(item, what, faults)).collect()
}

fn template(node: &Node, faults: &mut Diagnostics) -> Option<reason::Template> {
    let text = node.text("`reason`", faults)?;
    let source = faults.files()[node.span.file].text.clone();
    Some(reason::parse(text, &Positions::new(node, &source), faults))
}

fn typologies(node: &Node, faults: &mut Diagnostics) -> Vec<String> {
    let mut known = Vec::new();
    for id in names(node, "`typology`", faults) {
        if typology::is_known(&id.text) {
            known.push(id.text);
            continue;
        }
        let all = typology::TYPOLOGIES.iter().map(|typology| typology.id);
        let near = crate::diagnostic::nearest(&id.text, all).map(|near| format!("did you mean `{near}`?"));
        faults
            .error("E408", format!("no typology named `{}`", id.text), id.span)
            .label("not in the catalogue")
            .help_maybe(near);
    }
    known
}
