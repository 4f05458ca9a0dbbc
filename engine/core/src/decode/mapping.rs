//! Where each field sits in a bank's record, as configured. It does not know how records are read.

use thiserror::Error;
use tripline_rules::value::Slot;

/// How a bank's records become events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What a record is.
    pub format: Format,
    /// The mapped fields, each once.
    pub fields: Vec<FieldMapping>,
    /// How records tell what they turned out to be.
    pub labels: Option<LabelMapping>,
    /// Fields in which what looks like a card number is none.
    pub pan_exempt: Vec<Slot>,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object; places are JSON pointers (RFC 6901) of at most four keys.
    Json,
    /// One line of comma-separated values (RFC 4180); places are column names of the header.
    Csv {
        /// Between cells: one ASCII byte, not a quote or line end.
        delimiter: u8,
    },
}

/// Where one field comes from and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMapping {
    /// Which field.
    pub slot: Slot,
    /// Where it comes from.
    pub source: FieldSource,
    /// Value map: a raw value (a text, a number as written, `true`, `false`) and what it stands for, written as the
    /// field's kind is: for a one-of its value, for yes/no `yes` or `no`.
    pub values: Vec<(String, String)>,
    /// What a value means that is neither in the map nor one of the field's own.
    pub fallback: Fallback,
    /// How times are written. For a duration: in seconds or milliseconds.
    pub time: TimeFormat,
    /// How money is written.
    pub money: MoneyForm,
}

impl FieldMapping {
    /// A field read as its kind is written by default: RFC 3339 times, amounts in major units of the field's own currency.
    pub fn new(slot: Slot, source: FieldSource) -> FieldMapping {
        FieldMapping {
            slot,
            source,
            values: Vec::new(),
            fallback: Fallback::Reject,
            time: TimeFormat::Rfc3339,
            money: MoneyForm { amount: AmountForm::Major, currency: CurrencySource::OfField },
        }
    }
}

/// Where a field comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldSource {
    /// A place in a JSON record: a pointer such as `/merchant/mcc`.
    Pointer(String),
    /// A column of a CSV record.
    Column(String),
    /// The same text for every record.
    Constant(String),
    /// The record's offset or row number; for `event.id` alone.
    RowNumber,
    /// Latitude and longitude of a location, degrees: two pointers or two columns.
    Pair {
        /// Degrees north.
        latitude: String,
        /// Degrees east.
        longitude: String,
    },
}

/// What a value means that is neither in the value map nor one of the field's own.
/// (Of a text field every value is its own, unless the field has a value map and this is not [`Fallback::Reject`].)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// The record is a dead letter.
    #[default]
    Reject,
    /// The field is missing.
    Missing,
    /// The field has this value.
    Constant(String),
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
    /// Local time. Of a time that a clock change skips or repeats, the offset before the change is meant.
    Local {
        /// As `strptime` has it: `%Y-%m-%d %H:%M:%S`. With `%z` the offset in the text counts.
        pattern: String,
        /// A name of the tz database, such as `Europe/Berlin`, or an offset, such as `+02:00`.
        zone: String,
    },
}

/// How money is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyForm {
    /// The number.
    pub amount: AmountForm,
    /// Its currency.
    pub currency: CurrencySource,
}

/// What the number of an amount counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountForm {
    /// Major units with decimals: `57.16`. More decimals than the currency has must be zeros.
    Major,
    /// Major units as binary floats were printed: also `85.64999999999999`, which is 85.65. An amount may be off by
    /// less than half a thousandth of its minor unit; `85.649` stays refused.
    MajorFloat,
    /// Minor units: `5716`.
    Minor,
}

/// Where an amount's currency is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CurrencySource {
    /// Another pointer or column, an ISO 4217 code. Where `tx.currency` or `account.currency` is mapped from the same
    /// place, its value map counts here too.
    From(String),
    /// Always this ISO 4217 code.
    Constant(String),
    /// The field's own: `money in EUR` says it; `money in account.currency` is the record's `account.currency`.
    OfField,
}

/// The record carries its own label, which becomes known later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMapping {
    /// Pointer or column.
    pub source: String,
    /// The raw value that makes a label.
    pub equals: String,
    /// Code of `label.outcome`.
    pub outcome: u16,
    /// How long after the event the label becomes known, ms.
    pub after_ms: i64,
}

/// What is wrong with a mapping. Field names are the schema's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MappingError {
    /// A field that every event must have.
    #[error("`{0}` must be mapped")]
    Unmapped(String),
    /// A field with two sources.
    #[error("`{0}` is mapped twice")]
    Twice(String),
    /// The kind of source does not fit the format or the field.
    #[error("`{field}` cannot come from {from}")]
    Source {
        /// The field.
        field: String,
        /// What the source is.
        from: &'static str,
    },
    /// Not a JSON pointer of one to four keys.
    #[error("`{0}` is not a JSON pointer of one to four keys")]
    Pointer(String),
    /// A constant or a value of the value map that the field cannot have.
    #[error("`{value}` is not a value of `{field}`")]
    Value {
        /// The field.
        field: String,
        /// The value as written.
        value: String,
    },
    /// A raw value that stands twice in a value map.
    #[error("`{raw}` occurs twice in the values of `{field}`")]
    Repeated {
        /// The field.
        field: String,
        /// The raw value.
        raw: String,
    },
    /// A required field that could be made missing.
    #[error("`{0}` cannot be missing, so nothing can be mapped to missing")]
    Required(String),
    /// Not an ISO 4217 code.
    #[error("`{0}` is not a currency in use (ISO 4217)")]
    Currency(String),
    /// The configured currency is another one than the field's.
    #[error("`{field}` is in another currency than `{currency}`")]
    OtherCurrency {
        /// The field.
        field: String,
        /// The configured currency.
        currency: String,
    },
    /// An amount without any currency.
    #[error("`{0}` needs a currency: map one, or map `account.currency`")]
    NoCurrency(String),
    /// Not a time zone.
    #[error("`{0}` is not a time zone of the tz database nor an offset such as +02:00")]
    Zone(String),
    /// A pattern that does not read back what it writes.
    #[error("`{0}` does not read a whole date and time (as `%Y-%m-%d %H:%M:%S` does)")]
    Pattern(String),
    /// A duration in another form than seconds or milliseconds.
    #[error("`{0}` is a duration: its time format is seconds or milliseconds")]
    Duration(String),
    /// A delimiter that cannot be one.
    #[error("a CSV delimiter is one ASCII character, not a quote, a line end or a digit")]
    Delimiter,
    /// A negative delay or an unknown outcome.
    #[error("a label needs an outcome of `label.outcome` and a delay that is not negative")]
    Label,
    /// More places than the decoder counts.
    #[error("a mapping reads at most 1024 places of a record")]
    TooMany,
}

/// What is wrong with a CSV header.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Mapped columns that the header does not have.
    #[error("the header has no column {}", listed(.0))]
    Missing(Vec<String>),
    /// Mapped columns that the header has twice.
    #[error("the header has twice the column {}", listed(.0))]
    Twice(Vec<String>),
    /// Not one line of comma-separated values in UTF-8.
    #[error("the header is not one line of comma-separated values in UTF-8")]
    Malformed,
    /// The mapping is not one of CSV.
    #[error("records of this format have no header")]
    NotCsv,
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
