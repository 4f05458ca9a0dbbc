//! From nodes to operations: registers for results, one program for each event type.
//!
//! It does not know names.

use super::ForType;
use super::op::{Amounts, Block, Op};
use crate::aggregate::{FactSet, TagId};
use crate::ast::Compare;
use crate::graph::{Graph, Node, NodeId};
use crate::money::EXPONENT_MAX;
use crate::schema::EVENT_TYPE;
use crate::value::Slot;
use std::collections::{BTreeMap, BTreeSet};

/// Event types beyond so many share one program.
const TYPES_MAX: u16 = 64;

/// A rule as its key space's program needs it.
pub(crate) struct JudgedRule {
    /// Position in the ruleset.
    pub(crate) rule: usize,
    /// Index of its key space.
    pub(crate) space: usize,
    pub(crate) when: NodeId,
    /// Further nodes that are read when it fires: its reason.
    pub(crate) told: Vec<NodeId>,
    /// Codes of the event types it judges.
    pub(crate) events: BTreeSet<u16>,
}

/// Turns nodes into operations; results get registers from `base` on.
pub(crate) struct Emitter<'a> {
    graph: &'a Graph,
    amounts: &'a mut Amounts,
    ops: Vec<Op>,
    at: BTreeMap<NodeId, Slot>,
    next: usize,
    /// The most registers that were needed at once.
    pub(crate) highest: usize,
}

impl<'a> Emitter<'a> {
    pub(crate) fn new(graph: &'a Graph, amounts: &'a mut Amounts, base: usize) -> Emitter<'a> {
        Emitter { graph, amounts, ops: Vec::new(), at: BTreeMap::new(), next: base, highest: base }
    }

    /// Operations that compute some nodes.
    pub(crate) fn block(mut self, nodes: impl IntoIterator<Item = NodeId>) -> (Block, usize) {
        let results = nodes.into_iter().map(|node| self.emit(node)).collect();
        (Block { ops: self.ops, results }, self.highest)
    }

    /// The register that holds a node's value once the operations so far have run.
    pub(crate) fn emit(&mut self, id: NodeId) -> Slot {
        let node = self.graph.node(id);
        if let Node::Read(slot) = node {
            return slot;
        }
        if let Some(slot) = self.at.get(&id) {
            return *slot;
        }
        let op = self.operation(node);
        let to = self.register();
        self.ops.push(op(to));
        self.at.insert(id, to);
        to
    }

    fn register(&mut self) -> Slot {
        let slot = Slot(u16::try_from(self.next).unwrap_or(u16::MAX));
        self.next += 1;
        self.highest = self.highest.max(self.next);
        slot
    }

    fn operation(&mut self, node: Node) -> Box<dyn Fn(Slot) -> Op> {
        match node {
            Node::Read(_) => unreachable!("a read needs no operation"),
            Node::Const(word) => Box::new(move |to| Op::Load { to, word }),
            Node::Missing => Box::new(|to| Op::Unknown { to }),
            Node::Major(amount) => {
                let amount = self.amount(amount);
                Box::new(move |to| Op::Major { to, amount })
            }
            Node::Compare(op, a, b) => self.compare(op, a, b),
            Node::Same(a, b) => match (self.graph.constant(a), self.graph.constant(b)) {
                (_, Some(word)) => self.over(a, move |to, a| Op::SameTo { to, a, word }),
                (Some(word), _) => self.over(b, move |to, a| Op::SameTo { to, a, word }),
                _ => self.over_both(a, b, |to, a, b| Op::Same { to, a, b }),
            },
            Node::Not(a) => self.over(a, |to, a| Op::Not { to, a }),
            Node::Known(a) => self.over(a, |to, a| Op::Known { to, a }),
            Node::Within(a, set) => self.over(a, move |to, a| Op::Within { to, a, set }),
            Node::Unary(op, a) => self.over(a, move |to, a| Op::Unary { to, op, a }),
            Node::LocalOf(what, a) => self.over(a, move |to, a| Op::LocalOf { to, what, a }),
            Node::LocalIn(what, zone) => Box::new(move |to| Op::LocalIn { to, what, zone }),
            Node::Text(_, field, pattern) => Box::new(move |to| Op::Text { to, field, pattern }),
            Node::And(a, b) => self.over_both(a, b, |to, a, b| Op::And { to, a, b }),
            Node::Or(a, b) => self.over_both(a, b, |to, a, b| Op::Or { to, a, b }),
            Node::Coalesce(a, b) => self.over_both(a, b, |to, a, b| Op::Coalesce { to, a, b }),
            Node::Arithmetic(op, a, b, money) => {
                self.over_both(a, b, move |to, a, b| Op::Arithmetic { to, op, a, b, money })
            }
            Node::Extreme(op, a, b) => self.over_both(a, b, move |to, a, b| Op::Extreme { to, op, a, b }),
            Node::MultipleOf(a, b) => self.over_both(a, b, |to, a, b| Op::MultipleOf { to, a, b }),
            Node::KmBetween(a, b) => self.over_both(a, b, |to, a, b| Op::KmBetween { to, a, b }),
        }
    }

    fn compare(&mut self, op: Compare, a: NodeId, b: NodeId) -> Box<dyn Fn(Slot) -> Op> {
        match (self.graph.constant(a), self.graph.constant(b)) {
            (_, Some(word)) => {
                let value = f64::from_bits(word);
                self.over(a, move |to, a| Op::CompareTo { to, op, a, value })
            }
            (Some(word), _) => {
                let (value, op) = (f64::from_bits(word), swapped(op));
                self.over(b, move |to, a| Op::CompareTo { to, op, a, value })
            }
            _ => self.over_both(a, b, move |to, a, b| Op::Compare { to, op, a, b }),
        }
    }

    fn over(&mut self, a: NodeId, op: impl Fn(Slot, Slot) -> Op + 'static) -> Box<dyn Fn(Slot) -> Op> {
        let a = self.emit(a);
        Box::new(move |to| op(to, a))
    }

    fn over_both(
        &mut self,
        a: NodeId,
        b: NodeId,
        op: impl Fn(Slot, Slot, Slot) -> Op + 'static,
    ) -> Box<dyn Fn(Slot) -> Op> {
        let (a, b) = (self.emit(a), self.emit(b));
        Box::new(move |to| op(to, a, b))
    }

    /// Number of an amount of major units.
    fn amount(&mut self, amount: crate::money::Decimal) -> u16 {
        let minor: [f64; EXPONENT_MAX as usize + 1] = std::array::from_fn(|exponent| {
            amount.scaled(u8::try_from(exponent).expect("an exponent is at most 4"))
        });
        let at = self.amounts.iter().position(|held| *held == minor).unwrap_or_else(|| {
            self.amounts.push(minor);
            self.amounts.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }
}

/// The comparison with its sides changed.
fn swapped(op: Compare) -> Compare {
    match op {
        Compare::Lt => Compare::Gt,
        Compare::Le => Compare::Ge,
        Compare::Gt => Compare::Lt,
        Compare::Ge => Compare::Le,
        same => same,
    }
}

/// Operations by event type. Types that no condition tells apart share theirs.
#[derive(Debug)]
pub(crate) struct Types {
    distinct: Vec<ForType>,
    /// By code, position in `distinct`; the last one is for any type.
    by_code: Vec<usize>,
}

impl Types {
    #[inline]
    pub(super) fn of(&self, code: Option<u64>) -> &ForType {
        let any = self.by_code.len() - 1;
        let at = code.and_then(|code| usize::try_from(code).ok()).map_or(any, |code| code.min(any));
        &self.distinct[self.by_code[at]]
    }
}

/// What the operations for one event type follow from.
#[derive(PartialEq)]
struct Wanted {
    tags: Vec<NodeId>,
    /// Rules by position, and what is left of their conditions.
    live: Vec<(usize, NodeId)>,
}

/// Builds the program of one key space.
pub(crate) struct ProgramBuilder<'a> {
    pub(crate) graph: &'a mut Graph,
    pub(crate) amounts: &'a mut Amounts,
    /// First register for results.
    pub(crate) base: usize,
    /// Registers below are fields.
    pub(crate) fields: usize,
    pub(crate) space: usize,
    /// Position of every fact of this key space by its register.
    pub(crate) facts: &'a BTreeMap<Slot, usize>,
    /// Facts that are wanted whatever the event: signals'.
    pub(crate) always: FactSet,
    pub(crate) types: u16,
}

impl ProgramBuilder<'_> {
    /// Operations by event type, and the registers they need.
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

    /// Conditions once the event's type is known.
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
        let live: Vec<(&JudgedRule, NodeId)> =
            wanted.live.iter().map(|(at, when)| (&rules[*at], *when)).collect();
        let emitter = Emitter::new(self.graph, self.amounts, self.base);
        let (tags, tags_highest) = emitter.block(wanted.tags.iter().copied());
        let tag_slots = (0u8..=u8::MAX).map(TagId).zip(tags.results).collect();
        let (guards, wants, guards_highest) = self.demand(&live);
        let (judge, judge_highest) = self.judge(&live);
        let program = ForType { guards, wants, judge, tags: tags.ops, tag_slots };
        (program, tags_highest.max(guards_highest).max(judge_highest))
    }

    /// The part of a condition that fields alone decide; `None` when there is none.
    fn guard(&mut self, when: NodeId) -> Option<NodeId> {
        let mut parts = Vec::new();
        self.graph.conjuncts(when, &mut parts);
        let mut guard = None;
        for part in parts {
            let mut fields_only = true;
            self.graph.reads([part], &mut |slot| fields_only &= slot.index() < self.fields);
            if fields_only && !costly(self.graph, part) {
                guard = Some(match guard {
                    None => part,
                    Some(guard) => self.graph.add(Node::And(guard, part)),
                });
            }
        }
        guard
    }

    /// Facts of this key space that nodes read.
    fn facts_of(&self, nodes: impl IntoIterator<Item = NodeId>) -> FactSet {
        let mut facts = FactSet::default();
        self.graph.reads(nodes, &mut |slot| {
            if let Some(at) = self.facts.get(&slot) {
                facts.insert(*at);
            }
        });
        facts
    }

    #[expect(clippy::type_complexity, reason = "the parts of one ForType")]
    fn demand(&mut self, live: &[(&JudgedRule, NodeId)]) -> (Vec<Op>, Vec<(Option<Slot>, FactSet)>, usize) {
        let mut wants: Vec<(Option<NodeId>, FactSet)> = Vec::new();
        if !self.always.is_empty() {
            wants.push((None, self.always));
        }
        for (rule, when) in live {
            let facts = self.facts_of(rule.told.iter().copied().chain([*when]));
            if facts.is_empty() {
                continue;
            }
            let guard = self.guard(*when);
            match wants.iter_mut().find(|(held, _)| *held == guard) {
                Some((_, held)) => held.union(&facts),
                None => wants.push((guard, facts)),
            }
        }
        let mut emitter = Emitter::new(self.graph, self.amounts, self.base);
        let wants =
            wants.into_iter().map(|(guard, facts)| (guard.map(|guard| emitter.emit(guard)), facts)).collect();
        (emitter.ops, wants, emitter.highest)
    }

    /// Guards of all rules first; then, rule by rule, one part of the condition after the other until one is false.
    fn judge(&mut self, live: &[(&JudgedRule, NodeId)]) -> (Vec<Op>, usize) {
        let space = self.space;
        let own: Vec<(usize, NodeId, Option<NodeId>)> = live
            .iter()
            .filter(|(rule, _)| rule.space == space)
            .map(|(rule, when)| (rule.rule, *when, self.guard(*when)))
            .collect();
        let shared = shared_nodes(self.graph, own.iter().map(|(_, when, _)| *when));
        let mut emitter = Emitter::new(self.graph, self.amounts, self.base);
        for (_, _, guard) in &own {
            if let Some(guard) = guard {
                emitter.emit(*guard);
            }
        }
        for node in shared {
            emitter.emit(node);
        }
        let (common, first_free) = (emitter.at.clone(), emitter.next);
        for (rule, when, guard) in own {
            let rule = u32::try_from(rule).expect("rules are bounded");
            let before = emitter.ops.len();
            if !common.contains_key(&when) {
                let mut parts = Vec::new();
                self.graph.conjuncts(when, &mut parts);
                let whole = parts.len() == 1;
                for part in guard.into_iter().chain(parts.into_iter().filter(|_| !whole)) {
                    let a = emitter.emit(part);
                    emitter.ops.push(Op::SkipIfFalse { a, to: 0 });
                }
            }
            let a = emitter.emit(when);
            emitter.ops.push(Op::Judge { rule, a });
            let after = u32::try_from(emitter.ops.len()).expect("programs are bounded");
            for op in &mut emitter.ops[before..] {
                if let Op::SkipIfFalse { to, .. } = op {
                    *to = after;
                }
            }
            // What this rule alone computed may have been skipped: nobody else relies on it.
            emitter.at.clone_from(&common);
            emitter.next = first_free;
        }
        (emitter.ops, emitter.highest)
    }
}

/// Whether something inside is worth skipping: a text search, a distance, a local time.
fn costly(graph: &Graph, node: NodeId) -> bool {
    let own = matches!(
        graph.node(node),
        Node::Text(..) | Node::KmBetween(..) | Node::LocalIn(..) | Node::LocalOf(..)
    );
    own || graph.node(node).children().any(|child| costly(graph, child))
}

/// Cheap nodes that several conditions contain: computed once, before any rule.
fn shared_nodes(graph: &Graph, conditions: impl Iterator<Item = NodeId>) -> Vec<NodeId> {
    let mut uses: BTreeMap<NodeId, usize> = BTreeMap::new();
    for when in conditions {
        let mut seen = BTreeSet::new();
        let mut open = vec![when];
        while let Some(node) = open.pop() {
            if seen.insert(node) {
                *uses.entry(node).or_default() += 1;
                open.extend(graph.node(node).children());
            }
        }
    }
    uses.into_iter().filter(|(node, uses)| *uses > 1 && !costly(graph, *node)).map(|(node, _)| node).collect()
}
