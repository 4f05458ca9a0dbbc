//! What a shard is restored from, and in which order: a snapshot and the log behind it, or the log alone. It does
//! not depend on how a log is read.

use crate::failpoint::reached;
use crate::runtime::note::Note;
use crate::runtime::recovery::{History, Restored, SnapshotPart, Ticket};
use crate::runtime::snapshot::{SnapshotReadError, SnapshotStore, StoreError};
use crate::runtime::source::{Position, SourceError};
use crate::runtime::verdict_filter::VerdictFilter;
use std::sync::Arc;
use tripline_core::batch::{Batch, Timestamp};
use tripline_core::installation::Lookback;
use tripline_core::snapshot::{LastRecord, Manifest, SnapshotError};
use tripline_rules::time::MINUTE_MS;

/// Bytes of a batch, about.
const BATCH_BYTES: usize = 1 << 20;
/// Assumed maximum clock difference between brokers. Verdicts are read from this much earlier.
const CLOCK_SKEW_MS_MAX: i64 = 10 * MINUTE_MS;
const REBUILD: &str = "start the version that wrote it, or move the shard's snapshots away to restore its ledgers from the \
     log (runbook: Lost snapshots)";

/// One of the two topics that a shard is restored from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideTopic {
    /// Its partition of the input.
    Input,
    /// Its partition of the verdicts.
    Verdicts,
}

/// A committed record of one of them.
#[derive(Debug)]
pub struct LogRecord<'m> {
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

/// Why a restore failed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The log did not respond.
    #[error("cannot read {place}: {reason}")]
    Log {
        /// Topic and partition, and the offset where one was asked for.
        place: String,
        /// What happened.
        reason: String,
    },
    /// A record does not fit the configuration.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// The restore was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A snapshot that cannot be used, of which something was handed over already.
    #[error("snapshot {0}: {1}")]
    Unusable(Arc<str>, String),
    /// Going on needs a decision of somebody.
    #[error("{0}")]
    Refused(String),
}

/// A shard's partitions of both topics, read as a reader of committed records does.
pub trait ShardLog {
    /// The first offset of the input that the log still has.
    ///
    /// # Errors
    /// When the log does not answer.
    fn log_start_offset(&self) -> Result<i64, RestoreError>;

    /// First offset at or after a time; none when all records are older.
    ///
    /// # Errors
    /// When the log does not answer.
    fn offset_at(&self, topic: SideTopic, ms: i64) -> Result<Option<i64>, RestoreError>;

    /// Reads from an offset until `each` returns false or the end is reached.
    ///
    /// # Errors
    /// When the log does not respond, or the error of `each`.
    fn read(
        &self,
        topic: SideTopic,
        from: i64,
        each: &mut dyn FnMut(&LogRecord<'_>) -> Result<bool, RestoreError>,
    ) -> Result<(), RestoreError>;

    /// Waits until no open transaction blocks reading the verdicts topic to its present end, which it returns. The
    /// previous owner may have died in a transaction: read-committed consumers see nothing after its first record until
    /// the broker aborts it, not even records committed later.
    ///
    /// # Errors
    /// When the log does not answer.
    fn await_ended(&self) -> Result<i64, RestoreError>;

    /// Gives the worker what was read.
    ///
    /// # Errors
    /// When nobody needs it any more.
    fn hand_over(&self, restored: Restored) -> Result<(), RestoreError>;
}

/// One restore of one shard.
pub struct ShardRestore<'a, P> {
    /// What it reads.
    pub log: &'a P,
    /// Snapshots, where there are any.
    pub snapshots: Option<&'a dyn SnapshotStore>,
    /// How far back.
    pub lookback: Lookback,
    /// Records of a batch at most.
    pub records_max: usize,
    /// Its number.
    pub ticket: Ticket,
    /// The first record that the shard will judge.
    pub at: &'a Position,
    /// Snapshots that were found to be unusable.
    pub without: &'a [Arc<str>],
}

impl<P: ShardLog> ShardRestore<'_, P> {
    /// Hands everything over but the end.
    ///
    /// # Errors
    /// Why it failed.
    pub fn run(&self) -> Result<History, RestoreError> {
        let mut history = History::default();
        let next = self.at.next;
        let log_start = self.log.log_start_offset()?;
        if let Some((from, begun_at)) = self.snapshot(log_start, &mut history)? {
            history.snapshot = Some((from, begun_at));
            self.rows(from, &mut history)?;
            if history.rows > 0 {
                // The verdict about a record is appended after it. The snapshot's time comes from this host's clock.
                let earliest = history.log_from.map_or(begun_at, |from| from.min(begun_at));
                self.verdicts(earliest.0.saturating_sub(CLOCK_SKEW_MS_MAX), from, &mut history)?;
            }
        } else if next > log_start
            && let Some(newest) = self.time_before(next, log_start)?
        {
            let wanted = newest.0.saturating_sub(self.lookback.input_ms);
            let from = self.log.offset_at(SideTopic::Input, wanted)?.unwrap_or(log_start).max(log_start);
            self.rows(from, &mut history)?;
            // If reading starts after the first offset, all earlier records are older than needed.
            let is_first = log_start > 0 && from == log_start;
            history.truncated = is_first && history.log_from.is_none_or(|from| from.0 > wanted);
            history.skipped_before = (from > 0 && !history.truncated).then_some(Timestamp(wanted));
            self.verdicts(newest.0.saturating_sub(self.verdicts_ms()), 0, &mut history)?;
        } else if next > 0 {
            history.truncated = log_start > 0;
        }
        Ok(history)
    }

    /// What ends the restore; none when nobody needs it any more.
    pub fn last(&self, result: Result<History, RestoreError>) -> Option<Restored> {
        let (ticket, shard) = (self.ticket, self.at.shard);
        Some(match result {
            Ok(history) => Restored::Ready(ticket, shard, history),
            Err(RestoreError::Cancelled) => return None,
            Err(RestoreError::Unusable(name, reason)) => Restored::Unusable(ticket, shard, name, reason),
            Err(RestoreError::Refused(reason)) => Restored::Refused(ticket, shard, reason),
            // A record that does not fit the configuration is the same when it is read again.
            Err(RestoreError::Source(error)) => Restored::Refused(ticket, shard, error.to_string()),
            Err(error) => Restored::Failed(ticket, shard, error.to_string()),
        })
    }

    /// Hands over the newest snapshot that can be used. Gives the first record that is not in it, and when it was
    /// begun. A store that cannot be reached has none: the log is there.
    fn snapshot(
        &self,
        log_start: i64,
        history: &mut History,
    ) -> Result<Option<(i64, Timestamp)>, RestoreError> {
        let Some(snapshots) = self.snapshots else { return Ok(None) };
        let (shard, next) = (self.at.shard, self.at.next);
        let stored = match snapshots.of(shard) {
            Ok(stored) => stored,
            Err(StoreError(error)) => {
                history.unreachable = Some(error.to_string());
                return Ok(None);
            }
        };
        for stored in stored {
            let is_reached = stored.offset <= next && (stored.offset >= log_start || stored.offset == next);
            let name = Arc::clone(&stored.name);
            if !is_reached || self.without.contains(&name) {
                continue;
            }
            let unusable = |error: SnapshotReadError| match error {
                SnapshotReadError::Snapshot(error @ SnapshotError::UnknownVersion { .. }) => {
                    RestoreError::Refused(format!("snapshot {name}: {error}: {REBUILD}"))
                }
                // One that cannot be read counts as damaged.
                error => RestoreError::Unusable(Arc::clone(&name), error.to_string()),
            };
            let Some(manifest) = snapshots.manifest(&stored).map_err(unusable)? else { continue };
            if let Some(error) = self.foreign_log(&manifest, log_start)? {
                return Err(RestoreError::Unusable(name, error.to_string()));
            }
            let is_short = manifest.retention_ms() < self.lookback.row_retention_ms;
            if is_short && self.log_is_whole(log_start)? {
                tracing::info!(
                    partition = shard.partition,
                    snapshot = &*name,
                    "the snapshot is skipped: the packs' lookback is longer than the snapshot's, and the log is complete"
                );
                continue;
            }
            let send =
                |part| self.log.hand_over(Restored::Snapshot(self.ticket, shard, Arc::clone(&name), part));
            reached("manifest_found");
            send(SnapshotPart::Manifest(Box::new(manifest.clone())))?;
            for number in 0..manifest.chunks().len() {
                let chunk = snapshots.chunk(&stored, &manifest, number).map_err(unusable)?;
                reached("chunk_found");
                send(SnapshotPart::Chunk(chunk))?;
            }
            send(SnapshotPart::End)?;
            return Ok(Some((stored.offset, manifest.created_at())));
        }
        if next > 0 && snapshots.is_local() {
            let partition = shard.partition;
            tracing::warn!(
                partition,
                "this host's folder has no usable snapshot of the shard: it is restored from the log. If other hosts own \
                 shards of the group, configure one store for all of them"
            );
        }
        Ok(None)
    }

    /// How far back verdicts are read: as far as the packs need, and as far as a cooldown may still be open that was
    /// opened under other ones.
    fn verdicts_ms(&self) -> i64 {
        let committed = Note::read(&self.at.note).and_then(|note| note.verdicts_ms);
        self.lookback.verdicts_ms.max(committed.unwrap_or(0))
    }

    /// What is wrong if the log is another one than the snapshot's. A record that retention has removed tells nothing.
    /// Where a snapshot knows of no record, the log had none before its offset.
    fn foreign_log(
        &self,
        manifest: &Manifest,
        log_start: i64,
    ) -> Result<Option<SnapshotError>, RestoreError> {
        let (end, last) = (manifest.origin().offset, manifest.origin().last);
        let from = last.map_or(log_start, |last| last.offset);
        if from < log_start || from >= end {
            return Ok(None);
        }
        let mut found = None;
        self.log.read(SideTopic::Input, from, &mut |record| {
            let is_before = record.offset < end;
            found = is_before.then(|| LastRecord::new(record.offset, record.key, record.value));
            Ok(false)
        })?;
        Ok((found != last).then_some(SnapshotError::ForeignLog { offset: from }))
    }

    /// Whether the log covers the packs' lookback.
    fn log_is_whole(&self, log_start: i64) -> Result<bool, RestoreError> {
        let Some(newest) = self.time_before(self.at.next, log_start)? else { return Ok(log_start == 0) };
        let wanted = newest.0.saturating_sub(self.lookback.input_ms);
        Ok(log_start == 0
            || self.log.offset_at(SideTopic::Input, wanted)?.is_some_and(|from| from > log_start))
    }

    /// Time of the last record before an offset, by the log rather than by our clock: after a long pause the ledgers
    /// must reach back from where the shard stopped. Offsets may be without a record: markers of transactions, and
    /// what was aborted or compacted.
    fn time_before(&self, next: i64, log_start: i64) -> Result<Option<Timestamp>, RestoreError> {
        if next <= log_start {
            return Ok(None);
        }
        let (mut newest, mut back) = (None, 1_i64);
        loop {
            let from = next.saturating_sub(back).max(log_start);
            self.log.read(SideTopic::Input, from, &mut |record| {
                let is_before = record.offset < next;
                newest = if is_before { Some(record.at) } else { newest };
                Ok(is_before && record.offset + 1 < next)
            })?;
            if newest.is_some() || from == log_start {
                return Ok(newest.flatten());
            }
            back = back.saturating_mul(2);
        }
    }

    fn rows(&self, from: i64, history: &mut History) -> Result<(), RestoreError> {
        let next = self.at.next;
        let mut batch = Batch::new(self.at.shard);
        if from < next {
            self.log.hand_over(Restored::LogRange(self.ticket, self.at.shard, from, next))?;
            self.log.read(SideTopic::Input, from, &mut |record| {
                if record.offset >= next {
                    return Ok(false);
                }
                history.log_from = history.log_from.or(record.at);
                history.rows += 1;
                self.push(&mut batch, record, Restored::Rows)?;
                Ok(record.offset + 1 < next)
            })?;
        }
        reached("rows_read");
        self.send(&mut batch, Restored::Rows)
    }

    /// Reads the shard's own verdicts from a time on, of the records from an offset on.
    fn verdicts(&self, from_ms: i64, first: i64, history: &mut History) -> Result<(), RestoreError> {
        let end = self.log.await_ended()?;
        let Some(from) = self.log.offset_at(SideTopic::Verdicts, from_ms)? else { return Ok(()) };
        self.log.hand_over(Restored::LogRange(self.ticket, self.at.shard, from, end))?;
        let mut filter = VerdictFilter::between(first, self.at.next);
        let mut batch = Batch::new(self.at.shard);
        self.log.read(SideTopic::Verdicts, from, &mut |record| {
            if record.cause.is_some_and(|cause| filter.takes(cause, record.value)) {
                history.verdicts += 1;
                self.push(&mut batch, record, Restored::Verdicts)?;
            }
            Ok(true)
        })?;
        reached("verdicts_read");
        self.send(&mut batch, Restored::Verdicts)
    }

    fn push(
        &self,
        batch: &mut Batch,
        record: &LogRecord<'_>,
        restored: fn(Ticket, Batch) -> Restored,
    ) -> Result<(), RestoreError> {
        batch.push(record.offset, record.at, record.key, record.value);
        let is_full = batch.records.len() >= self.records_max || batch.bytes.len() >= BATCH_BYTES;
        if is_full { self.send(batch, restored) } else { Ok(()) }
    }

    fn send(&self, batch: &mut Batch, restored: fn(Ticket, Batch) -> Restored) -> Result<(), RestoreError> {
        if batch.records.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(batch, Batch::new(self.at.shard));
        self.log.hand_over(restored(self.ticket, full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tripline_core::batch::ShardId;

    /// A log with records at some offsets only, each appended at the time of its offset in minutes.
    struct Sparse {
        offsets: Vec<i64>,
        rows: RefCell<Vec<i64>>,
    }

    impl ShardLog for Sparse {
        fn log_start_offset(&self) -> Result<i64, RestoreError> {
            Ok(0)
        }

        fn offset_at(&self, _: SideTopic, ms: i64) -> Result<Option<i64>, RestoreError> {
            Ok(self.offsets.iter().copied().find(|offset| offset * MINUTE_MS >= ms))
        }

        fn read(
            &self,
            side: SideTopic,
            from: i64,
            each: &mut dyn FnMut(&LogRecord<'_>) -> Result<bool, RestoreError>,
        ) -> Result<(), RestoreError> {
            for offset in self.offsets.iter().copied().filter(|offset| *offset >= from) {
                let at = Some(Timestamp(offset * MINUTE_MS));
                let record = LogRecord { offset, at, key: b"a", value: b"{}", cause: None };
                if side == SideTopic::Verdicts || !each(&record)? {
                    break;
                }
            }
            Ok(())
        }

        fn await_ended(&self) -> Result<i64, RestoreError> {
            Ok(0)
        }

        fn hand_over(&self, restored: Restored) -> Result<(), RestoreError> {
            if let Restored::Rows(_, batch) = restored {
                self.rows.borrow_mut().extend(batch.records.iter().map(|record| record.offset));
            }
            Ok(())
        }
    }

    /// The rows of a restore up to an offset that goes back a quarter of an hour.
    fn restored(offsets: &[i64], next: i64) -> Vec<i64> {
        let log = Sparse { offsets: offsets.to_vec(), rows: RefCell::default() };
        let back = 15 * MINUTE_MS;
        let restore = ShardRestore {
            log: &log,
            snapshots: None,
            lookback: Lookback { input_ms: back, verdicts_ms: back, row_retention_ms: back },
            records_max: 100,
            ticket: Ticket(1),
            at: &Position { shard: ShardId::account(0), next, note: String::new() },
            without: &[],
        };
        restore.run().unwrap();
        log.rows.into_inner()
    }

    #[test]
    fn markers_of_transactions_before_the_position_do_not_hide_the_records_before_them() {
        assert_eq!(restored(&[0, 10, 20, 30], 31), [20, 30]);
        assert_eq!(restored(&[0, 10, 20, 30], 32), [20, 30], "one marker");
        assert_eq!(restored(&[0, 10, 20, 30], 60), [20, 30], "many");
        assert_eq!(restored(&[0, 10, 20, 30, 70], 60), [20, 30], "records follow that the shard will judge");
        assert_eq!(restored(&[70], 60), [0; 0], "there was none");
    }
}
