//! The sink of a worker's outputs, and the commit that makes them visible.

use crate::runtime::source::Position;
use std::time::Duration;
use tripline_core::batch::ShardId;
use tripline_core::outputs::Outputs;

/// An error of the client behind a sink.
pub type ClientError = Box<dyn std::error::Error + Send + Sync>;

/// Why outputs cannot be published. A retry would fail as well.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The producer cannot be created.
    #[error("cannot create the producer: {0}")]
    Client(ClientError),
    /// The broker refuses transactions.
    #[error("the broker refuses transactions: {0}")]
    Transactions(ClientError),
    /// A record of this topic cannot be sent.
    #[error("cannot publish to topic {topic}: {cause}")]
    Publish {
        /// The topic.
        topic: String,
        /// The client's error.
        cause: ClientError,
    },
    /// A shutdown was requested before transactions were initialised: nothing since the last commit is published.
    #[error("shutdown requested before transactions were initialised: {0}")]
    Stopped(ClientError),
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
    /// Nothing is committed, and nothing is aborted. The commit can be retried, also with later positions.
    #[error("not yet committed, the worker retries: {0}")]
    Again(String),
    /// Outputs since the last commit are aborted or failed: processing returns to the committed positions.
    #[error("the commit was aborted, the records since the previous one are judged again: {0}")]
    Aborted(String),
    /// The outcome is unknown: as [`CommitError::Aborted`], with a new producer.
    #[error("the outcome of the commit is unknown, the worker goes on from the committed offsets: {0}")]
    Unknown(String),
    /// A retry would fail as well.
    #[error("cannot commit: {0}")]
    Permanent(ClientError),
}

/// Takes outputs, and commits them with the positions they belong to.
pub trait Sink {
    /// Sends outputs of a shard, from record number `from` on, without waiting for their delivery.
    /// Returns the number of the first record that was not accepted: `out.records.len()` if all were.
    ///
    /// # Errors
    /// When publishing fails permanently.
    fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError>;

    /// Commits the positions once all sent records are delivered; waits at most `wait` for that.
    ///
    /// # Errors
    /// See [`CommitError`]; after an error nothing is committed.
    fn commit(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError>;

    /// Aborts what was sent since the last commit. True if readers will never see it: then the shards' state is ahead
    /// of the log and must be restored.
    ///
    /// # Errors
    /// When publishing fails permanently.
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
