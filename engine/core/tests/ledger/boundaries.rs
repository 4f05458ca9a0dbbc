//! Exact edges, by hand.

use crate::world::{
    Bank, DEVICE, Event, LABEL, LOGIN, MCC, RISK, aggregate, limits, plan, purchase, tags_of,
};
use tripline_core::ledger::{Inserted, LedgerLimits};
use tripline_rules::aggregate::{Aggregate, Op, TagId};
use tripline_rules::schema::{EVENT_TIME, TX_AMOUNT, TX_DECLINED};
use tripline_rules::value::Registers;

const T: i64 = 1_700_000_000_000;

fn bank(aggregate: Aggregate) -> Bank {
    Bank::new(plan(vec![aggregate], 3), limits())
}

#[test]
fn a_ten_minute_window_closes_to_the_millisecond() {
    let over = Some(600_000);
    for totals_threshold in [0, usize::MAX] {
        let counts = plan(vec![Aggregate { over, ..aggregate(Op::Count, None) }], 0);
        let mut bank = Bank::new(counts, LedgerLimits { totals_threshold, ..limits() });
        assert_eq!(bank.first(&purchase(T, 1, 100)), Some(1.0));
        assert_eq!(bank.first(&purchase(T + 599_999, 2, 100)), Some(2.0));
        assert_eq!(bank.first(&purchase(T + 600_000, 3, 100)), Some(2.0), "the first one is ten minutes old");
        assert_eq!(bank.first(&purchase(T + 1_199_999, 4, 100)), Some(2.0), "the second one has gone");
    }
}

#[test]
fn a_delayed_window_ends_before_the_event_to_the_millisecond() {
    let mut bank = bank(Aggregate { over: Some(1000), delay: 5000, ..aggregate(Op::Count, None) });
    for (id, at) in [(1, T), (2, T + 1), (3, T + 1000), (4, T + 1001)] {
        bank.insert(&purchase(at, id, 100), &[]);
    }
    assert_eq!(bank.first(&purchase(T + 6000, 5, 100)), Some(2.0), "after T, up to T + 1000");
}

#[test]
fn an_event_sees_rows_of_its_own_time_that_came_before_it_and_none_that_come_later() {
    let mut bank = bank(Aggregate { include_current: false, ..aggregate(Op::Count, None) });
    assert_eq!(bank.first(&purchase(T, 9, 100)), Some(0.0));
    assert_eq!(bank.first(&purchase(T, 1, 100)), Some(1.0));
    assert_eq!(
        bank.first(&purchase(T - 1, 5, 100)),
        Some(0.0),
        "out of order: it looks back from its own time"
    );
    assert_eq!(bank.first(&purchase(T, 4, 100)), Some(3.0));
}

#[test]
fn the_last_of_equal_times_is_the_last_in_the_log() {
    let last = || Aggregate { include_current: false, ..aggregate(Op::Last, Some(TX_AMOUNT)) };
    for ids in [[1, 2], [2, 1]] {
        let mut bank = bank(last());
        for id in ids {
            bank.insert(&purchase(T, id, i64::try_from(id).unwrap()), &[]);
        }
        let last = Some(ids[1] as f64);
        assert_eq!(bank.first(&purchase(T + 1, 7, 0)), last);
    }
}

#[test]
fn a_repeat_is_a_duplicate_and_another_amount_or_time_under_its_id_a_conflict() {
    let mut bank = bank(aggregate(Op::Count, None));
    let event = purchase(T, 1, 100);
    bank.insert(&event, &[]);
    assert_eq!(bank.insert(&event, &[]), Inserted::Duplicate);
    assert_eq!(bank.insert(&Event { amount: Some(101), ..event.clone() }, &[]), Inserted::Conflict);
    assert_eq!(bank.insert(&Event { at: T + 1, ..event.clone() }, &[]), Inserted::Conflict);
    assert_eq!(bank.insert(&Event { device: Some(5), ..event.clone() }, &[]), Inserted::Conflict);
    assert!(matches!(bank.insert(&Event { event_type: LOGIN, ..event.clone() }, &[]), Inserted::New { .. }));
    assert!(matches!(bank.insert(&Event { key: 2, ..event }, &[]), Inserted::New { .. }));
}

#[test]
fn what_a_reference_fills_in_and_what_was_amended_does_not_make_a_repeat_a_conflict() {
    let mut bank = bank(aggregate(Op::Count, None));
    let event = Event { device: Some(5), ..purchase(T, 1, 100) };
    bank.insert(&event, &[]);
    let unresolved = Event { device: None, ..event.clone() };
    assert_eq!(bank.insert(&unresolved, &[DEVICE]), Inserted::Duplicate);
    assert_eq!(bank.insert(&unresolved, &[]), Inserted::Conflict);
    let row = bank.find(1, 1).unwrap();
    let retag = |registers: &mut Registers| tags_of(registers, 3);
    assert!(bank.ledgers.amend(row, TX_DECLINED, Some(1), &mut bank.registers, retag));
    assert_eq!(bank.ledgers.read(row, TX_DECLINED), Some(1));
    assert_eq!(bank.insert(&event, &[]), Inserted::Duplicate);
}

#[test]
fn a_repeat_is_known_for_the_lateness_and_five_minutes() {
    let limits = LedgerLimits { lateness: 1000, retention: 10_000_000, ..limits() };
    let mut bank = Bank::new(plan(vec![aggregate(Op::Count, None)], 0), limits);
    bank.insert(&purchase(T, 1, 100), &[]);
    bank.insert(&purchase(T + 301_000, 2, 100), &[]);
    assert_eq!(bank.insert(&purchase(T, 1, 100), &[]), Inserted::Duplicate);
    bank.insert(&purchase(T + 301_001, 3, 100), &[]);
    assert!(matches!(bank.insert(&purchase(T, 1, 100), &[]), Inserted::New { out_of_order: true, .. }));
}

#[test]
fn a_referenced_event_is_the_newest_of_its_id_that_refers_to_no_other() {
    let time = |bank: &Bank, id| bank.find(1, id).and_then(|row| bank.ledgers.read(row, EVENT_TIME));
    let mut bank = bank(aggregate(Op::Count, None));
    for (at, event_type, is_follow_up) in [(T, 0, false), (T + 5, LOGIN, true), (T + 9, LABEL, true)] {
        bank.insert(&Event { event_type, is_follow_up, ..purchase(at, 7, 100) }, &[]);
    }
    assert_eq!(time(&bank, 7), Some((T as f64).to_bits()));
    for (at, event_type) in [(T + 11, LOGIN), (T + 13, LABEL)] {
        bank.insert(&Event { event_type, is_follow_up: true, ..purchase(at, 9, 100) }, &[]);
    }
    assert_eq!(time(&bank, 9), Some(((T + 11) as f64).to_bits()), "a follow-up of a follow-up");
    assert_eq!((bank.find(1, 8), bank.find(2, 7)), (None, None));
}

#[test]
fn rows_past_the_retention_are_not_read_to_the_millisecond() {
    let limits = LedgerLimits { lateness: 0, retention: 3_600_000, ..limits() };
    let mut bank = Bank::new(plan(vec![aggregate(Op::Count, None)], 0), limits);
    bank.insert(&purchase(T, 1, 100), &[]);
    assert_eq!(bank.first(&purchase(T + 3_599_999, 2, 100)), Some(2.0));
    assert!(bank.find(1, 1).is_some());
    assert_eq!(bank.first(&purchase(T + 3_600_000, 3, 100)), Some(2.0));
    assert_eq!(bank.find(1, 1), None);
}

#[test]
fn beyond_the_cap_the_oldest_go_and_facts_that_needed_them_say_so() {
    let count = |over| Aggregate { over: Some(over), ..aggregate(Op::Count, None) };
    let limits = LedgerLimits { rows_per_ledger: 3, ..limits() };
    let mut bank = Bank::new(plan(vec![count(3000), count(60_000)], 0), limits);
    for (id, at) in [(1, T), (2, T + 1000), (3, T + 2000), (4, T + 3000)] {
        bank.insert(&purchase(at, id, 100), &[]);
    }
    let answers = bank.take(&purchase(T + 4000, 5, 100));
    let number = |index: usize| answers[index].0.map(f64::from_bits);
    assert_eq!(
        (number(0), answers[0].1),
        (Some(3.0), false),
        "reaches back to T + 1000, which went, without it"
    );
    assert_eq!((number(1), answers[1].1), (Some(4.0), true));
    assert_eq!(
        bank.ledgers.evicted().capped_rows,
        1,
        "the event itself is a row beyond the cap until the next"
    );
}

#[test]
fn facts_of_no_rows_are_zero_or_missing_as_defined() {
    let ops = [
        (Op::Count, None, Some(0.0)),
        (Op::Rate, None, Some(0.0)),
        (Op::Sum, Some(TX_AMOUNT), Some(0.0)),
        (Op::Distinct { max: 9 }, Some(MCC), Some(0.0)),
        (Op::Avg, Some(TX_AMOUNT), None),
        (Op::Min, Some(TX_AMOUNT), None),
        (Op::Last, Some(EVENT_TIME), None),
        (Op::Ratio(TagId(1)), None, None),
        (Op::Rank, Some(TX_AMOUNT), None),
        (Op::Stddev, Some(RISK), None),
    ];
    for (op, value, expected) in ops {
        let mut bank = bank(Aggregate { over: Some(1000), include_current: false, ..aggregate(op, value) });
        assert_eq!(bank.first(&purchase(T, 1, 100)), expected, "{op:?}");
    }
}

#[test]
fn a_sum_that_no_register_holds_exactly_is_missing() {
    let mut bank = bank(aggregate(Op::Sum, Some(TX_AMOUNT)));
    assert_eq!(bank.first(&purchase(T, 1, 1 << 53)), Some(9_007_199_254_740_992.0));
    assert_eq!(bank.first(&purchase(T + 1, 2, 1)), None);
    assert_eq!(bank.first(&purchase(T + 2, 3, -1)), Some(9_007_199_254_740_992.0));
}

#[test]
fn sums_of_decimal_numbers_are_exact() {
    let mut bank = bank(aggregate(Op::Sum, Some(RISK)));
    let with = |id: i64, risk| Event { risk: Some(risk), ..purchase(T + id, id.cast_unsigned(), 1) };
    bank.insert(&with(1, 100_000), &[]);
    bank.insert(&with(2, 200_000), &[]);
    assert_eq!(bank.first(&with(3, 300_000)), Some(0.6), "0.1 + 0.2 + 0.3");
}

#[test]
fn beyond_the_cap_on_keys_the_longest_silent_go_first() {
    let limits = LedgerLimits { keys: 32, ..limits() };
    let mut bank = Bank::new(plan(vec![aggregate(Op::Count, None)], 0), limits);
    for key in 0..33 {
        bank.insert(&Event { key, ..purchase(T + i64::try_from(key % 7).unwrap(), 1, 100) }, &[]);
    }
    assert_eq!(bank.ledgers.evicted().keys, 0);
    bank.insert(&Event { key: 99, ..purchase(T + 50, 1, 100) }, &[]);
    let gone: Vec<u128> = (0..33).filter(|key| !bank.ledgers.holds(*key)).collect();
    assert_eq!(gone, [0, 7, 14], "of equal times the smallest keys: a sixteenth of 33 ledgers");
    assert_eq!((bank.ledgers.evicted().keys, bank.ledgers.evicted().rows), (3, 3));
}

const DAY: i64 = 86_400_000;

/// The time of the last event before this one, and how many there were within a day.
fn last_use() -> Vec<Aggregate> {
    let last = Aggregate { include_current: false, ..aggregate(Op::Last, Some(EVENT_TIME)) };
    let filtered = Aggregate { filter: Some(TagId(1)), ..last.clone() };
    let count = Aggregate { over: Some(DAY), include_current: false, ..aggregate(Op::Count, None) };
    vec![last, count, filtered]
}

fn asleep(limits: LedgerLimits) -> Bank {
    let limits = LedgerLimits { lateness: 0, retention: DAY, ..limits };
    Bank::new(plan(last_use(), 3), limits)
}

#[test]
fn the_last_use_of_a_key_is_known_however_long_it_slept_and_windows_do_not_see_it() {
    for days in [3i64, 8, 61, 95, 300, 3_000] {
        let mut bank = asleep(limits());
        bank.insert(&Event { declined: Some(true), ..purchase(T, 1, 100) }, &[]);
        // Others wake meanwhile, so that its ledger is swept many times.
        for id in 0..days.cast_unsigned() {
            let at = T + i64::try_from(id).unwrap() * DAY;
            bank.insert(&Event { key: 2 + u128::from(id % 5), ..purchase(at, id, 100) }, &[]);
        }
        assert_eq!(i64::try_from(bank.ledgers.keys()), Ok(1 + days.min(5)), "every key is held");
        let slept = Some((T as f64).to_bits());
        // A login comes before the purchase: it does not hide how long the key slept.
        let login = Event { event_type: LOGIN, ..purchase(T + days * DAY, 1_000, 0) };
        assert_eq!(bank.take(&login), [(slept, false), (Some(0), false), (slept, false)], "{days} days");
        let answers = bank.take(&purchase(T + days * DAY + 60_000, 1_001, 100));
        assert_eq!(answers[2], (slept, false), "the last declined one");
        assert_eq!(
            answers[1],
            (Some(1f64.to_bits()), false),
            "the login is in the window, the old row is not"
        );
        assert_eq!(answers[0].0, Some(((T + days * DAY) as f64).to_bits()));
        // Once the login has expired too, the row before it goes.
        let answers = bank.take(&purchase(T + days * DAY + 2 * DAY, 1_002, 100));
        assert_eq!(answers[2], (None, false));
    }
}

#[test]
fn a_key_that_may_have_been_evicted_does_not_look_new() {
    let limits = LedgerLimits { keys: 16, ..limits() };
    let mut bank = asleep(limits);
    let of = |key: u128, at: i64| Event { key, ..purchase(at, at.cast_unsigned(), 100) };
    bank.insert(&of(1, T), &[]);
    let first = bank.take(&of(2, T + 1));
    assert_eq!(first, [(None, false), (Some(0), false), (None, false)], "nothing was evicted yet");
    for other in 0..20u128 {
        bank.insert(&of(100 + other, T + 60_000 + i64::try_from(other).unwrap()), &[]);
    }
    assert!(!bank.ledgers.holds(1) && bank.ledgers.evicted().keys > 2);
    let again = bank.take(&of(1, T + 120_000));
    assert_eq!(again, [(None, true), (Some(0), true), (None, true)]);
    let never_seen = bank.take(&of(7, T + 120_001));
    assert_eq!(never_seen, again, "nobody can tell them apart");
    let stayed = bank.take(&of(110, T + 120_002));
    assert_eq!((stayed[0].1, stayed[1]), (false, (Some(1f64.to_bits()), false)), "it lost nothing");
    // A day later all that was evicted would have left its window; what it was last used for stays unknown.
    let later = bank.take(&of(7, T + 120_000 + DAY));
    assert_eq!((later[1].1, later[2]), (false, (None, true)));
    // Once its own rows have expired, a row before them would have as well.
    bank.take(&of(7, T + 3 * DAY));
    assert_eq!(bank.take(&of(7, T + 3 * DAY + 1))[2], (None, false));
}

#[test]
fn sleeping_keys_are_evicted_first_and_under_the_same_cap() {
    let mut bank = asleep(LedgerLimits { keys: 32, ..limits() });
    for key in 0..33u128 {
        bank.insert(&Event { key, ..purchase(T + i64::try_from(key).unwrap() * DAY, 1, 100) }, &[]);
    }
    assert_eq!((bank.ledgers.keys(), bank.ledgers.evicted().keys), (33, 0), "asleep, but for the last two");
    bank.insert(&Event { key: 99, ..purchase(T + 40 * DAY, 1, 100) }, &[]);
    let gone: Vec<u128> = (0..33).filter(|key| !bank.ledgers.holds(*key)).collect();
    assert_eq!(gone, [0, 1, 2], "a sixteenth, those that slept longest");
}
