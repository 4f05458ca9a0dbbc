//! The rows of one ledger: adjacent in one block, oldest first, in the order of time, type and id.

use super::index::Index;
use super::layout::{self, Identity, Layout};
use super::pool::{Pool, capacity, class_for};
use super::{CLOCK_AHEAD_MS_MAX, Inserted, LedgerLimits, Ledgers, RowRef};
use crate::batch::Timestamp;
use tripline_rules::aggregate::Tags;
use tripline_rules::value::{Registers, Slot};

/// Blocks of up to so many rows have no room to spare; longer ones an eighth, so that rows move seldom.
const EXACT_ROWS_MAX: usize = 8;

/// A ledger's rows to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    words: &'a [u64],
    len: usize,
    layout: &'a Layout,
}

impl<'a> Rows<'a> {
    #[inline]
    pub(super) fn of(index: &Index, pool: &'a Pool, layout: &'a Layout, ledger: u32) -> Rows<'a> {
        let header = index.header(ledger);
        let (width, len) = (layout.width(), header.len());
        let words = pool.part(header.block(), usize::from(header.start) * width, len * width);
        Rows { words, len, layout }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Words of a row.
    #[inline]
    pub(crate) fn width(&self) -> usize {
        self.layout.width()
    }

    /// The words of all rows.
    #[inline]
    pub(crate) fn words(&self) -> &'a [u64] {
        self.words
    }

    #[inline]
    pub(crate) fn row(&self, position: usize) -> &'a [u64] {
        let width = self.layout.width();
        &self.words[position * width..][..width]
    }

    #[inline]
    pub(crate) fn at(&self, position: usize) -> Timestamp {
        layout::at(self.row(position))
    }

    #[inline]
    pub(super) fn id(&self, position: usize) -> u64 {
        layout::id(self.row(position))
    }

    #[inline]
    pub(super) fn event_type(&self, position: usize) -> u16 {
        self.layout.event_type(self.row(position))
    }

    #[inline]
    pub(crate) fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// Number of rows that go before the given one.
    fn place_of(&self, row: &[u64]) -> usize {
        let own = self.layout.order(row);
        let mut position = self.len();
        // Nearly every row is the newest; the others are near the end, or anywhere in a long ledger.
        while position > 0 && self.len() - position < EXACT_ROWS_MAX {
            if self.layout.order(self.row(position - 1)) <= own {
                return position;
            }
            position -= 1;
        }
        let mut from = 0;
        while from < position {
            let middle = usize::midpoint(from, position);
            if self.layout.order(self.row(middle)) <= own {
                from = middle + 1;
            } else {
                position = middle;
            }
        }
        from
    }

    /// Number of rows at or before a time.
    pub(crate) fn until(&self, at: Timestamp) -> usize {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = usize::midpoint(from, to);
            if self.at(middle) <= at { from = middle + 1 } else { to = middle }
        }
        from
    }
}

/// The pool for ledgers of these limits: one row over the cap is there until the next arrival.
pub(super) fn pool_for(layout: &Layout, limits: &LedgerLimits) -> Pool {
    Pool::new(layout.width(), with_room(usize::from(limits.rows_per_ledger) + 1))
}

pub(super) fn row_mut<'a>(
    index: &Index,
    pool: &'a mut Pool,
    layout: &Layout,
    ledger: u32,
    position: usize,
) -> &'a mut [u64] {
    let header = index.header(ledger);
    let from = (usize::from(header.start) + position) * layout.width();
    &mut pool.rows_mut(header.block())[from..from + layout.width()]
}

pub(super) fn with_room(rows: usize) -> usize {
    if rows <= EXACT_ROWS_MAX { rows } else { rows + rows / 8 }
}

impl Ledgers {
    /// Whether the ledger holds an event of the same type and id.
    fn came_before(
        &self,
        ledger: u32,
        rows: &Rows<'_>,
        own: &Identity,
        row: &[u64],
        inherited: &[Slot],
    ) -> Option<Inserted> {
        // One more: what is exactly so old may still be repeated, and rows are looked for after this time.
        let since = self.watermark.0.saturating_sub(self.limits.lateness + CLOCK_AHEAD_MS_MAX + 1);
        let is_same_type = |position: usize| rows.event_type(position) == own.event_type;
        let position = self.newest_with(ledger, rows, own.id, Timestamp(since), is_same_type)?;
        let same = self.layout.same_event(rows.row(position), row, inherited);
        Some(if same { Inserted::Duplicate } else { Inserted::Conflict })
    }

    /// Position of the newest row after a time that has the id and satisfies a condition.
    pub(super) fn newest_with(
        &self,
        ledger: u32,
        rows: &Rows<'_>,
        id: u64,
        after: Timestamp,
        is_meant: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        if let Some(cache) = self.caches.of(ledger) {
            return cache.ids.newest(rows, id, after, is_meant);
        }
        (0..rows.len())
            .rev()
            .take_while(|position| rows.at(*position) > after)
            .find(|position| rows.id(*position) == id && is_meant(*position))
    }

    /// A ledger that has become large gets a cache.
    fn admit(&mut self, ledger: u32) {
        if self.index.header(ledger).len() > self.limits.totals_threshold {
            let rows = Rows::of(&self.index, &self.pool, &self.layout, ledger);
            self.caches.admit(ledger, &self.lens, &rows);
        }
    }

    pub(super) fn insert_first(&mut self, key: u128, row: &[u64]) -> Inserted {
        let ledger = self.index.insert(key);
        self.after_birth(ledger);
        let block = self.pool.allocate(class_for(1), ledger);
        self.pool.rows_mut(block)[..row.len()].copy_from_slice(row);
        let header = self.index.header_mut(ledger);
        header.set_block(block);
        header.set_len(1);
        self.tally.add_row(layout::at(row));
        self.tally.add_key(layout::at(row));
        self.admit(ledger);
        Inserted::New { out_of_order: false, row: RowRef { ledger, position: 0 } }
    }

    /// Gives an event its row in a ledger that has rows, unless it came before.
    pub(super) fn insert_among(
        &mut self,
        ledger: u32,
        own: &Identity,
        row: &[u64],
        inherited: &[Slot],
    ) -> Inserted {
        self.before_change(ledger);
        let rows = self.rows(ledger);
        if let Some(verdict) = self.came_before(ledger, &rows, own, row, inherited) {
            return verdict;
        }
        let (at, newest) = (own.at, rows.at(rows.len() - 1));
        let position = rows.place_of(row);
        let may_drop =
            !self.tally.counts(rows.at(0)) || rows.len() > usize::from(self.limits.rows_per_ledger);
        // A ledger whose rows have all passed is a new key, whether it was swept or not.
        if !self.tally.counts(newest) {
            self.tally.add_key(at);
        } else if at > newest {
            self.tally.remove_key(newest);
            self.tally.add_key(at);
        }
        self.tally.add_row(at);
        let dropped = if may_drop { self.drop_oldest(ledger) } else { 0 };
        // It may have its place before rows that went.
        let position = position.saturating_sub(dropped);
        self.place(ledger, row, position);
        self.admit(ledger);
        Inserted::New { out_of_order: at < newest, row: RowRef { ledger, position } }
    }

    /// Puts a row before the one at a position; the ledger may have lost all its rows but still has its block.
    fn place(&mut self, ledger: u32, row: &[u64], position: usize) {
        let rows = self.index.header(ledger).len();
        if let Some(cache) = self.caches.of_mut(ledger) {
            let held = Rows::of(&self.index, &self.pool, &self.layout, ledger);
            cache.totals.make_way(&self.lens, &held, position);
        }
        self.make_room(ledger, rows + 1);
        let width = row.len();
        let header = self.index.header_mut(ledger);
        header.set_len(rows + 1);
        let from = (usize::from(header.start) + position) * width;
        let end = (usize::from(header.start) + rows) * width;
        let words = self.pool.rows_mut(header.block());
        if from < end {
            words.copy_within(from..end, from + width);
        }
        words[from..from + width].copy_from_slice(row);
        if let Some(cache) = self.caches.of_mut(ledger) {
            let held = Rows::of(&self.index, &self.pool, &self.layout, ledger);
            cache.follow(&self.lens, &held, position);
        }
    }

    /// Gives the ledger a block with room for `need` rows after its start, no larger than it should be.
    fn make_room(&mut self, ledger: u32, need: usize) {
        let header = *self.index.header(ledger);
        let (held, start) = (capacity(header.block().class()), usize::from(header.start));
        let wanted = class_for(with_room(need));
        let too_large =
            if held <= EXACT_ROWS_MAX { capacity(wanted) < held } else { capacity(wanted) <= held / 2 };
        if !too_large && start + need <= held {
            return;
        }
        // Rows move to the front of their block once a sixteenth of it is free there, so each moves seldom.
        if too_large || need > held || (start < (held / 16).max(1) && wanted != header.block().class()) {
            self.move_to(ledger, wanted);
        } else {
            let width = self.layout.width();
            let words = self.pool.rows_mut(header.block());
            words.copy_within(start * width..(start + header.len()) * width, 0);
            self.index.header_mut(ledger).start = 0;
        }
    }

    /// Moves the rows into a block of another class.
    fn move_to(&mut self, ledger: u32, class: usize) {
        let (header, width) = (*self.index.header(ledger), self.layout.width());
        let old = header.block();
        let block = self.pool.allocate(class, ledger);
        let (source, target) = self.pool.pair(old, block);
        let from = usize::from(header.start) * width;
        let words = header.len() * width;
        target[..words].copy_from_slice(&source[from..from + words]);
        let header = self.index.header_mut(ledger);
        header.set_block(block);
        header.start = 0;
        self.release(old);
    }

    /// Gives up memory of a ledger that shrank.
    pub(super) fn fit(&mut self, ledger: u32) {
        let rows = self.index.header(ledger).len();
        self.make_room(ledger, rows);
    }

    pub(super) fn release(&mut self, block: super::pool::Block) {
        self.pool.release(block);
        for _ in 0..2 {
            if let Some(moved) = self.pool.compact(block.class()) {
                self.index.header_mut(moved.owner).set_block(moved.to);
            }
        }
    }

    /// Writes every row anew in another layout of the same schema.
    pub(super) fn rewrite(
        &mut self,
        layout: Layout,
        registers: &mut Registers,
        mut retag: impl FnMut(&mut Registers) -> Tags,
    ) {
        let (old, width) = (std::mem::replace(&mut self.layout, layout), self.layout.width());
        let old_pool = std::mem::replace(&mut self.pool, pool_for(&self.layout, &self.limits));
        for ledger in 0..self.index.slots() {
            if self.index.header(ledger).len() == 0 {
                continue;
            }
            let theirs = Rows::of(&self.index, &old_pool, &old, ledger);
            let block = self.pool.allocate(class_for(with_room(theirs.len())), ledger);
            for (position, row) in self.pool.rows_mut(block).chunks_exact_mut(width).enumerate() {
                if position == theirs.len() {
                    break;
                }
                self.layout.adopt(row, &old, theirs.row(position));
                registers.clear();
                self.layout.load(row, registers);
                self.layout.set_tags(row, retag(registers));
            }
            let header = self.index.header_mut(ledger);
            header.set_block(block);
            header.start = 0;
        }
        self.arriving = vec![0; width];
    }
}
