//! When a commit begins, which shards it covers, and what each answer of the broker means.
//!
//! It has no clock and does no I/O: it receives events with their times, and returns decisions. A commit covers
//! everything that was judged of its shards before it began. There is at most one at a time.
//!
//! By the interval, a commit covers every shard with judged records. If an alert waits for its commit, the next commit
//! begins early and covers only the shards of which outputs were sent: each partition of a transaction costs the broker
//! a response and a marker.

#[cfg(test)]
mod tests;

use crate::runtime::sink::CommitError;
use crate::runtime::source::Position;
use std::time::{Duration, Instant};
use tripline_core::batch::ShardId;

/// Interval of checking whether the producer's queue has room for outputs.
pub(super) const ROOM_WAIT: Duration = Duration::from_millis(2);
/// What takes longer is reported: a full producer queue, and a commit that finds no room for its outputs.
pub(super) const STALL_PATIENCE: Duration = Duration::from_secs(1);
/// A commit that did not succeed is retried after this time.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(20);
/// A worker polls for the result of its commit after 1/8 of the time that the commit has taken so far, at least after
/// 1 ms.
const RESULT_POLL: (u32, Duration) = (8, Duration::from_millis(1));

/// What of a shard waits for a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Uncommitted {
    /// Nothing.
    #[default]
    Nothing,
    /// Records were judged, but of their outputs nothing was sent.
    Judged,
    /// Outputs were sent: no commit may leave the shard out.
    Sent,
}

/// Which shards a commit covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitScope {
    /// Every shard with judged records.
    AllJudged,
    /// The shards of which outputs were sent.
    WithOutputs,
}

/// What an answer to a commit means.
#[derive(Debug)]
pub(super) enum Answer {
    /// These positions are committed.
    Committed(Vec<Position>),
    /// Nothing is committed and nothing is aborted: the shards wait for the next commit.
    Retry(CommitError),
    /// What was sent is aborted, or its outcome is unknown: every live shard returns to its committed position.
    Rollback(CommitError),
    /// No later commit will succeed either.
    Fail(CommitError),
}

/// What of each live shard waits for a commit.
pub(super) type Marks<'a> = [(ShardId, &'a mut Uncommitted)];

/// A commit under way.
#[derive(Debug)]
struct UnderWay {
    positions: Vec<Position>,
    began: Instant,
    /// Since when something of it waits.
    waiting_since: Instant,
    /// An alert is part of it.
    has_alert: bool,
}

/// Decides about the commits of one worker.
#[derive(Debug)]
pub(super) struct CommitScheduler {
    /// How long judged records may wait for their commit.
    interval: Duration,
    /// If alerts are visible only after their commit: the shortest time from a commit to the next one for a waiting
    /// alert.
    alert_gap: Option<Duration>,
    /// Since when judged records wait for a commit to begin, at the longest.
    waiting_since: Option<Instant>,
    /// Since when the next commit waits for room for its outputs.
    no_room_since: Option<Instant>,
    under_way: Option<UnderWay>,
    /// An alert among the outputs waits for a commit to begin.
    has_alert: bool,
    /// The last batch was full: more records wait.
    is_behind: bool,
    committed_at: Instant,
    /// No commit begins before.
    rests_until: Instant,
}

impl CommitScheduler {
    pub(super) fn new(interval: Duration, alert_gap: Option<Duration>, now: Instant) -> CommitScheduler {
        CommitScheduler {
            interval,
            alert_gap,
            waiting_since: None,
            no_room_since: None,
            under_way: None,
            has_alert: false,
            is_behind: false,
            committed_at: now,
            rests_until: now,
        }
    }

    /// Whether the last poll returned a full batch. While more records wait, no early commit begins for an alert: it
    /// would delay the alerts of the records behind it.
    pub(super) fn polled(&mut self, is_behind: bool) {
        self.is_behind = is_behind;
    }

    /// Outputs of a shard are to be handed over. Where an alert has to wait for its commit, that is to be small:
    /// outputs without one may then be kept back, as long as nothing else of their shard was sent. True when they may.
    pub(super) fn may_postpone(&mut self, uncommitted: Uncommitted, has_alert: bool) -> bool {
        self.has_alert |= has_alert;
        self.alert_gap.is_some() && !has_alert && !self.is_behind && uncommitted != Uncommitted::Sent
    }

    /// Records of a shard were judged.
    pub(super) fn judged(&mut self, uncommitted: &mut Uncommitted, now: Instant) {
        if *uncommitted == Uncommitted::Nothing {
            *uncommitted = Uncommitted::Judged;
        }
        self.waiting_since.get_or_insert(now);
    }

    /// Whether a commit is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// How long to wait for records before something about commits is to be done; none while nothing is.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        match &self.under_way {
            Some(commit) => {
                let (part, least) = RESULT_POLL;
                Some((since(commit.began, now) / part).max(least))
            }
            None => self.due_in(now),
        }
    }

    fn due_in(&self, now: Instant) -> Option<Duration> {
        let by_interval = self.interval_ends_in(now)?;
        let gap = self.alert_gap.filter(|_| self.has_alert && !self.is_behind);
        let for_alert = gap.map(|gap| gap.saturating_sub(since(self.committed_at, now)));
        let rest = self.rests_until.saturating_duration_since(now);
        Some(for_alert.map_or(by_interval, |left| left.min(by_interval)).max(rest))
    }

    fn interval_ends_in(&self, now: Instant) -> Option<Duration> {
        Some(self.interval.saturating_sub(since(self.waiting_since?, now)))
    }

    /// What a commit that is to begin now covers; none when none is due, or one is under way.
    pub(super) fn due(&self, now: Instant) -> Option<CommitScope> {
        if self.under_way.is_some() || !self.due_in(now)?.is_zero() {
            return None;
        }
        let is_whole = self.interval_ends_in(now)?.is_zero();
        Some(if is_whole { CommitScope::AllJudged } else { CommitScope::WithOutputs })
    }

    /// The shards that a commit covers. From now on no commit may leave them out: their postponed outputs are about
    /// to be sent.
    pub(super) fn cover(&self, scope: CommitScope, marks: &mut Marks<'_>) -> Vec<ShardId> {
        let mut covered = Vec::new();
        for (shard, uncommitted) in marks {
            let is_covered = match scope {
                CommitScope::AllJudged => **uncommitted != Uncommitted::Nothing,
                CommitScope::WithOutputs => **uncommitted == Uncommitted::Sent,
            };
            if is_covered {
                **uncommitted = Uncommitted::Sent;
                covered.push(*shard);
            }
        }
        covered
    }

    /// A commit of these positions, in the order of their shards, has begun. True when nothing that was judged is left
    /// out of it.
    pub(super) fn begun(&mut self, positions: Vec<Position>, marks: &mut Marks<'_>, now: Instant) -> bool {
        for (_, uncommitted) in marks.iter_mut().filter(|(shard, _)| covers(&positions, *shard)) {
            **uncommitted = Uncommitted::Nothing;
        }
        let waiting_since = self.waiting_since.unwrap_or(now);
        let has_alert = std::mem::take(&mut self.has_alert);
        self.no_room_since = None;
        self.under_way = Some(UnderWay { positions, began: now, waiting_since, has_alert });
        let is_everything = is_clean(marks);
        if is_everything {
            self.clean();
        }
        is_everything
    }

    /// A commit could not begin because its outputs have not yet found room. True when that has lasted for long.
    pub(super) fn has_no_room(&mut self, now: Instant) -> bool {
        self.rests_until = now + ROOM_WAIT;
        let no_room_since = *self.no_room_since.get_or_insert(now);
        since(no_room_since, now) > STALL_PATIENCE
    }

    /// When the commit under way began.
    ///
    /// # Panics
    /// When none is.
    pub(super) fn began(&self) -> Instant {
        self.under_way.as_ref().expect("a commit ends that was begun").began
    }

    /// The commit under way has ended so.
    ///
    /// # Panics
    /// When none is under way.
    pub(super) fn answered(
        &mut self,
        result: Result<(), CommitError>,
        marks: &mut Marks<'_>,
        now: Instant,
    ) -> Answer {
        let commit = self.under_way.take().expect("a commit ends that was begun");
        match result {
            Ok(()) => {
                self.committed_at = now;
                Answer::Committed(commit.positions)
            }
            Err(error @ CommitError::Again(_)) => {
                self.wait_again(&commit, marks);
                self.rests_until = now + RETRY_AFTER;
                Answer::Retry(error)
            }
            Err(error @ (CommitError::Aborted(_) | CommitError::Unknown(_))) => Answer::Rollback(error),
            Err(error @ CommitError::Permanent(_)) => Answer::Fail(error),
        }
    }

    /// What was not committed waits again.
    fn wait_again(&mut self, commit: &UnderWay, marks: &mut Marks<'_>) {
        for (_, uncommitted) in marks.iter_mut().filter(|(shard, _)| covers(&commit.positions, *shard)) {
            **uncommitted = Uncommitted::Sent;
        }
        if !is_clean(marks) {
            let waiting_since =
                self.waiting_since.map_or(commit.waiting_since, |own| own.min(commit.waiting_since));
            self.waiting_since = Some(waiting_since);
            self.has_alert |= commit.has_alert;
        }
    }

    /// Shards were released; these are left.
    pub(super) fn released(&mut self, marks: &Marks<'_>) {
        if is_clean(marks) {
            self.clean();
        }
    }

    /// Every live shard goes back to its committed position.
    pub(super) fn rolled_back(&mut self) {
        self.clean();
    }

    /// Nothing waits for a commit.
    fn clean(&mut self) {
        self.waiting_since = None;
        self.no_room_since = None;
        self.has_alert = false;
    }
}

/// Positions are in the order of their shards.
fn covers(positions: &[Position], shard: ShardId) -> bool {
    positions.binary_search_by_key(&shard, |at| at.shard).is_ok()
}

fn is_clean(marks: &Marks<'_>) -> bool {
    marks.iter().all(|(_, uncommitted)| **uncommitted == Uncommitted::Nothing)
}

fn since(then: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(then)
}
