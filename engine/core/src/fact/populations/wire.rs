//! All populations of a plan into a snapshot and out of one.

use super::Populations;
use crate::fact::population::Item;
use crate::snapshot::bytes::Reader;
use crate::snapshot::chunk::ChunkWriter;
use crate::snapshot::{PopulationSummary, SnapshotError};

impl Populations {
    /// Writes all counts.
    pub(crate) fn save(&self, filling: &mut ChunkWriter) -> Vec<PopulationSummary> {
        let numbered = (0u64..).zip(&self.ranked);
        numbered.map(|(which, ranked)| ranked.population.save(which, ranked.meaning, filling)).collect()
    }

    /// Finds for each rank of the plan what counted the same at the cut: the numbers there.
    ///
    /// # Errors
    /// The first rank that nothing counted.
    pub(crate) fn begin_load(&mut self, cuts: &[PopulationSummary]) -> Result<Vec<u64>, SnapshotError> {
        let mut sources = Vec::with_capacity(self.ranked.len());
        for ranked in &mut self.ranked {
            let found = (0u64..).zip(cuts).find(|(_, cut)| cut.meaning == ranked.meaning);
            let (which, cut) =
                found.ok_or_else(|| SnapshotError::NoPopulation { name: ranked.name.clone() })?;
            ranked.population.begin_load(cut)?;
            sources.push(which);
        }
        Ok(sources)
    }

    /// Takes the next item; `sources` are the numbers of [`Populations::begin_load`].
    pub(crate) fn load(&mut self, sources: &[u64], from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let item = Item::read(from)?;
        let meant = self.ranked.iter_mut().zip(sources).filter(|(_, source)| **source == item.which);
        for (ranked, _) in meant {
            ranked.population.load(&item)?;
        }
        Ok(())
    }
}
