//! How far a save of ledgers has come. It knows no ledgers, only their numbers.

use crate::row::RowForm;
use crate::snapshot::LedgersSummary;
use crate::snapshot::chunk::ChunkWriter;

/// Flag beside the number of rows: the cap dropped some.
pub(super) const CAPPED: u64 = 1;

/// A save that is under way.
#[derive(Debug)]
pub(super) struct Save {
    pub(super) form: RowForm,
    /// The next ledger to be looked at, and how many there were at the cut: younger ones are no part of it.
    pub(super) next: u32,
    pub(super) slots: u32,
    /// One bit a ledger of the cut: written, or vacant at the cut.
    pub(super) done: Vec<u64>,
    /// Keys at the cut.
    pub(super) keys: u64,
    pub(super) cut: LedgersSummary,
    pub(super) filling: ChunkWriter,
}

impl Save {
    /// Marks a ledger as done; false if it was, or is no part of the cut.
    pub(super) fn claim(&mut self, ledger: u32) -> bool {
        if ledger >= self.slots {
            return false;
        }
        let (word, bit) = (ledger as usize / 64, 1 << (ledger % 64));
        let is_open = self.done[word] & bit == 0;
        self.done[word] |= bit;
        is_open
    }
}
