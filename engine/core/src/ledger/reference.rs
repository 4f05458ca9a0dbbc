//! Which row a reference means: that of the event that a follow-up is about.

use super::follow_ups::FollowUp;
use super::{CLOCK_AHEAD_MS_MAX, Ledgers, RowRef};
use crate::event::Reference;
use crate::row::{self, Layout};

/// The follow-up of a row, which amends the row of the event with that id.
pub(super) fn follow_up(layout: &Layout, key: u128, row: &[u64], amended: u64) -> FollowUp {
    let currency = layout.currency_of(row).and_then(|number| u16::try_from(number).ok());
    let (at, event_type, id) = (row::at(row), layout.event_type(row), row::id(row));
    FollowUp { key, at, event_type, id, amended, currency }
}

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

    /// Whether an event that came before this row's amends its row.
    #[inline]
    pub(crate) fn is_amended(&self, own: RowRef) -> bool {
        let key = || self.store.index.header(own.ledger).key();
        let id = || self.rows(own.ledger).id(own.position);
        !self.follow_ups.is_empty() && self.follow_ups.about(key(), id()).next().is_some()
    }

    /// Notes which event's row the event of a row that was just inserted amends, by that event's id.
    pub(crate) fn note_amended(&mut self, own: RowRef, amended: u64) {
        let (key, rows) = (self.store.index.header(own.ledger).key(), self.rows(own.ledger));
        self.note_follow_up(follow_up(rows.layout(), key, rows.row(own.position), amended));
    }

    /// Notes a follow-up, if more about the same event may come.
    pub(super) fn note_follow_up(&mut self, own: FollowUp) {
        let after = self.may_arrive_after();
        if own.at <= after {
            return;
        }
        self.drop_follow_ups();
        if !self.follow_ups.insert(own) {
            self.evicted.follow_ups += 1;
        }
    }

    /// Drops the follow-ups that no event can ask for. A save that is under way asks for those of the moment at which
    /// it began.
    pub(super) fn drop_follow_ups(&mut self) {
        if self.save.is_none() {
            self.follow_ups.drop_until(self.may_arrive_after());
        }
    }

    /// The id of the event whose row a row's event amends.
    pub(super) fn amends(&self, key: u128, row: &[u64]) -> Option<u64> {
        let layout = self.store.layout();
        if self.follow_ups.is_empty() || !layout.is_follow_up(row) {
            return None;
        }
        self.follow_ups.amended_by(key, row::at(row), layout.event_type(row), row::id(row))
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
        let key = self.store.index.header(ledger).key();
        let (after, layout) = (self.may_arrive_after(), rows.layout());
        let meant = |held: &&FollowUp| held.event_type == event_type && held.at > after;
        let held = self.follow_ups.about(key, amended).filter(meant);
        let positions = held.filter_map(|held| {
            let is_its = |at: usize| rows.at(at) == held.at && rows.event_type(at) == held.event_type;
            self.newest_with(ledger, &rows, held.id, after, is_its)
        });
        positions.filter(|at| currency.is_none() || layout.currency_of(rows.row(*at)) == currency).max()
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
