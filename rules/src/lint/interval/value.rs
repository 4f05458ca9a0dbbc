//! What an expression can be: from the kinds of fields, the operations of aggregates and the ranges of parameters.

use super::range::{Range, Words};
use crate::ast::{Arithmetic, Expr, ExprKind};
use crate::pack::{AggregateText, OpText, ParamValue, as_decimal};
use crate::resolve::{Resolution, Resolver};
use crate::schema::Kind;
use std::cell::Cell;
use std::collections::BTreeMap;

/// Half of the earth's circumference, rounded up: no distance is longer.
const KM_MAX: f64 = 20_016.0;
/// That distance in the least time between two places, 1 ms: no speed is greater.
const KMH_MAX: f64 = KM_MAX * 3_600_000.0;
/// How deep signals of signals are followed.
const SIGNALS_MAX: u32 = 8;

/// Which values parameters have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Params {
    /// Any in their range.
    Ranges,
    /// Those that they have now.
    Current,
}

/// What is known of the event, by the identity of the expression.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) numbers: BTreeMap<String, Range>,
    pub(super) words: BTreeMap<String, Words>,
    /// Whether a value is missing.
    pub(super) missing: BTreeMap<String, bool>,
}

/// Answers what expressions can be.
pub(super) struct Values<'r, 'p> {
    pub(super) resolver: &'r Resolver<'p>,
    pub(super) params: Params,
    signals: Cell<u32>,
    /// How many levels of terms are still followed.
    terms: Cell<usize>,
}

impl<'r, 'p> Values<'r, 'p> {
    /// Terms are followed `terms` levels deep; deeper ones may hold or not.
    pub(super) fn new(resolver: &'r Resolver<'p>, params: Params, terms: usize) -> Values<'r, 'p> {
        Values { resolver, params, signals: Cell::new(0), terms: Cell::new(terms) }
    }

    /// Does something one level of terms deeper; `None` at the end.
    pub(super) fn in_term<T>(&self, within: impl FnOnce() -> T) -> Option<T> {
        let left = self.terms.get();
        self.terms.set(left.checked_sub(1)?);
        let done = within();
        self.terms.set(left);
        Some(done)
    }

    /// The numbers that an expression can be; money in major units, durations in milliseconds.
    pub(super) fn range(&self, expr: &Expr, known: &Known) -> Range {
        let own = self.natural(expr, known);
        match known.numbers.get(&expr.identity()) {
            Some(range) => own.meet(*range),
            None => own,
        }
    }

    fn natural(&self, expr: &Expr, known: &Known) -> Range {
        let of = |expr: &Expr| self.range(expr, known);
        match &expr.kind {
            ExprKind::Number(number) => Range::point(number.number()),
            ExprKind::Duration(ms) => Range::point(crate::time::ms_as_f64(*ms)),
            ExprKind::Param(name) => self.param(name),
            ExprKind::Name(name) => self.named(name),
            ExprKind::Negative(inner) => of(inner).negative(),
            ExprKind::Arithmetic(op, a, b) => match op {
                Arithmetic::Add => of(a).plus(of(b)),
                Arithmetic::Sub => of(a).plus(of(b).negative()),
                Arithmetic::Mul => of(a).times(of(b)),
                Arithmetic::Div => of(a).over(of(b)),
            },
            ExprKind::Call(name, _, args) => self.called(name, args, known),
            _ => Range::ALL,
        }
    }

    fn called(&self, name: &str, args: &[Expr], known: &Known) -> Range {
        let ranges = || args.iter().map(|arg| self.range(arg, known));
        let folded = |join: fn(Range, Range) -> Range| ranges().reduce(join).unwrap_or(Range::ALL);
        match (name, args) {
            ("local_hour", _) => Range::whole(0.0, 23.0),
            ("local_weekday", _) => Range::whole(1.0, 7.0),
            ("coverage", _) => Range::SHARE,
            ("km_between", _) => Range::between(0.0, KM_MAX),
            ("kmh", _) => Range::between(0.0, KMH_MAX),
            ("abs", [one]) => self.range(one, known).absolute(),
            ("ratio", [a, b]) => self.range(a, known).over(self.range(b, known)),
            ("coalesce", _) => folded(Range::join),
            ("min", _) => folded(|a, b| a.extreme(b, f64::min)),
            ("max", _) => folded(|a, b| a.extreme(b, f64::max)),
            _ => Range::ALL,
        }
    }

    fn param(&self, name: &str) -> Range {
        let Some(entry) = self.resolver.params.get(name) else { return Range::ALL };
        let Some(value) = entry.value else { return Range::ALL };
        let current = Range::point(as_decimal(value).number());
        let (min, max) = (entry.text.min, entry.text.max);
        if self.params == Params::Current || min.is_none() && max.is_none() {
            return current;
        }
        let low = min.map_or(f64::NEG_INFINITY, |min| min.number());
        let high = max.map_or(f64::INFINITY, |max| max.number());
        Range::between(low, high).join(current)
    }

    fn named(&self, name: &str) -> Range {
        if let Some(entry) = self.resolver.aggregates.get(name) {
            return self.aggregated(entry.text);
        }
        // A negative one is a dead letter.
        if name == "tx.amount" {
            return Range::POSITIVE;
        }
        match name.split_once('.') {
            // A model's score is a share.
            Some(("model", _)) if self.resolver.schema.slot(name).is_none() => Range::SHARE,
            Some(("signal", signal)) => {
                let depth = self.signals.get();
                let value = self.resolver.signals.get(signal).and_then(|entry| entry.text.value.as_ref());
                let Some(value) = value.filter(|_| depth < SIGNALS_MAX) else { return Range::ALL };
                self.signals.set(depth + 1);
                let range = self.range(value, &Known::default());
                self.signals.set(depth);
                range
            }
            _ => Range::ALL,
        }
    }

    /// The results of an aggregate. Over a field that is never negative, none is.
    fn aggregated(&self, text: &AggregateText) -> Range {
        let of_field =
            || text.value.as_ref().map_or(Range::ALL, |value| self.range(value, &Known::default()));
        match text.op {
            Some(OpText::Count) => Range::whole(0.0, f64::INFINITY),
            Some(OpText::Distinct) => Range::whole(0.0, f64::from(text.distinct_max)),
            Some(OpText::Rate | OpText::Stddev) => Range::POSITIVE,
            Some(OpText::Ratio | OpText::Rank) => Range::SHARE,
            Some(_) if of_field().low >= 0.0 => Range::POSITIVE,
            Some(_) | None => Range::ALL,
        }
    }

    /// The words that an expression can be, if it is a text, one of a set or yes/no.
    pub(super) fn words(&self, expr: &Expr, known: &Known) -> Option<Words> {
        let own = match &expr.kind {
            ExprKind::Text(text) => Words::only([text.as_str()]),
            ExprKind::Bool(truth) => Words::only([if *truth { "true" } else { "false" }]),
            ExprKind::Name(name) => self.words_of(&self.kind(name)?)?,
            ExprKind::Call(name, ..) if is_test(name) => Words::only(["true", "false"]),
            ExprKind::Call(name, _, args) if name == "coalesce" => {
                let all: Option<Vec<Words>> = args.iter().map(|arg| self.words(arg, known)).collect();
                // Without a join of words, the set is not narrowed.
                all.map(|_| Words::any())?
            }
            _ => return None,
        };
        Some(match known.words.get(&expr.identity()) {
            Some(words) => own.meet(words),
            None => own,
        })
    }

    fn words_of(&self, kind: &Kind) -> Option<Words> {
        match kind {
            Kind::OneOf(codes) => Some(Words::only(codes.values().iter().map(String::as_str))),
            Kind::Bool => Some(Words::only(["true", "false"])),
            Kind::Text => Some(Words::any()),
            _ => None,
        }
    }

    /// The kind of a field or a fact.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        if self.resolver.terms.contains_key(name) {
            return None;
        }
        if let Some(entry) = self.resolver.aggregates.get(name) {
            return match &entry.fact {
                Resolution::Done(Some(fact)) => Some(fact.kind.clone()),
                _ => None,
            };
        }
        let slot = self.resolver.schema.slot(name)?;
        Some(self.resolver.schema.field(slot).kind.clone())
    }

    /// The range of a parameter as it is written, if the expression reads one.
    pub(super) fn reads_param(&self, expr: &Expr) -> Option<(String, ParamValue)> {
        let mut found = None;
        expr.walk(&mut |part| {
            if let ExprKind::Param(name) = &part.kind
                && let Some(value) = self.resolver.params.get(name.as_str()).and_then(|entry| entry.value)
            {
                found.get_or_insert((name.clone(), value));
            }
        });
        found
    }
}

/// Whether a function gives yes/no.
pub(super) fn is_test(name: &str) -> bool {
    ["is_multiple_of", "starts_with", "matches", "seen_before"].contains(&name)
}
