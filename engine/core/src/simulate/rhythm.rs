//! When people do things: the hours of their week, their season, and their days of wages and bills.
//!
//! Life is a Poisson process in a time of its own that runs fast at noon and hardly moves at four in the morning.

use super::accounts::{Account, Segment};
use super::civil::Date;
use super::random::{floor, real};
use crate::batch::Timestamp;
use tripline_rules::time::{DAY_MS, HOUR_MS, MINUTE_MS};

const WEEK_HOURS: usize = 168;
const WEEK_MS: i64 = 7 * DAY_MS;
/// 1970-01-01 was a Thursday; weeks here start on Monday.
const MONDAY_OFFSET_MS: i64 = 3 * DAY_MS;

/// Activity by local hour.
const PEOPLE: [f64; 24] = [
    0.25, 0.12, 0.07, 0.05, 0.05, 0.12, 0.45, 1.0, 1.3, 1.2, 1.2, 1.4, 1.9, 1.7, 1.3, 1.3, 1.5, 1.9, 2.0,
    1.7, 1.3, 1.0, 0.7, 0.45,
];
const FIRMS: [f64; 24] = [
    0.02, 0.01, 0.01, 0.01, 0.02, 0.1, 0.4, 1.2, 2.2, 2.6, 2.6, 2.4, 1.6, 2.2, 2.6, 2.4, 2.0, 1.2, 0.5, 0.25,
    0.12, 0.06, 0.04, 0.03,
];
/// Monday to Sunday.
const PEOPLE_DAYS: [f64; 7] = [0.9, 0.9, 0.95, 1.0, 1.15, 1.2, 0.9];
const FIRMS_DAYS: [f64; 7] = [1.3, 1.3, 1.3, 1.3, 1.3, 0.4, 0.1];

/// A week's activity, summed up: `days[h]` days of average life have passed by hour `h` of the week.
pub(super) struct Rhythm {
    days: [f64; WEEK_HOURS + 1],
}

impl Rhythm {
    /// Rhythms of people and of firms.
    pub fn both() -> [Rhythm; 2] {
        [Rhythm::new(&PEOPLE, &PEOPLE_DAYS), Rhythm::new(&FIRMS, &FIRMS_DAYS)]
    }

    /// Whose rhythm an account has, in [`Rhythm::both`].
    pub fn of(account: &Account) -> usize {
        usize::from(account.segment == Segment::Business)
    }

    fn new(hours: &[f64; 24], weekdays: &[f64; 7]) -> Rhythm {
        let mut days = [0.0; WEEK_HOURS + 1];
        let mut sum = 0.0;
        for hour in 0..WEEK_HOURS {
            sum += hours[hour % 24] * weekdays[hour / 24];
            days[hour + 1] = sum;
        }
        days.iter_mut().for_each(|day| *day *= 7.0 / sum);
        Rhythm { days }
    }

    /// How many ms after a local time so many days of average life have passed.
    pub fn after(&self, local_ms: i64, days: f64) -> i64 {
        let week_ms = (local_ms + MONDAY_OFFSET_MS).rem_euclid(WEEK_MS);
        let from = self.passed(week_ms);
        let weeks = floor((from + days) / 7.0);
        let rest = from + days - 7.0 * real(weeks);
        let hour = self.days.partition_point(|passed| *passed <= rest).clamp(1, WEEK_HOURS) - 1;
        let part = (rest - self.days[hour]) / (self.days[hour + 1] - self.days[hour]);
        let within = i64::try_from(hour).expect("168 hours") * HOUR_MS + floor(part * real(HOUR_MS));
        weeks * WEEK_MS + within - week_ms
    }

    fn passed(&self, week_ms: i64) -> f64 {
        let hour = usize::try_from(week_ms / HOUR_MS).expect("within the week");
        let part = real(week_ms % HOUR_MS) / real(HOUR_MS);
        self.days[hour] + part * (self.days[hour + 1] - self.days[hour])
    }
}

/// Local hour, 0 to 23.
pub(super) fn local_hour(local_ms: i64) -> i64 {
    local_ms.rem_euclid(DAY_MS) / HOUR_MS
}

/// Whether a local time is on Monday to Friday.
pub(super) fn is_workday(local_ms: i64) -> bool {
    (local_ms + MONDAY_OFFSET_MS).rem_euclid(WEEK_MS) < 5 * DAY_MS
}

/// What time of spending it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Season {
    Everyday,
    /// The day of the wage and the two after it.
    JustPaid,
    /// 20 November to 24 December.
    Holidays,
}

impl Season {
    /// The season of an account at a local time.
    pub fn of(account: &Account, local_ms: i64) -> Season {
        let date = Date::of_day(local_ms.div_euclid(DAY_MS));
        match (date.month, date.day) {
            (11, 20..) | (12, ..=24) => Season::Holidays,
            (_, day) if (0..3).contains(&(day - account.payday)) => Season::JustPaid,
            _ => Season::Everyday,
        }
    }

    /// How much busier life is.
    pub fn factor(self) -> f64 {
        match self {
            Season::Everyday => 1.0,
            Season::JustPaid => 1.35,
            Season::Holidays => 1.3,
        }
    }
}

/// A duty of a day of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    Wage,
    Rent,
    Utilities,
    /// One of two.
    Subscription(u8),
    /// Firms pay their people and suppliers.
    PayRun,
}

/// The duties of an account with their days of the month.
fn duties(account: &Account, seed: u64) -> impl Iterator<Item = (Duty, i64)> + use<> {
    let bits = account.trait_bits(seed, 200);
    let day = |shift: u32, days: u64| i64::try_from((bits >> shift) % days).expect("days of a month");
    let adult = account.segment != Segment::Minor;
    let firm = account.segment == Segment::Business;
    let all = [
        (true, Duty::Wage, account.payday),
        (adult, Duty::Rent, 1 + day(0, 5)),
        (adult, Duty::Utilities, 10 + day(8, 12)),
        (adult && day(40, 4) > 0, Duty::Subscription(0), 1 + day(16, 28)),
        (adult && day(42, 2) > 0, Duty::Subscription(1), 1 + day(24, 28)),
        (firm, Duty::PayRun, 24 + day(32, 4)),
    ];
    all.into_iter().filter(|(has, ..)| *has).map(|(_, duty, day)| (duty, day))
}

/// The next duty after a time, and when it falls due: between six and ten in the morning, local time.
pub(super) fn next_duty(account: &Account, seed: u64, after: Timestamp, offset_ms: i64) -> (Timestamp, Duty) {
    let local = after.0 + offset_ms;
    let today = Date::of_day(local.div_euclid(DAY_MS));
    let mut next: Option<(Timestamp, Duty)> = None;
    for (place, (duty, day)) in (0i64..).zip(duties(account, seed)) {
        let spread = i64::try_from(account.trait_bits(seed, 201) % 180).expect("minutes");
        let of_day = 6 * HOUR_MS + (spread + place * 11) * MINUTE_MS;
        let due = |year, month| (Date { year, month, day }).days() * DAY_MS + of_day - offset_ms;
        let this_month = due(today.year, today.month);
        let at = if this_month > after.0 {
            this_month
        } else {
            due(today.year + today.month / 12, today.month % 12 + 1)
        };
        if next.is_none_or(|(soonest, _)| at < soonest.0) {
            next = Some((Timestamp(at), duty));
        }
    }
    next.expect("everybody has a wage")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_of_life_takes_a_week_and_the_night_is_slow() {
        let [people, _] = Rhythm::both();
        for local in [0, 5 * HOUR_MS + 7, 3 * DAY_MS + 12 * HOUR_MS, 1_772_000_000_123] {
            assert!((people.after(local, 7.0) - WEEK_MS).abs() <= 10);
            let parts: i64 = {
                let first = people.after(local, 0.4);
                first + people.after(local + first, 6.6)
            };
            assert!((parts - WEEK_MS).abs() <= 100, "{parts}");
        }
        let (night, noon) = (2 * HOUR_MS, 12 * HOUR_MS);
        assert!(people.after(night, 0.1) > 3 * people.after(noon, 0.1));
    }

    #[test]
    fn monday_is_a_workday_and_sunday_is_not() {
        let monday = Date { year: 2026, month: 3, day: 2 }.days() * DAY_MS;
        assert!(is_workday(monday) && is_workday(monday + 5 * DAY_MS - 1));
        assert!(!is_workday(monday - 1) && !is_workday(monday + 5 * DAY_MS));
    }
}
