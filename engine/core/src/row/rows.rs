//! The rows of one ledger, to be read: adjacent words, oldest first; those of one time in the order of the log.

use super::layout::{Layout, at, id};
use crate::batch::Timestamp;
use std::ops::Range;

/// So many of the newest rows are compared one by one before a row's position is searched by halving.
const NEWEST_FIRST: usize = 8;

/// A ledger's rows to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    words: &'a [u64],
    len: usize,
    layout: &'a Layout,
}

impl<'a> Rows<'a> {
    /// `len` rows of a layout, in its words.
    #[inline]
    pub(crate) fn new(words: &'a [u64], len: usize, layout: &'a Layout) -> Rows<'a> {
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
        at(self.row(position))
    }

    #[inline]
    pub(crate) fn id(&self, position: usize) -> u64 {
        id(self.row(position))
    }

    #[inline]
    pub(crate) fn event_type(&self, position: usize) -> u16 {
        self.layout.event_type(self.row(position))
    }

    #[inline]
    pub(crate) fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// Number of rows that go before one that arrives now: those of its time came before it.
    pub(crate) fn position_for(&self, row: &[u64]) -> usize {
        let own = at(row);
        let mut position = self.len();
        // Nearly every row is the newest; the others are near the end, or anywhere in a long ledger.
        while position > 0 && self.len() - position < NEWEST_FIRST {
            if self.at(position - 1) <= own {
                return position;
            }
            position -= 1;
        }
        let mut from = 0;
        while from < position {
            let middle = usize::midpoint(from, position);
            if self.at(middle) <= own {
                from = middle + 1;
            } else {
                position = middle;
            }
        }
        from
    }

    /// Number of rows at or before a time.
    pub(crate) fn until(&self, at: Timestamp) -> usize {
        self.until_in(0..self.len(), at)
    }

    /// The same where it is known to be the start or the end of some positions, or one among them.
    pub(crate) fn until_in(&self, positions: Range<usize>, at: Timestamp) -> usize {
        let Range { start: mut from, end: mut to } = positions;
        while from < to {
            let middle = usize::midpoint(from, to);
            if self.at(middle) <= at { from = middle + 1 } else { to = middle }
        }
        from
    }
}
