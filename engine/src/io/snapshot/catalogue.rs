//! Which snapshots of a shard there are, newest first, and which may go.
//!
//! A snapshot lies under `<group>/<partition>/<offset>-<epoch>/`: its chunks by number, and `manifest`, written last.
//! Without a manifest there is none. The epoch, the time of the cut, tells two of the same offset apart.

use super::store::{Store, StoreFault};
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::snapshot::{Manifest, OpenedChunk, SnapshotError};

/// Snapshots kept of a shard: the newest may be found damaged.
const KEPT: usize = 2;
const MANIFEST: &str = "manifest";

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The store does not give it.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// It is none for us.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// One snapshot of a shard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// The first record that is not in it.
    pub offset: i64,
    /// When it was cut, ms.
    pub epoch: i64,
    /// Where it lies.
    pub folder: String,
}

/// The snapshots of a consumer group.
#[derive(Clone)]
pub struct Catalogue {
    store: Store,
    group: String,
}

impl Catalogue {
    /// Those of a group in a store.
    pub fn new(store: Store, group: &str) -> Catalogue {
        Catalogue { store, group: group.to_owned() }
    }

    #[cfg(test)]
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Whether only this host sees them.
    pub fn is_local(&self) -> bool {
        self.store.is_local()
    }

    fn shard(&self, shard: ShardId) -> String {
        format!("{}/{}", self.group, shard.partition)
    }

    /// Where a snapshot of a shard is to lie.
    pub(super) fn place(&self, shard: ShardId, offset: i64, epoch: Timestamp) -> Kept {
        let folder = format!("{}/{offset:020}-{}", self.shard(shard), epoch.0);
        Kept { offset, epoch: epoch.0, folder }
    }

    /// A shard's snapshots, the newest first, whole or not.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn of(&self, shard: ShardId) -> Result<Vec<Kept>, StoreFault> {
        let under = self.shard(shard);
        let read = |name: String| {
            let (offset, epoch) = name.split_once('-')?;
            let (offset, epoch) = (offset.parse().ok()?, epoch.parse().ok()?);
            Some(Kept { offset, epoch, folder: format!("{under}/{name}") })
        };
        let mut all: Vec<Kept> = self.store.list(&under)?.into_iter().filter_map(read).collect();
        all.sort_by(|one, other| other.cmp(one));
        Ok(all)
    }

    /// The manifest of a snapshot; none when it was never finished.
    ///
    /// # Errors
    /// When it is damaged, of an unknown version, or cannot be read.
    pub fn manifest(&self, kept: &Kept) -> Result<Option<Manifest>, Unreadable> {
        if !self.store.list(&kept.folder)?.iter().any(|name| name == MANIFEST) {
            return Ok(None);
        }
        let sealed = self.store.get(&format!("{}/{MANIFEST}", kept.folder))?;
        Ok(Some(Manifest::open(&sealed)?))
    }

    /// A chunk of a snapshot.
    ///
    /// # Errors
    /// When it is missing, damaged, or not the one the manifest lists.
    pub fn chunk(&self, kept: &Kept, manifest: &Manifest, number: usize) -> Result<OpenedChunk, Unreadable> {
        let sealed = self.store.get(&format!("{}/{number:06}", kept.folder))?;
        Ok(manifest.open_chunk(number, &sealed)?)
    }

    pub(super) fn put_chunk(&self, kept: &Kept, number: usize, sealed: Vec<u8>) -> Result<(), StoreFault> {
        self.store.put(&format!("{}/{number:06}", kept.folder), sealed)
    }

    pub(super) fn put_manifest(&self, kept: &Kept, manifest: &Manifest) -> Result<(), StoreFault> {
        self.store.put(&format!("{}/{MANIFEST}", kept.folder), manifest.seal())
    }

    /// Deletes a snapshot, its manifest first: half deleted it is none.
    pub(super) fn delete(&self, kept: &Kept) -> Result<(), StoreFault> {
        let mut names = self.store.list(&kept.folder)?;
        names.sort_by_key(|name| name != MANIFEST);
        names.iter().try_for_each(|name| self.store.delete(&format!("{}/{name}", kept.folder)))
    }

    /// Deletes what is older than the newest two whole ones.
    pub(super) fn prune(&self, shard: ShardId) -> Result<(), StoreFault> {
        let mut whole = 0;
        for kept in self.of(shard)? {
            let is_whole = self.store.list(&kept.folder)?.iter().any(|name| name == MANIFEST);
            if whole >= KEPT {
                self.delete(&kept)?;
            }
            whole += usize::from(is_whole);
        }
        Ok(())
    }
}
