//! How the records of a feed become events, as configured: where each field comes from and how its values are written.
//!
//! Every part carries the place where it is written, so that an error can point at it. This module does not depend on
//! how records are read.

use crate::limits::DEPTH;
use std::fmt;
use std::ops::Deref;
use tripline_rules::diagnostic::Span;
use tripline_rules::value::Slot;

/// A part of a mapping, and where it is written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The part.
    pub value: T,
    /// Where it is written; the default when it is not from a file.
    pub span: Span,
}

impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    /// The part alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl Spanned<String> {
    /// Something made of the text, with the same place.
    pub(super) fn to<T>(&self, make: fn(String) -> T) -> Spanned<T> {
        Spanned { value: make(self.value.clone()), span: self.span }
    }
}

impl From<String> for Spanned<String> {
    /// A text that is not from a file.
    fn from(value: String) -> Spanned<String> {
        Spanned { value, span: Span::default() }
    }
}

impl From<&str> for Spanned<String> {
    /// A text that is not from a file.
    fn from(value: &str) -> Spanned<String> {
        Spanned::from(value.to_owned())
    }
}

/// How the records of a feed become events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The format of the records.
    pub format: Format,
    /// The mapped fields, each once.
    pub fields: Vec<FieldMapping>,
    /// Which records carry a label.
    pub labels: Option<LabelMapping>,
    /// Fields that are not searched for card numbers.
    pub pan_exempt: Vec<Slot>,
    /// Nested objects and arrays of a JSON record, the outermost included: a pointer has at most so many keys.
    pub depth: usize,
    /// Where the sections are written.
    pub spans: MappingSpans,
}

impl Mapping {
    /// A mapping of fields without labels.
    pub fn new(format: Format, fields: Vec<FieldMapping>) -> Mapping {
        let (pan_exempt, spans) = (Vec::new(), MappingSpans::default());
        Mapping { format, fields, labels: None, pan_exempt, depth: DEPTH, spans }
    }
}

/// Where the sections of a mapping are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappingSpans {
    /// The format, or the delimiter where one is given.
    pub format: Span,
    /// The list of fields.
    pub fields: Span,
    /// The labels.
    pub labels: Span,
}

/// The format of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a record; sources are JSON pointers (RFC 6901).
    Json,
    /// One line of comma-separated values a record (RFC 4180); sources are column names of the header.
    Csv {
        /// Between cells: one ASCII byte, not a quote or line end.
        delimiter: u8,
    },
}

/// Where one field comes from and how its values are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMapping {
    /// The field.
    pub slot: Slot,
    /// Where its name is written.
    pub span: Span,
    /// Where it comes from.
    pub source: FieldSource,
    /// Value map: a raw value (a text, a number as written, `true`, `false`) and the value that replaces it, written as
    /// the field's kind is: for a one-of its value, for yes/no `yes` or `no`.
    pub values: Vec<(Spanned<String>, Spanned<String>)>,
    /// What happens to a value that is neither in the map nor valid for the field.
    pub fallback: Fallback,
    /// How times are written. For a duration: in seconds or milliseconds.
    pub time: TimeFormat,
    /// How money is written.
    pub money: MoneyForm,
    /// Where the source has no value: the other places of the field, in their order, each with its own settings. The
    /// first place with a value counts, whatever becomes of that value.
    pub others: Vec<FieldMapping>,
}

impl FieldMapping {
    /// A field whose values are written in the default way of its kind: RFC 3339 times, amounts in major units of the
    /// field's own currency.
    pub fn new(slot: Slot, source: FieldSource) -> FieldMapping {
        FieldMapping {
            slot,
            span: Span::default(),
            source,
            values: Vec::new(),
            fallback: Fallback::Reject,
            time: TimeFormat::Rfc3339,
            money: MoneyForm {
                amount: AmountForm::Major,
                sign: Sign::AsWritten,
                currency: CurrencySource::OfField,
            },
            others: Vec::new(),
        }
    }

    /// The mapping of each place, in the order in which they are tried.
    pub fn places(&self) -> impl Iterator<Item = &FieldMapping> {
        std::iter::once(self).chain(&self.others)
    }
}

/// Where a field comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldSource {
    /// A value of a JSON record: a pointer such as `/merchant/mcc`.
    Pointer(Spanned<String>),
    /// A column of a CSV record.
    Column(Spanned<String>),
    /// The same text for every record.
    Constant(Spanned<String>),
    /// The record's offset or row number; for `event.id` alone.
    RowNumber,
    /// Latitude and longitude of a location, degrees: two pointers or two columns.
    Pair {
        /// Degrees north.
        latitude: Spanned<String>,
        /// Degrees east.
        longitude: Spanned<String>,
    },
}

/// What happens to a value that is neither in the value map nor valid for the field.
/// Every text is valid for a text field, unless the field has a value map and this is not [`Fallback::Reject`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// The record is a dead letter.
    #[default]
    Reject,
    /// The field is missing.
    Missing,
    /// The field has this value.
    Constant(Spanned<String>),
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2024-01-15T10:30:00.123Z`, with any offset; a blank may stand for the `T`.
    Rfc3339,
    /// Seconds since 1970, decimals allowed.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// Microseconds since 1970.
    EpochMicros,
    /// Nanoseconds since 1970.
    EpochNanos,
    /// Local time.
    Local {
        /// In the notation of `strptime`: `%Y-%m-%d %H:%M:%S`. With `%z` the offset in the text counts.
        pattern: Spanned<String>,
        /// A name of the tz database, such as `Europe/Berlin`, or an offset, such as `+02:00`.
        zone: Spanned<String>,
        /// What a time is that a clock change repeats or skips.
        ambiguous: Ambiguous,
    },
}

/// What becomes of a local time that a clock change repeats or skips. A date alone is the first moment of its day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ambiguous {
    /// The earlier one of the two moments that the offsets before and behind the change give.
    Earlier,
    /// The later one.
    Later,
    /// The record is refused.
    #[default]
    Reject,
}

/// How money is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyForm {
    /// The number.
    pub amount: AmountForm,
    /// What its sign means.
    pub sign: Sign,
    /// Its currency.
    pub currency: CurrencySource,
}

/// What the sign of an amount becomes. `tx.amount` is never below zero: such a record is a dead letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sign {
    /// It stays.
    #[default]
    AsWritten,
    /// It is dropped: the feed writes outgoing money with a minus and incoming without.
    Absolute,
    /// It is turned round: all amounts of the feed are written with a minus.
    Negate,
}

/// The unit of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountForm {
    /// Major units with decimals: `57.16`. No more decimals than the currency has: `25.000` euros is refused.
    Major,
    /// Major units as binary floats were printed: also `85.64999999999999`, which is 85.65. An amount may be off by
    /// less than half a thousandth of its minor unit; `85.649` is refused.
    MajorFloat,
    /// Minor units: `5716`; `5716.0` and `5716.00` are accepted.
    Minor,
}

/// Where the currency of an amount comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CurrencySource {
    /// Another pointer or column, an ISO 4217 code. Where `tx.currency` or `account.currency` is mapped from the same
    /// source, its value map applies here too.
    From(Spanned<String>),
    /// Always this ISO 4217 code.
    Constant(Spanned<String>),
    /// The field's own: `money in EUR` names it; `money in account.currency` is the record's `account.currency`.
    OfField,
}

/// A record that carries its own label, which becomes known later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMapping {
    /// Pointer or column.
    pub source: Spanned<String>,
    /// The raw value that makes a label.
    pub equals: String,
    /// Code of `label.outcome`.
    pub outcome: u16,
    /// How long after the event the label becomes known, ms.
    pub after_ms: i64,
}
