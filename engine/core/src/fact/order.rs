//! Order statistics of at most the newest [`ORDER_ROWS_MAX`](tripline_rules::aggregate::ORDER_ROWS_MAX) values, which
//! are whole numbers of a row's units. Of no values they are missing.

use tripline_rules::aggregate::TRIM_SHARE;

/// The median.
pub(crate) fn median(values: &mut [i64]) -> Option<f64> {
    values.sort_unstable();
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 {
        float(upper.into())
    } else {
        float((values[middle - 1] + upper).into()) / 2.0
    })
}

/// The mean after taking a tenth of the values off each side.
pub(crate) fn trimmed_mean(values: &mut [i64]) -> Option<f64> {
    values.sort_unstable();
    let trimmed = whole(count(values.len()) * TRIM_SHARE);
    let kept = values.get(trimmed..values.len() - trimmed).filter(|kept| !kept.is_empty())?;
    let sum: i128 = kept.iter().map(|value| i128::from(*value)).sum();
    Some(float(sum) / count(kept.len()))
}

/// The quantile `q` in [0, 1], linear between ranks.
pub(crate) fn quantile(values: &mut [i64], q: f64) -> Option<f64> {
    values.sort_unstable();
    let last = values.len().checked_sub(1)?;
    let rank = q.clamp(0.0, 1.0) * count(last);
    let below = whole(rank).min(last);
    let (low, high) = (values[below], values[(below + 1).min(last)]);
    Some(float(low.into()) + float((high - low).into()) * (rank - count(below)))
}

/// The share of values below the event's own.
pub(crate) fn rank(values: &[i64], own: i64) -> Option<f64> {
    let below = values.iter().filter(|value| **value < own).count();
    (!values.is_empty()).then(|| count(below) / count(values.len()))
}

/// The nearest `f64`.
#[expect(clippy::cast_precision_loss, reason = "rounding to nearest is the definition")]
pub(super) fn float(value: i128) -> f64 {
    // Nearly every value fits 64 bits, which the processor converts by itself, to the same.
    i64::try_from(value).map_or_else(|_| value as f64, |value| value as f64)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn count(rows: usize) -> f64 {
    rows as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank is small and not negative"
)]
fn whole(rank: f64) -> usize {
    rank as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_the_middle_or_the_mean_of_the_middle_two() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [7]), Some(7.0));
        assert_eq!(median(&mut [9, 1, 5]), Some(5.0));
        assert_eq!(median(&mut [4, 1, 9, 2]), Some(3.0));
    }

    #[test]
    fn a_trimmed_mean_leaves_out_a_tenth_on_each_side_once_there_are_ten() {
        assert_eq!(trimmed_mean(&mut [1, 2, 3, 4, 5, 6, 7, 8, 1000]), Some(1036.0 / 9.0));
        assert_eq!(trimmed_mean(&mut [-500, 2, 3, 4, 5, 6, 7, 8, 9, 1000]), Some(5.5));
    }

    #[test]
    fn quantiles_lie_linearly_between_ranks() {
        assert_eq!(quantile(&mut [40, 10, 20, 30], 0.5), Some(25.0));
        assert_eq!(quantile(&mut [10, 20], 0.0), Some(10.0));
        assert_eq!(quantile(&mut [10, 20], 1.0), Some(20.0));
        assert_eq!(quantile(&mut [0, 100], 0.25), Some(25.0));
    }

    #[test]
    fn equal_values_are_not_smaller() {
        assert_eq!(rank(&[1, 2, 2, 3], 2), Some(0.25));
        assert_eq!(rank(&[], 2), None);
    }
}
