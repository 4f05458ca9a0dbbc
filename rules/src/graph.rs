//! Typed expressions as a graph: equal parts are one node, constant parts are folded.
//!
//! It does not depend on names or places; `resolve` builds it, `compile` turns it into operations.

mod wording;

use crate::aggregate::FactSet;
use crate::ast::{Arithmetic, Compare};
use crate::function::{self, Extreme, Local, Unary};
use crate::money::Decimal;
use crate::pattern::TextTest;
use crate::schema::EVENT_TYPE;
use crate::time::Ms;
use crate::value::{Slot, number_word};
use std::collections::BTreeMap;

/// A node of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        usize::try_from(self.0).expect("a usize holds 32 bits")
    }
}

/// The kinds of nodes. Yes/no is 1 or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// The value of a register.
    Read(Slot),
    /// A known word.
    Const(u64),
    /// An amount in major units of the account's currency, as minor units.
    Major(Decimal),
    /// A value that is always missing.
    Missing,
    /// Three-valued `not`.
    Not(NodeId),
    /// Three-valued `and`.
    And(NodeId, NodeId),
    /// Three-valued `or`.
    Or(NodeId, NodeId),
    /// Comparison of numbers.
    Compare(Compare, NodeId, NodeId),
    /// Whether two words are equal.
    Same(NodeId, NodeId),
    /// Whether a word is in a set.
    Within(NodeId, u32),
    /// Whether a word is in a list at the event's time.
    Listed(NodeId, u32),
    /// Whether a value is known.
    Known(NodeId),
    /// The first, or the second where the first is missing.
    Coalesce(NodeId, NodeId),
    /// Arithmetic; true: the result is money and has the bounds of money.
    Arithmetic(Arithmetic, NodeId, NodeId, bool),
    /// An operation on one number.
    Unary(Unary, NodeId),
    /// The smaller or larger of two numbers.
    Extreme(Extreme, NodeId, NodeId),
    /// Whether the first is a whole multiple of the second.
    MultipleOf(NodeId, NodeId),
    /// Kilometres between two locations.
    KmBetween(NodeId, NodeId),
    /// Local time of the event in a zone, by number.
    LocalIn(Local, u32),
    /// Local time of the event in the zone whose name a text field holds.
    LocalOf(Local, NodeId),
    /// A test of the text of a field with a pattern, by number.
    Text(TextTest, Slot, u32),
}

impl Node {
    /// The operands.
    pub(crate) fn children(self) -> impl Iterator<Item = NodeId> {
        let (first, second) = match self {
            Node::Read(_) | Node::Const(_) | Node::Major(_) | Node::Missing => (None, None),
            Node::LocalIn(..) | Node::Text(..) => (None, None),
            Node::Not(a) | Node::Within(a, _) | Node::Listed(a, _) | Node::Known(a) => (Some(a), None),
            Node::Unary(_, a) | Node::LocalOf(_, a) => (Some(a), None),
            Node::And(a, b)
            | Node::Or(a, b)
            | Node::Compare(_, a, b)
            | Node::Same(a, b)
            | Node::Coalesce(a, b)
            | Node::Arithmetic(_, a, b, _)
            | Node::Extreme(_, a, b)
            | Node::MultipleOf(a, b)
            | Node::KmBetween(a, b) => (Some(a), Some(b)),
        };
        first.into_iter().chain(second)
    }

    /// The same node with other operands.
    fn over(self, mut with: impl FnMut(NodeId) -> NodeId) -> Node {
        match self {
            Node::Read(_) | Node::Const(_) | Node::Major(_) | Node::Missing => self,
            Node::LocalIn(..) | Node::Text(..) => self,
            Node::Not(a) => Node::Not(with(a)),
            Node::Within(a, set) => Node::Within(with(a), set),
            Node::Listed(a, list) => Node::Listed(with(a), list),
            Node::Known(a) => Node::Known(with(a)),
            Node::Unary(op, a) => Node::Unary(op, with(a)),
            Node::LocalOf(what, a) => Node::LocalOf(what, with(a)),
            Node::And(a, b) => Node::And(with(a), with(b)),
            Node::Or(a, b) => Node::Or(with(a), with(b)),
            Node::Compare(op, a, b) => Node::Compare(op, with(a), with(b)),
            Node::Same(a, b) => Node::Same(with(a), with(b)),
            Node::Coalesce(a, b) => Node::Coalesce(with(a), with(b)),
            Node::Arithmetic(op, a, b, money) => Node::Arithmetic(op, with(a), with(b), money),
            Node::Extreme(op, a, b) => Node::Extreme(op, with(a), with(b)),
            Node::MultipleOf(a, b) => Node::MultipleOf(with(a), with(b)),
            Node::KmBetween(a, b) => Node::KmBetween(with(a), with(b)),
        }
    }
}

/// All nodes, each after its operands, and the sets that they refer to.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    known: BTreeMap<Node, NodeId>,
    sets: Vec<Box<[u64]>>,
    known_sets: BTreeMap<Box<[u64]>, u32>,
    lists: Vec<Box<[Listed]>>,
}

/// A word in a list and the first instant at which it is no longer in it, in the order of words.
pub type Listed = (u64, Ms);

impl Graph {
    /// Adds a node, folded; an equal node is shared.
    pub fn add(&mut self, node: Node) -> NodeId {
        // These are commutative: the order of operands does not distinguish conditions.
        let node = match node {
            Node::And(a, b) if b < a => Node::And(b, a),
            Node::Or(a, b) if b < a => Node::Or(b, a),
            Node::Same(a, b) if b < a => Node::Same(b, a),
            ordered => ordered,
        };
        match self.folded(node) {
            Folded::Is(id) => id,
            Folded::Becomes(node) => self.intern(node),
        }
    }

    fn intern(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.known.get(&node) {
            return *id;
        }
        let id = NodeId(u32::try_from(self.nodes.len()).expect("packs are bounded far below 2^32 nodes"));
        self.nodes.push(node);
        self.known.insert(node, id);
        id
    }

    /// A known number.
    pub fn number(&mut self, number: f64) -> NodeId {
        self.add(if number.is_finite() { Node::Const(number_word(number)) } else { Node::Missing })
    }

    /// A known yes/no.
    pub fn truth(&mut self, truth: bool) -> NodeId {
        self.add(Node::Const(u64::from(truth)))
    }

    /// A node that tests whether a value is one of some words.
    pub fn within(&mut self, value: NodeId, mut words: Vec<u64>) -> NodeId {
        words.sort_unstable();
        words.dedup();
        if let [word] = words[..] {
            let only = self.add(Node::Const(word));
            return self.add(Node::Same(value, only));
        }
        let words = words.into_boxed_slice();
        let next = u32::try_from(self.sets.len()).expect("packs are bounded far below 2^32 sets");
        let set = *self.known_sets.entry(words.clone()).or_insert(next);
        if set == next {
            self.sets.push(words);
        }
        self.add(Node::Within(value, set))
    }

    /// A node that tests whether a value is in a list at the event's time. Of equal words the last one to end counts;
    /// `None` is never.
    pub fn listed(&mut self, value: NodeId, entries: impl IntoIterator<Item = (u64, Option<Ms>)>) -> NodeId {
        let mut ends: BTreeMap<u64, Ms> = BTreeMap::new();
        for (word, end) in entries {
            let (end, held) = (end.unwrap_or(Ms::MAX), ends.entry(word).or_insert(Ms::MIN));
            *held = end.max(*held);
        }
        if ends.values().all(|end| *end == Ms::MAX) {
            return self.within(value, ends.into_keys().collect());
        }
        let list: Box<[Listed]> = ends.into_iter().collect();
        let at = self.lists.iter().position(|held| *held == list).unwrap_or_else(|| {
            self.lists.push(list);
            self.lists.len() - 1
        });
        let at = u32::try_from(at).expect("packs are bounded far below 2^32 lists");
        self.add(Node::Listed(value, at))
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> Node {
        self.nodes[id.index()]
    }

    /// The word of a constant node.
    pub fn constant(&self, id: NodeId) -> Option<u64> {
        match self.node(id) {
            Node::Const(word) => Some(word),
            _ => None,
        }
    }

    /// The entries of all lists in which some end.
    pub fn lists(&self) -> &[Box<[Listed]>] {
        &self.lists
    }

    /// The words of all sets.
    pub fn sets(&self) -> &[Box<[u64]>] {
        &self.sets
    }

    /// Calls `visit` for every register that some nodes read, possibly more than once.
    pub fn reads(&self, roots: impl IntoIterator<Item = NodeId>, visit: &mut impl FnMut(Slot)) {
        let mut seen = std::collections::BTreeSet::new();
        let mut open: Vec<NodeId> = roots.into_iter().collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.node(id) {
                Node::Read(slot) | Node::Text(_, slot, _) => visit(slot),
                Node::LocalIn(..) | Node::LocalOf(..) | Node::Listed(..) => visit(crate::schema::EVENT_TIME),
                Node::Major(_) => visit(crate::schema::ACCOUNT_CURRENCY),
                _ => {}
            }
            open.extend(self.node(id).children());
        }
    }

    /// The node under the assumption that a register holds `word`.
    pub fn given(
        &mut self,
        id: NodeId,
        slot: Slot,
        word: u64,
        seen: &mut BTreeMap<NodeId, NodeId>,
    ) -> NodeId {
        if let Some(done) = seen.get(&id) {
            return *done;
        }
        let node = self.node(id);
        let done = if node == Node::Read(slot) {
            self.add(Node::Const(word))
        } else {
            let node = node.over(|child| self.given(child, slot, word, seen));
            self.add(node)
        };
        seen.insert(id, done);
        done
    }

    /// The parts that a condition joins with `and`.
    pub fn conjuncts(&self, id: NodeId, into: &mut Vec<NodeId>) {
        match self.node(id) {
            Node::And(a, b) => {
                self.conjuncts(a, into);
                self.conjuncts(b, into);
            }
            _ => into.push(id),
        }
    }

    /// Whether a condition is false for every event type that it does not name.
    pub(crate) fn names_types(&self, id: NodeId) -> bool {
        let is_type = |id: NodeId| self.node(id) == Node::Read(EVENT_TYPE);
        match self.node(id) {
            Node::And(a, b) => self.names_types(a) || self.names_types(b),
            Node::Or(a, b) => self.names_types(a) && self.names_types(b),
            Node::Same(a, b) => {
                is_type(a) && self.constant(b).is_some() || is_type(b) && self.constant(a).is_some()
            }
            Node::Within(a, _) | Node::Listed(a, _) => is_type(a),
            Node::Const(word) => word == 0,
            _ => false,
        }
    }

    /// The facts that some nodes read; `facts` maps registers to positions.
    pub fn facts_of(
        &self,
        facts: &BTreeMap<Slot, usize>,
        nodes: impl IntoIterator<Item = NodeId>,
    ) -> FactSet {
        let mut read = FactSet::default();
        self.reads(nodes, &mut |slot| facts.get(&slot).into_iter().for_each(|at| read.insert(*at)));
        read
    }

    fn folded(&self, node: Node) -> Folded {
        let truth = |value: bool| Folded::Becomes(Node::Const(u64::from(value)));
        let value = |id: NodeId| self.constant(id);
        let missing = |id: NodeId| self.node(id) == Node::Missing;
        match node {
            Node::Major(Decimal { mantissa: 0, .. }) => Folded::Becomes(Node::Const(0)),
            Node::Not(a) => match self.node(a) {
                Node::Const(word) => truth(word == 0),
                Node::Not(inner) => Folded::Is(inner),
                Node::Missing => Folded::Is(a),
                _ => Folded::Becomes(node),
            },
            Node::And(a, b) => match (value(a), value(b)) {
                (Some(0), _) | (_, Some(0)) => truth(false),
                (Some(_), _) => Folded::Is(b),
                (_, Some(_)) => Folded::Is(a),
                _ if a == b => Folded::Is(a),
                _ => Folded::Becomes(node),
            },
            Node::Or(a, b) => match (value(a), value(b)) {
                (Some(0), _) => Folded::Is(b),
                (_, Some(0)) => Folded::Is(a),
                (Some(_), _) | (_, Some(_)) => truth(true),
                _ if a == b => Folded::Is(a),
                _ => Folded::Becomes(node),
            },
            Node::Known(a) if missing(a) => truth(false),
            Node::Known(a) if value(a).is_some() || matches!(self.node(a), Node::Major(_)) => truth(true),
            Node::Coalesce(a, b) if missing(a) => Folded::Is(b),
            Node::Coalesce(a, _) if value(a).is_some() => Folded::Is(a),
            Node::Coalesce(a, b) if missing(b) || a == b => Folded::Is(a),
            Node::Known(_) | Node::Coalesce(..) => Folded::Becomes(node),
            Node::Arithmetic(Arithmetic::Div, _, b, _) if value(b) == Some(0) => {
                Folded::Becomes(Node::Missing)
            }
            // All other operations are missing when an operand is.
            _ if node.children().any(missing) => Folded::Becomes(Node::Missing),
            _ => Folded::Becomes(self.computed(node).unwrap_or(node)),
        }
    }

    /// The result of an operation over constants alone.
    fn computed(&self, node: Node) -> Option<Node> {
        let word = |id: NodeId| self.constant(id);
        let number = |id: NodeId| self.constant(id).map(f64::from_bits);
        let truth = |value: bool| Node::Const(u64::from(value));
        let result =
            |value: Option<f64>| value.map_or(Node::Missing, |value| Node::Const(number_word(value)));
        Some(match node {
            Node::Compare(op, a, b) => match (self.node(a), self.node(b)) {
                (Node::Major(a), Node::Major(b)) => truth(function::compares(op, a.number(), b.number())),
                _ => truth(function::compares(op, number(a)?, number(b)?)),
            },
            Node::Same(a, b) => truth(word(a)? == word(b)?),
            Node::Within(a, set) => {
                let set = &self.sets[usize::try_from(set).ok()?];
                truth(set.binary_search(&word(a)?).is_ok())
            }
            Node::Arithmetic(op, a, b, money) => {
                result(function::arithmetic(op, number(a)?, number(b)?, money))
            }
            Node::Unary(op, a) => result(function::unary(op, number(a)?)),
            Node::Extreme(op, a, b) => result(Some(function::extreme(op, number(a)?, number(b)?))),
            Node::MultipleOf(a, b) => {
                function::multiple_of(number(a)?, number(b)?).map_or(Node::Missing, truth)
            }
            _ => return None,
        })
    }
}

enum Folded {
    Is(NodeId),
    Becomes(Node),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_are_one_node_and_constants_disappear() {
        let mut graph = Graph::default();
        let field = graph.add(Node::Read(Slot(3)));
        let two = graph.number(2.0);
        let more = graph.add(Node::Compare(Compare::Gt, field, two));
        assert_eq!(graph.add(Node::Compare(Compare::Gt, field, two)), more);
        let yes = graph.truth(true);
        assert_eq!(graph.add(Node::And(yes, more)), more);
        let no = graph.truth(false);
        assert_eq!(graph.add(Node::And(more, no)), no);
        let zero = graph.number(0.0);
        let quotient = graph.add(Node::Arithmetic(Arithmetic::Div, two, zero, false));
        assert_eq!(graph.node(quotient), Node::Missing);
        let known = graph.given(more, Slot(3), number_word(5.0), &mut BTreeMap::new());
        assert_eq!(known, yes);
    }
}
