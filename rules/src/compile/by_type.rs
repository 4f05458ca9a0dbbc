//! The program of one key space for each event type: which facts are computed, in two steps, and what is judged.
//!
//! The fields of the event decide most rules (their guard); one part of the condition decides most of the others (their
//! check). The first step requests the facts that checks read, the second the facts of rules that are still undecided.
//! So few facts are computed for an event.

use super::emit::Emitter;
use crate::aggregate::{Aggregate, FactSet, Op as Statistic, TagId, Tags};
use crate::ast::Compare;
use crate::graph::{Graph, Node, NodeId};
use crate::program::{Amounts, ForType, Op, Types, Want};
use crate::schema::EVENT_TYPE;
use crate::value::Slot;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Event types with higher codes share one program.
const TYPES_MAX: u16 = 64;

/// A rule, as the program of its key space needs it.
pub(crate) struct JudgedRule {
    /// Position in the ruleset.
    pub(crate) rule: usize,
    /// Index of its key space.
    pub(crate) space: usize,
    pub(crate) when: NodeId,
    /// The nodes of its reason, which are read when it fires.
    pub(crate) reason: Vec<NodeId>,
    /// Codes of the event types that it judges.
    pub(crate) events: BTreeSet<u16>,
}

/// What determines the operations for one event type.
#[derive(PartialEq)]
struct Wanted {
    tags: Vec<NodeId>,
    /// Rules by position, with the remainder of their conditions.
    live: Vec<(usize, NodeId)>,
}

/// A rule that can fire for events of a type.
struct Live<'a> {
    rule: &'a JudgedRule,
    /// The remainder of its condition.
    when: NodeId,
    /// The part that depends on fields only; `None` when there is none.
    guard: Option<NodeId>,
    /// A part that depends on facts of this key space.
    check: Option<NodeId>,
    /// The other parts.
    rest: Vec<NodeId>,
}

/// Builds the program of one key space.
pub(crate) struct ProgramBuilder<'a> {
    pub(crate) graph: &'a mut Graph,
    pub(crate) amounts: &'a mut Amounts,
    /// First register for results. No other program writes to them: what the demand computes is still read when the
    /// event is judged.
    pub(crate) base: usize,
    /// Number of fields; registers below hold fields.
    pub(crate) fields: usize,
    pub(crate) space: usize,
    /// Positions of the facts of this key space, by register.
    pub(crate) facts: &'a BTreeMap<Slot, usize>,
    /// The facts, by position.
    pub(crate) aggregates: &'a [Aggregate],
    /// Facts that are computed for every event: those of signals.
    pub(crate) always: FactSet,
    pub(crate) types: u16,
}

impl ProgramBuilder<'_> {
    /// The operations by event type, and the number of registers that they need.
    pub(crate) fn build(&mut self, tags: &[NodeId], rules: &[JudgedRule]) -> (Types, usize) {
        let mut types = Types { distinct: Vec::new(), by_code: Vec::new() };
        let mut known: Vec<Wanted> = Vec::new();
        let mut highest = self.base;
        let codes = (0..self.types.min(TYPES_MAX)).map(Some).chain([None]);
        for code in codes {
            let wanted = self.wanted(code, tags, rules);
            let at = match known.iter().position(|held| *held == wanted) {
                Some(at) => at,
                None => {
                    let (program, needed) = self.for_type(&wanted, rules);
                    highest = highest.max(needed);
                    types.distinct.push(program);
                    known.push(wanted);
                    known.len() - 1
                }
            };
            types.by_code.push(at);
        }
        (types, highest)
    }

    /// The conditions for events of one type.
    fn wanted(&mut self, code: Option<u16>, tags: &[NodeId], rules: &[JudgedRule]) -> Wanted {
        let mut seen = BTreeMap::new();
        let mut given = |graph: &mut Graph, node| match code {
            Some(code) => graph.given(node, EVENT_TYPE, u64::from(code), &mut seen),
            None => node,
        };
        let tags = tags.iter().map(|node| given(self.graph, *node)).collect();
        let mut live = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let judged = code.is_none_or(|code| rule.events.contains(&code));
            let when = given(self.graph, rule.when);
            if judged && self.graph.constant(when) != Some(0) {
                live.push((at, when));
            }
        }
        Wanted { tags, live }
    }

    fn for_type(&mut self, wanted: &Wanted, rules: &[JudgedRule]) -> (ForType, usize) {
        let shared = self.shared_parts(wanted);
        let live: Vec<Live<'_>> = wanted
            .live
            .iter()
            .map(|(at, when)| {
                let mut parts = Vec::new();
                self.graph.conjuncts(*when, &mut parts);
                let (of_fields, mut rest): (Vec<NodeId>, _) =
                    parts.into_iter().partition(|part| self.is_of_fields(*part));
                let guard =
                    of_fields.into_iter().reduce(|guard, part| self.graph.add(Node::And(guard, part)));
                let check = self.check(&rest, &shared);
                rest.retain(|part| Some(*part) != check);
                Live { rule: &rules[*at], when: *when, guard, check, rest }
            })
            .collect();
        let wants = self.wants(&live);
        let mut emitter = Emitter::new(self.graph, self.amounts, self.base);
        let (mut tags_held, mut tag_slots) = (Tags::default(), Vec::new());
        for (tag, node) in (0u8..=u8::MAX).map(TagId).zip(&wanted.tags) {
            match self.graph.constant(*node) {
                Some(1) => tags_held.set(tag),
                Some(_) => {}
                None => tag_slots.push((tag, emitter.emit(*node))),
            }
        }
        let tags = emitter.take();
        // Guards share nodes with the conditions of rows, so they continue from there.
        let guard_slots: Vec<Option<Slot>> =
            wants.iter().map(|want| want.guard.map(|guard| emitter.emit(guard))).collect();
        let guards = emitter.take();
        // A guard is evaluated for every event, a check only where its guard let its facts be computed.
        let mut check_slots = BTreeMap::new();
        emitter.alone(|emitter| {
            for check in wants.iter().filter_map(|want| want.check) {
                check_slots.insert(check, emitter.emit(check));
            }
        });
        emitter.keep(check_slots.values());
        let checks = emitter.take();
        let wants = wants.iter().zip(guard_slots).map(|(want, guard)| Want {
            guard,
            check: want.check.map(|check| check_slots[&check]),
            first: want.first,
            then: want.then,
        });
        let wants = wants.collect();
        let own = live.iter().filter(|live| live.rule.space == self.space);
        judge(&mut emitter, own, &check_slots);
        let highest = emitter.highest;
        let program = ForType { guards, checks, wants, judge: emitter.take(), tags, tags_held, tag_slots };
        (program, highest)
    }

    /// Whether a part depends on fields only and is cheap.
    fn is_of_fields(&self, part: NodeId) -> bool {
        let mut fields_only = true;
        self.graph.reads([part], &mut |slot| fields_only &= slot.index() < self.fields);
        fields_only && !costly(self.graph, part)
    }

    /// The number of rules that have each part of a condition.
    fn shared_parts(&self, wanted: &Wanted) -> BTreeMap<NodeId, usize> {
        let mut parts = Vec::new();
        wanted.live.iter().for_each(|(_, when)| self.graph.conjuncts(*when, &mut parts));
        let mut shared = BTreeMap::new();
        parts.into_iter().for_each(|part| *shared.entry(part).or_default() += 1);
        shared
    }

    /// The part of a condition that fails most often at the lowest cost; of equal parts, the one that most rules share.
    fn check(&self, parts: &[NodeId], shared: &BTreeMap<NodeId, usize>) -> Option<NodeId> {
        let of_facts = parts.iter().copied().filter(|part| {
            let (mut decidable, mut facts) = (true, false);
            self.graph.reads([*part], &mut |slot| {
                let is_fact = self.facts.contains_key(&slot);
                facts |= is_fact;
                decidable &= is_fact || slot.index() < self.fields;
            });
            decidable && facts && !costly(self.graph, *part)
        });
        of_facts.min_by_key(|part| {
            (!is_floor(self.graph, *part), self.cost(*part), Reverse(shared.get(part).copied()))
        })
    }

    /// The cost of all facts of a part, in units of one count or sum.
    fn cost(&self, part: NodeId) -> u32 {
        let facts = self.graph.facts_of(self.facts, [part]);
        let asked = self.aggregates.iter().enumerate().filter(|(at, _)| facts.has(*at));
        asked.map(|(_, aggregate)| cost(aggregate.op)).sum()
    }

    /// The facts that rules need, grouped by guard and check.
    fn wants(&self, live: &[Live<'_>]) -> Vec<Want<NodeId>> {
        let mut wants = vec![Want { guard: None, check: None, first: self.always, then: FactSet::default() }];
        for Live { rule, when, guard, check, .. } in live {
            let all = self.graph.facts_of(self.facts, rule.reason.iter().copied().chain([*when]));
            let (first, then) = match check {
                Some(check) => (self.graph.facts_of(self.facts, [*check]), all),
                None => (all, FactSet::default()),
            };
            match wants.iter_mut().find(|want| (want.guard, want.check) == (*guard, *check)) {
                Some(want) => {
                    want.first.union(&first);
                    want.then.union(&then);
                }
                None => wants.push(Want { guard: *guard, check: *check, first, then }),
            }
        }
        wants.retain(|want| !want.first.is_empty() || !want.then.is_empty());
        wants
    }
}

/// Evaluates each rule part by part until one part is false: guard and check, which the demand has computed, then the
/// others.
fn judge<'a>(
    emitter: &mut Emitter<'_>,
    live: impl Iterator<Item = &'a Live<'a>>,
    check_slots: &BTreeMap<NodeId, Slot>,
) {
    for Live { rule, when, guard, check, rest } in live {
        let number = u32::try_from(rule.rule).expect("rules are bounded");
        emitter.alone(|emitter| {
            let from = emitter.end();
            if let Some(check) = check {
                emitter.know(*check, check_slots[check]);
            }
            // A condition of one part is judged directly.
            for part in guard.iter().chain(check).chain(rest).filter(|part| *part != when) {
                let a = emitter.emit(*part);
                emitter.push(Op::SkipIfFalse { a, to: 0 });
            }
            let a = emitter.emit(*when);
            emitter.push(Op::Judge { rule: number, a });
            emitter.land(from);
        });
    }
}

/// Whether a part compares with a positive lower bound: most accounts are far below it.
fn is_floor(graph: &Graph, part: NodeId) -> bool {
    let positive = |node: NodeId| match graph.node(node) {
        Node::Const(word) => f64::from_bits(word) > 0.0,
        Node::Major(amount) => amount.mantissa > 0,
        _ => false,
    };
    matches!(graph.node(part), Node::Compare(Compare::Gt | Compare::Ge, _, least) if positive(least))
}

/// The cost of a fact, in units of one count or sum: distinct values are collected, ordered ones sorted.
fn cost(op: Statistic) -> u32 {
    match op {
        Statistic::Median | Statistic::TrimmedMean | Statistic::Quantile(_) | Statistic::Rank => 3,
        Statistic::Distinct { .. } => 2,
        _ => 1,
    }
}

/// Whether a node contains an expensive operation: a text search, a distance, a local time.
fn costly(graph: &Graph, node: NodeId) -> bool {
    let own = matches!(
        graph.node(node),
        Node::Text(..) | Node::KmBetween(..) | Node::LocalIn(..) | Node::LocalOf(..)
    );
    own || graph.node(node).children().any(|child| costly(graph, child))
}
