//! What a worker drives: the engines of the shards it owns. The worker knows nothing else of them.

use super::recovery::History;
use super::source::Position;
use tripline_core::batch::{Batch, Shard, Timestamp};
use tripline_core::outputs::Outputs;

/// One worker's engines, by shard. Calls come from one thread, for a shard in this order: `assign`, then `restore` and
/// `fold_verdicts` any number of times, `live`, then `step` and `advance`, at last `revoke`.
pub trait Processor {
    /// A new, empty engine for a shard that goes on at this position, with the note of its last commit.
    fn assign(&mut self, at: &Position);

    /// Inserts rows without judging them.
    fn restore(&mut self, batch: &Batch);

    /// Takes the shard's own committed verdicts back in, in log order, each once.
    fn fold_verdicts(&mut self, batch: &Batch);

    /// The shard is filled; what follows is judged.
    fn live(&mut self, shard: Shard, history: &History);

    /// Judges a batch. `out` is empty.
    fn step(&mut self, batch: &Batch, out: &mut Outputs);

    /// Time passes on a shard whose every record has been judged. `out` is empty.
    fn advance(&mut self, shard: Shard, now: Timestamp, out: &mut Outputs);

    /// What to keep beside the committed offset.
    fn note(&self, _shard: Shard) -> String {
        String::new()
    }

    /// Forgets a shard.
    fn revoke(&mut self, shard: Shard);
}
