//! Rules, features and signals with resolved names.

use super::header::check_cooldown;
use super::reason::{self, ResolvedPart};
use super::resolver::Resolver;
use super::types::{Read, Ty, Typed, called};
use crate::action::Mode;
use crate::ast::{Expr, ExprKind};
use crate::diagnostic::nearest;
use crate::graph::NodeId;
use crate::pack::{NODES_MAX, Name, Pack, RuleText, SignalText};
use crate::schema::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// A rule whose names are resolved.
pub(crate) struct CheckedRule<'a> {
    pub(crate) text: &'a RuleText,
    pub(crate) pack: &'a Pack,
    pub(crate) when: Option<NodeId>,
    pub(crate) space: usize,
    pub(crate) events: BTreeSet<u16>,
    pub(crate) reads: Vec<Read>,
    pub(crate) reason: Vec<ResolvedPart>,
}

impl CheckedRule<'_> {
    /// The rule's own mode, or the pack's.
    pub(crate) fn mode(&self) -> Mode {
        self.text.mode.or(self.pack.default_mode).unwrap_or(Mode::Live)
    }
}

/// A feature whose names are resolved.
pub(crate) struct CheckedFeature<'a> {
    pub(crate) name: &'a Name,
    pub(crate) node: NodeId,
    pub(crate) kind: Kind,
    pub(crate) reads: Vec<Read>,
}

/// A signal whose names are resolved.
pub(crate) struct CheckedSignal<'a> {
    pub(crate) text: &'a SignalText,
    pub(crate) space: usize,
    pub(crate) node: NodeId,
    pub(crate) kind: Kind,
    pub(crate) reads: Vec<Read>,
}

pub(crate) fn check_rule<'a>(
    resolver: &mut Resolver<'_>,
    pack: &'a Pack,
    text: &'a RuleText,
) -> CheckedRule<'a> {
    let when = text.when.as_ref().and_then(|when| resolver.condition(when));
    if let Some(when) = &text.when {
        check_size(resolver, text, when);
    }
    if let Some(Some(cooldown)) = &text.cooldown {
        check_cooldown(resolver, cooldown);
    }
    let events = event_codes(resolver, text);
    let space = text.by.as_ref().map_or(0, |by| space_of(resolver, by));
    let reason = text.reason.as_ref().map_or(Vec::new(), |reason| reason::check(resolver, reason));
    let mut reads = text.when.as_ref().map_or(Vec::new(), |when| resolver.reads_of(when));
    for expr in text.reason.iter().flat_map(reason::expressions) {
        for read in resolver.reads_of(expr) {
            if !reads.iter().any(|held| held.name == read.name) {
                reads.push(read);
            }
        }
    }
    CheckedRule { text, pack, when, space, events, reads, reason }
}

fn check_size(resolver: &mut Resolver<'_>, text: &RuleText, when: &Expr) {
    let nodes = resolver.expanded_nodes(when);
    if nodes > NODES_MAX {
        resolver
            .problems
            .error("E105", format!("rule {} is too large", text.id.text), text.id.span)
            .label(format!("{nodes} operators and references, at most {NODES_MAX}"));
    }
}

/// Codes of the event types that a rule judges; all without `event:`.
fn event_codes(resolver: &mut Resolver<'_>, text: &RuleText) -> BTreeSet<u16> {
    let types = resolver.schema.event_types();
    let Some(names) = &text.event else {
        return (0..).zip(types.values()).map(|(code, _)| code).collect();
    };
    let mut codes = BTreeSet::new();
    for name in names {
        match types.code(&name.text) {
            Some(code) => {
                codes.insert(code);
            }
            None => {
                let near = nearest(&name.text, types.values().iter().map(String::as_str));
                resolver
                    .problems
                    .error("E208", format!("no event type named `{}`", name.text), name.span)
                    .label("unknown event type")
                    .help(near.map_or_else(
                        || "further event types are declared in the schema's `event.type`".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    ));
            }
        }
    }
    codes
}

/// Index of the key space of a rule's `by:`.
fn space_of(resolver: &mut Resolver<'_>, by: &Name) -> usize {
    if by.text == "account" || by.text == "card" {
        return 0;
    }
    match resolver.schema.entities().iter().position(|entity| *entity == by.text) {
        Some(at) => at + 1,
        None => {
            resolver.undeclared(by);
            0
        }
    }
}

pub(crate) fn check_signals<'a>(resolver: &mut Resolver<'_>, packs: &'a [Pack]) -> Vec<CheckedSignal<'a>> {
    let mut checked = Vec::new();
    for text in packs.iter().flat_map(|pack| &pack.signals) {
        let entity = text.name.text.split('.').next().unwrap_or_default().to_owned();
        let space = space_of(resolver, &Name { text: entity, span: text.name.span });
        let typed = resolver.signal_value(&text.name.text);
        let reads = text.value.as_ref().map_or(Vec::new(), |value| resolver.reads_of(value));
        if let Typed { ty: Ty::Is(kind), node, .. } = typed {
            if text.step.is_some()
                && !matches!(kind, Kind::Money(_) | Kind::Number | Kind::Time | Kind::Duration)
            {
                let name = &text.name;
                resolver
                    .problems
                    .error("S023", format!("`step` has no effect in signal `{}`", name.text), name.span)
                    .label("its value is no number: every change of it is published")
                    .help("leave `step` out");
            }
            checked.push(CheckedSignal { text, space, node, kind, reads });
        }
    }
    checked
}

pub(crate) fn check_features<'a>(resolver: &mut Resolver<'_>, packs: &'a [Pack]) -> Vec<CheckedFeature<'a>> {
    let mut checked = Vec::new();
    for text in packs.iter().flat_map(|pack| &pack.features) {
        let Some(expr) = &text.expr else { continue };
        let typed = resolver.expr(expr);
        match typed.ty {
            Ty::Is(kind @ (Kind::Number | Kind::Money(_) | Kind::Duration | Kind::Bool)) => {
                let reads = resolver.reads_of(expr);
                checked.push(CheckedFeature { name: &text.name, node: typed.node, kind, reads });
            }
            Ty::Invalid => {}
            other => {
                resolver
                    .problems
                    .error("E308", "a feature must be a number, money, a duration or yes/no", expr.span)
                    .label(format!("this is {}", called(&other)));
            }
        }
    }
    checked
}

impl Resolver<'_> {
    /// Number of operators and references in a condition, including those of its terms.
    fn expanded_nodes(&self, expr: &Expr) -> usize {
        self.expanded(expr, &mut BTreeMap::new())
    }

    /// As [`Resolver::expanded_nodes`], with the counts of terms so far: a term is expanded once, and one that refers
    /// to itself counts as nothing there.
    pub(crate) fn expanded<'t>(&'t self, expr: &'t Expr, known: &mut BTreeMap<&'t str, usize>) -> usize {
        let mut terms = 0usize;
        expr.walk(&mut |part| {
            let ExprKind::Name(name) = &part.kind else { return };
            let Some(term) = self.terms.get(name.as_str()) else { return };
            if let (true, Some(expr)) = (term.is_resolved(), &term.text.expr) {
                let nodes = known.get(name.as_str()).copied().unwrap_or_else(|| {
                    known.insert(name, 0);
                    self.expanded(expr, known)
                });
                known.insert(name, nodes);
                terms = terms.saturating_add(nodes);
            }
        });
        terms.saturating_add(expr.nodes())
    }
}
