//! Configurations of commands: loaded, and their problems shown. It does not depend on a command.

use super::error::CliError;
use crate::config::{self, Config, Loaded};
use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use tripline_rules::diagnostic::{Diagnostic, Diagnostics, Level, Paint};

/// Loads a configuration and shows its problems on standard error.
///
/// # Errors
/// When the file cannot be read or has errors.
pub fn configured(path: &Path) -> Result<Config, CliError> {
    Ok(configured_from(path)?.0)
}

/// As [`configured`], with the files that it was read from: schema, packs, lists and secrets among them.
///
/// # Errors
/// As [`configured`].
pub fn configured_from(path: &Path) -> Result<(Config, Vec<PathBuf>), CliError> {
    let (loaded, files) = loaded(path)?;
    show(&loaded.problems);
    let config = loaded.config.ok_or_else(|| CliError::Invalid(path.to_path_buf()))?;
    Ok((config, files))
}

/// What a configuration itself says, for a command that needs neither schema nor packs: their errors do not matter.
///
/// # Errors
/// When the file cannot be read or has errors of its own, which are shown on standard error.
pub fn configured_alone(path: &Path) -> Result<(Loaded, Vec<PathBuf>), CliError> {
    let (loaded, files) = loaded(path)?;
    let is_own = |problem: &Diagnostic| problem.level == Level::Error && problem.span.file == 0;
    if loaded.problems.list().iter().any(is_own) {
        show(&loaded.problems);
        return Err(CliError::Invalid(path.to_path_buf()));
    }
    Ok((loaded, files))
}

fn loaded(path: &Path) -> Result<(Loaded, Vec<PathBuf>), CliError> {
    let files = RefCell::new(Vec::new());
    let read = |path: &Path| {
        files.borrow_mut().push(path.to_path_buf());
        config::on_disk(path)
    };
    let loaded = config::load_from(path, &read)?;
    Ok((loaded, files.into_inner()))
}

/// Shows problems on standard error, in colour on a terminal.
pub fn show(problems: &Diagnostics) {
    if !problems.list().is_empty() {
        let paint = if io::stderr().is_terminal() { Paint::Colour } else { Paint::Plain };
        // The renderer shows characters that steer a terminal as symbols.
        let _ = writeln!(io::stderr(), "{}", problems.render(paint));
    }
}
