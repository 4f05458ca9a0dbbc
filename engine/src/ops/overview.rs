//! What `/status` tells and `tripline status` reads: one process and its shards, without a word about any account.

use crate::config::Config;
use crate::ops::status::Status;
use crate::runtime::report::{Phase, RestoreProgress};
use crate::settings::Guarantee;
use serde::{Deserialize, Serialize};
use tripline_core::batch::Timestamp;

/// What of a process does not change while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// This process among those of the group.
    pub instance: String,
    /// The consumer group.
    pub group: String,
    /// Version of the program.
    pub version: String,
    /// Hash of the compiled packs.
    pub packs: String,
    /// `exactly_once` or `at_least_once`.
    pub guarantee: String,
    /// How often a shard's snapshot is cut, ms; none where no snapshots are written.
    pub snapshots_every_ms: Option<i64>,
}

/// A process at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// What does not change.
    #[serde(flatten)]
    pub about: About,
    /// Whether it does its work.
    pub is_ready: bool,
    /// Why it does not, one line each.
    pub reasons: Vec<String>,
    /// Its shards, in order.
    pub shards: Vec<ShardOverview>,
}

/// A shard at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardOverview {
    /// Its partition.
    pub partition: u32,
    /// Number of the worker that owns it.
    pub worker: usize,
    /// `restoring` or `live`.
    pub phase: String,
    /// Next offset to judge, once it is known where the shard goes on.
    pub next: Option<i64>,
    /// Records not yet judged, when the end of the log is known.
    pub lag: Option<u64>,
    /// Append time of the oldest record of the log that its ledgers were filled from.
    pub held_from: Option<Timestamp>,
    /// When its newest snapshot was cut.
    pub snapshot_at: Option<Timestamp>,
    /// How long ago that was, ms.
    pub snapshot_age_ms: Option<i64>,
    /// How far its filling has come; none when it is live.
    pub filled: Option<RestoreProgress>,
}

impl About {
    /// What a configuration makes of a process of this version.
    pub fn of(config: &Config) -> About {
        let guarantee = match config.delivery.guarantee {
            Guarantee::AtLeastOnce => "at_least_once",
            Guarantee::ExactlyOnce { .. } => "exactly_once",
        };
        let every = config.snapshots.as_ref().map(|snapshots| snapshots.every.as_millis());
        About {
            instance: config.kafka.instance.clone(),
            group: config.kafka.group.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            packs: config.ruleset().hash().to_owned(),
            guarantee: guarantee.to_owned(),
            snapshots_every_ms: every.map(|every| i64::try_from(every).unwrap_or(i64::MAX)),
        }
    }
}

impl Overview {
    /// A process as its state says now.
    pub fn of(about: &About, status: &Status, now: Timestamp) -> Overview {
        let reasons = status.reasons();
        let shards = status.shards().into_iter().map(|(shard, held)| ShardOverview {
            partition: shard.partition,
            worker: held.worker,
            phase: match held.phase {
                Phase::Restoring => "restoring".to_owned(),
                Phase::Live => "live".to_owned(),
            },
            next: held.next,
            lag: held.lag,
            held_from: held.held_from,
            snapshot_at: held.snapshot_at,
            snapshot_age_ms: held.snapshot_at.map(|cut_at| now.0.saturating_sub(cut_at.0).max(0)),
            filled: held.restore,
        });
        Overview { about: about.clone(), is_ready: reasons.is_empty(), reasons, shards: shards.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::report::ShardStatus;
    use tripline_core::batch::ShardId;

    #[test]
    fn a_shard_that_is_being_filled_tells_how_far_and_comes_back_from_json() {
        let status = Status::default();
        status.assigned();
        let filled = Some(RestoreProgress { chunks: 3, chunks_of: 3, records: 40, records_of: 100 });
        let (worker, phase) = (1, Phase::Restoring);
        let snapshot_at = Some(Timestamp(60_000));
        let held = ShardStatus {
            worker,
            phase,
            next: Some(7),
            lag: None,
            held_from: None,
            snapshot_at,
            restore: filled,
        };
        status.shard(ShardId { space: 0, partition: 5 }, held);
        let overview = Overview::of(&About::default(), &status, Timestamp(90_000));
        assert!(!overview.is_ready);
        assert_eq!(overview.reasons, ["partition 5 is being restored by worker 1"]);
        let shard = &overview.shards[0];
        assert_eq!((shard.partition, shard.snapshot_age_ms, shard.filled), (5, Some(30_000), filled));
        let text = serde_json::to_string(&overview).unwrap();
        assert_eq!(serde_json::from_str::<Overview>(&text).unwrap(), overview);
    }
}
