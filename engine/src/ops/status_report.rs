//! The content of `/status`, which `tripline status` reads: one process and its shards, without any account data.

use crate::config::Config;
use crate::ops::status::Status;
use crate::runtime::report::{Phase, RestoreProgress};
use crate::settings::Guarantee;
use serde::{Deserialize, Serialize};
use tripline_core::batch::Timestamp;

/// The part of a process's state that does not change while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Name of the process within its group.
    pub instance: String,
    /// The consumer group.
    pub group: String,
    /// Version of the program.
    pub version: String,
    /// Hash of the compiled packs.
    pub packs: String,
    /// `exactly_once` or `at_least_once`.
    pub guarantee: String,
    /// Interval of a shard's snapshots, ms; `None` without snapshots.
    pub snapshots_every_ms: Option<i64>,
}

/// The state of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The part that does not change.
    #[serde(flatten)]
    pub process: ProcessInfo,
    /// Whether the process is ready.
    pub is_ready: bool,
    /// Why it is not ready, one line each.
    pub reasons: Vec<String>,
    /// Time of the last answer of the brokers, if their figures (`lag`) are stale; `None` while they are current.
    pub stale_since: Option<Timestamp>,
    /// Its shards, in order.
    pub shards: Vec<ShardReport>,
}

/// The state of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardReport {
    /// Its partition.
    pub partition: u32,
    /// Number of the worker that owns it.
    pub worker: usize,
    /// `restoring` or `live`.
    pub phase: String,
    /// Next offset to process, once it is available.
    pub next: Option<i64>,
    /// Records not yet processed, if the end of the log is known.
    pub lag: Option<u64>,
    /// Append time of the oldest record of the log that its ledgers were restored from.
    pub held_from: Option<Timestamp>,
    /// When its newest snapshot began.
    pub snapshot_at: Option<Timestamp>,
    /// How long ago that was, ms.
    pub snapshot_age_ms: Option<i64>,
    /// Progress of its restore; `None` when it is live.
    pub filled: Option<RestoreProgress>,
}

impl ProcessInfo {
    /// A process of this version with this configuration.
    pub fn of(config: &Config) -> ProcessInfo {
        let guarantee = match config.delivery.guarantee {
            Guarantee::AtLeastOnce => "at_least_once",
            Guarantee::ExactlyOnce { .. } => "exactly_once",
        };
        let every = config.snapshots.as_ref().map(|snapshots| snapshots.every.as_millis());
        ProcessInfo {
            instance: config.kafka.instance.clone(),
            group: config.kafka.group.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            packs: config.ruleset().hash().to_owned(),
            guarantee: guarantee.to_owned(),
            snapshots_every_ms: every.map(|every| i64::try_from(every).unwrap_or(i64::MAX)),
        }
    }
}

impl StatusReport {
    /// The state of a process now.
    pub fn of(process: &ProcessInfo, status: &Status, now: Timestamp) -> StatusReport {
        let reasons = status.reasons();
        let shards = status.shards().into_iter().map(|(shard, owned)| ShardReport {
            partition: shard.partition,
            worker: owned.worker,
            phase: match owned.phase {
                Phase::Restoring => "restoring".to_owned(),
                Phase::Live => "live".to_owned(),
            },
            next: owned.next,
            lag: owned.lag,
            held_from: owned.log_from,
            snapshot_at: owned.snapshot_at,
            snapshot_age_ms: owned.snapshot_at.map(|begun_at| now.0.saturating_sub(begun_at.0).max(0)),
            filled: owned.restore,
        });
        StatusReport {
            process: process.clone(),
            is_ready: reasons.is_empty(),
            reasons,
            stale_since: status.stale_since(now),
            shards: shards.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::report::ShardStatus;
    use tripline_core::batch::ShardId;

    #[test]
    fn a_shard_that_is_being_restored_reports_its_progress_and_is_read_back_from_json() {
        let status = Status::default();
        status.assigned();
        let filled = Some(RestoreProgress { chunks: 3, chunks_of: 3, records: 40, records_of: 100 });
        let (worker, phase) = (1, Phase::Restoring);
        let snapshot_at = Some(Timestamp(60_000));
        let restoring = ShardStatus {
            worker,
            phase,
            next: Some(7),
            lag: None,
            log_from: None,
            snapshot_at,
            restore: filled,
        };
        status.shard(ShardId::account(5), restoring);
        let report = StatusReport::of(&ProcessInfo::default(), &status, Timestamp(90_000));
        assert!(!report.is_ready);
        assert_eq!(report.reasons, ["partition 5 is being restored by worker 1"]);
        let shard = &report.shards[0];
        assert_eq!((shard.partition, shard.snapshot_age_ms, shard.filled), (5, Some(30_000), filled));
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<StatusReport>(&text).unwrap(), report);
    }
}
