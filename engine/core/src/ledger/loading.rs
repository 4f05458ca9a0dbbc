//! Ledgers from a snapshot: each gets its block once and its rows at once, in the order they were written in.

use super::save::CAPPED;
use super::{Ledgers, ROWS_MAX};
use crate::batch::Timestamp;
use crate::row::{self, RowForm};
use crate::snapshot::bytes::Reader;
use crate::snapshot::{LedgersSummary, SnapshotError};
use tripline_rules::aggregate::Tags;
use tripline_rules::value::Registers;

/// Ledgers of one shard, at most: blocks are numbered with 25 bits.
const LEDGERS_MAX: u32 = 32 << 20;

/// What was loaded so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) ledgers: u64,
    pub(crate) rows: u64,
}

impl Ledgers {
    /// Says how far event time had come at the cut, before any ledger is loaded.
    ///
    /// # Errors
    /// When rows here must tell their currency and those of the snapshot do not.
    pub(crate) fn begin_load(&mut self, cut: &LedgersSummary) -> Result<(), SnapshotError> {
        if self.store.layout().holds_currency() && !cut.currency {
            return Err(SnapshotError::NoCurrency);
        }
        if let Some(watermark) = cut.watermark {
            self.advance_watermark(Timestamp(watermark));
        }
        Ok(())
    }

    /// Takes one ledger; `rows` is room, reused from ledger to ledger, and `registers` are overwritten.
    pub(crate) fn load_ledger(
        &mut self,
        form: &RowForm,
        from: &mut Reader<'_>,
        rows: &mut Vec<u64>,
        registers: &mut Registers,
        mut retag: impl FnMut(&mut Registers) -> Tags,
    ) -> Result<Loaded, SnapshotError> {
        let key = from.key()?;
        let head = from.number()?;
        let count = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        if count == 0 || count > usize::from(ROWS_MAX) + 1 || count > from.left() / form.row_bytes_min() {
            return Err(SnapshotError::malformed("a ledger cannot have so many rows"));
        }
        let dropped_at = if head & CAPPED == 0 { None } else { Some(from.time()?) };
        self.read_rows(form, from, count, rows)?;
        let width = self.store.layout().width();
        // What the retention has passed stays out, as it would be swept; so do rows beyond a cap that is lower now.
        let passed = rows.chunks_exact(width).take_while(|row| !self.expiry.counts(row::at(row))).count();
        let surplus = (count - passed).saturating_sub(usize::from(self.limits.rows_per_ledger) + 1);
        let dropped_at = match surplus {
            0 => dropped_at,
            _ => dropped_at.max(Some(row::at(&rows[(passed + surplus - 1) * width..]))),
        };
        let held = &mut rows[(passed + surplus) * width..];
        for row in held.chunks_exact_mut(width) {
            registers.clear();
            self.store.layout().load(row, registers);
            self.store.layout().set_tags(row, retag(registers));
        }
        if !held.is_empty() {
            self.settle(key, held, dropped_at)?;
        }
        Ok(Loaded { ledgers: 1, rows: count as u64 })
    }

    /// Reads so many rows, which must be in order and not newer than the watermark.
    fn read_rows(
        &self,
        form: &RowForm,
        from: &mut Reader<'_>,
        count: usize,
        rows: &mut Vec<u64>,
    ) -> Result<(), SnapshotError> {
        let width = self.store.layout().width();
        rows.clear();
        rows.resize(count * width, 0);
        let mut before = 0;
        let mut last = None;
        for row in rows.chunks_exact_mut(width) {
            let delta = from.signed()?;
            let at = crate::snapshot::bytes::time(delta.saturating_add(before))?;
            before = at.0;
            row::set_at(row, at);
            self.store.layout().read(form, from, row)?;
            let order = self.store.layout().order(row);
            if at > self.watermark || last.is_some_and(|last| last > order) {
                return Err(SnapshotError::malformed("rows are not in order"));
            }
            last = Some(order);
        }
        Ok(())
    }

    /// Gives a key its rows.
    fn settle(
        &mut self,
        key: u128,
        rows: &[u64],
        dropped_at: Option<Timestamp>,
    ) -> Result<(), SnapshotError> {
        if self.store.index.find(key).is_some() || self.store.index.slots() == LEDGERS_MAX {
            return Err(SnapshotError::malformed("a key twice, or too many keys"));
        }
        let ledger = self.store.insert(key, rows);
        let mut newest = Timestamp(i64::MIN);
        for row in rows.chunks_exact(self.store.layout().width()) {
            newest = row::at(row);
            self.expiry.add_row(newest);
        }
        self.expiry.add_key(newest);
        dropped_at.into_iter().for_each(|dropped_at| self.note_dropped(ledger, dropped_at));
        Ok(())
    }

    /// Whether what is held is what was held at the cut, as far as limits are the same.
    pub(crate) fn check_loaded(&self, cut: &LedgersSummary) -> Result<(), SnapshotError> {
        if cut.retention != self.limits.retention || cut.rows_per_ledger > self.limits.rows_per_ledger {
            return Ok(());
        }
        let (rows, keys) = (self.expiry.rows() as u64, self.expiry.keys() as u64);
        let pairs = [("rows within the retention", cut.held_rows, rows), ("held keys", cut.held_keys, keys)];
        match pairs.into_iter().find(|(_, expected, found)| expected != found) {
            Some((what, expected, found)) => Err(SnapshotError::Incomplete { what, expected, found }),
            None => Ok(()),
        }
    }

    /// So far back rows are held for an event at the watermark, ms.
    pub(crate) fn retention(&self) -> i64 {
        self.limits.retention
    }
}
