//! What is usual among everybody: running histograms of a field over the shard's events of the last days.
//!
//! Integer counts a bin and UTC day, so a function of the shard's log. It does not depend on rows: an event is counted
//! once, after it was ranked among the events before it, and is forgotten with its day.

mod recount;
mod wire;

pub(crate) use recount::Recount;
pub(crate) use wire::Item;

use super::histogram::{Histogram, bin, middle};
use crate::batch::Timestamp;
use crate::row::mix;
use hashbrown::HashTable;
use std::collections::VecDeque;
use tripline_rules::time::DAY_MS;

/// Groups of one population; values of further ones are not counted until a group has lost all its events.
pub const GROUPS_MAX: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Entry {
    histogram: u16,
    bin: u16,
    count: u32,
}

fn entry_hash(histogram: u16, bin: u16) -> u64 {
    mix(u64::from(histogram) << 16 | u64::from(bin))
}

/// So many events of a group in a bin.
#[derive(Clone, Copy, Debug)]
struct Count {
    group: u64,
    bin: u16,
    count: u32,
}

/// Histograms of one field, one for each group.
#[derive(Clone, Debug)]
pub struct Population {
    days: usize,
    /// The newest day that was seen.
    today: i64,
    /// What each day added, today's first.
    by_day: VecDeque<HashTable<Entry>>,
    histograms: Vec<Histogram>,
    vacant: Vec<u16>,
    groups: HashTable<(u64, u16)>,
    /// The newest day of which a value was not counted because its group was one too many.
    lacking: i64,
    /// Values that were not counted.
    dropped: u64,
}

impl Population {
    /// Nothing counted yet; whole UTC days are counted, the newest one included.
    ///
    /// # Panics
    /// When `days` is 0.
    pub fn new(days: u32) -> Population {
        assert!(days > 0, "a population counts a day at least");
        Population {
            days: days as usize,
            today: i64::MIN,
            by_day: VecDeque::new(),
            histograms: Vec::new(),
            vacant: Vec::new(),
            groups: HashTable::new(),
            lacking: i64::MIN,
            dropped: 0,
        }
    }

    /// Counts a value in its group and day. A day that has left the count, or a group too many, changes nothing.
    pub fn observe(&mut self, at: Timestamp, group: u64, value: f64) {
        let day = at.0.div_euclid(DAY_MS);
        self.turn_to(day);
        let Ok(age) = usize::try_from(self.today - day) else { return };
        if age >= self.days {
            return;
        }
        self.add(age, &Count { group, bin: bin(value), count: 1 });
    }

    /// Adds to the counts of a day. False, and nothing is counted, for a group too many or a count that is full.
    #[inline]
    fn add(&mut self, age: usize, added: &Count) -> bool {
        let is_counted = self.try_add(age, added);
        if !is_counted {
            self.note_dropped(age, added);
        }
        is_counted
    }

    fn try_add(&mut self, age: usize, added: &Count) -> bool {
        let Some(histogram) = self.histogram(added.group) else { return false };
        let (bin, count) = (added.bin, added.count);
        let held = &mut self.histograms[usize::from(histogram)];
        if held.count.checked_add(count).is_none() {
            return false;
        }
        held.change(bin, |before| before + count);
        if age >= self.by_day.len() {
            self.by_day.resize_with(age + 1, HashTable::new);
        }
        let same = |entry: &Entry| (entry.histogram, entry.bin) == (histogram, bin);
        let rehash = |entry: &Entry| entry_hash(entry.histogram, entry.bin);
        let hash = entry_hash(histogram, bin);
        let mut entry =
            self.by_day[age].entry(hash, same, rehash).or_insert(Entry { histogram, bin, count: 0 });
        entry.get_mut().count += count;
        true
    }

    #[cold]
    fn note_dropped(&mut self, age: usize, added: &Count) {
        self.dropped += u64::from(added.count);
        let day = self.today.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX));
        let lacking = match self.number(added.group) {
            Some(number) => &mut self.histograms[usize::from(number)].lacking,
            None => &mut self.lacking,
        };
        *lacking = day.max(*lacking);
    }

    /// Whether values of a group may be missing from its counts. Of a group without counts they are those that were not
    /// counted; one that came later may have lost some before.
    pub fn lacks(&self, group: u64) -> bool {
        let lacking = self.find(group).map_or(self.lacking, |histogram| histogram.lacking);
        let days = i64::try_from(self.days).unwrap_or(i64::MAX);
        lacking > self.today.saturating_sub(days)
    }

    /// Values that were not counted since the beginning.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A new day begins: the oldest are forgotten. Days never turn back, not even of an empty population.
    fn turn_to(&mut self, day: i64) {
        if self.by_day.is_empty() {
            self.today = self.today.max(day);
        }
        while self.today < day && !self.by_day.is_empty() {
            let mut free = if self.by_day.len() == self.days { self.by_day.pop_back() } else { None }
                .unwrap_or_default();
            self.forget(&free);
            free.clear();
            self.by_day.push_front(free);
            self.today += 1;
            if self.by_day.iter().all(HashTable::is_empty) {
                self.by_day.clear();
                self.today = day;
            }
        }
    }

    fn forget(&mut self, day: &HashTable<Entry>) {
        // The order of subtractions does not matter; that of freed groups must not depend on it.
        for entry in day {
            let histogram = &mut self.histograms[usize::from(entry.histogram)];
            histogram.change(entry.bin, |count| count - entry.count);
        }
        for number in 0..u16::try_from(self.histograms.len()).expect("at most 1,024 groups") {
            let histogram = &self.histograms[usize::from(number)];
            let group = histogram.group;
            let own = |held: &(u64, u16)| *held == (group, number);
            if histogram.count == 0
                && let Ok(held) = self.groups.find_entry(mix(group), own)
            {
                held.remove();
                self.vacant.push(number);
            }
        }
    }

    fn find(&self, group: u64) -> Option<&Histogram> {
        self.number(group).map(|number| &self.histograms[usize::from(number)])
    }

    fn number(&self, group: u64) -> Option<u16> {
        self.groups.find(mix(group), |held| held.0 == group).map(|held| held.1)
    }

    fn histogram(&mut self, group: u64) -> Option<u16> {
        if let Some(number) = self.number(group) {
            return Some(number);
        }
        let number = match self.vacant.pop() {
            Some(number) => number,
            None if self.histograms.len() == GROUPS_MAX => return None,
            None => {
                self.histograms.push(Histogram::new(group));
                u16::try_from(self.histograms.len() - 1).expect("at most 1,024 groups")
            }
        };
        let histogram = &mut self.histograms[usize::from(number)];
        (histogram.group, histogram.lacking) = (group, self.lacking);
        self.groups.insert_unique(mix(group), (group, number), |held| mix(held.0));
        Some(number)
    }

    /// Events counted in a group.
    pub fn count(&self, group: u64) -> u32 {
        self.find(group).map_or(0, |histogram| histogram.count)
    }

    /// Share of a group's events in a bin below the value's, in [0, 1]; missing of no events.
    pub fn share_smaller(&self, group: u64, value: f64) -> Option<f64> {
        let histogram = self.find(group)?;
        (histogram.count > 0).then(|| f64::from(histogram.below(bin(value))) / f64::from(histogram.count))
    }

    /// Share of a group's events in the value's bin or above, in [0, 1]; missing of no events.
    pub fn share_at_least(&self, group: u64, value: f64) -> Option<f64> {
        let histogram = self.find(group)?;
        let at_least = histogram.count - histogram.below(bin(value));
        (histogram.count > 0).then(|| f64::from(at_least) / f64::from(histogram.count))
    }

    /// The middle of the first bin up to which a share of a group's events lies, `share` in (0, 1]; missing of no
    /// events.
    pub fn quantile(&self, group: u64, share: f64) -> Option<f64> {
        let histogram = self.find(group)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a u32 fits one"
        )]
        let rank = libm::ceil(share.clamp(0.0, 1.0) * f64::from(histogram.count)) as u32;
        (histogram.count > 0).then(|| middle(histogram.reaching(rank.max(1))))
    }

    /// Forgets the days that no longer count at this time.
    pub fn begin_day(&mut self, at: Timestamp) {
        self.turn_to(at.0.div_euclid(DAY_MS));
    }

    /// Bytes of memory.
    pub fn counted_bytes(&self) -> usize {
        let days: usize = self.by_day.iter().map(HashTable::allocation_size).sum();
        days + self.histograms.len() * Histogram::counted_bytes() + self.groups.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noon(day: i64) -> Timestamp {
        Timestamp(day * DAY_MS + DAY_MS / 2)
    }

    #[test]
    fn a_value_is_ranked_among_bins_of_one_per_cent() {
        let mut amounts = Population::new(2);
        for value in [1000.0, 2000.0, 2001.0, 4000.0, 0.0] {
            amounts.observe(noon(0), 0, value);
        }
        assert_eq!(amounts.share_smaller(0, 2001.0), Some(0.4), "2000 and 2001 share a bin");
        assert_eq!(amounts.share_at_least(0, 2001.0), Some(0.6));
        assert_eq!(amounts.share_at_least(0, 1e9), Some(0.0));
        assert_eq!(amounts.share_smaller(0, -5.0), Some(0.0));
        let median = amounts.quantile(0, 0.5).unwrap();
        assert!((median / 2000.0 - 1.0).abs() < 0.01, "{median}");
        assert_eq!((amounts.count(7), amounts.quantile(7, 0.5)), (0, None));
    }

    #[test]
    fn whole_days_are_counted_and_the_oldest_forgotten_when_a_new_one_begins() {
        let mut amounts = Population::new(2);
        amounts.observe(Timestamp(DAY_MS - 1), 0, 10.0);
        amounts.observe(Timestamp(DAY_MS), 0, 10.0);
        assert_eq!(amounts.count(0), 2);
        amounts.observe(Timestamp(2 * DAY_MS - 1), 0, 10.0);
        assert_eq!(amounts.count(0), 3);
        amounts.observe(Timestamp(2 * DAY_MS), 0, 10.0);
        assert_eq!(amounts.count(0), 3, "yesterday's two and today's one");
        amounts.observe(Timestamp(0), 0, 10.0);
        assert_eq!(amounts.count(0), 3, "a day that has left");
        amounts.observe(noon(400), 0, 10.0);
        assert_eq!(amounts.count(0), 1);
    }

    #[test]
    fn a_group_too_many_is_not_counted_until_another_has_gone() {
        let mut amounts = Population::new(1);
        (0..=GROUPS_MAX as u64).for_each(|group| amounts.observe(noon(0), group, 1.0));
        assert_eq!((amounts.count(0), amounts.count(GROUPS_MAX as u64)), (1, 0));
        amounts.observe(noon(1), GROUPS_MAX as u64, 1.0);
        assert_eq!((amounts.count(0), amounts.count(GROUPS_MAX as u64)), (0, 1));
    }

    #[test]
    fn of_groups_too_many_those_are_counted_that_came_first_in_whatever_order_rows_are_seen() {
        let groups = GROUPS_MAX as u64 + 5;
        let mut recount = Recount::new(1, noon(0));
        (0..groups).rev().for_each(|group| recount.add(Timestamp(group.cast_signed()), group, 1.0));
        let amounts = recount.finish();
        assert_eq!((amounts.count(GROUPS_MAX as u64 - 1), amounts.count(GROUPS_MAX as u64)), (1, 0));
    }

    proptest! {
        #[test]
        fn shares_and_medians_equal_a_recount(
            events in prop::collection::vec((0..6i64, 0..3i64, 0..3u64, -10.0..1e6f64), 1..80),
            days in 1..4u32,
        ) {
            let mut population = Population::new(days);
            let mut today = 0;
            let mut counted: Vec<(i64, u64, f64)> = Vec::new();
            for (step, back, group, value) in events {
                today += i64::from(step == 5);
                let day = today - back;
                let newest = counted.iter().map(|(day, ..)| *day).max().unwrap_or(day).max(day);
                if newest - day < i64::from(days) {
                    population.observe(noon(day), group, value);
                    counted.push((day, group, value));
                }
                let mut bins: Vec<u16> = counted
                    .iter()
                    .filter(|(day, held, _)| newest - day < i64::from(days) && *held == group)
                    .map(|(_, _, value)| bin(*value))
                    .collect();
                bins.sort_unstable();
                prop_assert_eq!(population.count(group) as usize, bins.len());
                let count = |bins: usize| f64::from(u32::try_from(bins).unwrap());
                let below = count(bins.iter().filter(|held| **held < bin(value)).count());
                let share = (!bins.is_empty()).then(|| below / count(bins.len()));
                prop_assert_eq!(population.share_smaller(group, value), share);
                let median = bins.get(bins.len().saturating_sub(1) / 2).map(|bin| middle(*bin));
                prop_assert_eq!(population.quantile(group, 0.5), median);
            }
        }
    }
}
