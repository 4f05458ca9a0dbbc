//! From the bytes of one record to the fields of one event, or a reason why not.
//!
//! A mapping is compiled once into a [`DecodePlan`]; a [`Decoder`] reads records by it. One pass over a record checks
//! every byte (`json`, `csv`). Most mapped values are converted as soon as they are found. Values that depend on
//! others, such as amounts on their currency, are captured and converted when the whole record has been read. No value
//! tree is built, and a steady stream allocates nothing. The result is a function of the record's bytes and number
//! alone.
//!
//! A record with several errors is rejected for one of the record as such before one of a field, and for the field that
//! comes first in the order of fields.
//!
//! How values are read, within the bounds of [`crate::limits`]:
//!
//! | value | as money | as a number | as an id | not mapped |
//! |---|---|---|---|---|
//! | `57.16`, `"57.16"` | 5716 minor units of EUR | 57.16 | number `bad_id`, text accepted | accepted |
//! | `1.0` | 100 (in minor units: 1) | 1 | `bad_id` | accepted |
//! | `1e2` | 10,000 (in minor units: 100) | 100 | `bad_id` | accepted |
//! | `57.161`, `57.000` | `bad_money` (EUR has two places) | 57.161, 57 | `bad_id` | accepted |
//! | `0.0000005` | `bad_money` | 0.000001 (six places, half away from zero) | `bad_id` | accepted |
//! | `-0` | 0 | 0 | `bad_id` | accepted |
//! | number `007` | `bad_json` | `bad_json` | `bad_json` | `bad_json` |
//! | text `007` | 700 | 7 | accepted | accepted |
//! | number `NaN`, `Infinity`, `+1`, `.5`, `5.` | `bad_json` | `bad_json` | `bad_json` | `bad_json` |
//! | the same as a text | `bad_money` | `bad_number` | by its characters | accepted |
//! | text `12,50` | `decimal_comma` | `decimal_comma` | `bad_id` | accepted |
//! | `1e400` | `bad_money` | `bad_number` | `bad_id` | accepted: it is JSON |
//! | `true`, `{}` | `bad_money` | `bad_number` | `bad_id` | accepted |
//! | `null`, an absent key, an empty cell | missing | missing | missing | accepted |
//! | `""` | `bad_money` | `bad_number` | `bad_id` | accepted |
//!
//! A free text may be empty in JSON. Half a surrogate pair is `bad_json`. A location without one of its two numbers is
//! missing. An amount such as `85.64999999999999`, printed from a binary float, is `bad_money` unless its mapping has
//! [`AmountForm::MajorFloat`]. All amounts of a record in `account.currency` are in one currency: the record's
//! `account.currency`, or else that of its first amount, which then is the record's `account.currency`.

mod capture;
mod checked;
mod convert;
mod csv;
mod decimal;
mod fields;
mod hash_cache;
mod json;
mod mapping;
mod mapping_error;
mod money;
mod pan;
mod plan;
mod record;
mod reject;
mod scan;
mod shape;
mod steps;
mod text;
mod time;
mod word;

pub use checked::CheckedMapping;
pub use csv::HeaderError;
pub use mapping::{
    Ambiguous, AmountForm, CurrencySource, Fallback, FieldMapping, FieldSource, Format, LabelMapping,
    Mapping, MappingSpans, MoneyForm, Sign, Spanned, TimeFormat,
};
pub use mapping_error::{MappingError, MappingErrorKind};
pub use plan::DecodePlan;
pub use reject::{Reason, Reject};

use crate::batch::SourceRecord;
use crate::event::{DerivedLabel, Event};
use crate::limits::EVENT_BYTES_MAX;
use capture::Captures;
use csv::CsvReader;
use fields::{CapturedRecord, FieldError, Fields, Scratch};
use json::JsonReader;
use plan::ReaderPlan;
use reject::ReadError;
use std::str::Utf8Error;
use std::sync::Arc;
use steps::{Required, ValueSource};
use tripline_rules::schema::ACCOUNT_CURRENCY;

/// Whether bytes that no decoder reads, such as a record's key, contain what looks like a card number.
pub fn holds_card_number(bytes: &[u8]) -> bool {
    pan::in_record(bytes)
}

/// Reads the records of one feed. Its state is scratch space and the learned order of keys; both change how fast a
/// record is read, never what is read.
///
/// ```
/// use std::sync::Arc;
/// use tripline_core::batch::SourceRecord;
/// use tripline_core::decode::{
///     CheckedMapping, DecodePlan, Decoder, FieldMapping, FieldSource, Format, Mapping, Reason,
/// };
/// use tripline_core::event::Event;
/// use tripline_rules::schema::Schema;
/// use tripline_rules::value::TextKey;
///
/// let schema = Schema::built_in();
/// let slot = |name: &str| schema.slot(name).expect("a built-in field");
/// let field = |name: &str, pointer: &str| FieldMapping::new(slot(name), FieldSource::Pointer(pointer.into()));
/// let fields = vec![
///     field("event.id", "/id"),
///     field("event.type", "/type"),
///     field("event.time", "/time"),
///     field("account.id", "/account/id"),
///     field("tx.declined", "/declined"),
/// ];
/// let mapping = CheckedMapping::new(&Mapping::new(Format::Json, fields), &schema).expect("a valid mapping");
/// let plan = DecodePlan::new(&mapping, &[slot("tx.declined")], &[], TextKey::default());
///
/// let mut decoder = Decoder::new(Arc::new(plan));
/// let mut event = Event::new(schema.fields().len());
/// let record = r#"{"id": "e-1", "type": "purchase", "time": "2024-01-15T10:30:00Z",
///                  "account": {"id": "a-7"}, "declined": true}"#;
/// let first = SourceRecord { partition: 0, offset: 0 };
/// decoder.decode(record.as_bytes(), first, &mut event).expect("a valid record");
/// assert_eq!(event.at.0, 1_705_314_600_000);
/// assert_eq!(event.texts.get(slot("account.id")), Some("a-7"));
/// assert_eq!(event.registers.get(slot("tx.declined")), Some(1));
///
/// let second = SourceRecord { offset: 1, ..first };
/// let reject = decoder.decode(b"{}", second, &mut event).expect_err("required fields are missing");
/// assert_eq!(reject.reason, Reason::MissingField);
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    plan: Arc<DecodePlan>,
    reader: Reader,
    captures: Captures,
    scratch: Scratch,
}

/// Checks records, and converts or captures their values.
#[derive(Clone, Debug)]
enum Reader {
    Json(JsonReader),
    Csv(CsvReader),
}

impl Decoder {
    /// A decoder that reads records by `plan`. Before CSV records can be read, [`Decoder::set_header`] names their
    /// columns.
    pub fn new(plan: Arc<DecodePlan>) -> Decoder {
        let reader = match &plan.reader {
            ReaderPlan::Json(plan) => Reader::Json(JsonReader::new(plan)),
            ReaderPlan::Csv(plan) => Reader::Csv(CsvReader::new(plan)),
        };
        let captures = Captures::new(plan.slots.len());
        Decoder { plan, reader, captures, scratch: Scratch::new() }
    }

    /// Reads the names of the columns from a CSV header line. They apply until the next header.
    ///
    /// # Errors
    /// When a mapped column is missing or occurs twice, the line is not a valid header, or the records are not CSV.
    pub fn set_header(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        match &mut self.reader {
            Reader::Csv(reader) => reader.set_header(line),
            Reader::Json(_) => Err(HeaderError::NotCsv),
        }
    }

    /// Reads one record into `event`. `source` is its partition and number; a mapping may use them as `event.id`.
    ///
    /// # Errors
    /// Why the record is rejected; `event` is then incomplete.
    pub fn decode(&mut self, value: &[u8], source: SourceRecord, event: &mut Event) -> Result<(), Reject> {
        event.clear();
        self.read(value, source, event).map_err(|reject| match reject.reason {
            // A record that is too large is not searched for card numbers, and not forwarded either.
            Reason::TooLarge => reject,
            Reason::CardNumber => Reject { card_number: true, ..reject },
            _ => Reject { card_number: pan::in_record(value), ..reject },
        })
    }

    fn read(&mut self, value: &[u8], source: SourceRecord, event: &mut Event) -> Result<(), Reject> {
        let plan = &*self.plan;
        let reject = |error: ReadError| {
            let field = error.source.and_then(|source| plan.slots[usize::from(source)]);
            Reject { reason: error.reason, field, source: error.source, at: error.at, card_number: false }
        };
        if value.len() > EVENT_BYTES_MAX {
            return Err(reject(ReadError::new(Reason::TooLarge, EVENT_BYTES_MAX)));
        }
        // Most records are ASCII, which is faster to check.
        if !is_ascii(value) {
            let not_utf8 = |error: Utf8Error| reject(ReadError::new(Reason::NotUtf8, error.valid_up_to()));
            std::str::from_utf8(value).map_err(not_utf8)?;
        }
        if let Some(currency) = plan.account_currency {
            event.registers.set(ACCOUNT_CURRENCY, u64::from(currency));
        }
        self.captures.clear();
        let (captures, scratch) = (&mut self.captures, &mut self.scratch);
        let mut fields = Fields { key: &plan.key, scratch, event, error: None };
        match &mut self.reader {
            Reader::Json(reader) => reader.read(value, captures, &mut fields),
            Reader::Csv(reader) => reader.read(value, captures),
        }
        .map_err(reject)?;
        let captured = CapturedRecord { record: value, source, captures };
        convert_captured(plan, &captured, &mut fields);
        if let Some(FieldError { reason, slot, at, source, .. }) = fields.error {
            return Err(Reject { reason, field: Some(slot), source, at, card_number: false });
        }
        if let Some(label) = &plan.label {
            let is_label = label.is(self.captures.raw(label.source, value));
            event.label = is_label.then_some(DerivedLabel { outcome: label.outcome, after: label.after_ms });
        }
        Ok(())
    }
}

/// Converts the values that could not be converted where they were found, up to the first error.
fn convert_captured(plan: &DecodePlan, captured: &CapturedRecord<'_>, fields: &mut Fields<'_>) {
    for Required { order, slot, source } in &plan.required {
        if !fields.event.registers.is_known(*slot) {
            let at = captured.captures.at(*source);
            let reason = Reason::MissingField;
            fields.fail(FieldError { order: *order, slot: *slot, reason, at, source: None });
        }
    }
    for step in &plan.steps {
        if fields.failed_before(step.order) {
            return;
        }
        let step = if step.others.is_empty() { step } else { captured.present(step) };
        if let Err(reason) = fields.follow(step, captured) {
            let (order, slot, at) = (step.order, step.slot, captured.at(&step.source));
            let source = match step.source {
                ValueSource::Source(source) if reason != Reason::MissingField => Some(source),
                _ => None,
            };
            fields.fail(FieldError { order, slot, reason, at, source });
        }
    }
}

/// As `<[u8]>::is_ascii`, without an early return, and by so many bytes at once as vector registers take.
fn is_ascii(bytes: &[u8]) -> bool {
    let all = |words: &[[u8; 8]]| words.iter().fold(0, |all, word| all | u64::from_le_bytes(*word));
    let (blocks, rest) = bytes.as_chunks::<64>();
    let (words, rest) = rest.as_chunks::<8>();
    let blocks = blocks.iter().fold(0, |so_far, block| so_far | all(block.as_chunks().0));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    (blocks | all(words) | u64::from(rest)) & 0x8080_8080_8080_8080 == 0
}
