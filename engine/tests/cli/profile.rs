//! `model.profile.score` against a naive implementation, written from its definition: rows in a list, everybody's
//! amounts in a list, every number counted anew. And what is known later changes no earlier score.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "counts of a few thousand rows, bins below 10,000, ages in ms"
)]

use crate::tripline::{DEMO, objects, replay, simulate};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const LN_BIN: f64 = 0.009_950_330_853_168_083;

/// A payment as in its record.
#[derive(Clone)]
struct Payment {
    at: i64,
    minor: f64,
    declined: bool,
    /// Merchant, category, terminal, country, device.
    seen: [Option<String>; 5],
}

impl Payment {
    fn of(record: &Value) -> Payment {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let time: jiff::Timestamp = record["time"].as_str().unwrap().parse().unwrap();
        Payment {
            at: time.as_millisecond(),
            // The bank writes exactly the currency's decimals: without the point it is minor units.
            minor: text("/tx/amount").unwrap().replace('.', "").parse().unwrap(),
            declined: record["tx"]["declined"] == true,
            seen: ["/merchant/id", "/merchant/mcc", "/merchant/terminal", "/merchant/country", "/device/id"]
                .map(text),
        }
    }

    fn bin(&self) -> i64 {
        (self.minor.max(1.0).ln() / LN_BIN).floor() as i64
    }
}

/// Everybody's payments of one kind and currency.
#[derive(Default)]
struct Everybody {
    payments: Vec<(i64, i64)>,
    /// Median, upper quartile and 99 % quantile, fixed when the day began.
    usual: Option<[f64; 3]>,
}

impl Everybody {
    /// Fixes the day's figures over the 29 days before it.
    fn begin(&mut self, day: i64) {
        self.payments.retain(|(at, _)| *at > day - 30);
        let mut bins: Vec<i64> = self.payments.iter().map(|(_, bin)| *bin).collect();
        bins.sort_unstable();
        let total = bins.len();
        let middle = |parts: usize, of: usize| {
            let first = (1..=total).find(|count| of * count >= parts * total).unwrap();
            ((bins[first - 1] as f64 + 0.5) * LN_BIN).exp()
        };
        self.usual = (total > 0).then(|| [middle(1, 2), middle(3, 4), middle(99, 100)]);
    }
}

/// `-log10` of the Chernoff bound of a Poisson tail.
fn surprise(k: f64, mean: f64) -> f64 {
    if k <= mean || k == 0.0 { 0.0 } else { (k * (k / mean).ln() - k + mean) / std::f64::consts::LN_10 }
}

fn median(sorted: &[f64]) -> f64 {
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

/// The score of a payment after its account's earlier ones of the kind, newest first.
fn score(payment: &Payment, rows: &[&Payment], everybody: &Everybody) -> f64 {
    let m = rows.len() as f64;
    let age = |row: &Payment| payment.at - row.at;
    let count = |wanted: &dyn Fn(&Payment) -> bool| rows.iter().filter(|row| wanted(row)).count() as f64;
    // Centre, spread and mean, shrunk towards everybody by the weight of one row. Refused payments say nothing here.
    let mut approved: Vec<f64> = rows.iter().filter(|row| !row.declined).map(|row| row.minor).collect();
    approved.sort_by(f64::total_cmp);
    let n = approved.len() as f64;
    let (m0, s0) = everybody
        .usual
        .map_or((payment.minor, 0.5), |[median, upper, _]| (median, 1.4826 * (upper - median) / median));
    let own = if approved.is_empty() { m0 } else { median(&approved) };
    let own_spread =
        if approved.is_empty() { 0.0 } else { 1.4826 * (median(&approved[approved.len() / 2..]) - own) };
    let centre = (n * own + m0) / (n + 1.0);
    let spread = ((n * own_spread + centre * s0) / (n + 1.0)).max(0.01 * centre);
    let spreads = |minor: f64| (minor - centre) / spread;
    let kept: Vec<f64> = approved.iter().copied().filter(|minor| spreads(*minor) <= 3.0).collect();
    let mean = (m0 + kept.iter().sum::<f64>()) / (1.0 + kept.len() as f64);
    let z = ((payment.minor - mean) / spread).max(0.0);

    let far = |row: &Payment| spreads(row.minor) > 4.0;
    let near14: f64 = [1, 3, 7, 14].iter().map(|days| count(&|row| far(row) && age(row) < days * DAY)).sum();
    let far1 = count(&|row| far(row) && age(row) < DAY);
    let rare = |row: &Payment| everybody.usual.is_some_and(|[.., most]| row.minor > most);
    let rare1 = count(&|row| rare(row) && age(row) < DAY);
    let rare_old = count(&|row| rare(row) && age(row) >= DAY);
    let [n1, n6, n24] = [HOUR, 6 * HOUR, DAY].map(|within| count(&|row| age(row) < within));
    let hours = count(&|row| {
        let apart = (row.at % DAY - payment.at % DAY).abs();
        apart.min(DAY - apart) <= 90 * 60_000
    });
    let span = rows.last().map_or(0.0, |row| age(row) as f64 / DAY as f64);

    let old = m - n24;
    let rate = if rows.len() == 128 && span < 2.0 {
        0.0
    } else {
        let daily = (old + 1.0) / ((span - 1.0).max(0.0) + 1.0);
        surprise(n24 + 1.0, daily).max(surprise(n6 + 1.0, daily / 4.0)).max(surprise(n1 + 1.0, daily / 24.0))
    };
    let gate = (z.max(rate) / 3.0).min(1.0);
    let up = everybody.payments.iter().filter(|(_, bin)| *bin >= payment.bin()).count() as f64;
    let tail = -((up + 1.0) / (everybody.payments.len() as f64 + 1.0)).log10();
    let sum = 0.5 * z.min(6.0)
        + (1.0 + near14).ln() * (z / 3.0).min(1.0)
        + far1.min(5.0) * gate
        + 0.5 * surprise(rare1, n24 * (rare_old + 0.5) / (old + 50.0)).min(6.0) * gate
        + 2.0 * (tail - 2.0).max(0.0)
        + 0.25 * (rate - 1.0).clamp(0.0, 6.0)
        + 0.25 * ((m + 8.0) / (8.0 * (hours + 1.0))).log10().max(0.0)
        + 0.5 * (0..5).map(|field| novelty(payment, rows, field)).sum::<f64>();
    1.0 - (-sum / 4.0).exp2()
}

/// Good and Turing: who always tries something new does not surprise by the next new thing.
fn novelty(payment: &Payment, rows: &[&Payment], field: usize) -> f64 {
    let Some(now) = &payment.seen[field] else { return 0.0 };
    let mut times: HashMap<&str, usize> = HashMap::new();
    for held in rows.iter().filter_map(|row| row.seen[field].as_deref()) {
        *times.entry(held).or_default() += 1;
    }
    if times.contains_key(now.as_str()) {
        return 0.0;
    }
    let held: usize = times.values().sum();
    let once = times.values().filter(|times| **times == 1).count();
    ((held as f64 + 1.0) / (once as f64 + 1.0)).log10()
}

/// How often the cases occurred that a short stream might miss.
#[derive(Debug, Default)]
struct Occurred {
    scored: usize,
    declined_rows: usize,
    rows_left_behind: usize,
    full_profiles: usize,
    currencies: usize,
}

/// The scores of all payments of a stream, by event.
fn scores(records: &[Value]) -> (BTreeMap<String, f64>, Occurred) {
    let mut scores = BTreeMap::new();
    let mut occurred = Occurred::default();
    let mut everybody: BTreeMap<(bool, String), Everybody> = BTreeMap::new();
    let mut accounts: BTreeMap<(bool, String), Vec<Payment>> = BTreeMap::new();
    let mut today = i64::MIN;
    for record in records {
        let time: jiff::Timestamp = record["time"].as_str().unwrap().parse().unwrap();
        let day = time.as_millisecond().div_euclid(DAY);
        if day > today {
            today = day;
            everybody.values_mut().for_each(|everybody| everybody.begin(day));
        }
        let is_card = match record["type"].as_str().unwrap() {
            "purchase" | "cash_withdrawal" => true,
            "transfer" | "p2p" => false,
            _ => continue,
        };
        let payment = Payment::of(record);
        let text = |pointer: &str| record.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let everybody = everybody.entry((is_card, text("/account/currency"))).or_default();
        let past = accounts.entry((is_card, text("/account/id"))).or_default();
        assert!(past.last().is_none_or(|last| last.at <= payment.at), "the stream is in order");
        let is_held = |held: &&Payment| held.at > payment.at - 90 * DAY;
        let held: Vec<&Payment> = past.iter().rev().filter(is_held).collect();
        let rows = &held[..held.len().min(128)];
        occurred.scored += 1;
        occurred.declined_rows += usize::from(rows.iter().any(|row| row.declined));
        occurred.rows_left_behind += usize::from(held.len() < past.len());
        occurred.full_profiles += usize::from(held.len() > 128);
        scores.insert(text("/id"), score(&payment, rows, everybody));
        everybody.payments.push((day, payment.bin()));
        past.push(payment);
    }
    occurred.currencies = everybody.len();
    (scores, occurred)
}

/// Compares every score of a simulated stream with the naive one.
fn compare(stream: &str) -> Occurred {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    simulate(&path, stream);
    let (expected, occurred) = scores(&objects(&fs::read_to_string(&path).unwrap()));
    let mut compared = 0;
    let mut differences = Vec::new();
    for line in objects(&replay(DEMO, &path, &[]).verdicts) {
        let event = line["event"].as_str().unwrap();
        let (score, expected) = (line["models"]["profile"].as_f64(), expected.get(event).copied());
        compared += usize::from(score.is_some());
        let is_near = match (score, expected) {
            (Some(score), Some(expected)) => (score - expected).abs() <= 1e-9,
            (score, expected) => score == expected,
        };
        if !is_near {
            differences.push(format!("{event}: {score:?}, naively {expected:?}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {compared}: {:#?}",
        differences.len(),
        &differences[..differences.len().min(5)]
    );
    assert_eq!(compared, occurred.scored);
    occurred
}

#[test]
fn scores_equal_a_naive_implementation() {
    let calm =
        compare("--events 3000 --accounts 40 --seed 21 --events-per-account-day 0.3 --campaigns-per-day 0.3");
    assert!(calm.scored > 2_000 && calm.declined_rows > 0 && calm.rows_left_behind > 0, "{calm:?}");
    assert!(calm.currencies > 4, "{calm:?}");
    let busy =
        compare("--events 3000 --accounts 5 --seed 22 --events-per-account-day 25 --campaigns-per-day 1");
    assert!(busy.full_profiles > 500, "{busy:?}");
    println!("{calm:?}\n{busy:?}");
}

#[test]
fn what_comes_later_changes_no_earlier_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    simulate(&path, "--events 3000 --accounts 40 --seed 23 --out-of-order 0.05 --campaigns-per-day 2");
    let text = fs::read_to_string(&path).unwrap();
    let half: String = text.lines().take(1500).flat_map(|line| [line, "\n"]).collect();
    let first = folder.path().join("half.jsonl");
    fs::write(&first, half).unwrap();
    let (whole, half) = (replay(DEMO, &path, &[]), replay(DEMO, &first, &[]));
    assert!(half.alerts.lines().count() > 3);
    assert!(whole.verdicts.starts_with(&half.verdicts) && whole.alerts.starts_with(&half.alerts));
    assert!(whole.verdicts.len() > half.verdicts.len());
}
