//! From a value as written to a register's word, by the kind of its field. It does not know where values were found.

use super::capture::Raw;
use super::decimal::{Rounding, scaled};
use super::reject::Reason;
use super::text::{is_id, stripped};
use super::time::TimeReader;
use crate::limits::{NUMBER_MAX, NUMBER_PLACES};
use tripline_rules::value::Geo;

const MICROS: u64 = 1_000_000;

/// Texts that stand for numbers: the values of a closed set with its value map, in the order of their heads.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
}

/// A text and its number.
#[derive(Clone, Debug)]
struct Entry {
    head: Head,
    text: Box<str>,
    code: u16,
}

/// The first bytes of a text and its length: nearly all texts of a table differ in it, and comparing it needs no call.
type Head = (u64, usize);

/// Tables up to this size are searched from end to end.
const FEW: usize = 16;

#[inline]
fn head(text: &[u8]) -> Head {
    let word = match text.first_chunk::<8>() {
        Some(first) => u64::from_le_bytes(*first),
        None => text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    (word, text.len())
}

impl Table {
    /// A table; of equal texts the first counts.
    pub(super) fn new(entries: impl IntoIterator<Item = (String, u16)>) -> Table {
        let entry =
            |(text, code): (String, u16)| Entry { head: head(text.as_bytes()), text: text.into(), code };
        let mut entries: Vec<Entry> = entries.into_iter().map(entry).collect();
        entries.sort_by(|a, b| a.head.cmp(&b.head).then_with(|| a.text.cmp(&b.text)));
        entries.dedup_by(|later, first| later.text == first.text);
        Table { entries }
    }

    /// The code of a text.
    #[inline]
    pub(super) fn find(&self, text: &str) -> Option<u16> {
        let head = head(text.as_bytes());
        let from = if self.entries.len() <= FEW {
            self.entries.iter().position(|entry| entry.head == head)?
        } else {
            self.entries.partition_point(|entry| entry.head < head)
        };
        let alike = self.entries[from..].iter().take_while(|entry| entry.head == head);
        // A text of at most eight bytes is its head.
        alike.into_iter().find(|entry| text.len() <= 8 || *entry.text == *text).map(|entry| entry.code)
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
    Text(&'a str),
    Bool(bool),
    Number(f64),
    /// A time or duration, ms.
    Millis(i64),
    Code(u16),
}

impl Conversion {
    /// Reads a value that is not missing. `scratch` may be overwritten.
    #[inline]
    pub(super) fn read<'a>(&mut self, raw: Raw<'a>, scratch: &'a mut String) -> Result<Value<'a>, Reason> {
        match self {
            Conversion::Id => id(raw).map(Value::Text).ok_or(Reason::BadId),
            Conversion::Text => text(raw, scratch).map(Value::Text),
            Conversion::Bool => boolean(raw).map(Value::Bool).ok_or(Reason::BadValue),
            Conversion::Number => number(raw).map(Value::Number).ok_or(Reason::BadNumber),
            Conversion::Time(reader) => time(reader, raw).map(Value::Millis).ok_or(Reason::BadTime),
            Conversion::Duration { places } => {
                let ms = decimal(raw).and_then(|text| scaled(text, *places, Rounding::HalfAway, NUMBER_MAX));
                ms.map(Value::Millis).ok_or(Reason::BadNumber)
            }
            Conversion::OneOf(table) => {
                let code = raw.written().and_then(|text| table.find(text));
                code.map(Value::Code).ok_or(Reason::BadValue)
            }
        }
    }
}

/// An id; a JSON integer is one as written.
fn id(raw: Raw<'_>) -> Option<&str> {
    match raw {
        Raw::Text(text) => Some(text),
        Raw::Number(text) if text != "-0" && !text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) => {
            Some(text)
        }
        _ => None,
    }
    .filter(|text| is_id(text))
}

/// A free text; JSON numbers and `true`, `false` as written.
fn text<'a>(raw: Raw<'a>, scratch: &'a mut String) -> Result<&'a str, Reason> {
    stripped(raw.written().ok_or(Reason::BadValue)?, scratch).ok_or(Reason::TextTooLong)
}

fn boolean(raw: Raw<'_>) -> Option<bool> {
    match raw {
        Raw::Bool(value) => Some(value),
        Raw::Text("true" | "yes" | "1") | Raw::Number("1") => Some(true),
        Raw::Text("false" | "no" | "0") | Raw::Number("0") => Some(false),
        _ => None,
    }
}

fn time(reader: &TimeReader, raw: Raw<'_>) -> Option<i64> {
    match (reader, raw) {
        (_, Raw::Text(text)) | (TimeReader::Epoch { .. }, Raw::Number(text)) => reader.read(text),
        // A number such as 20240115 by its pattern; RFC 3339 has none.
        (TimeReader::Local(_), Raw::Number(text)) => reader.read(text),
        _ => None,
    }
}

/// The text of a decimal, written as a number or as text.
#[inline]
pub(super) fn decimal(raw: Raw<'_>) -> Option<&[u8]> {
    match raw {
        Raw::Text(text) | Raw::Number(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// A number rounded to 10⁻⁶, as the nearest `f64`.
fn number(raw: Raw<'_>) -> Option<f64> {
    let micros = scaled(decimal(raw)?, NUMBER_PLACES, Rounding::HalfAway, NUMBER_MAX * MICROS)?;
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
    let degrees = |raw, max: u64| {
        let units = scaled(decimal(raw)?, DEGREE_PLACES, Rounding::HalfAway, max * 10_000_000)?;
        Some(f64::from(i32::try_from(units).ok()?) / 1e7)
    };
    Geo { latitude: degrees(latitude, 90)?, longitude: degrees(longitude, 180)? }.pack()
}
