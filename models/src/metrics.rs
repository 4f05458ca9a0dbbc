//! Detection metrics over scored transactions. They do not depend on models or rules, only on scores and labels.

/// One transaction, its score and what it turned out to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Whole days since the benchmark's first day.
    pub day: i64,
    /// Number of the account; ties between accounts are broken by it.
    pub account: u64,
    /// Higher is more suspicious; must be finite.
    pub score: f64,
    /// Whether it was fraud.
    pub fraud: bool,
    /// Amount in major units.
    pub amount: f64,
}

/// Area under the ROC curve, ties counted half (Mann–Whitney U). `None` without both classes.
pub fn auc(scored: &[Scored]) -> Option<f64> {
    let frauds = scored.iter().filter(|row| row.fraud).count();
    let genuine = scored.len() - frauds;
    if frauds == 0 || genuine == 0 {
        return None;
    }
    let mut below = 0usize;
    let mut doubled_wins = 0u128;
    for tie in ties(&descending(scored)).rev() {
        let hits = tie.iter().filter(|row| row.fraud).count();
        let others = tie.len() - hits;
        doubled_wins += to_u128(hits) * (2 * to_u128(below) + to_u128(others));
        below += others;
    }
    Some(ratio(doubled_wins, 2 * to_u128(frauds) * to_u128(genuine)))
}

/// Average precision, `Σ (Rₙ − Rₙ₋₁) Pₙ` over distinct thresholds in descending order. `None` without a fraud.
pub fn average_precision(scored: &[Scored]) -> Option<f64> {
    let frauds = scored.iter().filter(|row| row.fraud).count();
    if frauds == 0 {
        return None;
    }
    let (mut seen, mut hits, mut sum) = (0usize, 0usize, 0.0);
    for tie in ties(&descending(scored)) {
        let found = tie.iter().filter(|row| row.fraud).count();
        seen += tie.len();
        hits += found;
        sum += share(found, frauds) * share(hits, seen);
    }
    Some(sum)
}

/// Card precision at `k`, the Fraud Detection Handbook's: each day the accounts not detected yet are ranked by their
/// highest score; the `k` highest are looked at; those truly compromised that day are hits, divided by `k`, and count
/// as detected from then on. Mean over the days that occur. `None` without a row.
pub fn card_precision_at(k: usize, scored: &[Scored]) -> Option<f64> {
    use std::collections::{BTreeMap, BTreeSet};
    let mut days: BTreeMap<i64, BTreeMap<u64, (f64, bool)>> = BTreeMap::new();
    for row in scored {
        let best = days.entry(row.day).or_default().entry(row.account).or_insert((f64::NEG_INFINITY, false));
        best.0 = best.0.max(row.score);
        best.1 |= row.fraud;
    }
    let mut detected = BTreeSet::new();
    let mut sum = 0.0;
    for accounts in days.values() {
        let mut ranked: Vec<(u64, f64, bool)> = accounts
            .iter()
            .filter(|(account, _)| !detected.contains(*account))
            .map(|(account, (score, fraud))| (*account, *score, *fraud))
            .collect();
        // Stable: accounts of equal score stay in the order of their numbers.
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let hits: Vec<u64> = ranked.iter().take(k).filter(|row| row.2).map(|row| row.0).collect();
        sum += share(hits.len(), k);
        detected.extend(hits);
    }
    (!days.is_empty()).then(|| sum / share(days.len(), 1))
}

/// Share of the frauds, by number and by amount, among the `ceil(budget · n)` highest scores.
/// Ties at the border are taken in the order given. `None` without a fraud.
pub fn recall_at(budget: f64, scored: &[Scored]) -> Option<(f64, f64)> {
    let frauds = scored.iter().filter(|row| row.fraud).count();
    let value: f64 = scored.iter().filter(|row| row.fraud).map(|row| row.amount).sum();
    if frauds == 0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a slice's length"
    )]
    let taken = libm::ceil(budget.clamp(0.0, 1.0) * share(scored.len(), 1)) as usize;
    let ranked = descending(scored);
    let caught = || ranked.iter().take(taken).filter(|row| row.fraud);
    Some((share(caught().count(), frauds), caught().fold(0.0, |sum, row| sum + row.amount) / value))
}

fn descending(scored: &[Scored]) -> Vec<Scored> {
    let mut ranked = scored.to_vec();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked
}

fn ties(ranked: &[Scored]) -> impl DoubleEndedIterator<Item = &[Scored]> {
    ranked.chunk_by(|a, b| a.score == b.score).collect::<Vec<_>>().into_iter()
}

fn share(part: usize, whole: usize) -> f64 {
    ratio(to_u128(part), to_u128(whole))
}

fn to_u128(count: usize) -> u128 {
    count.try_into().expect("a count fits 128 bits")
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more than 53 bits")]
fn ratio(part: u128, whole: u128) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(score: f64, fraud: bool) -> Scored {
        Scored { day: 0, account: 0, score, fraud, amount: 1.0 }
    }

    #[test]
    fn published_example_of_average_precision_and_auc() {
        // scikit-learn's documented example: y = [0, 0, 1, 1], scores = [.1, .4, .35, .8] gives AP .8333 and AUC .75.
        let rows = [row(0.1, false), row(0.4, false), row(0.35, true), row(0.8, true)];
        assert!((average_precision(&rows).unwrap() - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(auc(&rows), Some(0.75));
    }

    #[test]
    fn an_account_detected_once_is_not_counted_on_the_next_day() {
        let at = |day, account, score, fraud| Scored { day, account, score, fraud, amount: 1.0 };
        let rows = [at(0, 1, 0.9, true), at(0, 2, 0.1, false), at(1, 1, 0.9, true), at(1, 2, 0.1, false)];
        // Day 0: account 1 is the top one and compromised. Day 1: only account 2 is left, and it is genuine.
        assert_eq!(card_precision_at(1, &rows), Some(0.5));
    }

    #[test]
    fn the_budget_is_rounded_up() {
        let mut rows = vec![row(0.9, true)];
        rows.extend((0..149).map(|_| row(0.1, false)));
        assert_eq!(recall_at(0.001, &rows), Some((1.0, 1.0)));
        assert_eq!(recall_at(0.0, &rows), Some((0.0, 0.0)));
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_ordered_pairs(rows in prop::collection::vec((0u8..6, any::<bool>()), 2..40)) {
            let rows: Vec<Scored> = rows.into_iter().map(|(score, fraud)| row(score.into(), fraud)).collect();
            let (mut wins, mut pairs) = (0.0, 0.0);
            for fraud in rows.iter().filter(|row| row.fraud) {
                for genuine in rows.iter().filter(|row| !row.fraud) {
                    pairs += 1.0;
                    wins += if fraud.score > genuine.score { 1.0 } else if fraud.score == genuine.score { 0.5 } else { 0.0 };
                }
            }
            let expected = (pairs > 0.0).then(|| wins / pairs);
            match (auc(&rows), expected) {
                (Some(ours), Some(theirs)) => prop_assert!((ours - theirs).abs() < 1e-12),
                (ours, theirs) => prop_assert_eq!(ours, theirs),
            }
        }
    }
}
