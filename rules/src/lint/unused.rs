//! Declarations that nothing reads.
//!
//! The name that a misspelt one is closest to counts as read: correcting the name corrects both.

use crate::resolve::Resolver;

pub(super) fn check(resolver: &mut Resolver<'_>) {
    for (name, entry) in resolver.aggregates.iter().filter(|(_, entry)| !entry.used) {
        resolver
            .problems
            .warning(
                "W401",
                format!("aggregate `{name}` is used by no rule or feature"),
                entry.text.name.span,
            )
            .label("nothing reads it")
            .help("remove it, or read it in a rule or a feature");
    }
    for (name, entry) in resolver.params.iter().filter(|(_, entry)| !entry.used) {
        resolver.problems.warning(
            "W402",
            format!("parameter `${name}` is used by nothing"),
            entry.text.name.span,
        );
    }
    for (name, entry) in resolver.lists.iter().filter(|(_, entry)| !entry.used) {
        resolver.problems.warning("W403", format!("list `@{name}` is used by nothing"), entry.text.name.span);
    }
    for (name, entry) in resolver.terms.iter().filter(|(_, entry)| !entry.used) {
        resolver.problems.warning("W404", format!("term `{name}` is used by nothing"), entry.text.name.span);
    }
}
