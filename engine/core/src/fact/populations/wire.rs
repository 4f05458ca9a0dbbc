//! Saving and loading all populations of a plan.

use super::Populations;
use crate::fact::population::Item;
use crate::snapshot::bytes::Reader;
use crate::snapshot::chunk::ChunkWriter;
use crate::snapshot::{PopulationSummary, SnapshotError};

impl Populations {
    /// Writes all counts.
    pub(crate) fn save(&self, writer: &mut ChunkWriter) -> Vec<PopulationSummary> {
        let numbered = (0u64..).zip(&self.ranked);
        numbered.map(|(which, ranked)| ranked.population.save(which, ranked.meaning, writer)).collect()
    }

    /// Finds for each rank of the plan the population of the snapshot that counts the same: its number there.
    ///
    /// # Errors
    /// The first rank without such a population.
    pub(crate) fn begin_load(&mut self, summaries: &[PopulationSummary]) -> Result<Vec<u64>, SnapshotError> {
        let mut sources = Vec::with_capacity(self.ranked.len());
        for ranked in &mut self.ranked {
            let found = (0u64..).zip(summaries).find(|(_, summary)| summary.meaning == ranked.meaning);
            let (which, summary) =
                found.ok_or_else(|| SnapshotError::NoPopulation { name: ranked.name.clone() })?;
            ranked.population.begin_load(summary)?;
            sources.push(which);
        }
        Ok(sources)
    }

    /// Loads the next item; `sources` are the numbers of [`Populations::begin_load`].
    pub(crate) fn load(&mut self, sources: &[u64], from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let item = Item::read(from)?;
        let meant = self.ranked.iter_mut().zip(sources).filter(|(_, source)| **source == item.which);
        for (ranked, _) in meant {
            ranked.population.load(&item)?;
        }
        Ok(())
    }
}
