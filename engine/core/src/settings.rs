//! What a shard is set to, beside its packs. It does not depend on a configuration file.

use crate::batch::Timestamp;
use crate::limits::FUTURE_MS_MAX;
use crate::placement::Placement;
use crate::scores::ModelRegistry;
use tripline_rules::time::DAY_MS;
use tripline_rules::value::TextKey;

/// What a shard is set to, beside its ruleset.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the stream: part of every alert's id.
    pub stream: String,
    /// Name of the input topic, as alerts cite it.
    pub topic: String,
    /// The key of all hashes.
    pub key: TextKey,
    /// Whether the append times of the input are its producers': each may be wrong, whatever the others are.
    pub has_producer_times: bool,
    /// How late an event may come, ms.
    pub lateness_ms: i64,
    /// In a file: how far an event may be ahead of all before it before the next records are consulted, ms; without it
    /// as far as an event may come late.
    pub jump_ms: Option<i64>,
    /// How long rows are kept, ms; without it as long as the pack looks back.
    pub retention_ms: Option<i64>,
    /// Rows of one ledger.
    pub rows_per_ledger: u16,
    /// Keys of one shard.
    pub keys_per_shard: usize,
    /// Bytes of one shard's rows and keys.
    pub bytes_per_shard: usize,
    /// Rows from which a ledger keeps running totals; changes no answer.
    pub totals_threshold: usize,
    /// Names of the models that run.
    pub models: Vec<String>,
    /// Events before this time are inserted and not judged.
    pub judge_from: Option<Timestamp>,
    /// Whether the facts of features are wanted.
    pub features: bool,
    /// What the partition of a record is compared with; changes no answer.
    pub placement: Placement,
}

impl Settings {
    /// How much older an event may be than one that came before it: late by the lateness, behind a clock that is ahead.
    pub(crate) fn skew_ms(&self) -> i64 {
        self.lateness_ms + FUTURE_MS_MAX
    }

    /// Defaults for a stream: a day of lateness, 4,096 rows a ledger.
    pub fn new(stream: &str) -> Settings {
        Settings {
            stream: stream.to_owned(),
            topic: stream.to_owned(),
            key: TextKey::default(),
            has_producer_times: false,
            lateness_ms: DAY_MS,
            jump_ms: None,
            retention_ms: None,
            rows_per_ledger: 4096,
            keys_per_shard: 10_000_000,
            bytes_per_shard: 8 << 30,
            totals_threshold: 512,
            models: ModelRegistry::names().into_iter().map(str::to_owned).collect(),
            judge_from: None,
            features: false,
            placement: Placement::Unchecked,
        }
    }
}
