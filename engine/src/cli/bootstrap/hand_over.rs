//! The ways to the workers of a bootstrap, and why not everything was handed over. It does not depend on where jobs
//! come from.

use super::worker::Job;
use crate::cli::error::CliError;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::source::SourceError;
use std::sync::mpsc::SyncSender;

/// Why not everything was handed over.
pub enum Interrupted {
    /// A worker has failed; its own result says why.
    Worker,
    /// What was to be handed over cannot be read.
    Error(CliError),
}

impl From<CliError> for Interrupted {
    fn from(error: CliError) -> Interrupted {
        Interrupted::Error(error)
    }
}

impl From<SourceError> for Interrupted {
    fn from(error: SourceError) -> Interrupted {
        Interrupted::Error(error.into())
    }
}

/// The ways to the workers. Shards are spread over them by partition.
pub struct Workers<'a> {
    /// One for each worker.
    pub ways: Vec<SyncSender<Job>>,
    /// Whether one of them has failed.
    pub shutdown: &'a Shutdown,
}

impl Workers<'_> {
    /// Hands a job of a partition over, as soon as its worker has room.
    ///
    /// # Errors
    /// When the worker has ended.
    pub fn send(&self, partition: usize, job: Job) -> Result<(), Interrupted> {
        self.ways[partition % self.ways.len()].send(job).map_err(|_| Interrupted::Worker)
    }

    /// Hands a job over to each worker.
    ///
    /// # Errors
    /// When a worker has ended.
    pub fn send_all(&self, job: impl Fn() -> Job) -> Result<(), Interrupted> {
        (0..self.ways.len()).try_for_each(|worker| self.send(worker, job()))
    }

    /// Nothing more is to be read once any worker has failed.
    ///
    /// # Errors
    /// When one has.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.shutdown.has_failed() { Err(Interrupted::Worker) } else { Ok(()) }
    }
}
