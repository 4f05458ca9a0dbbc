//! The progress of saving ledgers. It depends on their numbers only.

use crate::row::RowForm;
use crate::snapshot::LedgersSummary;
use crate::snapshot::chunk::ChunkWriter;

/// Flag beside the number of rows: the ledger lacks some that were dropped.
pub(super) const LACKING: u64 = 1;

/// A save in progress.
#[derive(Debug)]
pub(super) struct Save {
    pub(super) form: RowForm,
    /// The next ledger to be written, and how many there were when the save began: later ones are not part of it.
    pub(super) next: u32,
    pub(super) slots: u32,
    /// One bit for each ledger: it was written, or it was vacant when the save began.
    pub(super) done: Vec<u64>,
    /// Keys when the save began.
    pub(super) keys: u64,
    pub(super) summary: LedgersSummary,
    pub(super) writer: ChunkWriter,
}

impl Save {
    /// Marks a ledger as done; false if it was done already or is not part of the save.
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
