//! A time since an earlier event that is compared with more than the rows that are held can tell.

use super::held::{held, reads_held, words};
use crate::ast::{Compare, Expr, ExprKind};
use crate::diagnostic::Span;
use crate::pack::{AggregateText, OpText, ParamValue};
use crate::resolve::{CheckedRule, Resolver};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Ms, ms_as_f64};

/// One comparison that reaches too far.
struct Found {
    span: Span,
    fact: String,
    /// How far back the fact is known, ms.
    known: Ms,
    /// The largest value compared with, ms, and the parameter that it is of.
    asked: f64,
    param: Option<String>,
    has_window: bool,
}

pub(super) fn check(resolver: &mut Resolver<'_>, rules: &[CheckedRule<'_>]) {
    let conditions = rules.iter().filter_map(|rule| rule.text.when.as_ref());
    let terms = resolver.terms.values().filter(|term| term.used).filter_map(|term| term.text.expr.as_ref());
    let mut found = Vec::new();
    for expr in conditions.chain(terms) {
        expr.walk(&mut |part| found.extend(too_far(part, resolver)));
    }
    for Found { span, fact, known, asked, param, has_window } in found {
        let (known, asked) = (words(ms_as_f64(known)), words(asked));
        let whose = param.map_or(String::new(), |param| format!(" by the range of `${param}`"));
        let (label, help) = if has_window {
            (
                format!("the window of `{fact}` is {known}"),
                format!("make the window of `{fact}` longer, or compare with less"),
            )
        } else {
            (
                format!("rows are held for {known}"),
                "compare with less, or keep rows longer (`time: {retention: …}`): beyond it the fact is known only of a \
                 key that had no event of any kind since"
                    .to_owned(),
            )
        };
        resolver
            .problems
            .warning(
                "W510",
                format!("`{fact}` is not known for {asked}, which this comparison asks for{whose}"),
                span,
            )
            .label(label)
            .help(help);
    }
}

/// The comparison, if it reaches too far. `since >= limit` asks whether it was so long ago; of a fact without a window
/// `since < limit` asks for rows that are no longer held as well.
fn too_far(part: &Expr, resolver: &Resolver<'_>) -> Option<Found> {
    let ExprKind::Compare(op, a, b) = &part.kind else { return None };
    let (since, limit) = match op {
        Compare::Ge | Compare::Gt => (a, b),
        Compare::Le | Compare::Lt => (b, a),
        Compare::Eq | Compare::Ne => return None,
    };
    let (fact, unit, is_reversed) = match since_fact(since) {
        Some((fact, unit)) => (fact, unit, false),
        None => since_fact(limit).map(|(fact, unit)| (fact, unit, true))?,
    };
    let limit = if is_reversed { since } else { limit };
    let aggregate = resolver.aggregates.get(fact)?.text;
    let has_window = aggregate.over.is_some();
    let known = known_for(aggregate, resolver)?;
    let (number, param) = match &limit.kind {
        ExprKind::Number(number) => (*number, None),
        ExprKind::Param(name) => {
            let param = resolver.params.get(name.as_str())?;
            let Some(ParamValue::Number(default, _)) = param.value else { return None };
            (param.text.max.unwrap_or(default), Some(name.clone()))
        }
        _ => return None,
    };
    let asked = number.number() * ms_as_f64(unit);
    let is_too_far = asked > ms_as_f64(known) && !(is_reversed && has_window);
    is_too_far.then(|| Found { span: part.span, fact: fact.to_owned(), known, asked, param, has_window })
}

/// The aggregate whose time an expression measures, and the unit, whether or not something stands for it where it is
/// missing.
fn since_fact(expr: &Expr) -> Option<(&str, Ms)> {
    let ExprKind::Call(function, _, args) = &expr.kind else { return None };
    let unit = match function.as_str() {
        "coalesce" => return since_fact(args.first()?),
        "days_since" => DAY_MS,
        "hours_since" => HOUR_MS,
        "minutes_since" => MINUTE_MS,
        _ => return None,
    };
    let ExprKind::Name(fact) = &args.first()?.kind else { return None };
    Some((fact, unit))
}

/// How far back an aggregate can tell the time of an event; `None` where it always can, or tells no time.
fn known_for(aggregate: &AggregateText, resolver: &Resolver<'_>) -> Option<Ms> {
    if !matches!(aggregate.op, Some(OpText::Last | OpText::First | OpText::Nth(_))) {
        return None;
    }
    match aggregate.over {
        Some(over) => Some(over.saturating_add(aggregate.delay)),
        None => reads_held(aggregate, resolver).then(|| held(resolver)),
    }
}
