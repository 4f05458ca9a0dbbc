//! The small sections: `lists`, `params`, `terms`, `features`, `signals`, `decide`, `defaults`.
//!
//! It does not depend on rules and aggregates.

use super::nodes::{declared, expression, items, name, section};
use super::parts::{
    CooldownText, DecideText, ListText, Name, NamedText, Pack, ParamText, ParamValue, SignalText,
};
use crate::action::{Action, Mode, Target, Verb};
use crate::diagnostic::Diagnostics;
use crate::money::Decimal;
use crate::time::parse_duration;
use crate::yaml::{Keys, Node, comma_help};

/// Maximum number of entries in a list.
const LIST_ENTRIES_MAX: usize = 1_000_000;

/// Other words for modes.
const MODE_SYNONYMS: [(&str, &str); 12] = [
    ("on", "live"),
    ("yes", "live"),
    ("true", "live"),
    ("active", "live"),
    ("enabled", "live"),
    ("production", "live"),
    ("test", "shadow"),
    ("dry_run", "shadow"),
    ("no", "\"off\""),
    ("false", "\"off\""),
    ("disabled", "\"off\""),
    ("inactive", "\"off\""),
];

pub(super) fn read(keys: &mut Keys<'_>, pack: &mut Pack, problems: &mut Diagnostics) {
    for (key, value) in section(keys, "lists", problems) {
        let zone = pack.timezone.as_ref().map(|zone| zone.text.clone());
        pack.lists.extend(list(key, value, zone, problems));
    }
    for (key, value) in section(keys, "params", problems) {
        pack.params.extend(param(key, value, problems));
    }
    for (key, value) in section(keys, "terms", problems) {
        match named(key, value, "a term", problems) {
            Some(read) => pack.terms.push(read),
            None => pack.lost(value, problems),
        }
    }
    for (key, value) in section(keys, "features", problems) {
        match named(key, value, "a feature", problems) {
            Some(read) => pack.features.push(read),
            None => pack.lost(value, problems),
        }
    }
    for (key, value) in section(keys, "signals", problems) {
        match signal(key, value, problems) {
            Some(read) => pack.signals.push(read),
            None => pack.lost(value, problems),
        }
    }
    for item in items(keys, "decide", problems) {
        match decide(item, problems) {
            Some(line) => pack.decide.push(line),
            None => pack.decide_lost = true,
        }
    }
    if let Some(node) = keys.optional("defaults")
        && let Some(mut defaults) = Keys::of(node, "`defaults`", problems)
    {
        pack.default_cooldown =
            defaults.optional("cooldown").and_then(|node| cooldown(node, problems)).flatten();
        pack.default_mode = defaults.optional("mode").and_then(|node| mode(node, problems));
        if let Some(owner) = defaults.optional("owner") {
            owner.text("`owner`", problems);
        }
        defaults.finish(problems);
    }
}

fn list(key: &Node, value: &Node, zone: Option<String>, problems: &mut Diagnostics) -> Option<ListText> {
    let list = declared(key, "a list's name", problems)?;
    let mut keys = Keys::of(value, format!("list `@{}`", list.text), problems)?;
    let file = keys.required("file", list.span, problems).and_then(|node| name(node, "`file`", problems));
    let column = keys.optional("column").and_then(|node| name(node, "`column`", problems));
    let numbers = keys
        .optional("of")
        .and_then(|node| node.word("`of`", &[("text", false), ("number", true)], problems))
        .unwrap_or(false);
    let most = i64::try_from(LIST_ENTRIES_MAX).expect("the bound is small");
    let entries_max = keys
        .optional("max_entries")
        .and_then(|node| node.whole("`max_entries`", 1, most, problems))
        .and_then(|most| usize::try_from(most).ok())
        .unwrap_or(LIST_ENTRIES_MAX);
    if let Some(doc) = keys.optional("doc") {
        doc.text("`doc`", problems);
    }
    keys.finish(problems);
    Some(ListText { name: list, file: file?, column, numbers, entries_max, zone })
}

fn param(key: &Node, value: &Node, problems: &mut Diagnostics) -> Option<ParamText> {
    let param = declared(key, "a parameter's name", problems)?;
    let mut keys = Keys::of(value, format!("parameter `${}`", param.text), problems)?;
    let default_node = keys.required("default", param.span, problems);
    let default = default_node.and_then(|node| param_value(node, problems));
    let min = keys.optional("min").and_then(|node| Some((as_decimal(param_value(node, problems)?), node)));
    let max = keys.optional("max").and_then(|node| Some((as_decimal(param_value(node, problems)?), node)));
    if let Some(doc) = keys.optional("doc") {
        doc.text("`doc`", problems);
    }
    keys.finish(problems);
    let sides = [(min, "below", "minimum"), (max, "above", "maximum")];
    for (bound, side, called) in sides {
        let (Some((limit, at)), Some(value), Some(node)) = (bound, default, default_node) else { continue };
        let order = as_decimal(value).compare(limit);
        if order == (if side == "below" { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }) {
            let (written, limit) = (node.scalar().unwrap_or_default(), at.scalar().unwrap_or_default());
            problems
                .error("S010", format!("default of `${}` is {side} its own {called}", param.text), node.span)
                .label(format!("{written} is {side} {limit}"))
                .context(at.span, format!("{called} set here"));
        }
    }
    let limit = |bound: Option<(Decimal, &Node)>| bound.map(|(limit, _)| limit);
    let default_span = default_node.map(|node| node.span);
    Some(ParamText { name: param, default, default_span, min: limit(min), max: limit(max) })
}

/// The number of a parameter; a duration in milliseconds.
pub(crate) fn as_decimal(value: ParamValue) -> Decimal {
    match value {
        ParamValue::Number(number, _) => number,
        ParamValue::Duration(ms) => Decimal::whole(ms),
    }
}

fn param_value(node: &Node, problems: &mut Diagnostics) -> Option<ParamValue> {
    let text = node.text("a parameter's value", problems)?;
    let value = parsed_value(text);
    if value.is_none() {
        problems
            .error("S004", "a parameter must be a number, a percentage or a duration", node.span)
            .label("not one of these")
            .help_maybe(comma_help(text));
    }
    value
}

/// A parameter's value from its text.
pub(crate) fn parsed_value(text: &str) -> Option<ParamValue> {
    match parse_duration(text) {
        Some(ms) => Some(ParamValue::Duration(ms)),
        None => Decimal::parse_share(text).map(|number| ParamValue::Number(number, text.ends_with('%'))),
    }
}

fn named(key: &Node, value: &Node, what: &str, problems: &mut Diagnostics) -> Option<NamedText> {
    let name = declared(key, what, problems)?;
    let expr = expression(value, what, problems);
    Some(NamedText { name, expr })
}

fn signal(key: &Node, value: &Node, problems: &mut Diagnostics) -> Option<SignalText> {
    let signal = name(key, "a signal's name", problems)?;
    if signal.text.split('.').count() != 2 {
        problems
            .error("S006", format!("`{}` is not a valid signal name", signal.text), signal.span)
            .label("here")
            .help("write an entity and a name, as in `terminal.fraud_rate_7d`");
        return None;
    }
    let mut keys = Keys::of(value, format!("signal `{}`", signal.text), problems)?;
    let value =
        keys.required("value", signal.span, problems).and_then(|node| expression(node, "`value`", problems));
    let step = keys.optional("step").and_then(|node| step(node, problems));
    let valid_for = keys
        .required("valid_for", signal.span, problems)
        .and_then(|node| node.length("`valid_for`", problems));
    keys.finish(problems);
    Some(SignalText { name: signal, value, step, valid_for: valid_for.unwrap_or(0) })
}

fn step(node: &Node, problems: &mut Diagnostics) -> Option<Decimal> {
    let step = node.number("`step`", problems)?;
    if step.mantissa < 0 {
        problems.error("S004", "`step` must not be negative", node.span).label("below 0");
        return None;
    }
    Some(step)
}

fn decide(node: &Node, problems: &mut Diagnostics) -> Option<DecideText> {
    let mut keys = Keys::of(node, "a line of `decide`", problems)?;
    let at = crate::diagnostic::Span { end: node.span.start, ..node.span };
    let written = keys.required("score", at, problems);
    let score = written.and_then(|node| node.whole("`score`", 0, 100, problems));
    let action = keys.required("action", at, problems).and_then(|node| action(node, problems));
    keys.finish(problems);
    let score = i32::try_from(score?).expect("between 0 and 100");
    Some(DecideText { score, action: action?, span: written?.span })
}

/// A word, or `{do, target, for}`.
pub(super) fn action(node: &Node, problems: &mut Diagnostics) -> Option<Action> {
    let verbs = Verb::ALL.map(|verb| (verb.name(), verb));
    if node.scalar().is_some() {
        let verb = node.word("`action`", &verbs, problems)?;
        return Some(Action { verb, target: None, length: None });
    }
    let mut keys = Keys::of(node, "an action", problems)?;
    let at = crate::diagnostic::Span { end: node.span.start, ..node.span };
    let verb = keys.required("do", at, problems).and_then(|node| node.word("`do`", &verbs, problems));
    let target = keys.optional("target").and_then(|node| {
        if node.scalar() == Some("transaction") {
            problems
                .error(
                    "E407",
                    "a transaction cannot be the target of an action: it has already happened",
                    node.span,
                )
                .label("invalid target")
                .help("an action applies to later events: use `card`, `account` or `payee`");
            return None;
        }
        let targets = Target::ALL.map(|target| (target.name(), target));
        node.word("`target`", &targets, problems)
    });
    let length = keys.optional("for").and_then(|node| node.duration("`for`", problems));
    keys.finish(problems);
    Some(Action { verb: verb?, target, length })
}

pub(super) fn mode(node: &Node, problems: &mut Diagnostics) -> Option<Mode> {
    // YAML versions read an unquoted `off` differently; the YAML reader has reported it.
    let modes = [("off", Mode::Off), ("shadow", Mode::Shadow), ("live", Mode::Live)];
    node.word_or_synonym("`mode`", &modes, &MODE_SYNONYMS, problems)
}

/// `none`, or `{by: rule+card, for: 30m, unless: score_increases}`.
pub(super) fn cooldown(node: &Node, problems: &mut Diagnostics) -> Option<Option<CooldownText>> {
    if let Some(text) = node.scalar().filter(|text| parse_duration(text).is_some()) {
        problems
            .error("S003", "a cooldown names an entity and a duration", node.span)
            .label("a duration alone")
            .help(format!(
                "write `cooldown: {{by: rule+account, for: {text}}}`, or `rule+card` for each card"
            ));
        return None;
    }
    if node.scalar().is_some() {
        return node.word("`cooldown`", &[("none", ())], problems).map(|()| None);
    }
    let mut keys = Keys::of(node, "a cooldown", problems)?;
    let at = crate::diagnostic::Span { end: node.span.start, ..node.span };
    let by = keys.required("by", at, problems).and_then(|node| name(node, "`by`", problems));
    let length = keys.required("for", at, problems).and_then(|node| node.length("`for`", problems));
    let unless = keys
        .optional("unless")
        .and_then(|node| node.word("`unless`", &[("score_increases", true)], problems))
        .unwrap_or(false);
    keys.finish(problems);
    let by = by?;
    let entity = by.text.strip_prefix("rule+").map(str::to_owned);
    let Some(text) = entity else {
        problems
            .error("S006", format!("a cooldown cannot be by `{}`", by.text), by.span)
            .label("unknown value")
            .help("write `rule+card`, `rule+account`, or `rule+` and the entity of the rule's key space");
        return None;
    };
    let entity = Name { text, span: by.span };
    Some(Some(CooldownText { entity, length: length?, unless_score_increases: unless }))
}
