//! Streams, look backs and limits as proptest draws them.

use crate::world::{DEVICE, Event, LABEL, LOGIN, MCC, PURCHASE, RISK, aggregate, limits};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use tripline_core::ledger::LedgerLimits;
use tripline_rules::aggregate::{Aggregate, Op, TagId};
use tripline_rules::schema::{EVENT_TIME, EVENT_TYPE, TX_AMOUNT, TX_DECLINED};
use tripline_rules::value::Slot;

pub const LATENESS: i64 = 600_000;

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

pub fn look_back() -> impl Strategy<Value = Aggregate> {
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
        (any::<bool>(), any::<bool>()),
        prop_oneof![6 => Just(0), 2 => 1..5u32, 1 => Just(130)],
    )
        .prop_map(|((op, value), lane, over, delay, filter, (include_current, follow_ups), at_least)| {
            Aggregate {
                follow_ups,
                lane,
                over,
                delay,
                filter,
                include_current,
                at_least,
                ..aggregate(op, value)
            }
        })
}

/// What happens next: an event of its own, a repeat, or another event under an id that was used.
#[derive(Clone, Debug)]
pub enum Next {
    New { step: i64, back: i64, event: Event },
    Repeat { which: usize },
    Clash { which: usize, later: i64 },
}

const ASLEEP: i64 = 2 * 86_400_000;

pub fn next() -> impl Strategy<Value = Next> {
    let step = prop_oneof![9 => Just(0i64), 6 => 1..3i64, 6 => 1..2000i64, 6 => 1..90_000i64, 2 => 1..2_000_000i64, 1 => select(vec![ASLEEP - 1, ASLEEP, 2 * ASLEEP])];
    let back = prop_oneof![5 => Just(0i64), 1 => Just(1i64), 1 => 1..1000i64, 1 => 1..LATENESS];
    let amount =
        prop_oneof![1 => Just(None), 8 => (-200..20_000i64).prop_map(Some), 1 => Just(Some(1i64 << 53))];
    // Up to 10¹¹, of which an `f64` does not hold every millionth.
    let large = select(vec![50_000_000_000_000_000i64, -100_000_000_000_000_000, 9_007_199_255_000_000]);
    let risk =
        prop_oneof![3 => Just(None), 10 => (-5..5_000_000i64).prop_map(Some), 1 => large.prop_map(Some)];
    let about = (select(vec![0u64, 0, 0, 1]), prop_oneof![5 => Just(false), 1 => Just(true)], any::<bool>());
    let some = |max: u64| prop_oneof![1 => Just(None), 5 => (0..max).prop_map(Some)];
    let declined = select(vec![None, Some(false), Some(true)]);
    let what = (
        1..3u128,
        select(vec![PURCHASE, PURCHASE, LOGIN, LABEL]),
        amount,
        declined,
        some(5),
        some(3),
        risk,
        about,
    );
    let new = (step, back, what).prop_map(
        |(step, back, (key, event_type, amount, declined, mcc, device, risk, about))| {
            let (currency, is_follow_up, is_stated) = about;
            // An amount always tells its currency.
            let currency = (is_stated || amount.is_some()).then_some(currency);
            let own = Event {
                key,
                at: 0,
                event_type,
                id: 0,
                amount,
                declined,
                mcc,
                device,
                risk,
                currency,
                is_follow_up,
            };
            Next::New { step, back, event: own }
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
pub fn stream(nexts: &[Next]) -> Vec<Event> {
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
                let currency = first.currency.or(Some(0));
                Event { at: (first.at + later).min(clock), amount: Some(77), currency, ..first.clone() }
            }
        };
        if event.at > clock - LATENESS {
            events.push(event);
        }
    }
    events
}

pub fn bounds() -> impl Strategy<Value = LedgerLimits> {
    let cap = prop_oneof![2 => Just(4096u16), 1 => 1..8u16, 1 => 8..40u16];
    let beyond = prop_oneof![1 => Just(0i64), 1 => 0..10_000_000i64];
    (cap, beyond).prop_map(|(rows_per_ledger, beyond)| LedgerLimits {
        rows_per_ledger,
        retention: LATENESS + 300_000 + beyond,
        lateness: LATENESS,
        ..limits()
    })
}

/// So many cases of a law.
pub fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    if let Err(failure) = TestRunner::new(config).run(&strategy, test) {
        panic!("{failure}");
    }
}
