//! Loading ledgers from a snapshot: each gets one block and all its rows at once.

use super::kept::Lack;
use super::kept::{kept_after, leaving};
use super::reference::follow_up;
use super::save::LACKING;
use super::{CLOCK_AHEAD_MS_MAX, Ledgers, ROWS_MAX};
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
    /// Begins to load: advances the watermark to that of the snapshot.
    ///
    /// # Errors
    /// When the lateness needs rows from before those that the snapshot holds.
    pub(crate) fn begin_load(&mut self, summary: &LedgersSummary) -> Result<(), SnapshotError> {
        self.evicted_until = summary.evicted_until.map(Timestamp);
        self.gone_until = Timestamp(summary.gone_until.unwrap_or(i64::MIN));
        if let Some(watermark) = summary.watermark {
            let held_ms = summary.held_ms();
            let needed_ms = self.limits.lateness + CLOCK_AHEAD_MS_MAX;
            if needed_ms > held_ms {
                return Err(SnapshotError::ShortRetention { needed_ms, held_ms });
            }
            if self.limits.retention > summary.retention {
                self.gone_until = Timestamp(watermark.saturating_sub(held_ms));
            }
            self.advance_watermark(Timestamp(watermark));
        }
        Ok(())
    }

    /// Loads one ledger; `rows` is room, reused from ledger to ledger, and `registers` are overwritten.
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
            return Err(SnapshotError::malformed("a ledger has no rows or too many"));
        }
        let lack = if head & LACKING == 0 { None } else { Some(read_lack(from)?) };
        self.read_rows(form, from, key, count, rows)?;
        let width = self.store.layout().width();
        // Expired rows stay out, as they would be swept; so do rows beyond a cap that is lower now.
        let expired = rows.chunks_exact(width).take_while(|row| !self.expiry.counts(row::at(row))).count();
        let expired = leaving(count, expired, |position| row::at(&rows[position * width..]));
        let surplus = (count - expired).saturating_sub(usize::from(self.limits.rows_per_ledger) + 1);
        let (retained_after, leaving) = (self.retained_after(), expired + surplus);
        let at = |position: usize| row::at(&rows[position * width..]);
        let lack = lack.filter(|lack| !lack.ends(leaving, retained_after, at));
        let dropped_at = (surplus > 0).then(|| at(leaving - 1));
        let dropped_at = dropped_at.filter(|dropped_at| *dropped_at > kept_after(count, retained_after, at));
        let held = &mut rows[leaving * width..];
        for row in held.chunks_exact_mut(width) {
            registers.clear();
            self.store.layout().load(row, registers);
            self.store.layout().set_tags(row, retag(registers));
        }
        let ledger = self.add(key, held)?;
        lack.into_iter().for_each(|lack| self.note_lack(ledger, lack));
        dropped_at.into_iter().for_each(|dropped_at| self.note_dropped(ledger, dropped_at));
        Ok(Loaded { ledgers: 1, rows: count as u64 })
    }

    /// Reads so many rows, which must be in order and not newer than the watermark.
    fn read_rows(
        &mut self,
        form: &RowForm,
        from: &mut Reader<'_>,
        key: u128,
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
            let amends = self.store.layout().read(form, from, row)?;
            if at > self.watermark || last.is_some_and(|last| last > at) {
                return Err(SnapshotError::malformed("the rows of a ledger are not in order"));
            }
            if let Some(amended) = amends {
                let own = follow_up(self.store.layout(), key, row, amended);
                self.note_follow_up(own);
            }
            last = Some(at);
        }
        Ok(())
    }

    /// Adds a ledger with its rows.
    fn add(&mut self, key: u128, rows: &[u64]) -> Result<u32, SnapshotError> {
        if self.store.index.find(key).is_some() || self.store.index.slots() == LEDGERS_MAX {
            return Err(SnapshotError::malformed("a repeated key, or too many keys"));
        }
        let ledger = self.store.insert(key, rows);
        let mut newest = Timestamp(i64::MIN);
        for row in rows.chunks_exact(self.store.layout().width()) {
            newest = row::at(row);
            self.expiry.add_row(newest);
        }
        self.expiry.add_key(newest);
        Ok(ledger)
    }

    /// Compares rows and keys with those of the snapshot, as far as limits are the same.
    pub(crate) fn check_loaded(&self, summary: &LedgersSummary) -> Result<(), SnapshotError> {
        if summary.retention != self.limits.retention || summary.rows_per_ledger > self.limits.rows_per_ledger
        {
            return Ok(());
        }
        let (rows, keys) = (self.expiry.rows() as u64, self.expiry.keys() as u64);
        let pairs =
            [("rows within the retention", summary.held_rows, rows), ("held keys", summary.held_keys, keys)];
        match pairs.into_iter().find(|(_, expected, found)| expected != found) {
            Some((what, expected, found)) => Err(SnapshotError::Incomplete { what, expected, found }),
            None => Ok(()),
        }
    }

    /// How far before the watermark rows are retained from now on, ms.
    pub(crate) fn retention(&self) -> i64 {
        self.limits.retention
    }
}

fn read_lack(from: &mut Reader<'_>) -> Result<Lack, SnapshotError> {
    let (until, is_evicted) = (from.time()?, from.number()?);
    match is_evicted {
        0 | 1 => Ok(Lack { until, is_evicted: is_evicted == 1 }),
        _ => Err(SnapshotError::malformed("what a ledger lacks is of no known kind")),
    }
}
