//! Characters that a reader does not see. It does not depend on what a text is for.

use std::borrow::Cow;

/// Characters that are not displayed and could disguise others: control characters, bidirectional marks, zero-width
/// characters, line separators.
#[inline]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The text for a terminal: hidden characters, which could move the cursor or reverse what is read, are left out. Line
/// ends and tabs stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_refused = |c: char| is_hidden(c) && c != '\n' && c != '\t';
    if text.contains(is_refused) { text.replace(is_refused, "").into() } else { text.into() }
}

/// The text without hidden characters, as the texts of events are read.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.contains(is_hidden) { text.replace(is_hidden, "").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_and_no_bidirectional_character() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\r\u{9b}d\u{7}"), "a[2Jbcd");
        assert_eq!(printable("Zürich\n\t東京"), "Zürich\n\t東京");
    }
}
