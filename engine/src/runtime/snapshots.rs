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
use tripline_core::snapshot::{Chunk, InputTopic, Origin, StateSummary};

/// Rows written at one turn: a fraction of a millisecond.
const ROWS_A_TURN: usize = 4_096;
/// Between two such turns, so that the worker and the thread that seals the chunks leave the cores to the events.
const REST: Duration = Duration::from_millis(10);

/// Pause before a part finds room again.
const NO_ROOM_WAIT: Duration = Duration::from_millis(1);

/// The snapshots of one worker's shards.
pub struct Snapshots {
    writer: Arc<dyn SnapshotWriter + Send + Sync>,
    every: Duration,
    input: InputTopic,
    clock: Clock,
    /// The shard of which a snapshot is being written.
    under_way: Rc<Cell<Option<ShardId>>>,
}

/// The snapshots of one shard. Dropping it abandons the one that is being written.
pub struct ShardSnapshots {
    shard: ShardId,
    /// When the next is due.
    due: Instant,
    /// The first record that is not in the snapshot that the shard was restored from.
    restored: Option<i64>,
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
    /// Snapshots of shards of an input.
    pub fn new(
        writer: Arc<dyn SnapshotWriter + Send + Sync>,
        every: Duration,
        input: InputTopic,
        clock: Clock,
    ) -> Snapshots {
        Snapshots { writer, every, input, clock, under_way: Rc::default() }
    }

    /// The snapshots of a shard that is live; `restored` is the one that it was restored from: the first record that is
    /// not in it, and when it was begun. Shards are spread over the interval, so that they do not all come at once, but
    /// none waits longer than it would have without a restart.
    pub fn of(&self, shard: ShardId, restored: Option<(i64, Timestamp)>) -> ShardSnapshots {
        let partitions = self.input.partitions.max(1);
        let part = self.every / partitions * (shard.partition % partitions);
        let age =
            |begun_at: Timestamp| u64::try_from(self.clock.wall().0.saturating_sub(begun_at.0)).unwrap_or(0);
        let left =
            restored.map(|(_, begun_at)| self.every.saturating_sub(Duration::from_millis(age(begun_at))));
        ShardSnapshots {
            shard,
            due: self.clock.now() + left.map_or(part, |left| left.min(part)),
            restored: restored.map(|(offset, _)| offset),
            saving: None,
        }
    }

    /// The shard of which a snapshot is being written.
    pub fn under_way(&self) -> Option<ShardId> {
        self.under_way.get()
    }

    /// Since when a snapshot of a shard at this position is due; none while none is, another is being written, or the
    /// newest is of this position.
    pub fn due(&self, shard: &ShardSnapshots, next: i64) -> Option<Instant> {
        let is_due =
            self.under_way.get().is_none() && shard.due <= self.clock.now() && !self.has(shard, next);
        is_due.then_some(shard.due)
    }

    /// Whether the newest snapshot of a shard is of this position.
    fn has(&self, shard: &ShardSnapshots, next: i64) -> bool {
        self.writer.completed(shard.shard).or(shard.restored) == Some(next)
    }

    /// Begins a snapshot of a shard, which has judged every record before the position and none from it on.
    pub fn begin(&self, shard: &mut ShardSnapshots, at: &Position, account_shard: &mut AccountShard) {
        let (input, partition) = (self.input.clone(), at.shard.partition);
        account_shard.begin_save(Origin { input, partition, offset: at.next, last: account_shard.last() });
        shard.due = self.clock.now() + self.every;
        self.under_way.set(Some(at.shard));
        shard.saving = Some(Saving {
            id: SnapshotId { shard: at.shard, offset: at.next, begun_at: self.clock.wall() },
            writer: Arc::clone(&self.writer),
            under_way: Rc::clone(&self.under_way),
            chunks: VecDeque::new(),
            end: None,
            is_committed: false,
            is_finished: false,
            rests_until: self.clock.now(),
        });
        reached("snapshot_begun");
    }

    /// Hands over a snapshot of a shard at a committed position, behind which nothing was judged, without
    /// pauses. It is given up at a time.
    pub fn save(
        &self,
        shard: &mut ShardSnapshots,
        at: &Position,
        account_shard: &mut AccountShard,
        until: Instant,
    ) {
        if self.has(shard, at.next) {
            return;
        }
        // The one that is being written is of an earlier position.
        shard.saving = None;
        self.begin(shard, at, account_shard);
        shard.committed(at);
        while let Some(saving) = &mut shard.saving {
            if self.clock.now() >= until {
                shard.saving = None;
                return;
            }
            saving.rests_until = self.clock.now();
            if !self.go_on(shard, account_shard) {
                self.clock.sleep(NO_ROOM_WAIT);
            }
        }
    }

    /// Goes on with the snapshot that is being written. False when there is no room for it.
    pub fn go_on(&self, shard: &mut ShardSnapshots, account_shard: &mut AccountShard) -> bool {
        let Some(saving) = &mut shard.saving else { return true };
        if !saving.hand_over() {
            return false;
        }
        if saving.end.is_some() {
            if !saving.is_committed {
                return true;
            }
            let is_finished = saving.finish();
            if is_finished {
                shard.saving = None;
            }
            return is_finished;
        }
        if !account_shard.is_saving() {
            // The shard has switched to another installation, which gives up the snapshot under way.
            tracing::info!(
                partition = saving.id.shard.partition,
                "the snapshot is given up: the shard has switched to other packs; the next one follows at its time"
            );
            shard.saving = None;
            return true;
        }
        if self.clock.now() < saving.rests_until {
            return true;
        }
        let mut chunks = Vec::new();
        saving.end = account_shard.save_some(ROWS_A_TURN, &mut chunks).map(Box::new);
        saving.chunks.extend(chunks);
        saving.rests_until = self.clock.now() + REST;
        true
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
