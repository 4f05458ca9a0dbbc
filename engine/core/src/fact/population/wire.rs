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
        let held = self.histograms.iter().filter(|histogram| histogram.count > 0);
        let mut lacking_groups: Vec<(u64, i64)> = held
            .filter(|histogram| histogram.lacking > i64::MIN)
            .map(|histogram| (histogram.group, histogram.lacking))
            .collect();
        lacking_groups.sort_unstable();
        PopulationSummary {
            meaning,
            lacking: (self.lacking > i64::MIN).then_some(self.lacking),
            lacking_groups,
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
        for (group, lacking) in &summary.lacking_groups {
            let number = self.histogram(*group);
            let number =
                number.ok_or(SnapshotError::malformed("a population has more groups than it counts"))?;
            self.histograms[usize::from(number)].lacking = *lacking;
        }
        self.lacking = summary.lacking.unwrap_or(i64::MIN);
        Ok(())
    }

    /// Loads the counts of an item.
    pub(crate) fn load(&mut self, item: &Item) -> Result<(), SnapshotError> {
        let day = usize::try_from(item.age).ok().filter(|age| *age < self.by_day.len());
        let day = day.ok_or(SnapshotError::malformed("a day that the population does not count"))?;
        let is_new = self.find(item.counted.group).is_none();
        if !self.try_add(day, &item.counted) {
            return Err(SnapshotError::malformed("a population has more groups or events than it can count"));
        }
        if is_new && let Some(number) = self.number(item.counted.group) {
            self.histograms[usize::from(number)].lacking = i64::MIN;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::super::GROUPS_MAX;
    use super::*;
    use crate::batch::Timestamp;
    use crate::snapshot::chunk::ItemKind;
    use tripline_rules::time::DAY_MS;

    #[test]
    fn which_groups_may_lack_values_is_known_after_loading() {
        let (one_too_many, other) = (GROUPS_MAX as u64, GROUPS_MAX as u64 + 1);
        let mut population = Population::new(2);
        (0..=one_too_many).for_each(|group| population.observe(Timestamp(0), group, 1.0));
        let saved = |population: &Population| {
            let (mut writer, mut chunks) = (ChunkWriter::new(ItemKind::Populations), Vec::new());
            let summary = population.save(0, 7, &mut writer);
            writer.finish(&mut chunks);
            (summary, chunks)
        };
        for day in 1..5 {
            population.begin_day(Timestamp(day * DAY_MS));
            // On the second day all groups are taken. The third begins without the first, and with it they have left.
            let came: &[u64] = if day == 1 { &[0, one_too_many] } else { &[one_too_many] };
            came.iter().for_each(|group| population.observe(Timestamp(day * DAY_MS), *group, 1.0));
            assert_eq!(population.lacks(one_too_many), day < 3, "day {day}");
            assert!(!population.lacks(0), "day {day}");
            let (summary, chunks) = saved(&population);
            let mut loaded = Population::new(2);
            loaded.begin_load(&summary).unwrap();
            for chunk in &chunks {
                let (_, mut items) = ItemKind::read(&chunk.bytes).unwrap();
                while items.left() > 0 {
                    loaded.load(&Item::read(&mut items).unwrap()).unwrap();
                }
            }
            for group in [0, 1, one_too_many, other] {
                assert_eq!(loaded.lacks(group), population.lacks(group), "day {day}, group {group}");
            }
            assert_eq!(saved(&loaded).0, summary, "day {day}");
        }
    }
}
