//! From nodes to operations, with registers for their results.
//!
//! It does not depend on rules, facts or names.

use crate::ast::Compare;
use crate::graph::{Graph, Node, NodeId};
use crate::money::EXPONENT_MAX;
use crate::program::{Amounts, Block, Op};
use crate::value::Slot;
use std::collections::BTreeMap;

/// Turns nodes into operations; results get registers from `base` on.
pub(crate) struct Emitter<'a> {
    graph: &'a Graph,
    amounts: &'a mut Amounts,
    ops: Vec<Op>,
    at: BTreeMap<NodeId, Slot>,
    next: usize,
    /// The highest number of registers in use.
    pub(crate) highest: usize,
}

impl<'a> Emitter<'a> {
    pub(crate) fn new(graph: &'a Graph, amounts: &'a mut Amounts, base: usize) -> Emitter<'a> {
        Emitter { graph, amounts, ops: Vec::new(), at: BTreeMap::new(), next: base, highest: base }
    }

    /// The operations that compute some nodes.
    pub(crate) fn block(mut self, nodes: impl IntoIterator<Item = NodeId>) -> (Block, usize) {
        let results = nodes.into_iter().map(|node| self.emit(node)).collect();
        (Block { ops: self.ops, results }, self.highest)
    }

    /// The register that holds the value of a node after the operations so far.
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

    /// The operations since the last call; their results stay available.
    pub(crate) fn take(&mut self) -> Vec<Op> {
        std::mem::take(&mut self.ops)
    }

    /// Emits operations whose results no later operation may use, because they do not run for every event.
    pub(crate) fn alone(&mut self, emit: impl FnOnce(&mut Emitter<'a>)) {
        let (known, next) = (self.at.clone(), self.next);
        emit(self);
        (self.at, self.next) = (known, next);
    }

    /// Registers the slot that already holds the value of a node.
    pub(crate) fn know(&mut self, id: NodeId, slot: Slot) {
        self.at.insert(id, slot);
    }

    /// Reserves registers: later operations do not write to them.
    pub(crate) fn keep<'s>(&mut self, slots: impl IntoIterator<Item = &'s Slot>) {
        let after = slots.into_iter().map(|slot| slot.index() + 1).max().unwrap_or(0);
        self.next = self.next.max(after);
    }

    /// Appends an operation that computes nothing.
    pub(crate) fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Number of the next operation.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.ops.len()).expect("programs are bounded")
    }

    /// Sets the target of all skips since `from` to the next operation.
    pub(crate) fn land(&mut self, from: u32) {
        let end = self.end();
        for op in self.ops.iter_mut().skip(from as usize) {
            if let Op::SkipIfFalse { to, .. } = op {
                *to = end;
            }
        }
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
            Node::Listed(a, list) => self.over(a, move |to, a| Op::Listed { to, a, list }),
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
            _ if let Node::Major(amount) = self.graph.node(b) => {
                let amount = self.amount(amount);
                self.over(a, move |to, a| Op::CompareMajor { to, op, a, amount })
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

    /// The number of an amount in major units.
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

/// The comparison with its operands swapped.
fn swapped(op: Compare) -> Compare {
    match op {
        Compare::Lt => Compare::Gt,
        Compare::Le => Compare::Ge,
        Compare::Gt => Compare::Lt,
        Compare::Ge => Compare::Le,
        same => same,
    }
}
