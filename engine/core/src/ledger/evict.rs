//! Retention and caps at work: which rows and ledgers leave the memory.
//!
//! Reads see exactly the rows within the retention. Memory follows by whole hours: a ledger drops its expired rows when
//! an event is inserted into it, and every sixteen events sixteen ledgers are swept, so that a round over all ledgers
//! takes as many events as there are ledgers.

use super::Ledgers;
use crate::batch::Timestamp;
use crate::row::mix;
use std::ops::Range;

/// Each time a cap is exceeded, one of so many ledgers goes.
const EVICTED_SHARE: usize = 16;
/// Ledgers swept at once.
pub(super) const SWEPT_AT_ONCE: u32 = 16;
/// Counted for a key: its header, the block's owner and two hash table entries, half empty.
const KEY_BYTES: usize = 43;

impl Ledgers {
    /// Bytes that the cap on bytes counts, a function of the log alone.
    pub fn bytes_of(&self, keys: usize, rows: usize) -> usize {
        keys * KEY_BYTES + rows * self.store.layout().width() * size_of::<u64>()
    }

    /// Advances the watermark, the greatest event time seen: hours beyond the retention expire.
    pub(crate) fn advance_watermark(&mut self, watermark: Timestamp) {
        if watermark > self.watermark {
            self.watermark = watermark;
            self.expiry.advance(self.retained_after());
        }
    }

    /// Drops rows whose hour has expired and rows beyond the cap; gives back how many.
    pub(super) fn drop_oldest(&mut self, ledger: u32) -> usize {
        let expired = self.expired_rows(ledger);
        let rows = self.rows(ledger);
        let surplus = (rows.len() - expired).saturating_sub(usize::from(self.limits.rows_per_ledger));
        if surplus > 0 {
            for position in expired..expired + surplus {
                let at = self.rows(ledger).at(position);
                self.expiry.remove_row(at);
                self.note_dropped(ledger, at);
            }
            self.evicted.capped_rows += surplus as u64;
        }
        self.shift(ledger, expired + surplus);
        expired + surplus
    }

    /// Number of oldest rows whose hour has expired.
    fn expired_rows(&self, ledger: u32) -> usize {
        let rows = self.rows(ledger);
        if self.expiry.counts(rows.at(0)) { 0 } else { rows.until(self.expiry.expired_until()) }
    }

    /// The oldest rows leave their ledger.
    fn shift(&mut self, ledger: u32, dropped: usize) {
        if dropped == 0 {
            return;
        }
        if let Some(cache) = self.caches.of_mut(ledger) {
            cache.drop_oldest(&self.plan, &self.store.rows(ledger), dropped);
        }
        self.store.drop_front(ledger, dropped);
    }

    pub(super) fn note_dropped(&mut self, ledger: u32, at: Timestamp) {
        self.store.index.header_mut(ledger).set_capped();
        let rehash = |entry: &(u32, Timestamp)| mix(u64::from(entry.0));
        let entry = self.capped.entry(mix(u64::from(ledger)), |entry| entry.0 == ledger, rehash);
        let mut entry = entry.or_insert((ledger, at));
        let held = entry.get_mut();
        held.1 = held.1.max(at);
    }

    /// Forgets which rows of a ledger the cap dropped: the ledger goes.
    pub(super) fn forget_capped(&mut self, ledger: u32) {
        if self.store.index.header(ledger).is_capped() {
            let hash = mix(u64::from(ledger));
            if let Ok(entry) = self.capped.find_entry(hash, |entry| entry.0 == ledger) {
                entry.remove();
            }
        }
    }

    /// Time of the newest row that the cap dropped.
    pub(super) fn dropped_at(&self, ledger: u32) -> Option<Timestamp> {
        if !self.store.index.header(ledger).is_capped() {
            return None;
        }
        let hash = mix(u64::from(ledger));
        self.capped.find(hash, |entry| entry.0 == ledger).map(|entry| entry.1)
    }

    /// Drops the expired rows of the next ledgers in turn, every so many events as many ledgers.
    pub(super) fn sweep_some(&mut self) {
        self.sweep_in = self.sweep_in.saturating_sub(1);
        if self.sweep_in > 0 {
            return;
        }
        self.sweep_in = SWEPT_AT_ONCE;
        let next = self.next_swept(SWEPT_AT_ONCE);
        self.sweep_at = next.end;
        for ledger in next {
            if self.store.index.header(ledger).len() > 0 && !self.expiry.counts(self.rows(ledger).at(0)) {
                self.sweep(ledger);
            }
        }
    }

    /// The ledgers that are swept next, at most so many.
    pub(super) fn next_swept(&self, most: u32) -> Range<u32> {
        let slots = self.store.index.slots();
        let from = if self.sweep_at < slots { self.sweep_at } else { 0 };
        from..slots.min(from.saturating_add(most))
    }

    fn sweep(&mut self, ledger: u32) {
        self.before_change(ledger);
        let expired = self.expired_rows(ledger);
        if expired == self.store.index.header(ledger).len() {
            self.remove(ledger);
        } else {
            self.shift(ledger, expired);
            self.store.fit(ledger);
        }
    }

    fn remove(&mut self, ledger: u32) {
        self.before_change(ledger);
        self.forget_capped(ledger);
        self.caches.forget(ledger);
        self.store.remove(ledger);
    }

    /// When a cap is exceeded, ledgers go by the time of their newest row, then by key, a sixteenth at once.
    pub(super) fn keep_within_caps(&mut self) {
        while self.expiry.keys() > self.limits.keys
            || self.bytes_of(self.expiry.keys(), self.expiry.rows()) > self.limits.bytes
        {
            self.evict_some();
        }
    }

    fn evict_some(&mut self) {
        let mut held: Vec<(Timestamp, u128, u32)> = Vec::with_capacity(self.store.index.len());
        for ledger in 0..self.store.index.slots() {
            let header = self.store.index.header(ledger);
            if header.len() == 0 {
                continue;
            }
            let key = header.key();
            let rows = self.rows(ledger);
            match rows.at(rows.len() - 1) {
                newest if self.expiry.counts(newest) => held.push((newest, key, ledger)),
                _ => self.remove(ledger),
            }
        }
        assert_eq!(held.len(), self.expiry.keys(), "every key counted is there");
        let count = held.len().div_ceil(EVICTED_SHARE);
        held.select_nth_unstable(count - 1);
        for (newest, _, ledger) in &held[..count] {
            self.evict(*ledger, *newest);
        }
    }

    fn evict(&mut self, ledger: u32, newest: Timestamp) {
        let expired = self.expired_rows(ledger);
        let rows = self.store.rows(ledger);
        for position in expired..rows.len() {
            self.expiry.remove_row(rows.at(position));
        }
        self.evicted.rows += (rows.len() - expired) as u64;
        self.evicted.keys += 1;
        self.expiry.remove_key(newest);
        self.remove(ledger);
    }
}
