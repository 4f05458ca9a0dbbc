//! What large ledgers keep beside their rows so that the work for a hot key is bounded: running totals, partial totals
//! of sections for events that are not the newest, an index of ids, and the newest row with a currency.
//!
//! A bounded number of ledgers have a cache, those in use; no answer depends on which. Caches are never saved.

use crate::batch::Timestamp;
use crate::fact::bound::BoundPlan;
use crate::fact::sections::Sections;
use crate::fact::totals::Totals;
use crate::row::{self, Rows, mix};
use hashbrown::HashTable;
use std::collections::VecDeque;

/// Ledgers with a cache; the others are scanned. One with 40 aggregates over many lanes may take 100 kB, and while its
/// events come out of order several times as much.
const CACHES_MAX: usize = 256;

/// Where the row of an event is, by the event's id.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// Id, time and number of arrival of each row.
    table: HashTable<(u64, Timestamp, u64)>,
    /// Numbers of arrival by position: they rise among rows of one time.
    arrivals: VecDeque<u64>,
    arrived: u64,
}

impl Ids {
    fn insert(&mut self, row: &[u64], position: usize) {
        let (id, at) = (row::id(row), row::at(row));
        self.table.insert_unique(mix(id), (id, at, self.arrived), |held| mix(held.0));
        self.arrivals.insert(position, self.arrived);
        self.arrived += 1;
    }

    fn remove_oldest(&mut self, row: &[u64]) {
        let arrival = self.arrivals.pop_front().expect("every row has arrived");
        let own = (row::id(row), row::at(row), arrival);
        if let Ok(entry) = self.table.find_entry(mix(own.0), |held| *held == own) {
            entry.remove();
        }
    }

    /// Position of the newest row after a time that has the id and satisfies a condition.
    pub(super) fn newest(
        &self,
        rows: &Rows<'_>,
        id: u64,
        after: Timestamp,
        is_meant: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let held = self.table.iter_hash(mix(id)).filter(|held| held.0 == id && held.1 > after);
        held.map(|held| self.position(rows, held.1, held.2)).filter(|position| is_meant(*position)).max()
    }

    fn position(&self, rows: &Rows<'_>, at: Timestamp, arrival: u64) -> usize {
        let (mut from, mut to) = (rows.until(Timestamp(at.0 - 1)), rows.until(at));
        while from < to {
            let middle = usize::midpoint(from, to);
            if self.arrivals[middle] < arrival { from = middle + 1 } else { to = middle }
        }
        from
    }

    fn counted_bytes(&self) -> usize {
        self.table.allocation_size() + self.arrivals.capacity() * size_of::<u64>()
    }
}

/// The newest row of a ledger that has a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CurrencyRow {
    pub(super) at: Timestamp,
    arrival: u64,
    pub(super) currency: u64,
}

/// The cache of one ledger.
#[derive(Debug)]
pub(super) struct Cache {
    ledger: u32,
    is_used: bool,
    pub(super) ids: Ids,
    pub(super) newest_currency: Option<CurrencyRow>,
    pub(super) totals: Totals,
    pub(super) sections: Sections,
}

impl Cache {
    fn new(ledger: u32, plan: &BoundPlan, rows: &Rows<'_>) -> Cache {
        let (ids, totals, sections) = (Ids::default(), Totals::new(plan, rows), Sections::default());
        let mut cache = Cache { ledger, is_used: true, ids, newest_currency: None, totals, sections };
        for position in 0..rows.len() {
            cache.ids.insert(rows.row(position), position);
            cache.note_currency(rows, position);
        }
        cache
    }

    /// A row has come, or has got a currency.
    pub(super) fn note_currency(&mut self, rows: &Rows<'_>, position: usize) {
        if let Some(currency) = rows.layout().currency_of(rows.row(position)) {
            let own = CurrencyRow { at: rows.at(position), arrival: self.ids.arrivals[position], currency };
            self.newest_currency = self.newest_currency.max(Some(own));
        }
    }

    /// The oldest rows are about to leave.
    pub(super) fn drop_oldest(&mut self, plan: &BoundPlan, rows: &Rows<'_>, count: usize) {
        if let Some(newest) = count.checked_sub(1) {
            let left = (rows.at(newest), self.ids.arrivals[newest]);
            self.newest_currency = self.newest_currency.filter(|held| (held.at, held.arrival) > left);
        }
        (0..count).for_each(|position| self.ids.remove_oldest(rows.row(position)));
        self.totals.drop_oldest(plan, rows, count);
        self.sections.drop_oldest(plan, rows, count);
    }

    /// A row has taken its place; [`Totals::take_out_from`] was called before.
    pub(super) fn put_back_from(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize) {
        self.ids.insert(rows.row(position), position);
        self.note_currency(rows, position);
        self.totals.put_back_from(plan, rows, position);
        self.sections.insert(plan, rows, position);
    }
}

/// The caches of a shard.
#[derive(Debug, Default)]
pub(super) struct Caches {
    slots: Vec<Cache>,
    by_ledger: HashTable<(u32, usize)>,
    hand: usize,
}

impl Caches {
    #[inline]
    fn slot(&self, ledger: u32) -> Option<usize> {
        if self.slots.is_empty() { None } else { self.indexed(ledger) }
    }

    fn indexed(&self, ledger: u32) -> Option<usize> {
        let hash = mix(u64::from(ledger));
        self.by_ledger.find(hash, |held| held.0 == ledger).map(|held| held.1)
    }

    #[inline]
    pub(super) fn of(&self, ledger: u32) -> Option<&Cache> {
        self.slot(ledger).map(|slot| &self.slots[slot])
    }

    #[inline]
    pub(super) fn of_mut(&mut self, ledger: u32) -> Option<&mut Cache> {
        self.slot(ledger).map(|slot| &mut self.slots[slot])
    }

    /// Gives a large ledger a cache, if it has none and there is room or another was not used lately.
    pub(super) fn admit(&mut self, ledger: u32, plan: &BoundPlan, rows: &Rows<'_>) {
        if let Some(cache) = self.of_mut(ledger) {
            cache.is_used = true;
            return;
        }
        if self.slots.len() < CACHES_MAX {
            self.slots.push(Cache::new(ledger, plan, rows));
            self.index(ledger, self.slots.len() - 1);
            return;
        }
        self.hand = (self.hand + 1) % CACHES_MAX;
        let held = &mut self.slots[self.hand];
        if held.is_used {
            held.is_used = false;
        } else {
            let other = held.ledger;
            *held = Cache::new(ledger, plan, rows);
            self.unindex(other);
            self.index(ledger, self.hand);
        }
    }

    fn index(&mut self, ledger: u32, slot: usize) {
        let hash = mix(u64::from(ledger));
        self.by_ledger.insert_unique(hash, (ledger, slot), |held| mix(u64::from(held.0)));
    }

    fn unindex(&mut self, ledger: u32) {
        if let Ok(entry) = self.by_ledger.find_entry(mix(u64::from(ledger)), |held| held.0 == ledger) {
            entry.remove();
        }
    }

    /// A ledger is gone.
    pub(super) fn forget(&mut self, ledger: u32) {
        let Some(slot) = self.slot(ledger) else { return };
        self.unindex(ledger);
        self.slots.swap_remove(slot);
        if let Some(moved) = self.slots.get(slot).map(|cache| cache.ledger) {
            self.unindex(moved);
            self.index(moved, slot);
        }
    }

    /// Bytes of memory.
    pub(super) fn counted_bytes(&self) -> usize {
        let caches: usize = self
            .slots
            .iter()
            .map(|cache| {
                let facts = cache.totals.counted_bytes() + cache.sections.counted_bytes();
                cache.ids.counted_bytes() + facts
            })
            .sum();
        caches + self.slots.capacity() * size_of::<Cache>() + self.by_ledger.allocation_size()
    }
}
