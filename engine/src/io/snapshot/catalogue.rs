//! The snapshots of a shard, newest first, and which of them may be deleted.
//!
//! A snapshot is stored under `<group>/<partition>/<offset>-<epoch>/`: its chunks by number, and `manifest`, written
//! last. Without a manifest it is incomplete. The epoch is the time of its begin and distinguishes two of the same
//! offset.

use super::store::{ObjectStoreError, Store};
use crate::runtime::snapshot::{SnapshotReadError, SnapshotStore, StoreError, StoredSnapshot};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::snapshot::{InputTopic, Manifest, OpenedChunk};

/// Snapshots kept per shard, by offset and by time: the newest may be damaged.
const KEPT: usize = 2;
const MANIFEST: &str = "manifest";

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

    fn shard(&self, shard: ShardId) -> String {
        format!("{}/{}", self.group, shard.partition)
    }

    /// The name of a snapshot of a shard.
    pub(super) fn place(&self, shard: ShardId, offset: i64, epoch: Timestamp) -> StoredSnapshot {
        let folder = format!("{}/{offset:020}-{}", self.shard(shard), epoch.0);
        StoredSnapshot { offset, epoch: epoch.0, name: Arc::from(folder) }
    }

    /// A shard's snapshots, the newest first, complete or not.
    ///
    /// # Errors
    /// When the store does not respond.
    pub fn list(&self, shard: ShardId) -> Result<Vec<StoredSnapshot>, ObjectStoreError> {
        let under = self.shard(shard);
        let read = |name: String| {
            let (offset, epoch) = name.split_once('-')?;
            let (offset, epoch) = (offset.parse().ok()?, epoch.parse().ok()?);
            Some(StoredSnapshot { offset, epoch, name: Arc::from(format!("{under}/{name}")) })
        };
        let mut all: Vec<StoredSnapshot> = self.store.list(&under)?.into_iter().filter_map(read).collect();
        all.sort_by(|one, other| other.cmp(one));
        Ok(all)
    }

    /// For how many partitions of an input the group's snapshots were written, if not for as many as it has. The first
    /// snapshot that can be read tells.
    pub fn written_for(&self, input: &InputTopic) -> Option<u32> {
        let manifest_of = |partition| {
            let stored = self.list(ShardId::account(partition)).ok()?;
            stored.iter().find_map(|stored| self.manifest(stored).ok().flatten())
        };
        let found = (0..input.partitions).find_map(manifest_of)?.origin().input.clone();
        let is_of = found.cluster == input.cluster && found.topic == input.topic;
        (is_of && found.partitions != input.partitions).then_some(found.partitions)
    }

    pub(super) fn put_chunk(
        &self,
        stored: &StoredSnapshot,
        number: usize,
        sealed: Vec<u8>,
    ) -> Result<(), ObjectStoreError> {
        self.store.put(&format!("{}/{number:06}", stored.name), sealed)
    }

    pub(super) fn put_manifest(
        &self,
        stored: &StoredSnapshot,
        manifest: &Manifest,
    ) -> Result<(), ObjectStoreError> {
        self.store.put(&format!("{}/{MANIFEST}", stored.name), manifest.seal())
    }

    /// Deletes a snapshot, its manifest first, so that a partly deleted one is incomplete.
    pub(super) fn delete(&self, stored: &StoredSnapshot) -> Result<(), ObjectStoreError> {
        let mut names = self.store.list(&stored.name)?;
        names.sort_by_key(|name| name != MANIFEST);
        names.iter().try_for_each(|name| self.store.delete(&format!("{}/{name}", stored.name)))?;
        self.store.delete_folder(&stored.name)
    }

    /// Deletes snapshots that are older than the newest two complete ones, both by offset and by time. Offsets alone do
    /// not tell: those of a topic that was created again, or of a group whose offsets were reset, begin anew. Nor does
    /// time: the clocks of two hosts differ.
    pub(super) fn prune(&self, shard: ShardId) -> Result<(), ObjectStoreError> {
        let all = self.list(shard)?;
        let mut whole = BTreeSet::new();
        for stored in &all {
            if self.store.list(&stored.name)?.iter().any(|name| name == MANIFEST) {
                whole.insert(stored.clone());
            }
        }
        let mut by_time = all.clone();
        by_time.sort_by_key(|stored| Reverse(stored.epoch));
        let (by_offset, by_time) = (superseded(&all, &whole), superseded(&by_time, &whole));
        by_offset.intersection(&by_time).try_for_each(|stored| self.delete(stored))
    }
}

/// Of snapshots in an order, those behind the first [`KEPT`] complete ones.
fn superseded<'s>(
    all: &'s [StoredSnapshot],
    whole: &BTreeSet<StoredSnapshot>,
) -> BTreeSet<&'s StoredSnapshot> {
    let before = |place: usize| all[..place].iter().filter(|stored| whole.contains(*stored)).count();
    all.iter().enumerate().filter(|(place, _)| before(*place) >= KEPT).map(|(_, stored)| stored).collect()
}

impl From<ObjectStoreError> for StoreError {
    fn from(error: ObjectStoreError) -> StoreError {
        StoreError(Box::new(error))
    }
}

impl SnapshotStore for Catalogue {
    fn of(&self, shard: ShardId) -> Result<Vec<StoredSnapshot>, StoreError> {
        Ok(self.list(shard)?)
    }

    fn manifest(&self, stored: &StoredSnapshot) -> Result<Option<Manifest>, SnapshotReadError> {
        let names = self.store.list(&stored.name).map_err(StoreError::from)?;
        if !names.iter().any(|name| name == MANIFEST) {
            return Ok(None);
        }
        let sealed = self.store.get(&format!("{}/{MANIFEST}", stored.name)).map_err(StoreError::from)?;
        Ok(Some(Manifest::open(&sealed)?))
    }

    fn chunk(
        &self,
        stored: &StoredSnapshot,
        manifest: &Manifest,
        number: usize,
    ) -> Result<OpenedChunk, SnapshotReadError> {
        let sealed = self.store.get(&format!("{}/{number:06}", stored.name)).map_err(StoreError::from)?;
        Ok(manifest.open_chunk(number, &sealed)?)
    }

    fn is_local(&self) -> bool {
        self.store.is_local()
    }
}
