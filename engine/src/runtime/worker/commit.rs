//! A worker's commits: begun when they are due, and answered while it goes on judging.

use super::{Hold, ROOM_WAIT, STALL_PATIENCE, Worker, WorkerError};
use crate::failpoint::reached;
use crate::ops::status::Trouble;
use crate::runtime::processor::Processor;
use crate::runtime::recovery::Recovery;
use crate::runtime::sink::{CommitError, Sink};
use crate::runtime::source::{Position, Source};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tripline_core::batch::ShardId;

/// How long one commit may wait for deliveries before it is given up to be tried again.
const COMMIT_WAIT: Duration = Duration::from_secs(1);

/// A commit that did not succeed is tried again after this time.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How long a worker may wait for records before it looks how its commit stands: as part of the time it takes already, and at least.
const LOOK: (u32, Duration) = (8, Duration::from_millis(1));

/// A commit under way.
pub(super) struct Committing {
    positions: Vec<Position>,
    began: Instant,
    /// Since when something of it waits.
    since: Instant,
    /// An alert is part of it.
    has_alert: bool,
}

impl<S: Source, K: Sink, P: Processor, R: Recovery> Worker<S, K, P, R> {
    /// How long to wait for records before the commit under way is looked at; none without one.
    pub(super) fn look_in(&self) -> Option<Duration> {
        let (part, least) = LOOK;
        Some((self.since(self.committing.as_ref()?.began) / part).max(least))
    }

    /// When the next commit is due, where anything is to be committed.
    pub(super) fn commit_in(&self) -> Option<Duration> {
        let by_interval = self.by_interval_in()?;
        let gap = self.pace.alert_gap.filter(|_| self.alert_waits && !self.is_behind);
        let for_alert = gap.map(|gap| gap.saturating_sub(self.since(self.committed_at)));
        let rest = self.rests_until.saturating_duration_since(self.pace.clock.now());
        Some(for_alert.map_or(by_interval, |left| left.min(by_interval)).max(rest))
    }

    fn by_interval_in(&self) -> Option<Duration> {
        Some(self.pace.commit_interval.saturating_sub(self.since(self.dirty_since?)))
    }

    /// Hears how the commit under way ended, and begins the next when it is due: by the interval of everything, for an
    /// alert's sake of the shards in `sending`.
    pub(super) fn commit_when_due(&mut self) -> Result<(), WorkerError> {
        self.hear_commit()?;
        let is_due = self.commit_in().is_some_and(|left| left.is_zero());
        if !is_due || self.committing.is_some() {
            return Ok(());
        }
        let is_whole = self.by_interval_in().is_some_and(|left| left.is_zero());
        let shards = if is_whole { self.dirty.clone() } else { self.sending.clone() };
        if self.begin_commit(shards, COMMIT_WAIT)? {
            // In a simulation it may have ended at once.
            return self.hear_commit();
        }
        let now = self.pace.clock.now();
        self.rests_until = now + ROOM_WAIT;
        let full_since = *self.full_since.get_or_insert(now);
        if self.since(full_since) > STALL_PATIENCE {
            let reason = "not yet committed: outputs wait for room in the producer's queue";
            self.status.trouble(self.pace.worker, Trouble::Commit, reason);
        }
        Ok(())
    }

    fn hear_commit(&mut self) -> Result<(), WorkerError> {
        if let Some(result) = self.outbox.outcome(Duration::ZERO)? {
            self.committed(result)?;
        }
        Ok(())
    }

    /// Begins to commit everything judged of these shards, among them all whose outputs are no longer held. False when their
    /// outputs have not yet found room.
    fn begin_commit(&mut self, shards: BTreeSet<ShardId>, wait: Duration) -> Result<bool, WorkerError> {
        let began = self.pace.clock.now();
        let mut positions = Vec::with_capacity(shards.len());
        for shard in &shards {
            if let Some(Hold::Live { next }) = self.shards.get(shard) {
                let note = self.processor.note(*shard);
                positions.push(Position { shard: *shard, next: *next, note });
            }
        }
        assert!(self.sending.is_subset(&shards), "outputs are committed with the positions behind them");
        self.sending = shards;
        let is_begun = self.outbox.commit(&positions, wait)?;
        if is_begun {
            let (since, has_alert) = (self.dirty_since.unwrap_or(began), self.alert_waits);
            self.alert_waits = false;
            self.full_since = None;
            let begun = std::mem::take(&mut self.sending);
            self.dirty.retain(|shard| !begun.contains(shard));
            if self.dirty.is_empty() {
                self.clean();
                // Snapshots are cut from all shards in turn, and not while an alert waits.
                self.processor.committing(&positions);
            }
            self.committing = Some(Committing { positions, began, since, has_alert });
        }
        Ok(is_begun)
    }

    /// Waits for the commit under way. True when it succeeded, or none was; false also when it has not ended.
    pub(super) fn await_commit(&mut self, within: Duration) -> Result<bool, WorkerError> {
        if self.committing.is_none() {
            return Ok(true);
        }
        match self.outbox.outcome(within)? {
            Some(result) => self.committed(result),
            None => Ok(false),
        }
    }

    /// A commit ended so. True when it succeeded.
    fn committed(&mut self, result: Result<(), CommitError>) -> Result<bool, WorkerError> {
        let commit = self.committing.take().expect("a commit ends that was begun");
        let worker = self.pace.worker;
        self.metrics.committed(outcome(&result), self.since(commit.began));
        match result {
            Ok(()) => {
                reached("committed");
                self.committed_at = self.pace.clock.now();
                self.processor.committed(&commit.positions);
                self.status.clear(worker, Trouble::Commit);
                Ok(true)
            }
            Err(CommitError::Again(reason)) => {
                if self.status.trouble(worker, Trouble::Commit, format!("not yet committed: {reason}")) {
                    tracing::warn!(worker, reason, "commit did not succeed; it is tried again");
                }
                self.take_back(&commit);
                self.rests_until = self.pace.clock.now() + AGAIN_AFTER;
                Ok(false)
            }
            Err(fault @ (CommitError::Aborted(_) | CommitError::Unknown(_))) => {
                self.status.trouble(worker, Trouble::Commit, fault.to_string());
                tracing::warn!(worker, reason = %fault, "going back to the committed positions");
                self.outbox.abort()?;
                self.reload()?;
                Ok(false)
            }
            Err(fault @ CommitError::Fatal(_)) => Err(fault.into()),
        }
    }

    /// What was not committed waits again.
    fn take_back(&mut self, commit: &Committing) {
        let live = |at: &&Position| matches!(self.shards.get(&at.shard), Some(Hold::Live { .. }));
        let shards = commit.positions.iter().filter(live).map(|at| at.shard);
        self.sending.extend(shards);
        self.dirty.extend(&self.sending);
        if !self.dirty.is_empty() {
            self.dirty_since = Some(self.dirty_since.map_or(commit.since, |since| since.min(commit.since)));
            self.alert_waits |= commit.has_alert;
        }
    }

    /// Commits until nothing judged is left. False when that took too long, or was undone: what was judged since the last
    /// commit is then judged again by whoever goes on.
    pub(super) fn commit_within(&mut self, time: Duration) -> Result<bool, WorkerError> {
        let began = self.pace.clock.now();
        let mut is_committed = self.await_commit(time)?;
        while !self.dirty.is_empty() {
            let left = time.saturating_sub(self.since(began));
            if left.is_zero() || self.committing.is_some() {
                return Ok(false);
            }
            if !is_committed {
                self.pace.clock.sleep(AGAIN_AFTER.min(left));
            }
            is_committed =
                self.begin_commit(self.dirty.clone(), COMMIT_WAIT.min(left))? && self.await_commit(left)?;
        }
        Ok(is_committed)
    }

    /// Puts every live shard back to its committed position, with an engine filled anew.
    pub(super) fn reload(&mut self) -> Result<(), WorkerError> {
        let live: Vec<ShardId> = self
            .shards
            .iter()
            .filter_map(|(shard, hold)| matches!(hold, Hold::Live { .. }).then_some(*shard))
            .collect();
        self.clean();
        self.source.hold(&live)?;
        for shard in live {
            self.processor.revoke(shard);
            self.begin(shard, 1);
        }
        Ok(())
    }
}

fn outcome(result: &Result<(), CommitError>) -> &'static str {
    match result {
        Ok(()) => "committed",
        Err(CommitError::Again(_)) => "again",
        Err(CommitError::Aborted(_)) => "aborted",
        Err(CommitError::Unknown(_)) => "unknown",
        Err(CommitError::Fatal(_)) => "fatal",
    }
}
