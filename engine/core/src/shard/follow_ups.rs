//! Event types that are about an earlier event, and what one of them says about it.

use crate::event::{Amendment, Event};
use tripline_rules::schema::{ACCOUNT_CURRENCY, Schema, TX_REVERSED};
use tripline_rules::value::Slot;

/// The event types that are about the event they refer to.
pub(super) struct FollowUpTypes {
    /// Those that amend its row, with the field that they amend and that rows keep.
    amending: Vec<(u16, Slot)>,
    /// One bit for each type, labels among them, by its code.
    bits: u64,
}

impl FollowUpTypes {
    pub(super) fn new(schema: &Schema) -> FollowUpTypes {
        let codes = schema.amending().map(|(code, _)| code).chain(schema.event_types().code("label"));
        // The types that every schema has come first, and these are among them.
        let bits = codes.fold(0, |bits, code| bits | 1u64.checked_shl(u32::from(code)).expect("a low code"));
        let amending = schema.amending().filter(|(_, slot)| schema.keep().contains(slot));
        FollowUpTypes { amending: amending.collect(), bits }
    }

    /// Whether events of a type are about earlier ones, whether or not they name them.
    #[inline]
    pub(super) fn has(&self, event_type: u16) -> bool {
        1u64.checked_shl(u32::from(event_type)).is_some_and(|bit| self.bits & bit != 0)
    }

    /// The types that amend rows, each with the field that it amends.
    pub(super) fn amending(&self) -> &[(u16, Slot)] {
        &self.amending
    }

    /// What the event itself says about the event that it refers to.
    pub(super) fn amendment(&self, event: &Event) -> Option<Amendment> {
        event.reference?;
        let (_, slot) = *self.amending.iter().find(|(amending, _)| *amending == event.event_type)?;
        let word = if slot == TX_REVERSED { 1 } else { event.registers.get(slot)? };
        Some(Amendment { slot, word, currency: event.registers.get(ACCOUNT_CURRENCY) })
    }
}
