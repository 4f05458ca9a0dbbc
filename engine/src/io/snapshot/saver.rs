//! When a worker cuts a snapshot, and how it hands it over, a bit at each turn: one shard at a time. It is cut as a commit
//! begins, and finished when that commit has succeeded: before, what it holds may still be undone.

use super::writer::{Save, Writer};
use crate::failpoint::reached;
use crate::runtime::clock::Clock;
use crate::runtime::source::Position;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::engine::Engine;
use tripline_core::snapshot::{Chunk, Origin, StateSummary};

/// Rows written at one turn: a fraction of a millisecond.
const ROWS_A_TURN: usize = 4_096;
/// Between two such turns, so that the worker and the thread that seals the chunks leave the cores to the events.
const REST: Duration = Duration::from_millis(10);

/// A worker's snapshots.
pub struct Saver {
    writer: Writer,
    every: Duration,
    partitions: u32,
    clock: Clock,
    /// When each shard's next snapshot is due.
    due: BTreeMap<ShardId, Instant>,
    saving: Option<Saving>,
}

struct Saving {
    save: Save,
    chunks: VecDeque<Chunk>,
    cut: Option<Box<StateSummary>>,
    /// Everything it holds is.
    is_committed: bool,
    /// Nothing more is written before.
    rests_until: Instant,
}

impl Saver {
    /// Snapshots of shards of an input of so many partitions.
    pub fn new(writer: Writer, every: Duration, partitions: u32, clock: Clock) -> Saver {
        Saver { writer, every, partitions, clock, due: BTreeMap::new(), saving: None }
    }

    /// A shard is live; `cut_at` is the time of the snapshot that it began with. Shards begin spread over the interval, so
    /// that they do not all come at once, but none waits longer than it would have without a restart.
    pub fn add(&mut self, shard: ShardId, cut_at: Option<Timestamp>) {
        let part = self.every / self.partitions.max(1) * (shard.partition % self.partitions.max(1));
        let age =
            |cut_at: Timestamp| u64::try_from(self.clock.wall().0.saturating_sub(cut_at.0)).unwrap_or(0);
        let left = cut_at.map(|cut_at| self.every.saturating_sub(Duration::from_millis(age(cut_at))));
        self.due.insert(shard, self.clock.now() + left.map_or(part, |left| left.min(part)));
    }

    /// A shard is gone, and with it a save that was under way.
    pub fn remove(&mut self, shard: ShardId) {
        self.due.remove(&shard);
        if let Some(saving) = self.saving.take_if(|saving| saving.save.shard == shard) {
            self.writer.abandon(saving.save);
        }
    }

    /// Which of the shards that are about to be committed is to be cut now.
    pub fn next(&self, committing: &[Position]) -> Option<Position> {
        if self.saving.is_some() {
            return None;
        }
        let now = self.clock.now();
        let due = |at: &&Position| self.due.get(&at.shard).filter(|due| **due <= now).copied();
        committing.iter().filter(|at| due(at).is_some()).min_by_key(due).cloned()
    }

    /// Cuts a shard's engine, which has judged every record before the position and none from it on.
    pub fn cut(&mut self, at: &Position, engine: &mut Engine) {
        let (partition, partitions) = (at.shard.partition, self.partitions);
        engine.begin_save(Origin { partition, partitions, offset: at.next });
        self.due.insert(at.shard, self.clock.now() + self.every);
        let save = Save { shard: at.shard, offset: at.next, cut_at: self.clock.wall() };
        let rests_until = self.clock.now();
        let (chunks, cut, is_committed) = (VecDeque::new(), None, false);
        self.saving = Some(Saving { save, chunks, cut, is_committed, rests_until });
        reached("cut");
    }

    /// These positions are committed: a snapshot of what lies before them may be finished.
    pub fn committed(&mut self, at: &[Position]) {
        let Some(saving) = &mut self.saving else { return };
        let Save { shard, offset, .. } = saving.save;
        saving.is_committed |= at.iter().any(|at| at.shard == shard && at.next >= offset);
    }

    /// The shard that is being saved.
    pub fn saving(&self) -> Option<ShardId> {
        self.saving.as_ref().map(|saving| saving.save.shard)
    }

    /// Goes on with the save under way, as far as there is room for it.
    pub fn go_on(&mut self, engine: &mut Engine) {
        let Some(saving) = &mut self.saving else { return };
        while let Some(chunk) = saving.chunks.pop_front() {
            if let Some(chunk) = self.writer.chunk(saving.save, chunk) {
                saving.chunks.push_front(chunk);
                return;
            }
            reached("chunk_handed_over");
        }
        if let Some(cut) = saving.cut.take_if(|_| saving.is_committed) {
            saving.cut = self.writer.finish(saving.save, cut);
            if saving.cut.is_none() {
                self.saving = None;
            }
            return;
        }
        if saving.cut.is_some() || self.clock.now() < saving.rests_until {
            return;
        }
        let mut chunks = Vec::new();
        saving.cut = engine.save_some(ROWS_A_TURN, &mut chunks).map(Box::new);
        saving.chunks.extend(chunks);
        saving.rests_until = self.clock.now() + REST;
    }
}
