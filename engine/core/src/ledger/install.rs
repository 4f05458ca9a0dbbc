//! All rows under another plan: what a new pack asks of rows that are there.
//!
//! Ledger after ledger is read in the old layout, and its block is given back before it gets one in the new layout, so
//! that memory does not double.

use super::caches::Caches;
use super::expiry::ExpiryCounts;
use super::kept::{kept_after, leaving};
use super::store::OldRows;
use super::{LedgerLimits, Ledgers};
use crate::batch::Timestamp;
use crate::fact::bound::BoundPlan;
use crate::row::{self, Layout};
use tripline_rules::aggregate::{AggregatePlan, Tags};
use tripline_rules::schema::Schema;
use tripline_rules::value::Registers;

impl Ledgers {
    /// Takes over another plan and other limits. Afterwards the ledgers equal those of a new `Ledgers` with this plan
    /// and these limits into which the retained rows were inserted in the order of their times: the same rows, the
    /// truth of the new plan's conditions on each, the same counts of rows and keys; what was dropped by the cap stays
    /// known.
    ///
    /// Which row a follow-up amends is known as far back as the old lateness asked for.
    ///
    /// Rows that have expired under the old or the new retention stay expired, and rows beyond a lower cap on the rows
    /// of a ledger go (`evicted` counts them). The caps on keys and bytes are applied with the next insertion, as
    /// always.
    ///
    /// `retag` finds the truth of the conditions from the row's fields, `registers` are overwritten and must fit it.
    /// Every [`RowRef`](super::RowRef) of before is invalid. A save that is under way is given up: begin another.
    ///
    /// # Panics
    /// When the schema's kept fields are others than before, the plan reads fields that the schema does not keep, or
    /// limits contradict themselves.
    pub fn install(
        &mut self,
        plan: &AggregatePlan,
        schema: &Schema,
        limits: LedgerLimits,
        registers: &mut Registers,
        mut retag: impl FnMut(&mut Registers) -> Tags,
    ) {
        limits.check();
        let layout = Layout::new(schema, plan);
        self.abandon_save();
        self.caches = Caches::default();
        self.plan = BoundPlan::new(plan, &layout);
        self.arriving = vec![0; layout.width()];
        self.label = schema.event_types().code("label");
        if limits.retention > self.limits.retention {
            // What the old retention had let go is not held, though the new one would have kept it.
            self.gone_until = self.retained_after();
        }
        self.evicted.follow_ups += self.follow_ups.install(limits.reordering(), limits.bytes);
        self.limits = limits;
        self.expiry = ExpiryCounts::default();
        if self.watermark > Timestamp(i64::MIN) {
            self.expiry.advance(self.retained_after());
        }
        let mut old = self.store.begin_conversion(layout, self.limits.rows_per_ledger);
        let mut rows = Vec::new();
        for ledger in 0..self.store.index.slots() {
            if self.store.index.header(ledger).len() > 0 {
                self.convert(ledger, &mut old, &mut rows, |row, layout| {
                    registers.clear();
                    layout.load(row, registers);
                    layout.set_tags(row, retag(registers));
                });
            }
        }
    }

    /// Converts one ledger; `rows` is room, reused from ledger to ledger.
    fn convert(
        &mut self,
        ledger: u32,
        old: &mut OldRows,
        rows: &mut Vec<u64>,
        mut retag: impl FnMut(&mut [u64], &Layout),
    ) {
        let before = self.store.old_rows(old, ledger);
        let expired = before.until(self.expiry.expired_until());
        let expired = leaving(before.len(), expired, |position| before.at(position));
        // One row over the cap is there until the next arrival.
        let surplus = (before.len() - expired).saturating_sub(usize::from(self.limits.rows_per_ledger) + 1);
        let (retained_after, first) = (self.retained_after(), expired + surplus);
        let at = |position: usize| before.at(position);
        let newest_dropped = (surplus > 0).then(|| at(first - 1));
        let newest_dropped =
            newest_dropped.filter(|dropped| *dropped > kept_after(before.len(), retained_after, at));
        let has_ended = self.lack(ledger).is_some_and(|lack| lack.ends(first, retained_after, at));
        let layout = self.store.layout();
        rows.clear();
        rows.resize((before.len() - first) * layout.width(), 0);
        for (row, position) in rows.chunks_exact_mut(layout.width()).zip(first..) {
            layout.adopt(row, before.layout(), before.row(position));
            retag(row, layout);
        }
        let mut newest = Timestamp(i64::MIN);
        for row in rows.chunks_exact(layout.width()) {
            newest = row::at(row);
            self.expiry.add_row(newest);
        }
        self.expiry.add_key(newest);
        self.evicted.capped_rows += surplus as u64;
        if has_ended {
            self.forget_lack(ledger);
            self.store.index.header_mut(ledger).clear_lacking();
        }
        newest_dropped.into_iter().for_each(|at| self.note_dropped(ledger, at));
        self.store.replace_old(old, ledger, rows);
    }
}
