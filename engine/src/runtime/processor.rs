//! What a worker drives: the processing of the shards it owns. The worker does not depend on anything else of it.

use crate::runtime::recovery::{History, SnapshotPart};
use crate::runtime::source::Position;
use std::time::Instant;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::outputs::Outputs;
use tripline_core::snapshot::SnapshotError;

/// The processing of one worker's shards. Calls come from one thread, for a shard in this order: `open`, `load`, then
/// `restore` and `fold_verdicts` any number of times, `live`, then `step` and `idle`. It ends when its state is
/// dropped.
pub trait Processor {
    /// The state of one shard. The worker owns it; dropping it releases all that is kept for the shard.
    type Shard;

    /// The empty state of a shard that goes on at this position, with the note of its last commit.
    fn open(&mut self, at: &Position) -> Self::Shard;

    /// Takes a part of a snapshot into a state that has seen nothing else.
    ///
    /// # Errors
    /// Why the snapshot cannot be used; the state is then replaced.
    ///
    /// # Panics
    /// By default: a processor that begins no snapshots is given none.
    fn load(&mut self, _shard: &mut Self::Shard, _part: SnapshotPart) -> Result<(), SnapshotError> {
        unreachable!("no snapshots are kept");
    }

    /// Inserts rows without judging them.
    fn restore(&mut self, shard: &mut Self::Shard, batch: &Batch);

    /// Takes the shard's own committed verdicts back in, in log order, each once.
    fn fold_verdicts(&mut self, shard: &mut Self::Shard, batch: &Batch);

    /// The shard is restored; what follows is judged.
    fn live(&mut self, shard: &mut Self::Shard, history: &History);

    /// Judges a batch. `out` is empty.
    fn step(&mut self, shard: &mut Self::Shard, batch: &Batch, out: &mut Outputs);

    /// Why the shard cannot continue after a step, and what to do; nothing of the step is then published.
    fn obstacle(&self, _shard: &Self::Shard) -> Option<String> {
        None
    }

    /// Called about once a second for a shard of which every record has been judged.
    fn idle(&mut self, shard: &mut Self::Shard);

    /// What to keep beside the committed offset.
    fn note(&self, _shard: &Self::Shard) -> String {
        String::new()
    }

    /// Since when a snapshot of the shard at this position is due; none while none is, another shard's is being
    /// written, or the newest is of this position.
    fn snapshot_due(&self, _shard: &Self::Shard, _at: &Position) -> Option<Instant> {
        None
    }

    /// Begins a snapshot of a shard of which one is due, as a commit of this position begins, or after it: the shard
    /// has judged every record before it and none from it on.
    fn begin_snapshot(&mut self, _shard: &mut Self::Shard, _at: &Position) {}

    /// Everything of the shard up to this position is committed; more may have been judged since.
    fn committed(&mut self, _shard: &mut Self::Shard, _at: &Position) {}

    /// The shard of which a snapshot is being written.
    fn snapshot_under_way(&self) -> Option<ShardId> {
        None
    }

    /// Writes a part of the snapshot of that shard.
    fn write_snapshot(&mut self, _shard: &mut Self::Shard) {}

    /// Hands over a snapshot of a shard of which everything before this position is committed and nothing follows,
    /// unless the newest is of this position. It is given up at a time.
    fn save(&mut self, _shard: &mut Self::Shard, _at: &Position, _until: Instant) {}
}
