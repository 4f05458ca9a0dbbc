//! Histograms into a snapshot and out of one: one item a group, day and bin that counted anything.

use super::{BINS, Entry, Population, Populations, Rank, entry_hash};
use crate::snapshot::bytes::{Reader, put_number, put_word};
use crate::snapshot::chunk::Filling;
use crate::snapshot::{PopulationCut, SnapshotFault, fingerprint, kind_text};
use hashbrown::HashTable;
use tripline_rules::aggregate::AggregatePlan;
use tripline_rules::schema::Schema;

/// What a rank counts, whatever it is called and whichever pack asks.
fn meaning(rank: &Rank, schema: &Schema, pack: &str) -> u128 {
    let field = |slot| {
        let field = schema.field(slot);
        format!("{} {}", field.name, kind_text(&field.kind))
    };
    let group = rank.group.map_or_else(String::new, field);
    let filter = match (rank.filter, &rank.condition) {
        (None, _) => "",
        (Some(_), Some(condition)) => condition,
        // What cannot be told apart from its pack is the same in that pack alone.
        (Some(_), None) => pack,
    };
    fingerprint(&format!("{}\n{group}\n{}\n{filter}", field(rank.value), rank.days))
}

impl Population {
    /// Writes all counts as items that begin with `which`.
    pub(crate) fn save(&self, which: u64, meaning: u128, filling: &mut Filling) -> PopulationCut {
        let mut counts = 0;
        for (age, day) in (0u64..).zip(&self.by_day) {
            for entry in day.iter().filter(|entry| entry.count > 0) {
                filling.put(|out| {
                    put_number(out, which);
                    put_number(out, age);
                    put_word(out, self.histograms[usize::from(entry.histogram)].group);
                    put_number(out, u64::from(entry.bin));
                    put_number(out, u64::from(entry.count));
                });
                counts += 1;
            }
        }
        PopulationCut {
            meaning,
            today: (self.today > i64::MIN).then_some(self.today),
            days_held: u32::try_from(self.by_day.len()).expect("no more days than a u32 counts"),
            counts,
        }
    }

    /// Takes up the days of a cut, nothing counted yet.
    pub(crate) fn begin_load(&mut self, cut: &PopulationCut) -> Result<(), SnapshotFault> {
        let days = usize::try_from(cut.days_held).unwrap_or(usize::MAX);
        if days > self.days || cut.today.is_none() && days > 0 {
            return Err(SnapshotFault::malformed("more days than are counted"));
        }
        self.today = cut.today.unwrap_or(i64::MIN);
        self.by_day.resize_with(days, HashTable::new);
        Ok(())
    }

    fn load(&mut self, count: &Count) -> Result<(), SnapshotFault> {
        let too_many = SnapshotFault::malformed("a population counts more than it can");
        let day = usize::try_from(count.age).ok().filter(|age| *age < self.by_day.len());
        let day = day.ok_or(SnapshotFault::malformed("a day that is not counted"))?;
        let histogram = self.histogram(count.group).ok_or(too_many.clone())?;
        let held = &mut self.histograms[usize::from(histogram)];
        held.count.checked_add(count.count).ok_or(too_many)?;
        held.change(count.bin, |before| before + count.count);
        let same = |entry: &Entry| (entry.histogram, entry.bin) == (histogram, count.bin);
        let rehash = |entry: &Entry| entry_hash(entry.histogram, entry.bin);
        let hash = entry_hash(histogram, count.bin);
        let empty = Entry { histogram, bin: count.bin, count: 0 };
        let mut entry = self.by_day[day].entry(hash, same, rehash).or_insert(empty);
        entry.get_mut().count += count.count;
        Ok(())
    }

    /// Takes the next item of a profile's population.
    pub(crate) fn load_only(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotFault> {
        let count = Count::read(from)?;
        self.load(&count)
    }
}

/// An item.
struct Count {
    which: u64,
    age: u64,
    group: u64,
    bin: u16,
    count: u32,
}

impl Count {
    fn read(from: &mut Reader<'_>) -> Result<Count, SnapshotFault> {
        let count = Count {
            which: from.number()?,
            age: from.number()?,
            group: from.word()?,
            bin: from.small()?,
            count: from.small()?,
        };
        if usize::from(count.bin) >= BINS {
            return Err(SnapshotFault::malformed("a bin that there is not"));
        }
        Ok(count)
    }
}

impl Populations {
    /// Writes all counts; `pack` is the hash of what the plan was compiled from.
    pub(crate) fn save(
        &self,
        plan: &AggregatePlan,
        schema: &Schema,
        pack: &str,
        filling: &mut Filling,
    ) -> Vec<PopulationCut> {
        let ranks = (0u64..).zip(&self.ranked).zip(&plan.populations);
        ranks
            .map(|((which, ranked), rank)| {
                ranked.population.save(which, meaning(rank, schema, pack), filling)
            })
            .collect()
    }

    /// Finds for each rank of the plan what counted the same at the cut: the positions there.
    ///
    /// # Errors
    /// The first rank that nothing counted.
    pub(crate) fn begin_load(
        &mut self,
        cuts: &[PopulationCut],
        plan: &AggregatePlan,
        schema: &Schema,
        pack: &str,
    ) -> Result<Vec<u64>, SnapshotFault> {
        let mut sources = Vec::with_capacity(self.ranked.len());
        for (ranked, rank) in self.ranked.iter_mut().zip(&plan.populations) {
            let own = meaning(rank, schema, pack);
            let found = (0u64..).zip(cuts).find(|(_, cut)| cut.meaning == own);
            let (which, cut) =
                found.ok_or_else(|| SnapshotFault::NoPopulation { name: rank.name.clone() })?;
            ranked.population.begin_load(cut)?;
            sources.push(which);
        }
        Ok(sources)
    }

    /// Takes the next item; `sources` are the positions of [`Populations::begin_load`].
    pub(crate) fn load(&mut self, sources: &[u64], from: &mut Reader<'_>) -> Result<(), SnapshotFault> {
        let count = Count::read(from)?;
        let meant = self.ranked.iter_mut().zip(sources).filter(|(_, source)| **source == count.which);
        for (ranked, _) in meant {
            ranked.population.load(&count)?;
        }
        Ok(())
    }
}
