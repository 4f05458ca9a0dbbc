//! An amount that is compared with an average that includes it: a large amount raises its own average.

use crate::ast::{Compare, Expr, ExprKind};
use crate::resolve::{CheckedRule, Origin, Resolver};
use crate::value::Slot;

pub(super) fn check(resolver: &mut Resolver<'_>, rules: &[CheckedRule<'_>]) {
    let mut found = Vec::new();
    for expr in rules.iter().filter_map(|rule| rule.text.when.as_ref()) {
        expr.walk(&mut |part| {
            if let ExprKind::Compare(op, a, b) = &part.kind
                && !matches!(op, Compare::Eq | Compare::Ne)
                && let Some(fact) = inside(a, b, resolver).or_else(|| inside(b, a, resolver))
            {
                found.push((part.span, fact));
            }
        });
    }
    for (span, fact) in found {
        resolver
            .problems
            .warning("W502", format!("`{fact}` includes the amount it is compared with"), span)
            .label("the current event is part of the aggregate")
            .help(format!("add `include_current: false` to `{fact}`"));
    }
}

/// The statistic in `facts` that includes the field of the event that `amount` reads.
fn inside(amount: &Expr, facts: &Expr, resolver: &Resolver<'_>) -> Option<String> {
    let fields: Vec<Slot> = resolver
        .reads_of(amount)
        .into_iter()
        .filter_map(|read| match read.origin {
            Origin::Field(slot, _) => Some(slot),
            _ => None,
        })
        .collect();
    resolver.reads_of(facts).into_iter().find_map(|read| match &read.origin {
        Origin::Fact(fact) if fact.includes.is_some_and(|field| fields.contains(&field)) => Some(read.name),
        _ => None,
    })
}
