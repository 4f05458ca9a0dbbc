//! From files to a ruleset: read, look names up, lint; and, with no error, build programs.
//!
//! It does not know what single checks look for.

mod build;
mod told;

use super::{CompileOptions, Ruleset};
use crate::aggregate::KeySpace;
use crate::diagnostic::{Diagnostics, File, Span, nearest};
use crate::graph::{Graph, NodeId};
use crate::lint;
use crate::pack::{self, NODES_MAX, Name, Pack, ParamText, ParamValue, RULES_MAX, RuleText};
use crate::plan::PlanBuilder;
use crate::resolve::{
    AggregateEntry, ListEntry, Looked, ParamEntry, Read, Resolver, SignalEntry, TermEntry, Ty, Typed, called,
};
use crate::schema::{ACCOUNT_ID, Kind, Schema};
use std::collections::{BTreeMap, BTreeSet};

pub(super) use told::ToldNode;

/// Values of parameters in place of their defaults, by name.
pub type Overrides = BTreeMap<String, String>;

/// A rule whose names are known.
pub(crate) struct CheckedRule<'a> {
    pub(crate) text: &'a RuleText,
    pub(crate) pack: &'a Pack,
    pub(crate) when: Option<NodeId>,
    pub(crate) space: usize,
    pub(crate) events: BTreeSet<u16>,
    pub(crate) reads: Vec<Read>,
    pub(super) told: Vec<ToldNode>,
}

/// A feature whose names are known.
pub(crate) struct CheckedFeature<'a> {
    pub(crate) name: &'a Name,
    pub(crate) node: NodeId,
    pub(crate) kind: Kind,
    pub(crate) reads: Vec<Read>,
}

/// A signal whose names are known.
pub(crate) struct CheckedSignal<'a> {
    pub(crate) text: &'a pack::SignalText,
    pub(crate) space: usize,
    pub(crate) node: NodeId,
    pub(crate) kind: Kind,
    pub(crate) reads: Vec<Read>,
}

pub(super) fn compile(
    files: &[File],
    schema: &Schema,
    options: &CompileOptions<'_>,
    overrides: &Overrides,
) -> (Option<Ruleset>, Diagnostics) {
    let mut faults = Diagnostics::new(files);
    let packs: Vec<Pack> = (0..files.len()).map(|file| pack::read(file, &mut faults)).collect();
    faults.rules = packs.iter().map(|pack| pack.rules_written).sum();
    faults.nodes = packs.iter().map(|pack| pack.nodes).sum();
    if faults.rules > RULES_MAX {
        faults.error("S007", format!("a ruleset has at most {RULES_MAX} rules"), Span::default());
    }
    lint::duplicate::check(&packs, &mut faults);
    let mut resolver = resolver(&packs, schema, options, &mut faults);
    override_params(&mut resolver, &packs, overrides);
    packs.iter().for_each(|pack| check_header(&mut resolver, pack));
    let rules: Vec<CheckedRule<'_>> = packs
        .iter()
        .flat_map(|pack| pack.rules.iter().map(move |rule| (pack, rule)))
        .map(|(pack, rule)| check_rule(&mut resolver, pack, rule))
        .collect();
    let signals = check_signals(&mut resolver, &packs);
    let features = check_features(&mut resolver, &packs);
    look_at_unused(&mut resolver);
    lint::run(&mut resolver, &rules, &signals, &features);
    let ruleset = (resolver.faults.errors() == 0)
        .then(|| build::build(resolver, &packs, rules, &signals, &features, overrides));
    let ruleset = ruleset.and_then(|built| match built {
        Ok(ruleset) => Some(ruleset),
        Err(build::TooLarge) => {
            faults
                .error("S007", "the packs need more registers than there are", Span::default())
                .help("split the largest rules, or remove unused features");
            None
        }
    });
    faults.sort();
    (ruleset, faults)
}

fn resolver<'a>(
    packs: &'a [Pack],
    schema: &'a Schema,
    options: &'a CompileOptions<'a>,
    faults: &'a mut Diagnostics,
) -> Resolver<'a> {
    let account = KeySpace { entity: "account".to_owned(), key: ACCOUNT_ID };
    let derived = schema.entities().iter().map(|entity| KeySpace {
        entity: entity.clone(),
        key: schema.slot(&format!("{entity}.id")).unwrap_or(ACCOUNT_ID),
    });
    let plans = std::iter::once(account).chain(derived).map(PlanBuilder::new).collect();
    Resolver {
        schema,
        options,
        faults,
        graph: Graph::default(),
        terms: packs
            .iter()
            .flat_map(|pack| &pack.terms)
            .map(|text| (text.name.text.as_str(), TermEntry { text, typed: Looked::NotYet, used: false }))
            .collect(),
        aggregates: packs
            .iter()
            .flat_map(|pack| &pack.aggregates)
            .map(|text| (text.name.text.as_str(), AggregateEntry { text, fact: Looked::NotYet, used: false }))
            .collect(),
        params: packs
            .iter()
            .flat_map(|pack| &pack.params)
            .map(|text| {
                let entry = ParamEntry { value: text.default, span: text.name.span, used: false };
                (text.name.text.as_str(), entry)
            })
            .collect(),
        lists: packs
            .iter()
            .flat_map(|pack| &pack.lists)
            .map(|text| (text.name.text.as_str(), ListEntry { text, entries: Looked::NotYet, used: false }))
            .collect(),
        signals: packs
            .iter()
            .flat_map(|pack| &pack.signals)
            .map(|text| (text.name.text.as_str(), SignalEntry { text, typed: Looked::NotYet, slot: None }))
            .collect(),
        plans,
        models: BTreeMap::new(),
        patterns: Vec::new(),
        zones: Vec::new(),
        zones_by_field: false,
        text_slots: BTreeSet::new(),
        registers: schema.fields().len(),
        dry: false,
        over_rows: false,
        term_depth: 0,
    }
}

/// Puts overrides in place of defaults, within each parameter's own range.
fn override_params(resolver: &mut Resolver<'_>, packs: &[Pack], overrides: &Overrides) {
    for (name, written) in overrides {
        let text = packs.iter().flat_map(|pack| &pack.params).find(|param| param.name.text == *name);
        let Some((text, value)) = text.zip(pack::parsed_value(written)) else {
            resolver.faults.error(
                "S011",
                format!("`${name}` cannot be set to `{written}`: no such parameter, or no number"),
                Span::default(),
            );
            continue;
        };
        if let Some(side) = outside(text, value) {
            resolver
                .faults
                .error("S011", format!("`${name}` cannot be set to {written}"), text.name.span)
                .label(format!("{written} is {side}"));
        }
        if let Some(entry) = resolver.params.get_mut(name.as_str()) {
            entry.value = Some(value);
        }
    }
}

fn outside(param: &ParamText, value: ParamValue) -> Option<String> {
    let value = pack::as_decimal(value);
    let below = param.min.filter(|min| value.compare(*min).is_lt()).map(|min| format!("below {min}"));
    below.or_else(|| param.max.filter(|max| value.compare(*max).is_gt()).map(|max| format!("above {max}")))
}

/// A pack's time zone and the cooldown that its rules inherit.
fn check_header(resolver: &mut Resolver<'_>, pack: &Pack) {
    if let Some(zone) = &pack.timezone
        && crate::function::zone(&zone.text).is_none()
    {
        resolver
            .faults
            .error("E309", format!("no time zone named \"{}\"", zone.text), zone.span)
            .label("not in the tz database")
            .help("such as \"America/New_York\" or \"UTC\"");
    }
    if let Some(cooldown) = &pack.default_cooldown {
        check_cooldown(resolver, cooldown);
    }
}

fn check_cooldown(resolver: &mut Resolver<'_>, cooldown: &pack::CooldownText) {
    let field = format!("{}.id", cooldown.entity.text);
    if resolver.schema.slot(&field).is_none() {
        resolver
            .faults
            .error("E201", format!("nothing is named `{field}`"), cooldown.entity.span)
            .label("not a field of the schema");
    }
}

fn check_rule<'a>(resolver: &mut Resolver<'_>, pack: &'a Pack, text: &'a RuleText) -> CheckedRule<'a> {
    let when = text.when.as_ref().and_then(|when| resolver.condition(when));
    if let Some(when) = &text.when {
        check_size(resolver, text, when);
    }
    if let Some(Some(cooldown)) = &text.cooldown {
        check_cooldown(resolver, cooldown);
    }
    let events = event_codes(resolver, text);
    let space = text.by.as_ref().map_or(0, |by| space_of(resolver, by));
    let told = text.reason.as_ref().map_or(Vec::new(), |reason| told::check(resolver, reason));
    let mut reads = text.when.as_ref().map_or(Vec::new(), |when| resolver.reads_of(when));
    for expr in text.reason.iter().flat_map(told::expressions) {
        for read in resolver.reads_of(expr) {
            if !reads.iter().any(|held| held.name == read.name) {
                reads.push(read);
            }
        }
    }
    CheckedRule { text, pack, when, space, events, reads, told }
}

fn check_size(resolver: &mut Resolver<'_>, text: &RuleText, when: &crate::ast::Expr) {
    let nodes = resolver.expanded_nodes(when);
    if nodes > NODES_MAX {
        resolver
            .faults
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
                    .faults
                    .error("E208", format!("no event type is called `{}`", name.text), name.span)
                    .label("unknown event type")
                    .help(near.map_or_else(
                        || "the bank's own types are declared in the schema's `event.type`".to_owned(),
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

fn check_signals<'a>(resolver: &mut Resolver<'_>, packs: &'a [Pack]) -> Vec<CheckedSignal<'a>> {
    let mut checked = Vec::new();
    for text in packs.iter().flat_map(|pack| &pack.signals) {
        let entity = text.name.text.split('.').next().unwrap_or_default().to_owned();
        let space = space_of(resolver, &Name { text: entity, span: text.name.span });
        let typed = resolver.signal_value(&text.name.text);
        let reads = text.value.as_ref().map_or(Vec::new(), |value| resolver.reads_of(value));
        if let Typed { ty: Ty::Is(kind), node, .. } = typed {
            checked.push(CheckedSignal { text, space, node, kind, reads });
        }
    }
    checked
}

fn check_features<'a>(resolver: &mut Resolver<'_>, packs: &'a [Pack]) -> Vec<CheckedFeature<'a>> {
    let mut checked = Vec::new();
    for text in packs.iter().flat_map(|pack| &pack.features) {
        let Some(expr) = &text.expr else { continue };
        let typed = resolver.expr(expr);
        match typed.ty {
            Ty::Is(kind @ (Kind::Number | Kind::Money(_) | Kind::Duration | Kind::Bool)) => {
                let reads = resolver.reads_of(expr);
                checked.push(CheckedFeature { name: &text.name, node: typed.node, kind, reads });
            }
            Ty::Fault => {}
            other => {
                resolver
                    .faults
                    .error("E308", "a feature is a number, money, a length of time or yes/no", expr.span)
                    .label(format!("this is {}", called(&other)));
            }
        }
    }
    checked
}

/// Faults of what nothing reads are reported too; nothing of it is computed.
fn look_at_unused(resolver: &mut Resolver<'_>) {
    resolver.dry = true;
    let terms: Vec<(&str, Span)> = resolver
        .terms
        .iter()
        .filter(|(_, term)| !term.used)
        .map(|(name, term)| (*name, term.text.name.span))
        .collect();
    for (name, span) in terms {
        let expr = crate::ast::Expr { kind: crate::ast::ExprKind::Name(name.to_owned()), span };
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

/// Looking at an unused term does not use it; what it reads counts as used, for it would be with it.
fn restore(resolver: &mut Resolver<'_>, before: &BTreeSet<String>, name: &str) {
    if let Some(entry) = resolver.terms.get_mut(name) {
        entry.used = before.contains(name);
    }
}
