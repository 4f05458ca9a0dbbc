//! Why a command could not do its work. It knows no command.

use crate::config::ReadError;
use crate::runtime::sink::SinkError;
use crate::runtime::source::SourceError;
use std::io;
use std::path::PathBuf;

/// Why a command could not do its work: exit status 2.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A file could not be read or written.
    #[error("{path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output or input failed.
    #[error("standard streams")]
    Stream(#[from] io::Error),
    /// Configuration, schema or packs have errors; they were listed.
    #[error("{0} has errors, listed above")]
    Invalid(PathBuf),
    /// A configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ReadError),
    /// Records cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Outputs cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Anything else, said in words.
    #[error("{0}")]
    Other(String),
}

impl CliError {
    /// A file error with its path.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> CliError {
        let path = path.into();
        move |source| CliError::File { path, source }
    }
}
