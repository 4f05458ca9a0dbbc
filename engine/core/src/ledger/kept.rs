//! Which expired row a ledger keeps, and what a ledger lacks: over the times of its rows, wherever they lie.

use crate::batch::Timestamp;
use std::ops::Range;
use tripline_rules::time::DAY_MS;

/// An expired row that none followed within this time stays until the row after it has expired.
pub(super) const ASLEEP_MS: i64 = 2 * DAY_MS;

/// What one ledger lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lack {
    /// The greatest time of such a row.
    pub(super) until: Timestamp,
    /// Whether they left with an evicted key. Then there may have been none, and their times are not known.
    pub(super) is_evicted: bool,
}

impl Lack {
    /// Whether it does not matter any more once so many of the oldest rows have left: one of them has expired and is
    /// newer, so that all that the ledger lacks would have left as well.
    pub(super) fn ends(
        self,
        leaving: usize,
        retained_after: Timestamp,
        at: impl Fn(usize) -> Timestamp,
    ) -> bool {
        (0..leaving).rev().map(at).find(|at| *at <= retained_after).is_some_and(|at| at > self.until)
    }

    /// As snapshots hold it.
    pub(super) fn words(self) -> (i64, u64) {
        (self.until.0, u64::from(self.is_evicted))
    }
}

/// Rows after this time are read without a window: those within the retention, and before them the newest if they are
/// kept.
#[inline]
pub(super) fn kept_after(
    rows: usize,
    retained_after: Timestamp,
    at: impl Fn(usize) -> Timestamp,
) -> Timestamp {
    if at(0) > retained_after {
        return retained_after;
    }
    let expired = first_after(1..rows, |position| at(position) <= retained_after);
    if leaving(rows, expired, &at) < expired { Timestamp(at(expired - 1).0 - 1) } else { retained_after }
}

/// Of a ledger's rows the oldest so many have expired: how many of them leave. The newest, and all of its time, stay
/// unless a row followed within [`ASLEEP_MS`].
pub(super) fn leaving(rows: usize, expired: usize, at: impl Fn(usize) -> Timestamp) -> usize {
    if expired == 0 {
        return 0;
    }
    let newest = at(expired - 1);
    if expired < rows && at(expired).0 - newest.0 < ASLEEP_MS {
        return expired;
    }
    first_after(0..expired, |position| at(position) < newest)
}

/// The first position that is not before a time, of rows by their times; the end if all are.
#[inline]
fn first_after(positions: Range<usize>, is_before: impl Fn(usize) -> bool) -> usize {
    let Range { start: mut from, end: mut to } = positions;
    while from < to {
        let middle = usize::midpoint(from, to);
        if is_before(middle) { from = middle + 1 } else { to = middle }
    }
    from
}
