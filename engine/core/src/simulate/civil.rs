//! Calendar arithmetic of the simulated bank: local time in its cities, dates as written in records.
//!
//! Zones come from the bundled database, never from the system's.

use super::world::CITIES;
use crate::batch::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use tripline_rules::time::{HOUR_MS, SECOND_MS};

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

impl Date {
    /// The date so many days after 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
    pub fn of_day(days: i64) -> Date {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Date { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// Days after 1970-01-01; the inverse of [`Date::of_day`].
    pub fn days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let shifted_month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let of_year = (153 * shifted_month + 2) / 5 + self.day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }
}

/// Local time in all cities; offsets are looked up once an hour.
pub(super) struct Zones {
    zones: Vec<TimeZone>,
    offsets_ms: [i64; CITIES.len()],
    valid_until: Timestamp,
}

impl Zones {
    /// Nothing is looked up yet.
    pub fn new() -> Zones {
        let bundled = TimeZoneDatabase::bundled();
        let zone = |name| bundled.get(name).expect("the table's zones are in the bundled database");
        Zones {
            zones: CITIES.iter().map(|city| zone(city.zone)).collect(),
            offsets_ms: [0; CITIES.len()],
            valid_until: Timestamp(i64::MIN),
        }
    }

    /// Looks the offsets up for a time that never goes back.
    pub fn advance(&mut self, now: Timestamp) {
        if now < self.valid_until {
            return;
        }
        let instant = jiff::Timestamp::from_millisecond(now.0).expect("simulated years are in range");
        for (zone, offset) in self.zones.iter().zip(&mut self.offsets_ms) {
            *offset = i64::from(zone.to_offset(instant).seconds()) * SECOND_MS;
        }
        self.valid_until = Timestamp((now.0.div_euclid(HOUR_MS) + 1) * HOUR_MS);
    }

    /// How far local time in a city is ahead of UTC, ms.
    pub fn offset_ms(&self, city: u8) -> i64 {
        self.offsets_ms[usize::from(city)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_calendar_and_invert() {
        for days in (-200_000..200_000).step_by(17) {
            assert_eq!(Date::of_day(days).days(), days);
        }
        assert_eq!(Date::of_day(0), Date { year: 1970, month: 1, day: 1 });
        assert_eq!(Date::of_day(19_782), Date { year: 2024, month: 2, day: 29 });
    }

    #[test]
    fn new_york_changes_its_clocks() {
        let mut zones = Zones::new();
        zones.advance(Timestamp(1_767_225_600_000)); // 2026-01-01
        assert_eq!(zones.offset_ms(0), -5 * HOUR_MS);
        zones.advance(Timestamp(1_782_864_000_000)); // 2026-07-01
        assert_eq!(zones.offset_ms(0), -4 * HOUR_MS);
    }
}
