//! Finds card numbers in a text. It does not depend on where the text is from, nor which fields are exempt.
//!
//! A card number is 12 to 19 digits with a prefix and a length of one of the card schemes and a valid Luhn digit
//! (ISO/IEC 7812-1 annex B). What is found:
//! - a whole run of digits, whatever letters are beside it (`PAN4111…`);
//! - whole runs with at most three characters that are neither letter nor digit between them, in whatever number;
//! - in all decimal digits of Unicode, and with characters between them that are not displayed or that join others.
//!
//! Digits of some well-known forms are something else: of a valid IBAN, a UUID, a time of day, an IP address, a decimal
//! number up to 180 (a coordinate, a share).

mod digits;
mod forms;
mod schemes;

pub use schemes::{CARD_DIGITS_MAX, CARD_DIGITS_MIN};

use digits::{decimal_digit, is_joining};
use schemes::is_card_number;
use std::borrow::Cow;
use std::ops::Range;

/// Characters between two digits of one card number.
const SEPARATORS_MAX: usize = 3;

/// Whether a text contains a card number.
pub fn is_in(text: &str) -> bool {
    find(text, 0).is_some()
}

/// How many decimal digits a text has, of any script.
pub fn decimal_digits(text: &str) -> usize {
    text.chars().filter(|c| decimal_digit(*c).is_some()).count()
}

/// The text with `*` in place of every byte of a digit of a card number: positions stay the same.
pub fn masked(text: &str) -> Cow<'_, str> {
    let Some(mut found) = find(text, 0) else { return text.into() };
    let (mut masked, mut from) = (String::new(), 0);
    loop {
        masked.push_str(&text[from..found.start]);
        for c in text[found.clone()].chars() {
            match decimal_digit(c) {
                Some(_) => masked.extend(std::iter::repeat_n('*', c.len_utf8())),
                None => masked.push(c),
            }
        }
        from = found.end;
        match find(text, from) {
            Some(next) => found = next,
            None => break,
        }
    }
    masked.push_str(&text[from..]);
    masked.into()
}

/// The range of the first card number from a position on.
fn find(text: &str, from: usize) -> Option<Range<usize>> {
    let mut scan = Scan::default();
    for (at, c) in text[from..].char_indices() {
        let at = from + at;
        if let Some(digit) = decimal_digit(c) {
            scan.digit(digit, at);
            scan.end = at + c.len_utf8();
        } else if !is_joining(c) {
            if let Some(found) = scan.end_group(text) {
                return Some(found);
            }
            scan.separate(c);
        }
    }
    scan.end_group(text)
}

/// Digits in one chain: groups with separators between them.
#[derive(Default)]
struct Scan {
    /// The last 32 digits, four bits each, the newest lowest.
    digits: u128,
    /// For each of them, whether a group begins there.
    starts: u32,
    /// Where each of them is in the text, by its number modulo 32.
    places: [usize; 32],
    /// Digits of the chain.
    chain: usize,
    /// Digits of the group that is being read; 0 after a separator.
    group: usize,
    /// Separators since the last digit.
    separators: usize,
    /// Where the last digit ends.
    end: usize,
}

impl Scan {
    fn digit(&mut self, digit: u32, at: usize) {
        self.digits = self.digits << 4 | u128::from(digit);
        self.starts = self.starts << 1 | u32::from(self.group == 0);
        self.places[self.chain % 32] = at;
        self.chain += 1;
        self.group += 1;
        self.separators = 0;
    }

    fn separate(&mut self, c: char) {
        self.group = 0;
        self.separators += 1;
        if self.separators > SEPARATORS_MAX || c.is_alphabetic() {
            self.chain = 0;
        }
    }

    /// Tests every card number that could end with the group just read, the longest first.
    fn end_group(&self, text: &str) -> Option<Range<usize>> {
        if self.group == 0 {
            return None;
        }
        (CARD_DIGITS_MIN..=CARD_DIGITS_MAX.min(self.chain)).rev().find_map(|length| {
            let starts = self.starts >> (length - 1) & 1 == 1;
            let found = self.places[(self.chain - length) % 32]..self.end;
            (starts && is_card_number(self.digits, length) && !forms::explain(text, &found)).then_some(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_other_forms_are_no_card_number() {
        for text in [
            "4111111111111112",
            "411111111111",
            "41111111111111111111",
            "0.4111111111111111",
            "-74.4111111111111111",
            "1111111111111117",
            "7000000000000005",
            "1705312200123",
            "20240115103000123",
            "41111111-1111-1111-a111-111111111111",
            "b 41111111-1111-1111-8111-111111111111 x",
            "4111    1111    1111    1111",
            "4111a1111b1111c1111",
            "2024-01-15T10:30:00.123456789Z",
            "at 30.05.2024 14:30:09, seen",
            "2026-03-02T10:40:00.1234565+02:00",
            "52.123.123.100:44327, 10.0.0.1",
            "48.137154, 11.576124",
            "POINT(-74.4111111111 40.1111111)",
            "BE62000000053012",
            "IBAN NO46 0000 0987 34, thanks",
            "fi50-0000-0000-0063-86",
        ] {
            assert!(!is_in(text), "{text}");
        }
        // Each is one but for its form.
        for text in
            ["2024 4111111111111111", "BE63 4111111111111111", "0.4111111111111111 4111 1111 1111 1111"]
        {
            assert!(is_in(text), "{text}");
        }
    }

    #[test]
    fn a_masked_text_shows_no_digit_of_a_card_number() {
        let text = "pay 4111 1111-1111/1111 or ４１１１１１１１１１１１１１１１ on 2026-03-02 at 10:30";
        let stars = "*".repeat("４１１１１１１１１１１１１１１１".len());
        assert_eq!(masked(text), format!("pay **** ****-****/**** or {stars} on 2026-03-02 at 10:30"));
        assert_eq!(masked("order 17 of 2026-03-02"), "order 17 of 2026-03-02");
    }
}
