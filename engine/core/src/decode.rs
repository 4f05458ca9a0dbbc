//! From the bytes of one record to the fields of one event, or a reason why not.
//!
//! One pass over a record checks every byte of it (`json`, `csv`). Most mapped values are read where they stand; those
//! that depend on others, such as amounts on their currency, are noted and read when the record has been seen whole. Of
//! several faults, one of the record as such counts before those of fields, and these by the order of fields. No value
//! tree is built, and a steady stream allocates nothing. The verdict is a function of the record's bytes and number alone.
//!
//! Written verdicts, beside the bounds of [`crate::limits`]:
//!
//! | value | as money | as a number | as an id | unread |
//! |---|---|---|---|---|
//! | `57.16`, `"57.16"` | 5716 minor units of EUR | 57.16 | number `bad_id`, text taken | taken |
//! | `1.0` | 100 (in minor units: 1) | 1 | `bad_id` | taken |
//! | `1e2` | 10,000 (in minor units: 100) | 100 | `bad_id` | taken |
//! | `57.161` | `bad_money` (EUR has two places) | 57.161 | `bad_id` | taken |
//! | `0.0000005` | `bad_money` | 0.000001 (six places, half away from zero) | `bad_id` | taken |
//! | `-0` | 0 | 0 | `bad_id` | taken |
//! | `007` | `bad_json`; as a text 700 | `bad_json`; as a text 7 | `bad_json`; as a text taken | `bad_json`; text taken |
//! | `NaN`, `Infinity`, `+1`, `.5`, `5.` | `bad_json`; as a text `bad_money` | … `bad_number` | as a text by its characters | `bad_json`; text taken |
//! | `1e400` | `bad_money` | `bad_number` | `bad_id` | taken: it is JSON |
//! | `true`, `{}` | `bad_money` | `bad_number` | `bad_id` | taken |
//! | `null`, an absent key, an empty cell | missing | missing | missing | taken |
//! | `""` | `bad_money` | `bad_number` | `bad_id` | taken |
//!
//! A free text may be empty in JSON. Half a surrogate pair is `bad_json`. A location without one of its two numbers is
//! missing. An amount such as `85.64999999999999`, left over from binary floats, is `bad_money` unless its mapping says
//! [`AmountForm::MajorFloat`]. Amounts in `account.currency` are checked against it where the record has it.

mod capture;
mod checked;
mod convert;
mod coverage;
mod csv;
mod decimal;
mod fields;
mod json;
mod mapping;
mod mapping_error;
mod money;
mod pan;
mod plan;
mod recent;
mod record;
mod reject;
mod scan;
mod shape;
mod steps;
mod text;
mod time;
mod word;

pub use checked::CheckedMapping;
pub use coverage::{Coverage, FieldCoverage};
pub use csv::HeaderError;
pub use mapping::{
    AmountForm, CurrencySource, Fallback, FieldMapping, FieldSource, Format, LabelMapping, Mapping,
    MappingSpans, MoneyForm, Spanned, TimeFormat,
};
pub use mapping_error::{MappingError, MappingErrorKind};
pub use plan::DecodePlan;
pub use reject::{Reason, Reject};

use crate::event::{DerivedLabel, Event};
use crate::limits::EVENT_BYTES_MAX;
use capture::Captures;
use csv::CsvReader;
use fields::{FieldError, Fields, Found, Scratch};
use json::JsonReader;
use plan::ReaderPlan;
use reject::ReadError;
use std::str::Utf8Error;
use std::sync::Arc;
use steps::Required;

/// Whether bytes that nothing has read, such as a record's key, hold something like a card number.
pub(crate) fn holds_card_number(bytes: &[u8]) -> bool {
    pan::in_record(bytes)
}

/// Reads the records of one feed. Its state is scratch space and what it has learned of the records' shape; both change
/// how fast a record is read, never what is read.
#[derive(Clone, Debug)]
pub struct Decoder {
    plan: Arc<DecodePlan>,
    reader: Reader,
    captures: Captures,
    scratch: Scratch,
}

/// Checks records and notes values.
#[derive(Clone, Debug)]
enum Reader {
    Json(JsonReader),
    Csv(CsvReader),
}

impl Decoder {
    /// A decoder of records as `plan` describes them. Before CSV records can be read, [`Decoder::set_header`] names their
    /// columns.
    pub fn new(plan: Arc<DecodePlan>) -> Decoder {
        let reader = match &plan.reader {
            ReaderPlan::Json(plan) => Reader::Json(JsonReader::new(plan)),
            ReaderPlan::Csv(plan) => Reader::Csv(CsvReader::new(plan)),
        };
        let captures = Captures::new(plan.slots.len());
        Decoder { plan, reader, captures, scratch: Scratch::new() }
    }

    /// Takes the names of the columns from a CSV header line; the columns stay until the next header.
    ///
    /// # Errors
    /// When a mapped column is missing or stands there twice, the line is no header, or the records are not CSV.
    pub fn set_header(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        match &mut self.reader {
            Reader::Csv(reader) => reader.set_header(line),
            Reader::Json(_) => Err(HeaderError::NotCsv),
        }
    }

    /// Reads one record into `event`. `offset` is its number, which `event.id` may be.
    ///
    /// # Errors
    /// Why the record cannot be taken; `event` is then incomplete.
    pub fn decode(&mut self, value: &[u8], offset: i64, event: &mut Event) -> Result<(), Reject> {
        event.clear();
        self.read(value, offset, event).map_err(|reject| match reject.reason {
            // What is too large is not looked through; it must not be forwarded either.
            Reason::TooLarge => reject,
            Reason::CardNumber => Reject { card_number: true, ..reject },
            _ => Reject { card_number: pan::in_record(value), ..reject },
        })
    }

    fn read(&mut self, value: &[u8], offset: i64, event: &mut Event) -> Result<(), Reject> {
        let plan = &*self.plan;
        let reject = |fault: ReadError| {
            let field = fault.source.and_then(|source| plan.slots[usize::from(source)]);
            Reject { reason: fault.reason, field, at: fault.at, card_number: false }
        };
        if value.len() > EVENT_BYTES_MAX {
            return Err(reject(ReadError::new(Reason::TooLarge, EVENT_BYTES_MAX)));
        }
        // Most records are ASCII, which is found out faster.
        if !is_ascii(value) {
            let not_utf8 = |error: Utf8Error| reject(ReadError::new(Reason::NotUtf8, error.valid_up_to()));
            std::str::from_utf8(value).map_err(not_utf8)?;
        }
        self.captures.clear();
        let (captures, scratch) = (&mut self.captures, &mut self.scratch);
        let mut fields = Fields { key: &plan.key, scratch, event, fault: None };
        match &mut self.reader {
            Reader::Json(reader) => reader.read(value, captures, &mut fields),
            Reader::Csv(reader) => reader.read(value, captures),
        }
        .map_err(reject)?;
        let found = Found { record: value, offset, captures };
        read_rest(plan, &found, &mut fields);
        if let Some(FieldError { reason, slot, at, .. }) = fields.fault {
            return Err(Reject { reason, field: Some(slot), at, card_number: false });
        }
        if let Some(label) = &plan.label {
            let is_label = self.captures.raw(label.source, value).written() == Some(label.equals.as_bytes());
            event.label = is_label.then_some(DerivedLabel { outcome: label.outcome, after: label.after_ms });
        }
        Ok(())
    }
}

/// Reads what could not be read where it was found, up to the first fault.
fn read_rest(plan: &DecodePlan, found: &Found<'_>, fields: &mut Fields<'_>) {
    for Required { order, slot, source } in &plan.required {
        if !fields.event.registers.is_known(*slot) {
            let at = found.captures.at(*source);
            fields.fail(FieldError { order: *order, slot: *slot, reason: Reason::MissingField, at });
        }
    }
    for step in &plan.steps {
        if fields.failed_before(step.order) {
            return;
        }
        if let Err(reason) = fields.take(step, found) {
            let (order, slot, at) = (step.order, step.slot, found.at(&step.source));
            fields.fail(FieldError { order, slot, reason, at });
        }
    }
}

/// As `<[u8]>::is_ascii`, without looking for an early end.
fn is_ascii(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(0, |all, word| all | u64::from_le_bytes(*word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    (words | u64::from(rest)) & 0x8080_8080_8080_8080 == 0
}
