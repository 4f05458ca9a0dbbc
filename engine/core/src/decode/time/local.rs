//! Local times from their text, by a pattern and in a zone. It does not depend on what a mapping is.

use super::civil::{in_range, offset, plain};
use crate::decode::mapping::{Ambiguous, Spanned};
use crate::decode::mapping_error::MappingErrorKind;
use crate::decode::reject::Reason;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use tripline_rules::time::SECOND_MS;

/// Reads local times.
#[derive(Clone, Debug)]
pub(in crate::decode) struct LocalReader {
    pattern: String,
    /// The separator, if the pattern is a plain date, separator and time.
    plain: Option<u8>,
    zone: TimeZone,
    /// The offset of the zone, if it has only one.
    offset_ms: Option<i64>,
    ambiguous: Ambiguous,
    /// Whether the pattern reads a date alone.
    is_date: bool,
}

/// A local time that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) struct LocalTime {
    /// Milliseconds since 1970.
    pub(in crate::decode) ms: i64,
    /// Whether a clock change repeats or skips it, and the mapping chose.
    pub(in crate::decode) is_chosen: bool,
}

impl LocalReader {
    pub(super) fn new(
        pattern: &Spanned<String>,
        zone: &Spanned<String>,
        ambiguous: Ambiguous,
    ) -> Result<LocalReader, Spanned<MappingErrorKind>> {
        let tz = match offset(zone.as_bytes()) {
            Some(ms) => {
                let seconds = i32::try_from(ms / SECOND_MS).expect("an offset is below a day");
                TimeZone::fixed(Offset::from_seconds(seconds).expect("an offset is below a day"))
            }
            None => TimeZoneDatabase::bundled().get(zone).map_err(|_| zone.to(MappingErrorKind::Zone))?,
        };
        let reads = |letters: &str| directives(pattern).any(|letter| letters.contains(letter));
        if reads("Il") && !reads("pP") {
            return Err(pattern.to(MappingErrorKind::TwelveHours));
        }
        if reads("HkRTXc") && reads("pP") {
            return Err(pattern.to(MappingErrorKind::BothHours));
        }
        let plain = match pattern.as_str() {
            "%Y-%m-%d %H:%M:%S" | "%F %T" => Some(b' '),
            "%Y-%m-%dT%H:%M:%S" | "%FT%T" => Some(b'T'),
            _ => None,
        };
        let offset_ms = tz.to_fixed_offset().ok().map(|offset| i64::from(offset.seconds()) * SECOND_MS);
        let pattern_text = pattern.value.clone();
        let reader =
            LocalReader { pattern: pattern_text, plain, zone: tz, offset_ms, ambiguous, is_date: false };
        match reader.is_date() {
            Some(is_date) => Ok(LocalReader { is_date, ..reader }),
            None => Err(pattern.to(MappingErrorKind::Pattern)),
        }
    }

    /// Whether the pattern reads a date alone, which is the first moment of its day; `None` if it does not read a date
    /// and what it writes itself.
    fn is_date(&self) -> Option<bool> {
        let sample = jiff::civil::date(2024, 11, 23).at(16, 47, 38, 0);
        let zoned = self.zone.to_zoned(sample).ok()?;
        let written = strtime::format(&self.pattern, &zoned).ok()?;
        let read = self.read(written.as_bytes()).ok()?.ms;
        let day = self.zone.to_timestamp(sample.date().at(0, 0, 0, 0)).ok()?.as_millisecond();
        (day..=zoned.timestamp().as_millisecond()).contains(&read).then_some(read == day)
    }

    /// Reads a time; an error is [`Reason::BadTime`] or [`Reason::AmbiguousTime`].
    pub(in crate::decode) fn read(&self, text: &[u8]) -> Result<LocalTime, Reason> {
        let plain = self.plain.and_then(|separator| plain(text, separator));
        let read = match (plain, self.offset_ms) {
            (Some(civil_ms), Some(offset_ms)) => LocalTime { ms: civil_ms - offset_ms, is_chosen: false },
            (Some(civil_ms), None) => self.in_zone(civil(civil_ms).ok_or(Reason::BadTime)?)?,
            (None, _) => self.by_pattern(text)?,
        };
        in_range(read.ms).map(|_| read).ok_or(Reason::BadTime)
    }

    pub(super) fn by_pattern(&self, text: &[u8]) -> Result<LocalTime, Reason> {
        let text = std::str::from_utf8(text).map_err(|_| Reason::BadTime)?;
        let bad = |_: jiff::Error| Reason::BadTime;
        let read = BrokenDownTime::parse(&self.pattern, text).map_err(bad)?;
        if read.offset().is_some() || read.timestamp().is_some() {
            let ms = read.to_timestamp().map_err(bad)?.as_millisecond();
            return Ok(LocalTime { ms, is_chosen: false });
        }
        let time = read.to_time().map_err(bad)?;
        self.in_zone(read.to_date().map_err(bad)?.to_datetime(time))
    }

    fn in_zone(&self, at: DateTime) -> Result<LocalTime, Reason> {
        let found = self.zone.to_ambiguous_timestamp(at);
        let is_chosen = found.is_ambiguous() && !self.is_date;
        let refused = match found.offset() {
            AmbiguousOffset::Fold { .. } => Reason::AmbiguousTime,
            AmbiguousOffset::Gap { .. } | AmbiguousOffset::Unambiguous { .. } => Reason::BadTime,
        };
        let chosen = match self.ambiguous {
            _ if !is_chosen => found.compatible(),
            Ambiguous::Earlier => found.earlier(),
            Ambiguous::Later => found.later(),
            Ambiguous::Reject => return Err(refused),
        };
        Ok(LocalTime { ms: chosen.map_err(|_| Reason::BadTime)?.as_millisecond(), is_chosen })
    }
}

/// The letters of a pattern's directives, without their flags and widths.
fn directives(pattern: &str) -> impl Iterator<Item = char> {
    let mut characters = pattern.chars();
    std::iter::from_fn(move || {
        characters.find(|character| *character == '%')?;
        characters.find(|character| !("-_0^#:.".contains(*character) || character.is_ascii_digit()))
    })
}

/// Civil date and time from milliseconds since 1970.
fn civil(ms: i64) -> Option<DateTime> {
    Some(Offset::UTC.to_datetime(jiff::Timestamp::from_millisecond(ms).ok()?))
}
