//! Restores a worker's shards: an empty state, then the log, then live. Failures are retried.

use super::{Worker, WorkerError};
use crate::failpoint::reached;
use crate::runtime::owned_shard::{Live, OwnedShard, Restoring, ShardReport, ShardState};
use crate::runtime::processor::Processor;
use crate::runtime::recovery::{History, Recovery, Restored};
use crate::runtime::report::Condition;
use crate::runtime::sink::Sink;
use crate::runtime::source::Source;
use std::sync::Arc;
use std::time::Duration;
use tripline_core::batch::ShardId;

/// Restores of one shard that may fail in a row.
const TRIES_MAX: u32 = 8;
/// First and longest pause before a shard is restored again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

impl<S: Source, K: Sink, P: Processor, R: Recovery> Worker<S, K, P, R> {
    /// Owns a shard, and begins to restore it.
    pub(super) fn own(&mut self, shard: ShardId) {
        // A record of an earlier assignment reports its end before the new one reports its begin.
        self.shards.remove(&shard);
        let restoring = self.restoring(shard, 0, Vec::new());
        let report = ShardReport::new(&self.report, shard, self.timings.worker);
        let owned = OwnedShard::new(restoring, self.outputs.postponed(), report);
        self.shards.insert(shard, owned);
    }

    /// Restores an owned shard anew, after a pause that grows with the tries, from any snapshot but these.
    pub(super) fn restart(&mut self, shard: ShardId, tries: u32, without: Vec<Arc<str>>) {
        let restoring = self.restoring(shard, tries, without);
        if let Some(owned) = self.shards.get_mut(&shard) {
            owned.restart(restoring);
        }
    }

    fn restoring(&mut self, shard: ShardId, tries: u32, without: Vec<Arc<str>>) -> Restoring<P::Shard> {
        let mut restoring = Restoring::new(tries, without, self.timings.clock.now());
        if tries == 0 {
            restoring.restore = Some(self.recovery.begin(shard, &restoring.without));
        }
        restoring
    }

    /// Takes what the recovery has ready. True while any shard is being restored.
    pub(super) fn restore(&mut self) -> Result<bool, WorkerError> {
        let mut is_restoring = false;
        let clock = self.timings.clock.clone();
        for (shard, owned) in &mut self.shards {
            let Some(restoring) = owned.restoring_mut() else { continue };
            is_restoring = true;
            if restoring.restore.is_none() && clock.since(restoring.since) >= backoff(restoring.tries) {
                restoring.restore = Some(self.recovery.begin(*shard, &restoring.without));
            }
        }
        // The source must be polled in between; an idle one leaves time to wait.
        let wait = if self.was_idle { Duration::from_millis(5) } else { Duration::ZERO };
        let began = clock.now();
        while is_restoring && clock.since(began) < Duration::from_millis(20) {
            let Some(restored) = self.recovery.next(wait) else { break };
            self.restored(restored)?;
        }
        Ok(is_restoring)
    }

    fn restored(&mut self, restored: Restored) -> Result<(), WorkerError> {
        let (ticket, shard) = restored.of();
        let Some(owned) = self.shards.get_mut(&shard) else { return Ok(()) };
        let ShardState::Restoring(restoring) = &mut owned.state else { return Ok(()) };
        if !restoring.is_of(ticket) {
            return Ok(());
        }
        if restoring.progress.count(&restored) {
            owned.report.progress(&restoring.progress);
        }
        match restored {
            Restored::At(_, at) => {
                owned.report.position(at.next);
                let processing = self.processor.open(&at);
                restoring.opened = Some((at, processing));
            }
            Restored::Snapshot(_, _, name, part) => {
                if let Err(error) = self.processor.load(restoring.processing(), part) {
                    self.unusable(shard, name, &error.to_string());
                }
            }
            Restored::Unusable(_, _, name, reason) => self.unusable(shard, name, &reason),
            Restored::LogRange(..) => {}
            Restored::Rows(_, batch) => {
                self.processor.restore(restoring.processing(), &batch);
                reached("restored");
            }
            Restored::Verdicts(_, batch) => {
                self.processor.fold_verdicts(restoring.processing(), &batch);
                reached("folded");
            }
            Restored::Ready(_, _, history) => self.ready(shard, &history)?,
            Restored::Refused(_, _, reason) => {
                return Err(WorkerError::Refused { partition: shard.partition, reason });
            }
            Restored::Failed(_, _, reason) => self.failed(shard, reason)?,
        }
        Ok(())
    }

    fn ready(&mut self, shard: ShardId, history: &History) -> Result<(), WorkerError> {
        let Some(owned) = self.shards.get_mut(&shard) else { return Ok(()) };
        let Some(restoring) = owned.restoring_mut() else { return Ok(()) };
        let since = restoring.since;
        let (at, mut processing) = restoring.opened.take().expect("a restore begins with the position");
        self.processor.live(&mut processing, history);
        reached("live");
        self.source.resume(&at)?;
        owned.state = ShardState::Live(Live { next: at.next, processing });
        owned.report.live(at.next, history.log_from, history.snapshot.map(|(_, begun_at)| begun_at));
        self.report.restored(history.rows + history.verdicts, self.since(since));
        let (partition, rows) = (shard.partition, history.rows);
        if let Some(reason) = &history.unreachable {
            self.report.snapshot_refused();
            tracing::warn!(
                partition,
                reason,
                "the snapshot store cannot be reached; the shard was restored from the log"
            );
        }
        let snapshot = history.snapshot.map(|(offset, _)| offset);
        tracing::info!(partition, at.next, snapshot, rows, history.truncated, "shard is live");
        Ok(())
    }

    fn failed(&mut self, shard: ShardId, reason: String) -> Result<(), WorkerError> {
        let Some(restoring) = self.shards.get_mut(&shard).and_then(OwnedShard::restoring_mut) else {
            return Ok(());
        };
        let (partition, tries) = (shard.partition, restoring.tries + 1);
        if tries >= TRIES_MAX {
            return Err(WorkerError::Unrestored { partition, tries, reason });
        }
        let without = std::mem::take(&mut restoring.without);
        let pause = backoff(tries);
        tracing::warn!(
            partition,
            tries,
            reason,
            ?pause,
            "the shard could not be restored; the worker retries"
        );
        let line = format!("partition {partition} cannot be restored: {reason}");
        self.raise(Condition::Restore, line);
        self.restart(shard, tries, without);
        Ok(())
    }

    /// Begins again at once, with the next older snapshot or the log.
    fn unusable(&mut self, shard: ShardId, name: Arc<str>, reason: &str) {
        let Some(restoring) = self.shards.get_mut(&shard).and_then(OwnedShard::restoring_mut) else { return };
        let partition = shard.partition;
        tracing::warn!(
            partition,
            snapshot = &*name,
            reason,
            "the snapshot cannot be used; the shard is restored from an older one or the log"
        );
        self.report.snapshot_refused();
        let mut without = std::mem::take(&mut restoring.without);
        without.push(name);
        self.restart(shard, 0, without);
    }
}

fn backoff(tries: u32) -> Duration {
    let (first, longest) = BACKOFF;
    first.saturating_mul(1 << tries.min(16)).min(longest)
}
