//! All population ranks of a plan, each identified by what it counts.

mod wire;

use super::FactMarks;
use super::population::{Population, Recount};
use crate::batch::Timestamp;
use crate::snapshot::{fingerprint, kind_text};
use tripline_rules::aggregate::{AggregatePlan, Population as Rank, TagId, Tags};
use tripline_rules::schema::Schema;
use tripline_rules::value::{Registers, Slot};

/// One rank and the population it ranks among.
#[derive(Clone, Debug)]
struct Ranked {
    name: String,
    /// Where a set of facts has it.
    position: usize,
    /// Equal for ranks that count the same, in whichever pack.
    meaning: u128,
    value: Slot,
    group: Option<Slot>,
    filter: Option<TagId>,
    follow_ups: bool,
    at_least: u32,
    slot: Slot,
    population: Population,
}

impl Ranked {
    fn new(rank: &Rank, position: usize, schema: &Schema, pack: &str) -> Ranked {
        Ranked {
            name: rank.name.clone(),
            position,
            meaning: meaning(rank, schema, pack),
            value: rank.value,
            group: rank.group,
            filter: rank.filter,
            follow_ups: rank.follow_ups,
            at_least: rank.at_least,
            slot: rank.slot,
            population: Population::new(rank.days),
        }
    }

    /// The event's group and value; `None` when it lacks one of them.
    fn of(&self, registers: &Registers) -> Option<(u64, f64)> {
        let group = self.group.map_or(Some(0), |slot| registers.get(slot))?;
        Some((group, registers.number(self.value)?))
    }

    /// The same of an event that is counted.
    fn counted(&self, tags: &Tags, registers: &Registers, is_follow_up: bool) -> Option<(u64, f64)> {
        let is_counted = self.filter.is_none_or(|tag| tags.has(tag)) && (self.follow_ups || !is_follow_up);
        self.of(registers).filter(|_| is_counted)
    }
}

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
        // Without a wording of its own, a condition means the same only within its pack.
        (Some(_), None) => pack,
    };
    let whose = if rank.follow_ups { " with follow-ups" } else { "" };
    fingerprint(&format!("{}\n{group}\n{}\n{filter}{whose}", field(rank.value), rank.days))
}

/// All population ranks of a plan.
#[derive(Clone, Debug, Default)]
pub struct Populations {
    ranked: Vec<Ranked>,
    /// What ranks of earlier plans had not counted.
    gone_dropped: u64,
}

impl Populations {
    /// The plan's ranks, nothing counted yet. `pack`: the hash of what the plan was compiled from.
    pub fn new(plan: &AggregatePlan, schema: &Schema, pack: &str) -> Populations {
        let ranks = plan.populations.iter().enumerate();
        let ranked = ranks.map(|(number, rank)| Ranked::new(rank, plan.rank_position(number), schema, pack));
        Populations { ranked: ranked.collect(), gone_dropped: 0 }
    }

    /// Takes over another plan: what counts the same as before goes on, the rest is counted from the rows held.
    ///
    /// `rows` is called if there is anything to be counted, and calls with time, fields and the truth of the new plan's
    /// conditions of each row, and whether it is a follow-up, in any order. What is counted so lacks what the rows
    /// lack: events older than the retention, and values that were amended since.
    pub fn install(
        &mut self,
        plan: &AggregatePlan,
        schema: &Schema,
        pack: &str,
        watermark: Timestamp,
        rows: impl FnOnce(&mut dyn FnMut(Timestamp, &Registers, &Tags, bool)),
    ) {
        let old = std::mem::replace(self, Populations::new(plan, schema, pack));
        let mut recounts: Vec<(usize, Recount)> = Vec::new();
        for (index, (ranked, rank)) in self.ranked.iter_mut().zip(&plan.populations).enumerate() {
            match old.ranked.iter().find(|held| held.meaning == ranked.meaning) {
                Some(held) => ranked.population.clone_from(&held.population),
                None => recounts.push((index, Recount::new(rank.days, watermark))),
            }
        }
        self.gone_dropped = old.dropped().saturating_sub(self.dropped());
        if recounts.is_empty() || watermark == Timestamp(i64::MIN) {
            return;
        }
        rows(&mut |at, registers, tags, is_follow_up| {
            for (index, recount) in &mut recounts {
                if let Some((group, value)) = self.ranked[*index].counted(tags, registers, is_follow_up) {
                    recount.add(at, group, value);
                }
            }
        });
        for (index, recount) in recounts {
            self.ranked[index].population = recount.finish();
        }
    }

    /// Forgets the days that no longer count at this time.
    pub fn begin_day(&mut self, at: Timestamp) {
        self.ranked.iter_mut().for_each(|ranked| ranked.population.begin_day(at));
    }

    /// Writes the event's ranks among the events counted before it; missing where there are too few.
    pub fn rank(&self, registers: &mut Registers, marks: &mut FactMarks) {
        for ranked in &self.ranked {
            let share = ranked.of(registers).and_then(|(group, value)| {
                if ranked.population.lacks(group) {
                    marks.approximate.insert(ranked.position);
                }
                let enough = ranked.population.count(group) >= ranked.at_least;
                ranked.population.share_smaller(group, value).filter(|_| enough)
            });
            registers.put(ranked.slot, share.map(f64::to_bits));
        }
    }

    /// Counts an event that was ranked.
    pub fn observe(&mut self, at: Timestamp, tags: &Tags, registers: &Registers, is_follow_up: bool) {
        for ranked in &mut self.ranked {
            if let Some((group, value)) = ranked.counted(tags, registers, is_follow_up) {
                ranked.population.observe(at, group, value);
            }
        }
    }

    /// Values that were not counted since the beginning, because their group was one too many.
    pub fn dropped(&self) -> u64 {
        self.gone_dropped + self.ranked.iter().map(|ranked| ranked.population.dropped()).sum::<u64>()
    }

    /// Bytes of memory.
    pub fn counted_bytes(&self) -> usize {
        self.ranked.iter().map(|ranked| ranked.population.counted_bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tripline_rules::aggregate::{KeySpace, Lane};
    use tripline_rules::diagnostic::File;
    use tripline_rules::schema::{ACCOUNT_ID, TX_AMOUNT, TX_DECLINED};
    use tripline_rules::time::{DAY_MS, HOUR_MS};

    const RANK: Slot = Slot(40);

    fn schema() -> Schema {
        let text = "version: 1\nfields:\n  event.type: one of purchase|label\n  tx.amount: money in EUR\n  \
                    tx.declined: yes/no\nkeep: [tx.amount, tx.declined]\n";
        Schema::load(&File::new("schema.yaml", text)).0.unwrap()
    }

    fn rank(name: &str, days: u32, group: Option<Slot>, filter: Option<u8>) -> Rank {
        Rank {
            name: name.to_owned(),
            value: TX_AMOUNT,
            group,
            days,
            filter: filter.map(TagId),
            follow_ups: false,
            condition: filter.map(|_| "not tx.declined".to_owned()),
            at_least: 0,
            slot: RANK,
        }
    }

    fn plan(populations: Vec<Rank>) -> AggregatePlan {
        AggregatePlan {
            space: KeySpace { entity: "account".to_owned(), key: ACCOUNT_ID },
            lanes: vec![Lane { fields: Vec::new() }],
            tags: 3,
            aggregates: Vec::new(),
            populations,
            coverages: Vec::new(),
            look_back: 0,
        }
    }

    /// Time, amount, whether it was declined.
    type Row = (Timestamp, f64, bool);

    fn registers(row: &Row) -> (Registers, Tags) {
        let mut registers = Registers::new(50);
        registers.set_number(TX_AMOUNT, row.1);
        registers.set(TX_DECLINED, u64::from(row.2));
        let mut tags = Tags::default();
        if !row.2 {
            tags.set(TagId(2));
        }
        (registers, tags)
    }

    fn observe(populations: &mut Populations, rows: &[Row]) {
        for row in rows {
            let (registers, tags) = registers(row);
            populations.begin_day(row.0);
            populations.observe(row.0, &tags, &registers, false);
        }
    }

    fn replay(rows: &[Row], call: &mut dyn FnMut(Timestamp, &Registers, &Tags, bool)) {
        for row in rows {
            let (registers, tags) = registers(row);
            call(row.0, &registers, &tags, false);
        }
    }

    /// The ranks of some amounts among all, and among the declined or the others.
    fn ranks(populations: &Populations) -> Vec<Option<u64>> {
        let mut all = Vec::new();
        for ranked in &populations.ranked {
            let one = Populations { ranked: vec![ranked.clone()], gone_dropped: 0 };
            for (amount, declined) in [(0.0, false), (5.0, true), (50.0, false), (50.0, true), (1e4, false)] {
                let (mut registers, _) = registers(&(Timestamp(0), amount, declined));
                one.rank(&mut registers, &mut FactMarks::default());
                all.push(registers.get(RANK));
            }
        }
        all
    }

    #[test]
    fn what_counts_the_same_goes_on_under_another_name_and_number_and_nothing_is_recounted() {
        let schema = schema();
        let old = plan(vec![rank("a", 2, None, None), rank("b", 2, Some(TX_DECLINED), Some(2))]);
        let new = plan(vec![rank("z", 2, Some(TX_DECLINED), Some(1)), rank("y", 2, None, None)]);
        let rows =
            [(Timestamp(0), 10.0, true), (Timestamp(1), 20.0, false), (Timestamp(DAY_MS), 30.0, false)];
        let mut populations = Populations::new(&old, &schema, "one pack");
        observe(&mut populations, &rows);
        let mut before = ranks(&populations);
        before.rotate_left(5);
        populations.install(&new, &schema, "another", Timestamp(DAY_MS), |_| panic!("all goes on"));
        assert_eq!(ranks(&populations), before);
    }

    #[test]
    fn a_condition_without_wording_is_counted_anew_in_another_pack() {
        let schema = schema();
        let unnamed = || plan(vec![Rank { condition: None, ..rank("a", 2, None, Some(2)) }]);
        let mut populations = Populations::new(&unnamed(), &schema, "one pack");
        observe(&mut populations, &[(Timestamp(0), 10.0, false)]);
        populations.install(&unnamed(), &schema, "one pack", Timestamp(0), |_| panic!("it goes on"));
        assert_eq!(populations.ranked[0].population.count(0), 1);
        populations.install(&unnamed(), &schema, "another", Timestamp(0), |_| {});
        assert_eq!(populations.ranked[0].population.count(0), 0);
    }

    proptest! {
        #[test]
        fn new_populations_equal_those_to_which_the_same_rows_came(
            steps in prop::collection::vec((0..20 * HOUR_MS, 0.1..2e4f64, any::<bool>(), any::<u64>()), 0..60),
            after in 0..4 * DAY_MS,
            days in 1..4u32,
        ) {
            let schema = schema();
            let new = plan(vec![
                rank("all", days, None, None),
                rank("approved", days, None, Some(2)),
                rank("each", days, Some(TX_DECLINED), None),
            ]);
            let mut at = 0;
            let (mut rows, mut shuffled): (Vec<Row>, Vec<(u64, Row)>) = (Vec::new(), Vec::new());
            for (step, amount, declined, place) in steps {
                at += step;
                rows.push((Timestamp(at), amount, declined));
                shuffled.push((place, (Timestamp(at), amount, declined)));
            }
            shuffled.sort_by_key(|(place, _)| *place);
            let shuffled: Vec<Row> = shuffled.into_iter().map(|(_, row)| row).collect();
            let mut fresh = Populations::new(&new, &schema, "pack");
            observe(&mut fresh, &rows);
            fresh.begin_day(Timestamp(at + after));
            let mut installed = Populations::new(&plan(Vec::new()), &schema, "none");
            installed.install(&new, &schema, "pack", Timestamp(at + after), |call| replay(&shuffled, call));
            prop_assert_eq!(ranks(&installed), ranks(&fresh));
            // They go on alike, too.
            let later = [(Timestamp(at + after + 1), 50.0, false), (Timestamp(at + after + DAY_MS), 5.0, true)];
            observe(&mut fresh, &later);
            observe(&mut installed, &later);
            prop_assert_eq!(ranks(&installed), ranks(&fresh));
        }
    }
}
