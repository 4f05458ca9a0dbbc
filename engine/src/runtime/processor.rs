//! What a worker drives: the engines of the shards it owns. The worker knows nothing else of them.

use crate::runtime::recovery::{History, Piece};
use crate::runtime::source::Position;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::outputs::Outputs;
use tripline_core::snapshot::SnapshotError;

/// One worker's engines, by shard. Calls come from one thread, for a shard in this order: `assign`, `load`, then `restore` and
/// `fold_verdicts` any number of times, `live`, then `step` and `advance`, at last `revoke`.
pub trait Processor {
    /// A new, empty engine for a shard that goes on at this position, with the note of its last commit.
    fn assign(&mut self, at: &Position);

    /// Takes a part of a snapshot into an engine that has seen nothing else.
    ///
    /// # Errors
    /// Why the snapshot is of no use; the engine is then replaced.
    ///
    /// # Panics
    /// By default: a processor that cuts no snapshots is given none.
    fn load(&mut self, _shard: ShardId, _piece: Piece) -> Result<(), SnapshotError> {
        unreachable!("no snapshots are kept");
    }

    /// Inserts rows without judging them.
    fn restore(&mut self, batch: &Batch);

    /// Takes the shard's own committed verdicts back in, in log order, each once.
    fn fold_verdicts(&mut self, batch: &Batch);

    /// The shard is filled; what follows is judged.
    fn live(&mut self, shard: ShardId, history: &History);

    /// Judges a batch. `out` is empty.
    fn step(&mut self, batch: &Batch, out: &mut Outputs);

    /// Time passes on a shard whose every record has been judged. `out` is empty.
    fn advance(&mut self, shard: ShardId, now: Timestamp, out: &mut Outputs);

    /// A commit of these positions begins, after which nothing judged is uncommitted; everything judged of these shards lies
    /// before them.
    fn committing(&mut self, _at: &[Position]) {}

    /// Everything of these shards up to these positions is committed; more may have been judged since.
    fn committed(&mut self, _at: &[Position]) {}

    /// Time for what need not be done at once. True while there is more of it.
    fn work(&mut self) -> bool {
        false
    }

    /// What to keep beside the committed offset.
    fn note(&self, _shard: ShardId) -> String {
        String::new()
    }

    /// Forgets a shard.
    fn revoke(&mut self, shard: ShardId);
}
