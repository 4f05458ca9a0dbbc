//! The place in the file of each byte of a scalar, through quotes, escapes, indentation and folds.
//!
//! It does not depend on what the text means.

use super::{Node, Style, Value};
use crate::diagnostic::Span;
use std::ops::Range;

/// Places of a text's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positions {
    file: usize,
    /// Place of each byte of the text, and one past the last.
    offsets: Vec<usize>,
}

impl Positions {
    /// The places of a scalar node's text in its file's `source`.
    pub fn new(node: &Node, source: &str) -> Positions {
        let Value::Scalar { text, style } = &node.value else {
            return Positions { file: node.span.file, offsets: vec![node.span.start] };
        };
        let mut walk = Walk { source, at: node.span.start, style: *style };
        walk.enter();
        let mut offsets = Vec::with_capacity(text.len() + 1);
        let mut last_end = walk.at;
        for character in text.chars() {
            let (start, end) = walk.next(character);
            offsets.extend(std::iter::repeat_n(start, character.len_utf8()));
            if !character.is_whitespace() {
                last_end = end;
            }
        }
        offsets.push(last_end);
        Positions { file: node.span.file, offsets }
    }

    /// The place of a range of bytes.
    pub fn span(&self, range: Range<usize>) -> Span {
        let last = self.offsets.len() - 1;
        let start = self.offsets[range.start.min(last)];
        let end = match range.end {
            end if end <= range.start => start,
            end if end >= last => self.offsets[last],
            // The end is after the last byte, which is not where the next one starts if a fold lies between.
            end => self.offsets[end].min(self.offsets[end - 1] + (end - self.start_of(end - 1))),
        };
        Span { file: self.file, start, end: end.max(start) }
    }

    /// First byte of the character that byte `at` belongs to.
    fn start_of(&self, at: usize) -> usize {
        (0..=at).rev().take_while(|byte| self.offsets[*byte] == self.offsets[at]).last().unwrap_or(at)
    }
}

struct Walk<'a> {
    source: &'a str,
    at: usize,
    style: Style,
}

impl Walk<'_> {
    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    /// Skips the opening quote or the header of the block.
    fn enter(&mut self) {
        match self.style {
            Style::Plain => {}
            Style::Single | Style::Double => {
                let quote = if self.style == Style::Single { '\'' } else { '"' };
                self.at = self.source[self.at..].find(quote).map_or(self.at, |before| self.at + before + 1);
            }
            Style::Literal | Style::Folded => {
                if matches!(self.peek(), Some('|' | '>')) {
                    let line =
                        self.source[self.at..].find('\n').map_or(self.source.len(), |end| self.at + end + 1);
                    self.at = line;
                }
            }
        }
    }

    /// Finds the next character of the text; returns its start and end.
    fn next(&mut self, wanted: char) -> (usize, usize) {
        if !wanted.is_whitespace() {
            self.skip_folds(wanted);
        }
        let mut start = self.at;
        match self.peek() {
            Some('\\') if self.style == Style::Double => {
                let length = self.escape_len();
                // The place of an escaped quote is the quote, not the backslash.
                start += usize::from(length == 2);
                self.at += length;
            }
            Some('\'') if self.style == Style::Single && wanted == '\'' => self.at += 2,
            Some(found) if found == wanted || (wanted.is_whitespace() && found.is_whitespace()) => {
                self.at += found.len_utf8();
            }
            _ => {}
        }
        while !self.source.is_char_boundary(self.at) {
            // An escape is misread only after an anchor or a tag, which are errors of their own.
            self.at = (self.at + 1).min(self.source.len());
        }
        (start, self.at)
    }

    /// Skips indentation and folded line ends, which are not part of the text.
    fn skip_folds(&mut self, wanted: char) {
        while let Some(found) = self.peek() {
            let escaped_break = self.style == Style::Double && self.source[self.at..].starts_with("\\\n");
            if escaped_break {
                self.at += 2;
            } else if found.is_whitespace() && found != wanted {
                self.at += found.len_utf8();
            } else {
                break;
            }
        }
    }

    fn escape_len(&self) -> usize {
        match self.source[self.at + 1..].chars().next() {
            Some('x') => 4,
            Some('u') => 6,
            Some('U') => 10,
            Some(other) => 1 + other.len_utf8(),
            None => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::{Diagnostics, File};
    use crate::yaml::{Positions, parse};

    /// Every `needle` in the value of `a` must be found at its place in the file.
    fn place(source: &str, needle: &str) -> (usize, usize) {
        let mut problems = Diagnostics::new(&[File::new("f", source)]);
        let root = parse(0, &mut problems).unwrap();
        assert_eq!(problems.list(), []);
        let node = root.value_of("a").unwrap();
        let text = node.scalar().unwrap();
        let at = text.find(needle).unwrap();
        let span = Positions::new(node, source).span(at..at + needle.len());
        (span.start, span.end)
    }

    #[test]
    fn a_word_is_found_where_it_stands_in_every_style() {
        for source in [
            "a: one wörd xyz two\n",
            "a: one wörd\n  xyz two\n",
            "a: 'it''s ö xyz'\n",
            "a: \"q \\\" \\u00e9 ö xyz\"\n",
            "a: \"one\n  ö xyz\"\n",
            "b: 1\na: |\n  one ö\n    xyz\n  two\nc: 2\n",
            "a: >\n  one ö\n  two xyz\n\n  three\n",
            "a: >-\n  one\n  ö xyz",
            "l: [1]\na: |2\n    one xyz\n",
            "# ö\na:    xyz  # xyy\n",
        ] {
            let at = source.find("xyz").unwrap();
            assert_eq!(place(source, "xyz"), (at, at + 3), "{source:?}");
        }
    }

    #[test]
    fn a_span_may_cross_an_escape() {
        let source = "a: \"x > \\\"100\\\" or y\"";
        let start = source.find("\\\"100").unwrap();
        assert_eq!(place(source, "\"100\""), (start + 1, start + 7));
    }
}
