//! Why a record was rejected: a closed set of reasons with stable names. It never holds a byte of the record.

use std::fmt;
use tripline_rules::value::Slot;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Why a record became a dead letter. The names are stable: headers and metric labels spell them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $variant,)+ }

        impl Reason {
            /// All reasons.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)+];

            /// The stable name, snake case.
            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)+ }
            }
        }
    };
}

reasons! {
    /// More bytes than [`EVENT_BYTES_MAX`](crate::limits::EVENT_BYTES_MAX).
    TooLarge = "too_large",
    /// Not UTF-8.
    NotUtf8 = "not_utf8",
    /// Not one JSON object.
    BadJson = "bad_json",
    /// A key occurs twice in one object.
    DuplicateKey = "duplicate_key",
    /// Nested deeper than the mapping allows, by default [`DEPTH`](crate::limits::DEPTH).
    TooDeep = "too_deep",
    /// Not one CSV record: a quote or a line end at the wrong place.
    BadCsv = "bad_csv",
    /// More or fewer CSV cells than the header has columns.
    WrongCellCount = "wrong_cell_count",
    /// Not a number, or out of range.
    BadNumber = "bad_number",
    /// A number or an amount with a decimal comma: `12,50`.
    DecimalComma = "decimal_comma",
    /// Not a time in the mapped format, or out of range.
    BadTime = "bad_time",
    /// A local time that a clock change repeats.
    AmbiguousTime = "ambiguous_time",
    /// Not an amount, more decimals than the currency has, out of range, or of no known currency.
    BadMoney = "bad_money",
    /// An amount that is not in the currency of its field.
    CurrencyMismatch = "currency_mismatch",
    /// An amount below zero, where amounts are positive.
    NegativeAmount = "negative_amount",
    /// Not an id: empty, too long, or with a character that ids do not have.
    BadId = "bad_id",
    /// More characters than [`TEXT_CHARS_MAX`](crate::limits::TEXT_CHARS_MAX).
    TextTooLong = "text_too_long",
    /// A value that is not valid for the field.
    BadValue = "bad_value",
    /// Not a latitude and a longitude.
    BadLocation = "bad_location",
    /// An event type that the schema does not have.
    UnknownEventType = "unknown_event_type",
    /// The id, type, time or account of the event is missing.
    MissingField = "missing_field",
    /// A card number where none is allowed.
    CardNumber = "card_number",
    /// The id of an earlier event, with another time or other kept fields.
    IdConflict = "id_conflict",
    /// An event time too far ahead of the log.
    FutureTime = "future_time",
    /// An event time too far ahead of all earlier ones.
    TimeJump = "time_jump",
}

/// A record that was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Why.
    pub reason: Reason,
    /// The mapped field with the error, if it is an error of one.
    pub field: Option<Slot>,
    /// The number of the place with the error, if it is one of several places of the field.
    pub source: Option<u16>,
    /// Where in the record, bytes from its start.
    pub at: usize,
    /// Whether the record contains what looks like a card number, whatever the reason: then its content must not be
    /// forwarded. A record that is [`Reason::TooLarge`] was not searched.
    pub card_number: bool,
}

impl fmt::Display for Reject {
    /// The reason and the position, never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason.name(), self.at)
    }
}

impl std::error::Error for Reject {}

/// An error inside the decoder, before the field is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadError {
    pub(super) reason: Reason,
    pub(super) at: usize,
    /// The source of the value with the error, if it is an error of one.
    pub(super) source: Option<u16>,
}

impl ReadError {
    /// An error of the record as such.
    pub(super) fn new(reason: Reason, at: usize) -> ReadError {
        ReadError { reason, at, source: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b"_8".contains(&b))));
    }
}
