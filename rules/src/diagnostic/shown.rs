//! What of a file and a message is shown: neither secrets, nor card numbers, nor characters that steer a terminal.

use crate::card_number::masked;
use crate::text::is_hidden;
use std::borrow::Cow;
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

/// The secrets in the lines of a place, as a message about it may quote them: each as a whole and word by word, the
/// longest first.
pub(super) fn quotable(
    text: &str,
    place: Range<usize>,
    secrets: impl Iterator<Item = Range<usize>>,
) -> Vec<&str> {
    let start = text[..place.start].rfind('\n').map_or(0, |before| before + 1);
    let end = text[place.end..].find('\n').map_or(text.len(), |length| place.end + length);
    let mut words = Vec::new();
    for secret in secrets.filter(|secret| secret.start < end && start < secret.end) {
        let marks = |c: char| c.is_whitespace() || "\"',:".contains(c);
        let whole = text[secret].trim_matches(marks);
        let parts = whole.split(|c: char| c.is_whitespace() || "\"'`,{}[]".contains(c));
        let parts = parts.map(|word| word.trim_matches(':')).chain([whole]);
        words.extend(parts.filter(|word| word.chars().count() >= QUOTED_MIN));
    }
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}

/// Characters of a secret that is searched for in messages, at least: shorter ones are parts of any sentence.
const QUOTED_MIN: usize = 3;

/// A message with `***` in place of quoted secrets and card numbers.
pub(super) fn message<'t>(text: &'t str, secrets: &[&str]) -> Cow<'t, str> {
    if !secrets.iter().any(|secret| text.contains(secret)) {
        return masked(text);
    }
    let mut hidden = text.to_owned();
    for secret in secrets {
        let mut from = 0;
        while let Some(at) = hidden[from..].find(secret).map(|at| from + at) {
            let end = at + secret.len();
            let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            let is_part = joins(hidden[..at].chars().next_back()) || joins(hidden[end..].chars().next());
            from = if is_part { end } else { at + "***".len() };
            if !is_part {
                hidden.replace_range(at..end, "***");
            }
        }
    }
    Cow::Owned(masked(&hidden).into_owned())
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
