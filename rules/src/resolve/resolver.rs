//! Types of expressions: operators, constants and parameters. Names, calls and comparisons lie beside it.

use super::plan::PlanBuilder;
use super::types::{Constant, Fact, Resolution, Ty, Typed, called, is, unquote_help};
use crate::aggregate::KeySpace;
use crate::ast::{Arithmetic, Expr, ExprKind};
use crate::diagnostic::{Diagnostics, Span};
use crate::function::Unary;
use crate::graph::{Graph, Node, NodeId};
use crate::list::Entries;
use crate::money::Decimal;
use crate::options::CompileOptions;
use crate::pack::{AggregateText, ListText, Name, NamedText, Pack, ParamText, ParamValue, SignalText};
use crate::pattern::Pattern;
use crate::schema::{ACCOUNT_ID, Kind, Schema};
use crate::time::Ms;
use crate::value::Slot;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(crate) struct TermEntry<'a> {
    pub(crate) text: &'a NamedText,
    /// Its type over events.
    pub(crate) over_events: Resolution<Typed>,
    /// Its type in the condition of an aggregate, which reads less than the condition of a rule.
    pub(crate) over_rows: Resolution<Typed>,
    pub(crate) used: bool,
}

impl<'a> TermEntry<'a> {
    fn new(text: &'a NamedText) -> TermEntry<'a> {
        TermEntry { text, over_events: Resolution::Pending, over_rows: Resolution::Pending, used: false }
    }

    /// The type in one of the two contexts.
    pub(super) fn typed(&mut self, over_rows: bool) -> &mut Resolution<Typed> {
        if over_rows { &mut self.over_rows } else { &mut self.over_events }
    }

    /// Whether it has been resolved in any context.
    pub(crate) fn is_resolved(&self) -> bool {
        [&self.over_events, &self.over_rows].iter().any(|typed| matches!(typed, Resolution::Done(_)))
    }

    /// Whether it has a type in any context.
    pub(crate) fn is_sound(&self) -> bool {
        let sound =
            |typed: &&Resolution<Typed>| matches!(typed, Resolution::Done(typed) if typed.ty != Ty::Invalid);
        [&self.over_events, &self.over_rows].iter().any(sound)
    }
}

#[derive(Debug)]
pub(crate) struct AggregateEntry<'a> {
    pub(crate) text: &'a AggregateText,
    pub(crate) fact: Resolution<Option<Fact>>,
    pub(crate) used: bool,
}

#[derive(Debug)]
pub(crate) struct ParamEntry<'a> {
    pub(crate) value: Option<ParamValue>,
    /// The declaration, with the range.
    pub(crate) text: &'a ParamText,
    pub(crate) used: bool,
}

#[derive(Debug)]
pub(crate) struct ListEntry<'a> {
    pub(crate) text: &'a ListText,
    pub(crate) entries: Resolution<Option<Entries>>,
    pub(crate) used: bool,
}

#[derive(Debug)]
pub(crate) struct SignalEntry<'a> {
    pub(crate) text: &'a SignalText,
    /// Kind of the value once it is known.
    pub(crate) typed: Resolution<Typed>,
    pub(crate) slot: Option<Slot>,
}

/// All declarations, and what has been built of them.
pub(crate) struct Resolver<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) options: &'a CompileOptions<'a>,
    pub(crate) problems: &'a mut Diagnostics,
    pub(crate) graph: Graph,
    pub(crate) terms: BTreeMap<&'a str, TermEntry<'a>>,
    pub(crate) aggregates: BTreeMap<&'a str, AggregateEntry<'a>>,
    pub(crate) params: BTreeMap<&'a str, ParamEntry<'a>>,
    pub(crate) lists: BTreeMap<&'a str, ListEntry<'a>>,
    pub(crate) signals: BTreeMap<&'a str, SignalEntry<'a>>,
    pub(crate) plans: Vec<PlanBuilder>,
    pub(crate) models: BTreeMap<String, Slot>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) zones: Vec<(String, TimeZone)>,
    pub(crate) zones_by_field: bool,
    /// Fields of the event whose text is a time zone.
    pub(crate) zone_slots: BTreeSet<Slot>,
    pub(crate) text_slots: BTreeSet<Slot>,
    /// The next free register.
    pub(crate) registers: usize,
    /// Check only: nothing enters a plan.
    pub(crate) dry: bool,
    /// Inside the condition of an aggregate, which can read rows only.
    pub(crate) over_rows: bool,
    pub(crate) term_depth: usize,
}

/// The declarations of one section of all packs, by name.
fn by_name<'a, T: 'a, E>(
    packs: &'a [Pack],
    section: impl Fn(&'a Pack) -> &'a [T],
    entry: impl Fn(&'a T) -> (&'a Name, E),
) -> BTreeMap<&'a str, E> {
    let entries = packs.iter().flat_map(section).map(entry);
    entries.map(|(name, entry)| (name.text.as_str(), entry)).collect()
}

impl<'a> Resolver<'a> {
    /// A resolver over the declarations of some packs; nothing is resolved yet.
    pub(crate) fn new(
        packs: &'a [Pack],
        schema: &'a Schema,
        options: &'a CompileOptions<'a>,
        problems: &'a mut Diagnostics,
    ) -> Resolver<'a> {
        let account = KeySpace { entity: "account".to_owned(), key: ACCOUNT_ID };
        let derived = schema.entities().iter().map(|entity| KeySpace {
            entity: entity.clone(),
            key: schema.slot(&format!("{entity}.id")).unwrap_or(ACCOUNT_ID),
        });
        let plans = std::iter::once(account).chain(derived).map(PlanBuilder::new).collect();
        Resolver {
            schema,
            options,
            problems,
            graph: Graph::default(),
            terms: by_name(packs, |pack| &pack.terms, |text| (&text.name, TermEntry::new(text))),
            aggregates: by_name(
                packs,
                |pack| &pack.aggregates,
                |text| (&text.name, AggregateEntry { text, fact: Resolution::Pending, used: false }),
            ),
            params: by_name(
                packs,
                |pack| &pack.params,
                |text| (&text.name, ParamEntry { value: text.default, text, used: false }),
            ),
            lists: by_name(
                packs,
                |pack| &pack.lists,
                |text| (&text.name, ListEntry { text, entries: Resolution::Pending, used: false }),
            ),
            signals: by_name(
                packs,
                |pack| &pack.signals,
                |text| (&text.name, SignalEntry { text, typed: Resolution::Pending, slot: None }),
            ),
            plans,
            models: BTreeMap::new(),
            patterns: Vec::new(),
            zones: Vec::new(),
            zones_by_field: false,
            zone_slots: BTreeSet::new(),
            text_slots: BTreeSet::new(),
            registers: schema.fields().len(),
            dry: false,
            over_rows: false,
            term_depth: 0,
        }
    }
}

impl Resolver<'_> {
    /// A new register. Too many are reported when the ruleset is built.
    pub(crate) fn register(&mut self) -> Slot {
        let slot = Slot(u16::try_from(self.registers).unwrap_or(u16::MAX));
        self.registers += 1;
        slot
    }

    /// Type and node of an expression.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Typed {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Number(number) => self.exact(*number, span),
            ExprKind::Duration(ms) => self.duration(*ms, span),
            ExprKind::Text(text) => {
                let node = self.graph.add(Node::Missing);
                Typed { ty: Ty::Quoted(text.clone()), node, constant: None, span }
            }
            ExprKind::Bool(truth) => {
                let node = self.graph.truth(*truth);
                is(Kind::Bool, node, span)
            }
            ExprKind::Param(name) => self.param(name, span),
            ExprKind::Name(name) => self.name(name, span),
            ExprKind::Call(name, at, args) => self.call(name, *at, args, span),
            ExprKind::List(_) | ExprKind::Array(_) => {
                self.problems
                    .error("E304", "a list is tested with `in`", span)
                    .label("not a single value")
                    .help("write `x in [a, b]` or `x in @list`");
                self.invalid(span)
            }
            ExprKind::Not(inner) => {
                let inner = self.yes_no(inner, "`not`");
                self.truth(span, inner, Node::Not)
            }
            ExprKind::And(a, b) => self.joined(a, b, "`and`", Node::And, span),
            ExprKind::Or(a, b) => self.joined(a, b, "`or`", Node::Or, span),
            ExprKind::Negative(inner) => self.negative(inner, span),
            ExprKind::Arithmetic(op, a, b) => self.arithmetic(*op, a, b, span),
            ExprKind::Compare(op, a, b) => self.compare(*op, a, b, span),
            ExprKind::In(value, list, not) => self.within(value, list, *not, span),
            ExprKind::Between(value, low, high) => self.between(value, low, high, span),
            ExprKind::Unread(names) => {
                names.iter().for_each(|name| self.mark_used(name));
                self.invalid(span)
            }
            ExprKind::IsMissing(value, not) => {
                let value = self.expr(value);
                let known = (value.ty != Ty::Invalid).then_some(value.node);
                self.truth(span, known, Node::Known).negated(!*not, &mut self.graph)
            }
        }
    }

    /// A yes/no condition; anything else is reported.
    pub(crate) fn condition(&mut self, expr: &Expr) -> Option<NodeId> {
        let typed = self.expr(expr);
        match typed.ty {
            Ty::Is(Kind::Bool) => Some(typed.node),
            Ty::Invalid => None,
            other => {
                self.problems
                    .error("E306", "a condition must be yes/no", expr.span)
                    .label(format!("this is {}", called(&other)));
                None
            }
        }
    }

    /// Counts everything of this name as read: something that cannot be read may refer to it.
    pub(crate) fn mark_used(&mut self, name: &str) {
        if let Some(term) = self.terms.get_mut(name) {
            term.used = true;
        }
        if let Some(aggregate) = self.aggregates.get_mut(name) {
            aggregate.used = true;
        }
        if let Some(param) = self.params.get_mut(name) {
            param.used = true;
        }
        if let Some(list) = self.lists.get_mut(name) {
            list.used = true;
        }
    }

    pub(crate) fn invalid(&mut self, span: Span) -> Typed {
        let node = self.graph.add(Node::Missing);
        Typed { ty: Ty::Invalid, node, constant: None, span }
    }

    fn exact(&mut self, number: Decimal, span: Span) -> Typed {
        let node = self.graph.number(number.number());
        Typed { constant: Some(Constant { value: number, exact: true }), ..is(Kind::Number, node, span) }
    }

    fn duration(&mut self, ms: Ms, span: Span) -> Typed {
        let node = self.graph.number(Decimal::whole(ms).number());
        is(Kind::Duration, node, span)
    }

    fn param(&mut self, name: &str, span: Span) -> Typed {
        if let Some(param) = self.params.get_mut(name) {
            param.used = true;
            return match param.value {
                Some(ParamValue::Number(number, _)) => self.exact(number, span),
                Some(ParamValue::Duration(ms)) => self.duration(ms, span),
                None => self.invalid(span),
            };
        }
        let near = crate::diagnostic::nearest(name, self.params.keys().copied()).map(str::to_owned);
        self.problems
            .error("E202", format!("no parameter named `${name}`"), span)
            .label("not declared under `params:`")
            .help_maybe(near.as_ref().map(|near| format!("did you mean `${near}`?")));
        if let Some(param) = near.and_then(|near| self.params.get_mut(near.as_str())) {
            // The name was probably misspelt: the parameter is not also reported as unused.
            param.used = true;
        }
        self.invalid(span)
    }

    /// An operand that must be yes/no.
    fn yes_no(&mut self, expr: &Expr, of: &str) -> Option<NodeId> {
        let typed = self.expr(expr);
        match typed.ty {
            Ty::Is(Kind::Bool) => Some(typed.node),
            Ty::Invalid => None,
            other => {
                self.problems
                    .error("E307", format!("the operands of {of} must be yes/no"), typed.span)
                    .label(format!("this is {}", called(&other)));
                None
            }
        }
    }

    fn joined(
        &mut self,
        a: &Expr,
        b: &Expr,
        of: &str,
        node: fn(NodeId, NodeId) -> Node,
        span: Span,
    ) -> Typed {
        let (a, b) = (self.yes_no(a, of), self.yes_no(b, of));
        match (a, b) {
            (Some(a), Some(b)) => self.truth(span, Some(a), |a| node(a, b)),
            _ => self.invalid(span),
        }
    }

    /// A yes/no node over an operand; invalid without one.
    pub(crate) fn truth(&mut self, span: Span, over: Option<NodeId>, node: impl Fn(NodeId) -> Node) -> Typed {
        match over {
            Some(over) => {
                let node = self.graph.add(node(over));
                is(Kind::Bool, node, span)
            }
            None => self.invalid(span),
        }
    }

    fn negative(&mut self, inner: &Expr, span: Span) -> Typed {
        let inner = self.expr(inner);
        match &inner.ty {
            Ty::Invalid => self.invalid(span),
            Ty::Is(kind @ (Kind::Number | Kind::Money(_) | Kind::Duration)) => {
                let node = self.graph.add(Node::Unary(Unary::Negative, inner.node));
                let opposite = |held: Constant| Some(Constant { value: held.value.negative()?, ..held });
                Typed { constant: inner.constant.and_then(opposite), ..is(kind.clone(), node, span) }
            }
            other => {
                self.problems
                    .error("E302", "only numbers, money and durations can be negated", inner.span)
                    .label(format!("this is {}", called(other)));
                self.invalid(span)
            }
        }
    }

    fn arithmetic(&mut self, op: Arithmetic, a: &Expr, b: &Expr, span: Span) -> Typed {
        let (mut a, mut b) = (self.expr(a), self.expr(b));
        if a.ty == Ty::Invalid || b.ty == Ty::Invalid {
            return self.invalid(span);
        }
        if matches!(op, Arithmetic::Add | Arithmetic::Sub) {
            self.as_money(&mut a, &b.ty);
            self.as_money(&mut b, &a.ty);
        }
        let (Ty::Is(left), Ty::Is(right)) = (&a.ty, &b.ty) else {
            return self.no_arithmetic(op, &a, &b, span);
        };
        let Some(kind) = result_kind(op, left, right) else { return self.no_arithmetic(op, &a, &b, span) };
        let constants = a.constant.zip(b.constant);
        if let Some(exact) = constants.and_then(|(a, b)| exactly(op, a, b)) {
            return self.exact(exact, span);
        }
        let money = matches!(kind, Kind::Money(_));
        let node = self.graph.add(Node::Arithmetic(op, a.node, b.node, money));
        // A quotient of constants is a constant as well, but not an exact one.
        let near = constants
            .and_then(|_| self.graph.constant(node))
            .and_then(|word| Decimal::of(f64::from_bits(word)))
            .map(|value| Constant { value, exact: false });
        Typed { constant: near, ..is(kind, node, span) }
    }

    fn no_arithmetic(&mut self, op: Arithmetic, a: &Typed, b: &Typed, span: Span) -> Typed {
        let (left, right) = (called(&a.ty), called(&b.ty));
        self.problems
            .error("E302", format!("`{}` does not work on {left} and {right}", op.sign()), b.span)
            .label(format!("this is {right}"))
            .context(a.span, format!("this is {left}"))
            .help_maybe(unquote_help(&a.ty, &b.ty));
        self.invalid(span)
    }
}

/// The result over constants where it is exact.
fn exactly(op: Arithmetic, a: Constant, b: Constant) -> Option<Decimal> {
    let (true, a, b) = (a.exact && b.exact, a.value, b.value) else { return None };
    match op {
        Arithmetic::Add => a.plus(b),
        Arithmetic::Sub => a.plus(b.negative()?),
        Arithmetic::Mul => a.times(b),
        Arithmetic::Div => None,
    }
}

fn result_kind(op: Arithmetic, a: &Kind, b: &Kind) -> Option<Kind> {
    use Arithmetic::{Add, Div, Mul, Sub};
    Some(match (op, a, b) {
        (_, Kind::Number, Kind::Number) => Kind::Number,
        (Add | Sub, Kind::Money(x), Kind::Money(y)) if x == y => a.clone(),
        (Div, Kind::Money(x), Kind::Money(y)) if x == y => Kind::Number,
        (Mul | Div, Kind::Money(_) | Kind::Duration, Kind::Number) => a.clone(),
        (Mul, Kind::Number, Kind::Money(_) | Kind::Duration) => b.clone(),
        (Sub, Kind::Time, Kind::Time) => Kind::Duration,
        (Add | Sub, Kind::Time, Kind::Duration) => Kind::Time,
        (Add, Kind::Duration, Kind::Time) => Kind::Time,
        (Add | Sub, Kind::Duration, Kind::Duration) => Kind::Duration,
        (Div, Kind::Duration, Kind::Duration) => Kind::Number,
        _ => return None,
    })
}
