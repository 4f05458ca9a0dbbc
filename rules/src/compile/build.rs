//! From resolved rules to programs: registers and operations.
//!
//! It checks nothing: packs with errors do not come here.

use super::by_type::{JudgedRule, ProgramBuilder};
use super::emit::Emitter;
use super::hash::hash;
use super::reads::state_reads;
use super::space::Space;
use crate::action::{Cooldown, Mode};
use crate::aggregate::FactSet;
use crate::diagnostic::Span;
use crate::function::{self, Zones};
use crate::graph::{Graph, NodeId};
use crate::options::Overrides;
use crate::pack::{CooldownText, Pack, ParamValue, as_decimal};
use crate::program::{Amounts, Block, Program, Shared, Types};
use crate::reason::Printed;
use crate::resolve::{
    CheckedFeature, CheckedRule, CheckedSignal, Origin, Placed, Read, Resolution, ResolvedPart, Resolver,
};
use crate::ruleset::{
    DecideLine, EventTypes, Feature, ReadFrom, ReadValue, ReasonPart, Rule, Ruleset, Signal,
};
use crate::schema::{ACCOUNT_ID, CurrencyOf, Kind, Schema};
use crate::value::Slot;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The packs need more registers than a slot can address.
pub(super) struct TooLarge;

pub(super) fn build(
    mut resolver: Resolver<'_>,
    packs: &[Pack],
    rules: Vec<CheckedRule<'_>>,
    signals: &[CheckedSignal<'_>],
    features: &[CheckedFeature<'_>],
    overrides: &Overrides,
) -> Result<Ruleset, TooLarge> {
    let hash = hash(packs, &resolver, overrides);
    let rules: Vec<CheckedRule<'_>> = rules.into_iter().filter(|rule| rule.mode() != Mode::Off).collect();
    let spaces: Vec<Space> = std::mem::take(&mut resolver.plans).into_iter().map(Space::new).collect();
    let field_slots = field_slots(&resolver, &spaces, &rules, signals, features);
    let derived_places = derived_places(&resolver, &spaces, &rules, signals);
    let read_slots = read_slots(&field_slots, &derived_places, &spaces, &rules);
    let mut amounts = Amounts::new();
    let mut graph = std::mem::take(&mut resolver.graph);
    let mut compiled = Compiled {
        graph: &mut graph,
        amounts: &mut amounts,
        base: resolver.registers,
        highest: resolver.registers,
    };
    let programs = compiled.programs(&resolver, &spaces, &rules, signals);
    let feature_block = compiled.block(features.iter().map(|feature| feature.node));
    let described: Vec<Signal> =
        signals.iter().map(|signal| compiled.signal(signal, &resolver, &spaces)).collect();
    let finished: Vec<Rule> =
        rules.iter().map(|rule| compiled.rule(rule, resolver.schema, &spaces)).collect();
    let highest = compiled.highest;
    if highest > usize::from(u16::MAX) || amounts.len() > usize::from(u16::MAX) {
        return Err(TooLarge);
    }
    let features = features.iter().map(|feature| described_feature(feature, &graph, &spaces)).collect();
    let shared = Arc::new(shared(&resolver, &graph, amounts));
    let mut programs_by_space = Vec::new();
    for ((at, space), types) in (0u8..).zip(spaces).zip(programs) {
        let used = at == 0
            || space.is_used()
            || finished.iter().any(|rule| rule.space == at)
            || described.iter().any(|signal| signal.space == at);
        if used {
            programs_by_space.push(Arc::new(Program::new(space.plan, at, &shared, types)));
        }
    }
    let mut text_slots = resolver.text_slots;
    for value in finished.iter().flat_map(|rule| &rule.values) {
        if let (ReadFrom::Field(slot), Kind::Text) = (value.from, &value.kind) {
            text_slots.insert(slot);
        }
    }
    Ok(Ruleset {
        registers: highest,
        programs: programs_by_space,
        rules: finished,
        features,
        feature_block,
        signals: described,
        decide: packs.iter().flat_map(|pack| &pack.decide).map(decision).collect(),
        models: resolver.models,
        text_slots,
        zone_slots: resolver.zone_slots,
        field_slots,
        read_slots,
        derived_places,
        shared,
        hash,
    })
}

fn decision(line: &crate::pack::DecideText) -> DecideLine {
    DecideLine { score: line.score, action: line.action.clone() }
}

fn shared(resolver: &Resolver<'_>, graph: &Graph, amounts: Amounts) -> Shared {
    Shared {
        sets: graph.sets().to_vec(),
        lists: graph.lists().to_vec(),
        amounts,
        patterns: resolver.patterns.clone(),
        zones: resolver.zones.iter().map(|(_, zone)| zone.clone()).collect(),
        zones_by_name: if resolver.zones_by_field {
            Zones::new(resolver.options.key)
        } else {
            Zones::default()
        },
    }
}

/// What operations are emitted from and into.
struct Compiled<'a> {
    graph: &'a mut Graph,
    amounts: &'a mut Amounts,
    /// The first free register.
    base: usize,
    highest: usize,
}

impl Compiled<'_> {
    fn block(&mut self, nodes: impl IntoIterator<Item = NodeId>) -> Block {
        let (block, highest) = Emitter::new(self.graph, self.amounts, self.base).block(nodes);
        self.highest = self.highest.max(highest);
        block
    }

    fn signal(&mut self, signal: &CheckedSignal<'_>, resolver: &Resolver<'_>, spaces: &[Space]) -> Signal {
        let full = signal.text.name.text.as_str();
        let (entity, name) = full.split_once('.').unwrap_or((full, ""));
        Signal {
            name: name.to_owned(),
            entity: entity.to_owned(),
            key: resolver.schema.slot(&format!("{entity}.id")).unwrap_or(ACCOUNT_ID),
            space: number(signal.space),
            kind: signal.kind.clone(),
            slot: resolver.signals.get(full).and_then(|entry| entry.slot),
            step: signal.text.step.map_or(0.0, |step| step.scaled(minor_places(&signal.kind))),
            valid_for: signal.text.valid_for,
            state: state_reads(self.graph, spaces, resolver.schema, [signal.node]),
            block: self.block([signal.node]),
        }
    }

    fn rule(&mut self, rule: &CheckedRule<'_>, schema: &Schema, spaces: &[Space]) -> Rule {
        let text = rule.text;
        let nodes: Vec<NodeId> = rule.reason.iter().filter_map(ResolvedPart::node).collect();
        let state =
            state_reads(self.graph, spaces, schema, rule.when.into_iter().chain(nodes.iter().copied()));
        let block = self.block(nodes);
        let mut results = block.results.iter();
        let reason = rule.reason.iter().map(|part| reason_part(part, results.by_ref())).collect();
        let mut events = EventTypes::default();
        rule.events.iter().for_each(|code| events.insert(*code));
        let cooldown = match &text.cooldown {
            Some(own) => own.as_ref(),
            None => rule.pack.default_cooldown.as_ref(),
        };
        let zone = rule.pack.timezone.as_ref().and_then(|zone| function::zone(&zone.text));
        Rule {
            id: text.id.text.clone(),
            title: text.title.clone(),
            pack: rule.pack.name.clone(),
            version: text.version.clone(),
            mode: rule.mode(),
            severity: text.severity,
            score: text.score,
            action: text.action.clone(),
            events,
            space: number(rule.space),
            cooldown: cooldown.and_then(|cooldown| described_cooldown(cooldown, schema)),
            typology: text.typology.clone(),
            values: rule.reads.iter().map(read_value).collect(),
            state,
            reason,
            block,
            zone: zone.unwrap_or(TimeZone::UTC),
        }
    }

    /// The operations of every key space, by event type.
    fn programs(
        &mut self,
        resolver: &Resolver<'_>,
        spaces: &[Space],
        rules: &[CheckedRule<'_>],
        signals: &[CheckedSignal<'_>],
    ) -> Vec<Types> {
        let judged: Vec<JudgedRule> = rules.iter().enumerate().map(|(at, rule)| judged(at, rule)).collect();
        let types = u16::try_from(resolver.schema.event_types().values().len()).unwrap_or(u16::MAX);
        let mut programs = Vec::new();
        for (at, space) in spaces.iter().enumerate() {
            let always = self.graph.facts_of(&space.facts, signals.iter().map(|signal| signal.node));
            let mut builder = ProgramBuilder {
                graph: &mut *self.graph,
                amounts: &mut *self.amounts,
                base: self.base,
                fields: resolver.schema.fields().len(),
                space: at,
                facts: &space.facts,
                aggregates: &space.plan.aggregates,
                always,
                types,
            };
            let (types, highest) = builder.build(&space.tags, &judged);
            (self.base, self.highest) = (highest, highest);
            programs.push(types);
        }
        programs
    }
}

/// Decimal places of the minor units that registers hold a value in.
fn minor_places(kind: &Kind) -> u8 {
    match kind {
        Kind::Money(CurrencyOf::Fixed(currency)) => currency.exponent(),
        _ => 0,
    }
}

fn reason_part<'a>(part: &ResolvedPart, mut results: impl Iterator<Item = &'a Slot>) -> ReasonPart {
    match part {
        ResolvedPart::Words(words) => ReasonPart::Words(words.clone()),
        ResolvedPart::Value { kind, shape, format, text, .. } => ReasonPart::Value(Printed {
            slot: *results.next().expect("a result for every value"),
            kind: kind.clone(),
            shape: *shape,
            format: *format,
            text: text.is_some(),
        }),
    }
}

fn judged(at: usize, rule: &CheckedRule<'_>) -> JudgedRule {
    JudgedRule {
        rule: at,
        space: rule.space,
        when: rule.when.expect("a rule without problems has a condition"),
        reason: rule.reason.iter().filter_map(ResolvedPart::node).collect(),
        events: rule.events.clone(),
    }
}

fn number(space: usize) -> u8 {
    u8::try_from(space).expect("schemas bound their entities")
}

fn described_cooldown(cooldown: &CooldownText, schema: &Schema) -> Option<Cooldown> {
    let entity = cooldown.entity.text.clone();
    let key = schema.slot(&format!("{entity}.id"))?;
    let unless_score_increases = cooldown.unless_score_increases;
    Some(Cooldown { entity, key, length: cooldown.length, unless_score_increases })
}

fn described_feature(feature: &CheckedFeature<'_>, graph: &Graph, spaces: &[Space]) -> Feature {
    let facts: BTreeMap<u8, FactSet> = (0u8..)
        .zip(spaces)
        .map(|(at, space)| (at, graph.facts_of(&space.facts, [feature.node])))
        .filter(|(_, facts)| !facts.is_empty())
        .collect();
    Feature {
        name: feature.name.text.clone(),
        kind: feature.kind.clone(),
        space: facts.keys().copied().max().unwrap_or(0),
        facts,
    }
}

fn read_value(read: &Read) -> ReadValue {
    let (kind, from) = match &read.origin {
        Origin::Field(slot, kind) => (kind.clone(), ReadFrom::Field(*slot)),
        Origin::Other(slot, kind) => (kind.clone(), ReadFrom::Other(*slot)),
        Origin::Fact(fact) => {
            let aggregate = match fact.placed {
                Placed::Aggregate(at) => Some(at),
                Placed::Population => None,
            };
            (fact.kind.clone(), ReadFrom::Fact { slot: fact.slot, space: number(fact.space), aggregate })
        }
        Origin::Param(value) => {
            let kind = match value {
                ParamValue::Number(..) => Kind::Number,
                ParamValue::Duration(_) => Kind::Duration,
            };
            (kind, ReadFrom::Param(as_decimal(*value).number()))
        }
    };
    ReadValue { name: read.name.clone(), kind, from }
}

/// All fields of the event that are read.
/// The entity of every derived key space in use, and the first rule, signal or aggregate that needs it.
fn derived_places(
    resolver: &Resolver<'_>,
    spaces: &[Space],
    rules: &[CheckedRule<'_>],
    signals: &[CheckedSignal<'_>],
) -> Vec<(String, Span)> {
    let mut places = Vec::new();
    for (at, space) in spaces.iter().enumerate().skip(1) {
        let of_rules = rules.iter().filter(|rule| rule.space == at).filter_map(|rule| rule.text.by.as_ref());
        let of_signals = signals.iter().filter(|signal| signal.space == at).map(|signal| &signal.text.name);
        let of_facts = resolver.aggregates.values().filter_map(|entry| match &entry.fact {
            Resolution::Done(Some(fact)) if fact.space == at && space.is_used() => Some(&entry.text.name),
            _ => None,
        });
        let first = of_rules.chain(of_signals).chain(of_facts).next();
        places.extend(first.map(|name| (space.plan.space.entity.clone(), name.span)));
    }
    places
}

/// The fields without those that only identify the entities of key spaces not in use.
fn read_slots(
    fields: &BTreeSet<Slot>,
    derived: &[(String, Span)],
    spaces: &[Space],
    rules: &[CheckedRule<'_>],
) -> BTreeSet<Slot> {
    let idle = |slot: &Slot| {
        let of = |space: &&Space| space.plan.space.key == *slot;
        let used = |space: &Space| derived.iter().any(|(entity, _)| *entity == space.plan.space.entity);
        spaces[1..].iter().find(of).is_some_and(|space| !used(space))
    };
    let named = |slot: &Slot| {
        let is = |read: &Read| matches!(read.origin, Origin::Field(field, _) if field == *slot);
        rules.iter().any(|rule| rule.reads.iter().any(is))
    };
    fields.iter().filter(|slot| !idle(slot) || named(slot)).copied().collect()
}

fn field_slots(
    resolver: &Resolver<'_>,
    spaces: &[Space],
    rules: &[CheckedRule<'_>],
    signals: &[CheckedSignal<'_>],
    features: &[CheckedFeature<'_>],
) -> BTreeSet<Slot> {
    let conditions = rules.iter().filter_map(|rule| rule.when);
    let reasons = rules.iter().flat_map(|rule| rule.reason.iter().filter_map(ResolvedPart::node));
    let tags = spaces.iter().flat_map(|space| space.tags.iter().copied());
    let nodes = conditions
        .chain(reasons)
        .chain(tags)
        .chain(signals.iter().map(|signal| signal.node))
        .chain(features.iter().map(|feature| feature.node));
    let mut slots: BTreeSet<Slot> = resolver.slots_of(nodes).into_iter().collect();
    for space in spaces {
        slots.insert(space.plan.space.key);
        slots.extend(space.plan.lanes.iter().flat_map(|lane| lane.fields.iter().copied()));
        slots.extend(space.plan.aggregates.iter().filter_map(|aggregate| aggregate.value));
        slots.extend(space.plan.populations.iter().map(|population| population.value));
        slots.extend(space.plan.populations.iter().filter_map(|population| population.group));
    }
    slots.extend(rules.iter().flat_map(|rule| &rule.reads).filter_map(|read| match read.origin {
        Origin::Field(slot, _) => Some(slot),
        _ => None,
    }));
    let cooldowns = rules.iter().filter_map(|rule| match &rule.text.cooldown {
        Some(own) => own.as_ref(),
        None => rule.pack.default_cooldown.as_ref(),
    });
    slots.extend(
        cooldowns.filter_map(|cooldown| resolver.schema.slot(&format!("{}.id", cooldown.entity.text))),
    );
    slots.retain(|slot| resolver.is_field(*slot));
    slots
}
