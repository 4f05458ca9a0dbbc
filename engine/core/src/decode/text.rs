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
pub(super) fn is_id(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= ID_BYTES_MAX
        && text.iter().fold(true, |all, byte| all & ID_BYTE[usize::from(*byte)])
}

/// The text without hidden characters; `None` when more than 128 characters remain.
/// `scratch` is overwritten when there is something to strip.
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
    use super::*;

    #[test]
    fn an_id_has_64_bytes_of_a_small_alphabet() {
        assert!(is_id(b"evt_2024-01:7.B"));
        assert!(is_id("x".repeat(64).as_bytes()));
        for bad in ["", "a b", "a/b", "ä", "a\n", "\u{202e}a", &"x".repeat(65)] {
            assert!(!is_id(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn hidden_characters_are_stripped_before_characters_are_counted() {
        let said = |text: &str| {
            let mut scratch = String::new();
            stripped(text.as_bytes(), &mut scratch).map(|text| String::from_utf8(text.to_vec()).unwrap())
        };
        assert_eq!(said("Café 7-Eleven"), Some("Café 7-Eleven".to_owned()));
        assert_eq!(said("a\u{202e}b\r\nc\u{0}d\u{2028}e\u{feff}"), Some("abcde".to_owned()));
        assert_eq!(said(&"ü".repeat(128)), Some("ü".repeat(128)));
        assert_eq!(said(&"ü".repeat(129)), None);
        assert_eq!(said(&"\u{1}".repeat(500)), Some("".to_owned()));
        assert_eq!(said(&"x".repeat(129)), None);
    }
}
