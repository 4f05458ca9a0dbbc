//! A worker's commits: begun when the scheduler decides, and answered while the worker keeps judging.

use super::{Worker, WorkerError};
use crate::failpoint::reached;
use crate::runtime::commits::{Answer, CommitScope, RETRY_AFTER, Uncommitted};
use crate::runtime::owned_shard::{OwnedShard, marks};
use crate::runtime::processor::Processor;
use crate::runtime::recovery::Recovery;
use crate::runtime::report::Condition;
use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::{Position, Source};
use std::time::Duration;
use tripline_core::batch::ShardId;

/// How long one commit may wait for deliveries before it is given up to be tried again.
const COMMIT_WAIT: Duration = Duration::from_secs(1);

impl<S: Source, K: Sink, P: Processor, R: Recovery> Worker<S, K, P, R> {
    /// Takes the answer to the commit under way, and begins the next when it is due.
    pub(super) fn commit_when_due(&mut self) -> Result<(), WorkerError> {
        self.take_answer()?;
        let Some(scope) = self.commits.due(self.timings.clock.now()) else { return Ok(()) };
        if self.begin_commit(scope, COMMIT_WAIT)? {
            // In a simulation it may have ended at once.
            return self.take_answer();
        }
        if self.commits.has_no_room(self.timings.clock.now()) {
            let reason =
                "not yet committed, the worker retries: outputs wait for room in the producer's queue";
            self.raise(Condition::Commit, reason.to_owned());
        }
        Ok(())
    }

    fn take_answer(&mut self) -> Result<(), WorkerError> {
        if let Some(result) = self.outputs.answer(Duration::ZERO)? {
            self.committed(result)?;
        }
        Ok(())
    }

    /// Begins to commit everything judged of the shards that the commit covers. False when their outputs have not yet
    /// found room.
    fn begin_commit(&mut self, scope: CommitScope, wait: Duration) -> Result<bool, WorkerError> {
        let now = self.timings.clock.now();
        let covered = self.commits.cover(scope, &mut marks(&mut self.shards));
        let mut positions = Vec::with_capacity(covered.len());
        for shard in covered {
            let Some(owned) = self.shards.get_mut(&shard) else { continue };
            self.outputs.send_postponed(shard, &mut owned.postponed);
            if let Some(live) = owned.live() {
                positions.push(Position {
                    shard,
                    next: live.next,
                    note: self.processor.note(&live.processing),
                });
            }
        }
        if !self.outputs.commit(&positions, wait)? {
            return Ok(false);
        }
        let is_everything = self.commits.begun(positions.clone(), &mut marks(&mut self.shards), now);
        if is_everything {
            // Snapshots are begun of all shards in turn, and not while an alert waits.
            self.begin_snapshot(&positions);
        }
        Ok(true)
    }

    /// Waits for the commit under way. True when it succeeded, or none was; false also when it has not ended.
    pub(super) fn await_commit(&mut self, within: Duration) -> Result<bool, WorkerError> {
        if !self.commits.is_under_way() {
            return Ok(true);
        }
        match self.outputs.answer(within)? {
            Some(result) => self.committed(result),
            None => Ok(false),
        }
    }

    /// A commit ended so. True when it succeeded.
    fn committed(&mut self, result: Result<(), CommitError>) -> Result<bool, WorkerError> {
        let worker = self.timings.worker;
        self.report.committed(&result, self.since(self.commits.began()));
        let now = self.timings.clock.now();
        match self.commits.answered(result, &mut marks(&mut self.shards), now) {
            Answer::Committed(positions) => {
                reached("committed");
                for at in &positions {
                    if let Some(live) = self.shards.get_mut(&at.shard).and_then(OwnedShard::live_mut) {
                        self.processor.committed(&mut live.processing, at);
                    }
                }
                self.has_warned = false;
                self.raised.remove(&Condition::Commit);
                self.report.clear(worker, Condition::Commit);
                Ok(true)
            }
            Answer::Retry(error) => {
                let is_first = self.raise(Condition::Commit, error.to_string());
                // One retry is nothing to act on, and an outage is reported as a whole.
                if !is_first && !self.report.has_outage() && !std::mem::replace(&mut self.has_warned, true) {
                    tracing::warn!(worker, reason = %error, "the commit did not succeed repeatedly; the worker retries it");
                }
                Ok(false)
            }
            Answer::Rollback(error) => {
                self.raise(Condition::Commit, error.to_string());
                let line = "the commit failed; the shards go back to their committed positions";
                if self.report.has_outage() {
                    tracing::debug!(worker, reason = %error, "{line}");
                } else {
                    tracing::warn!(worker, reason = %error, "{line}");
                }
                self.abort()?;
                self.roll_back()?;
                Ok(false)
            }
            Answer::Fail(error) => Err(error.into()),
        }
    }

    /// Commits until nothing judged is left. False when that took too long, or was undone: what was judged since the
    /// last commit is then judged again by whoever goes on.
    pub(super) fn commit_within(&mut self, time: Duration) -> Result<bool, WorkerError> {
        let began = self.timings.clock.now();
        let mut is_committed = self.await_commit(time)?;
        while self.shards.values().any(|owned| owned.uncommitted != Uncommitted::Nothing) {
            let left = time.saturating_sub(self.since(began));
            if left.is_zero() || self.commits.is_under_way() {
                return Ok(false);
            }
            if !is_committed {
                self.timings.clock.sleep(RETRY_AFTER.min(left));
            }
            is_committed = self.begin_commit(CommitScope::AllJudged, COMMIT_WAIT.min(left))?
                && self.await_commit(left)?;
        }
        Ok(is_committed)
    }

    /// Gives up everything since the last commit. True when readers will never see it: the live shards are then ahead
    /// of the log and must be restored anew.
    pub(super) fn abort(&mut self) -> Result<bool, SinkError> {
        let is_undone = self.outputs.abort()?;
        let mut postponed = false;
        for owned in self.shards.values_mut() {
            postponed |= owned.postponed.clear();
        }
        Ok(is_undone || postponed)
    }

    /// Puts every live shard back to its committed position, to be restored anew.
    pub(super) fn roll_back(&mut self) -> Result<(), WorkerError> {
        let is_live = |(shard, owned): (&ShardId, &OwnedShard<P::Shard>)| owned.live().map(|_| *shard);
        let live: Vec<ShardId> = self.shards.iter().filter_map(is_live).collect();
        self.commits.rolled_back();
        self.source.suspend(&live)?;
        for shard in live {
            self.restart(shard, 1, Vec::new());
        }
        Ok(())
    }
}
