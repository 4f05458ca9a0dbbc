//! Values as people read them: of a field after mapping, and of a place before. It decides nothing.

use crate::cli::text;
use tripline_core::batch::Timestamp;
use tripline_core::decode::holds_card_number;
use tripline_core::event::Event;
use tripline_rules::ruleset::{Described, describe_field};
use tripline_rules::schema::Field;
use tripline_rules::text::printable;
use tripline_rules::value::Slot;

/// What is shown of a field without a value.
pub const MISSING: &str = "missing";
/// The longest value shown, in characters.
const CHARS_MAX: usize = 36;

/// The value of a field of a decoded event.
pub fn mapped(field: &Field, slot: Slot, event: &Event) -> String {
    cut(&match describe_field(&field.kind, slot, &event.registers, &event.texts) {
        Described::Missing => MISSING.to_owned(),
        Described::Number(number) | Described::Money(number, None) => number.to_string(),
        Described::Money(minor, Some(currency)) => text::money(whole(minor), currency.code()),
        Described::Bool(yes) => if yes { "yes" } else { "no" }.to_owned(),
        Described::Text(text) => text.to_owned(),
        Described::Time(ms) => Timestamp(whole(ms)).to_string(),
        Described::Duration(ms) => text::duration(whole(ms)),
        Described::Geo(geo) => format!("{}, {}", geo.latitude, geo.longitude),
    })
}

/// A text of the sample, unless it looks like a card number.
pub fn cut(text: &str) -> String {
    if holds_card_number(text.as_bytes()) {
        return "(like a card number)".to_owned();
    }
    let text = printable(text);
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// A whole number of a register.
#[expect(clippy::cast_possible_truncation, reason = "registers hold whole numbers exactly, below 2^53")]
pub fn whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_card_number_is_not_shown() {
        assert_eq!(cut("4111 1111 1111 1111"), "(like a card number)");
        assert_eq!(cut("a\u{1b}[2Jb"), "a[2Jb");
        assert_eq!(cut(&"x".repeat(50)).chars().count(), 37);
    }
}
