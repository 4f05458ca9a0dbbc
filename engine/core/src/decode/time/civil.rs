//! Dates, times of day and offsets from their digits, as milliseconds. It does not depend on their order.

use crate::decode::word::above_nine;
use crate::limits::{TIME_MS_MAX, TIME_MS_MIN};
use tripline_rules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// The time, if a field may hold it.
pub(super) fn in_range(ms: i64) -> Option<i64> {
    (TIME_MS_MIN..=TIME_MS_MAX).contains(&ms).then_some(ms)
}

/// `2024-01-15 10:30:00` as milliseconds, as if it were UTC.
pub(super) fn plain(text: &[u8], separator: u8) -> Option<i64> {
    let text: &[u8; 19] = text.try_into().ok()?;
    (text[10] == separator && text[17..] != *b"60").then_some(())?;
    Some(date(text.first_chunk()?)? + clock(text[11..].first_chunk()?)?)
}

#[inline(always)]
pub(super) fn two(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// The two-digit numbers of a text like `form`, in which a zero stands for a digit: each at the position of its tens.
#[inline(always)]
pub(super) fn pairs(text: [u8; 8], form: &[u8; 8]) -> Option<[u8; 8]> {
    let separators = u64::from_le_bytes(form.map(|byte| if byte == b'0' { 0 } else { 0xff }));
    // Digits become 0 to 9, separators 0: no sum or product below overflows its byte.
    let digits = u64::from_le_bytes(text) ^ u64::from_le_bytes(*form);
    let alike = above_nine(digits) == 0 && digits & separators == 0;
    alike.then(|| digits.wrapping_mul(10).wrapping_add(digits >> 8).to_le_bytes())
}

/// The years in the table. They include all times from [`TIME_MS_MIN`] to [`TIME_MS_MAX`], whatever the offset.
const FIRST_YEAR: u32 = 1899;
const LAST_YEAR: u32 = 2200;
const YEARS: usize = (LAST_YEAR - FIRST_YEAR + 1) as usize;

/// A year: the days from 1970 to its first, and whether it is a leap year.
#[derive(Clone, Copy)]
struct Year {
    begins: i32,
    leap: bool,
}

const YEAR: [Year; YEARS] = {
    let mut years = [Year { begins: 0, leap: false }; YEARS];
    let (mut at, mut year, mut begins) = (0, FIRST_YEAR, -25_932);
    while at < YEARS {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        years[at] = Year { begins, leap };
        begins += if leap { 366 } else { 365 };
        (at, year) = (at + 1, year + 1);
    }
    years
};

/// Days of a year before each month, by number, and before the next year; for a year without a leap day, then for one
/// with it. The zeroth month has no days.
const BEFORE_MONTH: [[u16; 14]; 2] = [
    [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365],
    [0, 0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366],
];

/// `2024-01-15` as milliseconds since 1970; `None` also for a year that is not in the table.
#[inline(always)]
pub(super) fn date(text: &[u8; 10]) -> Option<i64> {
    let [century, _, year, _, _, month, ..] = pairs(*text.first_chunk()?, b"0000-00-")?;
    let year = u32::from(century) * 100 + u32::from(year);
    let day = u16::try_from(two(text, 8)?).ok()?;
    let Year { begins, leap } = *YEAR.get(year.wrapping_sub(FIRST_YEAR) as usize)?;
    let before = &BEFORE_MONTH[usize::from(leap)];
    let [first, end] = *before.get(usize::from(month)..)?.first_chunk()?;
    // Day zero wraps around.
    (day.wrapping_sub(1) < end.wrapping_sub(first)).then_some(())?;
    Some(i64::from(begins + i32::from(first) + i32::from(day) - 1) * DAY_MS)
}

/// `10:30:00` as milliseconds. The caller checks a 60th second.
#[inline(always)]
pub(super) fn clock(text: &[u8; 8]) -> Option<i64> {
    let [hour, _, _, minute, _, _, second, _] = pairs(*text, b"00:00:00")?;
    let valid = hour < 24 && minute < 60 && second <= 60;
    valid.then(|| i64::from(hour) * HOUR_MS + i64::from(minute) * MINUTE_MS + i64::from(second) * SECOND_MS)
}

/// `Z` or `+02:00` as milliseconds.
pub(super) fn offset(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), rest @ ..] if rest.len() == 5 && rest[2] == b':' => {
            let (hours, minutes) = (two(rest, 0)?, two(rest, 3)?);
            (hours < 24 && minutes < 60).then_some(())?;
            let ms = hours * HOUR_MS + minutes * MINUTE_MS;
            Some(if *sign == b'-' { -ms } else { ms })
        }
        _ => None,
    }
}
