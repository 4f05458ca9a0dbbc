//! A population that is counted anew from rows, which come in any order.

use super::{Count, Population};
use crate::batch::Timestamp;
use crate::fact::histogram::bin;
use std::collections::BTreeMap;
use tripline_rules::time::DAY_MS;

/// What a group's events of one day come to.
#[derive(Debug)]
struct OfDay {
    first_at: Timestamp,
    counts: BTreeMap<u16, u32>,
}

/// Counts of the rows seen so far, by day and group.
#[derive(Debug)]
pub(crate) struct Recount {
    days: u32,
    today: i64,
    by_day: BTreeMap<(i64, u64), OfDay>,
}

impl Recount {
    /// Nothing seen yet; `days` whole UTC days are counted, that of the watermark included.
    pub(crate) fn new(days: u32, watermark: Timestamp) -> Recount {
        Recount { days, today: watermark.0.div_euclid(DAY_MS), by_day: BTreeMap::new() }
    }

    /// Takes a row in. One of a day that is not counted any more changes nothing.
    pub(crate) fn add(&mut self, at: Timestamp, group: u64, value: f64) {
        let day = at.0.div_euclid(DAY_MS);
        if self.today.saturating_sub(day) >= i64::from(self.days) {
            return;
        }
        let empty = || OfDay { first_at: at, counts: BTreeMap::new() };
        let held = self.by_day.entry((day, group)).or_insert_with(empty);
        held.first_at = held.first_at.min(at);
        let count = held.counts.entry(bin(value)).or_default();
        *count = count.saturating_add(1);
    }

    /// The population of these rows. Where there are more groups than one population has, those are counted that a
    /// population would count to which the rows came in the order of their times.
    pub(crate) fn finish(self) -> Population {
        let mut population = Population::new(self.days);
        let mut left: Vec<(i64, Timestamp, u64, OfDay)> =
            self.by_day.into_iter().map(|((day, group), of)| (day, of.first_at, group, of)).collect();
        left.sort_by_key(|(day, first_at, group, _)| (*day, *first_at, *group));
        for (day, _, group, of_day) in left {
            population.turn_to(day);
            for (bin, count) in of_day.counts {
                population.add(0, &Count { group, bin, count });
            }
        }
        population.turn_to(self.today);
        population
    }
}
