//! What is known of an event for which a condition holds, or a contradiction.
//!
//! A condition that is true has known operands: `unknown` never fires a rule. So a contradiction means that the
//! condition is never true, and a contradiction of its negation that it is true whenever its values are known.

use super::range::{Range, Words};
use super::value::{Known, Values, is_test};
use crate::ast::{Compare, Expr, ExprKind};
use crate::diagnostic::Span;
use crate::schema::Kind;
use std::collections::BTreeMap;

/// What is known, and which parts of the condition say so.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) known: Known,
    /// The part that last narrowed a value.
    pub(super) from: BTreeMap<String, Span>,
}

/// Two things that exclude each other.
#[derive(Clone, Debug)]
pub(super) struct Conflict {
    /// The part that cannot hold.
    pub(super) part: Span,
    /// The value that it is about.
    pub(super) subject: Subject,
    /// The earlier part that excludes it; without one, the value's own range does.
    pub(super) earlier: Option<Span>,
}

/// What the value can be without the part that cannot hold.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Number { expr: Expr, range: Range, other: Range },
    Words { expr: Expr, words: Words },
    Missing { expr: Expr },
    Constant,
}

type Result = std::result::Result<Facts, Box<Conflict>>;

impl Values<'_, '_> {
    /// What is known when `expr` is known to be `truth`.
    pub(super) fn assume(&self, expr: &Expr, truth: bool, facts: Facts) -> Result {
        match &expr.kind {
            ExprKind::Bool(held) if *held == truth => Ok(facts),
            ExprKind::Bool(_) => Err(conflict(expr.span, Subject::Constant, None)),
            ExprKind::Not(inner) => self.assume(inner, !truth, facts),
            ExprKind::And(a, b) if truth => self.both((a, true), (b, true), facts),
            ExprKind::Or(a, b) if !truth => self.both((a, false), (b, false), facts),
            ExprKind::And(a, b) | ExprKind::Or(a, b) => self.either((a, truth), (b, truth), facts),
            ExprKind::Name(name) => self.assume_name(expr, name, truth, facts),
            ExprKind::Call(name, ..) if is_test(name) => self.is_word(expr, expr.span, word(truth), facts),
            ExprKind::Compare(op, a, b) => {
                let op = if truth { *op } else { opposite(*op) };
                self.compared(op, a, b, expr.span, facts)
            }
            ExprKind::Between(value, low, high) => {
                let span = expr.span;
                if truth {
                    let facts = self.compared(Compare::Ge, value, low, span, facts)?;
                    return self.compared(Compare::Le, value, high, span, facts);
                }
                let below = self.compared(Compare::Lt, value, low, span, facts.clone());
                let above = self.compared(Compare::Gt, value, high, span, facts.clone());
                joined(below, above, facts)
            }
            ExprKind::In(value, list, not) => self.within(value, list, truth != *not, expr.span, facts),
            ExprKind::IsMissing(value, not) => self.missing(value, truth != *not, expr.span, facts),
            _ => Ok(facts),
        }
    }

    fn both(&self, a: (&Expr, bool), b: (&Expr, bool), facts: Facts) -> Result {
        let facts = self.assume(a.0, a.1, facts)?;
        self.assume(b.0, b.1, facts)
    }

    fn either(&self, a: (&Expr, bool), b: (&Expr, bool), facts: Facts) -> Result {
        joined(self.assume(a.0, a.1, facts.clone()), self.assume(b.0, b.1, facts.clone()), facts)
    }

    fn assume_name(&self, expr: &Expr, name: &str, truth: bool, facts: Facts) -> Result {
        if let Some(term) = self.resolver.terms.get(name) {
            let Some(inner) = term.text.expr.as_ref().filter(|_| term.is_sound()) else { return Ok(facts) };
            let before = facts.clone();
            let assumed = self.in_term(|| self.assume(inner, truth, facts)).unwrap_or(Ok(before));
            // The place is that of the name: the term may be in another file.
            return assumed.map_err(|found| Box::new(Conflict { part: expr.span, ..*found }));
        }
        match self.kind(name) {
            Some(Kind::Bool) => self.is_word(expr, expr.span, word(truth), facts),
            _ => Ok(facts),
        }
    }

    /// A comparison that holds.
    fn compared(&self, op: Compare, a: &Expr, b: &Expr, span: Span, facts: Facts) -> Result {
        let words = self.words(a, &facts.known).zip(self.words(b, &facts.known));
        if let Some((left, right)) = words {
            return match op {
                Compare::Eq => {
                    let facts = self.narrow_words(a, span, &right, facts)?;
                    self.narrow_words(b, span, &left, facts)
                }
                Compare::Ne => {
                    let facts = self.not_word(a, &right, span, facts)?;
                    self.not_word(b, &left, span, facts)
                }
                _ => Ok(facts),
            };
        }
        if [a, b].iter().any(|side| self.words(side, &facts.known).is_some()) {
            return Ok(facts);
        }
        let facts = self.known_operand(a, span, self.known_operand(b, span, facts)?)?;
        let (left, right) = (self.range(a, &facts.known), self.range(b, &facts.known));
        if op == Compare::Ne && left.is_point() && right.is_point() && left.low == right.low {
            return Err(self.number_conflict(a, b, left, right, span, &facts));
        }
        let (new_left, new_right) =
            (left.meet(Range::of(op, right)), right.meet(Range::of(mirrored(op), left)));
        if new_left.is_empty() || new_right.is_empty() {
            return Err(self.number_conflict(a, b, left, right, span, &facts));
        }
        let facts = narrow(a, span, left, new_left, facts);
        Ok(narrow(b, span, right, new_right, facts))
    }

    /// A value that differs from another one, which is a single word.
    fn not_word(&self, expr: &Expr, other: &Words, span: Span, facts: Facts) -> Result {
        match other {
            Words::Only(words) if words.len() == 1 => {
                self.narrow_words(expr, span, &other.clone().opposite(), facts)
            }
            _ => Ok(facts),
        }
    }

    fn is_word(&self, expr: &Expr, span: Span, word: &str, facts: Facts) -> Result {
        self.narrow_words(expr, span, &Words::only([word]), facts)
    }

    fn narrow_words(&self, expr: &Expr, span: Span, to: &Words, facts: Facts) -> Result {
        let mut facts = self.known_operand(expr, span, facts)?;
        let Some(before) = self.words(expr, &facts.known) else { return Ok(facts) };
        let after = before.meet(to);
        let identity = expr.identity();
        if after.is_empty() {
            let earlier = facts.from.get(&identity).copied();
            return Err(conflict(span, Subject::Words { expr: expr.clone(), words: before }, earlier));
        }
        if after != before {
            facts.from.insert(identity.clone(), span);
        }
        facts.known.words.insert(identity, after);
        Ok(facts)
    }

    fn within(&self, value: &Expr, list: &Expr, inside: bool, span: Span, facts: Facts) -> Result {
        let ExprKind::Array(items) = &list.kind else { return self.known_operand(value, span, facts) };
        let texts = |item: &Expr| match &item.kind {
            ExprKind::Text(text) => Some(text.clone()),
            _ => None,
        };
        if let Some(words) = items.iter().map(texts).collect::<Option<Vec<String>>>() {
            let words = Words::only(words.iter().map(String::as_str));
            let to = if inside { words } else { words.opposite() };
            return self.narrow_words(value, span, &to, facts);
        }
        let facts = self.known_operand(value, span, facts)?;
        let is_number = items.iter().all(|item| self.words(item, &facts.known).is_none());
        if !inside || !is_number || self.words(value, &facts.known).is_some() {
            return Ok(facts);
        }
        let items = items.iter().map(|item| self.range(item, &facts.known));
        let before = self.range(value, &facts.known);
        // Each item by itself: the list `[24, 25]` has no hour, `[-1, 24]` has none either.
        let after = items.map(|item| before.meet(Range::of(Compare::Eq, item))).filter(|met| !met.is_empty());
        match after.reduce(Range::join) {
            Some(after) => Ok(narrow(value, span, before, before.meet(after), facts)),
            None => Err(self.number_conflict(value, list, before, Range::ALL, span, &facts)),
        }
    }

    fn missing(&self, value: &Expr, missing: bool, span: Span, mut facts: Facts) -> Result {
        if !matches!(value.kind, ExprKind::Name(_)) {
            return Ok(facts);
        }
        let identity = value.identity();
        // Whether a value is known and what it is are narrowed by different parts.
        let presence = format!("? {identity}");
        if facts.known.missing.get(&identity).is_some_and(|known| *known != missing) {
            let earlier = facts.from.get(&presence).copied();
            return Err(conflict(span, Subject::Missing { expr: value.clone() }, earlier));
        }
        facts.from.entry(presence).or_insert(span);
        facts.known.missing.insert(identity, missing);
        Ok(facts)
    }

    /// The fields and facts that a comparison needs are known.
    fn known_operand(&self, expr: &Expr, span: Span, facts: Facts) -> Result {
        match &expr.kind {
            ExprKind::Name(name) if !self.resolver.terms.contains_key(name.as_str()) => {
                self.missing(expr, false, span, facts)
            }
            ExprKind::Negative(inner) => self.known_operand(inner, span, facts),
            ExprKind::Arithmetic(_, a, b) => {
                let facts = self.known_operand(a, span, facts)?;
                self.known_operand(b, span, facts)
            }
            _ => Ok(facts),
        }
    }

    fn number_conflict(
        &self,
        a: &Expr,
        b: &Expr,
        left: Range,
        right: Range,
        part: Span,
        facts: &Facts,
    ) -> Box<Conflict> {
        let subject = |expr: &Expr, range, other| Subject::Number { expr: expr.clone(), range, other };
        // The side that is not a constant is what the sentence is about.
        let about_right = is_constant(a) && !is_constant(b);
        let (expr, subject) =
            if about_right { (b, subject(b, right, left)) } else { (a, subject(a, left, right)) };
        conflict(part, subject, facts.from.get(&expr.identity()).copied())
    }
}

fn conflict(part: Span, subject: Subject, earlier: Option<Span>) -> Box<Conflict> {
    Box::new(Conflict { part, subject, earlier: earlier.filter(|earlier| *earlier != part) })
}

/// What is known when one of two conditions holds: nothing more than before, unless one of them cannot.
fn joined(a: Result, b: Result, before: Facts) -> Result {
    match (a, b) {
        (Err(first), Err(_)) => Err(first),
        (Ok(facts), Err(_)) | (Err(_), Ok(facts)) => Ok(facts),
        (Ok(_), Ok(_)) => Ok(before),
    }
}

fn narrow(expr: &Expr, span: Span, before: Range, after: Range, mut facts: Facts) -> Facts {
    if matches!(expr.kind, ExprKind::Number(_) | ExprKind::Duration(_)) || after == before {
        return facts;
    }
    let identity = expr.identity();
    facts.from.insert(identity.clone(), span);
    facts.known.numbers.insert(identity, after);
    facts
}

/// Whether an expression reads no event.
pub(super) fn is_constant(expr: &Expr) -> bool {
    let mut constant = true;
    expr.walk(&mut |part| constant &= !matches!(part.kind, ExprKind::Name(_) | ExprKind::Call(..)));
    constant
}

fn word(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}

/// The comparison that holds when this one does not.
fn opposite(op: Compare) -> Compare {
    match op {
        Compare::Eq => Compare::Ne,
        Compare::Ne => Compare::Eq,
        Compare::Lt => Compare::Ge,
        Compare::Le => Compare::Gt,
        Compare::Gt => Compare::Le,
        Compare::Ge => Compare::Lt,
    }
}

/// The comparison with its sides swapped.
fn mirrored(op: Compare) -> Compare {
    match op {
        Compare::Lt => Compare::Gt,
        Compare::Le => Compare::Ge,
        Compare::Gt => Compare::Lt,
        Compare::Ge => Compare::Le,
        same => same,
    }
}
