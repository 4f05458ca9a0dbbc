//! How a shard is filled from the log before it goes live. It knows where records lie, not what they mean.

use crate::runtime::source::Position;
use std::sync::Arc;
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::snapshot::{Manifest, OpenedChunk};

/// One filling of one shard; what arrives under an older ticket is not for the engine that is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How far back the log must be read, in the log's own time before the committed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// For rows, ms.
    pub rows_ms: i64,
    /// For verdicts, ms.
    pub verdicts_ms: i64,
    /// How long rows are kept: a snapshot that kept them shorter is passed over where the log still has them.
    pub retention_ms: i64,
}

/// How long a log must keep its records, so that a shard can be filled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// To fill it from the log alone, ms.
    pub alone_ms: i64,
    /// To fill it from a snapshot and the log behind it, ms; none where no snapshots are written.
    pub behind_snapshot_ms: Option<i64>,
}

/// A shard may have to go back to its snapshot before the newest, and the next one may be under way.
const SNAPSHOTS_BACK: u32 = 3;

impl Keep {
    /// What a log must keep that is read so far back without a snapshot, when one is cut in every such time.
    pub fn of(alone_ms: i64, snapshots_every: Option<Duration>) -> Keep {
        let back = snapshots_every.map(|every| (every * SNAPSHOTS_BACK).as_millis());
        let behind_snapshot_ms = back.map(|back| i64::try_from(back).unwrap_or(i64::MAX));
        Keep { alone_ms, behind_snapshot_ms }
    }

    /// Less than this, and shards cannot be filled as they were.
    pub fn least_ms(&self) -> i64 {
        self.behind_snapshot_ms.unwrap_or(self.alone_ms)
    }
}

/// What a filled shard holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Append time of the oldest record read back; `None` when there was none.
    pub held_from: Option<Timestamp>,
    /// The append time from which records were wanted.
    pub wanted_from: Option<Timestamp>,
    /// Older records were not read, and all appended from this time on were.
    pub skipped_before: Option<Timestamp>,
    /// Retention had already removed records that were wanted.
    pub truncated: bool,
    /// Input records read back.
    pub rows: u64,
    /// Verdicts read back.
    pub verdicts: u64,
    /// The snapshot it began with: the first record that is not in it, and when it was cut.
    pub snapshot: Option<(i64, Timestamp)>,
}

/// A part of a snapshot, in this order: the manifest, its chunks, the end.
#[derive(Debug)]
pub enum Piece {
    /// What it is, and to which shard, schema and secret it belongs.
    Manifest(Box<Manifest>),
    /// A chunk that the manifest lists, undamaged.
    Chunk(OpenedChunk),
    /// All chunks were given.
    End,
}

/// What a filling gives, in this order: where the shard goes on, pieces of a snapshot, rows, verdicts, each log's extent
/// before it, then ready.
#[derive(Debug)]
pub enum Recovered {
    /// The shard's committed position, or the beginning of a log that nobody has begun.
    At(Ticket, Position),
    /// A part of the snapshot of this name.
    Snapshot(Ticket, ShardId, Arc<str>, Piece),
    /// The snapshot of this name is of no use. Begin again with an empty engine, and without it.
    Unusable(Ticket, ShardId, Arc<str>, String),
    /// Records of a log from the first offset up to before the second come next.
    Ahead(Ticket, ShardId, i64, i64),
    /// Input records to insert without judging.
    Rows(Ticket, Batch),
    /// The shard's own committed verdicts.
    Verdicts(Ticket, Batch),
    /// A snapshot is there that must not be passed over, or going on would skip input: somebody has to decide.
    Refused(Ticket, ShardId, String),
    /// All has been handed over.
    Ready(Ticket, ShardId, History),
    /// It broke off; begin again with an empty engine.
    Failed(Ticket, ShardId, String),
}

impl Recovered {
    /// Which filling of which shard it belongs to.
    pub fn of(&self) -> (Ticket, ShardId) {
        match self {
            Recovered::At(ticket, at) => (*ticket, at.shard),
            Recovered::Rows(ticket, batch) | Recovered::Verdicts(ticket, batch) => (*ticket, batch.shard),
            Recovered::Snapshot(ticket, shard, ..)
            | Recovered::Ahead(ticket, shard, ..)
            | Recovered::Unusable(ticket, shard, ..)
            | Recovered::Refused(ticket, shard, ..)
            | Recovered::Ready(ticket, shard, ..)
            | Recovered::Failed(ticket, shard, ..) => (*ticket, *shard),
        }
    }

    /// Whether nothing follows it.
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Recovered::Unusable(..) | Recovered::Refused(..) | Recovered::Ready(..) | Recovered::Failed(..)
        )
    }
}

/// Fills shards beside the worker's thread.
pub trait Recovery {
    /// Begins to ask where a shard goes on, and to read back what lies before, from any snapshot but these. The last owner
    /// may have died in a transaction: until the broker has ended it, nobody knows the answer.
    fn begin(&mut self, shard: ShardId, without: &[Arc<str>]) -> Ticket;

    /// Gives the next piece, waiting at most so long. The queue behind it is bounded.
    fn next(&mut self, wait: Duration) -> Option<Recovered>;

    /// Stops a filling that nobody needs any more.
    fn cancel(&mut self, ticket: Ticket);
}

/// Picks a shard's committed verdicts out of its journal, each once.
///
/// Without transactions the journal may hold verdicts of records whose offset was never committed, and the same ones
/// again from the judging that followed. Both judgings give the same bytes in the same order, so a verdict counts when
/// its record lies before the committed offset and it comes after all that were taken.
#[derive(Debug)]
pub struct Journal {
    from: i64,
    next: i64,
    latest: i64,
    /// Verdicts taken of the latest record.
    taken: Vec<Vec<u8>>,
}

impl Journal {
    /// Takes verdicts of the records from the first offset on, before the second.
    pub fn between(from: i64, next: i64) -> Journal {
        Journal { from, next, latest: -1, taken: Vec::new() }
    }

    /// Whether to take this verdict of the record at offset `cause`.
    pub fn takes(&mut self, cause: i64, verdict: &[u8]) -> bool {
        if cause < self.from || cause >= self.next || cause < self.latest {
            return false;
        }
        if cause > self.latest {
            self.latest = cause;
            self.taken.clear();
        }
        let new = self.taken.iter().all(|taken| taken != verdict);
        if new {
            self.taken.push(verdict.to_vec());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_shorten_what_a_log_must_keep_at_least() {
        let day = 86_400_000;
        assert_eq!(Keep::of(90 * day, None).least_ms(), 90 * day);
        let keep = Keep::of(90 * day, Some(Duration::from_secs(60)));
        assert_eq!((keep.least_ms(), keep.alone_ms), (180_000, 90 * day));
    }

    #[test]
    fn a_journal_with_a_crash_in_it_gives_each_committed_verdict_once() {
        // Committed up to 9. The first run died while it wrote 7's second verdict; the next began again at 5.
        let log = [(3, "a"), (5, "b"), (7, "c"), (5, "b"), (7, "c"), (7, "d"), (8, "e"), (9, "f")];
        let mut journal = Journal::between(5, 9);
        let taken: Vec<&str> = log
            .iter()
            .filter(|(cause, verdict)| journal.takes(*cause, verdict.as_bytes()))
            .map(|(_, verdict)| *verdict)
            .collect();
        assert_eq!(taken, ["b", "c", "d", "e"], "the snapshot holds what came before 5");
    }
}
