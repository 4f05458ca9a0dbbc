//! A worker's snapshots: begun with a commit, on an idle shard, or at the end, and written a part at each turn.

use super::Worker;
use crate::runtime::commits::Uncommitted;
use crate::runtime::owned_shard::OwnedShard;
use crate::runtime::processor::Processor;
use crate::runtime::recovery::Recovery;
use crate::runtime::sink::Sink;
use crate::runtime::source::{Position, Source};
use std::time::Instant;
use tripline_core::batch::ShardId;

impl<S: Source, K: Sink, P: Processor, R: Recovery> Worker<S, K, P, R> {
    /// Begins the snapshot that has been due for longest, of the shards that are about to be committed.
    pub(super) fn begin_snapshot(&mut self, positions: &[Position]) {
        let due = |at: &Position| {
            let live = self.shards.get(&at.shard).and_then(OwnedShard::live)?;
            self.processor.snapshot_due(&live.processing, at)
        };
        let all = positions.iter().filter_map(|at| Some((due(at)?, at)));
        let Some((_, at)) = all.min_by_key(|(due, _)| *due) else { return };
        if let Some(live) = self.shards.get_mut(&at.shard).and_then(OwnedShard::live_mut) {
            self.processor.begin_snapshot(&mut live.processing, at);
        }
    }

    /// Begins a snapshot of an idle shard when one is due: no commit follows that it could begin with.
    pub(super) fn save_idle(&mut self, shard: ShardId) {
        let Some(owned) = self.shards.get_mut(&shard) else { return };
        if self.commits.is_under_way() || owned.uncommitted != Uncommitted::Nothing {
            return;
        }
        let Some(live) = owned.live_mut() else { return };
        let at = Position { shard, next: live.next, note: String::new() };
        if self.processor.snapshot_due(&live.processing, &at).is_some() {
            self.processor.begin_snapshot(&mut live.processing, &at);
            self.processor.committed(&mut live.processing, &at);
        }
    }

    /// Writes a part of the snapshot under way, if one is.
    pub(super) fn write_snapshot(&mut self) {
        if let Some(shard) = self.processor.snapshot_under_way()
            && let Some(live) = self.shards.get_mut(&shard).and_then(OwnedShard::live_mut)
        {
            self.processor.write_snapshot(&mut live.processing);
        }
    }

    /// Hands over snapshots of all shards, of which everything is committed, as far as there is time: the next owner
    /// need not read the log behind an older one.
    pub(super) fn save_all(&mut self, until: Instant) {
        for (shard, owned) in &mut self.shards {
            let Some(live) = owned.live_mut() else { continue };
            let at = Position { shard: *shard, next: live.next, note: String::new() };
            self.processor.save(&mut live.processing, &at, until);
        }
    }
}
