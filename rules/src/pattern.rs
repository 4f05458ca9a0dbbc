//! Tests of an event's own texts: the start of a text, and regular expressions of bounded size.
//!
//! It does not know fields; what a register holds of a text is its hash.

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

/// A compiled pattern takes at most so many bytes.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A text test that needs the event's own text.
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
    /// The text starts so.
    Start(String),
    /// A part of the text matches; linear in the text's length.
    Regex(String, Box<Regex>),
}

impl Pattern {
    /// A regular expression.
    ///
    /// # Errors
    /// Why it is not one, or that it is too large.
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

    /// As it is written.
    pub fn text(&self) -> &str {
        match self {
            Pattern::Start(text) | Pattern::Regex(text, _) => text,
        }
    }

    /// Which test it is for.
    pub(crate) fn test(&self) -> TextTest {
        match self {
            Pattern::Start(_) => TextTest::StartsWith,
            Pattern::Regex(..) => TextTest::Matches,
        }
    }

    /// Whether a text passes.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Pattern::Start(start) => text.starts_with(start),
            Pattern::Regex(_, regex) => regex.is_match(text),
        }
    }
}
