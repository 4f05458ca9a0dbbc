//! Tests of an event's texts: prefixes, and regular expressions of bounded size.
//!
//! It does not depend on fields; a register holds the hash of a text only.

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

/// Maximum size of a compiled pattern, bytes.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A test that needs the text of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextTest {
    /// `starts_with`
    StartsWith,
    /// `matches`
    Matches,
}

/// A pattern that texts are tested with.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// A prefix of the text.
    Start(String),
    /// A regular expression that matches a part of the text; linear in the length of the text.
    Regex(String, Box<Regex>),
}

impl Pattern {
    /// A regular expression.
    ///
    /// # Errors
    /// The text is not a regular expression, or the compiled one is too large.
    pub fn regex(text: &str) -> Result<Pattern, String> {
        let bounds =
            Config::new().nfa_size_limit(Some(PATTERN_BYTES_MAX)).onepass_size_limit(Some(PATTERN_BYTES_MAX));
        let regex = Regex::builder()
            .configure(bounds)
            .syntax(syntax::Config::new().nest_limit(32))
            .build(text)
            .map_err(|error| match error.size_limit() {
                Some(most) => format!("the compiled pattern exceeds {most} bytes"),
                None => "the text is not a valid regular expression".to_owned(),
            })?;
        Ok(Pattern::Regex(text.to_owned(), Box::new(regex)))
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        match self {
            Pattern::Start(text) | Pattern::Regex(text, _) => text,
        }
    }

    /// The test that the pattern belongs to.
    pub(crate) fn test(&self) -> TextTest {
        match self {
            Pattern::Start(_) => TextTest::StartsWith,
            Pattern::Regex(..) => TextTest::Matches,
        }
    }

    /// Whether a text matches.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Pattern::Start(start) => text.starts_with(start),
            Pattern::Regex(_, regex) => regex.is_match(text),
        }
    }
}
