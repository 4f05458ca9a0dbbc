//! What became of an event that a shard was given: its row, and how far the facts about it can be relied on.

use crate::batch::Timestamp;
use crate::event::Event;
use crate::fact::FactMarks;
use crate::ledger::RowRef;
use tripline_rules::value::Slot;

/// The outcome of one event in one shard.
#[derive(Clone, Copy, Debug)]
pub enum Ingested {
    /// It has a row.
    New(InsertedRow),
    /// It came before.
    Duplicate,
    /// Another event with its identity came before.
    Conflict,
    /// It has no key in this key space.
    NoKey,
}

/// An event's row.
#[derive(Clone, Copy, Debug)]
pub struct InsertedRow {
    /// The row, until the next one is inserted.
    pub row: RowRef,
    /// Whether newer rows of the same key exist.
    pub out_of_order: bool,
    /// Facts computed from fewer rows than their definition asks for.
    pub marks: FactMarks,
    /// Where the shard's log begins: all events after this time came in.
    pub held_from: Timestamp,
    /// Rows of the ledger at or before this time may be gone: they have expired, a limit dropped them, or the key was
    /// evicted since.
    pub gone_until: Timestamp,
    /// Whether the event refers to none, or to one that is held and whose amount it does not give in another currency.
    pub resolved: bool,
}

/// Where an event's key in a key space is: the account's travels beside the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// The account.
    Account,
    /// The word of a field.
    Field(Slot),
}

impl InsertedRow {
    /// All rows of the ledger after this time are held.
    pub(crate) fn rows_from(&self) -> Timestamp {
        self.held_from.max(self.gone_until)
    }
}

impl KeySource {
    /// The event's key, if it has one here.
    #[inline]
    pub(crate) fn of(self, event: &Event) -> Option<u128> {
        match self {
            KeySource::Account => Some(event.account),
            KeySource::Field(slot) => event.registers.get(slot).map(u128::from),
        }
    }
}
