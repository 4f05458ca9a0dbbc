//! Which models there are, by name, and how each reads its inputs. It does not depend on rules or alerts.

use crate::batch::Timestamp;
use crate::event::Event;
use crate::ledger::{Ledgers, RowRef};
use crate::profile::{LOOK_BACK_MS, POPULATION_MS, ProfileReader};
use crate::snapshot::bytes::Reader;
use crate::snapshot::chunk::ChunkWriter;
use crate::snapshot::{ProfileSummary, SnapshotError};
use std::sync::Arc;
use tripline_models::model::Model;
use tripline_models::profile::Profile;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::Slot;

/// Reads a model's inputs of one shard's events: what a model knows beside the rows.
pub(crate) trait InputReader: Send {
    /// Takes note of an event's day, before the event is read: judged or not, so that a restored shard does the same.
    fn begin_day(&mut self, at: Timestamp);

    /// Whether the model scores an event.
    fn reads(&self, event: &Event) -> bool;

    /// Writes the inputs of an event that has its row: `inputs: [F]`, in the order of the model's.
    fn read(&mut self, ledgers: &Ledgers, row: RowRef, event: &Event, inputs: &mut [f64]);

    /// Counts an event, once it was read.
    fn observe(&mut self, event: &Event);

    /// The rows lie otherwise now: what was counted goes on.
    fn rebind(&mut self, schema: &Schema, ledgers: &Ledgers);

    /// Writes the state into a snapshot.
    fn save(&self, chunks: &mut ChunkWriter) -> ProfileSummary;

    /// Takes up a snapshot's state, nothing counted yet.
    ///
    /// # Errors
    /// When it is another model's.
    fn begin_load(&mut self, summary: &ProfileSummary) -> Result<(), SnapshotError>;

    /// Takes the next item of the snapshot.
    ///
    /// # Errors
    /// When no reader writes such an item.
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError>;
}

/// A model that a shard can run.
#[derive(Clone)]
pub(crate) struct RegisteredModel {
    pub(crate) model: Arc<dyn Model>,
    /// How far back it reads rows, ms.
    lookback_ms: i64,
    /// How far back it counts all events, ms.
    population_ms: i64,
    open: fn(&Schema, &Ledgers) -> Option<Box<dyn InputReader>>,
}

impl RegisteredModel {
    /// A reader without any event; `None` when the rows lack what the model reads.
    pub(crate) fn open(&self, schema: &Schema, ledgers: &Ledgers) -> Option<Box<dyn InputReader>> {
        (self.open)(schema, ledgers)
    }
}

/// The models of an installation, in a fixed order.
#[derive(Clone)]
pub struct ModelRegistry {
    models: Vec<RegisteredModel>,
}

impl ModelRegistry {
    /// All models that there are.
    fn built_in() -> [RegisteredModel; 1] {
        [RegisteredModel {
            model: Arc::new(Profile),
            lookback_ms: LOOK_BACK_MS,
            population_ms: POPULATION_MS,
            open: |schema, ledgers| {
                let reader = ProfileReader::new(schema, ledgers)?;
                Some(Box::new(reader))
            },
        }]
    }

    /// Names of all models that there are.
    pub fn names() -> Vec<&'static str> {
        ModelRegistry::built_in().iter().map(|registered| registered.model.name()).collect()
    }

    /// The models with these names; names of no model are left out.
    pub fn of(names: &[String]) -> ModelRegistry {
        let mut models = ModelRegistry::built_in().to_vec();
        models.retain(|registered| names.iter().any(|name| name == registered.model.name()));
        ModelRegistry { models }
    }

    /// The model at a position.
    ///
    /// # Panics
    /// When there is none.
    pub fn model(&self, number: usize) -> &dyn Model {
        &*self.models[number].model
    }

    /// Position of a model.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.models.iter().position(|registered| registered.model.name() == name)
    }

    /// How many there are: M.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// How far back rows are read, ms.
    pub fn lookback_ms(&self) -> i64 {
        self.models.iter().map(|registered| registered.lookback_ms).max().unwrap_or(0)
    }

    /// Registers of the scores that a ruleset reads, and how far back each model reads rows, ms.
    pub(crate) fn slots(&self, ruleset: &Ruleset) -> Vec<(Slot, i64)> {
        let slot = |registered: &RegisteredModel| {
            Some((ruleset.model_slot(registered.model.name())?, registered.lookback_ms))
        };
        self.models.iter().filter_map(slot).collect()
    }

    /// How far back all events are counted, ms.
    pub fn population_ms(&self) -> i64 {
        self.models.iter().map(|registered| registered.population_ms).max().unwrap_or(0)
    }

    pub(crate) fn models(&self) -> &[RegisteredModel] {
        &self.models
    }
}

impl std::fmt::Debug for ModelRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.models.iter().map(|registered| registered.model.name())).finish()
    }
}

impl InputReader for ProfileReader {
    fn begin_day(&mut self, at: Timestamp) {
        ProfileReader::begin_day(self, at);
    }

    fn reads(&self, event: &Event) -> bool {
        ProfileReader::reads(self, event)
    }

    fn read(&mut self, ledgers: &Ledgers, row: RowRef, event: &Event, inputs: &mut [f64]) {
        ProfileReader::read(self, ledgers, row, event, inputs);
    }

    fn observe(&mut self, event: &Event) {
        ProfileReader::observe(self, event);
    }

    fn rebind(&mut self, schema: &Schema, ledgers: &Ledgers) {
        ProfileReader::rebind(self, schema, ledgers);
    }

    fn save(&self, chunks: &mut ChunkWriter) -> ProfileSummary {
        ProfileReader::save(self, chunks)
    }

    fn begin_load(&mut self, summary: &ProfileSummary) -> Result<(), SnapshotError> {
        ProfileReader::begin_load(self, summary)
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        ProfileReader::load(self, from)
    }
}
