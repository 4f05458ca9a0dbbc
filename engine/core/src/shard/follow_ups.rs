//! Event types that are about an earlier event, and what one of them says about it.

use crate::event::{Amendment, Event};
use tripline_rules::schema::{ACCOUNT_CURRENCY, Schema, TX_REVERSED};
use tripline_rules::value::Slot;

/// The event types that are about the event they refer to.
pub(super) struct FollowUpTypes {
    /// Those that amend its row, with the field that they amend.
    amending: Vec<(u16, Slot)>,
    label: Option<u16>,
}

impl FollowUpTypes {
    pub(super) fn new(schema: &Schema) -> FollowUpTypes {
        FollowUpTypes { amending: schema.amending().collect(), label: schema.event_types().code("label") }
    }

    /// Whether events of a type are about earlier ones, whether or not they name them.
    #[inline]
    pub(super) fn has(&self, event_type: u16) -> bool {
        self.label == Some(event_type) || self.amending.iter().any(|(amending, _)| *amending == event_type)
    }

    /// Whether any type amends rows.
    #[inline]
    pub(super) fn can_amend(&self) -> bool {
        !self.amending.is_empty()
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
