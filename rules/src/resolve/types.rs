//! Results of resolving: types of expressions, facts, names that are read.
//!
//! It does not depend on how they are resolved.

use super::plan::Placed;
use crate::diagnostic::Span;
use crate::graph::{Graph, Node, NodeId};
use crate::habit;
use crate::money::Decimal;
use crate::pack::ParamValue;
use crate::schema::Kind;
use crate::value::Slot;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ty {
    /// A value.
    Is(Kind),
    /// A quoted text; what it is compared with determines its kind.
    Quoted(String),
    /// Invalid, and reported.
    Invalid,
}

/// An expression with its type.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) ty: Ty,
    pub(crate) node: NodeId,
    /// The decimal value of a constant, which can become money.
    pub(crate) constant: Option<Constant>,
    pub(crate) span: Span,
}

/// A constant number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constant {
    pub(super) value: Decimal,
    /// Whether the decimal is exact; one third is not.
    pub(super) exact: bool,
}

/// The state of a declaration that is resolved when it is first read.
#[derive(Debug)]
pub(crate) enum Resolution<T> {
    Pending,
    /// Being resolved: a second visit is a circular reference.
    InProgress,
    Done(T),
}

/// A fact that expressions read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fact {
    pub(crate) slot: Slot,
    pub(crate) kind: Kind,
    /// Index of its key space.
    pub(crate) space: usize,
    pub(crate) placed: Placed,
    /// The field, for statistics that include the event itself.
    pub(crate) includes: Option<Slot>,
}

/// A name that an expression reads, directly or through a term.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read {
    /// The name as written; a parameter with its `$`.
    pub(crate) name: String,
    /// Its place in the outermost expression.
    pub(crate) span: Span,
    pub(crate) origin: Origin,
}

/// The origin of the value of a name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Origin {
    Field(Slot, Kind),
    Fact(Fact),
    /// A signal or a model's score.
    Other(Slot, Kind),
    Param(ParamValue),
}

impl Typed {
    /// The negation, if `really`.
    pub(super) fn negated(self, really: bool, graph: &mut Graph) -> Typed {
        let node = if really && self.ty != Ty::Invalid { graph.add(Node::Not(self.node)) } else { self.node };
        Typed { node, ..self }
    }
}

pub(crate) fn is(kind: Kind, node: NodeId, span: Span) -> Typed {
    Typed { ty: Ty::Is(kind), node, constant: None, span }
}

/// The name of a type in messages.
pub(crate) fn called(ty: &Ty) -> &'static str {
    match ty {
        Ty::Is(Kind::Bool) => "yes/no",
        Ty::Is(Kind::Number) => "a number",
        Ty::Is(Kind::Money(_)) => "money",
        Ty::Is(Kind::OneOf(_)) => "one of a set",
        Ty::Is(Kind::Text) | Ty::Quoted(_) => "text",
        Ty::Is(Kind::Time) => "a time",
        Ty::Is(Kind::Duration) => "a duration",
        Ty::Is(Kind::Geo) => "a location",
        Ty::Invalid => "invalid",
    }
}

/// Help for quoted numbers, the most frequent cause of types that do not fit.
pub(crate) fn unquote_help(a: &Ty, b: &Ty) -> Option<String> {
    let number = |ty: &Ty| matches!(ty, Ty::Quoted(text) if Decimal::parse(text).is_some());
    let amount = |ty: &Ty| match ty {
        Ty::Quoted(text) => habit::amount(text).map(habit::amount_help),
        _ => None,
    };
    let unquoted = || (number(a) || number(b)).then(|| "numbers are written without quotes".to_owned());
    unquoted().or_else(|| amount(a)).or_else(|| amount(b))
}
