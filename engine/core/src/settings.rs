//! What an engine is set to, and what follows from it for how long rows live. It knows no configuration file.

use crate::batch::Timestamp;
use crate::decode::Mapping;
use crate::ledger::LedgerLimits;
use crate::limits::FUTURE_MS_MAX;
use crate::profile::{LOOK_BACK_MS, POPULATION_MS};
use crate::suppress::INCIDENT_GAP_MS;
use tripline_rules::aggregate::Population;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::EVENT_REF;
use tripline_rules::value::TextKey;

/// What an engine is set to, beside its ruleset.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the stream: part of every alert's id.
    pub stream: String,
    /// Name of the input topic, as alerts cite it.
    pub topic: String,
    /// The key of all hashes.
    pub key: TextKey,
    /// How late an event may come, ms.
    pub lateness_ms: i64,
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
    /// Whether the profile model runs.
    pub profile: bool,
    /// Events before this time take their place and are not judged.
    pub judge_from: Option<Timestamp>,
    /// Whether the facts of features are wanted.
    pub features: bool,
}

impl Settings {
    /// Defaults for a stream: a day of lateness, 4,096 rows a ledger.
    pub fn new(stream: &str) -> Settings {
        Settings {
            stream: stream.to_owned(),
            topic: stream.to_owned(),
            key: TextKey::default(),
            lateness_ms: 24 * 60 * 60 * 1000,
            retention_ms: None,
            rows_per_ledger: 4096,
            keys_per_shard: 10_000_000,
            bytes_per_shard: 8 << 30,
            totals_threshold: 512,
            profile: true,
            judge_from: None,
            features: false,
        }
    }

    /// How long a row may be asked for: as configured, else the longest look back of the pack and the profile; plus
    /// what an event may be late and a clock ahead.
    pub fn row_lifetime_ms(&self, ruleset: &Ruleset) -> i64 {
        let packs = ruleset.programs().iter().map(|program| program.plan().look_back).max().unwrap_or(0);
        let profile = if self.profile { LOOK_BACK_MS } else { 0 };
        self.retention_ms.unwrap_or(packs.max(profile)) + self.lateness_ms + FUTURE_MS_MAX
    }

    /// How much of its log a shard must be filled with again, ms before the last record it took, to go on as if it had
    /// never stopped.
    ///
    /// An event may be older than its record by the lateness, and newer by [`FUTURE_MS_MAX`]. So the next events meet
    /// what is held for so long and `astray` before; and a label is known so long after its record. Each of these
    /// records must itself be taken as it was: a repeat as one, with what it inherits from the row it refers to.
    /// (That row, if it refers to a third one in turn, is not traced back further.)
    pub fn reach_ms(&self, ruleset: &Ruleset, mapping: &Mapping) -> i64 {
        let astray = self.lateness_ms + FUTURE_MS_MAX;
        let rows = self.row_lifetime_ms(ruleset);
        let populations = ruleset.programs().iter().flat_map(|program| &program.plan().populations);
        let days = populations.map(Population::over_ms).max().unwrap_or(0);
        let usual = if self.profile { POPULATION_MS } else { 0 };
        let refers = mapping.labels.is_some() || mapping.fields.iter().any(|field| field.slot == EVENT_REF);
        let target = if refers { rows + astray } else { 0 };
        let known_after = mapping.labels.as_ref().map_or(0, |label| label.after_ms);
        rows.max(days).max(usual) + astray + known_after + target.max(2 * astray + 1)
    }

    /// How far back its own verdicts must be folded, ms before the last record: open cooldowns and incidents.
    pub fn verdicts_reach_ms(&self, ruleset: &Ruleset) -> i64 {
        let cooldowns = ruleset.rules().iter().filter_map(|rule| rule.cooldown.as_ref());
        let longest = cooldowns.map(|cooldown| cooldown.length).max().unwrap_or(0);
        longest.max(INCIDENT_GAP_MS) + self.lateness_ms + FUTURE_MS_MAX
    }

    pub(crate) fn ledger_limits(&self, ruleset: &Ruleset) -> LedgerLimits {
        LedgerLimits {
            rows_per_ledger: self.rows_per_ledger,
            keys: self.keys_per_shard,
            bytes: self.bytes_per_shard,
            totals_threshold: self.totals_threshold,
            retention: self.row_lifetime_ms(ruleset),
            lateness: self.lateness_ms,
        }
    }
}
