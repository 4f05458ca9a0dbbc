//! The slow truth: every ledger a plain list of accepted events, every aggregate a filter and a textbook formula.

use crate::world::{Answer, DEVICE, Event, LABEL, MCC, RISK, condition};
use std::collections::{BTreeMap, BTreeSet};
use tripline_core::ledger::LedgerLimits;
use tripline_rules::aggregate::{Aggregate, AggregatePlan, Op};
use tripline_rules::schema::{EVENT_TIME, EVENT_TYPE, TX_AMOUNT, TX_DECLINED};
use tripline_rules::value::Slot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    New { out_of_order: bool },
    Duplicate,
    Conflict,
}

#[derive(Default)]
struct Ledger {
    rows: Vec<Event>,
    /// Time of the newest row that the cap dropped, until a newer row has expired.
    dropped: Option<i64>,
}

const ASLEEP: i64 = 2 * 86_400_000;

impl Ledger {
    /// The time at or before which rows are gone, for whoever reads all rows: that of the retention, but before the
    /// newest expired row if no row followed within two days.
    fn kept_after(&self, retained_after: i64) -> i64 {
        let times = || self.rows.iter().map(|row| row.at);
        let Some(newest) = times().filter(|at| *at <= retained_after).max() else { return retained_after };
        match times().filter(|at| *at > newest).min() {
            Some(next) if next - newest < ASLEEP => retained_after,
            _ => newest - 1,
        }
    }

    /// Whether a row of that time, if it were there, would be held or kept.
    fn would_keep(&self, at: i64, retained_after: i64) -> bool {
        let next = self.rows.iter().map(|row| row.at).filter(|next| *next > at).min();
        at > retained_after || next.is_none_or(|next| next > retained_after && next - at >= ASLEEP)
    }

    fn expire(&mut self, retained_after: i64) {
        let expired = self.rows.iter().map(|row| row.at).filter(|at| *at <= retained_after).max();
        if expired > self.dropped {
            self.dropped = None;
        }
        let kept_after = self.kept_after(retained_after);
        self.rows.retain(|row| row.at > kept_after);
    }
}

pub struct Oracle {
    ledgers: BTreeMap<u128, Ledger>,
    limits: LedgerLimits,
    watermark: i64,
}

/// A field of an event as a whole number of its units.
fn value(event: &Event, slot: Slot) -> Option<i64> {
    match slot {
        EVENT_TIME => Some(event.at),
        EVENT_TYPE => Some(event.event_type.into()),
        TX_AMOUNT => event.amount,
        TX_DECLINED => event.declined.map(i64::from),
        MCC => event.mcc.map(u64::cast_signed),
        DEVICE => event.device.map(u64::cast_signed),
        RISK => event.risk,
        other => panic!("no field {other:?}"),
    }
}

fn units(slot: Option<Slot>) -> f64 {
    if slot == Some(RISK) { 1e6 } else { 1.0 }
}

/// A value as the register of `last` or `min` holds it.
fn word(number: i64, slot: Slot) -> u64 {
    match slot {
        MCC | DEVICE | EVENT_TYPE | TX_DECLINED => number.cast_unsigned(),
        RISK => (number as f64 / 1e6).to_bits(),
        _ => (number as f64).to_bits(),
    }
}

impl Oracle {
    pub fn new(limits: LedgerLimits) -> Oracle {
        Oracle { ledgers: BTreeMap::new(), limits, watermark: i64::MIN }
    }

    pub fn insert(&mut self, event: &Event) -> Verdict {
        self.watermark = self.watermark.max(event.at);
        let recognised_after = self.watermark - self.limits.lateness - 300_000;
        let cap = usize::from(self.limits.rows_per_ledger);
        let ledger = self.ledgers.entry(event.key).or_default();
        let identity = |row: &&Event| (row.event_type, row.id) == (event.event_type, event.id);
        if let Some(row) = ledger.rows.iter().filter(|row| row.at > recognised_after).find(identity) {
            return if row == event { Verdict::Duplicate } else { Verdict::Conflict };
        }
        // An event sees the newest rows that were held before it, and itself; of one time, in the order of the log.
        ledger.expire(self.watermark - self.limits.retention);
        while ledger.rows.len() > cap {
            ledger.dropped = ledger.dropped.max(Some(ledger.rows.remove(0).at));
        }
        let out_of_order = ledger.rows.iter().any(|row| row.at > event.at);
        ledger.rows.push(event.clone());
        ledger.rows.sort_by_key(|row| row.at);
        Verdict::New { out_of_order }
    }

    fn held_after(&self) -> i64 {
        self.watermark - self.limits.retention
    }

    /// Rows that are held at the end, oldest first.
    pub fn held(&self, key: u128) -> Vec<Event> {
        let held = |row: &&Event| row.at > self.held_after();
        self.ledgers
            .get(&key)
            .map(|ledger| ledger.rows.iter().filter(held).cloned().collect())
            .unwrap_or_default()
    }

    /// The row with that id that a reference means: the newest of the type that is named; without one the newest that
    /// is no follow-up, or else the newest that is no label.
    pub fn find(&self, key: u128, id: u64, named: Option<u16>) -> Option<Event> {
        let is_type = |of: u16| named.map_or(of != LABEL, |named| of == named);
        let held = self.held(key);
        let newest = |is_meant: &dyn Fn(&Event) -> bool| {
            held.iter().rev().find(|row| row.id == id && is_type(row.event_type) && is_meant(row)).cloned()
        };
        newest(&|row| named.is_some() || !row.is_follow_up).or_else(|| newest(&|_| true))
    }

    pub fn facts(&self, event: &Event, plan: &AggregatePlan) -> Vec<Answer> {
        plan.aggregates.iter().map(|aggregate| self.fact(event, plan, aggregate)).collect()
    }

    fn fact(&self, event: &Event, plan: &AggregatePlan, aggregate: &Aggregate) -> Answer {
        let lane = &plan.lanes[aggregate.lane].fields;
        if lane.iter().any(|slot| value(event, *slot).is_none()) {
            return (None, false);
        }
        let to = event.at - aggregate.delay;
        let ledger = &self.ledgers[&event.key];
        let from = match aggregate.over {
            Some(over) => (to - over).max(self.held_after()),
            None => ledger.kept_after(self.held_after()),
        };
        let rows: Vec<&Event> = ledger
            .rows
            .iter()
            .filter(|row| row.at > from && row.at <= to)
            .filter(|row| lane.iter().all(|slot| value(row, *slot) == value(event, *slot)))
            .filter(|row| aggregate.filter.is_none_or(|tag| condition(tag.0.into(), row)))
            .filter(|row| {
                aggregate.include_current
                    || (row.event_type, row.id, row.at) != (event.event_type, event.id, event.at)
            })
            .filter(|row| aggregate.value.is_none_or(|slot| value(row, slot).is_some()))
            .filter(|row| aggregate.follow_ups || !row.is_follow_up)
            .filter(|row| aggregate.value != Some(TX_AMOUNT) || row.currency == event.currency)
            .collect();
        let capped = ledger.dropped.is_some_and(|dropped| {
            dropped > from || aggregate.over.is_none() && ledger.would_keep(dropped, self.held_after())
        });
        if rows.len() < aggregate.at_least as usize {
            return (None, capped);
        }
        let answer = computed(event, aggregate, &rows);
        let stopped =
            matches!(aggregate.op, Op::Distinct { max } if answer == Some(f64::from(max).to_bits()));
        (answer, capped || stopped)
    }
}

fn computed(event: &Event, aggregate: &Aggregate, rows: &[&Event]) -> Option<u64> {
    let n = rows.len();
    let slot = aggregate.value;
    let values: Vec<i64> =
        slot.map_or(Vec::new(), |slot| rows.iter().map(|row| value(row, slot).unwrap()).collect());
    let newest: Vec<i64> = values.iter().rev().take(128).copied().collect();
    let sorted = {
        let mut sorted = newest.clone();
        sorted.sort_unstable();
        sorted
    };
    let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
    let plain = |number: Option<f64>| number.map(|number| (number + 0.0).to_bits());
    let given = |number: Option<i64>| number.map(|number| word(number, slot.unwrap()));
    match aggregate.op {
        Op::Count => plain(Some(n as f64)),
        Op::Sum if slot == Some(RISK) => plain(Some(decimal(sum))),
        Op::Sum => plain((sum.abs() <= 1 << 53).then_some(sum as f64)),
        Op::Avg if n == 0 => None,
        Op::Avg => plain(Some(sum as f64 / (n as f64 * units(slot)))),
        Op::Min => given(values.iter().min().copied()),
        Op::Max => given(values.iter().max().copied()),
        Op::Last => given(values.last().copied()),
        Op::First => given(values.first().copied()),
        Op::Nth(nth) => given(values.iter().rev().nth(nth as usize - 1).copied()),
        Op::Stddev if n < 2 => None,
        Op::Stddev => {
            // n·Σx² − (Σx)² is the sum of the squared differences of all pairs.
            let pairs = (0..n).flat_map(|one| (0..one).map(move |other| (one, other)));
            let apart = |(one, other): (usize, usize)| i128::from(values[one]) - i128::from(values[other]);
            let spread: i128 = pairs.map(|pair| apart(pair).pow(2)).sum();
            plain(Some((spread as f64 / (n as i128 * (n as i128 - 1)) as f64).sqrt() / units(slot)))
        }
        Op::Median => plain(median(&sorted).map(|median| median / units(slot))),
        Op::Quantile(q) => plain(quantile(&sorted, q).map(|quantile| quantile / units(slot))),
        Op::TrimmedMean => {
            let cut = (sorted.len() as f64 * 0.1).floor() as usize;
            let middle = &sorted[cut..sorted.len() - cut];
            let total: i128 = middle.iter().map(|value| i128::from(*value)).sum();
            plain((!middle.is_empty()).then(|| total as f64 / middle.len() as f64 / units(slot)))
        }
        Op::Distinct { max } => {
            let different: BTreeSet<i64> = values.into_iter().collect();
            plain(Some((different.len() as f64).min(f64::from(max))))
        }
        Op::Rate => plain(aggregate.over.map(|over| n as f64 * 86_400_000.0 / over as f64)),
        Op::Ratio(_) if n == 0 => None,
        Op::Ratio(tag) => {
            let hits = rows.iter().filter(|row| condition(tag.0.into(), row)).count();
            plain(Some(hits as f64 / n as f64))
        }
        Op::Rank => {
            let own = value(event, slot.unwrap())?;
            let below = newest.iter().filter(|value| **value < own).count();
            plain((!newest.is_empty()).then(|| below as f64 / newest.len() as f64))
        }
    }
}

/// Millionths, read as a decimal.
fn decimal(millionths: i128) -> f64 {
    let (whole, rest) = (millionths.unsigned_abs() / 1_000_000, millionths.unsigned_abs() % 1_000_000);
    let sign = if millionths < 0 { "-" } else { "" };
    format!("{sign}{whole}.{rest:06}").parse().unwrap()
}

fn median(sorted: &[i64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle] as f64),
        _ => Some((sorted[middle - 1] + sorted[middle]) as f64 / 2.0),
    }
}

fn quantile(sorted: &[i64], q: f64) -> Option<f64> {
    let rank = q * (sorted.len().checked_sub(1)? as f64);
    let (below, above) = (rank.floor() as usize, rank.ceil() as usize);
    Some(sorted[below] as f64 + (sorted[above] - sorted[below]) as f64 * (rank - rank.floor()))
}
