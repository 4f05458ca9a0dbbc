//! The evaluator: one pass over operations, no recursion, no allocation.
//!
//! It does not depend on where operations come from.

use super::op::Op;
use super::shared::Shared;
use super::trace::{Fired, Trace};
use crate::function::{self, Local};
use crate::schema::EVENT_TIME;
use crate::time::ms_as_f64;
use crate::value::{Geo, Registers, Slot, TextSource, number_word};
use jiff::tz::TimeZone;

const TRUE: Option<u64> = Some(1);
const FALSE: Option<u64> = Some(0);

/// Runs operations in order.
pub(super) fn run<T: Trace>(
    ops: &[Op],
    shared: &Shared,
    registers: &mut Registers,
    texts: &dyn TextSource,
    fired: &mut Fired,
    trace: &mut T,
) {
    let r = registers;
    let mut at = 0;
    while let Some(op) = ops.get(at) {
        at += 1;
        let (to, word) = match *op {
            Op::SkipIfFalse { a, to } => {
                if r.get(a) == FALSE {
                    at = index(to);
                }
                continue;
            }
            Op::Judge { rule, a } => {
                judge(index(rule), r.get(a), fired, trace);
                continue;
            }
            Op::CompareTo { to, op, a, value } => {
                (to, r.number(a).map(|a| u64::from(function::compares(op, a, value))))
            }
            Op::Compare { to, op, a, b } => {
                (to, numbers(r, a, b).map(|(a, b)| u64::from(function::compares(op, a, b))))
            }
            Op::CompareMajor { to, op, a, amount } => {
                let sides = r.number(a).zip(shared.amount(amount, r));
                (to, sides.map(|(a, b)| u64::from(function::compares(op, a, b))))
            }
            Op::SameTo { to, a, word } => (to, r.get(a).map(|a| u64::from(a == word))),
            Op::Same { to, a, b } => (to, r.get(a).zip(r.get(b)).map(|(a, b)| u64::from(a == b))),
            Op::Not { to, a } => (to, r.get(a).map(|word| word ^ 1)),
            Op::And { to, a, b } => (to, both(r.get(a), r.get(b))),
            Op::Or { to, a, b } => (to, either(r.get(a), r.get(b))),
            Op::Known { to, a } => (to, Some(u64::from(r.is_known(a)))),
            Op::Coalesce { to, a, b } => (to, r.get(a).or(r.get(b))),
            Op::Load { to, word } => (to, Some(word)),
            other => rarer(other, shared, r, texts),
        };
        r.put(to, word);
        trace.computed(to, word);
    }
}

#[inline]
fn judge<T: Trace>(rule: usize, word: Option<u64>, fired: &mut Fired, trace: &mut T) {
    let holds = word.map(|word| word == 1);
    match holds {
        Some(true) => fired.rules.push(rule),
        Some(false) => {}
        None => fired.unknown.push(rule),
    }
    trace.judged(rule, holds);
}

#[inline]
fn truth(value: bool) -> Option<u64> {
    Some(u64::from(value))
}

#[inline]
fn number(value: Option<f64>) -> Option<u64> {
    value.map(number_word)
}

#[inline]
fn numbers(registers: &Registers, a: Slot, b: Slot) -> Option<(f64, f64)> {
    Some((registers.number(a)?, registers.number(b)?))
}

/// Operations that cost more than a call: the register that they write, and its word.
fn rarer(op: Op, shared: &Shared, r: &Registers, texts: &dyn TextSource) -> (Slot, Option<u64>) {
    match op {
        Op::Arithmetic { to, op, a, b, money } => {
            (to, number(numbers(r, a, b).and_then(|(a, b)| function::arithmetic(op, a, b, money))))
        }
        Op::Major { to, amount } => (to, number(shared.amount(amount, r))),
        Op::Within { to, a, set } => (to, r.get(a).and_then(|word| truth(contains(shared, set, word)))),
        Op::Listed { to, a, list } => (to, r.get(a).and_then(|word| listed(shared, list, word, r))),
        Op::Unary { to, op, a } => (to, number(r.number(a).and_then(|a| function::unary(op, a)))),
        Op::Extreme { to, op, a, b } => {
            (to, number(numbers(r, a, b).map(|(a, b)| function::extreme(op, a, b))))
        }
        Op::MultipleOf { to, a, b } => {
            (to, numbers(r, a, b).and_then(|(a, b)| function::multiple_of(a, b)).map(u64::from))
        }
        Op::KmBetween { to, a, b } => {
            let places = r.get(a).zip(r.get(b));
            (to, number(places.map(|(a, b)| function::km_between(Geo::unpack(a), Geo::unpack(b)))))
        }
        Op::LocalIn { to, what, zone } => (to, number(local(what, shared.zones.get(index(zone)), r))),
        Op::LocalOf { to, what, a } => {
            let zone = r.get(a).and_then(|hash| shared.zones_by_name.find(hash));
            (to, number(local(what, zone, r)))
        }
        Op::Text { to, field, pattern, .. } => {
            let pattern = &shared.patterns[index(pattern)];
            (to, texts.text(field).and_then(|text| truth(pattern.holds(text))))
        }
        Op::Unknown { to } => (to, None),
        _ => unreachable!("every other operation is handled by the caller"),
    }
}

#[inline]
fn both(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (FALSE, _) | (_, FALSE) => FALSE,
        (Some(_), Some(_)) => TRUE,
        _ => None,
    }
}

#[inline]
fn either(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (TRUE, _) | (_, TRUE) => TRUE,
        (Some(_), Some(_)) => FALSE,
        _ => None,
    }
}

fn contains(shared: &Shared, set: u32, word: u64) -> bool {
    let set = &shared.sets[index(set)];
    match set.len() {
        0..=8 => set.contains(&word),
        _ => set.binary_search(&word).is_ok(),
    }
}

/// Whether a word is in a list whose entries end, at the event's time.
fn listed(shared: &Shared, list: u32, word: u64, r: &Registers) -> Option<u64> {
    let list = &shared.lists[index(list)];
    let at = r.number(EVENT_TIME)?;
    let entry = list.binary_search_by_key(&word, |(held, _)| *held);
    truth(entry.is_ok_and(|entry| at < ms_as_f64(list[entry].1)))
}

fn local(what: Local, zone: Option<&TimeZone>, r: &Registers) -> Option<f64> {
    function::local(what, zone?, r.number(EVENT_TIME)?)
}

#[inline]
fn index(number: u32) -> usize {
    usize::try_from(number).expect("a usize holds 32 bits")
}
