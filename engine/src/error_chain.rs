//! How an error is written with its causes: in one line, for standard error, the log and messages. It does not depend
//! on an error type.

use std::error::Error;
use std::fmt::Write;
use tripline_rules::text::printable;

/// An error, then each of its causes behind a colon. A cause that the text before already contains is left out, and so
/// are characters that steer a terminal: a cause may be a server's answer.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let message = cause.to_string();
        if !text.contains(&message) {
            let _ = write!(text, ": {message}");
        }
        next = cause.source();
    }
    printable(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Step {
        #[error("disk full")]
        Disk,
        #[error("cannot write {0}")]
        Write(&'static str, #[source] Box<Step>),
        #[error("commit failed: {0}")]
        Commit(#[source] Box<Step>),
    }

    #[test]
    fn each_cause_is_written_once_and_in_order() {
        let write = Step::Write("alerts.jsonl", Box::new(Step::Disk));
        assert_eq!(with_causes(&write), "cannot write alerts.jsonl: disk full");
        let commit = Step::Commit(Box::new(write));
        assert_eq!(with_causes(&commit), "commit failed: cannot write alerts.jsonl: disk full");
        assert_eq!(with_causes(&Step::Disk), "disk full");
        let hostile = Step::Write("a\u{1b}[2J\u{202e}b", Box::new(Step::Disk));
        assert_eq!(with_causes(&hostile), "cannot write a[2Jb: disk full");
    }
}
