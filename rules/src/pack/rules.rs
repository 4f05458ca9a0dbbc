//! The section `rules`.
//!
//! It does not depend on names of fields and facts.

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

pub(super) fn read(keys: &mut Keys<'_>, pack: &mut Pack, problems: &mut Diagnostics) {
    let written = items(keys, "rules", problems);
    pack.rules_written = written.len();
    if let Some(extra) = written.get(RULES_MAX) {
        let span = Span { end: extra.span.start, ..extra.span };
        problems.error("S007", format!("a pack has at most {RULES_MAX} rules"), span);
        written.iter().for_each(|node| pack.lost(node, problems));
        return;
    }
    for node in written {
        match rule(node, problems) {
            Some(rule) => pack.rules.push(rule),
            None => pack.lost(node, problems),
        }
    }
}

fn rule(node: &Node, problems: &mut Diagnostics) -> Option<RuleText> {
    let start = Span { end: node.span.start, ..node.span };
    let id = node.value_of("id").and_then(|node| node.scalar()).unwrap_or_default();
    let called = if id.is_empty() { "this rule".to_owned() } else { format!("rule {id}") };
    let mut keys = Keys::of(node, called, problems)?.later(LATER);
    let id = keys.required("id", start, problems).and_then(|node| name(node, "`id`", problems));
    let title = keys.optional("title").and_then(|node| node.text("`title`", problems));
    let event = keys.optional("event").map(|node| names(node, "`event`", problems));
    let by = keys.optional("by").and_then(|node| name(node, "`by`", problems));
    let when = keys.optional("when").map(|node| expression(node, "`when`", problems));
    if when.is_none() && !keys.has("sequence") {
        let at = id.as_ref().map_or(start, |id| id.span);
        problems.error("S002", format!("{} has no `when`", keys.what()), at).label("add `when:`");
    }
    let score =
        keys.optional("score").and_then(|node| node.whole("`score`", -100, 100, problems)).unwrap_or(0);
    let severities = Severity::ALL.map(|severity| (severity.name(), severity));
    let severity = keys.optional("severity").and_then(|node| node.word("`severity`", &severities, problems));
    let action = keys.optional("action").and_then(|node| sections::action(node, problems));
    // The reason of a sequence refers to its steps, which are not supported yet.
    let sequence = keys.has("sequence");
    let reason = keys.optional("reason").filter(|_| !sequence).and_then(|node| template(node, problems));
    let cooldown = keys.optional("cooldown").and_then(|node| sections::cooldown(node, problems));
    let typology = keys.optional("typology").map_or(Vec::new(), |node| typologies(node, problems));
    let mode = keys.optional("mode").and_then(|node| sections::mode(node, problems));
    for key in ["owner", "doc"] {
        if let Some(node) = keys.optional(key) {
            node.text(key, problems);
        }
    }
    keys.finish(problems);
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
        span: node.span,
    })
}

/// Eight hexadecimal digits that change with the content of the rule.
fn version(node: &Node) -> String {
    let mut hasher = SipHasher13::new();
    node.content(&mut |bytes| hasher.write(bytes));
    format!("{:08x}", hasher.finish() >> 32)
}

fn names(node: &Node, what: &str, problems: &mut Diagnostics) -> Vec<Name> {
    node.items(what, problems).iter().filter_map(|item| name(item, what, problems)).collect()
}

fn template(node: &Node, problems: &mut Diagnostics) -> Option<reason::Template> {
    let text = node.text("`reason`", problems)?;
    let source = problems.files()[node.span.file].text.clone();
    Some(reason::parse(text, &Positions::new(node, &source), problems))
}

fn typologies(node: &Node, problems: &mut Diagnostics) -> Vec<String> {
    let mut known = Vec::new();
    for id in names(node, "`typology`", problems) {
        if typology::is_known(&id.text) {
            known.push(id.text);
            continue;
        }
        let help = match typology::nearest_to(&id.text) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let all: Vec<&str> = typology::TYPOLOGIES.iter().map(|typology| typology.id).collect();
                format!("one of {}", all.join(", "))
            }
        };
        problems
            .error("E408", format!("no typology named `{}`", id.text), id.span)
            .label("not in the catalogue")
            .help(help);
    }
    known
}
