//! Facts of other key spaces: an account's rules cannot read the ledger of a terminal, which may be in another process.

use crate::diagnostic::Span;
use crate::resolve::{CheckedFeature, CheckedRule, CheckedSignal, Origin, Read, Resolver};

pub(super) fn check(
    resolver: &mut Resolver<'_>,
    rules: &[CheckedRule<'_>],
    signals: &[CheckedSignal<'_>],
    features: &[CheckedFeature<'_>],
) {
    for rule in rules {
        let who = format!("rule {}", rule.text.id.text);
        foreign(resolver, &who, rule.space, &rule.reads);
    }
    for signal in signals {
        foreign(resolver, &format!("signal `{}`", signal.text.name.text), signal.space, &signal.reads);
    }
    for feature in features {
        two_spaces(resolver, feature);
    }
}

fn derived(read: &Read) -> Option<(usize, Span)> {
    match &read.origin {
        Origin::Fact(fact) if fact.space != 0 => Some((fact.space, read.span)),
        _ => None,
    }
}

fn entity(resolver: &Resolver<'_>, space: usize) -> String {
    resolver.plans[space].space().entity.clone()
}

/// Reports facts of another derived key space.
fn foreign(resolver: &mut Resolver<'_>, who: &str, own: usize, reads: &[Read]) {
    for read in reads {
        let Some((space, span)) = derived(read).filter(|(space, _)| *space != own) else { continue };
        let (theirs, ours) = (entity(resolver, space), entity(resolver, own));
        resolver
            .problems
            .error(
                "E403",
                format!("{who} is evaluated in key space `{ours}` and cannot read `{}`", read.name),
                span,
            )
            .label(format!("a fact of key space `{theirs}`"))
            .help(format!("publish it under `signals:` as `{theirs}.…`, or let the rule run `by: {theirs}`"));
    }
}

/// Reports a feature over two derived key spaces: it is computed in one, where facts of the account are known as well.
fn two_spaces(resolver: &mut Resolver<'_>, feature: &CheckedFeature<'_>) {
    let mut spaces: Vec<(usize, Span)> = feature.reads.iter().filter_map(derived).collect();
    spaces.dedup_by_key(|(space, _)| *space);
    if let [(first, _), .., (last, span)] = spaces[..]
        && first != last
    {
        let (one, other) = (entity(resolver, first), entity(resolver, last));
        resolver
            .problems
            .error(
                "E403",
                format!(
                    "feature `{}` reads facts of the key spaces `{one}` and `{other}`",
                    feature.name.text
                ),
                span,
            )
            .label(format!("a fact of key space `{other}`"))
            .help("publish one of them under `signals:`");
    }
}
