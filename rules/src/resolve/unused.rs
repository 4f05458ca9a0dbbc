//! Declarations that nothing reads are checked as well.

use super::resolver::Resolver;
use crate::ast::{Expr, ExprKind};
use crate::diagnostic::Span;
use std::collections::BTreeSet;

/// Reports errors in unused declarations; nothing of them enters a plan.
pub(crate) fn check_unused(resolver: &mut Resolver<'_>) {
    resolver.dry = true;
    let terms: Vec<(&str, Span)> = resolver
        .terms
        .iter()
        .filter(|(_, term)| !term.used)
        .map(|(name, term)| (*name, term.text.name.span))
        .collect();
    for (name, span) in terms {
        let expr = Expr { kind: ExprKind::Name(name.to_owned()), span };
        let before = used(resolver);
        resolver.expr(&expr);
        restore(resolver, &before, name);
    }
    let aggregates: Vec<(&str, Span)> = resolver
        .aggregates
        .iter()
        .filter(|(_, aggregate)| !aggregate.used)
        .map(|(name, aggregate)| (*name, aggregate.text.name.span))
        .collect();
    for (name, span) in aggregates {
        resolver.fact(name, span);
        if let Some(entry) = resolver.aggregates.get_mut(name) {
            entry.used = false;
        }
    }
    resolver.dry = false;
}

/// Names of the terms that are used so far.
fn used(resolver: &Resolver<'_>) -> BTreeSet<String> {
    resolver.terms.iter().filter(|(_, term)| term.used).map(|(name, _)| (*name).to_owned()).collect()
}

/// Checking an unused term does not use it, but what it reads counts as used.
fn restore(resolver: &mut Resolver<'_>, before: &BTreeSet<String>, name: &str) {
    if let Some(entry) = resolver.terms.get_mut(name) {
        entry.used = before.contains(name);
    }
}
