//! From a value as written to a register's word, by the kind of its field. It does not know where values were found.

use super::capture::{Form, Raw};
use super::decimal::{Rounding, scaled};
use super::reject::Reason;
use super::text::{is_id, stripped};
use super::time::TimeReader;
use super::word::head;
use crate::limits::{NUMBER_MAX, NUMBER_PLACES};
use tripline_rules::value::Geo;

const MICROS: u64 = 1_000_000;

/// Texts that stand for numbers: the values of a closed set with its value map. A hash table that probes the next place,
/// at most a quarter full.
#[derive(Clone, Debug)]
pub(super) struct Table {
    places: Box<[Option<Entry>]>,
    last: usize,
}

/// A text and its number.
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

impl Table {
    /// A table; of equal texts the first counts.
    pub(super) fn new(entries: impl IntoIterator<Item = (String, u16)>) -> Table {
        let entries: Vec<(String, u16)> = entries.into_iter().collect();
        let places = (4 * entries.len()).next_power_of_two();
        let mut table = Table { places: vec![None; places].into(), last: places - 1 };
        for (text, code) in entries {
            let text: Box<[u8]> = text.into_bytes().into();
            let head = head(&text);
            let mut place = table.first(head, text.len());
            while table.places[place].as_ref().is_some_and(|entry| !entry.is(head, &text)) {
                place = (place + 1) & table.last;
            }
            table.places[place].get_or_insert(Entry { head, text, code });
        }
        table
    }

    /// Where the search for a text begins.
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
        let mut place = self.first(raw.head(), text.len());
        loop {
            let entry = self.places.get(place)?.as_ref()?;
            if entry.is(raw.head(), text) {
                return Some(entry.code);
            }
            place = place.wrapping_add(1) & self.last;
        }
    }
}

/// How the values of a field are read.
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
    OneOf(Table),
}

/// A value as read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a [u8]),
    Bool(bool),
    Number(f64),
    /// A time or duration, ms.
    Millis(i64),
    Code(u16),
}

impl Conversion {
    /// Reads a value that is not missing. `scratch` may be overwritten.
    #[inline(always)]
    pub(super) fn read<'a>(&self, raw: Raw<'a>, scratch: &'a mut String) -> Result<Value<'a>, Reason> {
        match self {
            Conversion::Id => id(raw).map(Value::Text).ok_or(Reason::BadId),
            Conversion::Text => text(raw, scratch).map(Value::Text),
            Conversion::Bool => boolean(raw).map(Value::Bool).ok_or(Reason::BadValue),
            Conversion::Number => number(raw).map(Value::Number).ok_or(Reason::BadNumber),
            Conversion::Time(reader) => time(reader, raw).map(Value::Millis).ok_or(Reason::BadTime),
            Conversion::Duration { places } => {
                let ms = raw.decimal().and_then(|text| scaled(text, *places, Rounding::HalfAway, NUMBER_MAX));
                ms.map(Value::Millis).ok_or(Reason::BadNumber)
            }
            Conversion::OneOf(table) => table.find(raw).map(Value::Code).ok_or(Reason::BadValue),
        }
    }
}

/// An id; a JSON integer is one as written.
#[inline(always)]
fn id(raw: Raw<'_>) -> Option<&[u8]> {
    let text = raw.decimal()?;
    let integer = |text: &[u8]| text != b"-0" && !text.iter().any(|b| matches!(b, b'.' | b'e' | b'E'));
    let fits = raw.form() != Form::Number || integer(text);
    (fits && is_id(text, raw.head())).then_some(text)
}

/// A free text; JSON numbers and `true`, `false` as written.
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
        // A number such as 20240115 is read by its pattern; RFC 3339 has none.
        (Form::Number, TimeReader::Rfc3339) => None,
        _ => reader.read(raw.decimal()?),
    }
}

/// A number rounded to 10⁻⁶, as the nearest `f64`.
fn number(raw: Raw<'_>) -> Option<f64> {
    let micros = scaled(raw.decimal()?, NUMBER_PLACES, Rounding::HalfAway, NUMBER_MAX * MICROS)?;
    let magnitude = in_units(micros.unsigned_abs());
    Some(if micros < 0 { -magnitude } else { magnitude })
}

/// Millionths as a number. A division of whole numbers that an `f64` holds is rounded once.
#[expect(clippy::cast_precision_loss, reason = "whole numbers below 2^53, or a sum that is rounded below")]
fn in_units(micros: u64) -> f64 {
    const EXACT: u64 = 1 << 53;
    if micros <= EXACT {
        return micros as f64 / MICROS as f64;
    }
    // Above 9·10⁹ the neighbours of an f64 lie 10⁻⁶ apart or more: the whole part is exact, the rest below one.
    (micros / MICROS) as f64 + (micros % MICROS) as f64 / MICROS as f64
}

/// Degrees to 10⁻⁷, exact before they become an `f64`.
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

        /// Texts that share their beginnings, their lengths or both; the first of equal ones counts.
        #[test]
        fn a_table_finds_what_a_list_finds(texts in prop::collection::vec("[ab]{0,3}|merchant[ab]{0,3}", 0..40), wanted in "[ab]{0,3}|merchant[ab]{0,3}") {
            let entries: Vec<(String, u16)> = texts.into_iter().zip(0u16..).collect();
            let table = Table::new(entries.clone());
            for text in entries.iter().map(|(text, _)| text).chain([&wanted]) {
                let first = entries.iter().find(|(listed, _)| listed == text).map(|(_, code)| *code);
                prop_assert_eq!(table.find(Raw::constant(text)), first, "{}", text);
            }
        }
    }
}
