//! Declarations that nothing reads are checked as well.

use super::resolver::Resolver;
use super::types::Resolution;
use crate::ast::{Expr, ExprKind};
use crate::diagnostic::Span;
use crate::pack::Pack;
use std::collections::BTreeSet;

/// Reports errors in declarations that nothing has resolved; nothing of them enters a plan.
pub(crate) fn check_unused(resolver: &mut Resolver<'_>, packs: &[Pack]) {
    // What a part refers to that cannot be read is not unused.
    packs.iter().flat_map(|pack| &pack.unread).for_each(|name| resolver.mark_used(name));
    resolver.dry = true;
    let terms: Vec<(&str, Span)> = resolver
        .terms
        .iter()
        .filter(|(_, term)| !term.is_resolved())
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
        .filter(|(_, aggregate)| matches!(aggregate.fact, Resolution::Pending))
        .map(|(name, aggregate)| (*name, aggregate.text.name.span))
        .collect();
    for (name, span) in aggregates {
        let used = resolver.aggregates.get(name).is_some_and(|entry| entry.used);
        resolver.fact(name, span);
        if let Some(entry) = resolver.aggregates.get_mut(name) {
            entry.used = used;
        }
    }
    let lists: Vec<(&str, Span)> = resolver
        .lists
        .iter()
        .filter(|(_, list)| matches!(list.entries, Resolution::Pending))
        .map(|(name, list)| (*name, list.text.name.span))
        .collect();
    for (name, span) in lists {
        let used = resolver.lists.get(name).is_some_and(|entry| entry.used);
        resolver.entries(name, span);
        if let Some(entry) = resolver.lists.get_mut(name) {
            entry.used = used;
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
