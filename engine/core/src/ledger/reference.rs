//! Which row a reference means: that of the event that a follow-up is about.

use super::{CLOCK_AHEAD_MS_MAX, Ledgers, RowRef};
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

    /// Whether a newer row of the type amends the same event's row as this one; `currency`: only in this one.
    pub(crate) fn is_superseded(
        &self,
        own: RowRef,
        (event_type, amended): (u16, u64),
        currency: Option<u64>,
    ) -> bool {
        let newest = self.newest_amending(own.ledger, (event_type, amended), currency);
        newest.is_some_and(|position| position > own.position)
    }

    /// The newest row of a type that came before this row's event and amends its row; `currency`: only in this one.
    pub(crate) fn newest_about(&self, own: RowRef, event_type: u16, currency: Option<u64>) -> Option<RowRef> {
        let rows = self.rows(own.ledger);
        let reference = Reference { id: rows.id(own.position), event_type: None };
        let position = self.newest_amending(own.ledger, (event_type, reference.id), currency)?;
        let row = RowRef { ledger: own.ledger, position };
        if self.find_beside(row, reference) != Some(own) {
            return None;
        }
        // An id that is used again is about a new event, which an earlier follow-up did not mean.
        let ahead = rows.at(own.position).0.saturating_sub(rows.at(position).0);
        let is_neither = |other: usize| other != position && other != own.position;
        let meant = || self.find_among(own.ledger, reference, is_neither);
        let has_event = || meant().is_some_and(|met| !rows.layout().is_follow_up(rows.row(met.position)));
        (ahead <= 0 || ahead <= CLOCK_AHEAD_MS_MAX && !has_event()).then_some(row)
    }

    fn newest_amending(
        &self,
        ledger: u32,
        (event_type, amended): (u16, u64),
        currency: Option<u64>,
    ) -> Option<usize> {
        let rows = self.rows(ledger);
        rows.layout().amends()?;
        self.newest_by_id(ledger, &rows, amended, self.may_arrive_after(), |position| {
            rows.amends(position) == Some(amended)
                && rows.event_type(position) == event_type
                && (currency.is_none() || rows.layout().currency_of(rows.row(position)) == currency)
        })
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
