//! What a command reports, for people or as JSON, and how it ended. It does not depend on a command.

use super::error::CliError;
use serde::Serialize;
use std::io::{self, Write};
use tripline_core::counts::Counts;
use tripline_rules::text::printable;

/// How a command that could do its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Exit status 0.
    Success,
    /// The command found something wrong: exit status 1.
    Problems,
}

/// Writes text from Tripline or from outside to standard output, without characters that steer a terminal.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(text: &str) -> Result<(), CliError> {
    print_styled(&printable(text))
}

/// Writes text that may have colours of its own. What it contains from outside must be printable.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_styled(text: &str) -> Result<(), CliError> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// Writes a line about the work of a command to standard error. A closed standard error does not end the work.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(line));
}

/// What became of the records that are no rows; empty if all are.
pub fn without_row(counts: &Counts) -> String {
    let mut parts = Vec::new();
    let all = [("duplicates", counts.duplicates), ("conflicts", counts.conflicts), ("late", counts.late)];
    for (name, count) in all.into_iter().filter(|(_, count)| *count > 0) {
        parts.push(format!("{count} {name}"));
    }
    for (reason, count) in &counts.reasons {
        parts.push(format!("{count} {}", reason.name()));
    }
    if parts.is_empty() { String::new() } else { format!("no row of: {}\n", parts.join(", ")) }
}

/// A report: text for people, or one JSON object per line.
pub struct Report {
    json: bool,
}

impl Report {
    /// A report as JSON, or as text.
    pub fn new(json: bool) -> Report {
        Report { json }
    }

    /// Writes a line of a report in JSON.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        if self.json {
            let line = serde_json::to_string(value).map_err(io::Error::from)?;
            writeln!(io::stdout(), "{line}")?;
        }
        Ok(())
    }

    /// Writes a part of a report in text.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn text(&mut self, text: impl FnOnce() -> String) -> Result<(), CliError> {
        if !self.json {
            print(&text())?;
        }
        Ok(())
    }
}
