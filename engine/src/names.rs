//! Every name that leaves the process, once: topics, record headers, metrics.
//!
//! It does not depend on what is written under the names, or by which module.

use tripline_core::outputs::Topic;

/// Topics below a prefix. The input topic is named by the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Whole alerts, for the bank.
    pub alerts: String,
    /// The verdicts: changelog of the decision state, partitioned as the input.
    pub verdicts: String,
    /// Records that could not be taken.
    pub dead_letters: String,
    /// Records that came too late.
    pub late: String,
}

impl Topics {
    /// The topics of a prefix, such as `bank.fraud`.
    pub fn under(prefix: &str) -> Topics {
        Topics {
            alerts: format!("{prefix}.alerts"),
            verdicts: format!("{prefix}.verdicts"),
            dead_letters: format!("{prefix}.dead-letters"),
            late: format!("{prefix}.late"),
        }
    }

    /// The name of one topic.
    pub fn name(&self, topic: Topic) -> &str {
        match topic {
            Topic::Alerts => &self.alerts,
            Topic::Verdicts => &self.verdicts,
            Topic::DeadLetters => &self.dead_letters,
            Topic::Late => &self.late,
        }
    }
}

/// Every output topic, in a fixed order.
pub const OUTPUT_TOPICS: [Topic; 4] = [Topic::Alerts, Topic::Verdicts, Topic::DeadLetters, Topic::Late];

/// The short name of an output topic, a label of metrics.
pub fn topic_label(topic: Topic) -> &'static str {
    match topic {
        Topic::Alerts => "alerts",
        Topic::Verdicts => "verdicts",
        Topic::DeadLetters => "dead_letters",
        Topic::Late => "late",
    }
}

/// Headers of published records: those the core writes, and where a record came from.
pub mod header {
    pub use tripline_core::outputs::header::*;

    /// Partition of the input record that caused this one.
    pub const SOURCE_PARTITION: &str = "tripline.source.partition";
    /// Offset of the input record that caused this one. Recovery reads it to know which verdicts are committed.
    pub const SOURCE_OFFSET: &str = "tripline.source.offset";
    /// Topic of the refused or late record.
    pub const ERROR_TOPIC: &str = "tripline.error.topic";
    /// Partition of the refused or late record.
    pub const ERROR_PARTITION: &str = "tripline.error.partition";
    /// Offset of the refused or late record.
    pub const ERROR_OFFSET: &str = "tripline.error.offset";
    /// Version of the program that refused it.
    pub const ERROR_VERSION: &str = "tripline.error.version";
}

/// Metrics: `tripline_<noun>_<unit>[_total]`.
pub mod metric {
    /// Input records judged.
    pub const EVENTS: &str = "tripline_events_total";
    /// Batches judged.
    pub const BATCHES: &str = "tripline_batches_total";
    /// Published records by topic.
    pub const OUTPUTS: &str = "tripline_outputs_total";
    /// Alerts raised.
    pub const ALERTS: &str = "tripline_alerts_total";
    /// Firings by rule: live, shadow and silenced ones. An alert may have several rules, and a firing no alert.
    pub const RULES_FIRED: &str = "tripline_rules_fired_total";
    /// Events whose alert every cooldown kept silent.
    pub const SUPPRESSED: &str = "tripline_suppressed_total";
    /// References to an earlier event of which no row is held.
    pub const UNRESOLVED: &str = "tripline_unresolved_references_total";
    /// Events with a local time that occurs twice or never, as the mapping decided.
    pub const AMBIGUOUS_TIMES: &str = "tripline_ambiguous_times_total";
    /// Refused records by reason.
    pub const DEAD_LETTERS: &str = "tripline_dead_letters_total";
    /// Records that came too late.
    pub const LATE: &str = "tripline_late_total";
    /// Records that were there already.
    pub const DUPLICATES: &str = "tripline_duplicates_total";
    /// State dropped because a limit was reached, by kind.
    pub const DROPPED: &str = "tripline_dropped_state_total";
    /// Records not yet judged, by partition.
    pub const LAG: &str = "tripline_lag_records";
    /// Records that cannot be read yet because an upstream transaction before them is open, by partition.
    pub const OPEN_TRANSACTION: &str = "tripline_open_transaction_records";
    /// Time of one step.
    pub const STEP: &str = "tripline_step_seconds";
    /// From the broker's append to the outputs handed to the producer.
    pub const END_TO_END: &str = "tripline_end_to_end_seconds";
    /// Time of one commit, deliveries included.
    pub const COMMIT: &str = "tripline_commit_seconds";
    /// Commits by result.
    pub const COMMITS: &str = "tripline_commits_total";
    /// Membership changes by kind.
    pub const REBALANCES: &str = "tripline_rebalances_total";
    /// Time to restore one shard.
    pub const RESTORE: &str = "tripline_restore_seconds";
    /// Log records read while shards were restored.
    pub const RESTORED: &str = "tripline_restored_records_total";
    /// Shards by phase.
    pub const SHARDS: &str = "tripline_shards";
    /// Records whose partition was compared with their account.
    pub const KEYS_SAMPLED: &str = "tripline_partition_samples_total";
    /// Records that are in another partition than their account's.
    pub const KEYS_MISPLACED: &str = "tripline_partition_mismatches_total";
    /// Time the source was slowed because the producer's queue was full.
    pub const STALLED: &str = "tripline_stalled_seconds_total";
    /// Whether the brokers answered when they were last asked: 1 or 0. Before the first answer it is 0.
    pub const BROKERS_REACHABLE: &str = "tripline_brokers_reachable";
    /// Errors the brokers or the client reported.
    pub const BROKER_ERRORS: &str = "tripline_broker_errors_total";
    /// Snapshots by result: written, failed, refused when they were to be loaded.
    pub const SNAPSHOTS: &str = "tripline_snapshots_total";
    /// Bytes of snapshots written.
    pub const SNAPSHOT_BYTES: &str = "tripline_snapshot_bytes_total";
    /// Time from the first chunk of a snapshot to its manifest.
    pub const SNAPSHOT_TIME: &str = "tripline_snapshot_seconds";
    /// Seconds since a shard's newest snapshot began, by partition; absent without a snapshot.
    pub const SNAPSHOT_AGE: &str = "tripline_snapshot_age_seconds";
    /// Ledger keys held, by key space.
    pub const KEYS: &str = "tripline_keys";
    /// Counted bytes of ledgers, by key space.
    pub const BYTES: &str = "tripline_ledger_bytes";
    /// Share of the longest lookback for which a shard has rows, 0 to 1, by partition.
    pub const COVERAGE: &str = "tripline_coverage_ratio";
}
