//! When a worker begins a snapshot of a shard, and how it hands it over, a part at each turn: one shard at a time. It
//! is begun as a commit begins, and finished when that commit has succeeded: before, what it holds may still be undone.

use crate::failpoint::reached;
use crate::runtime::clock::Clock;
use crate::runtime::snapshot::{SnapshotId, SnapshotWriter};
use crate::runtime::source::Position;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::snapshot::{Chunk, Origin, StateSummary};

/// Rows written at one turn: a fraction of a millisecond.
const ROWS_A_TURN: usize = 4_096;
/// Between two such turns, so that the worker and the thread that seals the chunks leave the cores to the events.
const REST: Duration = Duration::from_millis(10);

/// The snapshots of one worker's shards.
pub struct Snapshots {
    writer: Arc<dyn SnapshotWriter + Send + Sync>,
    every: Duration,
    partitions: u32,
    clock: Clock,
    /// The shard of which a snapshot is being written.
    under_way: Rc<Cell<Option<ShardId>>>,
}

/// The snapshots of one shard. Dropping it abandons the one that is being written.
pub struct ShardSnapshots {
    /// When the next is due.
    due: Instant,
    saving: Option<Saving>,
}

struct Saving {
    id: SnapshotId,
    writer: Arc<dyn SnapshotWriter + Send + Sync>,
    under_way: Rc<Cell<Option<ShardId>>>,
    chunks: VecDeque<Chunk>,
    end: Option<Box<StateSummary>>,
    /// Everything it holds is committed.
    is_committed: bool,
    is_finished: bool,
    /// Nothing more is written before.
    rests_until: Instant,
}

impl Snapshots {
    /// Snapshots of shards of an input of so many partitions.
    pub fn new(
        writer: Arc<dyn SnapshotWriter + Send + Sync>,
        every: Duration,
        partitions: u32,
        clock: Clock,
    ) -> Snapshots {
        Snapshots { writer, every, partitions, clock, under_way: Rc::default() }
    }

    /// The snapshots of a shard that is live; `begun_at` is the time of the one that it was restored from. Shards are
    /// spread over the interval, so that they do not all come at once, but none waits longer than it would have without
    /// a restart.
    pub fn of(&self, shard: ShardId, begun_at: Option<Timestamp>) -> ShardSnapshots {
        let part = self.every / self.partitions.max(1) * (shard.partition % self.partitions.max(1));
        let age =
            |begun_at: Timestamp| u64::try_from(self.clock.wall().0.saturating_sub(begun_at.0)).unwrap_or(0);
        let left = begun_at.map(|begun_at| self.every.saturating_sub(Duration::from_millis(age(begun_at))));
        ShardSnapshots { due: self.clock.now() + left.map_or(part, |left| left.min(part)), saving: None }
    }

    /// The shard of which a snapshot is being written.
    pub fn under_way(&self) -> Option<ShardId> {
        self.under_way.get()
    }

    /// Since when a snapshot of a shard is due; none while none is, or another is being written.
    pub fn due(&self, of: &ShardSnapshots) -> Option<Instant> {
        (self.under_way.get().is_none() && of.due <= self.clock.now()).then_some(of.due)
    }

    /// Begins a snapshot of a shard's engine, which has judged every record before the position and none from it on.
    pub fn begin(&self, of: &mut ShardSnapshots, at: &Position, engine: &mut AccountShard) {
        let (partition, partitions) = (at.shard.partition, self.partitions);
        engine.begin_save(Origin { partition, partitions, offset: at.next });
        of.due = self.clock.now() + self.every;
        self.under_way.set(Some(at.shard));
        of.saving = Some(Saving {
            id: SnapshotId { shard: at.shard, offset: at.next, begun_at: self.clock.wall() },
            writer: Arc::clone(&self.writer),
            under_way: Rc::clone(&self.under_way),
            chunks: VecDeque::new(),
            end: None,
            is_committed: false,
            is_finished: false,
            rests_until: self.clock.now(),
        });
        reached("cut");
    }

    /// Goes on with the snapshot that is being written, as far as there is room for it.
    pub fn go_on(&self, of: &mut ShardSnapshots, engine: &mut AccountShard) {
        let Some(saving) = &mut of.saving else { return };
        if !saving.hand_over() {
            return;
        }
        if saving.end.is_some() {
            if saving.is_committed && saving.finish() {
                of.saving = None;
            }
            return;
        }
        if !engine.is_saving() {
            // The shard has switched to another installation, which gives up the snapshot under way.
            tracing::info!(
                partition = saving.id.shard.partition,
                "the snapshot is given up: the shard has switched to other packs; the next one follows at its time"
            );
            of.saving = None;
            return;
        }
        let now = self.clock.now();
        if now < saving.rests_until {
            return;
        }
        let mut chunks = Vec::new();
        saving.end = engine.save_some(ROWS_A_TURN, &mut chunks).map(Box::new);
        saving.chunks.extend(chunks);
        saving.rests_until = self.clock.now() + REST;
    }
}

impl ShardSnapshots {
    /// Everything before this position is committed: a snapshot of what lies before it may be finished.
    pub fn committed(&mut self, at: &Position) {
        if let Some(saving) = &mut self.saving {
            saving.is_committed |= at.next >= saving.id.offset;
        }
    }
}

impl Saving {
    /// Hands the chunks over. False when there was no room for all of them.
    fn hand_over(&mut self) -> bool {
        while let Some(chunk) = self.chunks.pop_front() {
            if let Some(chunk) = self.writer.chunk(self.id, chunk) {
                self.chunks.push_front(chunk);
                return false;
            }
            reached("chunk_handed_over");
        }
        true
    }

    /// Hands the end over. False when there was no room for it.
    fn finish(&mut self) -> bool {
        self.end = self.end.take().and_then(|end| self.writer.finish(self.id, end));
        self.is_finished = self.end.is_none();
        self.is_finished
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        self.under_way.set(None);
        if !self.is_finished {
            self.writer.abandon(self.id);
        }
    }
}
