//! Expressions as written: a tree with places, before any name has a meaning.

use crate::diagnostic::Span;
use crate::money::Decimal;
use crate::time::Ms;

/// How two numbers, or two of anything, are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compare {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Compare {
    /// How it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Compare::Eq => "==",
            Compare::Ne => "!=",
            Compare::Lt => "<",
            Compare::Le => "<=",
            Compare::Gt => ">",
            Compare::Ge => ">=",
        }
    }
}

/// An operation on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`; by zero is missing.
    Div,
}

impl Arithmetic {
    /// How it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Sub => "-",
            Arithmetic::Mul => "*",
            Arithmetic::Div => "/",
        }
    }
}

/// An expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number, a percentage as its share.
    Number(Decimal),
    /// A length of time, ms.
    Duration(Ms),
    /// A quoted text.
    Text(String),
    /// `true`, `false`.
    Bool(bool),
    /// `$name`.
    Param(String),
    /// `@name`.
    List(String),
    /// A field, fact, term, signal or score.
    Name(String),
    /// `[a, b]`.
    Array(Vec<Expr>),
    /// `name(args)`; the place is the name's.
    Call(String, Span, Vec<Expr>),
    /// `not a`.
    Not(Box<Expr>),
    /// `-a`.
    Negative(Box<Expr>),
    /// `a and b`.
    And(Box<Expr>, Box<Expr>),
    /// `a or b`.
    Or(Box<Expr>, Box<Expr>),
    /// `a == b` and the like.
    Compare(Compare, Box<Expr>, Box<Expr>),
    /// `a + b` and the like.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// `a in b`, or `a not in b` (true).
    In(Box<Expr>, Box<Expr>, bool),
    /// `a between low and high`, both included.
    Between(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a is missing`, or `a is not missing` (true).
    IsMissing(Box<Expr>, bool),
}

impl Expr {
    /// The expressions directly inside.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Array(items) | ExprKind::Call(_, _, items) => items.iter().collect(),
            ExprKind::Not(one) | ExprKind::Negative(one) | ExprKind::IsMissing(one, _) => vec![one],
            ExprKind::And(a, b)
            | ExprKind::Or(a, b)
            | ExprKind::Compare(_, a, b)
            | ExprKind::Arithmetic(_, a, b)
            | ExprKind::In(a, b, _) => vec![a, b],
            ExprKind::Between(a, b, c) => vec![a, b, c],
            _ => Vec::new(),
        }
    }

    /// Operators and references: what an expression costs. Constants are part of what reads them.
    pub fn nodes(&self) -> usize {
        let own = match &self.kind {
            ExprKind::Number(_) | ExprKind::Duration(_) | ExprKind::Text(_) | ExprKind::Bool(_) => 0,
            ExprKind::Array(_) => 0,
            _ => 1,
        };
        own + self.children().into_iter().map(Expr::nodes).sum::<usize>()
    }

    /// Calls `visit` on this expression and all inside.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        visit(self);
        self.children().into_iter().for_each(|child| child.walk(visit));
    }
}
