//! Accounts whose currency is stated, known from an amount or not at all, and changes: no figure mixes two.

use crate::dice::{Dice, streams};
use crate::engine::{Record, Setup, Way};
use std::collections::{BTreeMap, BTreeSet};
use tripline_core::decode::{CurrencySource, Reason};
use tripline_rules::money::Currency;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase|login|clearing|label
  tx.amount: money in account.currency
  account.balance: money in account.currency
keep: [tx.amount, account.balance, label.outcome]
";
const PACK: &str = "version: 1
pack: p
owner: a
timezone: UTC
aggregates:
  sum: {sum: tx.amount, over: 1h}
  events: {count: events, over: 1h}
  mean: {avg: tx.amount, over: 1h, include_current: false}
  most: {max: account.balance, over: 1h}
  last: {last: tx.amount}
  second: {nth: tx.amount, n: 2}
  values: {distinct: tx.amount, over: 1h}
  rank: {rank: tx.amount, over: 1h}
  large: {count: events, over: 1h, where: tx.amount >= 50}
  fraud: {sum: tx.amount, over: 1h, where: label.outcome == \"fraud\"}
  bought: {sum: tx.amount, over: 1h, where: event.type == \"purchase\"}
features: {f0: sum, f1: events, f2: mean, f3: most, f4: last, f5: second, f6: values, f7: rank, f8: large, f9: fraud, f10: bought}
";
const CURRENCIES: [&str; 3] = ["JPY", "EUR", "KWD"];
const NOON: i64 = 1_709_294_400_000;
const HOUR: i64 = 3_600_000;

/// An event as it is sent; amounts in minor units.
#[derive(Clone, Debug)]
struct Sent {
    id: String,
    at: i64,
    appended: i64,
    kind: &'static str,
    reference: Option<String>,
    stated: Option<&'static str>,
    amount: Option<(i64, &'static str)>,
    balance: Option<i64>,
}

/// A row by hand.
#[derive(Clone, Debug)]
struct Row {
    id: String,
    at: i64,
    /// Rows of one time are in the order of the log.
    place: usize,
    kind: &'static str,
    is_follow_up: bool,
    /// The event that it clears for another amount.
    clears: Option<String>,
    currency: Option<&'static str>,
    amount: Option<i64>,
    balance: Option<i64>,
    is_fraud: bool,
}

#[derive(Debug, Default)]
struct Seen {
    streams: u64,
    events: u64,
    of_several_currencies: u64,
    figures_that_left_out_another: u64,
    lent: u64,
    mismatches: u64,
    foreign_references: u64,
    late: u64,
}

fn places(currency: &str) -> usize {
    Currency::by_code(currency).unwrap().exponent().into()
}

fn written(minor: i64, currency: &str) -> String {
    let places = places(currency);
    let digits = format!("{minor:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if places == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

impl Sent {
    fn json(&self) -> String {
        let mut json = format!(
            r#"{{"event_id":"{}","event_type":"{}","event_time":{},"account_id":"A""#,
            self.id, self.kind, self.at
        );
        let mut put = |key: &str, value: &str| json.push_str(&format!(r#","{key}":"{value}""#));
        self.reference.iter().for_each(|reference| put("event_ref", reference));
        self.stated.iter().for_each(|currency| put("account_currency", currency));
        if let Some((minor, currency)) = self.amount {
            put("tx_amount", &written(minor, currency));
            put("currency", currency);
        }
        let of_balance = self.stated.or(self.amount.map(|(_, currency)| currency));
        self.balance
            .iter()
            .for_each(|minor| put("account_balance", &written(*minor, of_balance.unwrap_or("EUR"))));
        if self.kind == "label" {
            put("label_outcome", "fraud");
        }
        json.push('}');
        json
    }

    /// The currency that the event tells, or why it is refused.
    fn currency(&self) -> Result<Option<&'static str>, Reason> {
        match (self.stated, self.amount) {
            (Some(stated), Some((_, own))) if stated != own => Err(Reason::CurrencyMismatch),
            (None, None) if self.balance.is_some() => Err(Reason::BadMoney),
            (stated, amount) => Ok(stated.or(amount.map(|(_, currency)| currency))),
        }
    }
}

fn stream(dice: &mut Dice) -> Vec<Sent> {
    let mut account = dice.pick(&CURRENCIES);
    let mut now = NOON;
    let mut sent: Vec<Sent> = Vec::new();
    for number in 0..8 + dice.below(40) {
        now += dice.pick(&[0, 0, 1, 60_000, 600_000, HOUR - 1, HOUR]);
        if dice.percent(8) {
            account = dice.pick(&CURRENCIES);
        }
        let kind = dice.pick(&["purchase", "purchase", "purchase", "login", "login", "clearing", "label"]);
        let refers = matches!(kind, "clearing" | "label") || dice.percent(5);
        let has_amount = matches!(kind, "purchase" | "clearing") && dice.percent(80);
        let currency = if dice.percent(6) { dice.pick(&CURRENCIES) } else { account };
        let back = if dice.percent(20) { dice.pick(&[1, 60_000, HOUR, 3 * HOUR]) } else { 0 };
        sent.push(Sent {
            id: format!("e{number}"),
            at: now - back,
            appended: now,
            kind,
            reference: (refers && number > 0 && dice.percent(90)).then(|| format!("e{}", dice.below(number))),
            stated: dice.percent(50).then_some(account),
            amount: has_amount.then(|| (dice.pick(&[1, 49, 50, 4_999, 5_000, 50_000, 123_456]), currency)),
            balance: dice.percent(15).then(|| dice.pick(&[0, 700, 90_001])),
        });
    }
    sent
}

/// Takes the event in; gives back its row and the currency that it is judged in.
fn insert(
    rows: &mut Vec<Row>,
    sent: &Sent,
    own: Option<&'static str>,
    seen: &mut Seen,
) -> (Row, Option<&'static str>) {
    let newest = |rows: &[Row], id: &str| {
        let same = (0..rows.len()).filter(|at| rows[*at].id == id && rows[*at].kind != "label");
        same.max_by_key(|at| (rows[*at].at, rows[*at].place))
    };
    let mut row = Row {
        id: sent.id.clone(),
        at: sent.at,
        place: rows.len(),
        kind: sent.kind,
        is_follow_up: sent.reference.is_some() || matches!(sent.kind, "clearing" | "label"),
        clears: sent.reference.clone().filter(|_| sent.kind == "clearing" && sent.amount.is_some()),
        currency: own,
        amount: sent.amount.map(|(minor, _)| minor),
        balance: sent.balance,
        is_fraud: sent.kind == "label",
    };
    let target = sent.reference.as_ref().and_then(|reference| newest(rows, reference));
    if let Some(target) = target {
        let theirs = &rows[target];
        if own.is_none() || theirs.currency.is_none() || own == theirs.currency {
            row.amount = row.amount.or(theirs.amount);
            row.balance = row.balance.or(theirs.balance);
            row.currency = own.or(theirs.currency);
        } else {
            seen.foreign_references += 1;
        }
        row.is_fraud |= theirs.is_fraud;
    }
    seen.late += u64::from(rows.iter().any(|other| other.at > row.at));
    rows.push(row.clone());
    let theirs = target.and_then(|target| rows[target].currency);
    let counts = |other: &Row| theirs.is_none() || other.currency == theirs;
    let is_newer = |other: &Row| other.at > row.at && other.clears == row.clears && counts(other);
    let is_newest = row.clears.is_some() && !rows.iter().any(is_newer);
    if let (Some(target), Some(amount)) = (target.filter(|_| is_newest), row.amount) {
        let target = &mut rows[target];
        if target.currency.is_none() || target.currency == row.currency {
            (target.amount, target.currency) = (Some(amount), row.currency);
        }
    }
    let judged = row.currency.or_else(|| {
        let earlier = rows.iter().filter(|other| other.at <= row.at && other.currency.is_some());
        earlier.max_by_key(|other| (other.at, other.place)).and_then(|other| other.currency)
    });
    seen.lent += u64::from(row.currency.is_none() && judged.is_some());
    (row, judged)
}

fn figures(rows: &[Row], own: &Row, currency: Option<&str>, seen: &mut Seen) -> Vec<f64> {
    let mut until: Vec<&Row> = rows.iter().filter(|row| row.at <= own.at).collect();
    until.sort_by_key(|row| (row.at, row.place));
    let hour = |row: &&&Row| row.at > own.at - HOUR;
    let in_currency = |row: &&&Row| row.currency == currency;
    let amounts = |rows: Vec<&Row>| -> Vec<i64> { rows.iter().filter_map(|row| row.amount).collect() };
    let events: Vec<&Row> = until.iter().filter(|row| !row.is_follow_up).copied().collect();
    let recent: Vec<&Row> = events.iter().filter(hour).copied().collect();
    let mine: Vec<&Row> = recent.iter().filter(in_currency).copied().collect();
    seen.figures_that_left_out_another +=
        u64::from(amounts(mine.clone()).len() < amounts(recent.clone()).len());
    let unit = 10f64.powi(i32::try_from(currency.map_or(2, places)).unwrap());
    let money = |minor: Option<f64>| minor.map_or(f64::NAN, |minor| minor / unit);
    let sum = |amounts: &[i64]| amounts.iter().sum::<i64>() as f64;
    let before: Vec<i64> = amounts(mine.iter().filter(|row| row.id != own.id).copied().collect());
    let all: Vec<i64> = amounts(events.iter().filter(in_currency).copied().collect());
    let recent_amounts = amounts(mine.clone());
    let rank = own.amount.filter(|_| !recent_amounts.is_empty()).map(|own| {
        recent_amounts.iter().filter(|amount| **amount < own).count() as f64 / recent_amounts.len() as f64
    });
    let is_large = |row: &&&Row| {
        let limit = |currency| 50 * 10i64.pow(u32::try_from(places(currency)).unwrap());
        row.amount.zip(row.currency).is_some_and(|(amount, currency)| amount >= limit(currency))
    };
    let named = |is_named: &dyn Fn(&Row) -> bool| -> Vec<i64> {
        let rows = until.iter().filter(hour).filter(in_currency).filter(|row| is_named(row));
        rows.filter_map(|row| row.amount).collect()
    };
    vec![
        money(Some(sum(&recent_amounts))),
        recent.len() as f64,
        money((!before.is_empty()).then(|| sum(&before) / before.len() as f64)),
        money(mine.iter().filter_map(|row| row.balance).max().map(|minor| minor as f64)),
        money(all.last().map(|minor| *minor as f64)),
        money(all.iter().rev().nth(1).map(|minor| *minor as f64)),
        recent_amounts.iter().collect::<BTreeSet<_>>().len() as f64,
        rank.unwrap_or(f64::NAN),
        recent.iter().filter(is_large).count() as f64,
        money(Some(sum(&named(&|row| row.is_fraud)))),
        money(Some(sum(&named(&|row| row.kind == "purchase")))),
    ]
}

fn check(setup: &Setup, seed: u64, seen: &mut Seen) {
    let mut dice = Dice::new(seed);
    let sent = stream(&mut dice);
    let (mut rows, mut expected) = (Vec::new(), BTreeMap::new());
    let mut reasons: BTreeMap<Reason, u64> = BTreeMap::new();
    for event in &sent {
        match event.currency() {
            Err(reason) => *reasons.entry(reason).or_default() += 1,
            Ok(own) => {
                let (row, currency) = insert(&mut rows, event, own, seen);
                expected.insert(event.id.clone(), figures(&rows, &row, currency, seen));
            }
        }
    }
    let records: Vec<Record> = sent.iter().map(|event| (event.appended, event.json())).collect();
    let cut = usize::try_from(dice.below(records.len() as u64)).unwrap();
    for way in [Way::Live, dice.pick(&[Way::Restored, Way::Snapshot])] {
        let found = setup.run(&records, cut, way);
        if way != Way::Snapshot {
            assert_eq!(found.reasons, reasons, "stream {seed}, {way:?}");
        }
        for (id, figures) in found.features {
            let same = |a: &f64, b: &f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            let expected = &expected[&id];
            let is_same =
                figures.len() == expected.len() && figures.iter().zip(expected).all(|(a, b)| same(a, b));
            assert!(is_same, "stream {seed}, {way:?} from {cut}, {id}: {figures:?}, by hand {expected:?}");
        }
    }
    let currencies: BTreeSet<&str> = rows.iter().filter_map(|row| row.currency).collect();
    seen.of_several_currencies += u64::from(currencies.len() > 1);
    seen.mismatches += reasons.get(&Reason::CurrencyMismatch).copied().unwrap_or_default();
    (seen.streams, seen.events) = (seen.streams + 1, seen.events + sent.len() as u64);
}

#[test]
fn no_figure_mixes_currencies_and_a_change_starts_new_ones() {
    let fields = [
        "event.id",
        "event.type",
        "event.time",
        "event.ref",
        "account.id",
        "account.currency",
        "tx.amount",
        "account.balance",
        "label.outcome",
    ];
    let setup = Setup::new(SCHEMA, PACK, &fields, |name, field| {
        if name == "tx.amount" {
            field.money.currency = CurrencySource::From("/currency".into());
        }
    });
    let mut seen = Seen::default();
    streams(10_000).into_iter().for_each(|seed| check(&setup, seed, &mut seen));
    println!("{seen:?}");
    for (what, count) in [
        ("streams of several currencies", seen.of_several_currencies),
        ("figures that left out another currency", seen.figures_that_left_out_another),
        ("events judged in a lent currency", seen.lent),
        ("mismatches", seen.mismatches),
        ("references to another currency", seen.foreign_references),
        ("late events", seen.late),
    ] {
        assert!(count >= seen.streams / 10, "only {count} {what}");
    }
}
