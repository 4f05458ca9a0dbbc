//! The sample standard deviation from exact integer sums, wider than 128 bits.
//!
//! Squares reach 2¹²⁰ and their sum 2¹³⁵; `n·Σx² − (Σx)²` reaches 2¹⁵⁰.

use super::order::float;

const HALF: u32 = 64;
const LOW: u128 = u64::MAX as u128;

/// A sum of squares, as sums of their lower and upper 64 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Squares {
    low: u128,
    high: u128,
}

impl Squares {
    #[inline]
    pub(super) fn add(&mut self, value: i64) {
        let square = square(value);
        self.low += square & LOW;
        self.high += square >> HALF;
    }

    pub(super) fn add_all(&mut self, other: &Squares) {
        self.low += other.low;
        self.high += other.high;
    }

    #[inline]
    pub(super) fn remove(&mut self, value: i64) {
        let square = square(value);
        self.low -= square & LOW;
        self.high -= square >> HALF;
    }

    /// `sqrt((n·Σx² − (Σx)²) / (n·(n−1)))`; missing below two rows.
    pub(super) fn spread(&self, rows: u32, sum: i128) -> Option<f64> {
        let rows = u128::from(rows);
        if rows < 2 {
            return None;
        }
        let sum = sum.unsigned_abs();
        let (upper, lower) = (sum >> HALF, sum & LOW);
        // Digits of 64 bits, the lowest first, each as what is added and what is taken off.
        let added = [rows * self.low, rows * self.high, 0];
        let taken = [(lower * lower) & LOW, ((lower * lower) >> HALF) + 2 * upper * lower, upper * upper];
        let mut carry = 0;
        let [first, second, third] = std::array::from_fn(|digit| {
            let difference = signed(added[digit]) - signed(taken[digit]) + carry;
            carry = difference >> HALF;
            if digit < 2 { difference.cast_unsigned() & LOW } else { difference.cast_unsigned() }
        });
        let scaled = wide(third) * 2f64.powi(128) + wide(second << HALF | first);
        Some(libm::sqrt(scaled / wide(rows * (rows - 1))))
    }
}

#[inline]
fn square(value: i64) -> u128 {
    let magnitude = u128::from(value.unsigned_abs());
    magnitude * magnitude
}

fn signed(digit: u128) -> i128 {
    i128::try_from(digit).expect("digits of bounded sums are below 2^127")
}

/// The nearest `f64`.
#[expect(clippy::cast_precision_loss, reason = "rounding to nearest is the definition")]
fn wide(value: u128) -> f64 {
    i128::try_from(value).map_or_else(|_| value as f64, float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[i64]) -> Option<f64> {
        let mut squares = Squares::default();
        values.iter().for_each(|value| squares.add(*value));
        let sum = values.iter().map(|value| i128::from(*value)).sum();
        squares.spread(u32::try_from(values.len()).unwrap(), sum)
    }

    #[test]
    fn the_largest_numbers_have_a_spread_and_equal_ones_none() {
        const MAX: i64 = 1_000_000_000_000_000_000;
        assert_eq!(spread(&[5]), None);
        assert_eq!(spread(&[MAX; 32_001]), Some(0.0));
        assert_eq!(spread(&[2, 4, 4, 4, 5, 5, 7, 9]), Some(libm::sqrt(32.0 / 7.0)));
        // Half at either end: (n / (n − 1))^½ times the end.
        let ends: Vec<i64> = (0..32_000).map(|row| if row % 2 == 0 { MAX } else { -MAX }).collect();
        let expected = libm::sqrt(32_000.0 / 31_999.0) * 1e18;
        assert!((spread(&ends).unwrap() / expected - 1.0).abs() < 1e-15);
        // One apart among large ones: nothing is lost to rounding.
        assert_eq!(spread(&[MAX, MAX - 1]), Some(libm::sqrt(0.5)));
    }

    #[test]
    fn what_is_removed_leaves_no_trace() {
        let mut squares = Squares::default();
        for value in [i64::from(u32::MAX) * 7, -3, 1_000_000_000_000_000_000] {
            squares.add(value);
        }
        squares.remove(1_000_000_000_000_000_000);
        squares.remove(i64::from(u32::MAX) * 7);
        assert_eq!((squares.low, squares.high), (9, 0));
    }
}
