//! Retention and caps at work: which rows and ledgers leave the memory.
//!
//! Windows see exactly the rows within the retention. Memory follows by whole hours: a ledger drops its expired rows
//! when an event is inserted into it, and every sixteen events sixteen ledgers are swept, so that a round over all
//! ledgers takes as many events as there are ledgers.
//!
//! Of its expired rows a ledger keeps the newest if no row followed within two days, so that the last use of a key that
//! is asleep stays known, also just after it woke: aggregates without a window read it. A key leaves by eviction only,
//! and the number of keys is a function of the log.

use super::Ledgers;
use super::kept::{kept_after, leaving};
use crate::batch::Timestamp;
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
        self.forget_expired_lack(ledger, expired + surplus);
        if surplus > 0 {
            let rows = self.rows(ledger);
            let kept_after = kept_after(rows.len(), self.retained_after(), |position| rows.at(position));
            for position in expired..expired + surplus {
                let at = self.rows(ledger).at(position);
                self.expiry.remove_row(at);
                if at > kept_after {
                    self.note_dropped(ledger, at);
                }
            }
            self.evicted.capped_rows += surplus as u64;
        }
        self.shift(ledger, expired + surplus);
        expired + surplus
    }

    /// Number of oldest rows that leave: their hour has expired, and none of them is kept.
    fn expired_rows(&self, ledger: u32) -> usize {
        let rows = self.rows(ledger);
        if self.expiry.counts(rows.at(0)) {
            return 0;
        }
        let expired = rows.until(self.expiry.expired_until());
        leaving(rows.len(), expired, |position| rows.at(position))
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

    /// Drops the expired rows of the next ledgers in turn, every so many events as many ledgers.
    pub(super) fn sweep_some(&mut self) {
        self.sweep_in = self.sweep_in.saturating_sub(1);
        if self.sweep_in > 0 {
            return;
        }
        self.sweep_in = SWEPT_AT_ONCE;
        self.drop_follow_ups();
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
        let expired = self.expired_rows(ledger);
        if expired > 0 {
            self.before_change(ledger);
            self.forget_expired_lack(ledger, expired);
            self.shift(ledger, expired);
            self.store.fit(ledger);
        }
    }

    fn remove(&mut self, ledger: u32) {
        self.before_change(ledger);
        self.forget_lack(ledger);
        self.caches.forget(ledger);
        self.store.remove(ledger);
    }

    /// When a cap is exceeded, ledgers go by the time of their newest row, then by key, a sixteenth at once.
    pub(super) fn keep_within_caps(&mut self) {
        // A key whose rows have all expired has one row.
        let rows = |ledgers: &Ledgers| ledgers.expiry.rows() + ledgers.keys() - ledgers.expiry.keys();
        while self.keys() > self.limits.keys || self.bytes_of(self.keys(), rows(self)) > self.limits.bytes {
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
            let rows = self.rows(ledger);
            held.push((rows.at(rows.len() - 1), header.key(), ledger));
        }
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
        self.evicted_until = self.evicted_until.max(Some(newest));
        self.evicted.rows += (rows.len() - expired) as u64;
        self.evicted.keys += 1;
        self.expiry.remove_key(newest);
        self.remove(ledger);
    }
}
