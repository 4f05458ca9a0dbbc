//! What the runtime and the I/O behind it report: where each shard stands, what keeps the process from being ready, and
//! counts. It does not depend on metrics or endpoints.

use crate::runtime::sink::CommitError;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::time::Duration;
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::counts::Counts;
use tripline_core::outputs::Outputs;

/// Whether a shard processes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its ledgers are being restored.
    Restoring,
    /// Its records are judged as they come.
    Live,
}

/// One owned shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatus {
    /// Number of the worker that owns it.
    pub worker: usize,
    /// Restoring or live.
    pub phase: Phase,
    /// Next offset to judge, once it is known where the shard goes on.
    pub next: Option<i64>,
    /// Records not yet judged, when the end of the log is known.
    pub lag: Option<u64>,
    /// Append time of the oldest record its ledgers were restored from.
    pub log_from: Option<Timestamp>,
    /// When its newest snapshot was begun.
    pub snapshot_at: Option<Timestamp>,
    /// How far its restore has come; none when it is live.
    pub restore: Option<RestoreProgress>,
}

/// How far the restore of a shard has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreProgress {
    /// Chunks taken of the snapshot it begins with.
    pub chunks: u64,
    /// Chunks of that snapshot; 0 without one.
    pub chunks_of: u64,
    /// Records of the logs read, input and verdicts.
    pub records: u64,
    /// Records of the logs to read: those of the verdicts are added when the input has been read.
    pub records_of: u64,
}

/// What keeps the process from being ready, until it is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// The producer's queue is full.
    Stalled,
    /// Commits do not succeed.
    Commit,
    /// Shards cannot be restored.
    Restore,
    /// The committed positions of shards are not known yet.
    Waiting,
}

/// Brokers that do not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Time of the first request without an answer.
    pub since: Timestamp,
    /// What does not answer, and the latest reason.
    pub reason: String,
}

/// A change of what a worker owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// Shards were assigned.
    Assigned,
    /// Shards were revoked: the worker commits before it releases them.
    Revoked,
    /// Shards were lost: another process may own them already.
    Lost,
}

/// Takes the reports of all workers and of the threads beside them.
pub trait Report: Debug + Send + Sync {
    /// A worker was given its first shards, or found that there are none for it.
    fn assigned(&self);

    /// The state of an owned shard.
    fn shard(&self, shard: ShardId, status: ShardStatus);

    /// The next offset of a shard.
    fn position(&self, shard: ShardId, next: i64);

    /// How far a shard's restore has come.
    fn progress(&self, shard: ShardId, progress: RestoreProgress);

    /// A shard is owned no more.
    fn released(&self, shard: ShardId);

    /// The shards that the process owns, in order.
    fn owned(&self) -> Vec<ShardId>;

    /// Where the log of an owned shard ends for readers of committed records, and how many records lie behind that end
    /// because an upstream transaction is open.
    fn log_end(&self, shard: ShardId, end: i64, behind: u64);

    /// Whether the brokers answered when they were last asked, which was now. Without an outage the ends of all owned
    /// shards' logs are known anew.
    fn brokers(&self, now: Timestamp, outage: Option<Outage>);

    /// Whether an outage of the brokers is reported.
    fn has_outage(&self) -> bool;

    /// Records of a shard cannot be read, because of something outside this process; `None`: they can be read again.
    /// True when that is new.
    fn blocked(&self, shard: ShardId, reason: Option<String>) -> bool;

    /// A worker's condition, with its reason. True when it is new.
    fn raise(&self, worker: usize, condition: Condition, reason: String) -> bool;

    /// A worker's condition is over. True when there was one.
    fn clear(&self, worker: usize, condition: Condition) -> bool;

    /// A batch was judged in so long; its oldest record was appended `age` before its outputs were handed over.
    fn processed(&self, records: usize, step: Duration, age: Option<Duration>);

    /// Outputs were handed over.
    fn published(&self, out: &Outputs);

    /// A rule fired so many times.
    fn fired(&self, rule: &str, count: u64);

    /// What became of a shard's records: the counts now, and as they were reported before.
    fn counted(&self, now: &Counts, before: &Counts);

    /// What became of a shard's records, and which rules fired how often: the counts now, and as they were reported
    /// before.
    fn counts(&self, now: &Counts, before: &Counts) {
        for (at, (rule, fired)) in now.fired.iter().enumerate() {
            let new = fired - before.fired.of(rule, at);
            if new > 0 {
                self.fired(rule, new);
            }
        }
        self.counted(now, before);
    }

    /// How many more keys and bytes the ledgers of a key space take than was reported before; fewer are negative.
    fn ledgers(&self, space: &str, keys: i64, bytes: i64);

    /// Share of the longest lookback that a shard's ledgers hold, 0 to 1.
    fn coverage(&self, shard: ShardId, share: f64);

    /// The source was slowed for so long because the producer's queue was full.
    fn stalled(&self, time: Duration);

    /// A change of what a worker owns.
    fn rebalanced(&self, change: Rebalance);

    /// A commit came to an end.
    fn committed(&self, result: &Result<(), CommitError>, took: Duration);

    /// A shard was restored from so many records of the logs.
    fn restored(&self, records: u64, took: Duration);

    /// A snapshot that was begun at this time was written.
    fn snapshot_written(&self, shard: ShardId, begun_at: Timestamp, bytes: u64, took: Duration);

    /// A snapshot could not be written.
    fn snapshot_failed(&self);

    /// A snapshot could not be used when a shard was restored.
    fn snapshot_refused(&self);

    /// A broker or the client reported an error.
    fn broker_error(&self);

    /// Too many recent records of a shard are dead letters, and why; `None`: no longer. True when that is new.
    fn refusing(&self, shard: ShardId, reason: Option<String>) -> bool;
}
