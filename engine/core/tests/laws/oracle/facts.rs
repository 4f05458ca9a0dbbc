//! What a look back is worth, by filtering every row held.

use super::record::Fields;
use super::truth::{Number, Truth};
use std::collections::{BTreeMap, BTreeSet};

/// Fields of a row that a later event has overwritten.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Amended {
    pub amount: bool,
    pub declined: bool,
    pub reversed: bool,
}

impl Amended {
    /// Without the overwritten fields: what they were is not remembered.
    pub(crate) fn unchanged(self, fields: &Fields) -> Fields {
        Fields {
            amount: fields.amount.filter(|_| !self.amount),
            declined: fields.declined.filter(|_| !self.declined),
            reversed: fields.reversed.filter(|_| !self.reversed),
            ..fields.clone()
        }
    }
}

/// One accepted event.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Number of its arrival in its key space: the order among rows of one time.
    pub arrival: usize,
    pub at: i64,
    pub kind: String,
    /// Whether it is about an earlier event.
    pub is_follow_up: bool,
    pub id: String,
    pub account: String,
    /// As it was sent; a repeat must say the same.
    pub sent: Fields,
    /// With what it inherited and what later events amended.
    pub fields: Fields,
    /// What other events amended.
    pub amended: Amended,
    /// The event that it says something about, and what.
    pub says: Option<(String, Fields)>,
    /// What events that came before it say about it, with their types.
    pub said_before: Vec<(String, Fields)>,
}

/// Reads a number of a row, in its smallest unit.
pub(crate) type Reads = fn(&Row) -> Option<i64>;
/// Reads a text of a row.
pub(crate) type Names = fn(&Row) -> Option<&str>;
/// A condition over a row.
pub(crate) type Holds = fn(&Row) -> Truth;

/// Units of one value's smallest unit in what a rule sees: money stays in cents, risk points are whole points.
#[derive(Clone, Copy)]
pub(crate) enum Op {
    Count,
    Rate,
    Sum(Reads, f64),
    Avg(Reads, f64),
    Stddev(Reads, f64),
    Min(Reads),
    Max(Reads),
    Median(Reads, f64),
    Trimmed(Reads),
    Quantile(Reads, f64),
    Rank(Reads),
    First(Reads),
    Last(Reads),
    Nth(Reads, usize),
    LastText(Names),
    Distinct(Names, usize),
    Ratio(Holds),
}

/// One look back.
pub(crate) struct Look {
    pub name: &'static str,
    pub op: Op,
    /// What a row must share with the event beside the ledger's own key: all of these, known.
    pub lane: &'static [Names],
    pub over: Option<i64>,
    pub delay: i64,
    pub filter: Holds,
    /// Whether the condition names its event types or reads a label.
    pub follow_ups: bool,
    pub current: bool,
    pub at_least: usize,
}

/// The facts of one event by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub numbers: BTreeMap<&'static str, f64>,
    pub texts: BTreeMap<&'static str, String>,
}

impl Facts {
    pub(crate) fn number(&self, name: &str) -> Number {
        self.numbers.get(name).copied()
    }
}

const ORDER_ROWS: usize = 128;

impl Look {
    /// Computes this look back at row `own`, over the rows held of its ledger.
    pub(crate) fn at(&self, own: &Row, held: &[&Row], facts: &mut Facts) {
        if self.lane.iter().any(|name| name(own).is_none()) {
            return;
        }
        let end = own.at - self.delay;
        let mut rows: Vec<&Row> = held
            .iter()
            .copied()
            .filter(|row| row.at <= end && self.over.is_none_or(|over| row.at > end - over))
            .filter(|row| self.lane.iter().all(|name| name(row) == name(own)))
            .filter(|row| self.current || row.arrival != own.arrival)
            .filter(|row| (self.filter)(row) == Some(true))
            .filter(|row| self.follow_ups || !row.is_follow_up)
            .filter(|row| self.has_value(row))
            .collect();
        rows.sort_by_key(|row| (row.at, row.arrival));
        if rows.len() < self.at_least {
            return;
        }
        if let Op::LastText(name) = self.op {
            let last = rows.last().and_then(|row| name(row));
            facts.texts.extend(last.map(|text| (self.name, text.to_owned())));
        } else if let Some(number) = self.number(own, &rows) {
            facts.numbers.insert(self.name, number);
        }
    }

    fn has_value(&self, row: &Row) -> bool {
        match self.op {
            Op::Count | Op::Rate | Op::Ratio(_) => true,
            Op::LastText(name) | Op::Distinct(name, _) => name(row).is_some(),
            Op::Sum(read, _) | Op::Avg(read, _) | Op::Stddev(read, _) | Op::Median(read, _) => {
                read(row).is_some()
            }
            Op::Min(read) | Op::Max(read) | Op::Trimmed(read) | Op::Quantile(read, _) => read(row).is_some(),
            Op::Rank(read) | Op::First(read) | Op::Last(read) | Op::Nth(read, _) => read(row).is_some(),
        }
    }

    /// `rows`: those that match, oldest first.
    fn number(&self, own: &Row, rows: &[&Row]) -> Number {
        let all = |read: Reads| -> Vec<i64> { rows.iter().filter_map(|row| read(row)).collect() };
        let newest = |read: Reads| -> Vec<i64> {
            let mut values = all(read);
            values.drain(..values.len().saturating_sub(ORDER_ROWS));
            values.sort_unstable();
            values
        };
        let count = rows.len();
        match self.op {
            Op::Count => Some(count as f64),
            Op::Rate => Some(count as f64 * 86_400_000.0 / self.over? as f64),
            Op::Sum(read, unit) => Some(sum(&all(read)) as f64 / unit),
            Op::Avg(read, unit) => share(sum(&all(read)) as f64 / unit, count),
            Op::Stddev(read, unit) => stddev(&all(read)).map(|deviation| deviation / unit),
            Op::Min(read) => all(read).into_iter().min().map(|value| value as f64),
            Op::Max(read) => all(read).into_iter().max().map(|value| value as f64),
            Op::Median(read, unit) => quantile(&newest(read), 0.5).map(|value| value / unit),
            Op::Quantile(read, q) => quantile(&newest(read), q),
            Op::Trimmed(read) => trimmed(&newest(read)),
            Op::Rank(read) => {
                let (mine, values) = (read(own)?, newest(read));
                share(values.iter().filter(|value| **value < mine).count() as f64, values.len())
            }
            Op::First(read) => all(read).first().map(|value| *value as f64),
            Op::Last(read) => all(read).last().map(|value| *value as f64),
            Op::Nth(read, n) => all(read).into_iter().rev().nth(n - 1).map(|value| value as f64),
            Op::Distinct(name, most) => {
                let different: BTreeSet<&str> = rows.iter().filter_map(|row| name(row)).collect();
                Some(different.len().min(most) as f64)
            }
            Op::Ratio(holds) => {
                share(rows.iter().filter(|row| holds(row) == Some(true)).count() as f64, count)
            }
            Op::LastText(_) => None,
        }
    }
}

fn sum(values: &[i64]) -> i128 {
    values.iter().map(|value| i128::from(*value)).sum()
}

fn share(part: f64, of: usize) -> Number {
    (of > 0).then(|| part / of as f64)
}

fn stddev(values: &[i64]) -> Number {
    let n = values.len() as i128;
    let squares: i128 = values.iter().map(|value| i128::from(*value) * i128::from(*value)).sum();
    let spread = n * squares - sum(values) * sum(values);
    (n >= 2).then(|| (spread as f64 / (n * (n - 1)) as f64).sqrt())
}

/// Linear between ranks, of sorted values.
fn quantile(sorted: &[i64], q: f64) -> Number {
    let last = sorted.len().checked_sub(1)?;
    let rank = q * last as f64;
    let below = (0..=last).rev().find(|below| *below as f64 <= rank)?;
    let (low, high) = (sorted[below] as f64, sorted[(below + 1).min(last)] as f64);
    Some(low + (rank - below as f64) * (high - low))
}

/// Mean without a tenth of the sorted values on each side.
fn trimmed(sorted: &[i64]) -> Number {
    let off = sorted.len() / 10;
    let middle = &sorted[off..sorted.len() - off];
    share(sum(middle) as f64, middle.len())
}

/// Whether the event changed the row it refers to.
pub(crate) fn amend(target: &mut Row, kind: &str, by: &Fields) -> bool {
    let before = target.fields.clone();
    let (fields, amended) = (&mut target.fields, &mut target.amended);
    match kind {
        "outcome" if by.declined.is_some() => (fields.declined, amended.declined) = (by.declined, true),
        "reversal" => (fields.reversed, amended.reversed) = (Some(true), true),
        "clearing" if by.amount.is_some() => (fields.amount, amended.amount) = (by.amount, true),
        _ => {}
    }
    target.fields != before
}
