//! What is wrong with JSON that somebody else wrote, without a byte of it: it is written to log lines and messages, and
//! the parser's own words quote what they do not like.

use serde_json::error::Category;
use std::fmt;

/// Kind and place of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonFault {
    is_json: bool,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for JsonFault {
    fn from(fault: serde_json::Error) -> JsonFault {
        let is_json = fault.classify() == Category::Data;
        JsonFault { is_json, line: fault.line(), column: fault.column() }
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_json { "another value is expected" } else { "no JSON" };
        write!(f, "{what} at line {} column {}", self.line, self.column)
    }
}

impl std::error::Error for JsonFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use tripline_core::verdict::Recorded;

    #[test]
    fn a_fault_says_where_and_quotes_nothing() {
        let said =
            |text: &str| JsonFault::from(serde_json::from_str::<Recorded>(text).unwrap_err()).to_string();
        let stray = r#"{"at":"Zoe Quill","changes":[{"ACC-7":1}],"source":{"partition":"4111","offset":0}}"#;
        assert_eq!(said(stray), "another value is expected at line 1 column 17");
        let from_changes = said(&stray.replace("Zoe Quill", "2026-01-01T00:00:00Z"));
        assert!(from_changes.starts_with("another value is expected") && !from_changes.contains("ACC-7"));
        assert_eq!(said("{\"at\":Zoe"), "no JSON at line 1 column 7");
    }
}
