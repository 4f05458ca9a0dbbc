//! Ids and free texts: which characters they may have, and which are stripped. It does not depend on which field a text
//! is of.

use super::word::{HIGH, every};
use crate::limits::{ID_BYTES_MAX, TEXT_CHARS_MAX};
use tripline_rules::text::is_hidden;

/// Whether a text that begins with these eight bytes is an id: 1 to 64 bytes of `[A-Za-z0-9_.:-]`.
#[inline(always)]
pub(super) fn is_id(text: &[u8], head: u64) -> bool {
    if text.len() < 8 {
        let padding = every(b'0') << (8 * text.len());
        return !text.is_empty() && non_id_bytes(head | padding) == 0;
    }
    text.len() <= ID_BYTES_MAX && non_id_bytes(head) | non_id_bytes_behind(text) == 0
}

/// Bits of the bytes behind the first eight that an id does not have.
#[inline]
fn non_id_bytes_behind(text: &[u8]) -> u64 {
    let (words, _) = text.as_chunks::<8>();
    let whole = words.iter().skip(1).fold(0, |all, word| all | non_id_bytes(u64::from_le_bytes(*word)));
    // The last eight bytes may overlap with those before.
    whole | text.last_chunk().map_or(0, |word| non_id_bytes(u64::from_le_bytes(*word)))
}

/// The high bits of the bytes that an id does not have.
#[inline(always)]
fn non_id_bytes(word: u64) -> u64 {
    let letters = within(word | every(0x20), b'a', b'z');
    let digits_and_colon = within(word, b'0', b':');
    let dash_and_point = within(word, b'-', b'.');
    let underscore = within(word, b'_', b'_');
    !(letters | digits_and_colon | dash_and_point | underscore) & HIGH | word & HIGH
}

/// The high bits of the bytes from `first` to `last`. The bits of bytes from 0x80 on are undefined.
#[inline(always)]
fn within(word: u64, first: u8, last: u8) -> u64 {
    // No sum overflows its byte.
    let low = word & !HIGH;
    low.wrapping_add(every(0x80 - first)) & !low.wrapping_add(every(0x7f - last))
}

/// The text without hidden characters; `None` when more than [`TEXT_CHARS_MAX`] characters remain. `scratch` is
/// overwritten when there is something to strip.
pub(super) fn stripped<'a>(text: &'a [u8], scratch: &'a mut String) -> Option<&'a [u8]> {
    let plain = text.iter().fold(true, |all, byte| all & matches!(byte, 0x20..=0x7e));
    if plain && text.len() <= TEXT_CHARS_MAX {
        return Some(text);
    }
    scratch.clear();
    let characters = text.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
    scratch.extend(characters.filter(|c| !is_hidden(*c)));
    (scratch.len() <= TEXT_CHARS_MAX || scratch.chars().count() <= TEXT_CHARS_MAX)
        .then_some(scratch.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::word::head;
    use super::*;

    #[test]
    fn an_id_has_64_bytes_of_a_small_alphabet() {
        let is_id = |text: &[u8]| is_id(text, head(text));
        assert!(is_id(b"evt_2024-01:7.B"));
        assert!(is_id("x".repeat(64).as_bytes()));
        for bad in ["", "a b", "a/b", "ä", "a\n", "\u{202e}a", &"x".repeat(65)] {
            assert!(!is_id(bad.as_bytes()), "{bad:?}");
        }
        for (byte, length) in (0..=u8::MAX).flat_map(|byte| (1..=30).map(move |length| (byte, length))) {
            for at in 0..length {
                let mut text = vec![b'x'; length];
                text[at] = byte;
                let allowed = byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
                assert_eq!(is_id(&text), allowed, "{byte:#x} at {at} of {length}");
            }
        }
    }

    #[test]
    fn hidden_characters_are_stripped_before_characters_are_counted() {
        let visible = |text: &str| {
            let mut scratch = String::new();
            stripped(text.as_bytes(), &mut scratch).map(|text| String::from_utf8(text.to_vec()).unwrap())
        };
        assert_eq!(visible("Café 7-Eleven"), Some("Café 7-Eleven".to_owned()));
        assert_eq!(visible("a\u{202e}b\r\nc\u{0}d\u{2028}e\u{feff}"), Some("abcde".to_owned()));
        assert_eq!(visible(&"ü".repeat(128)), Some("ü".repeat(128)));
        assert_eq!(visible(&"ü".repeat(129)), None);
        assert_eq!(visible(&"\u{1}".repeat(500)), Some("".to_owned()));
        assert_eq!(visible(&"x".repeat(129)), None);
    }
}
