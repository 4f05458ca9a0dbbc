//! What a command reports, for people or as JSON, and how it ended. It does not depend on a command.

use super::error::CliError;
use serde::Serialize;
use std::io::{self, Write};

/// How a command that could do its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Exit status 0.
    Success,
    /// The command found something wrong: exit status 1.
    Problems,
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
            io::stdout().write_all(text().as_bytes())?;
        }
        Ok(())
    }
}
