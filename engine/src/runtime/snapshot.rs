//! Snapshots as the runtime uses them: read when a shard is restored, written part by part. They do not depend on a
//! store.

use std::error::Error;
use std::sync::Arc;
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::snapshot::{Chunk, Manifest, OpenedChunk, SnapshotError, StateSummary};

/// One snapshot of a shard, as it lies in a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredSnapshot {
    /// The first record that is not in it.
    pub offset: i64,
    /// When it was begun, ms.
    pub epoch: i64,
    /// Its name in the store.
    pub name: Arc<str>,
}

/// The store did not answer, or not with what was asked for.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(pub Box<dyn Error + Send + Sync>);

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotReadError {
    /// The store does not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is damaged, of another shard, or of an unknown version.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// The snapshots of a consumer group.
pub trait SnapshotStore {
    /// A shard's snapshots, the newest first, complete or not.
    ///
    /// # Errors
    /// When the store does not answer.
    fn of(&self, shard: ShardId) -> Result<Vec<StoredSnapshot>, StoreError>;

    /// The manifest of a snapshot; none when it was never completed.
    ///
    /// # Errors
    /// When it is damaged, of an unknown version, or cannot be read.
    fn manifest(&self, snapshot: &StoredSnapshot) -> Result<Option<Manifest>, SnapshotReadError>;

    /// A chunk of a snapshot.
    ///
    /// # Errors
    /// When it is missing, damaged, or not the one the manifest lists.
    fn chunk(
        &self,
        snapshot: &StoredSnapshot,
        manifest: &Manifest,
        number: usize,
    ) -> Result<OpenedChunk, SnapshotReadError>;

    /// Whether only this host reaches them.
    fn is_local(&self) -> bool;
}

/// A snapshot that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// Its shard.
    pub shard: ShardId,
    /// The first record that is not in it.
    pub offset: i64,
    /// When it was begun.
    pub begun_at: Timestamp,
}

/// Writes snapshots beside the workers, with bounded room for what waits.
pub trait SnapshotWriter {
    /// Hands a chunk over; gives it back when there is no room.
    fn chunk(&self, snapshot: SnapshotId, chunk: Chunk) -> Option<Chunk>;

    /// All chunks were handed over: the manifest completes the snapshot. Gives the end back when there is no room.
    fn finish(&self, snapshot: SnapshotId, end: Box<StateSummary>) -> Option<Box<StateSummary>>;

    /// The first record that is not in the newest snapshot of a shard that was completed here; none when none was.
    fn completed(&self, shard: ShardId) -> Option<i64>;

    /// The snapshot will not be completed. There is always room for this: a store that hangs must not hold up a worker
    /// that releases a shard.
    fn abandon(&self, snapshot: SnapshotId);
}
