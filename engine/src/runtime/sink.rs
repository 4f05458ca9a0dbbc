//! Where a worker's outputs go, and the commit that makes them count.

use crate::runtime::source::Position;
use std::time::Duration;
use tripline_core::batch::ShardId;
use tripline_core::outputs::Outputs;

/// Why outputs cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// No later try will do better.
    #[error("cannot publish: {0}")]
    Fatal(String),
    /// The process was asked to stop before a producer could begin: nothing since the last commit is published.
    #[error("stopped before publishing could begin: {0}")]
    Stopped(String),
    /// A file failed.
    #[error("cannot write {place}")]
    Io {
        /// The file.
        place: String,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
}

/// Why a commit did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing counts as committed, and nothing is undone. The commit may be tried again, with later positions, too.
    #[error("not yet committed: {0}")]
    Again(String),
    /// Outputs since the last commit are undone or failed: go back to the committed positions.
    #[error("aborted: {0}")]
    Aborted(String),
    /// Nobody knows whether it took effect: as [`CommitError::Aborted`], with a new producer.
    #[error("no answer to the commit: {0}")]
    Unknown(String),
    /// No later try will do better.
    #[error("cannot commit: {0}")]
    Fatal(String),
}

/// Takes outputs, and commits them with the positions they belong to.
pub trait Sink {
    /// Hands outputs of a shard over, from record number `from` on, without waiting for their delivery.
    /// Gives the number of the first record that found no room: `out.records.len()` when all were taken.
    ///
    /// # Errors
    /// When publishing cannot work any more.
    fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError>;

    /// Commits the positions once everything sent is delivered, for which it waits at most `wait`.
    ///
    /// # Errors
    /// See [`CommitError`]; without success nothing counts as committed.
    fn commit(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError>;

    /// Gives up what was sent since the last commit. True when readers will never see it: then the shards'
    /// processing is ahead of the log and must be restored anew.
    ///
    /// # Errors
    /// When publishing cannot work any more.
    fn abort(&mut self) -> Result<bool, SinkError>;
}

impl<K: Sink + ?Sized> Sink for Box<K> {
    fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        (**self).send(shard, out, from)
    }

    fn commit(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError> {
        (**self).commit(next, wait)
    }

    fn abort(&mut self) -> Result<bool, SinkError> {
        (**self).abort()
    }
}
