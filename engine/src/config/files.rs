//! Where the files of a configuration are read from: this machine, or the binary. It does not depend on what they mean.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use tripline_rules::diagnostic::File;

/// Reads a file that a configuration names, by its path.
pub type Files<'f> = dyn Fn(&Path) -> io::Result<Vec<u8>> + 'f;

/// A file that could not be read.
#[derive(Debug, Error)]
#[error("{path}")]
pub struct ReadError {
    /// Its path.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// The files of this machine.
///
/// # Errors
/// When the file cannot be read.
pub fn on_disk(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// Reads a text file of this machine, under the name that diagnostics show.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<File, ReadError> {
    read_from(path, &on_disk)
}

/// [`read`] from files that need not be on disk.
///
/// # Errors
/// As [`read`].
pub fn read_from(path: &Path, files: &Files<'_>) -> Result<File, ReadError> {
    let text =
        files(path).and_then(|bytes| String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into()));
    match text {
        Ok(text) => Ok(File::new(path.to_string_lossy().into_owned(), text)),
        Err(source) => Err(ReadError { path: path.to_path_buf(), source }),
    }
}
