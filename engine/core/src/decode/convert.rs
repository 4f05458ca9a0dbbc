//! From a value as written to a value of its field's kind. It does not depend on where values come from.

use super::capture::{Form, Raw};
use super::decimal::{Rounding, scaled};
use super::reject::Reason;
use super::text::{is_id, stripped};
use super::time::{LocalReader, LocalTime, TimeReader};
use super::word::head;
use crate::limits::{NUMBER_MAX, NUMBER_PLACES};
use crate::number::{MILLIONTHS_MAX, from_millionths};
use tripline_rules::money::Decimal;
use tripline_rules::value::Geo;

/// The codes of texts: the values of a one-of and those of its value map. A hash table with linear probing, at most a
/// quarter full.
#[derive(Clone, Debug)]
pub(super) struct CodeTable {
    /// Their number is a power of two.
    entries: Box<[Option<Entry>]>,
    /// Index of the last entry: a mask.
    last: usize,
}

/// A text and its code.
#[derive(Clone, Debug)]
struct Entry {
    head: u64,
    text: Box<[u8]>,
    code: u16,
}

impl Entry {
    #[inline]
    fn is(&self, head: u64, text: &[u8]) -> bool {
        // A text of at most eight bytes is its head.
        self.head == head && self.text.len() == text.len() && (text.len() <= 8 || *self.text == *text)
    }
}

impl CodeTable {
    /// A table of texts. If a text occurs twice, its first code applies.
    pub(super) fn new(codes: impl IntoIterator<Item = (String, u16)>) -> CodeTable {
        let codes: Vec<(String, u16)> = codes.into_iter().collect();
        let length = (4 * codes.len()).next_power_of_two();
        let mut table = CodeTable { entries: vec![None; length].into(), last: length - 1 };
        for (text, code) in codes {
            let text: Box<[u8]> = text.into_bytes().into();
            let head = head(&text);
            let mut index = table.first(head, text.len());
            while table.entries[index].as_ref().is_some_and(|entry| !entry.is(head, &text)) {
                index = (index + 1) & table.last;
            }
            table.entries[index].get_or_insert(Entry { head, text, code });
        }
        table
    }

    /// Index where the search for a text begins.
    #[inline(always)]
    fn first(&self, head: u64, length: usize) -> usize {
        // The upper half of a product depends on all bytes (Knuth's multiplicative hash).
        let spread = (head ^ length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        spread as usize & self.last
    }

    /// The code of a text.
    #[inline(always)]
    pub(super) fn find(&self, raw: Raw<'_>) -> Option<u16> {
        let text = raw.written()?;
        let mut index = self.first(raw.head(), text.len());
        loop {
            let entry = self.entries.get(index)?.as_ref()?;
            if entry.is(raw.head(), text) {
                return Some(entry.code);
            }
            index = index.wrapping_add(1) & self.last;
        }
    }
}

/// How the values of a field are converted.
#[derive(Clone, Debug)]
pub(super) enum Conversion {
    Id,
    Text,
    Bool,
    Number,
    Time(TimeReader),
    /// Milliseconds from a number of seconds (`places` 3) or milliseconds (`places` 0).
    Duration {
        places: u8,
    },
    OneOf(CodeTable),
}

/// A converted value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a [u8]),
    Bool(bool),
    Number(f64),
    /// A time or duration, ms.
    Millis(i64),
    /// A local time that a clock change repeats or skips, as the mapping chooses, ms.
    Chosen(i64),
    Code(u16),
}

impl Conversion {
    /// Converts a value that is not missing. `scratch` may be overwritten.
    #[inline(always)]
    pub(super) fn read<'a>(&self, raw: Raw<'a>, scratch: &'a mut String) -> Result<Value<'a>, Reason> {
        match self {
            Conversion::Id => id(raw).map(Value::Text).ok_or(Reason::BadId),
            Conversion::Text => text(raw, scratch).map(Value::Text),
            Conversion::Bool => boolean(raw).map(Value::Bool).ok_or(Reason::BadValue),
            Conversion::Number => {
                number(raw).map(Value::Number).ok_or_else(|| no_number(raw, Reason::BadNumber))
            }
            Conversion::Time(TimeReader::Local(local)) => local_time(local, raw),
            Conversion::Time(reader) => time(reader, raw).map(Value::Millis).ok_or(Reason::BadTime),
            Conversion::Duration { places } => {
                let ms = raw.decimal().and_then(|text| scaled(text, *places, Rounding::HalfAway, NUMBER_MAX));
                ms.map(Value::Millis).ok_or_else(|| no_number(raw, Reason::BadNumber))
            }
            Conversion::OneOf(table) => table.find(raw).map(Value::Code).ok_or(Reason::BadValue),
        }
    }
}

/// An id: a text, or a JSON integer as written.
#[inline(always)]
fn id(raw: Raw<'_>) -> Option<&[u8]> {
    let text = raw.decimal()?;
    let integer = |text: &[u8]| text != b"-0" && !text.iter().any(|b| matches!(b, b'.' | b'e' | b'E'));
    let fits = raw.form() != Form::Number || integer(text);
    (fits && is_id(text, raw.head())).then_some(text)
}

/// A free text: a text, or a JSON number, `true` or `false` as written.
#[inline]
fn text<'a>(raw: Raw<'a>, scratch: &'a mut String) -> Result<&'a [u8], Reason> {
    stripped(raw.written().ok_or(Reason::BadValue)?, scratch).ok_or(Reason::TextTooLong)
}

#[inline]
fn boolean(raw: Raw<'_>) -> Option<bool> {
    match (raw.form(), raw.written()?) {
        (Form::True, _) | (Form::Text | Form::Unescaped, b"true" | b"yes") | (_, b"1") => Some(true),
        (Form::False, _) | (Form::Text | Form::Unescaped, b"false" | b"no") | (_, b"0") => Some(false),
        _ => None,
    }
}

fn time(reader: &TimeReader, raw: Raw<'_>) -> Option<i64> {
    match (raw.form(), reader) {
        // A JSON number such as 20240115 may match a pattern, but never RFC 3339.
        (Form::Number, TimeReader::Rfc3339) => None,
        _ => reader.read(raw.decimal()?),
    }
}

#[inline(never)]
fn local_time<'a>(reader: &LocalReader, raw: Raw<'_>) -> Result<Value<'a>, Reason> {
    let LocalTime { ms, is_chosen } = reader.read(raw.decimal().ok_or(Reason::BadTime)?)?;
    Ok(if is_chosen { Value::Chosen(ms) } else { Value::Millis(ms) })
}

/// Why a value is no number: its decimal comma, or else `otherwise`.
#[cold]
pub(super) fn no_number(raw: Raw<'_>, otherwise: Reason) -> Reason {
    if raw.decimal().is_some_and(Decimal::has_comma) { Reason::DecimalComma } else { otherwise }
}

/// A number rounded to 10⁻⁶, as the nearest `f64`. Rows hold the same number.
fn number(raw: Raw<'_>) -> Option<f64> {
    let millionths =
        scaled(raw.decimal()?, NUMBER_PLACES, Rounding::HalfAway, MILLIONTHS_MAX.unsigned_abs())?;
    Some(from_millionths(millionths.into()))
}

/// Decimal places of degrees. They are exact until the conversion to `f64`.
const DEGREE_PLACES: u8 = 7;

/// A location from its two numbers.
pub(super) fn location(latitude: Raw<'_>, longitude: Raw<'_>) -> Option<u64> {
    let degrees = |raw: Raw<'_>, max: u64| {
        let units = scaled(raw.decimal()?, DEGREE_PLACES, Rounding::HalfAway, max * 10_000_000)?;
        Some(f64::from(i32::try_from(units).ok()?) / 1e7)
    };
    Geo { latitude: degrees(latitude, 90)?, longitude: degrees(longitude, 180)? }.pack()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        /// Also texts with the same first bytes, the same length or both, and equal texts.
        #[test]
        fn a_table_finds_what_a_list_finds(texts in prop::collection::vec("[ab]{0,3}|merchant[ab]{0,3}", 0..40), wanted in "[ab]{0,3}|merchant[ab]{0,3}") {
            let entries: Vec<(String, u16)> = texts.into_iter().zip(0u16..).collect();
            let table = CodeTable::new(entries.clone());
            for text in entries.iter().map(|(text, _)| text).chain([&wanted]) {
                let first = entries.iter().find(|(listed, _)| listed == text).map(|(_, code)| *code);
                prop_assert_eq!(table.find(Raw::constant(text)), first, "{}", text);
            }
        }
    }
}
