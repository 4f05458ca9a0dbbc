//! Decimal digits of all scripts, and characters that join others or are not displayed.

use crate::text::is_hidden;

/// The zeros of the decimal digits (general category Nd, Unicode 16); nine others follow each.
const ZEROS: [u32; 75] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0,
    0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0,
    0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60,
    0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0,
    0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// The value of a decimal digit.
#[inline]
pub(super) fn decimal_digit(c: char) -> Option<u32> {
    if c.is_ascii() { c.to_digit(10) } else { other_digit(c) }
}

fn other_digit(c: char) -> Option<u32> {
    let code = u32::from(c);
    let zero = *ZEROS.get(ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?)?;
    (code - zero < 10).then_some(code - zero)
}

/// Whether a character between two digits is not seen as one: it is hidden, joins its neighbours, is written over
/// the one before it, or chooses its variant.
pub(super) fn is_joining(c: char) -> bool {
    is_hidden(c)
        || matches!(c,
            '\u{200c}' | '\u{200d}' | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{115f}' | '\u{1160}'
            | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_of_all_scripts_have_their_values() {
        assert!(ZEROS.is_sorted());
        for (text, value) in [("0", 0), ("9", 9), ("４", 4), ("٤", 4), ("۹", 9), ("७", 7), ("๑", 1), ("𝟞", 6)]
        {
            assert_eq!(text.chars().next().and_then(decimal_digit), Some(value), "{text}");
        }
        for zero in ZEROS {
            let c = |code| char::from_u32(code).unwrap();
            assert!((0..10).all(|value| decimal_digit(c(zero + value)) == Some(value)), "{zero:x}");
            assert!((0..10).all(|value| c(zero + value).is_numeric()), "{zero:x}");
        }
        assert!(['a', '/', ':', '½', '①', '中'].iter().all(|c| decimal_digit(*c).is_none()));
    }
}
