//! What of a file and a message is shown: neither secrets, nor card numbers, nor characters that steer a terminal.

use crate::card_number::masked;
use crate::text::is_hidden;
use std::fmt::Write as _;
use std::ops::Range;

/// The text of a file with `*` in place of secrets and card numbers; every position stays the same.
pub(super) fn source(text: &str, secrets: impl Iterator<Item = Range<usize>>) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        let line_ends = |byte: u8| if byte == b'\n' || byte == b'\r' { char::from(byte) } else { '*' };
        let stars: String = text[secret.clone()].bytes().map(line_ends).collect();
        text.replace_range(secret, &stars);
    }
    masked(&text).into_owned()
}

/// Appends a text as a string of JSON. Characters that are not displayed are escaped.
pub(super) fn json_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            hidden if is_hidden(hidden) => {
                // Writing to a String cannot fail; all such characters are below U+10000.
                let _ = write!(out, "\\u{:04x}", u32::from(hidden));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
