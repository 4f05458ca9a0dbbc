//! Laws that hold for every plan and every stream, with counts of how often the hard cases occurred.

use crate::oracle::{Oracle, Verdict};
use crate::world::{
    Bank, DEVICE, Event, LABEL, LOGIN, MCC, PURCHASE, RISK, aggregate, condition, limits, plan, tags_of,
};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;
use tripline_core::ledger::{Inserted, LedgerLimits};
use tripline_rules::aggregate::{Aggregate, AggregatePlan, FactSet, Op, TagId, Tags};
use tripline_rules::schema::{EVENT_TIME, EVENT_TYPE, TX_AMOUNT, TX_DECLINED};
use tripline_rules::value::{Registers, Slot};

const LATENESS: i64 = 600_000;

fn op() -> impl Strategy<Value = (Op, Option<Slot>)> {
    let numbers = || select(vec![TX_AMOUNT, RISK, EVENT_TIME]);
    let all = || select(vec![TX_AMOUNT, RISK, EVENT_TIME, MCC, DEVICE, TX_DECLINED, EVENT_TYPE]);
    let plain = select(vec![
        Op::Sum,
        Op::Avg,
        Op::Min,
        Op::Max,
        Op::Stddev,
        Op::Median,
        Op::TrimmedMean,
        Op::Rank,
        Op::Quantile(0.0),
        Op::Quantile(0.3),
        Op::Quantile(0.95),
    ]);
    let any = prop_oneof![
        Just(Op::Last),
        Just(Op::First),
        (1..5u32).prop_map(Op::Nth),
        (1..6u32).prop_map(|max| Op::Distinct { max }),
        Just(Op::Distinct { max: 1000 }),
    ];
    prop_oneof![
        2 => select(vec![(Op::Count, None), (Op::Rate, None), (Op::Ratio(TagId(0)), None), (Op::Ratio(TagId(66)), None)]),
        4 => (plain, numbers()).prop_map(|(op, slot)| (op, Some(slot))),
        3 => (any, all()).prop_map(|(op, slot)| (op, Some(slot))),
    ]
}

fn look_back() -> impl Strategy<Value = Aggregate> {
    let over = select(vec![
        None,
        Some(1),
        Some(1000),
        Some(60_000),
        Some(600_000),
        Some(3_600_000),
        Some(86_400_000),
    ]);
    let delay = prop_oneof![3 => Just(0), 1 => select(vec![1i64, 1000, 60_000, 1_000_000])];
    let filter = prop_oneof![1 => Just(None), 1 => (0..70u8).prop_map(|tag| Some(TagId(tag)))];
    (
        op(),
        0..3usize,
        over,
        delay,
        filter,
        any::<bool>(),
        prop_oneof![6 => Just(0), 2 => 1..5u32, 1 => Just(130)],
    )
        .prop_map(|((op, value), lane, over, delay, filter, include_current, at_least)| Aggregate {
            lane,
            over,
            delay,
            filter,
            include_current,
            at_least,
            ..aggregate(op, value)
        })
}

/// What happens next: an event of its own, a repeat, or another event under an id that was used.
#[derive(Clone, Debug)]
enum Next {
    New { step: i64, back: i64, event: Event },
    Repeat { which: usize },
    Clash { which: usize, later: i64 },
}

fn next() -> impl Strategy<Value = Next> {
    let step =
        prop_oneof![3 => Just(0i64), 2 => 1..3i64, 2 => 1..2000i64, 2 => 1..90_000i64, 1 => 1..2_000_000i64];
    let back = prop_oneof![5 => Just(0i64), 1 => Just(1i64), 1 => 1..1000i64, 1 => 1..LATENESS];
    let amount =
        prop_oneof![1 => Just(None), 8 => (-200..20_000i64).prop_map(Some), 1 => Just(Some(1i64 << 53))];
    let risk = prop_oneof![1 => Just(None), 4 => (-5..5_000_000i64).prop_map(Some)];
    let some = |max: u64| prop_oneof![1 => Just(None), 5 => (0..max).prop_map(Some)];
    let declined = select(vec![None, Some(false), Some(true)]);
    let what =
        (1..3u128, select(vec![PURCHASE, PURCHASE, LOGIN, LABEL]), amount, declined, some(5), some(3), risk);
    let new = (step, back, what).prop_map(
        |(step, back, (key, event_type, amount, declined, mcc, device, risk))| Next::New {
            step,
            back,
            event: Event { key, at: 0, event_type, id: 0, amount, declined, mcc, device, risk },
        },
    );
    let which = 0..1000usize;
    prop_oneof![
        8 => new,
        1 => which.clone().prop_map(|which| Next::Repeat { which }),
        1 => (which, 0..2i64).prop_map(|(which, later)| Next::Clash { which, later }),
    ]
}

/// Events in their order of arrival; none later than the lateness.
fn stream(nexts: &[Next]) -> Vec<Event> {
    let mut clock: i64 = 1_700_000_000_000;
    let mut events: Vec<Event> = Vec::new();
    for next in nexts {
        let event = match next {
            Next::New { step, back, event } => {
                clock += step;
                // Ids in no order, so that rows of equal time are not sorted as they come.
                let id = (events.len() as u64 * 37) % 101 + events.len() as u64 / 101 * 101;
                Event { at: clock - back, id, ..event.clone() }
            }
            _ if events.is_empty() => continue,
            Next::Repeat { which } => events[which % events.len()].clone(),
            Next::Clash { which, later } => {
                let first = &events[which % events.len()];
                Event { at: (first.at + later).min(clock), amount: Some(77), ..first.clone() }
            }
        };
        if event.at > clock - LATENESS {
            events.push(event);
        }
    }
    events
}

fn bounds() -> impl Strategy<Value = LedgerLimits> {
    let cap = prop_oneof![2 => Just(4096u16), 1 => 1..8u16, 1 => 8..40u16];
    let beyond = prop_oneof![1 => Just(0i64), 1 => 0..10_000_000i64];
    (cap, beyond).prop_map(|(rows_per_ledger, beyond)| LedgerLimits {
        rows_per_ledger,
        retention: LATENESS + 300_000 + beyond,
        lateness: LATENESS,
        ..limits()
    })
}

#[derive(Debug, Default)]
struct Seen {
    cases: u64,
    events: u64,
    facts: u64,
    known: u64,
    approximate: u64,
    out_of_order: u64,
    equal_times: u64,
    duplicates: u64,
    conflicts: u64,
    capped_rows: u64,
    passed: u64,
}

fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    if let Err(fault) = TestRunner::new(config).run(&strategy, test) {
        panic!("{fault}");
    }
}

fn agreed(verdict: Verdict, inserted: &Inserted) -> bool {
    match (verdict, inserted) {
        (Verdict::New { out_of_order: one }, Inserted::New { out_of_order: other, .. }) => one == *other,
        (Verdict::Duplicate, Inserted::Duplicate) | (Verdict::Conflict, Inserted::Conflict) => true,
        _ => false,
    }
}

#[test]
fn every_fact_equals_brute_force_whatever_the_threshold_of_totals() {
    let seen = RefCell::new(Seen::default());
    let case = (
        prop::collection::vec(look_back(), 1..12),
        prop::collection::vec(next(), 1..90),
        bounds(),
        0..u64::MAX,
    );
    run(10_000, case, |(aggregates, nexts, limits, wanted)| {
        let plan = plan(aggregates, 70);
        let mut banks: Vec<Bank> = [usize::MAX, 0, 3, 64]
            .map(|totals_threshold| {
                Bank::new(plan.clone(), LedgerLimits { totals_threshold, ..limits.clone() })
            })
            .into();
        let mut oracle = Oracle::new(limits);
        let mut seen = seen.borrow_mut();
        seen.cases += 1;
        let mut times = std::collections::BTreeSet::new();
        for (count, event) in stream(&nexts).iter().enumerate() {
            seen.events += 1;
            let verdict = oracle.insert(event);
            // Not every event asks for every fact.
            let mask = if count % 3 == 0 { wanted } else { u64::MAX };
            let want = FactSet([mask & ((1 << plan.aggregates.len()) - 1), 0, 0, 0]);
            let expected = match verdict {
                Verdict::New { out_of_order } => {
                    seen.out_of_order += u64::from(out_of_order);
                    seen.equal_times += u64::from(!times.insert((event.key, event.at)));
                    oracle.facts(event, &plan)
                }
                Verdict::Duplicate => {
                    seen.duplicates += 1;
                    Vec::new()
                }
                Verdict::Conflict => {
                    seen.conflicts += 1;
                    Vec::new()
                }
            };
            for bank in &mut banks {
                let inserted = bank.insert(event, &[]);
                prop_assert!(agreed(verdict, &inserted), "{event:?} is {verdict:?}, not {inserted:?}");
                let Inserted::New { row, .. } = inserted else { continue };
                let answers = bank.facts(row, &want);
                for (index, (answer, expected)) in answers.iter().zip(&expected).enumerate() {
                    if want.has(index) {
                        prop_assert_eq!(answer, expected, "{:?} at {:?}", &plan.aggregates[index], event);
                    }
                }
            }
            seen.facts += expected.len() as u64;
            seen.known += expected.iter().filter(|(word, _)| word.is_some()).count() as u64;
            seen.approximate += expected.iter().filter(|(_, approximate)| *approximate).count() as u64;
        }
        seen.capped_rows += banks[0].ledgers.evicted().capped_rows;
        for key in 1..3 {
            let held = oracle.held(key);
            seen.passed += u64::from(held.len() < stream(&nexts).len());
            for bank in &banks {
                for id in 0..20 {
                    let found = bank.ledgers.find(key, id).map(|row| bank.ledgers.at(row).0);
                    prop_assert_eq!(found, oracle.find(key, id).map(|row| row.at));
                }
            }
        }
        Ok(())
    });
    let seen = seen.into_inner();
    println!("{seen:?}");
    assert!(seen.cases >= 10_000);
    for (what, count) in [
        ("out of order", seen.out_of_order),
        ("of equal time", seen.equal_times),
        ("duplicate", seen.duplicates),
        ("conflicting", seen.conflicts),
        ("capped", seen.capped_rows),
        ("approximate", seen.approximate),
    ] {
        assert!(count >= 1_000, "only {count} were {what}");
    }
}

#[test]
fn hot_keys_answer_alike_with_and_without_totals() {
    let case = (
        prop::collection::vec(look_back(), 8..16),
        prop::collection::vec(next(), 1000..1500),
        bounds(),
        select(vec![100u16, 300, 4096]),
    );
    let far_back = RefCell::new(0u64);
    run(60, case, |(aggregates, mut nexts, limits, rows_per_ledger)| {
        for next in &mut nexts {
            if let Next::New { step, .. } = next {
                *step %= 300;
            }
        }
        let plan = plan(aggregates, 70);
        let want = FactSet::first(plan.aggregates.len());
        let limits = LedgerLimits { rows_per_ledger, ..limits };
        let with =
            |totals_threshold| Bank::new(plan.clone(), LedgerLimits { totals_threshold, ..limits.clone() });
        let (mut scanned, mut totalled) = (with(usize::MAX), with(64));
        for event in stream(&nexts) {
            let (one, other) = (scanned.insert(&event, &[]), totalled.insert(&event, &[]));
            prop_assert_eq!(one, other);
            let Inserted::New { row, .. } = one else { continue };
            let newer =
                scanned.ledgers.rows_of(event.key).filter(|row| scanned.ledgers.at(*row).0 > event.at);
            *far_back.borrow_mut() += u64::from(newer.count() > 64);
            prop_assert_eq!(scanned.facts(row, &want), totalled.facts(row, &want), "{:?}", event);
        }
        Ok(())
    });
    let far_back = far_back.into_inner();
    println!("{far_back} events came before more than 64 others");
    assert!(far_back > 100);
}

#[test]
fn more_ledgers_than_may_keep_totals_answer_alike_while_keys_come_and_go() {
    let over = |over| Aggregate { over: Some(over), ..aggregate(Op::Sum, Some(TX_AMOUNT)) };
    let plan = plan(vec![over(600_000), over(3_600_000), aggregate(Op::Max, Some(TX_AMOUNT))], 0);
    let with = |totals_threshold| {
        let limits = LedgerLimits { retention: 1_200_000, lateness: 0, keys: 900, ..limits() };
        Bank::new(plan.clone(), LedgerLimits { totals_threshold, ..limits })
    };
    let (mut scanned, mut totalled) = (with(usize::MAX), with(0));
    let mut random = 1u64;
    for id in 0..60_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The keys in use move on, so that old ones pass and others are evicted.
        let key = u128::from(id / 60 + (random >> 40) % 800);
        let at = 1_700_000_000_000 + i64::try_from(id).unwrap() * 500;
        let event = Event { key, ..crate::world::purchase(at, id, (random >> 50).cast_signed()) };
        assert_eq!(scanned.take(&event), totalled.take(&event), "{event:?}");
    }
    assert_eq!(scanned.ledgers.evicted(), totalled.ledgers.evicted());
    let evicted = scanned.ledgers.evicted().keys;
    println!("{} keys left, {evicted} evicted", scanned.ledgers.keys());
    assert!(evicted > 100);
}

/// A key and its rows: time, id, all kept fields.
type Contents = (u128, Vec<(i64, u64, Registers)>);

fn contents(bank: &Bank) -> Vec<Contents> {
    let read = |row| {
        let mut registers = Registers::new(bank.registers.len());
        bank.ledgers.load(row, &mut registers);
        (bank.ledgers.at(row).0, bank.ledgers.id(row), registers)
    };
    (1..12).map(|key| (key, bank.ledgers.rows_of(key).map(read).collect())).collect()
}

#[test]
fn any_shuffle_within_the_lateness_leaves_the_same_ledgers() {
    let case = (prop::collection::vec(next(), 1..60), bounds(), prop::collection::vec(0..u64::MAX, 60));
    run(1_000, case, |(nexts, limits, places)| {
        let limits = LedgerLimits { totals_threshold: 3, ..limits };
        let mut ids = std::collections::BTreeSet::new();
        let mut events = stream(&nexts);
        events.retain(|event| ids.insert((event.key, event.event_type, event.id)));
        let Some(newest) = events.iter().map(|event| event.at).max() else { return Ok(()) };
        events.retain(|event| event.at > newest - LATENESS);
        let plan = plan(vec![aggregate(Op::Count, None), aggregate(Op::Sum, Some(TX_AMOUNT))], 3);
        let mut one = Bank::new(plan.clone(), limits.clone());
        events.iter().for_each(|event| drop(one.take(event)));
        let mut other = Bank::new(plan, limits);
        let mut shuffled: Vec<(u64, &Event)> = places.into_iter().zip(&events).collect();
        shuffled.sort_by_key(|(place, _)| *place);
        for (_, event) in shuffled {
            other.insert(event, &[]);
        }
        prop_assert_eq!(contents(&one), contents(&other));
        prop_assert_eq!(one.ledgers.rows_held(), other.ledgers.rows_held());
        Ok(())
    });
}

#[test]
fn a_new_pack_finds_the_truth_of_its_conditions_in_the_rows() {
    let case = (prop::collection::vec(look_back(), 1..6), prop::collection::vec(next(), 2..40), 0..40usize);
    run(500, case, |(aggregates, nexts, swap)| {
        let (before, after) = (plan(vec![aggregate(Op::Count, None)], 1), plan(aggregates, 70));
        let limits = LedgerLimits { lateness: LATENESS, totals_threshold: 3, ..limits() };
        let (mut swapped, mut fresh) = (Bank::new(before, limits.clone()), Bank::new(after.clone(), limits));
        for (count, event) in stream(&nexts).iter().enumerate() {
            if count == swap {
                install(&mut swapped, after.clone());
            }
            let (one, other) = (swapped.insert(event, &[]), fresh.insert(event, &[]));
            let (Inserted::New { row: one, .. }, Inserted::New { row: other, .. }) = (one, other) else {
                continue;
            };
            let want = FactSet::first(if count < swap { 1 } else { after.aggregates.len() });
            let answers = (swapped.facts(one, &want), fresh.facts(other, &want));
            prop_assert!(count < swap || answers.0 == answers.1, "{:?}", answers);
        }
        Ok(())
    });
}

fn install(bank: &mut Bank, plan: AggregatePlan) {
    let tags = plan.tags;
    bank.registers = Registers::new(usize::from(crate::world::FACTS) + plan.aggregates.len());
    let retag = |registers: &mut Registers| tags_of(registers, tags);
    bank.ledgers.install(&plan, &crate::world::schema(), &mut bank.registers, retag);
    bank.plan = plan;
}

#[test]
fn an_amended_row_answers_as_if_it_had_come_so() {
    let case = (
        prop::collection::vec(look_back(), 1..6),
        prop::collection::vec((next(), prop::option::of((0..1000usize, 0..9_000i64))), 2..60),
        select(vec![0usize, 3, usize::MAX]),
    );
    run(1_000, case, |(aggregates, nexts, totals_threshold)| {
        let plan = plan(aggregates, 70);
        let limits = LedgerLimits { lateness: LATENESS, totals_threshold, ..limits() };
        let mut bank = Bank::new(plan.clone(), limits.clone());
        let mut held: Vec<Event> = Vec::new();
        let (nexts, changes): (Vec<Next>, Vec<_>) = nexts.into_iter().unzip();
        let mut ids = std::collections::BTreeSet::new();
        for (event, change) in stream(&nexts).iter().zip(changes) {
            if event.event_type == LABEL || !ids.insert((event.key, event.id)) {
                continue;
            }
            bank.insert(event, &[]);
            held.push(event.clone());
            if let Some((which, minor)) = change {
                let count = held.len();
                let amended = &mut held[which % count];
                amended.amount = Some(minor);
                let row = bank.ledgers.find(amended.key, amended.id).unwrap();
                let word = Some((minor as f64).to_bits());
                let retag = |registers: &mut Registers| tags_of(registers, 70);
                prop_assert!(bank.ledgers.amend(row, TX_AMOUNT, word, &mut bank.registers, retag));
            }
            // An oracle that was given the rows as they are now.
            let mut oracle = Oracle::new(limits.clone());
            for event in &held {
                oracle.insert(event);
            }
            let event = held.last().unwrap();
            let row = bank.ledgers.find(event.key, event.id).unwrap();
            let answers = bank.facts(row, &FactSet::first(plan.aggregates.len()));
            prop_assert_eq!(answers, oracle.facts(event, &plan));
        }
        Ok(())
    });
}

#[test]
fn conditions_over_registers_and_over_events_agree() {
    run(500, next(), |next| {
        let Next::New { event, .. } = next else { return Ok(()) };
        let mut registers = Registers::new(20);
        event.load(&mut registers);
        let mut expected = Tags::default();
        (0..8).filter(|tag| condition(*tag, &event)).for_each(|tag| expected.set(TagId(tag as u8)));
        prop_assert_eq!(tags_of(&registers, 8), expected);
        Ok(())
    });
}
