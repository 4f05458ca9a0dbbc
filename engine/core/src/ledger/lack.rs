//! What a ledger lacks: rows that a limit dropped before they expired, its own or those of its key before an eviction.
//!
//! Facts that may depend on such a row say so. It is forgotten once the row would have expired anyway.

use super::Ledgers;
use super::kept::{ASLEEP_MS, Lack};
use crate::batch::Timestamp;
use crate::row::mix;

impl Ledgers {
    /// The cap has dropped a row.
    pub(super) fn note_dropped(&mut self, ledger: u32, at: Timestamp) {
        self.note_lack(ledger, Lack { until: at, is_evicted: false });
    }

    /// A ledger was made: if its key was there before and was evicted, rows up to that time are gone.
    pub(super) fn note_evicted(&mut self, ledger: u32) {
        if let Some(until) = self.evicted_until {
            self.note_lack(ledger, Lack { until, is_evicted: true });
        }
    }

    pub(super) fn note_lack(&mut self, ledger: u32, lack: Lack) {
        self.store.index.header_mut(ledger).set_lacking();
        let rehash = |entry: &(u32, Lack)| mix(u64::from(entry.0));
        let entry = self.lacking.entry(mix(u64::from(ledger)), |entry| entry.0 == ledger, rehash);
        let mut entry = entry.or_insert((ledger, lack));
        let held = &mut entry.get_mut().1;
        held.until = held.until.max(lack.until);
        held.is_evicted |= lack.is_evicted;
    }

    /// What a ledger lacks, until it is forgotten.
    pub(super) fn lack(&self, ledger: u32) -> Option<Lack> {
        if !self.store.index.header(ledger).is_lacking() {
            return None;
        }
        let hash = mix(u64::from(ledger));
        self.lacking.find(hash, |entry| entry.0 == ledger).map(|entry| entry.1)
    }

    /// The greatest time of a row that the ledger lacks and that a fact can depend on. Whether a row that has expired
    /// was swept makes no difference.
    pub(super) fn lacks_until(&self, ledger: u32) -> Option<Timestamp> {
        let Lack { until, is_evicted } = self.lack(ledger)?;
        let retained_after = self.retained_after();
        if until > retained_after {
            return Some(until);
        }
        // It has expired, and could only be seen as the newest such row of a key that was asleep.
        let rows = self.rows(ledger);
        let next = rows.until(until);
        if next == rows.len() {
            return Some(until);
        }
        let next = rows.at(next);
        (next > retained_after && (is_evicted || next.0 - until.0 >= ASLEEP_MS)).then_some(until)
    }

    /// The oldest rows are about to leave: see [`Lack::ends`].
    pub(super) fn forget_expired_lack(&mut self, ledger: u32, leaving: usize) {
        let Some(lack) = self.lack(ledger) else { return };
        let rows = self.rows(ledger);
        if lack.ends(leaving, self.retained_after(), |position| rows.at(position)) {
            self.forget_lack(ledger);
            self.store.index.header_mut(ledger).clear_lacking();
        }
    }

    /// Forgets what a ledger lacks.
    pub(super) fn forget_lack(&mut self, ledger: u32) {
        if self.store.index.header(ledger).is_lacking() {
            let hash = mix(u64::from(ledger));
            if let Ok(entry) = self.lacking.find_entry(hash, |entry| entry.0 == ledger) {
                entry.remove();
            }
        }
    }
}
