//! Which row a reference means: that of the event that a follow-up is about.

use super::{Ledgers, RowRef};
use crate::event::Reference;

impl Ledgers {
    /// The row of a key that a reference means: the newest of the type that it names. Without a type the newest that is
    /// no follow-up, or else the newest follow-up that is no label.
    pub fn find(&self, key: u128, reference: Reference) -> Option<RowRef> {
        self.find_among(self.store.index.find(key)?, reference, |_| true)
    }

    /// The same among the other rows of the row's key.
    pub fn find_beside(&self, own: RowRef, reference: Reference) -> Option<RowRef> {
        self.find_among(own.ledger, reference, |position| position != own.position)
    }

    fn find_among(
        &self,
        ledger: u32,
        reference: Reference,
        is_candidate: impl Fn(usize) -> bool,
    ) -> Option<RowRef> {
        let rows = self.rows(ledger);
        let newest = |is_meant: &dyn Fn(usize) -> bool| {
            let is_meant = |position: usize| is_candidate(position) && is_meant(position);
            self.newest_with(ledger, &rows, reference.id, self.retained_after(), is_meant)
        };
        let is_no_label = |position: usize| Some(rows.event_type(position)) != self.label;
        let is_follow_up = |position: usize| rows.layout().is_follow_up(rows.row(position));
        let position = match reference.event_type {
            Some(named) => newest(&|position| rows.event_type(position) == named),
            None => newest(&|position| is_no_label(position) && !is_follow_up(position))
                .or_else(|| newest(&is_no_label)),
        };
        position.map(|position| RowRef { ledger, position })
    }
}
