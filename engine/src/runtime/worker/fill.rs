//! How a worker's shards come to life: an empty engine, what the log holds, then live. Failures are tried again.

use super::{Hold, Worker, WorkerError};
use crate::failpoint::reached;
use crate::ops::status::{Filled, Phase, ShardStatus, Trouble};
use crate::runtime::processor::Processor;
use crate::runtime::recovery::{History, Piece, Recovered, Recovery, Ticket};
use crate::runtime::sink::Sink;
use crate::runtime::source::{Position, Source};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline_core::batch::{Batch, ShardId};

/// Fillings of one shard that may break off in a row.
const FILLINGS_MAX: u32 = 8;
/// First and longest pause before a shard is filled again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// A shard on its way to being live.
#[derive(Clone)]
pub(super) struct Filling {
    /// Where it goes on, once that is known.
    at: Option<Position>,
    /// `None` while it waits to be tried again.
    pub(super) ticket: Option<Ticket>,
    tries: u32,
    since: Instant,
    /// Names of snapshots that were found to be of no use.
    without: Vec<Arc<str>>,
    progress: Progress,
}

/// How far a filling has come.
#[derive(Clone, Copy, Default)]
struct Progress {
    filled: Filled,
    /// Records of the logs before the one that is read now, and that one's first offset.
    before: u64,
    first: i64,
}

impl Progress {
    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Manifest(manifest) => self.filled.chunks_of = manifest.chunks().len() as u64,
            Piece::Chunk(_) => self.filled.chunks += 1,
            Piece::End => {}
        }
    }

    fn ahead(&mut self, first: i64, end: i64) {
        (self.before, self.first) = (self.filled.records_of, first);
        self.filled.records = self.before;
        self.filled.records_of += u64::try_from(end - first).unwrap_or(0);
    }

    fn took(&mut self, batch: &Batch) {
        let Some(last) = batch.records.last() else { return };
        let passed = self.before + u64::try_from(last.offset + 1 - self.first).unwrap_or(0);
        // What was appended since the extent was told is passed, too.
        self.filled.records = passed.min(self.filled.records_of);
    }
}

impl<S: Source, K: Sink, P: Processor, R: Recovery> Worker<S, K, P, R> {
    /// Fills a shard anew, after a pause that grows with the tries.
    pub(super) fn begin(&mut self, shard: ShardId, tries: u32) {
        self.begin_without(shard, tries, Vec::new());
    }

    fn begin_without(&mut self, shard: ShardId, tries: u32, without: Vec<Arc<str>>) {
        let status = ShardStatus {
            worker: self.pace.worker,
            phase: Phase::Restoring,
            next: None,
            lag: None,
            held_from: None,
            snapshot_at: None,
            filled: Some(Filled::default()),
        };
        self.status.shard(shard, status);
        let ticket = (tries == 0).then(|| self.recovery.begin(shard, &without));
        let since = self.pace.clock.now();
        let filling = Filling { at: None, ticket, tries, since, without, progress: Progress::default() };
        self.shards.insert(shard, Hold::Filling(filling));
        self.count();
    }

    /// Takes what the recovery has ready. True while any shard is being filled.
    pub(super) fn fill(&mut self) -> Result<bool, WorkerError> {
        let mut is_filling = false;
        let clock = self.pace.clock.clone();
        for (shard, hold) in &mut self.shards {
            let Hold::Filling(filling) = hold else { continue };
            is_filling = true;
            if filling.ticket.is_none() && clock.since(filling.since) >= backoff(filling.tries) {
                filling.ticket = Some(self.recovery.begin(*shard, &filling.without));
            }
        }
        // The source must be polled between pieces; an idle one leaves time to wait for them.
        let wait = if self.was_idle { Duration::from_millis(5) } else { Duration::ZERO };
        let began = clock.now();
        while is_filling && clock.since(began) < Duration::from_millis(20) {
            let Some(piece) = self.recovery.next(wait) else { break };
            self.piece(piece)?;
        }
        Ok(is_filling)
    }

    fn piece(&mut self, piece: Recovered) -> Result<(), WorkerError> {
        let (ticket, shard) = piece.of();
        let Some(filling) = self.filling(shard, ticket) else { return Ok(()) };
        self.progress(shard, &piece);
        match piece {
            Recovered::At(_, at) => self.at(at),
            Recovered::Snapshot(_, _, name, piece) => {
                if let Err(fault) = self.processor.load(shard, piece) {
                    self.recovery.cancel(ticket);
                    self.unusable(shard, filling, name, &fault.to_string());
                }
            }
            Recovered::Unusable(_, _, name, reason) => self.unusable(shard, filling, name, &reason),
            Recovered::Ahead(..) => {}
            Recovered::Rows(_, batch) => {
                self.processor.restore(&batch);
                reached("restored");
            }
            Recovered::Verdicts(_, batch) => {
                self.processor.fold_verdicts(&batch);
                reached("folded");
            }
            Recovered::Ready(_, _, history) => self.ready(&filling, &history)?,
            Recovered::Refused(_, _, reason) => {
                return Err(WorkerError::Refused { partition: shard.partition, reason });
            }
            Recovered::Failed(_, _, reason) => self.failed(shard, filling, reason)?,
        }
        Ok(())
    }

    /// Tells how far the shard's filling has come with this piece.
    fn progress(&mut self, shard: ShardId, piece: &Recovered) {
        let Some(Hold::Filling(Filling { progress, .. })) = self.shards.get_mut(&shard) else { return };
        match piece {
            Recovered::Snapshot(_, _, _, piece) => progress.piece(piece),
            Recovered::Ahead(_, _, first, end) => progress.ahead(*first, *end),
            Recovered::Rows(_, batch) | Recovered::Verdicts(_, batch) => progress.took(batch),
            _ => return,
        }
        self.status.filled(shard, progress.filled);
    }

    /// The shard gets an engine that is empty yet.
    fn at(&mut self, at: Position) {
        self.processor.assign(&at);
        self.status.moved(at.shard, at.next);
        if let Some(Hold::Filling(filling)) = self.shards.get_mut(&at.shard) {
            filling.at = Some(at);
        }
    }

    fn ready(&mut self, filling: &Filling, history: &History) -> Result<(), WorkerError> {
        let at = filling.at.as_ref().expect("a filling begins with the position");
        let shard = at.shard;
        self.processor.live(shard, history);
        reached("live");
        self.source.resume(at)?;
        self.shards.insert(shard, Hold::Live { next: at.next });
        let status = ShardStatus {
            worker: self.pace.worker,
            phase: Phase::Live,
            next: Some(at.next),
            lag: None,
            held_from: history.held_from,
            snapshot_at: history.snapshot.map(|(_, cut_at)| cut_at),
            filled: None,
        };
        self.status.shard(shard, status);
        self.status.clear(self.pace.worker, Trouble::Restore);
        self.metrics.restored(history.rows + history.verdicts, self.since(filling.since));
        self.count();
        let (partition, rows) = (shard.partition, history.rows);
        let snapshot = history.snapshot.map(|(offset, _)| offset);
        tracing::info!(partition, at.next, snapshot, rows, history.truncated, "shard is live");
        Ok(())
    }

    fn failed(&mut self, shard: ShardId, filling: Filling, reason: String) -> Result<(), WorkerError> {
        let (partition, tries) = (shard.partition, filling.tries + 1);
        if tries >= FILLINGS_MAX {
            return Err(WorkerError::Unfilled { partition, tries, reason });
        }
        tracing::warn!(partition, tries, reason, "filling the shard broke off");
        let line = format!("partition {partition} cannot be filled: {reason}");
        self.status.trouble(self.pace.worker, Trouble::Restore, line);
        self.processor.revoke(shard);
        self.begin_without(shard, tries, filling.without);
        Ok(())
    }

    /// Begins again at once, with the next older snapshot or the log.
    fn unusable(&mut self, shard: ShardId, mut filling: Filling, name: Arc<str>, reason: &str) {
        let partition = shard.partition;
        tracing::warn!(partition, snapshot = &*name, reason, "the snapshot is not taken");
        self.metrics.snapshot_refused();
        filling.without.push(name);
        self.processor.revoke(shard);
        self.begin_without(shard, 0, filling.without);
    }

    /// The shard's filling, if it is the one of this ticket.
    fn filling(&self, shard: ShardId, ticket: Ticket) -> Option<Filling> {
        match self.shards.get(&shard) {
            Some(Hold::Filling(filling)) if filling.ticket == Some(ticket) => Some(filling.clone()),
            _ => None,
        }
    }
}

fn backoff(tries: u32) -> Duration {
    let (first, longest) = BACKOFF;
    first.saturating_mul(1 << tries.min(16)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(offsets: std::ops::Range<i64>) -> Batch {
        let mut batch = Batch::new(ShardId { space: 0, partition: 3 });
        offsets.for_each(|offset| batch.push(offset, None, b"", b"{}"));
        batch
    }

    #[test]
    fn an_operator_sees_how_many_records_are_read_of_how_many() {
        let mut progress = Progress::default();
        progress.ahead(100, 600);
        assert_eq!((progress.filled.records, progress.filled.records_of), (0, 500));
        progress.took(&batch(100..350));
        assert_eq!(progress.filled.records, 250);
        // The verdicts follow; of some records there are none, and their end moves on.
        progress.took(&batch(350..600));
        progress.ahead(40, 60);
        assert_eq!((progress.filled.records, progress.filled.records_of), (500, 520));
        progress.took(&batch(50..70));
        assert_eq!((progress.filled.records, progress.filled.records_of), (520, 520));
    }
}
