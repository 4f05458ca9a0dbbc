//! Restores a shard from the log before it goes live: requests and the restored pieces. It is independent of what
//! records mean.

use crate::runtime::source::Position;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::snapshot::{Manifest, OpenedChunk};

/// Number of one restore of one shard. What arrives under an older one is not for the state that is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A restore that was asked for. Dropping it cancels the restore.
#[derive(Debug)]
pub struct Restore {
    ticket: Ticket,
    is_cancelled: Arc<AtomicBool>,
}

/// Whether a restore was cancelled, for the side that reads.
#[derive(Clone, Debug)]
pub struct Cancellation(Arc<AtomicBool>);

impl Restore {
    /// A restore under this number, and its cancellation.
    pub fn new(ticket: Ticket) -> (Restore, Cancellation) {
        let is_cancelled = Arc::<AtomicBool>::default();
        (Restore { ticket, is_cancelled: Arc::clone(&is_cancelled) }, Cancellation(is_cancelled))
    }

    /// Its number.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        self.is_cancelled.store(true, Ordering::Release);
    }
}

impl Cancellation {
    /// Whether nobody needs the restore any more.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How long a log must keep its records, so that a shard can be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// To restore it from the log alone, ms.
    pub alone_ms: i64,
    /// To restore it from a snapshot and the log behind it, ms; none where no snapshots are written.
    pub behind_snapshot_ms: Option<i64>,
}

/// A shard may have to go back to its snapshot before the newest, and the next one may be under way.
const SNAPSHOTS_BACK: u32 = 3;

impl Retention {
    /// What a log must keep that is read so far back without a snapshot, when one is begun in every such time.
    pub fn of(alone_ms: i64, snapshots_every: Option<Duration>) -> Retention {
        let back = snapshots_every.map(|every| (every * SNAPSHOTS_BACK).as_millis());
        let behind_snapshot_ms = back.map(|back| i64::try_from(back).unwrap_or(i64::MAX));
        Retention { alone_ms, behind_snapshot_ms }
    }

    /// Less than this, and shards cannot be restored as they were.
    pub fn least_ms(&self) -> i64 {
        self.behind_snapshot_ms.unwrap_or(self.alone_ms)
    }
}

/// What a restored shard holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Append time of the oldest record read back; `None` when there was none.
    pub log_from: Option<Timestamp>,
    /// Older records were not read, and all appended from this time on were.
    pub skipped_before: Option<Timestamp>,
    /// Retention had already removed records that were wanted.
    pub truncated: bool,
    /// Input records read back.
    pub rows: u64,
    /// Verdicts read back.
    pub verdicts: u64,
    /// Why the snapshot store could not be reached; the shard was restored from the log alone.
    pub unreachable: Option<String>,
    /// The snapshot it began with: the first record that is not in it, and when it was begun.
    pub snapshot: Option<(i64, Timestamp)>,
}

/// A part of a snapshot, in this order: the manifest, its chunks, the end.
#[derive(Debug)]
pub enum SnapshotPart {
    /// What it is, and to which shard, schema and secret it belongs.
    Manifest(Box<Manifest>),
    /// A chunk that the manifest lists, undamaged.
    Chunk(OpenedChunk),
    /// All chunks were given.
    End,
}

/// What a restore gives, in this order: where the shard goes on, parts of a snapshot, rows, verdicts, the range of
/// each log before its records, then ready.
#[derive(Debug)]
pub enum Restored {
    /// The shard's committed position, or the beginning of a log that nobody has begun.
    At(Ticket, Position),
    /// A part of the snapshot of this name.
    Snapshot(Ticket, ShardId, Arc<str>, SnapshotPart),
    /// The snapshot of this name cannot be used. Begin again with an empty shard, and without it.
    Unusable(Ticket, ShardId, Arc<str>, String),
    /// The offsets that are read of a log next: the first one, and the one after the last.
    LogRange(Ticket, ShardId, i64, i64),
    /// Input records to insert without judging.
    Rows(Ticket, Batch),
    /// The shard's own committed verdicts.
    Verdicts(Ticket, Batch),
    /// A snapshot is there that must not be skipped, or going on would skip input: somebody has to decide.
    Refused(Ticket, ShardId, String),
    /// All has been handed over.
    Ready(Ticket, ShardId, History),
    /// It failed; begin again with an empty shard.
    Failed(Ticket, ShardId, String),
}

impl Restored {
    /// Which restore of which shard it belongs to.
    pub fn of(&self) -> (Ticket, ShardId) {
        match self {
            Restored::At(ticket, at) => (*ticket, at.shard),
            Restored::Rows(ticket, batch) | Restored::Verdicts(ticket, batch) => (*ticket, batch.shard),
            Restored::Snapshot(ticket, shard, ..)
            | Restored::LogRange(ticket, shard, ..)
            | Restored::Unusable(ticket, shard, ..)
            | Restored::Refused(ticket, shard, ..)
            | Restored::Ready(ticket, shard, ..)
            | Restored::Failed(ticket, shard, ..) => (*ticket, *shard),
        }
    }

    /// Whether nothing follows it.
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Restored::Unusable(..) | Restored::Refused(..) | Restored::Ready(..) | Restored::Failed(..)
        )
    }
}

/// Restores shards beside the worker's thread.
pub trait Recovery {
    /// Begins to restore a shard: its committed position, and the log before it, without the snapshots `without`. The
    /// last owner may have died in a transaction: the position is available only after the broker has ended it.
    fn begin(&mut self, shard: ShardId, without: &[Arc<str>]) -> Restore;

    /// Gives what comes next of any restore, waiting at most so long. The queue behind it is bounded.
    fn next(&mut self, wait: Duration) -> Option<Restored>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_shorten_what_a_log_must_keep_at_least() {
        let day = 86_400_000;
        assert_eq!(Retention::of(90 * day, None).least_ms(), 90 * day);
        let retention = Retention::of(90 * day, Some(Duration::from_secs(60)));
        assert_eq!((retention.least_ms(), retention.alone_ms), (180_000, 90 * day));
    }
}
