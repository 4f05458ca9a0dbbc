//! All key spaces of an installation in one process: how files are replayed and the demo runs.
//!
//! Every partition of the input has its engine; the other key spaces see all partitions' events, in the order given.

use crate::batch::Batch;
use crate::counts::Counts;
use crate::decode::{HeaderError, Mapping, MappingError};
use crate::engine::{Derived, Engine, Settings};
use crate::lines::Lines;
use crate::outputs::Outputs;
use crate::space::Space;
use std::collections::BTreeMap;
use std::sync::Arc;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;

/// All key spaces in one process.
pub struct Spaces {
    schema: Arc<Schema>,
    ruleset: Arc<Ruleset>,
    mapping: Mapping,
    settings: Arc<Settings>,
    engines: BTreeMap<u32, Engine>,
    derived: Derived,
    header: Option<Vec<u8>>,
}

impl Spaces {
    /// Empty spaces.
    ///
    /// # Errors
    /// What is wrong with the mapping.
    pub fn new(
        schema: Arc<Schema>,
        ruleset: Arc<Ruleset>,
        mapping: Mapping,
        settings: Settings,
    ) -> Result<Spaces, Vec<MappingError>> {
        let settings = Arc::new(settings);
        let derived = ruleset.programs()[1..]
            .iter()
            .map(|program| {
                Space::new(Arc::clone(program), &schema, &ruleset, settings.ledger_limits(&ruleset))
            })
            .collect();
        let derived = Derived { spaces: derived, ..Derived::default() };
        let mut spaces =
            Spaces { schema, ruleset, mapping, settings, engines: BTreeMap::new(), derived, header: None };
        // The first partition's engine is built at once, so that a faulty mapping shows before the first record.
        spaces.open(0)?;
        Ok(spaces)
    }

    /// Takes the names of the columns from a CSV header line, for all partitions.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn set_header(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        for engine in self.engines.values_mut() {
            engine.set_header(line)?;
        }
        self.header = Some(line.to_vec());
        Ok(())
    }

    /// Takes consecutive records of one partition through every key space.
    pub fn step(&mut self, batch: &Batch, out: &mut Outputs, lines: &mut Lines) {
        let partition = batch.shard.partition;
        if !self.engines.contains_key(&partition) {
            self.open(partition).expect("the mapping was accepted for the first partition");
        }
        let engine = self.engines.get_mut(&partition).expect("just opened");
        engine.step(batch, &mut self.derived, out, lines);
    }

    /// What became of all records.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.engines.values().for_each(|engine| sum.add(engine.counts()));
        sum
    }

    /// The engines by partition.
    pub fn engines(&self) -> impl Iterator<Item = (u32, &Engine)> {
        self.engines.iter().map(|(partition, engine)| (*partition, engine))
    }

    /// The key spaces beside the account's.
    pub fn derived(&self) -> &[Space] {
        &self.derived.spaces
    }

    fn open(&mut self, partition: u32) -> Result<(), Vec<MappingError>> {
        let mut engine = Engine::new(&self.schema, &self.ruleset, &self.mapping, &self.settings)?;
        if let Some(header) = &self.header {
            engine.set_header(header).expect("the header was accepted by another partition's engine");
        }
        self.engines.insert(partition, engine);
        Ok(())
    }
}
