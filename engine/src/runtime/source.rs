//! Where a worker's records come from. It does not depend on what a record means.

use std::time::Duration;
use tripline_core::batch::{Batch, ShardId};

/// Numbers the membership changes of one source, from 1. An answer to an older one has no effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// How far a shard has come: what a commit stores and an assignment gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The shard.
    pub shard: ShardId,
    /// The next offset to judge: the last one judged + 1.
    pub next: i64,
    /// What the processor keeps beside the offset, such as its watermark; at most [`NOTE_BYTES_MAX`] bytes.
    pub note: String,
}

/// The longest note of a position. Brokers refuse commit metadata over 4 KiB.
pub const NOTE_BYTES_MAX: usize = 3_072;

/// What a poll found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Records of one shard are in the batch.
    Batch,
    /// Nothing within the wait.
    Idle,
    /// These shards are offered: answer with [`Source::accept`].
    Assigned(Generation, Vec<ShardId>),
    /// These shards are revoked: finish, commit, then [`Source::release`].
    Revoked(Generation, Vec<ShardId>),
    /// These shards are lost, and another process may own them already: commit nothing of them.
    Lost(Vec<ShardId>),
    /// No record will ever follow (files).
    End,
}

/// Why a source cannot go on. What passes by itself (a broker away, a rebalance) is no error: the source waits.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Going on would skip input, or the broker refuses us for good.
    #[error("cannot read {place}: {reason}")]
    Stopped {
        /// Topic and partition, or file.
        place: String,
        /// What happened and what to do about it.
        reason: String,
    },
    /// The partitions are not those the committed state was built for.
    #[error(
        "{topic} has {found} partitions, but the committed state was built for {stored}: {}. Use a new topic, group and \
         prefix (runbook: Re-key to more partitions)",
        changed(*stored, *found)
    )]
    Repartitioned {
        /// The input topic.
        topic: String,
        /// Partitions when the state was committed.
        stored: u32,
        /// Partitions now.
        found: u32,
    },
    /// The records carry the producers' clock.
    #[error(
        "{topic} is stamped by its producers (message.timestamp.type=CreateTime), not by the broker: set the topic to \
         LogAppendTime, or set `clock: create_time` explicitly. Records from before the topic was changed keep their \
         stamp: use `clock: create_time` until recovery reads none of them (runbook: Take over an existing topic)"
    )]
    Clock {
        /// The input topic.
        topic: String,
    },
    /// A file or a stream under it failed.
    #[error("cannot read {place}")]
    Io {
        /// The file.
        place: String,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
}

/// How a topic's partitions have changed, and what that means.
fn changed(stored: u32, found: u32) -> String {
    match found.checked_sub(stored) {
        Some(added) => {
            format!("{added} partitions were added, so the records of accounts are split over two partitions")
        }
        None => "the topic was created anew with fewer".to_owned(),
    }
}

/// Records of the shards that a worker owns, and the changes of what it owns.
pub trait Source {
    /// Waits at most `wait` for records or a change. `into` is cleared; its records are consecutive records of one
    /// shard, and only of shards that were resumed.
    ///
    /// # Errors
    /// When going on would skip input, or never works.
    fn poll(&mut self, into: &mut Batch, wait: Duration) -> Result<Polled, SourceError>;

    /// Takes the offered shards, suspended: none of their records is delivered before [`Source::resume`]. Gives those
    /// that were taken; none when the offer no longer stands, or cannot be taken yet and is made again.
    ///
    /// # Errors
    /// When the broker refuses for good.
    fn accept(&mut self, generation: Generation, shards: &[ShardId]) -> Result<Vec<ShardId>, SourceError>;

    /// Suspends shards that are live, to restore them anew.
    ///
    /// # Errors
    /// As [`Source::accept`].
    fn suspend(&mut self, shards: &[ShardId]) -> Result<(), SourceError>;

    /// Delivers a suspended shard's records, from this position on.
    ///
    /// # Errors
    /// When the position cannot be reached.
    fn resume(&mut self, at: &Position) -> Result<(), SourceError>;

    /// Lets revoked shards go. Without effect when a newer change has come.
    ///
    /// # Errors
    /// When the broker refuses for good.
    fn release(&mut self, generation: Generation, shards: &[ShardId]) -> Result<(), SourceError>;

    /// Delivers changes of membership only, while `paused`: back-pressure that outlasts a second.
    ///
    /// # Errors
    /// When the broker refuses for good.
    fn pause(&mut self, paused: bool) -> Result<(), SourceError>;

    /// Whether everything there is of this shard has been delivered.
    fn caught_up(&self, shard: ShardId) -> bool;

    /// Of shards that have caught up, the offset up to which everything was delivered: behind the last record, and
    /// behind what follows it and is no record, such as the marker of a transaction. Empty where every offset is a
    /// record.
    fn delivered_to(&self) -> Vec<(ShardId, i64)> {
        Vec::new()
    }

    /// Leaves. Whatever is still owned is released at once.
    fn close(&mut self);
}
