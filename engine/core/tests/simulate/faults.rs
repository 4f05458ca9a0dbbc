//! Faults, counted from outside.

use crate::{START, days, share, simulated};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tripline_core::simulate::{FEED_DELAY_MS, Fault, Faults, SimulatedEvent, SimulationSettings};

fn faulty() -> (Faults, Vec<SimulatedEvent>) {
    let faults = Faults {
        out_of_order: 0.03,
        duplicates: 0.02,
        conflicts: 0.01,
        bad: 0.02,
        late: 0.01,
        future: 0.01,
        ..Faults::none()
    };
    let settings = SimulationSettings { faults: faults.clone(), ..SimulationSettings::new(31, 800, START) };
    (faults, simulated(&settings, days(21)))
}

/// Whether an engine could take the record, so far as its form goes.
fn readable(event: &SimulatedEvent) -> bool {
    let text = String::from_utf8_lossy(&event.value);
    let Ok(read) = serde_json::from_str::<Value>(&text) else { return false };
    let has = |pointer: &str| read.pointer(pointer).and_then(Value::as_str).is_some();
    let timed = read["time"].as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok());
    let typed = read["type"].as_str().is_some_and(|kind| kind != "purchse");
    let money = read.pointer("/tx/amount").and_then(Value::as_str).is_none_or(|amount| !amount.contains('e'));
    let repeated_key = text.matches("\"type\":").count() > 1;
    let card_number = text.contains("4111111111111111");
    has("/id") && has("/account/id") && timed && typed && money && !repeated_key && !card_number
}

#[test]
fn faults_come_in_the_shares_wanted_and_are_what_they_are_called() {
    let (wanted, events) = faulty();
    let mut counts: BTreeMap<Option<Fault>, usize> = BTreeMap::new();
    let mut by_id: BTreeMap<&str, &SimulatedEvent> = BTreeMap::new();
    let mut exact: BTreeSet<&[u8]> = BTreeSet::new();
    for event in &events {
        let delay = event.appended_at.0 - event.at.0;
        let repeated = !exact.insert(&event.value);
        let first = by_id.get(event.id.as_str()).copied();
        // In the order of what an engine would see first.
        let seen = match () {
            () if !readable(event) => Some(Fault::Bad),
            () if delay < -5 * 60_000 => Some(Fault::Future),
            () if delay > wanted.lateness_ms => Some(Fault::Late),
            () if repeated => Some(Fault::Duplicate),
            () if first.is_some() => Some(Fault::Conflict),
            () if delay > FEED_DELAY_MS => Some(Fault::OutOfOrder),
            () => None,
        };
        assert_eq!(seen, event.fault, "{}", String::from_utf8_lossy(&event.value));
        if seen == Some(Fault::Conflict) {
            assert_eq!(first.unwrap().at, event.at);
        }
        if seen == Some(Fault::OutOfOrder) {
            assert!(delay <= wanted.out_of_order_ms_max + FEED_DELAY_MS);
        }
        if readable(event) {
            by_id.entry(&event.id).or_insert(event);
        }
        *counts.entry(seen).or_default() += 1;
    }
    let true_events: usize =
        [None, Some(Fault::OutOfOrder), Some(Fault::Late)].iter().map(|kind| counts[kind]).sum();
    for (fault, wanted) in [
        (Fault::OutOfOrder, wanted.out_of_order),
        (Fault::Duplicate, wanted.duplicates),
        (Fault::Bad, wanted.bad),
        (Fault::Late, wanted.late),
        (Fault::Future, wanted.future),
    ] {
        let found = share(counts[&Some(fault)], true_events);
        assert!((found / wanted - 1.0).abs() < 0.2, "{fault:?}: {found} for {wanted}");
    }
    // Only events with an amount can be contradicted in it.
    let conflicts = share(counts[&Some(Fault::Conflict)], true_events);
    assert!(conflicts > 0.7 * wanted.conflicts && conflicts < 1.1 * wanted.conflicts, "{conflicts}");
    assert!(events.windows(2).all(|pair| pair[0].appended_at <= pair[1].appended_at));
}

#[test]
fn faults_change_no_true_event() {
    let (_, with) = faulty();
    let without = simulated(&SimulationSettings::new(31, 800, START), days(19));
    let with: BTreeMap<&[u8], i64> = with.iter().map(|event| (event.value.as_slice(), event.at.0)).collect();
    assert!(without.iter().all(|event| with.contains_key(event.value.as_slice())));
}

#[test]
#[should_panic(expected = "shares of faults")]
fn shares_above_one_are_refused() {
    let faults = Faults { duplicates: 0.7, bad: 0.7, ..Faults::none() };
    simulated(&SimulationSettings { faults, ..SimulationSettings::new(1, 1, START) }, days(1));
}
