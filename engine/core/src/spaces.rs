//! All key spaces of an installation in one process: how files are replayed and the demo runs.
//!
//! Every partition of the input has its engine; the other key spaces see all partitions' events, in the order given.

use crate::batch::Batch;
use crate::counts::Counts;
use crate::decode::HeaderError;
use crate::engine::{Derived, Engine};
use crate::installation::Installation;
use crate::lines::Lines;
use crate::outputs::Outputs;
use crate::space::Space;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All key spaces in one process.
pub struct Spaces {
    installation: Arc<Installation>,
    engines: BTreeMap<u32, Engine>,
    derived: Derived,
    header: Option<Vec<u8>>,
}

impl Spaces {
    /// Empty spaces.
    pub fn new(installation: &Arc<Installation>) -> Spaces {
        let programs = installation.ruleset().programs().len();
        let derived = (1..programs).map(|number| Space::new(installation, number)).collect();
        let derived = Derived { spaces: derived, ..Derived::default() };
        // The first partition's engine is built at once: a header that does not fit shows before the first record.
        let engines = BTreeMap::from([(0, Engine::new(installation))]);
        Spaces { installation: Arc::clone(installation), engines, derived, header: None }
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
        let Spaces { installation, engines, derived, header } = self;
        let engine = engines.entry(batch.shard.partition).or_insert_with(|| {
            let mut engine = Engine::new(installation);
            if let Some(header) = header {
                engine.set_header(header).expect("the header was accepted by another partition's engine");
            }
            engine
        });
        engine.step(batch, derived, out, lines);
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
}
