//! A record of the feed with the truth about it.

use super::draft::Truth;
use crate::batch::Timestamp;

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Appended after its turn.
    OutOfOrder,
    /// An exact repeat.
    Duplicate,
    /// The id of another record, with another amount.
    Conflict,
    /// Cannot be taken.
    Bad,
    /// Too late.
    Late,
    /// Happens in the future.
    Future,
}

/// A record of the feed and what is known about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulatedEvent {
    /// Account: the record's key.
    pub account: String,
    /// Id of the event, as in the record (before it was spoiled, if it was).
    pub id: String,
    /// The record.
    pub value: Vec<u8>,
    /// When it happened.
    pub at: Timestamp,
    /// When it reached the log. Events come in this order.
    pub appended_at: Timestamp,
    /// What it really is.
    pub truth: Truth,
    /// What is wrong with the record.
    pub fault: Option<Fault>,
    /// What a fraud got by this event, US cents at the simulation's fixed rates; 0 when declined or genuine.
    pub lost_cents: i64,
}
