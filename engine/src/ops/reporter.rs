//! The process's reports, as metrics and status. Shared by all threads.

use crate::ops::metrics::Metrics;
use crate::ops::status::Status;
use crate::runtime::report::{Condition, Outage, Rebalance, Report, RestoreProgress, ShardStatus};
use crate::runtime::sink::CommitError;
use std::time::Duration;
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::counts::Counts;
use tripline_core::outputs::Outputs;

/// Metrics and status of one process.
#[derive(Debug, Default)]
pub struct Reporter {
    /// For `/readyz` and `/status`.
    pub status: Status,
    /// For `/metrics`.
    pub metrics: Metrics,
}

impl Reporter {
    fn count_shards(&self) {
        let (restoring, live) = self.status.phases();
        self.metrics.shards(restoring, live);
    }
}

impl Report for Reporter {
    fn assigned(&self) {
        self.status.assigned();
        self.count_shards();
    }

    fn shard(&self, shard: ShardId, status: ShardStatus) {
        self.status.shard(shard, status);
        self.count_shards();
    }

    fn position(&self, shard: ShardId, next: i64) {
        self.status.position(shard, next);
    }

    fn progress(&self, shard: ShardId, progress: RestoreProgress) {
        self.status.progress(shard, progress);
    }

    fn released(&self, shard: ShardId) {
        self.status.released(shard);
        self.metrics.released(shard);
        self.count_shards();
    }

    fn owned(&self) -> Vec<ShardId> {
        self.status.shards().into_iter().map(|(shard, _)| shard).collect()
    }

    fn log_end(&self, shard: ShardId, end: i64, behind: u64) {
        if let Some(lag) = self.status.log_end(shard, end) {
            self.metrics.lag(shard, lag);
        }
        self.metrics.open_transaction(shard, behind);
    }

    fn brokers(&self, now: Timestamp, outage: Option<Outage>) {
        self.metrics.brokers_reachable(outage.is_none());
        self.status.brokers(now, outage);
    }

    fn has_outage(&self) -> bool {
        self.status.has_outage()
    }

    fn blocked(&self, shard: ShardId, reason: Option<String>) -> bool {
        self.status.blocked(shard, reason)
    }

    fn raise(&self, worker: usize, condition: Condition, reason: String) -> bool {
        self.status.raise(worker, condition, reason)
    }

    fn clear(&self, worker: usize, condition: Condition) -> bool {
        self.status.clear(worker, condition)
    }

    fn processed(&self, records: usize, step: Duration, age: Option<Duration>) {
        self.metrics.processed(records, step, age);
    }

    fn published(&self, out: &Outputs) {
        self.metrics.published(out);
    }

    fn fired(&self, rule: &str, count: u64) {
        self.metrics.fired(rule, count);
    }

    fn counted(&self, now: &Counts, before: &Counts) {
        self.metrics.counted(now, before);
    }

    fn ledgers(&self, space: &str, keys: i64, bytes: i64) {
        self.metrics.ledgers(space, keys, bytes);
    }

    fn coverage(&self, shard: ShardId, share: f64) {
        self.metrics.coverage(shard, share);
    }

    fn stalled(&self, time: Duration) {
        self.metrics.stalled(time);
    }

    fn rebalanced(&self, change: Rebalance) {
        self.metrics.rebalanced(change);
    }

    fn committed(&self, result: &Result<(), CommitError>, took: Duration) {
        self.metrics.committed(result, took);
    }

    fn restored(&self, records: u64, took: Duration) {
        self.metrics.restored(records, took);
    }

    fn snapshot_written(&self, shard: ShardId, begun_at: Timestamp, bytes: u64, took: Duration) {
        self.status.snapshot(shard, begun_at);
        self.metrics.snapshot_written(bytes, took);
    }

    fn snapshot_failed(&self) {
        self.metrics.snapshot_failed();
    }

    fn snapshot_refused(&self) {
        self.metrics.snapshot_refused();
    }

    fn broker_error(&self) {
        self.metrics.broker_error();
    }

    fn refusing(&self, shard: ShardId, reason: Option<String>) -> bool {
        self.status.refusing(shard, reason)
    }
}
