//! How many rows and keys lie within the retention, and when the oldest expire.
//!
//! Expired rows leave the memory lazily, so memory in use is not a function of the log. These counts are: they are kept
//! by hour of event time, and an hour counts until it lies wholly before the retention.

use crate::batch::Timestamp;
use std::collections::VecDeque;
use tripline_rules::time::HOUR_MS;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hour {
    rows: usize,
    /// Ledgers whose newest row is of this hour.
    keys: usize,
}

/// Rows and keys by hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExpiryCounts {
    /// Hour of the first entry, since 1970.
    base: i64,
    hours: VecDeque<Hour>,
    total: Hour,
}

impl ExpiryCounts {
    /// Rows.
    pub(crate) fn rows(&self) -> usize {
        self.total.rows
    }

    /// Keys with a row.
    pub(crate) fn keys(&self) -> usize {
        self.total.keys
    }

    /// Whether the hour of a row is counted: the row has not expired.
    pub(crate) fn counts(&self, at: Timestamp) -> bool {
        at.0 >= self.base * HOUR_MS
    }

    /// The last instant before the hours that are counted: rows up to it have expired.
    pub(crate) fn expired_until(&self) -> Timestamp {
        Timestamp(self.base * HOUR_MS - 1)
    }

    /// Forgets hours that lie wholly at or before a time.
    pub(crate) fn advance(&mut self, retained_after: Timestamp) {
        let base = retained_after.0.div_euclid(HOUR_MS);
        while self.base < base {
            let Some(hour) = self.hours.pop_front() else { break };
            self.total.rows -= hour.rows;
            self.total.keys -= hour.keys;
            self.base += 1;
        }
        if self.hours.is_empty() {
            self.base = base;
        }
    }

    fn change(&mut self, at: Timestamp, change: impl Fn(&mut Hour)) {
        // A row that has expired already is never counted.
        let Ok(hour) = usize::try_from(at.0.div_euclid(HOUR_MS) - self.base) else { return };
        if hour >= self.hours.len() {
            self.hours.resize(hour + 1, Hour::default());
        }
        change(&mut self.hours[hour]);
        change(&mut self.total);
    }

    pub(crate) fn add_row(&mut self, at: Timestamp) {
        self.change(at, |hour| hour.rows += 1);
    }

    pub(crate) fn remove_row(&mut self, at: Timestamp) {
        self.change(at, |hour| hour.rows -= 1);
    }

    pub(crate) fn add_key(&mut self, newest: Timestamp) {
        self.change(newest, |hour| hour.keys += 1);
    }

    pub(crate) fn remove_key(&mut self, newest: Timestamp) {
        self.change(newest, |hour| hour.keys -= 1);
    }

    pub(crate) fn counted_bytes(&self) -> usize {
        self.hours.capacity() * size_of::<Hour>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_counts_until_it_lies_wholly_before_the_retention() {
        let mut counts = ExpiryCounts::default();
        counts.advance(Timestamp(-5 * HOUR_MS));
        counts.add_row(Timestamp(0));
        counts.add_row(Timestamp(HOUR_MS - 1));
        counts.add_row(Timestamp(HOUR_MS));
        counts.add_key(Timestamp(HOUR_MS));
        counts.advance(Timestamp(HOUR_MS - 1));
        assert_eq!((counts.rows(), counts.keys()), (3, 1));
        counts.advance(Timestamp(HOUR_MS));
        assert_eq!((counts.rows(), counts.keys()), (1, 1));
        counts.add_row(Timestamp(3));
        assert_eq!(counts.rows(), 1, "it has expired already");
        counts.advance(Timestamp(100 * HOUR_MS));
        assert_eq!((counts.rows(), counts.keys()), (0, 0));
    }
}
