//! Equality of rows in some columns: the rows of one value of a lane.

use super::column::Column;
use super::hash::mix;

/// Compares rows in some fields.
#[derive(Clone, Debug)]
pub(crate) struct GroupKey {
    columns: Vec<Column>,
}

impl GroupKey {
    pub(super) fn new(columns: Vec<Column>) -> GroupKey {
        GroupKey { columns }
    }

    /// Whether the row has all fields.
    #[inline]
    pub(crate) fn is_known(&self, row: &[u64]) -> bool {
        self.columns.iter().all(|column| column.known.is_set(row))
    }

    /// Whether a row agrees with one that has all fields.
    #[inline]
    pub(crate) fn agrees(&self, row: &[u64], known: &[u64]) -> bool {
        self.columns.iter().all(|column| column.agrees(row, known))
    }

    /// A hash of the fields' values.
    pub(crate) fn hash(&self, row: &[u64]) -> u64 {
        self.columns.iter().fold(0, |hash, column| mix(hash ^ column.read(row).unwrap_or(0)))
    }
}
