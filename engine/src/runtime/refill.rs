//! What a shard is filled from, and in which order: a snapshot and the log behind it, or the log alone. It knows where
//! records lie, not how a log is read.

use crate::failpoint::reached;
use crate::io::snapshot::{Catalogue, StoreFault, Unreadable};
use crate::runtime::recovery::{History, Journal, Piece, Reach, Recovered, Ticket};
use crate::runtime::source::{Position, SourceError};
use std::sync::Arc;
use tripline_core::batch::{Batch, Timestamp};
use tripline_core::snapshot::SnapshotError;

/// Bytes of a piece, about.
const PIECE_BYTES: usize = 1 << 20;
/// The clocks of two brokers may be so far apart: the journal is read from before the first record it may be about.
const CLOCKS_APART_MS: i64 = 600_000;
const REBUILD: &str =
    "run the engine that wrote it, or move the shard's snapshots away to rebuild its ledgers from the log";

/// One of the two logs of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Its partition of the input.
    Input,
    /// Its partition of the verdicts.
    Verdicts,
}

/// A committed record of one of the shard's logs.
#[derive(Debug)]
pub struct Found<'m> {
    /// Where it lies.
    pub offset: i64,
    /// When it was appended.
    pub at: Option<Timestamp>,
    /// Key.
    pub key: &'m [u8],
    /// Value.
    pub value: &'m [u8],
    /// Offset of the input record that a verdict is about.
    pub cause: Option<i64>,
}

/// Why a filling broke off.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The log gave no answer.
    #[error("{0}")]
    Log(String),
    /// A record is not what the configuration says.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// Nobody needs it any more.
    #[error("cancelled")]
    Cancelled,
    /// The snapshot store gave no answer.
    #[error("{0}")]
    Store(#[from] StoreFault),
    /// A snapshot of which something was handed over already.
    #[error("snapshot {0}: {1}")]
    Unusable(Arc<str>, String),
    /// Somebody has to decide.
    #[error("{0}")]
    Refused(String),
}

/// What lies behind a shard's position, read as a reader of committed records does.
pub trait Past {
    /// The first offset of the input that the log still has.
    ///
    /// # Errors
    /// When the log does not answer.
    fn low(&self) -> Result<i64, Broken>;

    /// First offset at or after a time; none when all records are older.
    ///
    /// # Errors
    /// When the log does not answer.
    fn offset_at(&self, side: Side, ms: i64) -> Result<Option<i64>, Broken>;

    /// Reads from an offset until `each` says false or the end is reached.
    ///
    /// # Errors
    /// When the log does not answer, or as `each` says.
    fn read(
        &self,
        side: Side,
        from: i64,
        each: &mut dyn FnMut(&Found<'_>) -> Result<bool, Broken>,
    ) -> Result<(), Broken>;

    /// Waits until no transaction holds back what is in the journal now. The last owner may have died in one: behind
    /// its first record nothing can be read before the broker has ended it, committed though it may be. Gives where the
    /// journal ends.
    ///
    /// # Errors
    /// When the log does not answer.
    fn await_ended(&self) -> Result<i64, Broken>;

    /// Gives the worker a piece.
    ///
    /// # Errors
    /// When nobody needs it any more.
    fn hand_over(&self, piece: Recovered) -> Result<(), Broken>;
}

/// One filling of one shard.
pub struct Refill<'a, P> {
    /// Where it reads.
    pub past: &'a P,
    /// Snapshots, where there are any.
    pub snapshots: Option<&'a Catalogue>,
    /// How far back.
    pub reach: Reach,
    /// Records of a piece.
    pub records_max: usize,
    /// Under which the pieces go.
    pub ticket: Ticket,
    /// The first record that the shard will judge.
    pub at: &'a Position,
    /// Snapshots that were found to be of no use.
    pub without: &'a [Arc<str>],
}

impl<P: Past> Refill<'_, P> {
    /// Hands everything over but the end.
    ///
    /// # Errors
    /// Why it broke off.
    pub fn run(&self) -> Result<History, Broken> {
        let mut history = History::default();
        let next = self.at.next;
        let low = self.past.low()?;
        if let Some((from, cut_at)) = self.snapshot(low)? {
            history.snapshot = Some((from, cut_at));
            self.rows(from, &mut history)?;
            if history.rows > 0 {
                // What is said about a record is appended after it; the cut's time is only this host's word.
                let told = history.held_from.map_or(cut_at, |held| held.min(cut_at));
                self.journal(told.0.saturating_sub(CLOCKS_APART_MS), from, &mut history)?;
            }
        } else if next > low
            && let Some(newest) = self.time_before(next)?
        {
            let wanted = newest.0.saturating_sub(self.reach.rows_ms);
            history.wanted_from = Some(Timestamp(wanted));
            let from = self.past.offset_at(Side::Input, wanted)?.unwrap_or(low).max(low);
            self.rows(from, &mut history)?;
            // What lies before a later offset than the first is older than wanted.
            let is_first = low > 0 && from == low;
            history.truncated = is_first && history.held_from.is_none_or(|held| held.0 > wanted);
            history.skipped_before = (from > 0 && !history.truncated).then_some(Timestamp(wanted));
            self.journal(newest.0.saturating_sub(self.reach.verdicts_ms), 0, &mut history)?;
        } else if next > 0 {
            history.truncated = low > 0;
        }
        Ok(history)
    }

    /// The piece that ends the filling; none when nobody needs it any more.
    pub fn last(&self, filled: Result<History, Broken>) -> Option<Recovered> {
        let (ticket, shard) = (self.ticket, self.at.shard);
        Some(match filled {
            Ok(history) => Recovered::Ready(ticket, shard, history),
            Err(Broken::Cancelled) => return None,
            Err(Broken::Unusable(name, reason)) => Recovered::Unusable(ticket, shard, name, reason),
            Err(Broken::Refused(reason)) => Recovered::Refused(ticket, shard, reason),
            Err(fault) => Recovered::Failed(ticket, shard, fault.to_string()),
        })
    }

    /// Hands over the newest snapshot that is of use. Gives where it was cut, and when.
    fn snapshot(&self, low: i64) -> Result<Option<(i64, Timestamp)>, Broken> {
        let Some(snapshots) = self.snapshots else { return Ok(None) };
        let (shard, next) = (self.at.shard, self.at.next);
        for kept in snapshots.of(shard)? {
            let is_reached = kept.offset <= next && (kept.offset >= low || kept.offset == next);
            let name: Arc<str> = Arc::from(kept.folder.as_str());
            if !is_reached || self.without.contains(&name) {
                continue;
            }
            let unusable = |fault: Unreadable| match fault {
                Unreadable::Store(fault) => Broken::Store(fault),
                Unreadable::Snapshot(fault @ SnapshotError::UnknownVersion { .. }) => {
                    Broken::Refused(format!("{name}: {fault}: {REBUILD}"))
                }
                Unreadable::Snapshot(fault) => Broken::Unusable(Arc::clone(&name), fault.to_string()),
            };
            let Some(manifest) = snapshots.manifest(&kept).map_err(unusable)? else { continue };
            let is_short = manifest.retention_ms() < self.reach.retention_ms;
            if is_short && self.log_is_whole(low)? {
                tracing::info!(
                    snapshot = &*name,
                    "the packs look back further than it does, and the log has it all"
                );
                continue;
            }
            let send = |piece| {
                self.past.hand_over(Recovered::Snapshot(self.ticket, shard, Arc::clone(&name), piece))
            };
            reached("manifest_found");
            send(Piece::Manifest(Box::new(manifest.clone())))?;
            for number in 0..manifest.chunks().len() {
                let chunk = snapshots.chunk(&kept, &manifest, number).map_err(|fault| match fault {
                    // A chunk that cannot be read is as good as damaged.
                    Unreadable::Store(fault) => Broken::Unusable(Arc::clone(&name), fault.to_string()),
                    fault => unusable(fault),
                })?;
                reached("chunk_found");
                send(Piece::Chunk(chunk))?;
            }
            send(Piece::End)?;
            return Ok(Some((kept.offset, manifest.created_at())));
        }
        if next > 0 && snapshots.is_local() {
            let partition = shard.partition;
            tracing::warn!(
                partition,
                "no snapshot of use lies in this host's folder, so the shard is filled from the log: if other hosts own \
                 shards of the group, let all of them use one store"
            );
        }
        Ok(None)
    }

    /// Whether the log still has everything that is wanted of it.
    fn log_is_whole(&self, low: i64) -> Result<bool, Broken> {
        let Some(newest) = self.time_before(self.at.next)? else { return Ok(low == 0) };
        let wanted = newest.0.saturating_sub(self.reach.rows_ms);
        Ok(low == 0 || self.past.offset_at(Side::Input, wanted)?.is_some_and(|from| from > low))
    }

    /// Time of the last record before an offset, by the log rather than by our clock: after a long pause the ledgers
    /// must reach back from where the shard stopped.
    fn time_before(&self, next: i64) -> Result<Option<Timestamp>, Broken> {
        let mut time = None;
        self.past.read(Side::Input, next - 1, &mut |found| {
            time = found.at;
            Ok(false)
        })?;
        Ok(time)
    }

    fn rows(&self, from: i64, history: &mut History) -> Result<(), Broken> {
        let next = self.at.next;
        let mut batch = Batch::new(self.at.shard);
        if from < next {
            self.past.hand_over(Recovered::Ahead(self.ticket, self.at.shard, from, next))?;
            self.past.read(Side::Input, from, &mut |found| {
                if found.offset >= next {
                    return Ok(false);
                }
                history.held_from = history.held_from.or(found.at);
                history.rows += 1;
                self.push(&mut batch, found, Recovered::Rows)?;
                Ok(found.offset + 1 < next)
            })?;
        }
        reached("rows_read");
        self.send(&mut batch, Recovered::Rows)
    }

    /// Reads the shard's journal from a time on, of the records from an offset on.
    fn journal(&self, from_ms: i64, first: i64, history: &mut History) -> Result<(), Broken> {
        let end = self.past.await_ended()?;
        let Some(from) = self.past.offset_at(Side::Verdicts, from_ms)? else { return Ok(()) };
        self.past.hand_over(Recovered::Ahead(self.ticket, self.at.shard, from, end))?;
        let mut journal = Journal::between(first, self.at.next);
        let mut batch = Batch::new(self.at.shard);
        self.past.read(Side::Verdicts, from, &mut |found| {
            if found.cause.is_some_and(|cause| journal.takes(cause, found.value)) {
                history.verdicts += 1;
                self.push(&mut batch, found, Recovered::Verdicts)?;
            }
            Ok(true)
        })?;
        reached("verdicts_read");
        self.send(&mut batch, Recovered::Verdicts)
    }

    fn push(
        &self,
        batch: &mut Batch,
        found: &Found<'_>,
        piece: fn(Ticket, Batch) -> Recovered,
    ) -> Result<(), Broken> {
        batch.push(found.offset, found.at, found.key, found.value);
        let is_full = batch.records.len() >= self.records_max || batch.bytes.len() >= PIECE_BYTES;
        if is_full { self.send(batch, piece) } else { Ok(()) }
    }

    fn send(&self, batch: &mut Batch, piece: fn(Ticket, Batch) -> Recovered) -> Result<(), Broken> {
        if batch.records.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(batch, Batch::new(self.at.shard));
        self.past.hand_over(piece(self.ticket, full))
    }
}
