//! What of a file and a message is shown: neither secrets, nor card numbers, nor characters that steer a terminal.

use super::Diagnostics;
use crate::card_number::masked;
use crate::text::is_hidden;
use std::fmt::Write as _;

impl Diagnostics {
    /// The text of a file with `*` in place of secrets and card numbers; every position stays the same.
    pub(super) fn shown_source(&self, file: usize) -> String {
        let mut text = self.files[file].text.to_string();
        for secret in self.secrets.iter().filter(|secret| secret.file == file) {
            let line_ends = |byte: u8| if byte == b'\n' || byte == b'\r' { char::from(byte) } else { '*' };
            let stars: String = text[secret.range()].bytes().map(line_ends).collect();
            text.replace_range(secret.range(), &stars);
        }
        masked(&text).into_owned()
    }
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

#[cfg(test)]
mod tests {
    use crate::diagnostic::{Diagnostics, File, Paint, Span};

    #[test]
    fn a_line_is_shown_without_its_secret_and_without_card_numbers() {
        let text = "client: {sasl.password: hunter2-é, x: 4111 1111 1111 1111}\n";
        let at = |word: &str| {
            let start = text.find(word).unwrap();
            Span { file: 0, start, end: start + word.len() }
        };
        let mut problems = Diagnostics::default();
        let mut of_file = Diagnostics::new(&[File::new("a.yaml", text)]);
        of_file.hide(at("hunter2-é"));
        of_file
            .error("C030", "`4111-1111-1111-1111` cannot be set\u{202e}", at("x:"))
            .label("here")
            .help("4111111111111111");
        problems.extend(of_file);
        let rendered = problems.render(Paint::Plain);
        assert!(rendered.contains("{sasl.password: **********, x: **** **** **** ****}"), "{rendered}");
        for shown in [rendered, problems.json()] {
            assert!(
                !shown.contains("hunter2") && !shown.contains("4111") && !shown.contains('\u{202e}'),
                "{shown}"
            );
        }
    }
}
