//! What names and expressions turn out to be.
//!
//! It does not know how they are found.

use super::plan::Placed;
use crate::diagnostic::Span;
use crate::graph::{Graph, Node, NodeId};
use crate::money::Decimal;
use crate::pack::ParamValue;
use crate::schema::Kind;
use crate::value::Slot;

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ty {
    /// A value.
    Is(Kind),
    /// A quoted text whose meaning depends on what it meets.
    Quoted(String),
    /// Faulty, and reported.
    Invalid,
}

/// An expression with its type.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) ty: Ty,
    pub(crate) node: NodeId,
    /// Its value in decimals, for constants that may yet become money.
    pub(crate) constant: Option<Constant>,
    pub(crate) span: Span,
}

/// A constant number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constant {
    pub(super) value: Decimal,
    /// Whether no digit was lost: a third has none that say it all.
    pub(super) exact: bool,
}

/// A declaration that is looked at when it is first read.
#[derive(Debug)]
pub(crate) enum Resolution<T> {
    Pending,
    /// Being looked at: who comes back here reads itself.
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
    /// For statistics of a field that count the event itself: the field.
    pub(crate) includes: Option<Slot>,
}

/// A name that an expression reads, directly or through a term.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read {
    /// As it is written, a parameter with its `$`.
    pub(crate) name: String,
    /// Where the outermost expression reads it.
    pub(crate) span: Span,
    pub(crate) origin: Origin,
}

/// Where a read name's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Origin {
    Field(Slot, Kind),
    Fact(Fact),
    /// A signal or a model's score.
    Other(Slot, Kind),
    Param(ParamValue),
}

impl Typed {
    /// Its opposite where `really`.
    pub(super) fn negated(self, really: bool, graph: &mut Graph) -> Typed {
        let node = if really && self.ty != Ty::Invalid { graph.add(Node::Not(self.node)) } else { self.node };
        Typed { node, ..self }
    }
}

pub(crate) fn is(kind: Kind, node: NodeId, span: Span) -> Typed {
    Typed { ty: Ty::Is(kind), node, constant: None, span }
}

/// How a type is called in messages.
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

/// Numbers in quotes are texts: the likeliest slip when types do not fit.
pub(crate) fn unquote_help(a: &Ty, b: &Ty) -> Option<String> {
    let number = |ty: &Ty| matches!(ty, Ty::Quoted(text) if Decimal::parse(text).is_some());
    (number(a) || number(b)).then(|| "numbers are written without quotes".to_owned())
}
