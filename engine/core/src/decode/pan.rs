//! Card numbers in the values of a record, and in records that could not be read. It does not depend on which sources
//! are exempt, nor on what a card number is: [`tripline_rules::card_number`] does. Here are the tests that most texts
//! pass without being searched.
//!
//! The decimal point of a number joins no digits, and its decimals are no card number; an exponent is read.

use super::decimal::{Rounding, scaled};
use super::scan::escape;
use super::word::{HIGH, above_nine, every};
use std::borrow::Cow;
use tripline_rules::card_number::{self, CARD_DIGITS_MIN};

/// Whether a decoded text contains a card number.
#[inline]
pub(super) fn in_text(text: &[u8]) -> bool {
    text.len() >= CARD_DIGITS_MIN && in_long_text(text)
}

#[inline]
fn in_long_text(text: &[u8]) -> bool {
    let (digits, other) = digits(text);
    (digits >= CARD_DIGITS_MIN || other && has_many_digits(text)) && in_many_digits(text)
}

/// Whether a cell of CSV contains a card number: it may be a number or a text.
#[inline]
pub(super) fn in_cell(cell: &[u8]) -> bool {
    in_text(cell) && (!is_decimal(cell) || in_number(cell))
}

/// Whether a number, as JSON writes it, is a card number before its decimal point or with its exponent.
pub(super) fn in_number(number: &[u8]) -> bool {
    let whole = number.iter().position(|byte| matches!(byte, b'.' | b'e' | b'E')).unwrap_or(number.len());
    whole >= CARD_DIGITS_MIN && in_many_digits(&number[..whole]) || in_exponent(number)
}

/// Whether a text is a whole number, a point and decimals.
fn is_decimal(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(0);
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits(&text[..point]) && digits(&text[point + 1..])
}

/// How many ASCII digits the text has, if it is at most 255 words long, and whether it has other bytes than ASCII. A
/// longer text counts as all digits.
#[inline]
fn digits(text: &[u8]) -> (usize, bool) {
    let (words, rest) = text.as_chunks::<8>();
    if words.len() > usize::from(u8::MAX) {
        return (usize::MAX, true);
    }
    // Each byte counts the digits at its position; the product sums pairs of them in its uppermost bits.
    let (counts, high) = words.iter().fold((0u64, 0), |(sum, high), word| {
        (sum.wrapping_add(digits_of_word(*word)), high | u64::from_le_bytes(*word))
    });
    let pairs = (counts & EVERY_OTHER).wrapping_add(counts >> 8 & EVERY_OTHER);
    let in_words = pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48;
    let other = high & HIGH != 0 || !rest.is_ascii();
    (in_words as usize + rest.iter().filter(|byte| byte.is_ascii_digit()).count(), other)
}

const EVERY_OTHER: u64 = 0x00ff_00ff_00ff_00ff;

/// A one in each byte that is a digit.
#[inline]
fn digits_of_word(word: [u8; 8]) -> u64 {
    !above_nine(u64::from_le_bytes(word) ^ every(b'0')) >> 7 & every(1)
}

/// Whether a text has the digits of a card number, of whatever script.
#[cold]
fn has_many_digits(text: &[u8]) -> bool {
    card_number::decimal_digits(&String::from_utf8_lossy(text)) >= CARD_DIGITS_MIN
}

#[inline(never)]
fn in_many_digits(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(card_number::is_in) || in_exponent(text)
}

/// Whether a record that could not be read contains a card number anywhere: as it is written, with its escapes
/// decoded, and in numbers with an exponent.
pub(super) fn in_record(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let decoded = unescaped(&text);
    let is_of_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let mut numbers = decoded.as_bytes().split(|byte| !is_of_number(*byte));
    card_number::is_in(&decoded) || card_number::is_in(&text) || numbers.any(in_exponent)
}

/// The text with the escapes of JSON decoded; what is no escape stays.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let (mut decoded, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(slash) = rest.find('\\') {
        decoded.push_str(&rest[..slash]);
        let (c, length) = escape(&rest[slash + 1..]).unwrap_or(('\\', 0));
        decoded.push(c);
        rest = &rest[slash + 1 + length..];
    }
    decoded.push_str(rest);
    decoded.into()
}

/// Whether the text is a number with an exponent whose value is a card number.
fn in_exponent(text: &[u8]) -> bool {
    let exponent = text.iter().any(|byte| matches!(byte, b'e' | b'E'));
    let value = exponent.then(|| scaled(text, 0, Rounding::Exact(u8::MAX), u64::MAX)).flatten();
    value.is_some_and(|value| card_number::is_in(&value.unsigned_abs().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CARD: &str = "4111111111111111";

    #[test]
    fn the_decimal_point_of_a_number_joins_no_digits() {
        for number in ["48.13715412345673", "4111.111111111111", "0.4111111111111111", "-74.4111111111111111"]
        {
            assert!(!in_number(number.as_bytes()) && !in_cell(number.as_bytes()), "{number}");
        }
        for number in
            [CARD, "-4111111111111111", "4111111111111111.0", "4.111111111111111e15", "41111111111111110E-1"]
        {
            assert!(in_number(number.as_bytes()) && in_cell(number.as_bytes()), "{number}");
            assert!(in_record(format!("{{\"a\":01,\"b\":{number}}}").as_bytes()), "{number}");
        }
        // A text is no number.
        assert!(in_text(b"4111.111111111111") && in_cell(b"4111.1111.1111.1111"));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_searched_with_its_escapes_decoded() {
        let each = |form: fn(char) -> String| CARD.chars().map(form).collect::<String>();
        for inside in [
            CARD.to_owned(),
            each(|digit| format!("\\u{:04x}", u32::from(digit))),
            each(|digit| format!("{digit}\\u200d")),
            each(|digit| format!("{digit}\\t")),
            each(|digit| format!("{digit}\\ud83d\\ude00")),
            each(|digit| format!("{digit},")),
            "4111\\n1111\\r\\n1111\\/1111".to_owned(),
        ] {
            assert!(in_record(format!("{{\"a\":01,\"b\":\"{inside}").as_bytes()), "{inside}");
        }
        assert!(in_record(&[CARD.as_bytes(), &[0xff]].concat()));
        let utf_16: Vec<u8> = CARD.bytes().flat_map(|byte| [byte, 0]).collect();
        assert!(in_record(&utf_16));
        assert!(!in_record(b"{\"a\":01,\"time\":\"2026-03-02T10:00:00Z\",\"amount\":5.00e2}"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn digits_are_counted_by_words_as_one_by_one(bytes in prop::collection::vec(prop_oneof![0x2du8..0x3d, 0xafu8..0xbb, any::<u8>()], 0..40)) {
            let one_by_one = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
            prop_assert_eq!(digits(&bytes), (one_by_one, !bytes.is_ascii()));
        }

        /// The tests before the search let nothing through that it would find.
        #[test]
        fn no_text_is_passed_over_that_holds_a_card_number(text in "([0-9]{0,5}|[０-９]{0,5}|[ .-]|é|[a-d]){0,12}") {
            prop_assert_eq!(in_text(text.as_bytes()), card_number::is_in(&text));
        }
    }
}
