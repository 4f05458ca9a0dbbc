//! Exact decimals from their text: the value times a power of ten, as an integer. No floats are involved.
//!
//! The grammar is JSON's, and leading zeros besides (`000057.16`), as fixed-width feeds write them: an optional minus,
//! digits, optionally a point and digits, optionally an exponent. No plus sign, no blanks, no `.5` or `5.`, no `NaN`.

use super::word::{HIGH, above_nine, every, head, number};

/// What happens to decimals beyond the requested places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// They must be zeros, and so many of them may be written: `25.000` is hardly ever 25 euros.
    Exact(u8),
    /// Rounded half away from zero.
    HalfAway,
    /// Rounded towards minus infinity.
    Floor,
}

/// The parts of a decimal's text.
struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// Exponents are limited to this: with a greater one, every decimal of a bounded record is out of the range of an
/// `i64`, or 0.
const EXPONENT_CUT: i64 = 1_000_000;

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()))
}

fn parts(text: &[u8]) -> Option<Parts<'_>> {
    let (negative, rest) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let (whole, rest) = digits(rest);
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(rest) => Some(digits(rest)).filter(|(fraction, _)| !fraction.is_empty())?,
        None => (&b""[..], rest),
    };
    if whole.is_empty() {
        return None;
    }
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', rest @ ..] => exponent(rest)?,
        _ => return None,
    };
    Some(Parts { negative, whole, fraction, exponent })
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (digits, []) = digits(text) else { return None };
    if digits.is_empty() {
        return None;
    }
    let value =
        digits.iter().fold(0, |sum: i64, digit| (sum * 10 + i64::from(digit - b'0')).min(EXPONENT_CUT));
    Some(if negative { -value } else { value })
}

/// `text · 10^places` as an integer of at most `max` in magnitude; `None` when the text is no decimal, is out of range,
/// or (with [`Rounding::Exact`]) has other digits than zeros, or too many zeros, beyond the places. A negative zero is
/// 0.
#[inline]
pub(super) fn scaled(text: &[u8], places: u8, rounding: Rounding, max: u64) -> Option<i64> {
    match plain(text, places) {
        Some(value) if value.unsigned_abs() <= max => Some(value),
        _ => exactly_scaled(text, places, rounding, max),
    }
}

/// The powers of ten that the fast path multiplies by.
const POWERS: [i64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// [`scaled`] of a decimal of at most eight bytes, such as `57.16`, that has no more decimals than places, and so
/// nothing to round.
#[inline(always)]
fn plain(text: &[u8], places: u8) -> Option<i64> {
    if text.is_empty() || text.len() > 8 {
        return None;
    }
    let word = head(text);
    // The lowest byte that is a point; a borrow changes only bytes above it.
    let point = word ^ every(b'.');
    let point = point.wrapping_sub(every(1)) & !point & HIGH;
    let (digits, count, decimals) = if point == 0 {
        (word, text.len(), 0)
    } else {
        let whole_bits = point.trailing_zeros() & !7;
        let whole = whole_bits as usize / 8;
        let decimals = text.len().wrapping_sub(whole).wrapping_sub(1);
        // A point has digits on both sides.
        if whole == 0 || decimals == 0 {
            return None;
        }
        let below = (1 << whole_bits) - 1;
        (word & below | word >> 8 & !below, text.len() - 1, decimals)
    };
    // Zeros before the first digit, nothing behind the last.
    let digits = (digits ^ every(b'0')) << (8 * (8 - count));
    let power = POWERS.get(usize::from(places).checked_sub(decimals)?)?;
    (above_nine(digits) == 0).then(|| number(digits).cast_signed().wrapping_mul(*power))
}

/// [`scaled`] of any text.
#[inline(never)]
fn exactly_scaled(text: &[u8], places: u8, rounding: Rounding, max: u64) -> Option<i64> {
    let parts = parts(text)?;
    let count = i64::try_from(parts.whole.len()).ok()?;
    // The number of digits before the point once it has moved.
    let kept = count + parts.exponent + i64::from(places);
    let mut sum: u64 = 0;
    let mut dropped_any = false;
    let mut first_dropped = 0;
    for (at, digit) in (0i64..).zip(parts.whole.iter().chain(parts.fraction)) {
        let digit = u64::from(digit - b'0');
        if at < kept {
            sum = sum.checked_mul(10)?.checked_add(digit)?;
        } else {
            if at == kept {
                first_dropped = digit;
            }
            dropped_any |= digit != 0;
        }
    }
    let missing = kept - count - i64::try_from(parts.fraction.len()).ok()?;
    if missing > 0 && sum > 0 {
        sum = sum.checked_mul(10u64.checked_pow(u32::try_from(missing).ok()?)?)?;
    }
    match rounding {
        Rounding::Exact(zeros) if dropped_any || -missing > i64::from(zeros) => return None,
        Rounding::HalfAway if first_dropped >= 5 => sum = sum.checked_add(1)?,
        Rounding::Floor if dropped_any && parts.negative => sum = sum.checked_add(1)?,
        _ => {}
    }
    let magnitude = i64::try_from(Some(sum).filter(|sum| *sum <= max)?).ok()?;
    Some(if parts.negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: u64 = 1_000_000_000_000_000;

    #[test]
    fn unusual_numbers_are_read_as_documented() {
        let cents = |text: &str| scaled(text.as_bytes(), 2, Rounding::Exact(u8::MAX), MAX);
        for (text, expected) in [
            ("57.16", Some(5716)),
            ("146.0", Some(14600)),
            ("1.0", Some(100)),
            ("1.000000000000000000000000000000", Some(100)),
            ("1e2", Some(10_000)),
            ("1.5E+1", Some(1500)),
            ("1234e-2", Some(1234)),
            ("12345e-3", None),
            ("12340e-3", Some(1234)),
            ("-0", Some(0)),
            ("-0.00", Some(0)),
            ("0e999999999999999999999", Some(0)),
            ("1e400", None),
            ("1e-400", None),
            ("-57.16", Some(-5716)),
            ("000057.16", Some(5716)),
            ("10000000000000", Some(1_000_000_000_000_000)),
            ("10000000000000.01", None),
            ("-10000000000000", Some(-1_000_000_000_000_000)),
            ("99999999999999999999999999", None),
            ("57.161", None),
            ("NaN", None),
            ("Infinity", None),
            ("", None),
            ("-", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            (".5", None),
            ("5.", None),
            ("1,5", None),
            ("1.2.3", None),
            ("0x10", None),
            ("1e", None),
            ("1e+", None),
            ("1e1.5", None),
            ("--1", None),
            ("１", None),
        ] {
            assert_eq!(cents(text), expected, "{text}");
        }
    }

    #[test]
    fn written_decimals_beyond_the_places_are_limited_even_if_they_are_zeros() {
        for (text, zeros, expected) in [
            ("25.000", 0, None),
            ("25.000", 1, Some(2500)),
            ("25.00", 0, Some(2500)),
            ("25.0", 0, Some(2500)),
            ("25", 0, Some(2500)),
            ("2500e-2", 0, Some(2500)),
            ("25000e-3", 0, None),
            ("2.5e1", 0, Some(2500)),
            ("0.000", 0, None),
            ("1000000.000", 0, None),
        ] {
            assert_eq!(scaled(text.as_bytes(), 2, Rounding::Exact(zeros), MAX), expected, "{text}");
        }
    }

    #[test]
    fn numbers_round_half_away_from_zero_and_times_round_down() {
        let rounded = |text: &str, rounding| scaled(text.as_bytes(), 3, rounding, MAX);
        assert_eq!(rounded("1.2345", Rounding::HalfAway), Some(1235));
        assert_eq!(rounded("-1.2345", Rounding::HalfAway), Some(-1235));
        assert_eq!(rounded("1.23449", Rounding::HalfAway), Some(1234));
        assert_eq!(rounded("5e-4", Rounding::HalfAway), Some(1));
        assert_eq!(rounded("5e-5", Rounding::HalfAway), Some(0));
        assert_eq!(rounded("1.9999", Rounding::Floor), Some(1999));
        assert_eq!(rounded("-1.9991", Rounding::Floor), Some(-2000));
        assert_eq!(rounded("-1e-9", Rounding::Floor), Some(-1));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        /// The fast path gives what the slow one gives.
        #[test]
        fn the_fast_path_is_exact(text in "-?[0-9]{0,15}(\\.[0-9]{0,4})?[0-9.e-]?", places in 0u8..8, max in 0..MAX) {
            for rounding in [Rounding::Exact(0), Rounding::Exact(2), Rounding::HalfAway, Rounding::Floor] {
                prop_assert_eq!(
                    scaled(text.as_bytes(), places, rounding, max),
                    exactly_scaled(text.as_bytes(), places, rounding, max)
                );
            }
        }

        /// Wherever the point is and whatever the exponent, the value is that of the shifted integer.
        #[test]
        fn a_shifted_point_changes_nothing(value in -999_999_999_999i64..=999_999_999_999, shift in 0usize..12) {
            let digits = format!("{:013}", value.abs());
            let (whole, fraction) = digits.split_at(13 - shift.max(1));
            let sign = if value < 0 { "-" } else { "" };
            let shift = shift.max(1);
            let text = format!("{sign}{whole}.{fraction}e{shift}");
            prop_assert_eq!(scaled(text.as_bytes(), 0, Rounding::Exact(0), MAX), Some(value));
            let text = format!("{sign}{whole}.{fraction}");
            let places = u8::try_from(shift).unwrap();
            prop_assert_eq!(scaled(text.as_bytes(), places, Rounding::Exact(0), MAX), Some(value));
        }
    }
}
