//! Where the rows of every ledger lie: from its key to its header, from there to its block in the pool.
//!
//! It does not depend on time or limits: other modules decide which rows are inserted and removed.

use super::index::{Header, Index};
use crate::row::{Block, Layout, Pool, Rows, capacity, class_for};

/// Blocks of up to so many rows have no room to spare; longer ones an eighth, so that rows move seldom.
const EXACT_ROWS_MAX: usize = 8;

/// Headers and rows of all ledgers.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) index: Index,
    pool: Pool,
    layout: Layout,
}

impl Store {
    /// No ledgers yet; each will hold at most so many rows, and one more until the next arrival.
    pub(super) fn new(layout: Layout, rows_per_ledger: u16) -> Store {
        let pool = pool_for(&layout, rows_per_ledger);
        Store { index: Index::new(), pool, layout }
    }

    #[inline]
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The rows of a ledger.
    #[inline]
    pub(super) fn rows(&self, ledger: u32) -> Rows<'_> {
        rows(self.index.header(ledger), &self.pool, &self.layout)
    }

    /// The words of one row, to be changed, and how to read them.
    pub(super) fn row_mut(&mut self, ledger: u32, position: usize) -> (&mut [u64], &Layout) {
        let (header, width) = (self.index.header(ledger), self.layout.width());
        let from = (usize::from(header.start) + position) * width;
        (&mut self.pool.rows_mut(header.block())[from..from + width], &self.layout)
    }

    /// Makes a ledger of a key that has none, with its rows.
    pub(super) fn insert(&mut self, key: u128, rows: &[u64]) -> u32 {
        let ledger = self.index.insert(key);
        self.allocate(ledger, rows);
        ledger
    }

    /// Puts a row before the one at a position; the ledger may have lost all its rows but still has its block.
    pub(super) fn put(&mut self, ledger: u32, row: &[u64], position: usize) {
        let rows = self.index.header(ledger).len();
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
    }

    /// The oldest rows leave their ledger; its memory stays.
    pub(super) fn drop_front(&mut self, ledger: u32, count: usize) {
        let header = self.index.header_mut(ledger);
        header.set_len(header.len() - count);
        header.start += u16::try_from(count).expect("no more than the ledger holds");
    }

    /// Forgets a ledger with all its rows.
    pub(super) fn remove(&mut self, ledger: u32) {
        let block = self.index.header(ledger).block();
        self.index.remove(ledger);
        self.release(block);
    }

    /// Gives up memory of a ledger that shrank.
    pub(super) fn fit(&mut self, ledger: u32) {
        let rows = self.index.header(ledger).len();
        self.make_room(ledger, rows);
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

    fn release(&mut self, block: Block) {
        release(&mut self.pool, &mut self.index, block);
    }

    /// From now on rows are written in another layout. The headers refer to the old rows until each ledger is replaced.
    pub(super) fn begin_conversion(&mut self, layout: Layout, rows_per_ledger: u16) -> OldRows {
        let pool = pool_for(&layout, rows_per_ledger);
        OldRows {
            pool: std::mem::replace(&mut self.pool, pool),
            layout: std::mem::replace(&mut self.layout, layout),
        }
    }

    /// The rows of a ledger that was not converted yet.
    pub(super) fn old_rows<'a>(&self, old: &'a OldRows, ledger: u32) -> Rows<'a> {
        rows(self.index.header(ledger), &old.pool, &old.layout)
    }

    /// Gives a ledger its rows in the new layout; the old block is given back first.
    pub(super) fn replace_old(&mut self, old: &mut OldRows, ledger: u32, rows: &[u64]) {
        let block = self.index.header(ledger).block();
        release(&mut old.pool, &mut self.index, block);
        self.allocate(ledger, rows);
    }

    /// Gives a ledger a block of its own with these rows.
    fn allocate(&mut self, ledger: u32, rows: &[u64]) {
        let count = rows.len() / self.layout.width();
        let block = self.pool.allocate(class_for(with_room(count)), ledger);
        self.pool.rows_mut(block)[..rows.len()].copy_from_slice(rows);
        let header = self.index.header_mut(ledger);
        header.set_block(block);
        header.set_len(count);
        header.start = 0;
    }

    /// Bytes of headers, tables and rows.
    pub(super) fn counted_bytes(&self) -> usize {
        self.pool.bytes() + self.index.bytes()
    }
}

/// Rows in the layout of before, while ledgers are converted.
pub(super) struct OldRows {
    pool: Pool,
    layout: Layout,
}

#[inline(always)]
fn rows<'a>(header: &Header, pool: &'a Pool, layout: &'a Layout) -> Rows<'a> {
    let (width, len) = (layout.width(), header.len());
    let words = pool.part(header.block(), usize::from(header.start) * width, len * width);
    Rows::new(words, len, layout)
}

fn release(pool: &mut Pool, index: &mut Index, block: Block) {
    pool.release(block);
    for _ in 0..2 {
        if let Some(moved) = pool.compact(block.class()) {
            index.header_mut(moved.owner).set_block(moved.to);
        }
    }
}

/// One row over the cap is there until the next arrival.
fn pool_for(layout: &Layout, rows_per_ledger: u16) -> Pool {
    Pool::new(layout.width(), with_room(usize::from(rows_per_ledger) + 1))
}

fn with_room(rows: usize) -> usize {
    if rows <= EXACT_ROWS_MAX { rows } else { rows + rows / 8 }
}
