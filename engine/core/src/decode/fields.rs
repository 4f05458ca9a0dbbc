//! Sets the fields of an event from values as written, one by one. It does not depend on how values were found in a
//! record.

use super::capture::{Captures, Raw, SourceId};
use super::convert::{self, Conversion, Value};
use super::hash_cache::HashCache;
use super::mapping::Fallback;
use super::money::MoneyPlan;
use super::reject::Reason;
use super::steps::{DirectField, FieldConversion, Step, Substitution, ValueSource};
use super::text;
use crate::batch::{SourceRecord, Timestamp};
use crate::event::{Event, Reference};
use std::fmt::Write;
use tripline_rules::schema::{
    ACCOUNT_CURRENCY, ACCOUNT_ID, EVENT_ID, EVENT_REF, EVENT_TIME, EVENT_TYPE, TX_AMOUNT, TX_CURRENCY,
};
use tripline_rules::value::{Slot, TextKey};

/// Memory that converting a value may overwrite.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    text: String,
    hashes: HashCache,
}

impl Scratch {
    /// Empty.
    pub(super) fn new() -> Scratch {
        Scratch { text: String::new(), hashes: HashCache::new() }
    }
}

/// Why a value could not be converted.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldError {
    /// Position in the order of fields.
    pub(super) order: usize,
    pub(super) slot: Slot,
    pub(super) reason: Reason,
    /// Where in the record, bytes from its start.
    pub(super) at: usize,
    /// The place that the value is from, if the field has several.
    pub(super) source: Option<SourceId>,
}

/// The event that is being filled.
pub(super) struct Fields<'a> {
    pub(super) key: &'a TextKey,
    pub(super) scratch: &'a mut Scratch,
    pub(super) event: &'a mut Event,
    /// The error of the field that comes first in the order of fields, wherever it stands in the record.
    pub(super) error: Option<FieldError>,
}

impl Fields<'_> {
    /// Keeps an error, unless an earlier field has one.
    #[cold]
    pub(super) fn fail(&mut self, error: FieldError) {
        if self.error.is_none_or(|kept| error.order < kept.order) {
            self.error = Some(error);
        }
    }

    /// Whether a field that comes before this one in the order of fields has an error.
    #[inline]
    pub(super) fn failed_before(&self, order: usize) -> bool {
        self.error.is_some_and(|kept| kept.order < order)
    }

    /// Converts a value where it was found. It may be a list or an object, but is not missing.
    #[inline(always)]
    pub(super) fn read(&mut self, field: &DirectField, raw: Raw<'_>, at: usize) {
        let DirectField { order, slot, keep_text, conversion } = field;
        if let Err(reason) = self.convert(*slot, conversion, *keep_text, raw) {
            self.fail(FieldError { order: *order, slot: *slot, reason, at, source: None });
        }
    }

    /// Sets a yes/no field from a JSON `true` or `false`.
    #[inline]
    pub(super) fn set_bool(&mut self, field: &DirectField, value: bool) {
        self.event.registers.set_bool(field.slot, value);
    }

    /// Follows a step: converts the value of its field.
    pub(super) fn follow(&mut self, step: &Step, captured: &CapturedRecord<'_>) -> Result<(), Reason> {
        let raw = match &step.source {
            ValueSource::Source(source) => captured.raw(*source),
            ValueSource::Constant(text) => Raw::constant(text),
            ValueSource::RowNumber => return self.row_number(captured.source),
            ValueSource::Pair(latitude, longitude) => {
                let word = location(captured.raw(*latitude), captured.raw(*longitude), step)?;
                self.event.registers.put(step.slot, word);
                return Ok(());
            }
        };
        match &step.substitution {
            _ if raw.is_missing() => missing(step),
            None => self.put(step, raw, captured),
            Some(substitution) => self.put_substituted(step, substitution, raw, captured),
        }
    }

    /// Converts a value of a field that has substitutions.
    fn put_substituted(
        &mut self,
        step: &Step,
        substitution: &Substitution,
        raw: Raw<'_>,
        captured: &CapturedRecord<'_>,
    ) -> Result<(), Reason> {
        let Substitution { values, fallback } = substitution;
        let mapped = mapped(raw, values);
        let open = matches!(step.conversion, FieldConversion::Value(Conversion::Id | Conversion::Text));
        let outcome = if mapped.is_none() && open && *fallback != Fallback::Reject && !values.is_empty() {
            Err(Reason::BadValue)
        } else {
            self.put(step, mapped.unwrap_or(raw), captured)
        };
        match (outcome, fallback) {
            (Err(Reason::TextTooLong | Reason::CurrencyMismatch), _)
            | (Ok(()), _)
            | (_, Fallback::Reject) => outcome,
            (Err(_), Fallback::Missing) => Ok(()),
            (Err(_), Fallback::Constant(text)) => self.put(step, Raw::constant(text), captured),
        }
    }

    /// Converts a value and sets its field.
    #[inline]
    fn put(&mut self, step: &Step, raw: Raw<'_>, captured: &CapturedRecord<'_>) -> Result<(), Reason> {
        match &step.conversion {
            FieldConversion::Value(conversion) => self.put_value(step, conversion, raw),
            FieldConversion::Money(money) => self.put_amount(step.slot, money, raw, captured),
            FieldConversion::Location => Err(Reason::BadLocation),
        }
    }

    #[inline(never)]
    fn put_value(&mut self, step: &Step, conversion: &Conversion, raw: Raw<'_>) -> Result<(), Reason> {
        self.convert(step.slot, conversion, step.keep_text, raw)
    }

    #[inline]
    fn put_amount(
        &mut self,
        slot: Slot,
        money: &MoneyPlan,
        raw: Raw<'_>,
        captured: &CapturedRecord<'_>,
    ) -> Result<(), Reason> {
        let currency = money.currency(captured.captures, captured.record, &self.event.registers, slot)?;
        let minor = money.minor(raw, currency, slot)?;
        set_amount(slot, minor, currency, money.is_accounts(), self.event);
        Ok(())
    }

    /// Converts a value that is not an amount, and sets its field.
    #[inline(always)]
    fn convert(
        &mut self,
        slot: Slot,
        conversion: &Conversion,
        keep_text: bool,
        raw: Raw<'_>,
    ) -> Result<(), Reason> {
        if matches!(conversion, Conversion::Text) {
            return self.put_text(slot, keep_text, raw);
        }
        let value = conversion.read(raw, &mut self.scratch.text).map_err(|reason| match slot {
            EVENT_TYPE if reason == Reason::BadValue => Reason::UnknownEventType,
            _ => reason,
        })?;
        let event = &mut *self.event;
        match value {
            Value::Text(text) => set_id(slot, text, keep_text, self.key, event),
            Value::Bool(value) => event.registers.set_bool(slot, value),
            Value::Number(value) => event.registers.set_number(slot, value),
            Value::Millis(ms) => set_millis(slot, ms, event),
            Value::Chosen(ms) => {
                event.has_ambiguous_time = true;
                set_millis(slot, ms, event);
            }
            Value::Code(code) => {
                event.registers.set(slot, u64::from(code));
                if slot == EVENT_TYPE {
                    event.event_type = code;
                }
            }
        }
        Ok(())
    }

    /// Sets a field of free text. A text in the cache has no hidden characters, and its hash is known.
    #[inline(always)]
    fn put_text(&mut self, slot: Slot, keep_text: bool, raw: Raw<'_>) -> Result<(), Reason> {
        let Scratch { text: scratch, hashes } = &mut *self.scratch;
        let text = raw.written().ok_or(Reason::BadValue)?;
        if let Some(hash) = hashes.find(text, raw.head()) {
            set_text(slot, text, hash, keep_text, self.event);
            return Ok(());
        }
        let (text, hash) = stripped_and_hashed(text, scratch, hashes, self.key)?;
        set_text(slot, text, hash, keep_text, self.event);
        Ok(())
    }

    /// `<partition>-<number>`: two partitions both have a record 0, and they are not the same event.
    fn row_number(&mut self, source: SourceRecord) -> Result<(), Reason> {
        let text = &mut self.scratch.text;
        text.clear();
        write!(text, "{}-{}", source.partition, source.offset).map_err(|_| Reason::BadId)?;
        set_id(EVENT_ID, text.as_bytes(), true, self.key, self.event);
        Ok(())
    }
}

/// One record that has been read whole, and the values captured from it.
pub(super) struct CapturedRecord<'a> {
    pub(super) record: &'a [u8],
    /// Where the record lies.
    pub(super) source: SourceRecord,
    pub(super) captures: &'a Captures,
}

impl CapturedRecord<'_> {
    fn raw(&self, source: u16) -> Raw<'_> {
        self.captures.raw(source, self.record)
    }

    /// The step of the first place that has a value; of the last place if none has.
    pub(super) fn present<'s>(&self, step: &'s Step) -> &'s Step {
        let has_value = |step: &&Step| match &step.source {
            ValueSource::Source(source) => !self.raw(*source).is_missing(),
            ValueSource::Pair(a, b) => !self.raw(*a).is_missing() && !self.raw(*b).is_missing(),
            ValueSource::Constant(_) | ValueSource::RowNumber => true,
        };
        step.places().find(has_value).or(step.others.last()).unwrap_or(step)
    }

    /// Where in the record the value of a step begins; 0 for a value that is not from the record.
    pub(super) fn at(&self, source: &ValueSource) -> usize {
        match source {
            ValueSource::Source(source) | ValueSource::Pair(source, _) => self.captures.at(*source),
            ValueSource::Constant(_) | ValueSource::RowNumber => 0,
        }
    }
}

#[inline]
fn set_id(slot: Slot, text: &[u8], keep_text: bool, key: &TextKey, event: &mut Event) {
    let hash = key.text(text);
    set_text(slot, text, hash, keep_text, event);
    match slot {
        EVENT_ID => event.id = hash,
        EVENT_REF => event.reference = Some(Reference { id: hash, event_type: None }),
        ACCOUNT_ID => event.account = key.entity(text),
        _ => {}
    }
}

/// A free text that is not in the cache, stripped of hidden characters, and its hash.
#[inline(never)]
fn stripped_and_hashed<'a>(
    text: &'a [u8],
    scratch: &'a mut String,
    hashes: &mut HashCache,
    key: &TextKey,
) -> Result<(&'a [u8], u64), Reason> {
    let stripped = text::stripped(text, scratch).ok_or(Reason::TextTooLong)?;
    let hash = if stripped.len() == text.len() { hashes.hash(text, key) } else { key.text(stripped) };
    Ok((stripped, hash))
}

#[inline(always)]
fn set_text(slot: Slot, text: &[u8], hash: u64, keep_text: bool, event: &mut Event) {
    event.registers.set(slot, hash);
    if keep_text {
        event.texts.set_utf8(slot, text);
    }
}

/// The result for a field without a value.
fn missing(step: &Step) -> Result<(), Reason> {
    if step.required { Err(Reason::MissingField) } else { Ok(()) }
}

/// The value that the value map has for a raw value.
fn mapped<'a>(raw: Raw<'_>, values: &'a [(String, String)]) -> Option<Raw<'a>> {
    let text = if values.is_empty() { None } else { raw.written() }?;
    values.iter().find(|(from, _)| from.as_bytes() == text).map(|(_, to)| Raw::constant(to))
}

fn location(latitude: Raw<'_>, longitude: Raw<'_>, step: &Step) -> Result<Option<u64>, Reason> {
    if latitude.is_missing() || longitude.is_missing() {
        return Ok(None);
    }
    let strict =
        step.substitution.as_ref().is_none_or(|substitution| substitution.fallback == Fallback::Reject);
    match convert::location(latitude, longitude) {
        None if strict => {
            let reason = convert::no_number(latitude, Reason::BadLocation);
            Err(convert::no_number(longitude, reason))
        }
        word => Ok(word),
    }
}

#[expect(clippy::cast_precision_loss, reason = "amounts are bounded far below 2^53")]
fn set_amount(slot: Slot, minor: i64, currency: u16, is_accounts: bool, event: &mut Event) {
    event.registers.set_number(slot, minor as f64);
    if slot == TX_AMOUNT {
        event.registers.set(TX_CURRENCY, u64::from(currency));
    }
    if is_accounts {
        event.registers.set(ACCOUNT_CURRENCY, u64::from(currency));
    }
}

#[expect(clippy::cast_precision_loss, reason = "times are bounded far below 2^53")]
fn set_millis(slot: Slot, ms: i64, event: &mut Event) {
    event.registers.set_number(slot, ms as f64);
    if slot == EVENT_TIME {
        event.at = Timestamp(ms);
    }
}
