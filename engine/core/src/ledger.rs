//! Ledgers: every key's recent rows, in event-time order. The rows are the only state.
//!
//! It does not depend on rules or alerts: a plan lists the aggregates, a closure evaluates conditions over rows. Rows
//! of the same time keep the order of the log; otherwise any order of arrival gives one ledger.
//!
//! - `index`: from a key to its ledger
//! - `store`: from a ledger to its rows
//! - `insert`: inserting a row
//! - `follow_ups`: which event's row a follow-up amends
//! - `prefetch`: ledgers into the processor's cache before their events
//! - `reference`: the row that a follow-up is about
//! - `expiry`: rows and keys within the retention, counted by hour
//! - `evict`: retention and caps at work
//! - `kept`: which expired row a ledger keeps, over the times of its rows
//! - `lack`: what a ledger lacks because a limit dropped it
//! - `limits`: what bounds the ledgers of a shard
//! - `caches`: running totals and ids of large ledgers
//! - `save`, `saving`, `loading`: saving to a snapshot and loading from one
//! - `install`: all rows under another plan

mod caches;
mod evict;
mod expiry;
mod follow_ups;
mod index;
mod insert;
mod install;
mod kept;
mod lack;
mod limits;
mod loading;
mod prefetch;
mod reference;
mod save;
mod saving;
mod store;

pub use limits::{CLOCK_AHEAD_MS_MAX, LedgerLimits};
pub(crate) use loading::Loaded;

use crate::batch::Timestamp;
use crate::fact::bound::BoundPlan;
use crate::fact::scan::Scan;
use crate::fact::{FactMarks, View};
use crate::row::{self, Identity, Layout, Rows};
use caches::Caches;
use expiry::ExpiryCounts;
use follow_ups::FollowUps;
use hashbrown::HashTable;
use kept::{Lack, kept_after};
use save::Save;
use std::ops::Range;
use store::Store;
use tripline_rules::aggregate::{AggregatePlan, FactSet, Tags};
use tripline_rules::schema::{ACCOUNT_CURRENCY, Schema};
use tripline_rules::time::Ms;
use tripline_rules::value::{Registers, Slot};

pub use crate::row::ROWS_MAX;

/// An event to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Whose ledger.
    pub key: u128,
    /// When it happened.
    pub at: Timestamp,
    /// Code of its type.
    pub event_type: u16,
    /// Keyed hash of its id.
    pub id: u64,
    /// Whether it is about an earlier event: a label, an outcome, a reversal, a clearing, or any other reference.
    pub is_follow_up: bool,
    /// Fields it does not carry itself and that the event it refers to fills in, found or not: they are no part of what
    /// makes a repeat equal.
    pub inherited: &'a [Slot],
}

/// A row, until the next row is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRef {
    ledger: u32,
    position: usize,
}

/// Which rows of a ledger are gone, at one event.
#[derive(Clone, Copy, Debug)]
pub struct Gone {
    /// Rows at or before this time have expired.
    pub retained_after: Timestamp,
    /// The greatest time of a row that the ledger lacks: the cap dropped it, or it left with an evicted key.
    pub dropped_at: Option<Timestamp>,
}

impl Gone {
    /// Rows at or before this time may be gone.
    pub fn until(self) -> Timestamp {
        self.retained_after.max(self.dropped_at.unwrap_or(Timestamp(i64::MIN)))
    }
}

/// A row as [`Ledgers::for_each_row`] visits it.
#[derive(Debug)]
pub struct RetainedRow<'a> {
    /// Whose row.
    pub key: u128,
    /// When the event happened.
    pub at: Timestamp,
    /// Keyed hash of the event's id.
    pub id: u64,
    /// The event's type and time and all kept fields.
    pub registers: &'a Registers,
    /// Which conditions of the plan hold.
    pub tags: Tags,
    /// Whether the event is about an earlier one.
    pub is_follow_up: bool,
}

/// The result of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It has a row now.
    New {
        /// Whether the ledger held a newer row.
        out_of_order: bool,
        /// The row.
        row: RowRef,
    },
    /// The same event came before.
    Duplicate,
    /// Another event of the same type and id came before.
    Conflict,
}

/// What was evicted by the caps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Keys, by the caps on keys and bytes.
    pub keys: u64,
    /// Their rows.
    pub rows: u64,
    /// Rows of full ledgers.
    pub capped_rows: u64,
    /// Outcomes, reversals and clearings for which there was no room to hold which row they amend.
    pub follow_ups: u64,
}

/// All ledgers of one shard.
#[derive(Debug)]
pub struct Ledgers {
    limits: LedgerLimits,
    label: Option<u16>,
    store: Store,
    expiry: ExpiryCounts,
    watermark: Timestamp,
    /// Rows at or before this time left under an earlier, shorter retention.
    gone_until: Timestamp,
    /// The greatest time of a row that left with an evicted key; `None` before the first.
    evicted_until: Option<Timestamp>,
    lacking: HashTable<(u32, Lack)>,
    follow_ups: FollowUps,
    evicted: Evicted,
    /// The next ledger to be swept, and in how many events.
    sweep_at: u32,
    sweep_in: u32,
    /// The row of the event that is being inserted.
    arriving: Vec<u64>,
    plan: BoundPlan,
    scan: Scan,
    caches: Caches,
    save: Option<Box<Save>>,
}

impl Ledgers {
    /// No ledgers yet.
    ///
    /// # Panics
    /// When the plan reads fields that the schema does not keep, or limits contradict themselves; both are refused when
    /// they are configured.
    pub fn new(plan: &AggregatePlan, schema: &Schema, limits: LedgerLimits) -> Ledgers {
        limits.check();
        let layout = Layout::new(schema, plan);
        let plan = BoundPlan::new(plan, &layout);
        Ledgers {
            label: schema.event_types().code("label"),
            arriving: vec![0; layout.width()],
            store: Store::new(layout, limits.rows_per_ledger),
            expiry: ExpiryCounts::default(),
            watermark: Timestamp(i64::MIN),
            gone_until: Timestamp(i64::MIN),
            evicted_until: None,
            lacking: HashTable::new(),
            follow_ups: FollowUps::new(limits.reordering(), limits.bytes),
            evicted: Evicted::default(),
            sweep_at: 0,
            sweep_in: 0,
            scan: Scan::default(),
            caches: Caches::default(),
            save: None,
            plan,
            limits,
        }
    }

    /// Whether a key is held: it had a row and was not evicted since.
    pub fn holds(&self, key: u128) -> bool {
        self.store.index.find(key).is_some()
    }

    /// Gives an event its row, unless it came before. `watermark`: the greatest event time the shard has seen.
    ///
    /// Whether it came before is known of events within the lateness and [`CLOCK_AHEAD_MS_MAX`] of the watermark.
    pub fn insert(
        &mut self,
        arrival: &Arrival<'_>,
        registers: &Registers,
        tags: Tags,
        watermark: Timestamp,
    ) -> Inserted {
        self.advance_watermark(watermark.max(arrival.at));
        self.keep_within_caps();
        self.sweep_some();
        let Arrival { at, event_type, id, is_follow_up, .. } = *arrival;
        let own = Identity { at, event_type, id, is_follow_up };
        self.store.layout().encode(&mut self.arriving, &own, registers, tags);
        match self.store.index.find(arrival.key) {
            Some(ledger) => self.insert_among(ledger, &own, arrival.inherited),
            None => self.insert_first(arrival.key, arrival.at),
        }
    }

    /// Computes the wanted facts of an event that was just inserted: each into its register, or its register unknown.
    /// `gone`: [`Ledgers::gone`] of its row.
    pub fn facts(
        &mut self,
        event: RowRef,
        gone: Gone,
        want: &FactSet,
        registers: &mut Registers,
        marks: &mut FactMarks,
    ) {
        let Gone { retained_after, dropped_at } = gone;
        let rows = self.store.rows(event.ledger);
        let kept_after = if self.plan.has_unbounded {
            kept_after(rows.len(), retained_after, |position| rows.at(position))
        } else {
            retained_after
        };
        let currency = self.store.layout().currency_bits(registers.get(ACCOUNT_CURRENCY));
        let (event, at, ledger) = (event.position, rows.at(event.position), event.ledger);
        let view = View { rows, event, at, retained_after, kept_after, dropped_at, currency };
        let Some(cache) = self.caches.of_mut(ledger) else {
            return self.scan.facts(&self.plan, &view, want, registers, marks);
        };
        if rows.at(rows.len() - 1) == at && cache.totals.is_ready() {
            cache.totals.facts(&self.plan, &view, want, registers, marks);
        } else {
            cache.sections.facts(&self.plan, &view, want, registers, marks);
        }
    }

    /// A row's ledger, as the row's event sees it.
    pub(crate) fn view(&self, event: RowRef) -> View<'_> {
        let rows = self.rows(event.ledger);
        let Gone { retained_after, dropped_at } = self.gone(event);
        let layout = self.store.layout();
        View {
            rows,
            event: event.position,
            at: rows.at(event.position),
            retained_after,
            kept_after: kept_after(rows.len(), retained_after, |position| rows.at(position)),
            dropped_at,
            currency: layout.currency_bits(layout.currency_of(rows.row(event.position))),
        }
    }

    /// Which rows of a row's ledger are gone.
    pub fn gone(&self, row: RowRef) -> Gone {
        Gone { retained_after: self.retained_after(), dropped_at: self.lacks_until(row.ledger) }
    }

    /// The layout of the rows.
    pub(crate) fn layout(&self) -> &Layout {
        self.store.layout()
    }

    /// Positions of the rows within the retention and the cap.
    fn retained(&self, rows: &Rows<'_>) -> Range<usize> {
        let surplus = rows.len().saturating_sub(usize::from(self.limits.rows_per_ledger));
        rows.until(self.retained_after()).max(surplus)..rows.len()
    }

    /// The value of a kept field of a row, as registers hold it.
    pub fn read(&self, row: RowRef, slot: Slot) -> Option<u64> {
        let column = self.store.layout().column(slot)?;
        column.read(self.rows(row.ledger).row(row.position)).map(|raw| column.to_register(raw))
    }

    /// The number of the currency of a row's money in the account's currency.
    pub(crate) fn currency(&self, row: RowRef) -> Option<u64> {
        self.store.layout().currency_of(self.rows(row.ledger).row(row.position))
    }

    /// The account's currency at the event of a row without one: that of the newest row up to its time that has one.
    pub(crate) fn currency_at(&self, event: RowRef) -> Option<u64> {
        let layout = self.store.layout();
        if !layout.holds_currency() {
            return None;
        }
        let rows = self.rows(event.ledger);
        let after = kept_after(rows.len(), self.retained_after(), |position| rows.at(position));
        let at = rows.at(event.position);
        if let Some(cache) = self.caches.of(event.ledger) {
            match cache.newest_currency {
                None => return None,
                Some(newest) if newest.at <= at => {
                    return Some(newest.currency).filter(|_| newest.at > after);
                }
                Some(_) => {}
            }
        }
        let until = rows.until(at);
        let held = (0..until).rev().map(|position| rows.row(position));
        held.take_while(|row| row::at(row) > after).find_map(|row| layout.currency_of(row))
    }

    /// Gives a row that has no currency the one of an amount that it is about to get.
    pub(crate) fn set_currency(&mut self, row: RowRef, number: u64) {
        self.before_change(row.ledger);
        let (words, layout) = self.store.row_mut(row.ledger, row.position);
        layout.set_currency(words, number);
        if let Some(cache) = self.caches.of_mut(row.ledger) {
            cache.note_currency(&self.store.rows(row.ledger), row.position);
        }
    }

    /// Calls with every row within the retention, ledger after ledger in no order, the rows of each oldest first.
    /// `registers` are overwritten.
    pub fn for_each_row(&self, registers: &mut Registers, mut call: impl FnMut(&RetainedRow<'_>)) {
        let layout = self.store.layout();
        for ledger in 0..self.store.index.slots() {
            let header = self.store.index.header(ledger);
            if header.len() == 0 {
                continue;
            }
            let rows = self.rows(ledger);
            for position in self.retained(&rows) {
                let row = rows.row(position);
                registers.clear();
                layout.load(row, registers);
                let (at, id, tags) = (rows.at(position), rows.id(position), layout.tags(row));
                let is_follow_up = layout.is_follow_up(row);
                call(&RetainedRow { key: header.key(), at, id, registers, tags, is_follow_up });
            }
        }
    }

    /// Changes a kept field of a row and with it the truth of its conditions; `registers` are overwritten.
    /// False when rows do not keep the field.
    pub fn amend(
        &mut self,
        row: RowRef,
        slot: Slot,
        word: Option<u64>,
        registers: &mut Registers,
        retag: impl FnOnce(&mut Registers) -> Tags,
    ) -> bool {
        if !self.store.layout().keeps(slot) {
            return false;
        }
        self.before_change(row.ledger);
        let rows = self.store.rows(row.ledger);
        if let Some(cache) = self.caches.of_mut(row.ledger) {
            cache.totals.subtract(&self.plan, &rows, row.position);
        }
        let (words, layout) = self.store.row_mut(row.ledger, row.position);
        layout.amend(words, slot, word);
        registers.clear();
        layout.load(words, registers);
        layout.set_tags(words, retag(registers));
        if let Some(cache) = self.caches.of_mut(row.ledger) {
            let rows = self.store.rows(row.ledger);
            let has_moved = self.plan.lane_fields.contains(&slot);
            cache.totals.add_back(&self.plan, &rows, row.position, has_moved);
            cache.sections.amend(row.position);
        }
        true
    }

    /// Keys that had a row and were not evicted since: a function of the log alone.
    pub fn keys(&self) -> usize {
        self.store.index.len()
    }

    /// Rows within the retention, counted by whole hours: a function of the log alone.
    pub fn rows_held(&self) -> usize {
        self.expiry.rows()
    }

    /// What was evicted by the caps so far.
    pub fn evicted(&self) -> Evicted {
        self.evicted
    }

    /// Bytes of memory: rows, headers, tables, caches.
    pub fn counted_bytes(&self) -> usize {
        let lacking = self.lacking.allocation_size();
        let caches = self.caches.counted_bytes();
        let follow_ups = self.follow_ups.counted_bytes();
        self.store.counted_bytes() + self.expiry.counted_bytes() + lacking + follow_ups + caches
    }

    /// How far before the watermark rows are held, ms: less than the retention after a shorter one.
    pub(crate) fn held_ms(&self) -> Ms {
        self.watermark.0.saturating_sub(self.retained_after().0)
    }

    /// Rows at or before this time have expired.
    pub(crate) fn retained_after(&self) -> Timestamp {
        Timestamp(self.watermark.0.saturating_sub(self.limits.retention)).max(self.gone_until)
    }

    fn rows(&self, ledger: u32) -> Rows<'_> {
        self.store.rows(ledger)
    }
}
