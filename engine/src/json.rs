//! An error in JSON of another writer, without any of its content: log lines and messages contain it, and the parser's
//! own text quotes the input.

use serde_json::error::Category;
use std::fmt;

/// Kind and position of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    is_json: bool,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> JsonError {
        let is_json = error.classify() == Category::Data;
        JsonError { is_json, line: error.line(), column: error.column() }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_json { "another value is expected" } else { "no JSON" };
        write!(f, "{what} at line {} column {}", self.line, self.column)
    }
}

impl std::error::Error for JsonError {}

#[cfg(test)]
mod tests {
    use super::*;
    use tripline_core::verdict::Recorded;

    #[test]
    fn an_error_contains_its_position_and_quotes_nothing() {
        let said =
            |text: &str| JsonError::from(serde_json::from_str::<Recorded>(text).unwrap_err()).to_string();
        let stray = r#"{"at":"Zoe Quill","changes":[{"ACC-7":1}],"source":{"partition":"4111","offset":0}}"#;
        assert_eq!(said(stray), "another value is expected at line 1 column 17");
        let from_changes = said(&stray.replace("Zoe Quill", "2026-01-01T00:00:00Z"));
        assert!(from_changes.starts_with("another value is expected") && !from_changes.contains("ACC-7"));
        assert_eq!(said("{\"at\":Zoe"), "no JSON at line 1 column 7");
    }
}
