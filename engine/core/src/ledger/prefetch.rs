//! Loads ledgers into the processor's cache before their events are processed.
//!
//! A ledger is three reads away: its table, its header, its rows, each a cache miss that waits for the one before. Done
//! a piece at a time, first all tables, then all headers, then all rows, the misses of many ledgers overlap.

use super::Ledgers;
use super::evict::SWEPT_AT_ONCE;
use std::hint::black_box;

/// Words of a cache line.
const LINE_WORDS: usize = 8;
/// The newest lines of a ledger that are read; a longer ledger is read in order, which the processor foresees.
const LINES: usize = 8;

impl Ledgers {
    /// Reads the table entries, headers and newest rows of the keys' ledgers. `ledgers` is room, reused from call to
    /// call.
    pub fn prefetch(&self, keys: impl Iterator<Item = u128>, ledgers: &mut Vec<u32>) {
        ledgers.clear();
        let mut events = 0;
        ledgers.extend(keys.inspect(|_| events += 1).filter_map(|key| self.store.index.likely(key)));
        let lines = ledgers.iter().map(|ledger| self.store.index.header(*ledger).lines());
        black_box(lines.fold(0, |all, word| all | word));
        for ledger in ledgers.iter().filter(|ledger| self.store.index.header(**ledger).len() > 0) {
            let words = self.rows(*ledger).words();
            black_box(words.iter().rev().step_by(LINE_WORDS).take(LINES).fold(0, |all, word| all | word));
        }
        // The sweep looks at a ledger an event, at its oldest row, some at once.
        let swept = self.next_swept(u32::next_multiple_of(events, SWEPT_AT_ONCE));
        let swept = swept.filter(|ledger| self.store.index.header(*ledger).len() > 0);
        black_box(swept.fold(0, |all, ledger| all | self.rows(ledger).words()[0]));
    }
}
