//! Configurations of commands: loaded, and their problems shown. It does not depend on a command.

use super::error::CliError;
use crate::config::{self, Config};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use tripline_rules::diagnostic::{Diagnostics, Paint};

/// Loads a configuration and shows its problems on standard error.
///
/// # Errors
/// When the file cannot be read or has errors.
pub fn configured(path: &Path) -> Result<Config, CliError> {
    let loaded = config::load(path)?;
    show(&loaded.problems);
    loaded.config.ok_or_else(|| CliError::Invalid(path.to_path_buf()))
}

/// Shows problems on standard error, in colour on a terminal.
pub fn show(problems: &Diagnostics) {
    if !problems.list().is_empty() {
        let paint = if io::stderr().is_terminal() { Paint::Colour } else { Paint::Plain };
        // The renderer shows characters that steer a terminal as symbols.
        let _ = writeln!(io::stderr(), "{}", problems.render(paint));
    }
}
