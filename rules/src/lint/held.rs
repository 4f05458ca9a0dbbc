//! What reads back as far as rows are held, where nothing but the other aggregates says how far that is: "never" then
//! means "not within the longest window".

use crate::ast::{Expr, ExprKind};
use crate::diagnostic::Span;
use crate::pack::{AggregateText, OpText, Pack};
use crate::resolve::{CheckedRule, Resolver, expressions};
use crate::time::{DAY_MS, HOUR_MS, Ms, ms_as_f64};

/// How long rows are held: as configured, else as far back as anything reads.
pub(super) fn held(resolver: &Resolver<'_>) -> Ms {
    let packs = resolver.plans.iter().map(|plan| plan.look_back()).max().unwrap_or(0);
    resolver.options.retention.unwrap_or(packs.max(resolver.options.lookback))
}

/// Whether an aggregate may miss what it is about because rows are no longer held: one without a window, but not the
/// newest row of a key, which is held whatever its age.
pub(super) fn reads_held(aggregate: &AggregateText, resolver: &Resolver<'_>) -> bool {
    let is_of_key = || {
        aggregate.by.len() <= 1
            && aggregate
                .by
                .first()
                .is_none_or(|by| by.text == "account" || resolver.schema.entities().contains(&by.text))
    };
    aggregate.over.is_none()
        && matches!(aggregate.op, Some(OpText::Last | OpText::First | OpText::Nth(_)))
        && !(aggregate.op == Some(OpText::Last) && aggregate.filter.is_none() && is_of_key())
}

/// A length of time in words.
pub(super) fn words(ms: f64) -> String {
    let (days, hours) = (ms / ms_as_f64(DAY_MS), ms / ms_as_f64(HOUR_MS));
    if days >= 2.0 { format!("{days} days") } else { format!("{hours} h") }
}

/// A place that asks whether something happened before, or when it first did.
struct Found {
    span: Span,
    what: String,
    help: String,
}

pub(super) fn check(resolver: &mut Resolver<'_>, packs: &[Pack], rules: &[CheckedRule<'_>]) {
    if resolver.options.retention.is_some() {
        return;
    }
    let conditions = rules.iter().filter_map(|rule| rule.text.when.as_ref());
    let reasons = rules.iter().filter_map(|rule| rule.text.reason.as_ref()).flat_map(expressions);
    let terms = resolver.terms.values().filter(|term| term.used).filter_map(|term| term.text.expr.as_ref());
    let features = packs.iter().flat_map(|pack| &pack.features).filter_map(|feature| feature.expr.as_ref());
    let signals = packs.iter().flat_map(|pack| &pack.signals).filter_map(|signal| signal.value.as_ref());
    let mut found = Vec::new();
    for expr in conditions.chain(reasons).chain(terms).chain(features).chain(signals) {
        expr.walk(&mut |part| found.extend(asks_whether(part, resolver)));
    }
    let aggregates = resolver.aggregates.values().filter(|entry| entry.used).map(|entry| entry.text);
    let firsts = aggregates
        .filter(|text| text.op == Some(OpText::First) && reads_held(text, resolver))
        .map(|text| Found { span: text.name.span, what: text.name.text.clone(), help: window_of(text) });
    found.extend(firsts);
    let held = words(ms_as_f64(held(resolver)));
    for Found { span, what, help } in found {
        resolver
            .problems
            .warning(
                "W511",
                format!("`{what}` has no window: it knows the rows held, of at least {held}"),
                span,
            )
            .label(format!("rows older than {held} may be missing"))
            .help(format!("{help}, or say how long rows are held (`time: {{retention: …}}`)"));
    }
}

fn asks_whether(part: &Expr, resolver: &Resolver<'_>) -> Option<Found> {
    let span = part.span;
    match &part.kind {
        ExprKind::Call(function, _, args) if function == "seen_before" => {
            let ExprKind::Name(field) = &args.first()?.kind else { return None };
            let help = format!(
                "count with a window, `{{count: events, by: [account, {field}], over: 90d, include_current: false}}`, and \
                 compare with 0"
            );
            Some(Found { span, what: format!("seen_before({field})"), help })
        }
        ExprKind::IsMissing(value, _) => {
            let ExprKind::Name(name) = &value.kind else { return None };
            let text = resolver.aggregates.get(name.as_str())?.text;
            let found = || Found { span, what: name.clone(), help: window_of(text) };
            reads_held(text, resolver).then(found)
        }
        _ => None,
    }
}

fn window_of(text: &AggregateText) -> String {
    format!("give `{}` a window, for example `over: 90d`", text.name.text)
}
