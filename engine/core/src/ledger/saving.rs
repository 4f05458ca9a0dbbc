//! Saving ledgers while events go on: the rows written are those of the moment at which the save began.
//!
//! A ledger is written when its turn comes or before anything changes its rows, whichever is first (copy on write).
//! While nothing is saved, a change pays one branch for it.

use super::Ledgers;
use super::kept::Lack;
use super::save::{LACKING, Save};
use crate::row::{self, RowForm};
use crate::snapshot::bytes::{put_key, put_number, put_signed};
use crate::snapshot::chunk::{ChunkWriter, ItemKind};
use crate::snapshot::{Chunk, LedgersSummary};
use tripline_rules::schema::Schema;

impl Ledgers {
    /// Begins to save the rows as they are now; a save in progress is given up.
    pub(crate) fn begin_save(&mut self, schema: &Schema) {
        let slots = self.store.index.slots();
        let summary = LedgersSummary {
            watermark: (self.watermark.0 > i64::MIN).then_some(self.watermark.0),
            retention: self.limits.retention,
            gone_until: (self.gone_until.0 > i64::MIN).then_some(self.gone_until.0),
            evicted_until: self.evicted_until.map(|until| until.0),
            rows_per_ledger: self.limits.rows_per_ledger,
            ledgers: 0,
            rows: 0,
            held_rows: self.expiry.rows() as u64,
            held_keys: self.expiry.keys() as u64,
        };
        self.save = Some(Box::new(Save {
            form: RowForm::new(schema),
            next: 0,
            slots,
            done: vec![0; (slots as usize).div_ceil(64)],
            keys: self.store.index.len() as u64,
            summary,
            writer: ChunkWriter::new(ItemKind::Ledgers),
        }));
    }

    /// Writes ledgers of at least so many rows together, or all that are left. Hands out finished chunks; after
    /// the last one, the summary.
    pub(crate) fn save_some(&mut self, rows: usize, chunks: &mut Vec<Chunk>) -> Option<LedgersSummary> {
        let mut saving = self.save.take()?;
        let mut budget = rows.max(1);
        while budget > 0 && saving.next < saving.slots {
            let ledger = saving.next;
            saving.next += 1;
            if saving.claim(ledger) {
                self.write(&mut saving, ledger);
                budget = budget.saturating_sub(self.store.index.header(ledger).len());
            }
            budget = budget.saturating_sub(1);
        }
        if saving.next < saving.slots {
            saving.writer.drain(chunks);
            self.save = Some(saving);
            return None;
        }
        assert_eq!(saving.summary.ledgers, saving.keys, "every key is written");
        saving.writer.finish(chunks);
        Some(saving.summary)
    }

    /// Gives up the save in progress.
    pub(crate) fn abandon_save(&mut self) {
        self.save = None;
    }

    /// Must be called before anything changes the rows of a ledger or removes it.
    #[inline]
    pub(super) fn before_change(&mut self, ledger: u32) {
        if self.save.is_some() {
            self.save_before_change(ledger);
        }
    }

    #[cold]
    fn save_before_change(&mut self, ledger: u32) {
        let Some(mut saving) = self.save.take() else { return };
        if saving.claim(ledger) {
            self.write(&mut saving, ledger);
        }
        self.save = Some(saving);
    }

    /// Must be called when a ledger is made: a number that was vacant when the save began is not part of it.
    #[inline]
    pub(super) fn after_insertion(&mut self, ledger: u32) {
        if let Some(saving) = &mut self.save {
            saving.claim(ledger);
        }
    }

    /// One ledger: its key, its rows, and what it lacks.
    fn write(&self, saving: &mut Save, ledger: u32) {
        let header = self.store.index.header(ledger);
        if header.len() == 0 {
            return;
        }
        let rows = self.store.rows(ledger);
        let lack = self.lack(ledger);
        let form = &saving.form;
        saving.writer.put(|out| {
            put_key(out, header.key());
            let flag = if lack.is_some() { LACKING } else { 0 };
            put_number(out, (rows.len() as u64) << 1 | flag);
            if let Some((until, is_evicted)) = lack.map(Lack::words) {
                put_signed(out, until);
                put_number(out, is_evicted);
            }
            let mut before = 0;
            let after =
                saving.summary.watermark.map_or(i64::MIN, |at| at.saturating_sub(self.limits.reordering()));
            for position in 0..rows.len() {
                let row = rows.row(position);
                let at = row::at(row).0;
                put_signed(out, at - before);
                before = at;
                let amends = if at > after { self.amends(header.key(), row) } else { None };
                self.store.layout().write(form, row, amends, out);
            }
        });
        saving.summary.ledgers += 1;
        saving.summary.rows += rows.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Timestamp;
    use crate::event::Reference;
    use crate::ledger::{Arrival, Inserted, LedgerLimits};
    use crate::snapshot::chunk::ItemKind;
    use tripline_rules::aggregate::{AggregatePlan, KeySpace, Lane, Tags};
    use tripline_rules::diagnostic::File;
    use tripline_rules::schema::{ACCOUNT_ID, TX_AMOUNT};
    use tripline_rules::time::{DAY_MS, HOUR_MS};
    use tripline_rules::value::Registers;

    fn schema() -> Schema {
        let text = "version: 1\nfields:\n  event.type: one of purchase|label\n  tx.amount: money in EUR\nkeep: [tx.amount]\n";
        Schema::load(&File::new("schema.yaml", text)).0.unwrap()
    }

    fn ledgers(schema: &Schema, rows_per_ledger: u16) -> Ledgers {
        let plan = AggregatePlan {
            space: KeySpace { entity: "account".to_owned(), key: ACCOUNT_ID },
            lanes: vec![Lane { fields: Vec::new() }],
            tags: 0,
            aggregates: Vec::new(),
            populations: Vec::new(),
            coverages: Vec::new(),
            look_back: 0,
        };
        let limits = LedgerLimits {
            rows_per_ledger,
            keys: 1000,
            bytes: 1 << 30,
            totals_threshold: 512,
            retention: 2 * DAY_MS,
            lateness: DAY_MS,
        };
        Ledgers::new(&plan, schema, limits)
    }

    fn load(schema: &Schema, summary: &LedgersSummary, chunk: &Chunk, rows_per_ledger: u16) -> Ledgers {
        let (kind, mut items) = ItemKind::read(&chunk.bytes).unwrap();
        assert_eq!(kind, ItemKind::Ledgers);
        let mut loaded = ledgers(schema, rows_per_ledger);
        loaded.begin_load(summary).expect("it was saved by ledgers of the same layout");
        let (form, mut registers) = (RowForm::new(schema), Registers::new(schema.fields().len()));
        let mut rows = Vec::new();
        loaded.load_ledger(&form, &mut items, &mut rows, &mut registers, |_| Tags::default()).unwrap();
        loaded
    }

    /// An event inserts its own row first; an amendment of another row must not reach the snapshot either.
    #[test]
    fn an_amendment_after_the_save_began_is_not_in_the_snapshot() {
        let schema = schema();
        let mut held = ledgers(&schema, 8);
        let mut registers = Registers::new(schema.fields().len());
        registers.set_number(TX_AMOUNT, 700.0);
        let at = Timestamp(100 * DAY_MS);
        let arrival = Arrival { key: 5, at, event_type: 0, id: 9, is_follow_up: false, inherited: &[] };
        let Inserted::New { row, .. } = held.insert(&arrival, &registers, Tags::default(), at) else {
            panic!("a first event")
        };
        held.begin_save(&schema);
        let amended = 900f64.to_bits();
        assert!(held.amend(row, TX_AMOUNT, Some(amended), &mut registers, |_| Tags::default()));
        let mut chunks = Vec::new();
        let summary = held.save_some(1, &mut chunks).unwrap();
        assert_eq!((summary.ledgers, summary.rows, chunks.len()), (1, 1, 1));
        let loaded = load(&schema, &summary, &chunks[0], 8);
        let row = loaded.find(5, Reference { id: 9, event_type: None }).unwrap();
        assert_eq!(loaded.read(row, TX_AMOUNT), Some(700f64.to_bits()));
        assert_eq!(held.read(row, TX_AMOUNT), Some(amended));
    }

    #[test]
    fn what_the_cap_dropped_is_remembered_and_a_lower_cap_drops_more() {
        let schema = schema();
        let mut held = ledgers(&schema, 8);
        let registers = Registers::new(schema.fields().len());
        let noon = |hour: u16| Timestamp(100 * DAY_MS + i64::from(hour) * HOUR_MS);
        for hour in 0..12 {
            let (key, at, id) = (5, noon(hour), u64::from(hour));
            let arrival = Arrival { key, at, event_type: 0, id, is_follow_up: false, inherited: &[] };
            held.insert(&arrival, &registers, Tags::default(), noon(hour));
        }
        assert_eq!(held.lacks_until(0), Some(noon(2)), "nine of twelve rows are in memory");
        held.begin_save(&schema);
        let mut chunks = Vec::new();
        let summary = held.save_some(1, &mut chunks).unwrap();
        for (cap, dropped_at) in [(8, noon(2)), (100, noon(2)), (3, noon(7))] {
            let loaded = load(&schema, &summary, &chunks[0], cap);
            assert_eq!(loaded.lacks_until(0), Some(dropped_at), "under a cap of {cap}");
            let mut rows = 0;
            loaded.for_each_row(&mut Registers::new(schema.fields().len()), |_| rows += 1);
            assert_eq!(rows, cap.min(9), "under a cap of {cap}");
        }
    }
}
