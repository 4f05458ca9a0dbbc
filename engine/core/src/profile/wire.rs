//! Saving and loading the profile's population.

use super::{GROUPS, ProfileReader, Usual};
use crate::fact::population::Item;
use crate::snapshot::bytes::Reader;
use crate::snapshot::chunk::ChunkWriter;
use crate::snapshot::{ProfileSummary, SnapshotError};

/// What the profile's population counts; to be raised when another field, habit or grouping is counted.
const MEANING: u128 = 1;

impl ProfileReader {
    /// Writes everybody's amounts.
    pub(crate) fn save(&self, writer: &mut ChunkWriter) -> ProfileSummary {
        let usual = |usual: &Option<Usual>| usual.map(|usual| [usual.median, usual.upper, usual.most]);
        ProfileSummary {
            today: (self.today > i64::MIN).then_some(self.today),
            usual: self.usual.iter().map(usual).collect(),
            population: self.population.save(0, MEANING, writer),
        }
    }

    /// Begins to load: the days, nothing counted yet.
    pub(crate) fn begin_load(&mut self, summary: &ProfileSummary) -> Result<(), SnapshotError> {
        if summary.population.meaning != MEANING {
            return Err(SnapshotError::NoPopulation { name: "profile".to_owned() });
        }
        if summary.usual.len() != GROUPS {
            return Err(SnapshotError::malformed("another number of groups than the profile has"));
        }
        self.today = summary.today.unwrap_or(i64::MIN);
        for (held, read) in self.usual.iter_mut().zip(&summary.usual) {
            let is_usual = |read: &[f64; 3]| read[0] > 0.0 && read.iter().all(|value| value.is_finite());
            if read.is_some_and(|read| !is_usual(&read)) {
                return Err(SnapshotError::malformed("a usual amount is not a positive number"));
            }
            *held = read.map(|[median, upper, most]| Usual { median, upper, most });
        }
        self.population.begin_load(&summary.population)
    }

    /// Loads the next item.
    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.population.load(&Item::read(from)?)
    }
}
