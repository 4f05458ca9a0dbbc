//! The loop of one worker: poll, judge, hand over, commit; and the answers to membership changes.
//!
//! It does not depend on Kafka or on rules. A shard goes through `restoring` to `live`; only live shards are judged.
//! Offsets are committed after the outputs of everything before them, so that a crash repeats work but never skips it.

mod commit;
mod restore;
mod snapshots;
mod timings;

use crate::failpoint::reached;
use crate::runtime::commits::{CommitScheduler, ROOM_WAIT, STALL_PATIENCE, Uncommitted};
use crate::runtime::output_buffer::OutputBuffer;
use crate::runtime::owned_shard::{OwnedShard, marks};
use crate::runtime::processor::Processor;
use crate::runtime::recovery::Recovery;
use crate::runtime::report::{Condition, Rebalance, Report};
use crate::runtime::shutdown::Shutdown;
use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::{Generation, Polled, Source, SourceError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
pub use timings::Timings;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::outputs::{Outputs, Topic};

/// The longest wait for records, so that a stop is seen soon.
const POLL_WAIT_MAX: Duration = Duration::from_millis(100);
/// The longest wait for records while a snapshot is being written.
const BUSY_WAIT_MAX: Duration = Duration::from_millis(5);

/// Why a worker ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Records cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Outputs cannot be published.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Offsets cannot be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A shard could not be restored, however often it was tried.
    #[error(
        "partition {partition} could not be restored, {tries} times in a row: {reason}. Check the brokers and the snapshot \
         store, then start the process again"
    )]
    Unrestored {
        /// The shard's partition.
        partition: u32,
        /// Tries in a row.
        tries: u32,
        /// What happened last.
        reason: String,
    },
    /// A shard cannot be restored without a decision of the operator.
    #[error("partition {partition} cannot be restored without a decision: {reason}")]
    Refused {
        /// The shard's partition.
        partition: u32,
        /// The obstacle, and what to do.
        reason: String,
    },
    /// A shard cannot continue without a decision of the operator.
    #[error("partition {partition} cannot continue: {reason}")]
    Stopped {
        /// The shard's partition.
        partition: u32,
        /// The obstacle, and what to do.
        reason: String,
    },
    /// It was asked to stop, but the last commit was refused, or not answered in time. What is not committed is judged
    /// again.
    #[error("stopped with uncommitted records: {0}")]
    Uncommitted(String),
    /// The worker's thread ended in a panic.
    #[error("worker {0} panicked")]
    Panicked(usize),
}

/// What a worker is made of.
pub struct Parts<S, K, P, R> {
    /// Where records come from.
    pub source: S,
    /// Where outputs go.
    pub outputs: OutputBuffer<K>,
    /// What is done with the records.
    pub processor: P,
    /// What restores shards.
    pub recovery: R,
    /// Where it reports.
    pub report: Arc<dyn Report>,
    /// Whether it is asked to end.
    pub shutdown: Shutdown,
}

/// One worker: a thread's source, output buffer, recovery and processing.
pub struct Worker<S, K, P: Processor, R> {
    source: S,
    outputs: OutputBuffer<K>,
    recovery: R,
    timings: Timings,
    report: Arc<dyn Report>,
    shutdown: Shutdown,
    commits: CommitScheduler,
    shards: BTreeMap<ShardId, OwnedShard<P::Shard>>,
    processor: P,
    /// Changes that came while the sink was stalled.
    deferred: VecDeque<Polled>,
    batch: Batch,
    out: Outputs,
    ticked: Instant,
    was_idle: bool,
    /// Conditions that this worker raised and has not cleared.
    raised: BTreeSet<Condition>,
    /// It was logged that commits do not succeed, since the last that did.
    has_warned: bool,
}

impl<S: Source, K: Sink, P: Processor, R: Recovery> Worker<S, K, P, R> {
    /// A worker that owns nothing yet.
    pub fn new(parts: Parts<S, K, P, R>, timings: Timings) -> Worker<S, K, P, R> {
        let Parts { source, outputs, processor, recovery, report, shutdown } = parts;
        let now = timings.clock.now();
        Worker {
            source,
            outputs,
            recovery,
            report,
            shutdown,
            commits: CommitScheduler::new(timings.commit_interval, timings.alert_gap, now),
            timings,
            shards: BTreeMap::new(),
            processor,
            deferred: VecDeque::new(),
            batch: Batch::new(ShardId::account(0)),
            out: Outputs::default(),
            ticked: now,
            was_idle: false,
            raised: BTreeSet::new(),
            has_warned: false,
        }
    }

    /// Works until the source ends or the process is asked to stop; then commits what was judged and leaves.
    ///
    /// # Errors
    /// When going on cannot work, or the last commit did not succeed in time.
    pub fn run(mut self) -> Result<P, WorkerError> {
        while !self.shutdown.is_requested() && self.turn()? {}
        self.leave()?;
        Ok(self.processor)
    }

    /// One turn of the loop: false when no record will ever follow.
    ///
    /// # Errors
    /// As [`Worker::run`].
    pub fn turn(&mut self) -> Result<bool, WorkerError> {
        let is_restoring = self.restore()?;
        let wait = self.poll_wait(is_restoring);
        let polled = match self.deferred.pop_front() {
            Some(change) => change,
            None => self.source.poll(&mut self.batch, wait)?,
        };
        self.was_idle = polled == Polled::Idle;
        let is_behind = polled == Polled::Batch && self.batch.records.len() >= self.timings.batch_full;
        self.commits.polled(is_behind);
        match polled {
            Polled::Batch => self.judge()?,
            Polled::Idle => {}
            Polled::Assigned(generation, shards) => self.assigned(generation, &shards)?,
            Polled::Revoked(generation, shards) => self.revoked(generation, &shards)?,
            Polled::Lost(shards) => self.lost(&shards)?,
            Polled::End => return Ok(false),
        }
        self.commit_when_due()?;
        self.settle();
        self.tick()?;
        self.write_snapshot();
        Ok(true)
    }

    /// The processing of the live shards, to look at between turns.
    pub fn live(&self) -> impl Iterator<Item = (ShardId, &P::Shard)> {
        self.shards.iter().filter_map(|(shard, owned)| Some((*shard, &owned.live()?.processing)))
    }

    /// The processor, to look at between turns.
    pub fn processor(&self) -> &P {
        &self.processor
    }

    fn poll_wait(&self, is_restoring: bool) -> Duration {
        let until_commit = self.commits.wait(self.timings.clock.now()).unwrap_or(POLL_WAIT_MAX);
        let is_writing = self.processor.snapshot_under_way().is_some();
        let longest = if is_writing { BUSY_WAIT_MAX } else { POLL_WAIT_MAX };
        if is_restoring { Duration::ZERO } else { until_commit.min(longest) }
    }

    fn judge(&mut self) -> Result<(), WorkerError> {
        let shard = self.batch.shard;
        let Some(last) = self.batch.records.last().map(|record| record.offset) else { return Ok(()) };
        let Some(live) = self.shards.get_mut(&shard).and_then(OwnedShard::live_mut) else {
            unreachable!("a source delivers records of live shards only");
        };
        live.next = last + 1;
        reached("polled");
        let began = self.timings.clock.now();
        self.out.clear();
        self.processor.step(&mut live.processing, &self.batch, &mut self.out);
        if let Some(reason) = self.processor.obstacle(&live.processing) {
            return Err(WorkerError::Stopped { partition: shard.partition, reason });
        }
        let step = self.since(began);
        reached("judged");
        self.publish(shard)?;
        reached("sent");
        let oldest = self.batch.records.first().and_then(|record| record.appended_at);
        self.report.processed(self.batch.records.len(), step, oldest.map(|at| self.age(at)));
        self.judged(shard);
        if let Some(owned) = self.shards.get(&shard) {
            owned.report.position(last + 1);
        }
        Ok(())
    }

    fn judged(&mut self, shard: ShardId) {
        if let Some(owned) = self.shards.get_mut(&shard) {
            self.commits.judged(&mut owned.uncommitted, self.timings.clock.now());
        }
    }

    /// Sends the outputs, or postpones them where that is allowed.
    fn publish(&mut self, shard: ShardId) -> Result<(), WorkerError> {
        if self.out.records.is_empty() {
            return Ok(());
        }
        let Some(owned) = self.shards.get_mut(&shard) else { return Ok(()) };
        let has_alert = self.out.records.iter().any(|output| output.topic == Topic::Alerts);
        let may_postpone = self.commits.may_postpone(owned.uncommitted, has_alert);
        if !(may_postpone && self.outputs.postpone(&mut owned.postponed, &self.out)) {
            owned.uncommitted = Uncommitted::Sent;
            self.outputs.send_postponed(shard, &mut owned.postponed);
            self.send(shard)?;
        }
        self.report.published(&self.out);
        Ok(())
    }

    /// Sends the outputs, slowing the source while there is no room for them.
    fn send(&mut self, shard: ShardId) -> Result<(), WorkerError> {
        let mut sent = self.outputs.send(shard, &self.out, 0)?;
        if sent < self.out.records.len() {
            let began = self.timings.clock.now();
            let mut is_paused = false;
            while sent < self.out.records.len() {
                self.await_room(began, &mut is_paused)?;
                sent = self.outputs.send(shard, &self.out, sent)?;
            }
            if is_paused {
                self.source.pause(false)?;
                self.report.clear(self.timings.worker, Condition::Stalled);
            }
            self.report.stalled(self.since(began));
        }
        Ok(())
    }

    fn await_room(&mut self, began: Instant, is_paused: &mut bool) -> Result<(), WorkerError> {
        if self.shutdown.is_requested() && self.since(began) > self.timings.leave_within {
            return Err(WorkerError::Uncommitted("the producer's queue stayed full".to_owned()));
        }
        if !*is_paused && self.since(began) < STALL_PATIENCE {
            self.timings.clock.sleep(ROOM_WAIT);
            return Ok(());
        }
        if !*is_paused {
            self.source.pause(true)?;
            *is_paused = true;
            let reason = "the producer's queue is full; reading is paused";
            let worker = self.timings.worker;
            self.report.raise(worker, Condition::Stalled, reason.to_owned());
            tracing::warn!(worker, "{reason}");
        }
        // The group is kept by polling on; the batch under way must not be overwritten.
        let mut nothing = Batch::new(self.batch.shard);
        match self.source.poll(&mut nothing, Duration::from_millis(20))? {
            Polled::Batch => unreachable!("a paused source delivers changes only"),
            Polled::Idle | Polled::End => {}
            change => self.deferred.push_back(change),
        }
        Ok(())
    }

    fn assigned(&mut self, generation: Generation, shards: &[ShardId]) -> Result<(), WorkerError> {
        let accepted = self.source.accept(generation, shards)?;
        if accepted.is_empty() && !shards.is_empty() {
            // The offer no longer stands, or comes again.
            return Ok(());
        }
        self.report.rebalanced(Rebalance::Assigned);
        for shard in accepted {
            self.own(shard);
        }
        reached("accepted");
        self.report.assigned();
        Ok(())
    }

    fn revoked(&mut self, generation: Generation, shards: &[ShardId]) -> Result<(), WorkerError> {
        self.report.rebalanced(Rebalance::Revoked);
        reached("revoked");
        let mut is_committed = self.commit_within(self.timings.leave_within)?;
        // A running commit is always awaited: until it ends, it is unknown whether the shards' records are committed.
        is_committed &= self.await_commit(Duration::MAX)?;
        let is_waiting = |shard: &ShardId| {
            self.shards.get(shard).is_some_and(|owned| owned.uncommitted != Uncommitted::Nothing)
        };
        if !is_committed && shards.iter().any(is_waiting) {
            let (worker, count) = (self.timings.worker, shards.len());
            tracing::warn!(
                worker,
                shards = count,
                "revoked shards are released with uncommitted records; their next owner judges them again"
            );
            self.release(shards);
            if self.abort()? {
                self.roll_back()?;
            }
        }
        self.release(shards);
        self.source.release(generation, shards)?;
        reached("released");
        Ok(())
    }

    fn lost(&mut self, shards: &[ShardId]) -> Result<(), WorkerError> {
        self.report.rebalanced(Rebalance::Lost);
        let (worker, count) = (self.timings.worker, shards.len());
        tracing::warn!(worker, shards = count, "the assignment was lost; nothing more of it is committed");
        self.release(shards);
        self.await_commit(Duration::MAX)?;
        if self.abort()? {
            self.roll_back()?;
        }
        Ok(())
    }

    /// Raises a condition of this worker. True when it is new.
    fn raise(&mut self, condition: Condition, reason: String) -> bool {
        self.raised.insert(condition);
        self.report.raise(self.timings.worker, condition, reason)
    }

    /// Clears the conditions whose cause is gone, whether it was overcome or its shards were: a quiet log brings no
    /// further commit, and shards that were lost are not restored here.
    fn settle(&mut self) {
        if self.raised.is_empty() {
            return;
        }
        let restores = self.shards.values().any(|owned| owned.live().is_none());
        let waits = || self.shards.values().any(|owned| owned.uncommitted != Uncommitted::Nothing);
        let is_committing = self.commits.is_under_way() || waits();
        let is_over = |condition: &Condition| match condition {
            Condition::Commit => !is_committing && !restores,
            Condition::Restore => !restores,
            _ => false,
        };
        for condition in self.raised.extract_if(.., is_over) {
            self.report.clear(self.timings.worker, condition);
        }
    }

    fn release(&mut self, shards: &[ShardId]) {
        for shard in shards {
            self.shards.remove(shard);
        }
        self.commits.released(&marks(&mut self.shards));
    }

    /// Lets time pass on live shards whose every record has been judged.
    fn tick(&mut self) -> Result<(), WorkerError> {
        if self.since(self.ticked) < self.timings.tick {
            return Ok(());
        }
        self.ticked = self.timings.clock.now();
        let is_idle = |(shard, owned): (&ShardId, &OwnedShard<P::Shard>)| {
            (owned.live().is_some() && self.source.caught_up(*shard)).then_some(*shard)
        };
        let idle: Vec<ShardId> = self.shards.iter().filter_map(is_idle).collect();
        for (shard, next) in self.source.delivered_to() {
            if let Some(owned) = self.shards.get(&shard).filter(|owned| owned.live().is_some()) {
                owned.report.position(next);
            }
        }
        for shard in idle {
            if let Some(live) = self.shards.get_mut(&shard).and_then(OwnedShard::live_mut) {
                self.processor.idle(&mut live.processing);
            }
            self.save_idle(shard);
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), WorkerError> {
        let (within, began) = (self.timings.leave_within, self.timings.clock.now());
        let committed = self.commit_within(within);
        let uncommitted = WorkerError::Uncommitted(format!(
            "the last commit was refused, or not answered within {within:?}"
        ));
        if self.outputs.is_committing() {
            // It may still succeed. The next owner of a shard that is released now could judge records from before it:
            // so the group detects the end by the session time-out, as for a killed process.
            committed?;
            return Err(uncommitted);
        }
        // Readers of committed records must not wait for what nobody will commit.
        let aborted = if matches!(committed, Ok(true)) { Ok(false) } else { self.abort() };
        if matches!(committed, Ok(true)) {
            self.save_all(began + within);
        }
        self.source.close();
        self.shards.clear();
        if committed? {
            return Ok(());
        }
        aborted?;
        Err(uncommitted)
    }

    fn since(&self, then: Instant) -> Duration {
        self.timings.clock.since(then)
    }

    /// How long ago a record was appended; zero when the broker's clock is ahead of ours.
    fn age(&self, appended_at: Timestamp) -> Duration {
        let ms = self.timings.clock.wall().0.saturating_sub(appended_at.0);
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }
}
