//! Times from their text, truncated to the millisecond. The only user of the tz database.
//!
//! RFC 3339 and plain local times such as `2024-01-15 10:30:00` are read here, other local times by jiff. A leap second
//! counts as the second before it, and is valid only at the end of a UTC day.

mod civil;
mod local;

pub(super) use local::{LocalReader, LocalTime};

use super::decimal::{Rounding, scaled};
use super::mapping::{Spanned, TimeFormat};
use super::mapping_error::MappingErrorKind;
use crate::limits::TIME_MS_MAX;
use civil::{clock, date, in_range, offset};
use tripline_rules::time::{DAY_MS, SECOND_MS};

/// Reads times of one format.
#[derive(Clone, Debug)]
pub(super) enum TimeReader {
    /// RFC 3339.
    Rfc3339,
    /// A number of seconds (`places` 3) or milliseconds (`places` 0).
    Epoch { places: u8 },
    /// A number of microseconds or nanoseconds.
    Fine { per_ms: u64 },
    /// By a pattern, in a zone.
    Local(Box<LocalReader>),
}

impl TimeReader {
    /// A reader of a format.
    ///
    /// # Errors
    /// The pattern or the zone that is not valid.
    pub(super) fn new(format: &TimeFormat) -> Result<TimeReader, Spanned<MappingErrorKind>> {
        Ok(match format {
            TimeFormat::Rfc3339 => TimeReader::Rfc3339,
            TimeFormat::EpochSeconds => TimeReader::Epoch { places: 3 },
            TimeFormat::EpochMillis => TimeReader::Epoch { places: 0 },
            TimeFormat::EpochMicros => TimeReader::Fine { per_ms: 1_000 },
            TimeFormat::EpochNanos => TimeReader::Fine { per_ms: 1_000_000 },
            TimeFormat::Local { pattern, zone, ambiguous } => {
                TimeReader::Local(Box::new(LocalReader::new(pattern, zone, *ambiguous)?))
            }
        })
    }

    /// Milliseconds since 1970; `None` when the text is not a time of this format, or out of range.
    pub(super) fn read(&self, text: impl AsRef<[u8]>) -> Option<i64> {
        let text = text.as_ref();
        let ms = match self {
            TimeReader::Rfc3339 => rfc3339(text),
            TimeReader::Epoch { places } => {
                scaled(text, *places, Rounding::Floor, TIME_MS_MAX.unsigned_abs())
            }
            TimeReader::Fine { per_ms } => {
                let fine =
                    scaled(text, 0, Rounding::Floor, TIME_MS_MAX.unsigned_abs() * per_ms + per_ms - 1)?;
                Some(fine.div_euclid(i64::try_from(*per_ms).ok()?))
            }
            TimeReader::Local(local) => local.read(text).ok().map(|time| time.ms),
        }?;
        in_range(ms)
    }
}

#[inline(always)]
fn rfc3339(text: &[u8]) -> Option<i64> {
    let (moment, rest) = text.split_first_chunk::<19>()?;
    matches!(moment[10], b'T' | b't' | b' ').then_some(())?;
    let (date, clock) = (date(moment.first_chunk()?)?, clock(moment[11..].first_chunk()?)?);
    let leap = moment[17..] == *b"60";
    let behind_ms = match rest {
        b"Z" => 0,
        [b'.', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b'Z'] => milliseconds([*a, *b, *c]),
        _ => {
            let (fraction_ms, rest) = fraction(rest)?;
            fraction_ms - offset(rest)?
        }
    };
    let ms = date + clock + behind_ms - if leap { SECOND_MS } else { 0 };
    (!leap || ms.rem_euclid(DAY_MS) >= DAY_MS - SECOND_MS).then_some(ms)
}

/// Milliseconds from three digits behind the point.
#[inline(always)]
fn milliseconds(digits: [u8; 3]) -> i64 {
    let [a, b, c] = digits.map(|digit| u32::from(digit - b'0'));
    i64::from(a * 100 + b * 10 + c)
}

/// Milliseconds of a fraction of a second, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, text)) };
    let count = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let digit = |at: usize| if at < count { text[at] } else { b'0' };
    (count > 0).then(|| (milliseconds([digit(0), digit(1), digit(2)]), &text[count..]))
}

#[cfg(test)]
mod tests {
    use super::super::mapping::Ambiguous;
    use super::super::reject::Reason;
    use super::civil::{pairs, two};
    use super::*;
    use crate::limits::TIME_MS_MIN;
    use jiff::tz::{Offset, TimeZoneDatabase};
    use proptest::prelude::*;

    const ANY_RFC_3339: &str = "(19[1-9]|20[0-9])[0-9]-[0-9]{2}-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\
        (\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";

    fn local(pattern: &str, zone: &str) -> TimeReader {
        chosen(pattern, zone, Ambiguous::Reject)
    }

    fn chosen(pattern: &str, zone: &str, ambiguous: Ambiguous) -> TimeReader {
        let format = TimeFormat::Local { pattern: pattern.into(), zone: zone.into(), ambiguous };
        TimeReader::new(&format).unwrap()
    }

    #[test]
    fn unusual_rfc_3339_times_are_read_as_documented() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("2024-02-29T12:00:00.5Z", Some(1_709_208_000_500)),
            ("2024-02-29t12:00:00.123999999999999z", Some(1_709_208_000_123)),
            ("2024-02-29 12:00:00+00:00", Some(1_709_208_000_000)),
            ("2024-02-29T13:30:00+01:30", Some(1_709_208_000_000)),
            ("2024-02-29T11:00:00-01:00", Some(1_709_208_000_000)),
            ("2024-02-29T12:00:00-00:00", Some(1_709_208_000_000)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_799_000)),
            ("2017-01-01T00:59:60.5+01:00", Some(1_483_228_799_500)),
            ("2017-01-01T00:59:60Z", None),
            ("1900-01-01T00:00:00Z", Some(TIME_MS_MIN)),
            ("1899-12-31T23:59:59.999Z", None),
            ("2199-12-31T23:59:59.999Z", Some(TIME_MS_MAX)),
            ("2200-01-01T00:00:00Z", None),
            ("0000-01-01T00:00:00Z", None),
            ("2023-02-29T12:00:00Z", None),
            ("2100-02-29T12:00:00Z", None),
            ("2024-13-01T12:00:00Z", None),
            ("2024-00-01T12:00:00Z", None),
            ("2024-04-31T12:00:00Z", None),
            ("2024-01-00T12:00:00Z", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01T12:60:00Z", None),
            ("2024-01-01T12:00:61Z", None),
            ("2024-01-01T12:00:00", None),
            ("2024-01-01T12:00Z", None),
            ("2024-01-01", None),
            ("2024-01-01T12:00:00.Z", None),
            ("2024-01-01T12:00:00,5Z", None),
            ("2024-01-01T12:00:00+0100", None),
            ("2024-01-01T12:00:00+24:00", None),
            ("2024-01-01T12:00:00+01:60", None),
            ("2024-01-01T12:00:00ZZ", None),
            ("2024-01-01T12:00:00Z ", None),
            (" 2024-01-01T12:00:00Z", None),
            ("+2024-01-01T12:00:00Z", None),
            ("2024-1-1T12:00:00Z", None),
            ("２０２４-01-01T12:00:00Z", None),
            ("now", None),
            ("", None),
        ] {
            assert_eq!(TimeReader::Rfc3339.read(text), expected, "{text}");
        }
    }

    #[test]
    fn epoch_times_are_decimals_cut_to_the_millisecond() {
        let seconds = TimeReader::new(&TimeFormat::EpochSeconds).unwrap();
        let millis = TimeReader::new(&TimeFormat::EpochMillis).unwrap();
        assert_eq!(seconds.read("1709208000"), Some(1_709_208_000_000));
        assert_eq!(seconds.read("1709208000.1239"), Some(1_709_208_000_123));
        assert_eq!(seconds.read("1.709208e9"), Some(1_709_208_000_000));
        assert_eq!(seconds.read("-0.0001"), Some(-1));
        assert_eq!(millis.read("1709208000123"), Some(1_709_208_000_123));
        assert_eq!(millis.read("1709208000123.9"), Some(1_709_208_000_123));
        let micros = TimeReader::new(&TimeFormat::EpochMicros).unwrap();
        let nanos = TimeReader::new(&TimeFormat::EpochNanos).unwrap();
        assert_eq!(micros.read("1709208000123999"), Some(1_709_208_000_123));
        assert_eq!(nanos.read("1709208000123999999"), Some(1_709_208_000_123));
        assert_eq!((micros.read("-1"), nanos.read("-0.5")), (Some(-1), Some(-1)));
        assert_eq!(
            (micros.read("7258118399999999"), micros.read("7258118400000000")),
            (Some(TIME_MS_MAX), None)
        );
        assert_eq!(
            (nanos.read("7258118399999999999"), nanos.read("7258118400000000000")),
            (Some(TIME_MS_MAX), None)
        );
        // Milliseconds read as seconds are out of range.
        assert_eq!(seconds.read("1709208000123"), None);
        assert_eq!((seconds.read("NaN"), seconds.read(""), millis.read("1e400")), (None, None, None));
    }

    fn utc(text: &str) -> Option<i64> {
        TimeReader::Rfc3339.read(text)
    }

    #[test]
    fn local_times_that_clocks_repeat_or_skip_are_what_the_mapping_says() {
        // Zone, local time, what `earlier` and what `later` make of it. The clocks go from 02:00 to 03:00, on Lord Howe
        // to 02:30; they go from 03:00 or 02:00 back by an hour, on Lord Howe by half of it.
        let skipped = "\
            Europe/Berlin, 2024-03-31 02:30:00, 2024-03-31T00:30:00Z, 2024-03-31T01:30:00Z
            America/New_York, 2026-03-08 02:00:00, 2026-03-08T06:00:00Z, 2026-03-08T07:00:00Z
            America/New_York, 2026-03-08 02:59:59, 2026-03-08T06:59:59Z, 2026-03-08T07:59:59Z
            Australia/Lord_Howe, 2026-10-04 02:15:00, 2026-10-03T15:15:00Z, 2026-10-03T15:45:00Z";
        let repeated = "\
            Europe/Berlin, 2024-10-27 02:30:00, 2024-10-27T00:30:00Z, 2024-10-27T01:30:00Z
            America/New_York, 2026-11-01 01:00:00, 2026-11-01T05:00:00Z, 2026-11-01T06:00:00Z
            America/New_York, 2026-11-01 01:59:59, 2026-11-01T05:59:59Z, 2026-11-01T06:59:59Z
            Australia/Lord_Howe, 2026-04-05 01:30:00, 2026-04-04T14:30:00Z, 2026-04-04T15:00:00Z
            Australia/Lord_Howe, 2026-04-05 01:59:59, 2026-04-04T14:59:59Z, 2026-04-04T15:29:59Z";
        let of = |lines: &'static str, refused| lines.lines().map(move |line| (line, refused));
        for (line, refused) in of(skipped, Reason::BadTime).chain(of(repeated, Reason::AmbiguousTime)) {
            let cells: Vec<&str> = line.trim().split(", ").collect();
            let [zone, text, earlier, later] = cells[..] else { panic!("four cells: {line}") };
            for (ambiguous, expected) in [
                (Ambiguous::Earlier, Ok(earlier)),
                (Ambiguous::Later, Ok(later)),
                (Ambiguous::Reject, Err(refused)),
            ] {
                let reader = chosen("%Y-%m-%d %H:%M:%S", zone, ambiguous);
                let TimeReader::Local(inner) = &reader else { unreachable!() };
                let time = |text| LocalTime { ms: utc(text).unwrap(), is_chosen: true };
                assert_eq!(inner.read(text.as_bytes()), expected.map(time), "{text} {ambiguous:?}");
                assert_eq!(reader.read(text), expected.ok().and_then(utc));
            }
        }
    }

    #[test]
    fn local_times_follow_the_zone_through_clock_changes() {
        let (lord_howe, new_york) = ("Australia/Lord_Howe", "America/New_York");
        let berlin = local("%Y-%m-%d %H:%M:%S", "Europe/Berlin");
        assert_eq!(berlin.read("2024-01-15 10:30:00"), utc("2024-01-15T09:30:00Z"));
        assert_eq!(berlin.read("2024-07-15 10:30:00"), utc("2024-07-15T08:30:00Z"));
        // The second before, and the second behind.
        for (zone, text, expected) in [
            ("Europe/Berlin", "2024-10-27 01:59:59", "2024-10-26T23:59:59Z"),
            ("Europe/Berlin", "2024-10-27 03:00:00", "2024-10-27T02:00:00Z"),
            (new_york, "2026-03-08 01:59:59", "2026-03-08T06:59:59Z"),
            (new_york, "2026-03-08 03:00:00", "2026-03-08T07:00:00Z"),
            (new_york, "2026-11-01 00:59:59", "2026-11-01T04:59:59Z"),
            (new_york, "2026-11-01 02:00:00", "2026-11-01T07:00:00Z"),
            (lord_howe, "2026-04-05 01:29:59", "2026-04-04T14:29:59Z"),
            (lord_howe, "2026-04-05 02:00:00", "2026-04-04T15:30:00Z"),
            (lord_howe, "2026-10-04 01:59:59", "2026-10-03T15:29:59Z"),
            (lord_howe, "2026-10-04 02:30:00", "2026-10-03T15:30:00Z"),
        ] {
            assert_eq!(local("%Y-%m-%d %H:%M:%S", zone).read(text), utc(expected), "{zone} {text}");
        }
        // A date is the first moment of its day, also where the clocks skip midnight.
        assert_eq!(local("%Y-%m-%d", "America/Sao_Paulo").read("2018-11-04"), utc("2018-11-04T03:00:00Z"));
        assert_eq!(berlin.read("2024-02-30 02:30:00"), None);
        let fixed = local("%Y-%m-%d %H:%M:%S", "-03:30");
        assert_eq!(fixed.read("2024-01-15 10:30:00"), utc("2024-01-15T14:00:00Z"));
        let named = local("%d/%b/%Y %I:%M %p", "UTC");
        assert_eq!(named.read("15/Jan/2024 01:30 PM"), utc("2024-01-15T13:30:00Z"));
        let with_offset = local("%Y%m%d%H%M%S%z", "UTC");
        assert_eq!(with_offset.read("20240115103000+0200"), utc("2024-01-15T08:30:00Z"));
        assert_eq!(local("%Y-%m-%d", "UTC").read("2024-01-15"), utc("2024-01-15T00:00:00Z"));
    }

    #[test]
    fn invalid_zones_and_incomplete_patterns_are_refused() {
        let refused = |pattern: &str, zone: &str| {
            let (pattern, zone) = (pattern.into(), zone.into());
            TimeReader::new(&TimeFormat::Local { pattern, zone, ambiguous: Ambiguous::Reject }).unwrap_err()
        };
        assert_eq!(refused("%Y-%m-%d", "Mars/Olympus").value, MappingErrorKind::Zone("Mars/Olympus".into()));
        for pattern in ["%H:%M", "%Y-%m", "noon", "%Q%", ""] {
            assert_eq!(refused(pattern, "UTC").value, MappingErrorKind::Pattern(pattern.into()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

        /// jiff is the oracle of every valid date, and of the fast path for local times.
        #[test]
        fn times_are_those_of_jiff(ms in TIME_MS_MIN..=TIME_MS_MAX - DAY_MS, minutes in -1439i32..1440) {
            let at = jiff::Timestamp::from_millisecond(ms).unwrap();
            prop_assert_eq!(TimeReader::Rfc3339.read(at.to_string()), Some(ms));
            let shifted = at.display_with_offset(Offset::from_seconds(minutes * 60).unwrap()).to_string();
            prop_assert_eq!(TimeReader::Rfc3339.read(&shifted), Some(ms));
            let zone = TimeZoneDatabase::bundled().get("America/New_York").unwrap();
            let wall = zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string();
            let reader = local("%Y-%m-%d %H:%M:%S", "America/New_York");
            let TimeReader::Local(inner) = &reader else { unreachable!() };
            prop_assert_eq!(inner.read(wall.as_bytes()), inner.by_pattern(wall.as_bytes()));
        }

        /// Reading single bytes is the oracle of reading eight at once.
        #[test]
        fn pairs_are_those_of_a_reader_of_single_bytes(text in prop::array::uniform8(prop_oneof![8 => b'0'..=b'9', 4 => Just(b':'), 1 => any::<u8>()]), colons in any::<bool>()) {
            let text = if colons { [text[0], text[1], b':', text[3], text[4], b':', text[6], text[7]] } else { text };
            let plain = || Some([two(&text, 0)?, two(&text, 3)?, two(&text, 6)?]);
            let plain = plain().filter(|_| text[2] == b':' && text[5] == b':');
            prop_assert_eq!(pairs(text, b"00:00:00").map(|pairs| [0, 3, 6].map(|at| i64::from(pairs[at]))), plain);
        }

        #[test]
        fn no_text_is_a_time_to_us_and_none_to_jiff(text in ANY_RFC_3339) {
            let theirs = text.parse::<jiff::Timestamp>().ok().map(|at| at.as_nanosecond().div_euclid(1_000_000));
            prop_assert_eq!(TimeReader::Rfc3339.read(&text).map(i128::from), theirs);
        }
    }
}
