//! What can be wrong with a mapping, and where. It does not depend on how errors are displayed.

use crate::limits::SOURCES_MAX;
use thiserror::Error;
use tripline_rules::diagnostic::Span;
use tripline_rules::schema::{ACCOUNT_CURRENCY, LABEL_OUTCOME};
use tripline_rules::value::Slot;

/// An error in a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct MappingError {
    /// What is wrong.
    pub kind: MappingErrorKind,
    /// Where it is written.
    pub span: Span,
    /// The field whose declaration or mapping is concerned; none for a text that is wrong for any field.
    pub field: Option<Slot>,
}

impl MappingError {
    /// Whether the error may be only a consequence of another one in the declaration or the mapping of `field`.
    pub fn depends_on(&self, field: Slot) -> bool {
        let also = match self.kind {
            MappingErrorKind::NoCurrency(_) => Some(ACCOUNT_CURRENCY),
            MappingErrorKind::Label => Some(LABEL_OUTCOME),
            _ => None,
        };
        self.field == Some(field) || also == Some(field)
    }
}

/// What is wrong with a mapping. Field names are the schema's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MappingErrorKind {
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
        /// The kind of source.
        from: &'static str,
    },
    /// Not a JSON pointer, or one with more keys than records have levels.
    #[error("`{pointer}` is not a JSON pointer of 1 to {depth} keys, such as `/merchant/mcc`")]
    Pointer {
        /// As written.
        pointer: String,
        /// The limit.
        depth: usize,
    },
    /// A place behind one that always has a value.
    #[error("`{0}` is never read from here: the place before it always has a value")]
    Behind(String),
    /// A constant, or a value of the value map, that is not valid for the field.
    #[error("`{value}` is not a value of `{field}`")]
    Value {
        /// The field.
        field: String,
        /// The value as written.
        value: String,
    },
    /// A raw value that occurs twice in a value map.
    #[error("`{raw}` occurs twice in the values of `{field}`")]
    Repeated {
        /// The field.
        field: String,
        /// The raw value.
        raw: String,
    },
    /// A required field that could be made missing.
    #[error("`{0}` is required, so no value can be mapped to missing")]
    Required(String),
    /// Not an ISO 4217 code.
    #[error("`{0}` is not a currency in use (ISO 4217)")]
    Currency(String),
    /// The configured currency is not the field's.
    #[error("the currency of `{field}` is not `{currency}`")]
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
    #[error("`{0}` is neither a time zone of the tz database nor an offset such as +02:00")]
    Zone(String),
    /// A pattern that does not read back what it writes.
    #[error("`{0}` does not read a complete date, as `%Y-%m-%d %H:%M:%S` does")]
    Pattern(String),
    /// A pattern with an hour of twelve and no half of the day.
    #[error("`{0}` reads an hour of 1 to 12 without `%p`, its am or pm: `%H` is the hour of 0 to 23")]
    TwelveHours(String),
    /// A pattern with an hour of the whole day and its half of the day.
    #[error(
        "`{0}` reads an hour of 0 to 23 and also `%p`, its am or pm, which can contradict it: read an hour of 1 to 12 \
         with `%I`, or leave `%p` out"
    )]
    BothHours(String),
    /// A duration in another form than seconds or milliseconds.
    #[error("`{0}` is a duration: its time format must be seconds or milliseconds")]
    Duration(String),
    /// A delimiter that cannot be one.
    #[error("a CSV delimiter is one ASCII character, not a quote, a line end or a digit")]
    Delimiter,
    /// A negative delay or an unknown outcome.
    #[error("a label needs an outcome of `label.outcome` and a delay of zero or more")]
    Label,
    /// More sources than the decoder counts.
    #[error("a mapping can have at most {} sources", SOURCES_MAX)]
    TooMany,
}
