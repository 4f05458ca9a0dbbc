//! Everything that a worker knows about a shard it owns, in one record. Dropping it releases the shard: its processing,
//! a restore or a snapshot under way, postponed outputs, and what was reported of it.

use crate::runtime::commits::Uncommitted;
use crate::runtime::output_buffer::PostponedOutputs;
use crate::runtime::recovery::{Restore, Restored, SnapshotPart, Ticket};
use crate::runtime::report::{Phase, Report, RestoreProgress, ShardStatus};
use crate::runtime::source::Position;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tripline_core::batch::{Batch, ShardId, Timestamp};

/// A shard that a worker owns. `S` is its processing.
pub(super) struct OwnedShard<S> {
    pub(super) state: ShardState<S>,
    /// What of it waits for a commit.
    pub(super) uncommitted: Uncommitted,
    /// Outputs without an alert, kept back for the next commit of the shard.
    pub(super) postponed: PostponedOutputs,
    pub(super) report: ShardReport,
}

/// State of a shard.
pub(super) enum ShardState<S> {
    Restoring(Restoring<S>),
    Live(Live<S>),
}

/// A shard whose records are judged.
pub(super) struct Live<S> {
    /// The next offset to judge.
    pub(super) next: i64,
    pub(super) processing: S,
}

/// A shard on its way to being live.
pub(super) struct Restoring<S> {
    /// The committed position and the processing, empty or partly restored; `None` until the position is fetched.
    pub(super) opened: Option<(Position, S)>,
    /// `None` while it waits to be tried again.
    pub(super) restore: Option<Restore>,
    pub(super) tries: u32,
    pub(super) since: Instant,
    /// Names of snapshots that were found to be unusable.
    pub(super) without: Vec<Arc<str>>,
    pub(super) progress: Progress,
}

impl<S> Restoring<S> {
    /// A restore that has not begun.
    pub(super) fn new(tries: u32, without: Vec<Arc<str>>, since: Instant) -> Restoring<S> {
        Restoring { opened: None, restore: None, tries, since, without, progress: Progress::default() }
    }

    /// Whether what was handed over under this number is of this restore.
    pub(super) fn is_of(&self, ticket: Ticket) -> bool {
        self.restore.as_ref().is_some_and(|restore| restore.ticket() == ticket)
    }

    /// Its processing.
    pub(super) fn processing(&mut self) -> &mut S {
        &mut self.opened.as_mut().expect("a restore begins with the position").1
    }
}

impl<S> OwnedShard<S> {
    pub(super) fn new(
        restoring: Restoring<S>,
        postponed: PostponedOutputs,
        report: ShardReport,
    ) -> OwnedShard<S> {
        let state = ShardState::Restoring(restoring);
        report.restoring();
        OwnedShard { state, uncommitted: Uncommitted::Nothing, postponed, report }
    }

    /// Restores it anew: all that was judged since its last commit is given up.
    pub(super) fn restart(&mut self, restoring: Restoring<S>) {
        self.state = ShardState::Restoring(restoring);
        self.uncommitted = Uncommitted::Nothing;
        self.postponed.clear();
        self.report.restoring();
    }

    pub(super) fn live(&self) -> Option<&Live<S>> {
        match &self.state {
            ShardState::Live(live) => Some(live),
            ShardState::Restoring(_) => None,
        }
    }

    pub(super) fn live_mut(&mut self) -> Option<&mut Live<S>> {
        match &mut self.state {
            ShardState::Live(live) => Some(live),
            ShardState::Restoring(_) => None,
        }
    }

    pub(super) fn restoring_mut(&mut self) -> Option<&mut Restoring<S>> {
        match &mut self.state {
            ShardState::Restoring(restoring) => Some(restoring),
            ShardState::Live(_) => None,
        }
    }
}

/// What of each live shard waits for a commit.
pub(super) fn marks<S>(shards: &mut BTreeMap<ShardId, OwnedShard<S>>) -> Vec<(ShardId, &mut Uncommitted)> {
    let live = shards.iter_mut().filter(|(_, owned)| owned.live().is_some());
    live.map(|(shard, owned)| (*shard, &mut owned.uncommitted)).collect()
}

/// What is reported of a shard. Dropping it ends the shard's series.
pub(super) struct ShardReport {
    report: Arc<dyn Report>,
    shard: ShardId,
    worker: usize,
}

impl ShardReport {
    pub(super) fn new(report: &Arc<dyn Report>, shard: ShardId, worker: usize) -> ShardReport {
        ShardReport { report: Arc::clone(report), shard, worker }
    }

    fn restoring(&self) {
        let status = ShardStatus {
            worker: self.worker,
            phase: Phase::Restoring,
            next: None,
            lag: None,
            log_from: None,
            snapshot_at: None,
            restore: Some(RestoreProgress::default()),
        };
        self.report.shard(self.shard, status);
    }

    pub(super) fn position(&self, next: i64) {
        self.report.position(self.shard, next);
    }

    pub(super) fn progress(&self, progress: &Progress) {
        self.report.progress(self.shard, progress.reported);
    }

    pub(super) fn live(&self, next: i64, log_from: Option<Timestamp>, snapshot_at: Option<Timestamp>) {
        let status = ShardStatus {
            worker: self.worker,
            phase: Phase::Live,
            next: Some(next),
            lag: None,
            log_from,
            snapshot_at,
            restore: None,
        };
        self.report.shard(self.shard, status);
    }
}

impl Drop for ShardReport {
    fn drop(&mut self) {
        self.report.released(self.shard);
    }
}

/// How far a restore has come.
#[derive(Clone, Copy, Default)]
pub(super) struct Progress {
    reported: RestoreProgress,
    /// Records of the logs before the one that is read now, and that one's first offset.
    before: u64,
    first: i64,
}

impl Progress {
    /// Counts what was handed over. False when it is not counted.
    pub(super) fn count(&mut self, restored: &Restored) -> bool {
        match restored {
            Restored::Snapshot(_, _, _, part) => self.part(part),
            Restored::LogRange(_, _, first, end) => self.log_range(*first, *end),
            Restored::Rows(_, batch) | Restored::Verdicts(_, batch) => self.took(batch),
            _ => return false,
        }
        true
    }

    fn part(&mut self, part: &SnapshotPart) {
        match part {
            SnapshotPart::Manifest(manifest) => self.reported.chunks_of = manifest.chunks().len() as u64,
            SnapshotPart::Chunk(_) => self.reported.chunks += 1,
            SnapshotPart::End => {}
        }
    }

    fn log_range(&mut self, first: i64, end: i64) {
        (self.before, self.first) = (self.reported.records_of, first);
        self.reported.records = self.before;
        self.reported.records_of += u64::try_from(end - first).unwrap_or(0);
    }

    fn took(&mut self, batch: &Batch) {
        let Some(last) = batch.records.last() else { return };
        let read = self.before + u64::try_from(last.offset + 1 - self.first).unwrap_or(0);
        // What was appended since the range was asked for is read, too.
        self.reported.records = read.min(self.reported.records_of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(offsets: std::ops::Range<i64>) -> Batch {
        let mut batch = Batch::new(ShardId::account(3));
        offsets.for_each(|offset| batch.push(offset, None, b"", b"{}"));
        batch
    }

    #[test]
    fn an_operator_sees_how_many_records_are_read_of_how_many() {
        let mut progress = Progress::default();
        let mut after = |change: &dyn Fn(&mut Progress)| {
            change(&mut progress);
            (progress.reported.records, progress.reported.records_of)
        };
        assert_eq!(after(&|progress| progress.log_range(100, 600)), (0, 500));
        assert_eq!(after(&|progress| progress.took(&batch(100..350))).0, 250);
        // The verdicts follow; of some records there are none, and their end moves on.
        after(&|progress| progress.took(&batch(350..600)));
        assert_eq!(after(&|progress| progress.log_range(40, 60)), (500, 520));
        assert_eq!(after(&|progress| progress.took(&batch(50..70))), (520, 520));
    }
}
