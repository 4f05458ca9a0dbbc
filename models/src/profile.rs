//! The profile score: how unusual an event is for its account and among everybody, without any label.
//!
//! Eight parts measure surprise in decades (a part of 2 is a one-in-a-hundred event); their weighted sum `S` becomes a
//! score, `1 − 2^(−S/4)`: every four points halve the trust that is left. What the parts are computed of is counted
//! from rows at reading time, so an attack that is going on does not teach the model: centre and spread are robust.
//! It does not depend on rows or accounts, only on the counts in [`INPUTS`].

use crate::model::{Contribution, Model};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1};

/// The model's inputs, in order.
pub const INPUTS: [&str; 19] = [
    "amount",         // major units
    "usual",          // mean of the own amounts that are no outliers, major units
    "spreads",        // (amount − usual) / own robust spread, not below 0
    "outliers_14d",   // own outliers within 14 days, recent ones counted up to four times
    "outliers_1d",    // own outliers within a day
    "rare_1d",        // own rows within a day above the population's 99 % quantile
    "rare_before",    // the same, older than a day
    "rows_1h",        // own rows within an hour
    "rows_6h",        // within six hours
    "rows_24h",       // within a day
    "rows",           // own rows read
    "span_days",      // age of the oldest of them, days
    "tail",           // −log10 of the share of everybody's recent amounts that are as large
    "rows_this_hour", // own rows at this time of day, ± 90 minutes
    "new_merchant",   // surprise of a value never seen on this account, decades; 0 for a known one
    "new_category",
    "new_terminal",
    "new_country",
    "new_device",
];
const NEW: [(usize, &str); 5] =
    [(14, "merchant"), (15, "category"), (16, "terminal"), (17, "country"), (18, "device")];

/// The most rows that are read of an account; a profile that is full within two days says nothing about rates.
pub const ROWS_MAX: usize = 128;

/// The parts with their weights, in the order in which they are added up.
const PARTS: [(&str, f64); 8] = [
    ("amount", 0.5),
    ("outliers_14d", 1.0),
    ("outliers_1d", 1.0),
    ("rare_amounts", 0.5),
    ("population", 2.0),
    ("rate", 0.25),
    ("hour", 0.25),
    ("novelty", 0.5),
];
/// Points that halve the trust that is left.
const HALVING: f64 = 4.0;
/// No part but the population's may decide alone.
const PART_MAX: f64 = 6.0;
const OUTLIERS_MAX: f64 = 5.0;
/// "1 in 100 payments is as rare": the prior of an account's own share, worth that many rows.
const RARE_PRIOR: (f64, f64) = (0.5, 50.0);

/// The profile model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Profile;

/// One row of inputs, by name.
struct Inputs<'a>(ArrayView1<'a, f64>);

impl Inputs<'_> {
    fn of(&self, name: &str) -> f64 {
        let at = INPUTS.iter().position(|input| *input == name).expect("asked for by its own name");
        self.0[at]
    }
}

impl Model for Profile {
    fn name(&self) -> &'static str {
        "profile"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &INPUTS
    }

    fn score(&self, x: ArrayView2<'_, f64>, out: ArrayViewMut1<'_, f64>) {
        assert_eq!((x.nrows(), x.ncols()), (out.len(), INPUTS.len()), "profile inputs");
        for (row, score) in x.rows().into_iter().zip(out) {
            *score = trust_lost(parts(&row).iter().sum());
        }
    }

    fn contributions(&self, x: ArrayView1<'_, f64>) -> Vec<Contribution> {
        let points = parts(&x);
        let sum: f64 = points.iter().sum();
        let score = trust_lost(sum);
        let inputs = Inputs(x);
        let mut contributions: Vec<Contribution> = PARTS
            .iter()
            .zip(points)
            .filter(|(_, points)| *points > 0.0)
            .map(|((part, _), points)| Contribution {
                part,
                value: score * points / sum,
                words: words(part, &inputs),
            })
            .collect();
        contributions.sort_by(|a, b| b.value.total_cmp(&a.value));
        contributions
    }
}

fn trust_lost(points: f64) -> f64 {
    1.0 - libm::exp2(-points / HALVING)
}

/// The weighted parts of one row, in the order of [`PARTS`]. NaN without an amount.
fn parts(x: &ArrayView1<'_, f64>) -> [f64; PARTS.len()] {
    let [amount, _usual, z, near, far, rare, rare_before, n1h, n6h, n24h, rows, span, tail, hours, ..] =
        x.as_slice().expect("a row of a matrix is contiguous")
    else {
        unreachable!("the shape was asserted")
    };
    let rate = rate(*n1h, *n6h, *n24h, *rows, *span);
    // Is this event itself unusual? Otherwise an ordinary purchase after an attack would look like one.
    let gate = (z.max(rate) / 3.0).min(1.0);
    let old = rows - n24h;
    let expected_rare = n24h * (rare_before + RARE_PRIOR.0) / (old + RARE_PRIOR.1);
    let points = [
        z.min(PART_MAX),
        libm::log1p(*near) * (z / 3.0).min(1.0),
        far.min(OUTLIERS_MAX) * gate,
        surprise(*rare, expected_rare).min(PART_MAX) * gate,
        // What one in a hundred does is nobody's surprise.
        (tail - 2.0).max(0.0),
        (rate - 1.0).clamp(0.0, PART_MAX),
        // Laplace's rule over the eight three-hour slots of a day.
        libm::log10((rows + 8.0) / (8.0 * (hours + 1.0))).max(0.0),
        NEW.iter().map(|(at, _)| x[*at]).sum(),
    ];
    let mut weighted = [f64::NAN; PARTS.len()];
    if amount.is_finite() {
        for ((weighted, points), (_, weight)) in weighted.iter_mut().zip(points).zip(PARTS) {
            *weighted = points * weight;
        }
    }
    weighted
}

/// Surprise of the number of events within an hour, six hours and a day, at the account's own rate without the last
/// day (a Gamma(1, 1) prior: one event a day until more is known).
fn rate(n1h: f64, n6h: f64, n24h: f64, rows: f64, span: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "128")]
    if rows >= ROWS_MAX as f64 && span < 2.0 {
        return 0.0;
    }
    let daily = (rows - n24h + 1.0) / ((span - 1.0).max(0.0) + 1.0);
    surprise(n24h + 1.0, daily).max(surprise(n6h + 1.0, daily / 4.0)).max(surprise(n1h + 1.0, daily / 24.0))
}

/// −log10 of the Chernoff bound of a Poisson tail, `P(N ≥ k)` at mean `expected` (Chernoff 1952); 0 up to the mean.
pub fn surprise(k: f64, expected: f64) -> f64 {
    if k <= 0.0 || k <= expected {
        return 0.0;
    }
    (k * libm::log(k / expected) - k + expected) / std::f64::consts::LN_10
}

/// Surprise of a value never seen among `held` observed ones of which `once` were seen exactly once, in decades: the
/// chance of something unseen is once / held (Good 1953). Who always visits new shops does not surprise by the next.
pub fn surprise_of_unseen(held: usize, once: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most ROWS_MAX")]
    let odds = (held as f64 + 1.0) / (once as f64 + 1.0);
    libm::log10(odds)
}

fn words(part: &str, x: &Inputs<'_>) -> String {
    match part {
        "amount" => {
            format!(
                "{:.2} is {:.1} spreads above the usual {:.2}",
                x.of("amount"),
                x.of("spreads"),
                x.of("usual")
            )
        }
        "outliers_14d" => "unusual amounts before it within 14 days".to_owned(),
        "outliers_1d" => format!("{} unusual amounts within a day", x.of("outliers_1d")),
        "rare_amounts" => {
            format!("{} amounts within a day that 99 % of all payments do not reach", x.of("rare_1d"))
        }
        "population" => {
            format!("only 1 in {:.0} payments of everybody is as large", libm::exp10(x.of("tail")))
        }
        "rate" => format!(
            "{} events within an hour, {} within a day, on an account that had {} in {:.0} days",
            x.of("rows_1h") + 1.0,
            x.of("rows_24h") + 1.0,
            x.of("rows"),
            x.of("span_days").max(1.0),
        ),
        "hour" => {
            format!("{} of {} earlier events were at this time of day", x.of("rows_this_hour"), x.of("rows"))
        }
        _ => {
            let new: Vec<&str> =
                NEW.iter().filter(|(at, _)| x.0[*at] > 0.0).map(|(_, field)| *field).collect();
            format!("first time with this {}", new.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2};

    /// A calm event of an account with a year of habits: nothing is surprising.
    fn calm() -> Array2<f64> {
        let mut x = Array2::zeros((1, INPUTS.len()));
        for (name, value) in
            [("amount", 50.0), ("usual", 52.0), ("rows", 100.0), ("span_days", 90.0), ("tail", 0.4)]
        {
            set(&mut x, name, value);
        }
        set(&mut x, "rows_this_hour", 30.0);
        x
    }

    fn set(x: &mut Array2<f64>, name: &str, value: f64) {
        let at = INPUTS.iter().position(|input| *input == name).unwrap();
        x[[0, at]] = value;
    }

    fn score(x: &Array2<f64>) -> f64 {
        let mut out = Array1::zeros(1);
        Profile.score(x.view(), out.view_mut());
        out[0]
    }

    #[test]
    fn an_ordinary_event_scores_nothing() {
        assert_eq!(score(&calm()), 0.0);
        assert!(Profile.contributions(calm().row(0)).is_empty());
    }

    #[test]
    fn four_points_halve_the_trust_that_is_left() {
        let mut x = calm();
        set(&mut x, "tail", 4.0); // two decades beyond one in a hundred, at weight 2
        assert_eq!(score(&x), 0.5);
        set(&mut x, "tail", 6.0);
        assert_eq!(score(&x), 0.75);
    }

    #[test]
    fn every_part_is_named_and_together_they_are_the_score() {
        let mut x = calm();
        for (name, value) in [
            ("spreads", 8.0),
            ("outliers_14d", 7.0),
            ("outliers_1d", 2.0),
            ("rare_1d", 2.0),
            ("rows_24h", 9.0),
            ("rows_6h", 9.0),
            ("rows_1h", 9.0),
            ("tail", 3.5),
            ("rows_this_hour", 0.0),
            ("new_country", 1.2),
        ] {
            set(&mut x, name, value);
        }
        let contributions = Profile.contributions(x.row(0));
        assert_eq!(contributions.len(), PARTS.len());
        assert!((contributions.iter().map(|part| part.value).sum::<f64>() - score(&x)).abs() < 1e-12);
        assert!(
            contributions.iter().any(|part| part.words == "first time with this country"),
            "{contributions:?}"
        );
        assert!(contributions.iter().any(|part| part.words == "50.00 is 8.0 spreads above the usual 52.00"));
    }

    #[test]
    fn without_an_amount_there_is_no_score() {
        let mut x = calm();
        set(&mut x, "amount", f64::NAN);
        assert!(score(&x).is_nan());
    }

    #[test]
    fn surprise_bounds_the_poisson_tail() {
        // P(N >= 10 | 2) = 4.65e-5; the Chernoff bound is (e·2/10)^10·e^-2 = 3.05e-4.
        assert!((surprise(10.0, 2.0) - -libm::log10(3.051e-4)).abs() < 1e-3);
        assert_eq!(surprise(2.0, 2.0), 0.0);
    }
}
