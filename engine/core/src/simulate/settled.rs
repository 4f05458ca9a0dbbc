//! An event that has happened: a draft with what the bank added.

use super::draft::Draft;

/// A draft that has happened.
pub(super) struct Settled {
    pub draft: Draft,
    /// Number of the event on its account, from 1.
    pub sequence: u32,
    /// Minor units, when money was to move.
    pub amount: Option<i64>,
    /// Minor units, after the event.
    pub balance: i64,
    /// ISO 8583 data element 39, when declined.
    pub declined: Option<&'static str>,
    /// What a fraud got, US cents.
    pub lost_cents: i64,
}
