//! Ids and free texts: which characters they may have, and what is stripped. It does not know which field is which.

use crate::limits::{ID_BYTES_MAX, TEXT_CHARS_MAX};

/// Characters that are never shown and could disguise what is: control, bidirectional, zero-width, line separators.
/// They are stripped from free text, and the search for card numbers looks through them.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

const ID_BYTES: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";

const ID_BYTE: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut at = 0;
    while at < ID_BYTES.len() {
        allowed[ID_BYTES[at] as usize] = true;
        at += 1;
    }
    allowed
};

/// Whether a text is an id: 1 to 64 bytes of `[A-Za-z0-9_.:-]`.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_BYTES_MAX
        && text.bytes().fold(true, |all, byte| all & ID_BYTE[usize::from(byte)])
}

/// The text without hidden characters; `None` when more than 128 characters remain.
/// `scratch` is overwritten when there is something to strip.
pub(super) fn stripped<'a>(text: &'a str, scratch: &'a mut String) -> Option<&'a str> {
    let plain = text.bytes().fold(true, |all, byte| all & matches!(byte, 0x20..=0x7e));
    if plain && text.len() <= TEXT_CHARS_MAX {
        return Some(text);
    }
    scratch.clear();
    scratch.extend(text.chars().filter(|c| !is_hidden(*c)));
    (scratch.len() <= TEXT_CHARS_MAX || scratch.chars().count() <= TEXT_CHARS_MAX).then_some(scratch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_64_bytes_of_a_small_alphabet() {
        assert!(is_id("evt_2024-01:7.B"));
        assert!(is_id(&"x".repeat(64)));
        for bad in ["", "a b", "a/b", "ä", "a\n", "\u{202e}a", &"x".repeat(65)] {
            assert!(!is_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn hidden_characters_are_stripped_before_characters_are_counted() {
        let mut scratch = String::new();
        assert_eq!(stripped("Café 7-Eleven", &mut scratch), Some("Café 7-Eleven"));
        assert_eq!(stripped("a\u{202e}b\r\nc\u{0}d\u{2028}e\u{feff}", &mut scratch), Some("abcde"));
        assert_eq!(stripped(&"ü".repeat(128), &mut scratch), Some("ü".repeat(128).as_str()));
        assert_eq!(stripped(&"ü".repeat(129), &mut scratch), None);
        assert_eq!(stripped(&"\u{1}".repeat(500), &mut scratch), Some(""));
        assert_eq!(stripped(&"x".repeat(129), &mut scratch), None);
    }
}
