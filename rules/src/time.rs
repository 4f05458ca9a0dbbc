//! Lengths of time in milliseconds. It knows neither calendars nor time zones.

/// Milliseconds: of a length of time, or since 1970 (UTC).
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
