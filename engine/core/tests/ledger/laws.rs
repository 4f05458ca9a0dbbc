//! Laws that hold for every plan and every stream, with counts of how often the hard cases occurred.

use crate::oracle::{Oracle, Verdict};
use crate::stream::{LATENESS, Next, bounds, look_back, next, run, stream};
use crate::world::{
    Answer, Bank, Event, LABEL, PURCHASE, aggregate, condition, contents, limits, plan, tags_of,
};
use proptest::prelude::*;
use proptest::sample::select;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use tripline_core::event::Reference;
use tripline_core::ledger::{Inserted, LedgerLimits};
use tripline_rules::aggregate::{Aggregate, AggregatePlan, FactSet, Op, TagId, Tags};
use tripline_rules::schema::{EVENT_TIME, TX_AMOUNT};
use tripline_rules::value::Registers;

/// What a reference may name.
const TYPES: [Option<u16>; 4] = [None, Some(PURCHASE), Some(1), Some(LABEL)];

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
}

fn agreed(verdict: Verdict, inserted: &Inserted) -> bool {
    match (verdict, inserted) {
        (Verdict::New { out_of_order: one }, Inserted::New { out_of_order: other, .. }) => one == *other,
        (Verdict::Duplicate, Inserted::Duplicate) | (Verdict::Conflict, Inserted::Conflict) => true,
        _ => false,
    }
}

/// One case of the law of facts: a stream, seen by banks with different thresholds and by the oracle.
struct Case {
    plan: AggregatePlan,
    banks: Vec<Bank>,
    oracle: Oracle,
    times: BTreeSet<(u128, i64)>,
}

impl Case {
    fn new(plan: AggregatePlan, limits: LedgerLimits) -> Case {
        let with =
            |totals_threshold| Bank::new(plan.clone(), LedgerLimits { totals_threshold, ..limits.clone() });
        let banks = [usize::MAX, 0, 3, 64].map(with).into();
        Case { plan, banks, oracle: Oracle::new(limits), times: BTreeSet::new() }
    }

    /// What the oracle says of an event, and its facts if it is new.
    fn expect(&mut self, event: &Event, seen: &mut Seen) -> (Verdict, Vec<Answer>) {
        seen.events += 1;
        let verdict = self.oracle.insert(event);
        let expected = match verdict {
            Verdict::New { out_of_order } => {
                seen.out_of_order += u64::from(out_of_order);
                seen.equal_times += u64::from(!self.times.insert((event.key, event.at)));
                self.oracle.facts(event, &self.plan)
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
        seen.facts += expected.len() as u64;
        seen.known += expected.iter().filter(|(word, _)| word.is_some()).count() as u64;
        seen.approximate += expected.iter().filter(|(_, approximate)| *approximate).count() as u64;
        (verdict, expected)
    }

    fn check(&mut self, event: &Event, want: &FactSet, seen: &mut Seen) -> Result<(), TestCaseError> {
        let (verdict, expected) = self.expect(event, seen);
        for bank in &mut self.banks {
            let inserted = bank.insert(event, &[]);
            prop_assert!(agreed(verdict, &inserted), "{event:?} is {verdict:?}, not {inserted:?}");
            let Inserted::New { row, .. } = inserted else { continue };
            let answers = bank.facts(row, want);
            for (index, (answer, expected)) in answers.iter().zip(&expected).enumerate() {
                if want.has(index) {
                    prop_assert_eq!(answer, expected, "{:?} at {:?}", &self.plan.aggregates[index], event);
                }
            }
        }
        Ok(())
    }

    fn check_found(&self) -> Result<(), TestCaseError> {
        for (key, id) in (1..3).flat_map(|key| (0..20).map(move |id| (key, id))) {
            for (bank, named) in self.banks.iter().flat_map(|bank| TYPES.map(|named| (bank, named))) {
                let found = bank.ledgers.find(key, Reference { id, event_type: named });
                let found = found.map(|row| bank.ledgers.read(row, EVENT_TIME));
                let expected = self.oracle.find(key, id, named).map(|row| Some((row.at as f64).to_bits()));
                prop_assert_eq!(found, expected);
            }
        }
        Ok(())
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
        let mut case = Case::new(plan(aggregates, 70), limits);
        let mut seen = seen.borrow_mut();
        seen.cases += 1;
        for (count, event) in stream(&nexts).iter().enumerate() {
            // Not every event asks for every fact.
            let mask = if count % 3 == 0 { wanted } else { u64::MAX };
            let want = FactSet([mask & ((1 << case.plan.aggregates.len()) - 1), 0, 0, 0]);
            case.check(event, &want, &mut seen)?;
        }
        seen.capped_rows += case.banks[0].ledgers.evicted().capped_rows;
        case.check_found()
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
        let mut times: BTreeMap<u128, Vec<i64>> = BTreeMap::new();
        for event in stream(&nexts) {
            let (one, other) = (scanned.insert(&event, &[]), totalled.insert(&event, &[]));
            prop_assert_eq!(one, other);
            let Inserted::New { row, .. } = one else { continue };
            let times = times.entry(event.key).or_default();
            let newer = times.iter().filter(|at| **at > event.at).count();
            times.push(event.at);
            *far_back.borrow_mut() += u64::from(newer > 64);
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
        // The keys in use move on, so that old ones expire and others are evicted.
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
        // Rows of one time keep the order of the log.
        let mut of_time: BTreeMap<(u128, i64), Vec<&Event>> = BTreeMap::new();
        events.iter().rev().for_each(|event| of_time.entry((event.key, event.at)).or_default().push(event));
        for (_, event) in &mut shuffled {
            *event =
                of_time.get_mut(&(event.key, event.at)).and_then(Vec::pop).expect("as many as there were");
        }
        for (_, event) in shuffled {
            other.insert(event, &[]);
        }
        prop_assert_eq!(contents(&one), contents(&other));
        prop_assert_eq!(one.ledgers.rows_held(), other.ledgers.rows_held());
        Ok(())
    });
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
                let row = bank.find(amended.key, amended.id).unwrap();
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
            let row = bank.find(event.key, event.id).unwrap();
            // An amendment leaves the registers of its row.
            event.load(&mut bank.registers);
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
