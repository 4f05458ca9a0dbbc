//! Values of registers for alerts and other output.
//!
//! It does not depend on alerts.

use super::rule::{ReadFrom, ReadValue};
use crate::money::Currency;
use crate::program::event_currency;
use crate::schema::{CurrencyOf, Kind};
use crate::time::{HOUR_MS, ms_as_f64};
use crate::value::{Geo, Registers, Slot, TextSource};

/// A value for output. A text of which only the hash is known has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Described<'a> {
    /// Not known.
    Missing,
    /// A number.
    Number(f64),
    /// Money in minor units, and its currency where known.
    Money(f64, Option<Currency>),
    /// yes/no.
    Bool(bool),
    /// A text or the value of a closed set.
    Text(&'a str),
    /// Milliseconds since 1970, UTC.
    Time(f64),
    /// Milliseconds.
    Duration(f64),
    /// A location.
    Geo(Geo),
}

/// A value that a rule reads, for output; `None` for a text of which only the hash is known.
pub(super) fn described<'a>(
    value: &'a ReadValue,
    registers: &'a Registers,
    texts: &'a dyn TextSource,
) -> Option<Described<'a>> {
    Some(match value.from {
        ReadFrom::Param(number) => match value.kind {
            Kind::Duration => Described::Duration(number),
            _ => Described::Number(number),
        },
        ReadFrom::Field(slot) if value.kind == Kind::Text => {
            texts.text(slot).map_or(Described::Missing, Described::Text)
        }
        ReadFrom::Field(slot) | ReadFrom::Fact { slot, .. } | ReadFrom::Other(slot) => {
            describe(&value.kind, slot, registers)?
        }
    })
}

/// The value of a field of an event, for output.
pub fn describe_field<'a>(
    kind: &'a Kind,
    slot: Slot,
    registers: &Registers,
    texts: &'a dyn TextSource,
) -> Described<'a> {
    let described = describe(kind, slot, registers);
    described.unwrap_or_else(|| texts.text(slot).map_or(Described::Missing, Described::Text))
}

/// The value of a register; `None` for the hash of a text.
fn describe<'a>(kind: &'a Kind, slot: Slot, registers: &Registers) -> Option<Described<'a>> {
    let Some(word) = registers.get(slot) else { return Some(Described::Missing) };
    let number = f64::from_bits(word);
    Some(match kind {
        Kind::Number => Described::Number(number),
        Kind::Money(of) => Described::Money(number, currency_of(of, registers)),
        Kind::Bool => Described::Bool(word == 1),
        Kind::OneOf(codes) => u16::try_from(word)
            .ok()
            .and_then(|code| codes.value(code))
            .map_or(Described::Missing, Described::Text),
        Kind::Time => Described::Time(number),
        Kind::Duration => Described::Duration(number),
        Kind::Geo => Described::Geo(Geo::unpack(word)),
        Kind::Text => return None,
    })
}

fn currency_of(of: &CurrencyOf, registers: &Registers) -> Option<Currency> {
    match of {
        CurrencyOf::Fixed(currency) => Some(*currency),
        CurrencyOf::Account => event_currency(registers),
    }
}

/// The number of a feature: money in major units, durations in hours, yes/no 0 or 1.
pub(super) fn in_major_units(kind: &Kind, slot: Slot, registers: &Registers) -> Option<f64> {
    let word = registers.get(slot)?;
    let number = f64::from_bits(word);
    Some(match kind {
        Kind::Bool => f64::from(u8::from(word == 1)),
        Kind::Money(of) => {
            let exponent = currency_of(of, registers).map_or(2, Currency::exponent);
            number / (0..exponent).fold(1.0, |power, _| power * 10.0)
        }
        Kind::Duration => number / ms_as_f64(HOUR_MS),
        _ => number,
    })
}
