//! The clock of a file: which records are refused because those behind them contradict their times.

use crate::bank::{DAY, MINUTE, NOON, house, mapping, purchase, settings};
use std::sync::Arc;
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::decode::{Format, Reason};
use tripline_core::installation::Installation;
use tripline_core::outputs::Outputs;
use tripline_core::settings::Settings;
use tripline_core::signals::NoSignals;

/// What became of the records of a file with these event times, one a batch: true of each that is a row, and how many
/// are dead letters because of their times.
fn rows(settings: &Settings, times: &[i64]) -> (Vec<bool>, u64) {
    let house = house();
    let installation =
        Installation::compile(&house.schema, &house.ruleset, &mapping(Format::Json), settings.clone());
    let mut shard = AccountShard::new(&Arc::new(installation.expect("the mapping fits")));
    let record = |number: usize| purchase("a", &format!("e{number}"), times[number], "");
    let mut taken = Vec::new();
    for number in 0..times.len() {
        let mut batch = Batch::new(ShardId::account(0));
        batch.push(number as i64, None, &[], record(number).as_bytes());
        let ahead = (number + 1..times.len()).take(Batch::AHEAD_MAX);
        batch.ahead = Some(Vec::new());
        ahead.for_each(|number| batch.push_ahead(number as i64, record(number).as_bytes()));
        let before = shard.counts().rows;
        shard.step(&batch, &NoSignals, &mut Outputs::default());
        taken.push(shard.counts().rows > before);
    }
    (taken, shard.counts().reasons.get(&Reason::TimeJump).copied().unwrap_or(0))
}

/// The same file in batches of several records.
fn rows_in_batches(times: &[i64], at_once: usize) -> (u64, u64, u64) {
    let house = house();
    let installation =
        Installation::compile(&house.schema, &house.ruleset, &mapping(Format::Json), settings());
    let mut shard = AccountShard::new(&Arc::new(installation.expect("the mapping fits")));
    for first in (0..times.len()).step_by(at_once) {
        let end = times.len().min(first + at_once);
        let mut batch = Batch::new(ShardId::account(0));
        let record = |number: usize| purchase("a", &format!("e{number}"), times[number], "");
        (first..end).for_each(|number| batch.push(number as i64, None, &[], record(number).as_bytes()));
        batch.ahead = Some(Vec::new());
        let ahead = (end..times.len()).take(Batch::AHEAD_MAX);
        ahead.for_each(|number| batch.push_ahead(number as i64, record(number).as_bytes()));
        shard.step(&batch, &NoSignals, &mut Outputs::default());
    }
    let counts = shard.counts();
    (counts.rows, counts.late, counts.dead_letters)
}

fn days(days: &[i64]) -> Vec<i64> {
    days.iter().map(|day| NOON + day * DAY).collect()
}

#[test]
fn a_pause_is_accepted_and_one_wrong_clock_is_refused_wherever_it_stands() {
    let all = |times: &[i64]| rows(&settings(), times);
    assert_eq!(all(&days(&[0, 1, 2, 40, 41, 400])), (vec![true; 6], 0), "pauses");
    for (wrong, times) in [
        (0, days(&[900, 0, 0, 1, 1, 2])),
        (2, days(&[0, 1, 29, 1, 2, 2])),
        (2, days(&[0, 1, 3_000, 1, 2, 2])),
    ] {
        let mut expected = vec![true; 6];
        expected[wrong] = false;
        assert_eq!(all(&times), (expected, 1), "{times:?}");
    }
    // The first record is a year early: all others agree with each other.
    assert_eq!(all(&days(&[-365, 0, 1, 2])), (vec![true; 4], 0));
    // Nothing behind the last record contradicts it.
    assert_eq!(all(&days(&[0, 1, 500])), (vec![true; 3], 0));
}

#[test]
fn the_limit_of_a_jump_is_a_setting() {
    let times = days(&[0, 3, 0, 0]);
    assert_eq!(rows(&settings(), &times).0, [true, false, true, true], "the lateness, a day");
    let wide = Settings { jump_ms: Some(3 * DAY), ..settings() };
    assert_eq!(rows(&wide, &times).0, [true, true, false, false], "no record is consulted");
}

/// A wrong record per thousand, pauses, disorder within the lateness: the good records are rows, for any batches.
#[test]
fn wrong_records_do_not_affect_the_others_for_any_batches() {
    let (mut times, mut good, mut at) = (Vec::new(), 0, NOON);
    let mut state = 7u64;
    for number in 0..1_500 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = (state >> 33) as i64;
        if number % 100 == 37 {
            times.push(at + (2 + random % 4_000) * DAY);
            continue;
        }
        at += if number % 400 == 399 { 50 * DAY } else { random % (10 * MINUTE) };
        // No disorder around a pause, so that no good record is late.
        times.push(if number % 400 > 300 || number % 400 < 80 { at } else { at - random % MINUTE });
        good += 1;
    }
    let wrong = times.len() as u64 - good;
    for at_once in [1, 7, 64, 256, 2_000] {
        assert_eq!(rows_in_batches(&times, at_once), (good, 0, wrong), "batches of {at_once}");
    }
}
