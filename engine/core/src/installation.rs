//! Everything that is compiled and checked before a record is read, in one immutable value that all shards share.
//!
//! It does not depend on configuration files or on state: a shard is a function of its installation and its log.

use crate::batch::ACCOUNT_SPACE;
use crate::decode::{CheckedMapping, DecodePlan, Format, Mapping, MappingError};
use crate::ledger::LedgerLimits;
use crate::scores::ModelRegistry;
use crate::settings::Settings;
use crate::suppress::INCIDENT_GAP_MS;
use std::sync::Arc;
use tripline_rules::aggregate::{FactSet, Population};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{ACCOUNT_ID, Kind, Schema};
use tripline_rules::value::Slot;

/// A compiled installation: what one or more shards run.
#[derive(Debug)]
pub struct Installation {
    schema: Arc<Schema>,
    ruleset: Arc<Ruleset>,
    mapping: Arc<CheckedMapping>,
    settings: Settings,
    decode: Arc<DecodePlan>,
    models: ModelRegistry,
    /// By key space, as the ruleset's programs.
    facts: Vec<FactSet>,
    /// Registers of the models' scores that are read, and how far back each model reads, ms.
    model_slots: Vec<(Slot, i64)>,
    lookback: Lookback,
}

/// How far back a shard reads, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookback {
    /// How long a row is kept: as configured, else the longest lookback of the packs and the models; plus the lateness
    /// and the time that a clock may run ahead.
    pub row_retention_ms: i64,
    /// How far before the committed record the input is read to restore a shard from the log alone.
    pub input_ms: i64,
    /// How far before the committed record the verdicts are read: open cooldowns and incidents.
    pub verdicts_ms: i64,
}

impl Installation {
    /// Checks a mapping and compiles an installation with it.
    ///
    /// # Errors
    /// Everything that is wrong with the mapping.
    pub fn compile(
        schema: &Arc<Schema>,
        ruleset: &Arc<Ruleset>,
        mapping: &Mapping,
        settings: Settings,
    ) -> Result<Installation, Vec<MappingError>> {
        let mapping = Arc::new(CheckedMapping::new(mapping, schema)?);
        Ok(Installation::new(schema, ruleset, mapping, settings))
    }

    /// Compiles an installation. `mapping` and `ruleset` are of this schema.
    pub fn new(
        schema: &Arc<Schema>,
        ruleset: &Arc<Ruleset>,
        mapping: Arc<CheckedMapping>,
        settings: Settings,
    ) -> Installation {
        let models = ModelRegistry::of(&settings.models);
        let facts = ruleset.programs().iter().map(|program| facts(ruleset, program.space_index(), &settings));
        Installation {
            decode: Arc::new(decode_plan(schema, ruleset, &mapping, &settings)),
            lookback: Lookback::of(ruleset, &mapping, &models, &settings),
            model_slots: models.slots(ruleset),
            models,
            facts: facts.collect(),
            schema: Arc::clone(schema),
            ruleset: Arc::clone(ruleset),
            mapping,
            settings,
        }
    }

    /// The same with other settings.
    #[must_use]
    pub fn with_settings(&self, settings: Settings) -> Installation {
        Installation::new(&self.schema, &self.ruleset, Arc::clone(&self.mapping), settings)
    }

    /// The fields.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The compiled packs.
    pub fn ruleset(&self) -> &Arc<Ruleset> {
        &self.ruleset
    }

    /// What the shards are set to.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How records are read.
    pub fn decode(&self) -> &Arc<DecodePlan> {
        &self.decode
    }

    /// How records are read by whom these fields are all that matters; the event carries the texts of its id, its
    /// account and of `texts`.
    pub fn decode_of(&self, fields: &[Slot], texts: &[Slot]) -> DecodePlan {
        DecodePlan::new(&self.mapping, fields, texts, self.settings.key)
    }

    /// What a record is.
    pub fn format(&self) -> Format {
        self.mapping.format()
    }

    /// The models that score events.
    pub fn models(&self) -> &ModelRegistry {
        &self.models
    }

    /// Registers of the models' scores that are read, and how far back each model reads, ms.
    pub(crate) fn model_slots(&self) -> &[(Slot, i64)] {
        &self.model_slots
    }

    /// How far back facts without a window read at an event, ms.
    pub(crate) fn held_ms(&self) -> i64 {
        self.lookback.row_retention_ms - self.settings.skew_ms()
    }

    /// How far back a shard reads.
    pub fn lookback(&self) -> Lookback {
        self.lookback
    }

    /// Facts of a key space, by the number of its program, that are computed whatever its own rules ask for.
    pub(crate) fn facts(&self, program_number: usize) -> &FactSet {
        &self.facts[program_number]
    }

    /// Bounds of one shard's ledgers.
    pub fn ledger_limits(&self) -> LedgerLimits {
        LedgerLimits {
            rows_per_ledger: self.settings.rows_per_ledger,
            keys: self.settings.keys_per_shard,
            bytes: self.settings.bytes_per_shard,
            totals_threshold: self.settings.totals_threshold,
            retention: self.lookback.row_retention_ms,
            lateness: self.settings.lateness_ms,
        }
    }
}

impl Lookback {
    fn of(
        ruleset: &Ruleset,
        mapping: &CheckedMapping,
        models: &ModelRegistry,
        settings: &Settings,
    ) -> Lookback {
        let packs = ruleset.programs().iter().map(|program| program.plan().look_back).max().unwrap_or(0);
        let skew_ms = settings.skew_ms();
        // A label of the mapping inherits the fields of its event, which must still be held then.
        let labelled = mapping.label_after_ms().unwrap_or(0);
        let needed = packs.max(models.lookback_ms()).max(labelled);
        let row_retention_ms = settings.retention_ms.unwrap_or(needed) + skew_ms;
        let populations = ruleset.programs().iter().flat_map(|program| &program.plan().populations);
        let days = populations.map(Population::over_ms).max().unwrap_or(0);
        let counted_ms = row_retention_ms.max(days).max(models.population_ms());
        Lookback {
            row_retention_ms,
            input_ms: input_ms(row_retention_ms, counted_ms, skew_ms, mapping),
            verdicts_ms: verdicts_ms(ruleset, settings),
        }
    }
}

/// An event may be older than its record by the lateness, and newer by `FUTURE_MS_MAX`: together the skew. So the next
/// events read rows of the lifetime and the skew before; and a label is available its delay after its record. Each
/// of these records must be restored as it was: a duplicate as one, with the fields of the row that it refers to.
/// (That row, if it refers to a third one in turn, is not traced back further.)
fn input_ms(row_retention_ms: i64, counted_ms: i64, skew_ms: i64, mapping: &CheckedMapping) -> i64 {
    let label_after = mapping.label_after_ms();
    let refers = label_after.is_some() || mapping.has_references();
    let target = if refers { row_retention_ms + skew_ms } else { 0 };
    counted_ms + skew_ms + label_after.unwrap_or(0) + target.max(2 * skew_ms + 1)
}

fn verdicts_ms(ruleset: &Ruleset, settings: &Settings) -> i64 {
    let cooldowns = ruleset.rules().iter().filter_map(|rule| rule.cooldown.as_ref());
    let longest = cooldowns.map(|cooldown| cooldown.length).max().unwrap_or(0);
    longest.max(INCIDENT_GAP_MS) + settings.skew_ms()
}

/// The fields that rules read, rows keep or key spaces are keyed by.
fn decode_plan(
    schema: &Schema,
    ruleset: &Ruleset,
    mapping: &CheckedMapping,
    settings: &Settings,
) -> DecodePlan {
    let mut wanted: Vec<Slot> = ruleset.field_slots();
    wanted.extend(schema.keep());
    // All money is checked, that in the account's currency against it, and alerts and evaluations show the amount,
    // whatever rules read.
    let money = schema.fields().iter().filter(|field| matches!(field.kind, Kind::Money(_)));
    wanted.extend(money.filter_map(|field| schema.slot(&field.name)));
    let mut texts = ruleset.text_slots();
    let keys = ruleset.programs().iter().map(|program| program.plan().space.key);
    texts.extend(keys.filter(|key| *key != ACCOUNT_ID));
    // An alert names the target of its action.
    let targets = ruleset.actions().filter_map(|action| schema.slot(action.target?.field()));
    texts.extend(targets.filter(|target| *target != ACCOUNT_ID));
    wanted.extend(&texts);
    DecodePlan::new(mapping, &wanted, &texts, settings.key)
}

/// Facts of a key space that features or, of the account's, rules of other key spaces read.
fn facts(ruleset: &Ruleset, space: u8, settings: &Settings) -> FactSet {
    let mut facts = if settings.features { ruleset.feature_demand(space) } else { FactSet::default() };
    for rule in ruleset.rules().iter().filter(|rule| space == ACCOUNT_SPACE && rule.space != ACCOUNT_SPACE) {
        rule.state.facts.get(&ACCOUNT_SPACE).into_iter().for_each(|read| facts.union(read));
    }
    facts
}
