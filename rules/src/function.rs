//! Arithmetic and functions of the language, on plain numbers. They are computed here only.
//!
//! It does not depend on registers. An undefined result is `None`, which means missing.

use crate::ast::{Arithmetic, Compare};
use crate::value::{Geo, MONEY_MINOR_MAX_EXACT, TextKey};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

/// Mean radius of the earth, km (IUGG).
pub const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// 2⁵³, beyond which money is missing.
#[expect(clippy::cast_precision_loss, reason = "a power of two is exact")]
const MONEY_MAX: f64 = MONEY_MINOR_MAX_EXACT as f64;

/// An operation on one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unary {
    /// `-a`
    Negative,
    /// `abs(a)`
    Abs,
    /// `log(a)`, natural; missing unless `a` is positive.
    Log,
}

/// The smaller or the larger of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extreme {
    Min,
    Max,
}

/// A part of a local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Local {
    /// 0 to 23.
    Hour,
    /// 1 is Monday, 7 is Sunday.
    Weekday,
}

/// Compares two numbers without a branch on the operator: comparisons are the most frequent operation of packs.
#[inline]
pub fn compares(op: Compare, a: f64, b: f64) -> bool {
    const LESS: u8 = 1;
    const EQUAL: u8 = 2;
    const GREATER: u8 = 4;
    let accepted = match op {
        Compare::Eq => EQUAL,
        Compare::Ne => LESS | GREATER,
        Compare::Lt => LESS,
        Compare::Le => LESS | EQUAL,
        Compare::Gt => GREATER,
        Compare::Ge => GREATER | EQUAL,
    };
    // Registers hold no NaN.
    let found = if a < b {
        LESS
    } else if a > b {
        GREATER
    } else {
        EQUAL
    };
    accepted & found != 0
}

/// Arithmetic. `None` for a division by zero, a result that is not finite, and money that is not exact.
#[inline]
pub fn arithmetic(op: Arithmetic, a: f64, b: f64, money: bool) -> Option<f64> {
    let result = match op {
        Arithmetic::Add => a + b,
        Arithmetic::Sub => a - b,
        Arithmetic::Mul => a * b,
        // A division by zero is infinite or NaN, which is refused below.
        Arithmetic::Div => a / b,
    };
    (result.is_finite() && (!money || result.abs() <= MONEY_MAX)).then_some(result)
}

/// A function of one number.
#[inline]
pub fn unary(op: Unary, a: f64) -> Option<f64> {
    let result = match op {
        Unary::Negative => -a,
        Unary::Abs => a.abs(),
        Unary::Log => libm::log(a),
    };
    result.is_finite().then_some(result)
}

/// The smaller or the larger number.
#[inline]
pub fn extreme(op: Extreme, a: f64, b: f64) -> f64 {
    match op {
        Extreme::Min => a.min(b),
        Extreme::Max => a.max(b),
    }
}

/// Whether `a` is a whole multiple of `b`; `None` for zero.
#[inline]
pub fn multiple_of(a: f64, b: f64) -> Option<bool> {
    (b != 0.0).then(|| a % b == 0.0)
}

/// Great-circle distance by the haversine formula, km.
pub fn km_between(a: Geo, b: Geo) -> f64 {
    let half_chord = |one: f64, other: f64| {
        let sine = libm::sin((other - one).to_radians() / 2.0);
        sine * sine
    };
    let (from, to) = (a.latitude.to_radians(), b.latitude.to_radians());
    let across = half_chord(a.longitude, b.longitude) * libm::cos(from) * libm::cos(to);
    let square = (half_chord(a.latitude, b.latitude) + across).min(1.0);
    2.0 * EARTH_RADIUS_KM * libm::asin(libm::sqrt(square))
}

/// Hour or weekday of a time, ms, in a zone.
pub fn local(what: Local, zone: &TimeZone, at_ms: f64) -> Option<f64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "times are whole and far below 2^63 ms; others saturate"
    )]
    let at = Timestamp::from_millisecond(at_ms as i64).ok()?;
    let local = zone.to_datetime(at);
    Some(match what {
        Local::Hour => f64::from(local.hour()),
        Local::Weekday => f64::from(local.weekday().to_monday_one_offset()),
    })
}

/// The time zone of an IANA name, from the bundled database, or of an offset such as `+02:00`.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().or_else(|| {
        let found = offsets().find(|(spellings, _)| spellings.iter().any(|spelling| spelling == name));
        found.map(|(_, zone)| zone)
    })
}

/// All offsets of a quarter of an hour, up to fourteen hours, in each spelling (ISO 8601).
fn offsets() -> impl Iterator<Item = (Vec<String>, TimeZone)> {
    const QUARTER_S: i32 = 15 * 60;
    (-14 * 4..=14 * 4).filter_map(|quarters: i32| {
        let (hours, minutes) = (quarters.abs() / 4, quarters.abs() % 4 * 15);
        let signs: &[char] = if quarters == 0 {
            &['+', '-']
        } else if quarters > 0 {
            &['+']
        } else {
            &['-']
        };
        let mut spellings = if quarters == 0 { vec!["Z".to_owned()] } else { Vec::new() };
        for sign in signs {
            spellings
                .extend([format!("{sign}{hours:02}:{minutes:02}"), format!("{sign}{hours:02}{minutes:02}")]);
            spellings.extend((minutes == 0).then(|| format!("{sign}{hours:02}")));
        }
        Some((spellings, TimeZone::fixed(Offset::from_seconds(quarters * QUARTER_S).ok()?)))
    })
}

/// All time zones by the keyed hash of their names and offsets: text fields hold hashes.
#[derive(Clone, Debug, Default)]
pub struct Zones(Vec<(u64, TimeZone)>);

impl Zones {
    /// All zones of the bundled database, and all offsets.
    pub fn new(key: TextKey) -> Zones {
        let database = TimeZoneDatabase::bundled();
        let mut zones: Vec<(u64, TimeZone)> = database
            .available()
            .filter_map(|name| Some((key.text(name.as_str().as_bytes()), database.get(name.as_str()).ok()?)))
            .collect();
        for (spellings, zone) in offsets() {
            zones.extend(spellings.iter().map(|name| (key.text(name.as_bytes()), zone.clone())));
        }
        zones.sort_by_key(|(hash, _)| *hash);
        Zones(zones)
    }

    /// The zone whose name has this hash.
    pub fn find(&self, hash: u64) -> Option<&TimeZone> {
        let at = self.0.binary_search_by_key(&hash, |(held, _)| *held).ok()?;
        Some(&self.0[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_between_cities_is_what_an_atlas_says() {
        let london = Geo { latitude: 51.5074, longitude: -0.1278 };
        let new_york = Geo { latitude: 40.7128, longitude: -74.0060 };
        assert!((km_between(london, new_york) - 5570.2).abs() < 0.5);
        assert_eq!(km_between(london, london), 0.0);
        let antipodes =
            km_between(Geo { latitude: 0.0, longitude: 0.0 }, Geo { latitude: 0.0, longitude: 180.0 });
        assert!((antipodes - EARTH_RADIUS_KM * std::f64::consts::PI).abs() < 1e-6);
    }

    #[test]
    fn an_offset_is_a_zone() {
        let at = 1_772_445_600_000.0; // 2026-03-02T10:00:00Z
        let zones = Zones::new(TextKey::default());
        for (name, hour) in [
            ("Europe/Berlin", 11.0),
            ("+02:00", 12.0),
            ("-0500", 5.0),
            ("+05:45", 15.0),
            ("+09", 19.0),
            ("-00:00", 10.0),
            ("Z", 10.0),
        ] {
            assert_eq!(local(Local::Hour, &zone(name).unwrap(), at), Some(hour), "{name}");
            let found = zones.find(TextKey::default().text(name.as_bytes())).unwrap();
            assert_eq!(local(Local::Hour, found, at), Some(hour), "{name}");
        }
        assert!(["+2:00", "+15:00", "02:00", "+02:07", ""].iter().all(|name| zone(name).is_none()));
    }

    #[test]
    fn local_hour_follows_daylight_saving() {
        let zone = zone("America/New_York").unwrap();
        // 2026-11-01 05:30 UTC is 01:30 in summer time; an hour later it is 01:30 again.
        let at = 1_793_511_000_000.0;
        assert_eq!(local(Local::Hour, &zone, at), Some(1.0));
        assert_eq!(local(Local::Hour, &zone, at + 3_600_000.0), Some(1.0));
        assert_eq!(local(Local::Hour, &zone, at + 7_200_000.0), Some(2.0));
        assert_eq!(local(Local::Weekday, &zone, at), Some(7.0));
    }

    #[test]
    fn every_zone_is_found_by_the_hash_of_its_name() {
        let key = TextKey::default();
        let zones = Zones::new(key);
        assert_eq!(zones.find(key.text(b"Asia/Tokyo")).and_then(TimeZone::iana_name), Some("Asia/Tokyo"));
        assert!(zones.find(key.text(b"Mars/Olympus")).is_none());
    }

    #[test]
    fn what_does_not_exist_is_missing() {
        assert_eq!(arithmetic(Arithmetic::Div, 1.0, 0.0, false), None);
        assert_eq!(arithmetic(Arithmetic::Div, 0.0, 0.0, false), None);
        assert_eq!(arithmetic(Arithmetic::Mul, 1e200, 1e200, false), None);
        assert_eq!(arithmetic(Arithmetic::Add, MONEY_MAX, 1.0, true), Some(MONEY_MAX));
        assert_eq!(arithmetic(Arithmetic::Add, MONEY_MAX, 2.0, true), None);
        assert_eq!(unary(Unary::Log, 0.0), None);
        assert_eq!(multiple_of(20.0, 0.0), None);
        assert_eq!(multiple_of(-30.0, 10.0), Some(true));
    }
}
