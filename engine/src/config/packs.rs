//! Packs and the lists that they name, compiled. It does not depend on the configuration that names the packs.

use super::files::{Files, on_disk, read_from};
use std::path::Path;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{Diagnostics, File};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

/// What packs are compiled with.
#[derive(Clone, Copy, Debug)]
pub struct PackOptions<'a> {
    /// The key of all hashes.
    pub key: TextKey,
    /// Which models run.
    pub models: &'a [String],
    /// How long rows are kept, ms.
    pub retention: Option<i64>,
    /// How far back models and labels read rows, ms.
    pub lookback: i64,
}

/// Compiles packs; a list is read from its path relative to the pack that names it.
pub fn compile(files: &[File], schema: &Schema, options: &PackOptions<'_>) -> (Option<Ruleset>, Diagnostics) {
    compile_from(files, schema, options, &on_disk)
}

/// [`compile`] with lists that need not be on disk.
pub(super) fn compile_from(
    files: &[File],
    schema: &Schema,
    options: &PackOptions<'_>,
    lists: &Files<'_>,
) -> (Option<Ruleset>, Diagnostics) {
    let models: Vec<&str> = options.models.iter().map(String::as_str).collect();
    let list = |path: &str| match read_from(Path::new(path), lists) {
        Ok(file) => Ok(file.text.to_string()),
        Err(error) => Err(error.source.to_string()),
    };
    let PackOptions { key, retention, lookback, .. } = *options;
    let options = CompileOptions { key, models: &models, retention, lookback, list: &list };
    Ruleset::compile(files, schema, &options)
}
