//! Saving and loading a population: one item for each group, day and bin with a count.

use super::{Count, Population};
use crate::fact::histogram::BINS;
use crate::snapshot::bytes::{Reader, put_number, put_word};
use crate::snapshot::chunk::ChunkWriter;
use crate::snapshot::{PopulationSummary, SnapshotError};
use hashbrown::HashTable;

impl Population {
    /// Writes all counts as items that begin with `which`.
    pub(crate) fn save(&self, which: u64, meaning: u128, writer: &mut ChunkWriter) -> PopulationSummary {
        let mut counts = 0;
        for (age, day) in (0u64..).zip(&self.by_day) {
            for entry in day.iter().filter(|entry| entry.count > 0) {
                writer.put(|out| {
                    put_number(out, which);
                    put_number(out, age);
                    put_word(out, self.histograms[usize::from(entry.histogram)].group);
                    put_number(out, u64::from(entry.bin));
                    put_number(out, u64::from(entry.count));
                });
                counts += 1;
            }
        }
        PopulationSummary {
            meaning,
            today: (self.today > i64::MIN).then_some(self.today),
            days_held: u32::try_from(self.by_day.len()).expect("no more days than a u32 counts"),
            counts,
        }
    }

    /// Begins to load: the days, nothing counted yet.
    pub(crate) fn begin_load(&mut self, summary: &PopulationSummary) -> Result<(), SnapshotError> {
        let days = usize::try_from(summary.days_held).unwrap_or(usize::MAX);
        if days > self.days || summary.today.is_none() && days > 0 {
            return Err(SnapshotError::malformed("more days than a population counts"));
        }
        self.today = summary.today.unwrap_or(i64::MIN);
        self.by_day.resize_with(days, HashTable::new);
        Ok(())
    }

    /// Loads the counts of an item.
    pub(crate) fn load(&mut self, item: &Item) -> Result<(), SnapshotError> {
        let day = usize::try_from(item.age).ok().filter(|age| *age < self.by_day.len());
        let day = day.ok_or(SnapshotError::malformed("a day that the population does not count"))?;
        let counted = self.add(day, &item.counted);
        counted
            .then_some(())
            .ok_or(SnapshotError::malformed("a population has more groups or events than it can count"))
    }
}

/// An item: counts of one population.
pub(crate) struct Item {
    /// Number of the population.
    pub(crate) which: u64,
    /// Days before the newest.
    age: u64,
    counted: Count,
}

impl Item {
    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Item, SnapshotError> {
        let (which, age) = (from.number()?, from.number()?);
        let counted = Count { group: from.word()?, bin: from.small()?, count: from.small()? };
        if usize::from(counted.bin) >= BINS {
            return Err(SnapshotError::malformed("an unknown bin"));
        }
        Ok(Item { which, age, counted })
    }
}
