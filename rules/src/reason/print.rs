//! Values of registers as text.
//!
//! It does not depend on rules.

use super::Format;
use crate::money::Currency;
use crate::schema::{CurrencyOf, Kind};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Ms, SECOND_MS, ms_as_f64};
use crate::value::{Geo, Registers, Slot, TextSource};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// The form of a value without an explicit format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The form of its kind.
    Plain,
    /// A measured number, rounded down to a whole number.
    Whole,
    /// A share, as a percentage.
    Share,
}

/// A value that a reason prints.
#[derive(Clone, Debug)]
pub(crate) struct Printed {
    pub(crate) slot: Slot,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    pub(crate) format: Option<Format>,
    /// Whether it is a text field, whose text the event has.
    pub(crate) text: bool,
}

/// Appends a value; a missing one is written `unknown`.
pub(crate) fn print(
    printed: &Printed,
    registers: &Registers,
    currency: Option<Currency>,
    zone: &TimeZone,
    texts: &dyn TextSource,
    out: &mut String,
) {
    let Some(word) = registers.get(printed.slot) else {
        out.push_str("unknown");
        return;
    };
    let number = f64::from_bits(word);
    match (&printed.kind, printed.format) {
        (Kind::Money(of), _) => money(number, of, currency, out),
        (Kind::Number, Some(Format::Percent)) => percent(number, out),
        (Kind::Number, None) if printed.shape == Shape::Share => percent(number, out),
        (Kind::Number, Some(Format::Km)) => {
            grouped(libm::round(number), 0, out);
            out.push_str(" km");
        }
        (Kind::Number, Some(Format::Minutes)) => counted(number, "minute", out),
        (Kind::Number, Some(Format::Days)) => counted(number, "day", out),
        (Kind::Duration, Some(Format::Minutes)) => counted(number / ms_as_f64(MINUTE_MS), "minute", out),
        (Kind::Duration, Some(Format::Days)) => counted(number / ms_as_f64(DAY_MS), "day", out),
        (Kind::Number, _) if printed.shape == Shape::Whole => grouped(libm::floor(number), 0, out),
        (Kind::Number, _) => plain(number, out),
        (Kind::Duration, _) => duration(number, out),
        (Kind::Time, format) => time(number, format, zone, out),
        (Kind::Bool, _) => out.push_str(if word == 1 { "yes" } else { "no" }),
        (Kind::OneOf(codes), _) => {
            let code = u16::try_from(word).ok();
            out.push_str(code.and_then(|code| codes.value(code)).unwrap_or("unknown"));
        }
        (Kind::Text, _) => {
            let text = printed.text.then(|| texts.text(printed.slot)).flatten();
            out.push_str(text.unwrap_or("unknown"));
        }
        (Kind::Geo, _) => {
            let geo = Geo::unpack(word);
            // Writing to a String cannot fail.
            let _ = write!(out, "{:.4}, {:.4}", geo.latitude, geo.longitude);
        }
    }
}

/// `1,450.00 USD`.
fn money(minor: f64, of: &CurrencyOf, events: Option<Currency>, out: &mut String) {
    let currency = match of {
        CurrencyOf::Fixed(currency) => Some(*currency),
        CurrencyOf::Account => events,
    };
    let exponent = currency.map_or(2, Currency::exponent);
    // Averages have fractions of a minor unit; alerts give the same whole ones.
    let major = libm::round(minor) / (0..exponent).fold(1.0, |power, _| power * 10.0);
    grouped(major, usize::from(exponent), out);
    if let Some(currency) = currency {
        out.push(' ');
        out.push_str(currency.code());
    }
}

/// With thousands separators: `1,450.00`.
fn grouped(number: f64, places: usize, out: &mut String) {
    let digits = format!("{:.places$}", number.abs());
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    if number < 0.0 && digits.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        out.push('-');
    }
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(fraction);
}

/// Whole numbers without decimals, others with at most two.
fn plain(number: f64, out: &mut String) {
    if number == libm::floor(number) {
        return grouped(number, 0, out);
    }
    let start = out.len();
    grouped(number, 2, out);
    let kept = out[start..].trim_end_matches('0').trim_end_matches('.').len();
    out.truncate(start + kept);
}

fn percent(share: f64, out: &mut String) {
    // Shares have one decimal; 37.0 is written 37.
    plain(libm::round(share * 1_000.0) / 10.0, out);
    out.push('%');
}

/// `1 minute`, `42 minutes`, rounded down: only whole units have passed.
fn counted(number: f64, unit: &str, out: &mut String) {
    let whole = libm::floor(number);
    grouped(whole, 0, out);
    let plural = if whole == 1.0 { "" } else { "s" };
    let _ = write!(out, " {unit}{plural}");
}

/// The two largest units: `2 d 3 h`.
fn duration(ms: f64, out: &mut String) {
    const UNITS: [(Ms, &str); 4] = [(DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min"), (SECOND_MS, "s")];
    let mut rest = ms.abs();
    let mut shown = 0;
    if ms < 0.0 {
        out.push('-');
    }
    for (unit, name) in UNITS {
        let length = ms_as_f64(unit);
        let count = libm::floor(rest / length);
        let last = unit == SECOND_MS && shown == 0;
        if (count > 0.0 || last) && shown < 2 {
            if shown > 0 {
                out.push(' ');
            }
            let _ = write!(out, "{count:.0} {name}");
            shown += 1;
        }
        rest -= count * length;
    }
}

fn time(ms: f64, format: Option<Format>, zone: &TimeZone, out: &mut String) {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "times are whole and far below 2^63 ms; others saturate"
    )]
    let at = Timestamp::from_millisecond(ms as i64);
    let Ok(at) = at else {
        out.push_str("unknown");
        return;
    };
    let local = zone.to_datetime(at);
    let _ = match format {
        Some(Format::Date) => write!(out, "{}", local.date()),
        Some(Format::Time) => write!(out, "{:02}:{:02}", local.hour(), local.minute()),
        _ => write!(out, "{} {:02}:{:02}:{:02}", local.date(), local.hour(), local.minute(), local.second()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::NoTexts;

    fn shown(kind: Kind, number: f64, format: Option<Format>, shape: Shape) -> String {
        let mut registers = Registers::new(1);
        registers.set_number(Slot(0), number);
        let printed = Printed { slot: Slot(0), kind, shape, format, text: false };
        let usd = Currency::by_code("USD");
        let mut out = String::new();
        print(&printed, &registers, usd, &TimeZone::UTC, &NoTexts, &mut out);
        out
    }

    #[test]
    fn values_read_as_people_write_them() {
        let jpy = CurrencyOf::Fixed(Currency::by_code("JPY").unwrap());
        let plain = Shape::Plain;
        assert_eq!(shown(Kind::Money(CurrencyOf::Account), 145_000.0, None, plain), "1,450.00 USD");
        assert_eq!(shown(Kind::Money(CurrencyOf::Account), -5.0, None, plain), "-0.05 USD");
        assert_eq!(shown(Kind::Money(jpy), 1_234_567.0, None, plain), "1,234,567 JPY");
        assert_eq!(shown(Kind::Number, 6.0, None, plain), "6");
        assert_eq!(shown(Kind::Number, 2.5, None, plain), "2.5");
        assert_eq!(shown(Kind::Number, 3.1, None, Shape::Whole), "3");
        assert_eq!(shown(Kind::Number, 0.375, Some(Format::Percent), plain), "37.5%");
        assert_eq!(shown(Kind::Number, 0.7, None, Shape::Share), "70%");
        assert_eq!(shown(Kind::Number, 5_570.2, Some(Format::Km), plain), "5,570 km");
        assert_eq!(shown(Kind::Number, 42.9, Some(Format::Minutes), Shape::Whole), "42 minutes");
        assert_eq!(shown(Kind::Number, 1.0, Some(Format::Days), plain), "1 day");
        assert_eq!(shown(Kind::Duration, 183_600_000.0, None, plain), "2 d 3 h");
        assert_eq!(shown(Kind::Time, 1_793_511_000_000.0, Some(Format::Date), plain), "2026-11-01");
        assert_eq!(shown(Kind::Time, 1_793_511_000_000.0, None, plain), "2026-11-01 05:30:00");
    }
}
