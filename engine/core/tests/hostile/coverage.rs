//! What alerts say of incomplete facts, beside a naive account of what was held and what was dropped.

use crate::bank::{Bank, DAY, HOUR, MINUTE, NOON, engine, mapping, purchase, settings, stepped};
use proptest::prelude::*;
use tripline_core::decode::Format;
use tripline_core::limits::FUTURE_MS_MAX;
use tripline_core::outputs::Topic;
use tripline_core::settings::Settings;

/// What happens next: how long after the last record it is appended, how long before that it happened, whose it is, and
/// which device it names.
#[derive(Clone, Debug)]
struct Next(i64, i64, u8, u8);

fn next() -> impl Strategy<Value = Next> {
    let wait =
        prop_oneof![3 => Just(0), 6 => 0..20 * MINUTE, 2 => Just(HOUR), 1 => Just(9 * HOUR), 1 => Just(DAY)];
    let back = prop_oneof![6 => Just(0), 3 => 0..6 * HOUR, 1 => Just(6 * HOUR), 1 => Just(-FUTURE_MS_MAX), 1 => Just(7 * HOUR)];
    (wait, back, 0..2u8, 0..6u8).prop_map(|(wait, back, account, device)| Next(wait, back, account, device))
}

/// Rows of one account, as (time, id, device), and the newest time that its cap dropped.
#[derive(Default)]
struct Held {
    rows: Vec<(i64, usize, u8)>,
    dropped: Option<i64>,
}

/// Windows of the facts that SEEN reads, and of those that OFTEN reads: length and delay.
const SEEN: &[(i64, i64)] = &[(HOUR, 0)];
const OFTEN: &[(i64, i64)] = &[(DAY, 0), (HOUR, 2 * HOUR), (DAY, 0)];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn coverage_and_approximate_are_what_a_naive_account_says(story in prop::collection::vec(next(), 1..60), cap in 2..30u16, totals in prop_oneof![Just(0), Just(7), Just(usize::MAX)]) {
        let lateness_ms = 6 * HOUR;
        let settings = Settings { rows_per_ledger: cap, lateness_ms, totals_threshold: totals, models: Vec::new(), ..settings() };
        let mut bank = Bank::with(mapping(Format::Json), settings);
        let (mut now, began) = (NOON, NOON + FUTURE_MS_MAX);
        let mut accounts = [Held::default(), Held::default()];
        for (number, Next(wait, back, account, device)) in story.into_iter().enumerate() {
            if number > 0 {
                now += wait;
            }
            let at = now - back;
            let record = purchase(&format!("a{account}"), &format!("{number:03}"), at, &format!(r#","device":"d{device}""#));
            let published = bank.take(now, b"k", record.as_bytes());
            if back > lateness_ms {
                prop_assert_eq!(published[0].topic, Topic::Late);
                continue;
            }
            let held = &mut accounts[usize::from(account)];
            // A full ledger gives up its oldest before the next takes its place. Ids of equal times are hashed: their
            // order is not ours to say, and their times are the same.
            held.rows.sort_unstable();
            while held.rows.len() > usize::from(cap) {
                held.dropped = held.dropped.max(Some(held.rows.remove(0).0));
            }
            held.rows.push((at, number, device));
            let of = |windows: &[(i64, i64)]| {
                // The log begins somewhere, and rows that were dropped are missing from the window as well.
                let from = began.max(held.dropped.unwrap_or(began));
                let share = |(over, delay): &(i64, i64)| (at - delay - from).clamp(0, *over) as f64 / *over as f64;
                let dropped = |(over, delay): &(i64, i64)| held.dropped.is_some_and(|dropped| dropped > at - delay - over);
                (windows.iter().map(share).fold(1.0, f64::min), windows.iter().any(dropped))
            };
            let Some(alert) = published.iter().find(|record| record.topic == Topic::Alerts) else { continue };
            let alert = alert.json();
            let fired: Vec<&str> = alert["rules"].as_array().unwrap().iter().filter_map(|rule| rule["id"].as_str()).collect();
            let (mut coverage, mut approximate) = of(SEEN);
            if fired.contains(&"OFTEN") {
                let often = of(OFTEN);
                coverage = coverage.min(often.0);
                // Only the order of equal times could change which device was dropped.
                let devices = {
                    let mut seen: Vec<u8> = held.rows.iter().filter(|row| row.0 > at - DAY && row.0 <= at).map(|row| row.2).collect();
                    seen.sort_unstable();
                    seen.dedup();
                    seen.len()
                };
                approximate = approximate || often.1 || devices >= 3;
            }
            // Reading a number back may lose its last bit.
            let found = alert["coverage"].as_f64();
            prop_assert_eq!(found.is_some(), coverage < 1.0, "{}", alert);
            prop_assert!(found.is_none_or(|found| (found - coverage).abs() < 1e-12), "{coverage}: {}", alert);
            prop_assert_eq!(alert["approximate"].as_bool(), Some(approximate), "{}", alert);
        }
    }
}

/// Share of the longest lookback that a shard claims to hold after events with these append times, each of its own time
/// unless that is late. Whatever the batches are, it is the same.
fn claimed(appended: &[i64], has_producer_times: bool) -> f64 {
    let settings = Settings { has_producer_times, models: Vec::new(), ..settings() };
    let record = |(number, appended): (usize, &i64)| {
        let value = purchase("a", &number.to_string(), (*appended).min(NOON + DAY), "");
        (i64::try_from(number).expect("a small number"), *appended, value)
    };
    let records: Vec<(i64, i64, String)> = appended.iter().enumerate().map(record).collect();
    let shares = (1..=records.len()).map(|at_once| {
        let mut engine = engine(&settings);
        stepped(&mut engine, &records, at_once);
        engine.shard().coverage().expect("it has events")
    });
    let shares: Vec<f64> = shares.collect();
    assert!(shares.iter().all(|share| *share == shares[0]), "{appended:?}: {shares:?}");
    shares[0]
}

#[test]
fn one_wrong_time_of_a_producer_does_not_claim_a_longer_history() {
    let six_hours = claimed(&[NOON, NOON + 6 * HOUR], true);
    assert!((0.2..0.25).contains(&six_hours), "{six_hours} of a day");
    let first_is_old = [NOON - 400 * DAY, NOON, NOON + 6 * HOUR];
    assert_eq!(claimed(&first_is_old, true), six_hours, "the log begins with the second record");
    assert_eq!(claimed(&first_is_old, false), 1.0, "a broker's clock says that it began then");
    // The wrong one may be the second, and ahead.
    assert_eq!(claimed(&[NOON, NOON + 400 * DAY, NOON, NOON + 6 * HOUR], true), six_hours);
    // A quiet beginning is no wrong clock.
    assert_eq!(claimed(&[NOON - 20 * DAY, NOON, NOON + 6 * HOUR], true), 1.0);
    // Once two agree, a later wrong time changes nothing.
    assert_eq!(claimed(&[NOON, NOON + HOUR, NOON - 400 * DAY, NOON + 6 * HOUR], true), six_hours);
}
