//! Event times of a sample: their range, their order and the largest gap. It does not decide which record is late.

use serde::Serialize;
use tripline_core::batch::Timestamp;

/// Times in the order of the records.
#[derive(Default)]
pub struct Times {
    all: Vec<i64>,
    /// Events that are older than the one before.
    descending: u64,
    out_of_order: u64,
    greatest: Option<i64>,
}

/// What the times show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Order {
    pub first: Timestamp,
    pub last: Timestamp,
    /// Events that are older than an earlier record's.
    pub out_of_order: u64,
    pub largest_gap_ms: i64,
    /// When the largest gap begins.
    pub gap_from: Timestamp,
    /// Whether nearly every event is older than the one before: the newest one comes first.
    pub newest_first: bool,
}

impl Times {
    pub fn add(&mut self, at: Timestamp) {
        self.descending += u64::from(self.all.last().is_some_and(|last| at.0 < *last));
        self.out_of_order += u64::from(self.greatest.is_some_and(|greatest| at.0 < greatest));
        self.greatest = self.greatest.max(Some(at.0));
        self.all.push(at.0);
    }

    /// `None` without an event.
    pub fn order(mut self) -> Option<Order> {
        let steps = self.all.len().saturating_sub(1) as u64;
        self.all.sort_unstable();
        let (first, last) = (*self.all.first()?, *self.all.last()?);
        let gaps = self.all.windows(2).map(|pair| (pair[1] - pair[0], pair[0]));
        let (largest_gap_ms, gap_from) = gaps.max().unwrap_or((0, first));
        Some(Order {
            first: Timestamp(first),
            last: Timestamp(last),
            out_of_order: self.out_of_order,
            largest_gap_ms,
            gap_from: Timestamp(gap_from),
            newest_first: steps >= 2 && self.descending * 10 >= steps * 9,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(times: &[i64]) -> Option<Order> {
        let mut all = Times::default();
        times.iter().for_each(|at| all.add(Timestamp(*at)));
        all.order()
    }

    #[test]
    fn range_order_and_gap_are_of_the_event_times() {
        let found = order(&[10, 30, 20, 90, 80]).unwrap();
        assert_eq!((found.first.0, found.last.0, found.out_of_order), (10, 90, 2));
        assert_eq!((found.largest_gap_ms, found.gap_from.0, found.newest_first), (50, 30, false));
        assert!(order(&[90, 80, 70, 60]).unwrap().newest_first);
        assert!(order(&[]).is_none() && order(&[5]).is_some());
    }
}
