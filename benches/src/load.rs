//! The load: the installation in `packs/`, which every benchmark runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tripline::config::{self, Config};
use tripline_core::account_shard::AccountShard;
use tripline_core::settings::Settings;
use tripline_rules::diagnostic::Paint;

/// The load pack's configuration.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packs/tripline.yaml")
}

/// Reads a configuration of this repository.
///
/// # Panics
/// When it has errors.
pub fn read(path: &Path) -> Config {
    let loaded = config::load(path).unwrap_or_else(|error| panic!("{error}"));
    loaded.config.unwrap_or_else(|| panic!("{}", loaded.problems.render(Paint::Plain)))
}

/// The load pack's installation.
pub fn config() -> Config {
    read(&path())
}

/// An engine of one partition without any row.
pub fn engine(config: &Config, settings: Settings) -> AccountShard {
    AccountShard::new(&Arc::new(config.installation.with_settings(settings)))
}
