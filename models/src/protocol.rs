//! How a detector is judged on a labelled history: the Fraud Detection Handbook's delayed, prequential split, and the
//! figures of a detector that must decide in the stream within an alert budget.

use crate::metrics::Scored;
use std::collections::{BTreeMap, BTreeSet};

/// Days of the training week, of the delay after it and of the test week.
pub const WEEK_DAYS: i64 = 7;

/// The test transactions of the fold whose training week begins on day `first`: days `[first + 14, first + 21)`,
/// without the accounts known to be compromised by then (a fraud in the training week or on a day whose labels have
/// arrived, 7 days later). Order is kept.
pub fn test_week(first: i64, scored: &[Scored]) -> Vec<Scored> {
    let mut frauds: BTreeMap<i64, BTreeSet<u64>> = BTreeMap::new();
    for row in scored.iter().filter(|row| row.fraud) {
        frauds.entry(row.day).or_default().insert(row.account);
    }
    let on = |day: i64| frauds.get(&day).into_iter().flatten().copied();
    let mut known: BTreeSet<u64> = (first..first + WEEK_DAYS).flat_map(on).collect();
    let mut known_by_day = BTreeMap::new();
    for day in first + 2 * WEEK_DAYS..first + 3 * WEEK_DAYS {
        known.extend(on(day - WEEK_DAYS - 1));
        known_by_day.insert(day, known.clone());
    }
    scored
        .iter()
        .filter(|row| known_by_day.get(&row.day).is_some_and(|known| !known.contains(&row.account)))
        .copied()
        .collect()
}

/// What a detector achieves when every event is decided as it comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InStream {
    /// Score from which an event is alerted.
    pub threshold: f64,
    /// Alerted frauds / frauds.
    pub recall: f64,
    /// Alerted frauds / alerts; 0 without alerts.
    pub precision: f64,
    /// Account detection rate: compromised accounts alerted on one of their frauds / compromised accounts.
    pub account_detection: f64,
    /// Accounts alerted without being compromised for one that is; infinite when none is.
    pub false_per_true_account: f64,
    /// Amount of the alerted frauds / amount of all frauds.
    pub value_detected: f64,
    /// Amount of the frauds after an account's first alert that was itself on a fraud / amount of all frauds.
    pub value_saved: f64,
    /// Alerts per 10,000 accounts and day.
    pub alerts_per_10k_accounts_day: f64,
}

/// The lowest score that alerts at most `budget` (a share) of `matured`. Infinite when even the highest ties pass it.
pub fn threshold_at(budget: f64, matured: &[Scored]) -> f64 {
    let mut scores: Vec<f64> = matured.iter().map(|row| row.score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let room = budget * count(scores.len());
    let mut taken = 0;
    let mut threshold = f64::INFINITY;
    for tie in scores.chunk_by(|a, b| a == b) {
        taken += tie.len();
        if count(taken) > room {
            break;
        }
        threshold = tie[0];
    }
    threshold
}

/// Decides `test` (in event order) at a fixed threshold. `None` without a fraud in it.
pub fn in_stream(threshold: f64, test: &[Scored]) -> Option<InStream> {
    let frauds = test.iter().filter(|row| row.fraud);
    let (fraud_count, fraud_value) =
        frauds.fold((0usize, 0.0), |(n, value), row| (n + 1, value + row.amount));
    if fraud_count == 0 {
        return None;
    }
    let mut caught = BTreeSet::new();
    let mut alerted = BTreeSet::new();
    let (mut alerts, mut hits, mut detected, mut saved) = (0usize, 0usize, 0.0, 0.0);
    for row in test {
        if row.fraud && caught.contains(&row.account) {
            saved += row.amount;
        }
        if row.score >= threshold {
            alerts += 1;
            alerted.insert(row.account);
            if row.fraud {
                hits += 1;
                detected += row.amount;
                caught.insert(row.account);
            }
        }
    }
    let compromised: BTreeSet<u64> = test.iter().filter(|row| row.fraud).map(|row| row.account).collect();
    let accounts: BTreeSet<u64> = test.iter().map(|row| row.account).collect();
    let days: BTreeSet<i64> = test.iter().map(|row| row.day).collect();
    Some(InStream {
        threshold,
        recall: count(hits) / count(fraud_count),
        precision: if alerts == 0 { 0.0 } else { count(hits) / count(alerts) },
        account_detection: count(caught.len()) / count(compromised.len()),
        false_per_true_account: count(alerted.difference(&compromised).count()) / count(caught.len()),
        value_detected: detected / fraud_value,
        value_saved: saved / fraud_value,
        alerts_per_10k_accounts_day: count(alerts) * 1e4 / count(accounts.len()) / count(days.len()),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more than 53 bits")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64, account: u64, score: f64, fraud: bool) -> Scored {
        Scored { day, account, score, fraud, amount: 10.0 }
    }

    #[test]
    fn an_account_is_dropped_once_its_label_has_arrived() {
        let rows = [
            at(3, 1, 0.0, true), // in the training week: known from the start
            at(8, 2, 0.0, true), // labelled on day 16: dropped from then on
            at(14, 1, 0.1, false),
            at(15, 2, 0.2, false),
            at(16, 2, 0.3, false),
            at(20, 3, 0.4, true),
            at(21, 3, 0.5, true), // after the test week
        ];
        let kept: Vec<f64> = test_week(0, &rows).iter().map(|row| row.score).collect();
        assert_eq!(kept, [0.2, 0.4]);
    }

    #[test]
    fn a_threshold_never_exceeds_the_budget() {
        let matured: Vec<Scored> =
            (0..1000).map(|n| at(0, n, if n < 6 { 0.9 } else { 0.1 }, false)).collect();
        assert_eq!(threshold_at(0.006, &matured), 0.9);
        assert_eq!(threshold_at(0.005, &matured), f64::INFINITY);
    }

    #[test]
    fn only_an_alert_on_a_fraud_saves_what_comes_after() {
        let rows = [
            at(0, 1, 0.9, false), // a false alarm saves nothing
            at(0, 1, 0.1, true),
            at(0, 1, 0.9, true), // the first true alert
            at(0, 1, 0.1, true), // saved
            at(0, 2, 0.9, false),
        ];
        let figures = in_stream(0.5, &rows).unwrap();
        assert_eq!((figures.recall, figures.precision), (1.0 / 3.0, 1.0 / 3.0));
        assert_eq!((figures.value_detected, figures.value_saved), (1.0 / 3.0, 1.0 / 3.0));
        assert_eq!((figures.account_detection, figures.false_per_true_account), (1.0, 1.0));
    }
}
