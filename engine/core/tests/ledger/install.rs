//! Another plan and other limits on ledgers that have rows: nobody can tell that they were not there from the start.

use crate::stream::{LATENESS, Next, bounds, look_back, next, run, stream};
use crate::world::{Bank, Event, FACTS, aggregate, contents, limits, plan, purchase, schema, tags_of};
use proptest::prelude::*;
use proptest::sample::select;
use std::cell::RefCell;
use tripline_core::ledger::{Inserted, LedgerLimits};
use tripline_rules::aggregate::{Aggregate, AggregatePlan, FactSet, Op};
use tripline_rules::schema::TX_AMOUNT;
use tripline_rules::value::Registers;

const T: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;

fn install(bank: &mut Bank, plan: AggregatePlan, limits: LedgerLimits) {
    let tags = plan.tags;
    let mut registers = Registers::new(usize::from(FACTS) + plan.aggregates.len());
    let retag = |registers: &mut Registers| tags_of(registers, tags);
    bank.ledgers.install(&plan, &schema(), limits, &mut registers, retag);
    (bank.plan, bank.registers) = (plan, registers);
}

fn count(over: Option<i64>) -> Aggregate {
    Aggregate { over, ..aggregate(Op::Count, None) }
}

/// Both banks are given the events; each answers every fact of its plan as the other does.
fn agree(one: &mut Bank, other: &mut Bank, events: &[Event]) -> Result<(), TestCaseError> {
    let want = FactSet::first(one.plan.aggregates.len());
    for event in events {
        let answers = [&mut *one, &mut *other].map(|bank| match bank.insert(event, &[]) {
            Inserted::New { row, out_of_order } => (Some((out_of_order, bank.facts(row, &want))), None),
            inserted => (None, Some(inserted)),
        });
        prop_assert_eq!(&answers[0], &answers[1], "{:?}", event);
        prop_assert_eq!(one.ledgers.rows_held(), other.ledgers.rows_held());
    }
    prop_assert_eq!(contents(one), contents(other));
    Ok(())
}

/// Caps, repeats, conflicts and marks of dropped rows included, while a shorter retention lets rows go at once.
#[test]
fn under_a_new_plan_and_a_shorter_retention_ledgers_go_on_as_if_it_had_always_been_so() {
    let case = (
        prop::collection::vec(look_back(), 1..6),
        prop::collection::vec(next(), 2..60),
        bounds(),
        0..60usize,
        select(vec![1usize, 70, 200]),
        select(vec![0usize, 3, usize::MAX]),
        select(vec![0i64, 1, HOUR, 5 * HOUR]),
    );
    let capped = RefCell::new(0);
    run(1_000, case, |(aggregates, nexts, limits, swap, tags, totals_threshold, shorter)| {
        let (old, new) = (plan(vec![count(None)], 1), plan(aggregates, tags));
        let limits = LedgerLimits { totals_threshold, ..limits };
        let longer = LedgerLimits { retention: limits.retention + shorter, ..limits.clone() };
        let (mut swapped, mut fresh) = (Bank::new(old, longer), Bank::new(new.clone(), limits.clone()));
        let events = stream(&nexts);
        let (before, after) = events.split_at(swap.min(events.len()));
        for event in before {
            swapped.insert(event, &[]);
            fresh.insert(event, &[]);
        }
        install(&mut swapped, new, limits);
        prop_assert_eq!(contents(&swapped), contents(&fresh));
        *capped.borrow_mut() += fresh.ledgers.evicted().capped_rows;
        agree(&mut swapped, &mut fresh, after)
    });
    assert!(capped.into_inner() > 1_000, "caps were met");
}

/// As rows come in the order of their times into ledgers of that cap.
#[test]
fn a_lower_cap_on_rows_keeps_the_newest_and_marks_what_it_dropped() {
    let case = (
        prop::collection::vec(look_back(), 1..6),
        prop::collection::vec(next(), 2..60),
        1..30u16,
        0..60usize,
    );
    run(500, case, |(aggregates, mut nexts, rows_per_ledger, swap)| {
        for next in &mut nexts {
            if let Next::New { back, .. } = next {
                *back = 0;
            }
        }
        let (old, new) = (plan(vec![count(None)], 1), plan(aggregates, 70));
        let high = LedgerLimits { lateness: LATENESS, ..limits() };
        let low = LedgerLimits { rows_per_ledger, ..high.clone() };
        let (mut swapped, mut fresh) = (Bank::new(old, high), Bank::new(new.clone(), low.clone()));
        let mut ids = std::collections::BTreeSet::new();
        let mut events = stream(&nexts);
        events.retain(|event| ids.insert((event.key, event.event_type, event.id)));
        let (before, after) = events.split_at(swap.min(events.len()));
        let mut ordered = before.to_vec();
        ordered.sort_by_key(|event| event.at);
        for (event, ordered) in before.iter().zip(&ordered) {
            swapped.insert(event, &[]);
            fresh.insert(ordered, &[]);
        }
        install(&mut swapped, new, low);
        agree(&mut swapped, &mut fresh, after)
    });
}

#[test]
fn what_a_cap_dropped_stays_known_under_a_higher_one() {
    let low = LedgerLimits { rows_per_ledger: 2, ..limits() };
    let mut bank = Bank::new(plan(vec![count(None)], 0), low.clone());
    for (id, at) in [(1, T), (2, T + 1000), (3, T + 2000), (4, T + 3000)] {
        bank.insert(&purchase(at, id, 100), &[]);
    }
    let counts = plan(vec![count(Some(2000)), count(Some(60_000))], 0);
    install(&mut bank, counts, LedgerLimits { rows_per_ledger: 100, ..low });
    let answers = bank.take(&purchase(T + 3001, 5, 100));
    assert_eq!(answers, [(Some(3f64.to_bits()), false), (Some(4f64.to_bits()), true)], "T went");
}

#[test]
fn rows_that_have_expired_do_not_return_under_a_longer_retention() {
    let short = LedgerLimits { lateness: 0, retention: HOUR, ..limits() };
    let mut bank = Bank::new(plan(vec![count(None)], 0), short.clone());
    bank.insert(&purchase(T, 1, 100), &[]);
    bank.insert(&Event { key: 2, ..purchase(T, 2, 100) }, &[]);
    bank.insert(&purchase(T + 3 * HOUR, 3, 100), &[]);
    install(&mut bank, plan(vec![count(None)], 3), LedgerLimits { retention: 90 * HOUR, ..short });
    assert_eq!((bank.ledgers.rows_held(), bank.ledgers.keys()), (1, 2));
    assert_eq!(bank.first(&purchase(T + 3 * HOUR, 4, 100)), Some(2.0));
    let two = Event { key: 2, ..purchase(T + 3 * HOUR, 5, 100) };
    assert_eq!(bank.first(&two), Some(1.0), "its row has expired, and three hours are no sleep");
    let kept: Vec<i64> = contents(&bank)[&1].iter().map(|(at, ..)| *at).collect();
    assert_eq!(kept, [T + 3 * HOUR; 2]);
}

#[test]
fn every_retained_row_is_visited_with_its_fields_and_the_truth_of_its_conditions() {
    let limits = LedgerLimits { lateness: 0, retention: HOUR, rows_per_ledger: 3, ..limits() };
    for tags in [0usize, 1, 60, 130, 256] {
        let mut bank = Bank::new(plan(vec![count(None)], tags), limits.clone());
        for (id, at) in [(1, T), (2, T + HOUR), (3, T + HOUR + 1), (4, T + HOUR + 2), (5, T + HOUR + 3)] {
            bank.insert(&purchase(at, id, 4_000 * id.cast_signed()), &[]);
        }
        bank.insert(&Event { key: 2, ..purchase(T + HOUR, 6, 10) }, &[]);
        let mut seen = Vec::new();
        let mut registers = Registers::new(30);
        bank.ledgers.for_each_row(&mut registers, |row| {
            assert_eq!(row.tags, tags_of(row.registers, tags), "{tags} conditions");
            seen.push((row.at.0 - T - HOUR, row.registers.number(TX_AMOUNT)));
        });
        seen.sort_by_key(|(at, _)| *at);
        assert_eq!(seen, [(0, Some(10.0)), (1, Some(12e3)), (2, Some(16e3)), (3, Some(2e4))]);
    }
}
