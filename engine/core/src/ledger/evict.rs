//! Retention and caps at work: which rows and ledgers leave the memory.
//!
//! What is held is exact at every reading. Memory follows by whole hours: a ledger drops its passed rows when an event
//! comes for it, and every sixteen events sweep as many ledgers, so that a lap takes as many events as there are ledgers.

use super::layout;
use super::{Ledgers, Rows};
use crate::batch::Timestamp;
use std::ops::Range;

/// Each time a cap is passed, one of so many ledgers goes.
const EVICTED_SHARE: usize = 16;
/// Ledgers swept at once.
pub(super) const SWEPT_AT_ONCE: u32 = 16;
/// Counted for a key: its header, the block's owner and two hash table entries, half empty.
const KEY_BYTES: usize = 43;

impl Ledgers {
    /// Bytes that the cap on bytes counts, a function of the log alone.
    pub fn bytes_of(&self, keys: usize, rows: usize) -> usize {
        keys * KEY_BYTES + rows * self.layout.width() * size_of::<u64>()
    }

    /// Event time has come so far.
    pub(crate) fn pass(&mut self, watermark: Timestamp) {
        if watermark > self.watermark {
            self.watermark = watermark;
            self.tally.advance(self.held_after());
        }
    }

    /// Drops rows whose hour has passed and rows beyond the cap; says how many.
    pub(super) fn drop_oldest(&mut self, ledger: u32) -> usize {
        let passed = self.drop_passed(ledger);
        let rows = self.rows(ledger);
        let surplus = (rows.len() - passed).saturating_sub(usize::from(self.limits.rows_per_ledger));
        if surplus > 0 {
            for position in passed..passed + surplus {
                let at = self.rows(ledger).at(position);
                self.tally.remove_row(at);
                self.note_dropped(ledger, at);
            }
            self.evicted.capped_rows += surplus as u64;
        }
        self.shift(ledger, passed + surplus);
        passed + surplus
    }

    /// Number of oldest rows whose hour the retention has passed.
    fn drop_passed(&self, ledger: u32) -> usize {
        let rows = self.rows(ledger);
        if self.tally.counts(rows.at(0)) { 0 } else { rows.until(self.tally.passed()) }
    }

    /// The oldest rows leave their ledger.
    fn shift(&mut self, ledger: u32, dropped: usize) {
        if dropped == 0 {
            return;
        }
        if let Some(cache) = self.caches.of_mut(ledger) {
            let rows = Rows::of(&self.index, &self.pool, &self.layout, ledger);
            cache.retire(&self.lens, &rows, dropped);
        }
        let header = self.index.header_mut(ledger);
        header.set_len(header.len() - dropped);
        header.start += u16::try_from(dropped).expect("no more than the ledger holds");
    }

    pub(super) fn note_dropped(&mut self, ledger: u32, at: Timestamp) {
        self.index.header_mut(ledger).set_capped();
        let rehash = |entry: &(u32, Timestamp)| layout::mixed(u64::from(entry.0));
        let entry = self.capped.entry(layout::mixed(u64::from(ledger)), |entry| entry.0 == ledger, rehash);
        let mut entry = entry.or_insert((ledger, at));
        let held = entry.get_mut();
        held.1 = held.1.max(at);
    }

    /// Time of the newest row that the cap dropped.
    pub(super) fn dropped_at(&self, ledger: u32) -> Option<Timestamp> {
        if !self.index.header(ledger).is_capped() {
            return None;
        }
        let hash = layout::mixed(u64::from(ledger));
        self.capped.find(hash, |entry| entry.0 == ledger).map(|entry| entry.1)
    }

    /// Drops the passed rows of the next ledgers in turn, every so many events as many ledgers.
    pub(super) fn sweep_some(&mut self) {
        self.sweep_in = self.sweep_in.saturating_sub(1);
        if self.sweep_in > 0 {
            return;
        }
        self.sweep_in = SWEPT_AT_ONCE;
        let next = self.next_swept(SWEPT_AT_ONCE);
        self.sweep_at = next.end;
        for ledger in next {
            if self.index.header(ledger).len() > 0 && !self.tally.counts(self.rows(ledger).at(0)) {
                self.sweep(ledger);
            }
        }
    }

    /// The ledgers that are swept next, at most so many.
    pub(super) fn next_swept(&self, most: u32) -> Range<u32> {
        let slots = self.index.slots();
        let from = if self.sweep_at < slots { self.sweep_at } else { 0 };
        from..slots.min(from.saturating_add(most))
    }

    fn sweep(&mut self, ledger: u32) {
        self.before_change(ledger);
        let passed = self.drop_passed(ledger);
        if passed == self.index.header(ledger).len() {
            self.remove(ledger);
        } else {
            self.shift(ledger, passed);
            self.fit(ledger);
        }
    }

    fn remove(&mut self, ledger: u32) {
        self.before_change(ledger);
        let header = *self.index.header(ledger);
        if header.is_capped() {
            let hash = layout::mixed(u64::from(ledger));
            if let Ok(entry) = self.capped.find_entry(hash, |entry| entry.0 == ledger) {
                entry.remove();
            }
        }
        self.caches.forget(ledger);
        self.index.remove(ledger);
        self.release(header.block());
    }

    /// When a cap is passed, ledgers go by the time of their newest row, then by key, a sixteenth at once.
    pub(super) fn keep_within_caps(&mut self) {
        while self.tally.keys() > self.limits.keys
            || self.bytes_of(self.tally.keys(), self.tally.rows()) > self.limits.bytes
        {
            self.evict_some();
        }
    }

    fn evict_some(&mut self) {
        let mut held: Vec<(Timestamp, u128, u32)> = Vec::with_capacity(self.index.len());
        for ledger in 0..self.index.slots() {
            let header = self.index.header(ledger);
            if header.len() == 0 {
                continue;
            }
            let key = header.key();
            let rows = self.rows(ledger);
            match rows.at(rows.len() - 1) {
                newest if self.tally.counts(newest) => held.push((newest, key, ledger)),
                _ => self.remove(ledger),
            }
        }
        assert_eq!(held.len(), self.tally.keys(), "every key counted is there");
        let count = held.len().div_ceil(EVICTED_SHARE);
        held.select_nth_unstable(count - 1);
        for (newest, _, ledger) in &held[..count] {
            self.evict(*ledger, *newest);
        }
    }

    fn evict(&mut self, ledger: u32, newest: Timestamp) {
        let passed = self.drop_passed(ledger);
        let rows = Rows::of(&self.index, &self.pool, &self.layout, ledger);
        for position in passed..rows.len() {
            self.tally.remove_row(rows.at(position));
        }
        self.evicted.rows += (rows.len() - passed) as u64;
        self.evicted.keys += 1;
        self.tally.remove_key(newest);
        self.remove(ledger);
    }
}
