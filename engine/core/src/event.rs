//! One decoded event: registers, the texts that may be printed, and who it is about.

use crate::batch::Timestamp;
use crate::marks::Marks;
use std::ops::Range;
use tripline_rules::money::Currency;
use tripline_rules::schema::{ACCOUNT_CURRENCY, CurrencyOf, Kind};
use tripline_rules::value::{Registers, Slot, TextSource};

/// A decoded event. It is reused from record to record, so that a steady stream allocates nothing.
#[derive(Clone, Debug)]
pub struct Event {
    /// Fields first (a field's slot is its place in the schema), then what the ruleset needs.
    pub registers: Registers,
    /// Texts of the event's own text fields, for alerts, verdicts and reasons.
    pub texts: Texts,
    /// When it happened.
    pub at: Timestamp,
    /// Code of its type in the schema's event types.
    pub event_type: u16,
    /// Keyed hash of its id. Identity is (`account`, `event_type`, `id`).
    pub id: u64,
    /// The event of the same account that it refers to.
    pub reference: Option<Reference>,
    /// Keyed hash of the account.
    pub account: u128,
    /// The account's currency where the event itself does not tell it: that of the account's newest money. Conditions
    /// read it in the register of `account.currency`; no row holds it.
    pub lent_currency: Option<u64>,
    /// What it says about the event that it refers to, unless a newer event of its type says something else. The
    /// account's shard sets it.
    pub amendment: Option<Amendment>,
    /// What newer events that came before it say about it.
    pub amended_by: Vec<Amendment>,
    /// The label that the mapping derives from this record, due that many ms after `at`.
    pub label: Option<DerivedLabel>,
    /// Whether it has a local time that a clock change repeats or skips, which the mapping decided.
    pub has_ambiguous_time: bool,
    /// Registers of the signals that were read and that cannot be relied on in full, with their marks.
    pub(crate) signal_marks: Vec<(Slot, Marks)>,
}

/// An earlier event of the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Keyed hash of its id.
    pub id: u64,
    /// Code of its type. `event.ref` does not name it: then the newest event with the id is meant, labels aside.
    pub event_type: Option<u16>,
}

/// A field of an earlier event's row that a follow-up changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// The field.
    pub slot: Slot,
    /// Its new value, as registers hold it.
    pub word: u64,
    /// The number of the currency, if the value is money in the account's currency.
    pub currency: Option<u64>,
}

/// `labels: {when, after}` of a mapping: the record says what it turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivedLabel {
    /// Code of `label.outcome`.
    pub outcome: u16,
    /// How long after the event the label becomes known, ms.
    pub after: i64,
}

impl Event {
    /// An empty event with so many registers.
    pub fn new(registers: usize) -> Event {
        Event {
            registers: Registers::new(registers),
            texts: Texts::default(),
            at: Timestamp(0),
            event_type: 0,
            id: 0,
            reference: None,
            account: 0,
            lent_currency: None,
            amendment: None,
            amended_by: Vec::new(),
            label: None,
            has_ambiguous_time: false,
            signal_marks: Vec::new(),
        }
    }

    /// Forgets what the record said; the memory stays. Marks and amendments are those of the insertion and set by it.
    pub fn clear(&mut self) {
        self.registers.clear();
        self.texts.clear();
        self.at = Timestamp(0);
        self.event_type = 0;
        self.id = 0;
        self.reference = None;
        self.account = 0;
        self.lent_currency = None;
        self.label = None;
        self.has_ambiguous_time = false;
    }
}

impl Event {
    /// The currency of the event's values of this kind, if they are money and it is known.
    pub(crate) fn currency_of(&self, kind: &Kind) -> Option<Currency> {
        match kind {
            Kind::Money(CurrencyOf::Fixed(currency)) => Some(*currency),
            Kind::Money(CurrencyOf::Account) => Currency::by_number(self.registers.get(ACCOUNT_CURRENCY)?),
            _ => None,
        }
    }
}

impl TextSource for Texts {
    fn text(&self, slot: Slot) -> Option<&str> {
        self.get(slot)
    }
}

/// Texts by field, in one buffer.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    ranges: Vec<(Slot, Range<usize>)>,
}

impl PartialEq for Texts {
    /// Whether every field has the same text, in whatever order they were set.
    fn eq(&self, other: &Texts) -> bool {
        let holds = |a: &Texts, b: &Texts| a.ranges.iter().all(|(slot, _)| a.get(*slot) == b.get(*slot));
        holds(self, other) && holds(other, self)
    }
}

impl Eq for Texts {}

impl Texts {
    /// Forgets all; the memory stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ranges.clear();
    }

    /// Sets the text of a field, the last one wins.
    pub fn set(&mut self, slot: Slot, text: &str) {
        self.set_utf8(slot, text.as_bytes());
    }

    /// As [`Texts::set`], with bytes that are known to be UTF-8.
    #[inline]
    pub(crate) fn set_utf8(&mut self, slot: Slot, text: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        self.ranges.push((slot, start..self.bytes.len()));
    }

    /// The text of a field.
    pub fn get(&self, slot: Slot) -> Option<&str> {
        let (_, range) = self.ranges.iter().rev().find(|(held, _)| *held == slot)?;
        str::from_utf8(&self.bytes[range.clone()]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[(u16, &str)]) -> Texts {
        let mut texts = Texts::default();
        all.iter().for_each(|(slot, text)| texts.set(Slot(*slot), text));
        texts
    }

    #[test]
    fn texts_are_equal_when_every_field_has_the_same_text() {
        assert_eq!(texts(&[(1, "a"), (2, "b")]), texts(&[(2, "b"), (1, "x"), (1, "a")]));
        for other in
            [&[(1, "a")][..], &[(1, "a"), (2, "c")], &[(1, "b"), (2, "a")], &[(1, "a"), (2, "b"), (3, "")]]
        {
            assert_ne!(texts(&[(1, "a"), (2, "b")]), texts(other));
            assert_ne!(texts(other), texts(&[(1, "a"), (2, "b")]));
        }
    }
}
