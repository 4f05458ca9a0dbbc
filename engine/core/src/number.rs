//! Numbers in their two forms: in rows as whole millionths, in registers as the nearest `f64`.
//!
//! The decoder rounds a number to millionths and then to the nearest `f64`; that is the number from then on. Both
//! directions here are exact on such numbers, so a register that was loaded from a row is the register that was
//! decoded. From 2³³ on adjacent `f64` values differ by more than a millionth: there the row holds the millionths that
//! are nearest to the `f64`.

use crate::limits::NUMBER_MAX;

/// Millionths in one.
pub(crate) const MILLIONTHS: f64 = 1e6;
/// The largest magnitude of a number in millionths: below 2⁶⁰.
#[expect(clippy::cast_possible_wrap, reason = "10^18")]
pub(crate) const MILLIONTHS_MAX: i64 = (NUMBER_MAX * 1_000_000) as i64;

const ONE: i128 = 1_000_000;
/// Whole numbers up to 2⁵³ are exact in an `f64`.
const EXACT: u128 = 1 << 53;
/// Below 2³² an `f64` times a million, rounded, is off by less than half a millionth.
const FINE: f64 = 4_294_967_296.0;

/// The nearest `f64` of so many millionths, for magnitudes up to 10¹⁸; of larger sums, within its last bit.
#[inline]
#[expect(
    clippy::cast_precision_loss,
    reason = "whole numbers below 2^53, or rounding to nearest is the definition"
)]
pub(crate) fn from_millionths(millionths: i128) -> f64 {
    if millionths.unsigned_abs() <= EXACT {
        return millionths as f64 / MILLIONTHS;
    }
    // The whole part is exact, the rest below one: their sum rounds once, and no rest is close enough to a tie for its
    // own rounding to matter.
    (millionths / ONE) as f64 + (millionths % ONE) as f64 / MILLIONTHS
}

/// The millionths nearest to a number; `None` beyond [`MILLIONTHS_MAX`] or not finite.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "below 2^53")]
pub(crate) fn to_millionths(number: f64) -> Option<i64> {
    if number.abs() < FINE {
        return Some(libm::round(number * MILLIONTHS) as i64);
    }
    large(number)
}

/// The same from 2³² on, in whole numbers.
#[cold]
fn large(number: f64) -> Option<i64> {
    const FRACTION_BITS: u32 = 52;
    // Relative to the lowest bit of the mantissa: −20 for 2³².
    let bits = number.to_bits();
    let exponent = i32::try_from(bits >> FRACTION_BITS & 0x7ff).ok()? - 1075;
    let mantissa = i128::from(bits & ((1 << FRACTION_BITS) - 1) | 1 << FRACTION_BITS);
    // Numbers within the bound have fewer than 40 bits before their point.
    let shift = u32::try_from(-exponent).ok().filter(|shift| (1..=20).contains(shift))?;
    let magnitude = (mantissa * ONE + (1 << (shift - 1))) >> shift;
    let magnitude = i64::try_from(magnitude).ok().filter(|magnitude| *magnitude <= MILLIONTHS_MAX)?;
    Some(if number < 0.0 { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

        #[test]
        fn a_number_comes_back_from_its_row_as_it_was(bits in 0u32..60, low in any::<i64>()) {
            let written = (low % (1 << bits)).clamp(-MILLIONTHS_MAX, MILLIONTHS_MAX);
            let number = from_millionths(written.into());
            let held = to_millionths(number).expect("within the bound");
            prop_assert_eq!(from_millionths(held.into()).to_bits(), number.to_bits(), "{}", written);
            if number.abs() < 2.0 * FINE {
                prop_assert_eq!(held, written);
            }
        }
    }

    #[test]
    fn the_bounds_are_held_and_nothing_beyond() {
        assert_eq!(to_millionths(1e12), Some(MILLIONTHS_MAX));
        assert_eq!(to_millionths(-1e12), Some(-MILLIONTHS_MAX));
        for beyond in [1e12 + 1.0, -1e13, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(to_millionths(beyond), None, "{beyond}");
        }
        assert_eq!(to_millionths(FINE), Some(4_294_967_296_000_000));
        assert_eq!(from_millionths(50_000_000_000_000_001), 50_000_000_000.000_001);
        assert_eq!(from_millionths(-1), -0.000_001);
    }
}
