//! The loop of one worker: poll, judge, hand over, commit; and the answers to membership changes.
//!
//! It knows no Kafka and no rule. A shard goes through `filling` to `live`; only live shards are judged. Offsets are
//! committed after the outputs of everything before them, so that a crash repeats work but never skips it.

mod commit;
mod fill;
mod pace;

use crate::failpoint::reached;
use crate::ops::metrics::Metrics;
use crate::ops::status::{Status, Trouble};
use crate::runtime::outbox::Outbox;
use crate::runtime::processor::Processor;
use crate::runtime::recovery::Recovery;
use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::{Generation, Polled, Source, SourceError};
use commit::Committing;
use fill::Filling;
pub use pace::Pace;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::outputs::{Outputs, Topic};

/// The longest wait for records, so that a stop is seen soon.
const POLL_WAIT_MAX: Duration = Duration::from_millis(100);
/// The longest wait for records while the processor has other work.
const BUSY_WAIT_MAX: Duration = Duration::from_millis(5);
/// Between two looks whether there is room for outputs.
const ROOM_WAIT: Duration = Duration::from_millis(2);
/// A full producer queue that lasts longer pauses the source.
const STALL_PATIENCE: Duration = Duration::from_secs(1);

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
    /// A shard could not be filled, however often it was tried.
    #[error("partition {partition} could not be filled, {tries} times in a row: {reason}")]
    Unfilled {
        /// The shard's partition.
        partition: u32,
        /// Tries in a row.
        tries: u32,
        /// What happened last.
        reason: String,
    },
    /// A shard must not be filled before somebody has decided.
    #[error("partition {partition} cannot go on: {reason}")]
    Refused {
        /// The shard's partition.
        partition: u32,
        /// What stands in its way, and what to do.
        reason: String,
    },
    /// It was asked to stop, but the last commit was refused, or not answered in time. What is not committed is judged again.
    #[error("stopped with uncommitted records: {0}")]
    Uncommitted(String),
    /// The edge's thread ended in a panic.
    #[error("worker {0} panicked")]
    Panicked(usize),
}

/// Where a shard stands.
enum Hold {
    Filling(Filling),
    Live { next: i64 },
}

/// One worker: a thread's source, outbox, recovery and engines.
pub struct Worker<S, K, P, R> {
    source: S,
    outbox: Outbox<K>,
    processor: P,
    recovery: R,
    pace: Pace,
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    shards: BTreeMap<ShardId, Hold>,
    /// Shards with records judged of which no commit has begun, and since when at the longest.
    dirty: BTreeSet<ShardId>,
    dirty_since: Option<Instant>,
    /// Those of them with outputs that are no longer held: no commit may leave them out.
    sending: BTreeSet<ShardId>,
    /// Since when the next commit waits for room for its outputs.
    full_since: Option<Instant>,
    committing: Option<Committing>,
    /// An alert among the outputs waits for its commit.
    alert_waits: bool,
    /// The last batch was full.
    is_behind: bool,
    /// When the last commit was done.
    committed_at: Instant,
    /// No commit begins before.
    rests_until: Instant,
    /// Changes that came while the sink was stalled.
    deferred: VecDeque<Polled>,
    batch: Batch,
    out: Outputs,
    ticked: Instant,
    was_idle: bool,
    has_work: bool,
}

impl<S: Source, K: Sink, P: Processor, R: Recovery> Worker<S, K, P, R> {
    /// A worker that owns nothing yet.
    pub fn new(
        (source, outbox, processor, recovery): (S, Outbox<K>, P, R),
        pace: Pace,
        status: Arc<Status>,
        metrics: Arc<Metrics>,
    ) -> Worker<S, K, P, R> {
        let now = pace.clock.now();
        Worker {
            source,
            outbox,
            processor,
            recovery,
            pace,
            status,
            metrics,
            shards: BTreeMap::new(),
            dirty: BTreeSet::new(),
            dirty_since: None,
            sending: BTreeSet::new(),
            full_since: None,
            committing: None,
            alert_waits: false,
            is_behind: false,
            committed_at: now,
            rests_until: now,
            deferred: VecDeque::new(),
            batch: Batch::new(ShardId { space: 0, partition: 0 }),
            out: Outputs::default(),
            ticked: now,
            was_idle: false,
            has_work: false,
        }
    }

    /// Works until the source ends or the process is asked to stop; then commits what was judged and leaves.
    ///
    /// # Errors
    /// When going on cannot work, or the last commit did not succeed in time.
    pub fn run(mut self) -> Result<P, WorkerError> {
        while !self.status.is_stopping() && self.turn()? {}
        self.leave()?;
        Ok(self.processor)
    }

    /// One turn of the loop: false when no record will ever follow.
    ///
    /// # Errors
    /// As [`Worker::run`].
    pub fn turn(&mut self) -> Result<bool, WorkerError> {
        let filling = self.fill()?;
        let wait = self.poll_wait(filling);
        let polled = match self.deferred.pop_front() {
            Some(change) => change,
            None => self.source.poll(&mut self.batch, wait)?,
        };
        self.was_idle = polled == Polled::Idle;
        self.is_behind = polled == Polled::Batch && self.batch.records.len() >= self.pace.batch_full;
        match polled {
            Polled::Batch => self.judge()?,
            Polled::Idle => {}
            Polled::Assigned(generation, shards) => self.assigned(generation, &shards)?,
            Polled::Revoked(generation, shards) => self.revoked(generation, &shards)?,
            Polled::Lost(shards) => self.lost(&shards)?,
            Polled::End => return Ok(false),
        }
        self.commit_when_due()?;
        self.tick()?;
        self.has_work = self.processor.work();
        Ok(true)
    }

    /// The processor, to look at between turns.
    pub fn processor(&self) -> &P {
        &self.processor
    }

    fn poll_wait(&self, filling: bool) -> Duration {
        let until_commit = self.look_in().or_else(|| self.commit_in()).unwrap_or(POLL_WAIT_MAX);
        let longest = if self.has_work { BUSY_WAIT_MAX } else { POLL_WAIT_MAX };
        if filling { Duration::ZERO } else { until_commit.min(longest) }
    }

    fn judge(&mut self) -> Result<(), WorkerError> {
        let shard = self.batch.shard;
        let Some(last) = self.batch.records.last().map(|record| record.offset) else { return Ok(()) };
        let Some(Hold::Live { next }) = self.shards.get_mut(&shard) else {
            unreachable!("a source delivers records of live shards only");
        };
        *next = last + 1;
        reached("polled");
        let began = self.pace.clock.now();
        self.out.clear();
        self.processor.step(&self.batch, &mut self.out);
        let step = self.since(began);
        reached("judged");
        self.publish(shard)?;
        reached("sent");
        let oldest = self.batch.records.first().and_then(|record| record.appended_at);
        self.metrics.judged(self.batch.records.len(), step, oldest.map(|at| self.age(at)));
        self.status.moved(shard, last + 1);
        self.touch(shard);
        Ok(())
    }

    /// Hands the outputs over. Where an alert has to wait for its commit, that is to be small: outputs without one are then
    /// held, as long as nothing else of their shard is on its way.
    fn publish(&mut self, shard: ShardId) -> Result<(), WorkerError> {
        if self.out.records.is_empty() {
            return Ok(());
        }
        let has_alert = self.out.records.iter().any(|output| output.topic == Topic::Alerts);
        self.alert_waits |= has_alert;
        let may_be_held = self.pace.alert_gap.is_some() && !has_alert && !self.is_behind;
        let is_alone = !self.sending.contains(&shard);
        if !(may_be_held && is_alone && self.outbox.hold(shard, &self.out)) {
            self.sending.insert(shard);
            self.send(shard)?;
        }
        self.metrics.published(&self.out);
        Ok(())
    }

    /// Sends the outputs, slowing the source while there is no room for them.
    fn send(&mut self, shard: ShardId) -> Result<(), WorkerError> {
        let mut sent = self.outbox.send(shard, &self.out, 0)?;
        if sent < self.out.records.len() {
            let began = self.pace.clock.now();
            let mut paused = false;
            while sent < self.out.records.len() {
                self.await_room(began, &mut paused)?;
                sent = self.outbox.send(shard, &self.out, sent)?;
            }
            if paused {
                self.source.pause(false)?;
                self.status.clear(self.pace.worker, Trouble::Stalled);
            }
            self.metrics.stalled(self.since(began));
        }
        Ok(())
    }

    fn await_room(&mut self, began: Instant, paused: &mut bool) -> Result<(), WorkerError> {
        if self.status.is_stopping() && self.since(began) > self.pace.leave_within {
            return Err(WorkerError::Uncommitted("the producer's queue stayed full".to_owned()));
        }
        if !*paused && self.since(began) < STALL_PATIENCE {
            self.pace.clock.sleep(ROOM_WAIT);
            return Ok(());
        }
        if !*paused {
            self.source.pause(true)?;
            *paused = true;
            let reason = "the producer's queue is full; reading is paused";
            self.status.trouble(self.pace.worker, Trouble::Stalled, reason);
            tracing::warn!(worker = self.pace.worker, "{reason}");
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

    fn touch(&mut self, shard: ShardId) {
        self.dirty.insert(shard);
        self.dirty_since.get_or_insert_with(|| self.pace.clock.now());
    }

    fn assigned(&mut self, generation: Generation, shards: &[ShardId]) -> Result<(), WorkerError> {
        let taken = self.source.accept(generation, shards)?;
        if taken.is_empty() && !shards.is_empty() {
            // The offer no longer stands, or comes again.
            return Ok(());
        }
        self.metrics.rebalanced("assigned");
        for shard in taken {
            self.begin(shard, 0);
        }
        reached("accepted");
        self.status.started();
        self.count();
        Ok(())
    }

    fn revoked(&mut self, generation: Generation, shards: &[ShardId]) -> Result<(), WorkerError> {
        self.metrics.rebalanced("revoked");
        reached("revoked");
        let mut committed = self.commit_within(self.pace.leave_within)?;
        // A commit is never left behind: until it ends nobody knows to which side of it the shards belong.
        committed &= self.await_commit(Duration::MAX)?;
        if !committed && shards.iter().any(|shard| self.dirty.contains(shard)) {
            let worker = self.pace.worker;
            tracing::warn!(worker, "shards are given back uncommitted; their next owner judges again");
            self.forget(shards);
            if self.outbox.abort()? {
                self.reload()?;
            }
        }
        self.forget(shards);
        self.source.release(generation, shards)?;
        reached("released");
        Ok(())
    }

    fn lost(&mut self, shards: &[ShardId]) -> Result<(), WorkerError> {
        self.metrics.rebalanced("lost");
        tracing::warn!(worker = self.pace.worker, shards = shards.len(), "assignment lost");
        self.forget(shards);
        self.await_commit(Duration::MAX)?;
        if self.outbox.abort()? {
            self.reload()?;
        }
        Ok(())
    }

    fn forget(&mut self, shards: &[ShardId]) {
        for shard in shards {
            self.dirty.remove(shard);
            self.sending.remove(shard);
            if let Some(hold) = self.shards.remove(shard) {
                if let Hold::Filling(Filling { ticket: Some(ticket), .. }) = hold {
                    self.recovery.cancel(ticket);
                }
                self.processor.revoke(*shard);
            }
            self.status.gone(*shard);
            self.metrics.gone(*shard);
        }
        if self.dirty.is_empty() {
            self.clean();
        }
        self.count();
    }

    /// Nothing waits for a commit.
    fn clean(&mut self) {
        self.dirty.clear();
        self.sending.clear();
        self.dirty_since = None;
        self.full_since = None;
        self.alert_waits = false;
    }

    /// Tells the time to live shards whose every record has been judged.
    fn tick(&mut self) -> Result<(), WorkerError> {
        if self.since(self.ticked) < self.pace.tick {
            return Ok(());
        }
        self.ticked = self.pace.clock.now();
        let idle: Vec<ShardId> = self
            .shards
            .iter()
            .filter(|(shard, hold)| matches!(hold, Hold::Live { .. }) && self.source.caught_up(**shard))
            .map(|(shard, _)| *shard)
            .collect();
        for shard in idle {
            self.out.clear();
            self.processor.advance(shard, self.pace.clock.wall(), &mut self.out);
            if !self.out.records.is_empty() {
                self.publish(shard)?;
                self.touch(shard);
            }
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), WorkerError> {
        let committed = self.commit_within(self.pace.leave_within);
        let within = self.pace.leave_within;
        let fault = WorkerError::Uncommitted(format!(
            "the last commit was refused, or not answered within {within:?}"
        ));
        if self.outbox.is_away() {
            // It may still succeed. Shards given back now could be judged from before it by their next owner: so they are
            // left as a killed process leaves them.
            committed?;
            return Err(fault);
        }
        // Readers of committed records must not wait for what nobody will commit.
        let aborted = if matches!(committed, Ok(true)) { Ok(false) } else { self.outbox.abort() };
        let left: Vec<ShardId> = self.shards.keys().copied().collect();
        self.source.close();
        self.forget(&left);
        if committed? {
            return Ok(());
        }
        aborted?;
        Err(fault)
    }

    fn since(&self, then: Instant) -> Duration {
        self.pace.clock.since(then)
    }

    /// How long ago a record was appended; zero when the broker's clock is ahead of ours.
    fn age(&self, appended_at: Timestamp) -> Duration {
        let ms = self.pace.clock.wall().0.saturating_sub(appended_at.0);
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    fn count(&self) {
        let (restoring, live) = self.status.phases();
        self.metrics.shards(restoring, live);
    }
}
