//! What bounds the ledgers of one shard.

use super::ROWS_MAX;
use crate::limits::FUTURE_MS_MAX;
use tripline_rules::time::Ms;

/// A repeat is recognised so far back beyond the lateness: an event's clock may run ahead of the record's.
pub const CLOCK_AHEAD_MS_MAX: Ms = FUTURE_MS_MAX;

/// What bounds the ledgers of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerLimits {
    /// Rows of one ledger, at most [`ROWS_MAX`]; beyond it the oldest are dropped.
    pub rows_per_ledger: u16,
    /// Keys of the shard; beyond it those are evicted whose newest row is oldest.
    pub keys: usize,
    /// Bytes of the shard's rows and keys, by [`Ledgers::bytes_of`](super::Ledgers::bytes_of); beyond it the same are
    /// evicted.
    pub bytes: usize,
    /// Ledgers of more rows than this keep running totals: 0 always, `usize::MAX` never. No answer depends on it.
    /// Scans are faster up to about 100 rows and always take far less memory; 512 is a good choice.
    pub totals_threshold: usize,
    /// Rows with `at <= watermark - retention` have expired. At least lateness + [`CLOCK_AHEAD_MS_MAX`].
    pub retention: Ms,
    /// How late an event may come, ms.
    pub lateness: Ms,
}

impl LedgerLimits {
    /// How far apart in event time two events can be of which the older one comes later, ms.
    pub(super) fn reordering(&self) -> Ms {
        // One more: what is exactly so old may still come.
        self.lateness + CLOCK_AHEAD_MS_MAX + 1
    }

    pub(super) fn check(&self) {
        assert!((1..=ROWS_MAX).contains(&self.rows_per_ledger), "rows of a ledger: 1 to {ROWS_MAX}");
        assert!(self.retention >= self.lateness + CLOCK_AHEAD_MS_MAX, "rows outlive the lateness");
    }
}
