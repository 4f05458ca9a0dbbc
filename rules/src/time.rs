//! Durations in milliseconds, and how they are written. It does not depend on calendars or time zones.

/// Milliseconds: a duration, or the time since 1970 (UTC).
pub type Ms = i64;

/// A second.
pub const SECOND_MS: Ms = 1_000;
/// A minute.
pub const MINUTE_MS: Ms = 60 * SECOND_MS;
/// An hour.
pub const HOUR_MS: Ms = 60 * MINUTE_MS;
/// A day of 24 hours.
pub const DAY_MS: Ms = 24 * HOUR_MS;
/// Seven days.
pub const WEEK_MS: Ms = 7 * DAY_MS;

/// Milliseconds as registers hold them.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 ms, about 285,000 years")]
#[inline]
pub const fn ms_as_f64(ms: Ms) -> f64 {
    ms as f64
}

const UNITS: [(&str, Ms); 6] =
    [("ms", 1), ("s", SECOND_MS), ("m", MINUTE_MS), ("h", HOUR_MS), ("d", DAY_MS), ("w", WEEK_MS)];

/// The longest duration that a file or an argument may hold: a hundred years. Sums and differences of durations and
/// times are then far below the range of their type.
pub const DURATION_MS_MAX: Ms = 36_500 * DAY_MS;

/// How a duration is written, for help texts.
pub const DURATION_HELP: &str =
    "write a number and a unit (ms, s, m, h, d or w), at most 36500d: `30s`, `10m`, `24h`, `90d`";

/// Milliseconds of a duration such as `10m` or `90d`; `None` also for one above [`DURATION_MS_MAX`].
pub fn parse_duration(text: &str) -> Option<Ms> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit = UNITS.iter().find(|(unit, _)| *unit == &text[digits..]).map(|(_, ms)| ms)?;
    let ms = text[..digits].parse::<Ms>().ok()?.checked_mul(*unit)?;
    (ms <= DURATION_MS_MAX).then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        assert_eq!(parse_duration("10m"), Some(600_000));
        assert_eq!(parse_duration("90d"), Some(7_776_000_000));
        assert_eq!(parse_duration("250ms"), Some(250));
        assert_eq!(parse_duration("36500d"), Some(DURATION_MS_MAX));
        let too_long = ["36501d", "99999999w", "9223372036854775807ms", "99999999999999999999d"];
        for wrong in ["10", "m", "", "1.5h", "10x", "-1h", "+1h"].into_iter().chain(too_long) {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
