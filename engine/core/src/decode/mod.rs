//! From the bytes of one record to the fields of one event, or a reason why not.
//!
//! A record is read in two passes. The first checks every byte (`json`, `csv`) and notes where the mapped values
//! stand; the second reads the values that something wants, field by field. No value tree is built, and a steady stream
//! allocates nothing. The verdict is a function of the record's bytes and number alone.
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
mod convert;
mod coverage;
mod csv;
mod decimal;
mod json;
mod mapping;
mod money;
mod pan;
mod plan;
mod recent;
mod record;
mod reject;
mod scan;
mod shape;
mod text;
mod time;
mod word;

pub use coverage::{Coverage, FieldCoverage};
pub use mapping::{
    AmountForm, CurrencySource, FieldMapping, FieldSource, Format, HeaderError, LabelMapping, Mapping,
    MappingError, MoneyForm, Otherwise, TimeFormat,
};
pub use reject::{Reason, Reject};

use crate::batch::Timestamp;
use crate::event::{DerivedLabel, Event};
use crate::limits::EVENT_BYTES_MAX;
use capture::{Captures, Raw};
use convert::{Conversion, Value};
use money::Amount;
use plan::{How, Instead, Place, Plan, Reader, Step};
use recent::Recent;
use reject::Fault;
use std::fmt::Write;
use std::str::Utf8Error;
use tripline_rules::schema::{
    ACCOUNT_ID, EVENT_ID, EVENT_REF, EVENT_TIME, EVENT_TYPE, Schema, TX_AMOUNT, TX_CURRENCY,
};
use tripline_rules::value::{Slot, TextKey};

/// Whether bytes that nothing has read, such as a record's key, hold something like a card number.
pub(crate) fn holds_card_number(bytes: &[u8]) -> bool {
    pan::in_record(bytes)
}

/// Reads the records of one feed.
#[derive(Clone, Debug)]
pub struct Decoder {
    plan: Plan,
    key: TextKey,
    captures: Captures,
    scratch: Scratch,
}

/// What reading a value may change.
#[derive(Clone, Debug)]
struct Scratch {
    text: String,
    recent: Recent,
}

impl Decoder {
    /// A decoder of records as `mapping` describes them.
    ///
    /// `wanted`: the fields that something reads or keeps; the id, type, time, account and reference of the event are
    /// read always, currencies wherever an amount is. `texts`: the text fields whose text the event carries; its id and
    /// account always do. Before CSV records can be read, [`Decoder::set_header`] names their columns.
    ///
    /// # Errors
    /// Everything that is wrong with the mapping.
    pub fn new(
        mapping: &Mapping,
        schema: &Schema,
        wanted: &[Slot],
        texts: &[Slot],
        key: TextKey,
    ) -> Result<Decoder, Vec<MappingError>> {
        let plan = plan::plan(mapping, schema, wanted, texts)?;
        let captures = Captures::new(plan.slots.len());
        Ok(Decoder { plan, key, captures, scratch: Scratch { text: String::new(), recent: Recent::new() } })
    }

    /// Takes the names of the columns from a CSV header line; the columns stay until the next header.
    ///
    /// # Errors
    /// When a mapped column is missing or stands there twice, the line is no header, or the records are not CSV.
    pub fn set_header(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        match &mut self.plan.reader {
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
        let slots = &self.plan.slots;
        let reject = |fault: Fault| {
            let field = fault.source.and_then(|source| slots[usize::from(source)]);
            Reject { reason: fault.reason, field, at: fault.at, card_number: false }
        };
        if value.len() > EVENT_BYTES_MAX {
            return Err(reject(Fault::new(Reason::TooLarge, EVENT_BYTES_MAX)));
        }
        // Most records are ASCII, which is found out faster.
        if !is_ascii(value) {
            let not_utf8 = |error: Utf8Error| reject(Fault::new(Reason::NotUtf8, error.valid_up_to()));
            std::str::from_utf8(value).map_err(not_utf8)?;
        }
        self.captures.clear();
        match &mut self.plan.reader {
            Reader::Json(reader) => reader.read(value, &mut self.captures),
            Reader::Csv(reader) => reader.read(value, &mut self.captures),
        }
        .map_err(reject)?;
        let found = Found { record: value, offset, captures: &self.captures, key: &self.key };
        for step in &self.plan.steps {
            found.take(step, &mut self.scratch, event).map_err(|reason| Reject {
                reason,
                field: Some(step.slot),
                at: found.at(&step.place),
                card_number: false,
            })?;
        }
        if let Some(label) = &self.plan.label {
            let is_label = self.captures.raw(label.source, value).written() == Some(label.equals.as_bytes());
            event.label = is_label.then_some(DerivedLabel { outcome: label.outcome, after: label.after_ms });
        }
        Ok(())
    }
}

/// As `<[u8]>::is_ascii`, without looking for an early end.
fn is_ascii(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(0, |all, word| all | u64::from_le_bytes(*word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    (words | u64::from(rest)) & 0x8080_8080_8080_8080 == 0
}

/// What was found in one record.
struct Found<'a> {
    record: &'a [u8],
    offset: i64,
    captures: &'a Captures,
    key: &'a TextKey,
}

impl Found<'_> {
    fn at(&self, place: &Place) -> usize {
        match place {
            Place::Source(source) | Place::Pair(source, _) => self.captures.at(*source),
            Place::Constant(_) | Place::RowNumber => 0,
        }
    }

    /// Reads one field into the event.
    #[inline(always)]
    fn take(&self, step: &Step, scratch: &mut Scratch, event: &mut Event) -> Result<(), Reason> {
        let Some(source) = step.plain else {
            return self.take_rare(step, scratch, event);
        };
        match self.captures.found(source, self.record) {
            Some(raw) => self.put(step, raw, scratch, event),
            None => missing(step),
        }
    }

    /// Reads a field that is no plain value of one place.
    #[inline(never)]
    fn take_rare(&self, step: &Step, scratch: &mut Scratch, event: &mut Event) -> Result<(), Reason> {
        let raw = match &step.place {
            Place::Source(source) => self.raw(*source),
            Place::Constant(text) => Raw::constant(text),
            Place::RowNumber => return self.row_number(scratch, event),
            Place::Pair(latitude, longitude) => {
                let word = location(self.raw(*latitude), self.raw(*longitude), step)?;
                event.registers.put(step.slot, word);
                return Ok(());
            }
        };
        match &step.instead {
            _ if raw.is_missing() => missing(step),
            None => self.put(step, raw, scratch, event),
            Some(instead) => self.put_instead(step, instead, raw, scratch, event),
        }
    }

    /// Reads a field some of whose values stand for others.
    fn put_instead(
        &self,
        step: &Step,
        instead: &Instead,
        raw: Raw<'_>,
        scratch: &mut Scratch,
        event: &mut Event,
    ) -> Result<(), Reason> {
        let Instead { values, otherwise } = instead;
        let mapped = mapped(raw, values);
        let open = matches!(step.how, How::Value(Conversion::Id | Conversion::Text));
        let outcome = if mapped.is_none() && open && *otherwise != Otherwise::Reject && !values.is_empty() {
            Err(Reason::BadValue)
        } else {
            self.put(step, mapped.unwrap_or(raw), scratch, event)
        };
        match (outcome, otherwise) {
            (Err(Reason::TextTooLong | Reason::CurrencyMismatch), _)
            | (Ok(()), _)
            | (_, Otherwise::Reject) => outcome,
            (Err(_), Otherwise::Missing) => Ok(()),
            (Err(_), Otherwise::Constant(text)) => self.put(step, Raw::constant(text), scratch, event),
        }
    }

    #[inline(always)]
    fn raw(&self, source: u16) -> Raw<'_> {
        self.captures.raw(source, self.record)
    }

    /// Converts a value and sets what it is in the event.
    #[inline(always)]
    fn put(&self, step: &Step, raw: Raw<'_>, scratch: &mut Scratch, event: &mut Event) -> Result<(), Reason> {
        let slot = step.slot;
        let value = match &step.how {
            How::Value(Conversion::Text) => return self.put_text(step, raw, scratch, event),
            How::Value(conversion) => {
                conversion.read(raw, &mut scratch.text).map_err(|reason| match slot {
                    EVENT_TYPE if reason == Reason::BadValue => Reason::UnknownEventType,
                    _ => reason,
                })?
            }
            How::Money(money) => {
                let currency = money.currency(self.captures, self.record, &event.registers, slot)?;
                set_amount(slot, money.amount(raw, currency)?, event);
                return Ok(());
            }
            How::Location => return Err(Reason::BadLocation),
        };
        match value {
            Value::Text(text) => self.set_id(slot, text, step.keep_text, event),
            Value::Bool(value) => event.registers.set_bool(slot, value),
            Value::Number(value) => event.registers.set_number(slot, value),
            Value::Millis(ms) => set_millis(slot, ms, event),
            Value::Code(code) => {
                event.registers.set(slot, u64::from(code));
                if slot == EVENT_TYPE {
                    event.event_type = code;
                }
            }
        }
        Ok(())
    }

    /// Reads a free text. One that came lately was found to be plain, and its hash is known.
    #[inline(always)]
    fn put_text(
        &self,
        step: &Step,
        raw: Raw<'_>,
        scratch: &mut Scratch,
        event: &mut Event,
    ) -> Result<(), Reason> {
        let Scratch { text: stripped, recent } = scratch;
        let text = raw.written().ok_or(Reason::BadValue)?;
        if let Some(hash) = recent.find(text) {
            set_text(step.slot, text, hash, step.keep_text, event);
            return Ok(());
        }
        let (text, hash) = fresh(text, stripped, recent, self.key)?;
        set_text(step.slot, text, hash, step.keep_text, event);
        Ok(())
    }

    #[inline]
    fn set_id(&self, slot: Slot, text: &[u8], keep_text: bool, event: &mut Event) {
        let hash = self.key.text(text);
        set_text(slot, text, hash, keep_text, event);
        match slot {
            EVENT_ID => event.id = hash,
            EVENT_REF => event.reference = Some(hash),
            ACCOUNT_ID => event.account = self.key.entity(text),
            _ => {}
        }
    }

    fn row_number(&self, scratch: &mut Scratch, event: &mut Event) -> Result<(), Reason> {
        let text = &mut scratch.text;
        text.clear();
        write!(text, "{}", self.offset).map_err(|_| Reason::BadId)?;
        self.set_id(EVENT_ID, text.as_bytes(), true, event);
        Ok(())
    }
}

/// A free text that did not come lately, stripped, and its hash.
#[inline(never)]
fn fresh<'a>(
    text: &'a [u8],
    stripped: &'a mut String,
    recent: &mut Recent,
    key: &TextKey,
) -> Result<(&'a [u8], u64), Reason> {
    let said = text::stripped(text, stripped).ok_or(Reason::TextTooLong)?;
    let hash = if said.len() == text.len() { recent.hash(text, key) } else { key.text(said) };
    Ok((said, hash))
}

#[inline(always)]
fn set_text(slot: Slot, text: &[u8], hash: u64, keep_text: bool, event: &mut Event) {
    event.registers.set(slot, hash);
    if keep_text {
        event.texts.set_utf8(slot, text);
    }
}

/// The verdict on a field without a value.
fn missing(step: &Step) -> Result<(), Reason> {
    if step.required { Err(Reason::MissingField) } else { Ok(()) }
}

/// What the value map says of a value.
fn mapped<'a>(raw: Raw<'_>, values: &'a [(String, String)]) -> Option<Raw<'a>> {
    let text = if values.is_empty() { None } else { raw.written() }?;
    values.iter().find(|(from, _)| from.as_bytes() == text).map(|(_, to)| Raw::constant(to))
}

fn location(latitude: Raw<'_>, longitude: Raw<'_>, step: &Step) -> Result<Option<u64>, Reason> {
    if latitude.is_missing() || longitude.is_missing() {
        return Ok(None);
    }
    let strict = step.instead.as_ref().is_none_or(|instead| instead.otherwise == Otherwise::Reject);
    match convert::location(latitude, longitude) {
        None if strict => Err(Reason::BadLocation),
        word => Ok(word),
    }
}

#[expect(clippy::cast_precision_loss, reason = "amounts are bounded far below 2^53")]
fn set_amount(slot: Slot, amount: Amount, event: &mut Event) {
    event.registers.set_number(slot, amount.minor as f64);
    if slot == TX_AMOUNT || !event.registers.is_known(TX_CURRENCY) {
        event.registers.set(TX_CURRENCY, u64::from(amount.currency));
    }
}

#[expect(clippy::cast_precision_loss, reason = "times are bounded far below 2^53")]
fn set_millis(slot: Slot, ms: i64, event: &mut Event) {
    event.registers.set_number(slot, ms as f64);
    if slot == EVENT_TIME {
        event.at = Timestamp(ms);
    }
}
