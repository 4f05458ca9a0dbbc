//! What follow-ups change in the rows of the events that they are about.
//!
//! The newest outcome, reversal and clearing by event time decide, in whatever order they arrive: one that comes after
//! a newer one changes nothing, and one that comes before its event changes the row as soon as that is inserted. The
//! account's shard finds out which, and the event carries it to the other key spaces.

use super::Shard;
use crate::event::{Amendment, Event};
use crate::ingested::KeySource;
use crate::ledger::RowRef;
use tripline_rules::schema::{CurrencyOf, Kind, TX_REVERSED};
use tripline_rules::value::Slot;

impl Shard {
    /// Notes what an event says about the one that it refers to, before it takes over any of that one's fields.
    #[inline]
    pub(super) fn note_amendment(&self, event: &mut Event) {
        if matches!(self.key, KeySource::Account) {
            event.amendment = self.follow_up_types.amendment(event);
        }
    }

    /// Changes the row that an event refers to, and its own row by what came before it. False when its amount is in
    /// another currency than the row that it refers to.
    #[inline]
    pub(super) fn amend(&mut self, own: RowRef, event: &mut Event) -> bool {
        if matches!(self.key, KeySource::Account) {
            event.amended_by.clear();
            if event.amendment.is_some() || self.ledgers.is_amended(own) {
                self.order_amendments(own, event);
            }
        }
        event.amendment.is_none() && event.amended_by.is_empty() || self.amend_rows(own, event)
    }

    #[inline(never)]
    fn amend_rows(&mut self, own: RowRef, event: &Event) -> bool {
        for amendment in &event.amended_by {
            self.amend_row(own, *amendment);
        }
        let Some(amendment) = event.amendment else { return true };
        let target = self.reference(event).and_then(|reference| self.ledgers.find_beside(own, reference));
        target.is_none_or(|target| self.amend_row(target, amendment))
    }

    /// Drops what a newer follow-up has said otherwise, and finds what came before the event that it is about.
    #[inline(never)]
    fn order_amendments(&mut self, own: RowRef, event: &mut Event) {
        if let (Some(amendment), Some(reference)) = (event.amendment, event.reference) {
            self.ledgers.note_amended(own, reference.id);
            let target = self.ledgers.find_beside(own, reference);
            let currency = target.and_then(|target| self.currency_for(target, amendment.slot));
            let about = (event.event_type, reference.id);
            if self.ledgers.is_superseded(own, about, currency) {
                event.amendment = None;
            }
        }
        let newest = self.follow_up_types.amending().iter().filter_map(|(event_type, slot)| {
            let row = self.ledgers.newest_about(own, *event_type, self.currency_for(own, *slot))?;
            let word = if *slot == TX_REVERSED { 1 } else { self.ledgers.read(row, *slot)? };
            Some(Amendment { slot: *slot, word, currency: self.ledgers.currency(row) })
        });
        event.amended_by.extend(newest);
    }

    /// The currency in which a field of a row can be amended; `None`: in any.
    fn currency_for(&self, row: RowRef, slot: Slot) -> Option<u64> {
        let is_accounts = self.installation.schema().field(slot).kind == Kind::Money(CurrencyOf::Account);
        if is_accounts { self.ledgers.currency(row) } else { None }
    }

    /// Changes a row, unless the amount is in another currency than the row's.
    fn amend_row(&mut self, row: RowRef, amendment: Amendment) -> bool {
        let Amendment { slot, word, currency } = amendment;
        if self.installation.schema().field(slot).kind == Kind::Money(CurrencyOf::Account) {
            match (self.ledgers.currency(row), currency) {
                (None, Some(own)) => self.ledgers.set_currency(row, own),
                (held, own) if held != own => return false,
                _ => {}
            }
        }
        let program = &self.program;
        self.ledgers.amend(row, slot, Some(word), &mut self.scratch, |registers| program.tags(registers));
        true
    }
}
