//! A hot key whose events come in any order: every answer is that of a scan over all rows.

use crate::stream::{Next, look_back, next, run, stream};
use crate::world::{Bank, Event, limits, plan, tags_of};
use proptest::prelude::*;
use proptest::sample::select;
use tripline_core::ledger::{Inserted, LedgerLimits};
use tripline_rules::aggregate::FactSet;
use tripline_rules::schema::TX_AMOUNT;
use tripline_rules::value::Registers;

const BEGIN: i64 = 1_700_000_000_000;
const STEP: i64 = 3_000;

/// In which order the events of a key come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    OneTimeBehindANewer,
    TwoTimes,
    Reversed,
    Shuffled,
    ShuffledNearby,
    /// One of fifty comes late.
    MostlyByTime,
}

/// The time of an event by its number; `draw`: any number of its own.
fn at(order: Order, number: usize, events: usize, draw: usize) -> i64 {
    let place = match order {
        Order::OneTimeBehindANewer => usize::from(number == 0),
        Order::TwoTimes => number % 2,
        Order::Reversed => events - number,
        Order::Shuffled => draw % events,
        Order::ShuffledNearby => number + draw % 100,
        Order::MostlyByTime => events + number - if number % 50 == 49 { draw % events } else { 0 },
    };
    BEGIN + i64::try_from(place).unwrap() * STEP
}

/// Answers of an event, once every few events after an earlier row was amended.
fn answers(bank: &mut Bank, event: &Event, amended: Option<(u64, i64)>) -> Option<Vec<(Option<u64>, bool)>> {
    let Inserted::New { row, .. } = bank.insert(event, &[]) else { return None };
    let want = FactSet::first(bank.plan.aggregates.len());
    let before = bank.facts(row, &want);
    let Some((id, minor)) = amended else { return Some(before) };
    if let Some(target) = bank.find(event.key, id) {
        let retag = |registers: &mut Registers| tags_of(registers, 70);
        bank.ledgers.amend(target, TX_AMOUNT, Some((minor as f64).to_bits()), &mut bank.registers, retag);
    }
    event.load(&mut bank.registers);
    Some([before, bank.facts(row, &want)].concat())
}

#[test]
fn events_of_a_hot_key_answer_alike_with_and_without_sections_in_any_order() {
    let orders = select(vec![
        Order::OneTimeBehindANewer,
        Order::TwoTimes,
        Order::Reversed,
        Order::Shuffled,
        Order::ShuffledNearby,
        Order::MostlyByTime,
    ]);
    let case = (
        prop::collection::vec(look_back(), 8..16),
        prop::collection::vec((next(), any::<u32>()), 700..1000),
        orders,
        select(vec![300u16, 500, 4096]),
    );
    run(100, case, |(aggregates, nexts, order, rows_per_ledger)| {
        let (nexts, draws): (Vec<Next>, Vec<u32>) = nexts.into_iter().unzip();
        let limits = LedgerLimits { rows_per_ledger, lateness: 86_400_000, ..limits() };
        let plan = plan(aggregates, 70);
        let with =
            |totals_threshold| Bank::new(plan.clone(), LedgerLimits { totals_threshold, ..limits.clone() });
        let (mut scanned, mut cached) = (with(usize::MAX), with(8));
        let events = stream(&nexts);
        for (number, (event, draw)) in events.iter().zip(draws).enumerate() {
            let draw = draw as usize;
            let event = Event { key: 1, at: at(order, number, events.len(), draw), ..event.clone() };
            let amended = (number % 7 == 6).then_some((draw as u64 % 900, i64::from(draw as u16)));
            let (one, other) =
                (answers(&mut scanned, &event, amended), answers(&mut cached, &event, amended));
            prop_assert_eq!(one, other, "{:?}, event {}", order, number);
        }
        Ok(())
    });
}
