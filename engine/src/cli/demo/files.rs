//! The demo's configuration, schema, packs and lists, embedded in the binary.
//!
//! They are the files of `deploy/examples/demo`, read by the same code as any configuration.

use crate::cli::configured::show;
use crate::cli::error::CliError;
use crate::config::{self, Config};
use std::io;
use std::path::Path;

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../../deploy/examples/demo/", $name)))),+]
    };
}

/// Every file by its path from the configuration.
const FILES: [(&str, &str); 7] = embedded![
    "tripline.yaml",
    "schema.yaml",
    "packs/cards.yaml",
    "packs/terminals.yaml",
    "packs/lists/fare_mcc.csv",
    "packs/lists/risky_mcc.csv",
    "packs/lists/trusted_terminals.csv",
];

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let found = FILES.iter().find(|(name, _)| Path::new(name) == path);
    found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The configuration of the demo.
///
/// # Errors
/// When it has errors, which no released binary has.
pub fn config() -> Result<Config, CliError> {
    let path = Path::new("tripline.yaml");
    let loaded = config::load_from(path, &read)?;
    loaded.config.ok_or_else(|| {
        show(&loaded.problems);
        CliError::Invalid(path.to_path_buf())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_embeds_the_example_of_the_repository() {
        let embedded = config().unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/examples/demo/tripline.yaml");
        let on_disk = config::load(Path::new(folder)).unwrap().config.unwrap();
        assert_eq!(embedded.ruleset().hash(), on_disk.ruleset().hash());
        assert_eq!(embedded.settings().stream, on_disk.settings().stream);
    }
}
