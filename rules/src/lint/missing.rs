//! `not` over a value that may be missing: the result is then unknown, and the rule does not fire.

use crate::ast::{Expr, ExprKind};
use crate::diagnostic::Span;
use crate::resolve::{CheckedRule, Resolver};
use crate::schema::Kind;

pub(super) fn check(resolver: &mut Resolver<'_>, rules: &[CheckedRule<'_>]) {
    let conditions = rules.iter().filter_map(|rule| rule.text.when.as_ref());
    let terms = resolver.terms.values().filter_map(|term| term.text.expr.as_ref());
    let filters = resolver.aggregates.values().filter_map(|aggregate| aggregate.text.filter.as_ref());
    let mut found: Vec<(Span, String)> = Vec::new();
    for expr in conditions.chain(terms).chain(filters) {
        expr.walk(&mut |part| {
            if let ExprKind::Not(inner) = &part.kind
                && let Some(name) = may_be_missing(inner, resolver)
            {
                found.push((part.span, name));
            }
        });
    }
    for (span, name) in found {
        resolver
            .problems
            .warning("W501", format!("`not` over `{name}`, which may be missing"), span)
            .label("unknown when missing")
            .help(format!("write `coalesce({name}, false) == false` to treat a missing value as no"));
    }
}

/// A yes/no field that is tested without `coalesce` or `is missing`.
fn may_be_missing(expr: &Expr, resolver: &Resolver<'_>) -> Option<String> {
    match &expr.kind {
        ExprKind::Name(name) => {
            let slot = resolver.plain_field(expr)?;
            (resolver.schema.field(slot).kind == Kind::Bool).then(|| name.clone())
        }
        ExprKind::And(a, b) | ExprKind::Or(a, b) => {
            may_be_missing(a, resolver).or_else(|| may_be_missing(b, resolver))
        }
        _ => None,
    }
}
