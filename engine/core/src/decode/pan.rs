//! Finds card numbers where none is allowed. It does not know which sources are exempt.
//!
//! A card number is 13 to 19 digits that begin with an issuer's prefix and end in a valid Luhn digit (ISO/IEC 7812-1
//! annex B), in one run or in groups with a single blank or dash between them. What is found:
//! - a whole run of digits, whatever letters are beside it (`PAN4111…`), but not the decimals of a number (`0.4111…`);
//! - any consecutive groups, when no letter is beside the first or the last. So most UUIDs are not found, and the first
//!   three groups of one never are;
//! - a number with hidden characters in it: they are stripped from texts, which would join its digits;
//! - a number with an exponent that is such an integer (`4.111…e15`).
//!
//! Of all-digit ids with an issuer's prefix, one in ten looks like a card number.

use super::decimal::{Rounding, scaled};
use super::text::is_hidden;
use super::word::{above_nine, every};
use crate::limits::{CARD_DIGITS_MAX, CARD_DIGITS_MIN};

/// Whether a decoded text contains a card number.
#[inline]
pub(super) fn in_text(text: &[u8]) -> bool {
    text.len() >= CARD_DIGITS_MIN && in_long_text(text)
}

#[inline]
fn in_long_text(text: &[u8]) -> bool {
    digits(text) >= CARD_DIGITS_MIN && in_many_digits(text)
}

/// How many digits the text has, if it is at most 255 words long; a longer one counts as all digits.
#[inline]
fn digits(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    if words.len() > usize::from(u8::MAX) {
        return usize::MAX;
    }
    // Each byte counts the digits at its position; the product sums pairs of them in its uppermost bits.
    let counts = words.iter().fold(0u64, |sum, word| sum.wrapping_add(digits_of_word(*word)));
    let pairs = (counts & EVERY_OTHER).wrapping_add(counts >> 8 & EVERY_OTHER);
    let in_words = pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48;
    in_words as usize + rest.iter().filter(|byte| byte.is_ascii_digit()).count()
}

const EVERY_OTHER: u64 = 0x00ff_00ff_00ff_00ff;

/// A one in each byte that is a digit.
#[inline]
fn digits_of_word(word: [u8; 8]) -> u64 {
    !above_nine(u64::from_le_bytes(word) ^ every(b'0')) >> 7 & every(1)
}

fn in_many_digits(text: &[u8]) -> bool {
    let mut scan = Scan::default();
    text.utf8_chunks().flat_map(|chunk| chunk.valid().chars()).for_each(|c| scan.push(c));
    scan.finish() || in_exponent(text)
}

/// Whether a record that could not be read contains a card number anywhere, also in escapes of JSON.
pub(super) fn in_record(bytes: &[u8]) -> bool {
    let mut scan = Scan::default();
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(c) = rest.chars().next() {
            let (c, length) = escaped(rest).unwrap_or((c, c.len_utf8()));
            scan.push(c);
            rest = &rest[length..];
        }
        if !chunk.invalid().is_empty() {
            scan.push('\u{fffd}');
        }
    }
    scan.finish()
}

/// The character of a `\uXXXX` at the start of the text, and the length of the escape.
fn escaped(text: &str) -> Option<(char, usize)> {
    let hex = text.strip_prefix("\\u")?.get(..4)?;
    Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, 6))
}

/// Whether the text is a number with an exponent whose value is a card number.
fn in_exponent(text: &[u8]) -> bool {
    let exponent = text.iter().any(|byte| matches!(byte, b'e' | b'E'));
    let value = exponent.then(|| scaled(text, 0, Rounding::Exact, u64::MAX)).flatten();
    value.is_some_and(|value| {
        let mut scan = Scan::default();
        value.unsigned_abs().to_string().chars().for_each(|c| scan.push(c));
        scan.finish()
    })
}

/// Digits in one chain: groups with single separators between them.
#[derive(Default)]
struct Scan {
    /// The last 32 digits, four bits each, the newest lowest.
    digits: u128,
    /// For each of them, whether a group that may begin a card number begins there.
    starts: u32,
    /// Digits of the chain.
    chain: usize,
    /// Digits of the group that is being read; 0 after a separator.
    group: usize,
    /// Whether a letter is beside the first digit of the chain.
    after_letter: bool,
    /// Whether the character before was a letter; whether it was a point behind a digit.
    letter: bool,
    point: bool,
    found: bool,
}

impl Scan {
    fn push(&mut self, c: char) {
        if let Some(digit) = c.to_digit(10) {
            self.digit(digit);
        } else if !is_hidden(c) {
            let in_group = self.group > 0;
            if in_group {
                self.end_group(c);
            }
            self.group = 0;
            if !in_group || !is_separator(c) {
                self.chain = 0;
            }
            self.point = in_group && c == '.';
            self.letter = c.is_alphabetic();
        }
    }

    fn digit(&mut self, digit: u32) {
        let first_of_chain = self.chain == 0;
        let starts = self.group == 0 && !(first_of_chain && self.point);
        if first_of_chain {
            self.after_letter = self.letter;
        }
        self.digits = self.digits << 4 | u128::from(digit);
        self.starts = self.starts << 1 | u32::from(starts);
        self.chain += 1;
        self.group += 1;
        (self.letter, self.point) = (false, false);
    }

    fn finish(&mut self) -> bool {
        if self.group > 0 {
            self.end_group(' ');
        }
        self.found
    }

    /// Tests every card number that could end with the group just read; `next` is the character behind it.
    fn end_group(&mut self, next: char) {
        for length in CARD_DIGITS_MIN..=CARD_DIGITS_MAX.min(self.chain) {
            let starts = self.starts >> (length - 1) & 1 == 1;
            let grouped = length > self.group;
            let touched = length == self.chain && self.after_letter || next.is_alphabetic();
            if starts && !(grouped && (touched || self.begins_uuid(length, next))) {
                self.found |= is_card_number(self.digits, length);
            }
        }
    }

    /// The groups of 8, 4 and 4 digits that begin an all-digit UUID.
    fn begins_uuid(&self, length: usize, next: char) -> bool {
        length == 16 && next == '-' && self.starts & 0xffff == 0b1000_0000_1000_1000
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '\u{a0}' | '\u{202f}' | '\u{2010}'..='\u{2014}')
}

/// Whether the newest `length` digits are a card number.
fn is_card_number(digits: u128, length: usize) -> bool {
    let prefix = digits >> (4 * (length - 4)) & 0xffff;
    is_issuer(prefix) && luhn(digits, length)
}

/// Whether four digits, four bits each, are a prefix of the card schemes.
fn is_issuer(prefix: u128) -> bool {
    matches!(prefix,
        0x4000..=0x4999                                     // Visa
        | 0x5100..=0x5599 | 0x2221..=0x2720                 // Mastercard
        | 0x3400..=0x3499 | 0x3700..=0x3799                 // American Express
        | 0x3000..=0x3059 | 0x3090..=0x3099 | 0x3600..=0x3699 | 0x3800..=0x3999 // Diners Club
        | 0x3528..=0x3589                                   // JCB
        | 0x5000..=0x5099 | 0x5600..=0x6999                 // Maestro, Discover, UnionPay, RuPay
        | 0x2200..=0x2204) // Mir
}

fn luhn(digits: u128, length: usize) -> bool {
    let sum: u128 = (0..length)
        .map(|at| {
            let digit = digits >> (4 * at) & 15;
            let doubled = digit * 2;
            match at % 2 {
                0 => digit,
                _ if doubled > 9 => doubled - 9,
                _ => doubled,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers that schemes and gateways publish for testing.
    const TEST_NUMBERS: &[&str] = &[
        "4111111111111111",
        "4012888888881881",
        "4222222222222",
        "4000056655665556",
        "5555555555554444",
        "5105105105105100",
        "2223003122003222",
        "2720992593007472",
        "378282246310005",
        "371449635398431",
        "341111111111111",
        "6011111111111117",
        "6011000990139424",
        "6445644564456445",
        "6500000000000002",
        "30569309025904",
        "38520000023237",
        "36227206271667",
        "3530111333300000",
        "3566002020360505",
        "6200000000000005",
        "6759649826438453",
        "5018000000000009",
        "2200000000000004",
    ];

    #[test]
    fn the_test_numbers_of_the_schemes_are_found_in_any_surrounding() {
        for number in TEST_NUMBERS {
            let dashed: Vec<&str> = [0, 4, 8, 12, 16]
                .iter()
                .filter_map(|at| number.get(*at..(at + 4).min(number.len())))
                .filter(|group| !group.is_empty())
                .collect();
            for text in [
                (*number).to_owned(),
                format!("card {number}, thanks"),
                format!("PAN{number}x"),
                format!("No.{number}"),
                format!("-{number}"),
                format!("{number}.0"),
                format!("2024-01-15 {number}"),
                format!("{number} 12/27"),
                dashed.join("-"),
                dashed.join(" "),
                format!("pay {} 12/27", dashed.join(" ")),
                format!("{} 123", dashed.join(" ")),
                dashed.join("\u{200b}"),
                dashed.join("\u{2}"),
                dashed.join("\u{a0}"),
                format!("{}.{}e{}", &number[..1], &number[1..], number.len() - 1),
            ] {
                assert!(in_text(text.as_bytes()), "{text:?}");
            }
            let escaped: String = number.bytes().map(|digit| format!("\\u{digit:04x}")).collect();
            assert!(in_record(format!("{{\"a\":\"{escaped}").as_bytes()));
            assert!(in_record(&[number.as_bytes(), &[0xff]].concat()));
        }
    }

    #[test]
    fn digits_that_are_not_a_card_number_pass() {
        for text in [
            "4111111111111112",
            "411111111111",
            "41111111111111111111",
            "0.4111111111111111",
            "-74.4111111111111111",
            "1111111111111117",
            "7000000000000005",
            "4111  1111  1111  1111",
            "4111/1111/1111/1111",
            "4111,1111,1111,1111",
            "1705312200123",
            "2024-01-15T10:30:00.123456789Z",
            "20240115103000123",
            "41111111-1111-1111-a111-111111111111",
            "a4111-1111-1111-1111",
            "4111-1111-1111-1111b",
        ] {
            assert!(!in_text(text.as_bytes()), "{text}");
            assert!(!in_record(text.as_bytes()), "{text}");
        }
    }

    /// The Luhn digit as the standard defines it.
    fn plain_luhn(number: &str) -> bool {
        let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
        let digits = number.chars().rev().map(|c| c.to_digit(10).unwrap());
        digits.enumerate().map(|(at, digit)| if at % 2 == 1 { doubled(digit) } else { digit }).sum::<u32>()
            % 10
            == 0
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn digits_are_counted_by_words_as_one_by_one(bytes in prop::collection::vec(prop_oneof![0x2du8..0x3d, 0xafu8..0xbb, any::<u8>()], 0..40)) {
            prop_assert_eq!(digits(&bytes), bytes.iter().filter(|byte| byte.is_ascii_digit()).count());
        }

        #[test]
        fn a_visa_number_is_found_exactly_when_its_luhn_digit_is_right(number in "4[0-9]{12,18}") {
            prop_assert_eq!(in_text(number.as_bytes()), plain_luhn(&number));
            prop_assert_eq!(in_record(number.as_bytes()), plain_luhn(&number));
        }
    }
}
