//! Inserting the row of an event, unless the event came before.

use super::{Inserted, Ledgers, RowRef};
use crate::batch::Timestamp;
use crate::row::{Identity, Rows};
use tripline_rules::value::Slot;

impl Ledgers {
    /// Whether the ledger holds an event of the same type and id.
    fn came_before(
        &self,
        ledger: u32,
        rows: &Rows<'_>,
        own: &Identity,
        inherited: &[Slot],
    ) -> Option<Inserted> {
        let since = self.may_arrive_after();
        let is_same_type = |position: usize| rows.event_type(position) == own.event_type;
        let position = self.newest_with(ledger, rows, own.id, since, is_same_type)?;
        let same = self.store.layout().same_event(rows.row(position), &self.arriving, inherited);
        Some(if same { Inserted::Duplicate } else { Inserted::Conflict })
    }

    /// Events of up to this time come no more.
    pub(super) fn may_arrive_after(&self) -> Timestamp {
        Timestamp(self.watermark.0.saturating_sub(self.limits.reordering()))
    }

    /// Position of the newest row after a time that has the id and satisfies a condition.
    pub(super) fn newest_with(
        &self,
        ledger: u32,
        rows: &Rows<'_>,
        id: u64,
        after: Timestamp,
        is_meant: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        if let Some(cache) = self.caches.of(ledger) {
            return cache.ids.newest(rows, id, after, is_meant);
        }
        (0..rows.len())
            .rev()
            .take_while(|position| rows.at(*position) > after)
            .find(|position| rows.id(*position) == id && is_meant(*position))
    }

    /// A ledger that has become large gets a cache.
    fn admit(&mut self, ledger: u32) {
        if self.store.index.header(ledger).len() > self.limits.totals_threshold {
            let rows = self.store.rows(ledger);
            self.caches.admit(ledger, &self.plan, &rows);
        }
    }

    /// Gives an event its row in a new ledger.
    pub(super) fn insert_first(&mut self, key: u128, at: Timestamp) -> Inserted {
        let ledger = self.store.insert(key, &self.arriving);
        self.after_insertion(ledger);
        self.note_evicted(ledger);
        self.expiry.add_row(at);
        self.expiry.add_key(at);
        self.admit(ledger);
        Inserted::New { out_of_order: false, row: RowRef { ledger, position: 0 } }
    }

    /// Gives an event its row in a ledger that has rows, unless it came before.
    pub(super) fn insert_among(&mut self, ledger: u32, own: &Identity, inherited: &[Slot]) -> Inserted {
        self.before_change(ledger);
        let rows = self.rows(ledger);
        if let Some(repeat) = self.came_before(ledger, &rows, own, inherited) {
            return repeat;
        }
        let (at, newest) = (own.at, rows.at(rows.len() - 1));
        let position = rows.position_for(&self.arriving);
        let may_drop =
            !self.expiry.counts(rows.at(0)) || rows.len() > usize::from(self.limits.rows_per_ledger);
        // Keys are counted by the hour of their newest row; one whose rows have all expired is counted in none.
        if !self.expiry.counts(newest) {
            self.expiry.add_key(at);
        } else if at > newest {
            self.expiry.remove_key(newest);
            self.expiry.add_key(at);
        }
        self.expiry.add_row(at);
        let dropped = if may_drop { self.drop_oldest(ledger) } else { 0 };
        // Its position may lie before rows that were dropped.
        let position = position.saturating_sub(dropped);
        self.put(ledger, position);
        self.admit(ledger);
        Inserted::New { out_of_order: at < newest, row: RowRef { ledger, position } }
    }

    /// Puts the arriving row before the one at a position.
    fn put(&mut self, ledger: u32, position: usize) {
        if let Some(cache) = self.caches.of_mut(ledger) {
            cache.totals.take_out_from(&self.plan, &self.store.rows(ledger), position);
        }
        self.store.put(ledger, &self.arriving, position);
        if let Some(cache) = self.caches.of_mut(ledger) {
            cache.put_back_from(&self.plan, &self.store.rows(ledger), position);
        }
    }
}
