//! The syntax tree of expressions, with places in the file. Names are not resolved.

use crate::diagnostic::Span;
use crate::money::Decimal;
use crate::time::Ms;

/// A comparison operator.
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
    /// The operator as written.
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
    /// The operator as written.
    pub fn sign(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Sub => "-",
            Arithmetic::Mul => "*",
            Arithmetic::Div => "/",
        }
    }
}

/// An expression and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its place.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number, a percentage as its share.
    Number(Decimal),
    /// A duration, ms.
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
    /// `name(args)`, with the place of the name.
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
    /// Not an expression, and reported: the words in it, which may be names.
    Unread(Vec<String>),
}

impl Expr {
    /// The direct subexpressions.
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

    /// Number of operators and references, the measure of an expression's cost. Constants do not count.
    pub fn nodes(&self) -> usize {
        let own = match &self.kind {
            ExprKind::Number(_) | ExprKind::Duration(_) | ExprKind::Text(_) | ExprKind::Bool(_) => 0,
            ExprKind::Array(_) | ExprKind::Unread(_) => 0,
            _ => 1,
        };
        own + self.children().into_iter().map(Expr::nodes).sum::<usize>()
    }

    /// Calls `visit` for this expression and all subexpressions.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        visit(self);
        self.children().into_iter().for_each(|child| child.walk(visit));
    }

    /// A text that is equal for equal expressions, wherever they are written.
    pub fn identity(&self) -> String {
        let parts: Vec<String> = self.children().into_iter().map(Expr::identity).collect();
        let own = match &self.kind {
            ExprKind::Number(number) => return number.to_string(),
            ExprKind::Duration(ms) => return format!("{ms}ms"),
            ExprKind::Text(text) => return format!("{text:?}"),
            ExprKind::Bool(truth) => return truth.to_string(),
            ExprKind::Param(name) => return format!("${name}"),
            ExprKind::List(name) => return format!("@{name}"),
            ExprKind::Name(name) => return name.clone(),
            ExprKind::Unread(names) => return format!("{names:?}"),
            ExprKind::Call(name, ..) => name.clone(),
            ExprKind::Array(_) => String::new(),
            ExprKind::Not(_) => "not".to_owned(),
            ExprKind::Negative(_) => "-".to_owned(),
            ExprKind::And(..) => "and".to_owned(),
            ExprKind::Or(..) => "or".to_owned(),
            ExprKind::Compare(op, ..) => op.sign().to_owned(),
            ExprKind::Arithmetic(op, ..) => op.sign().to_owned(),
            ExprKind::In(_, _, not) => format!("in {not}"),
            ExprKind::Between(..) => "between".to_owned(),
            ExprKind::IsMissing(_, not) => format!("missing {not}"),
        };
        format!("{own}({})", parts.join(","))
    }
}
