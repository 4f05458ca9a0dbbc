//! How a worker's shards come to life: an empty engine, what the log holds, then live. Failures are tried again.

use super::{Hold, Worker, WorkerError};
use crate::edge::processor::Processor;
use crate::edge::recovery::{Recovered, Recovery, Ticket};
use crate::edge::sink::Sink;
use crate::edge::source::{Position, Source};
use crate::edge::status::{Phase, ShardStatus, Trouble};
use std::time::{Duration, Instant};
use tripline_core::batch::Shard;

/// Fillings of one shard that may break off in a row.
const FILLINGS_MAX: u32 = 8;
/// First and longest pause before a shard is filled again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

impl<S: Source, K: Sink, P: Processor, R: Recovery> Worker<S, K, P, R> {
    /// A new engine, and its filling after a pause that grows with the tries.
    pub(super) fn begin(&mut self, at: Position, tries: u32) {
        self.processor.assign(&at);
        let status = ShardStatus {
            worker: self.pace.worker,
            phase: Phase::Restoring,
            next: at.next,
            lag: None,
            held_from: None,
        };
        self.status.shard(at.shard, status);
        let ticket = (tries == 0).then(|| self.recovery.begin(&at));
        self.shards.insert(at.shard, Hold::Filling { at, ticket, tries, since: Instant::now() });
        self.count();
    }

    /// Takes what the recovery has ready. True while any shard is being filled.
    pub(super) fn fill(&mut self) -> Result<bool, WorkerError> {
        let mut filling = false;
        for hold in self.shards.values_mut() {
            let Hold::Filling { at, ticket, tries, since } = hold else { continue };
            filling = true;
            if ticket.is_none() && since.elapsed() >= backoff(*tries) {
                *ticket = Some(self.recovery.begin(at));
            }
        }
        // The source must be polled between pieces; an idle one leaves time to wait for them.
        let wait = if self.was_idle { Duration::from_millis(5) } else { Duration::ZERO };
        let began = Instant::now();
        while filling && began.elapsed() < Duration::from_millis(20) {
            let Some(piece) = self.recovery.next(wait) else { break };
            self.piece(piece)?;
        }
        Ok(filling)
    }

    fn piece(&mut self, piece: Recovered) -> Result<(), WorkerError> {
        match piece {
            Recovered::Rows(ticket, batch) if self.filling(batch.shard, ticket).is_some() => {
                self.processor.restore(&batch);
            }
            Recovered::Verdicts(ticket, batch) if self.filling(batch.shard, ticket).is_some() => {
                self.processor.fold_verdicts(&batch);
            }
            Recovered::Ready(ticket, shard, history) => {
                let Some((at, _, since)) = self.filling(shard, ticket) else { return Ok(()) };
                self.processor.live(shard, &history);
                self.source.resume(&at)?;
                self.shards.insert(shard, Hold::Live { next: at.next });
                let status = ShardStatus {
                    worker: self.pace.worker,
                    phase: Phase::Live,
                    next: at.next,
                    lag: None,
                    held_from: history.held_from,
                };
                self.status.shard(shard, status);
                self.status.clear(self.pace.worker, Trouble::Restore);
                self.metrics.restored(history.rows + history.verdicts, since.elapsed());
                self.count();
                let (partition, rows) = (shard.partition, history.rows);
                tracing::info!(partition, at.next, rows, history.truncated, "shard is live");
            }
            Recovered::Failed(ticket, shard, reason) => {
                let Some((at, tries, _)) = self.filling(shard, ticket) else { return Ok(()) };
                let (partition, tries) = (shard.partition, tries + 1);
                if tries >= FILLINGS_MAX {
                    return Err(WorkerError::Unfilled { partition, tries, reason });
                }
                tracing::warn!(partition, tries, reason, "filling the shard broke off");
                let line = format!("partition {partition} cannot be filled: {reason}");
                self.status.trouble(self.pace.worker, Trouble::Restore, line);
                self.processor.revoke(shard);
                self.begin(at, tries);
            }
            Recovered::Rows(..) | Recovered::Verdicts(..) => {}
        }
        Ok(())
    }

    /// The shard's filling, if it is the one of this ticket.
    fn filling(&self, shard: Shard, ticket: Ticket) -> Option<(Position, u32, Instant)> {
        match self.shards.get(&shard) {
            Some(Hold::Filling { at, ticket: Some(held), tries, since }) if *held == ticket => {
                Some((at.clone(), *tries, *since))
            }
            _ => None,
        }
    }
}

fn backoff(tries: u32) -> Duration {
    let (first, longest) = BACKOFF;
    first.saturating_mul(1 << tries.min(16)).min(longest)
}
