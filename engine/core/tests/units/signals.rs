//! What a rule reads of a signal: the value of the newest event that published it, while that is valid. Random streams
//! over accounts of two partitions at terminals and merchants, against a slow computation by hand.

mod oracle;
mod stream;

use crate::dice::{Dice, streams};
use crate::engine::Setup;
use oracle::{Reading, SIGNALS};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use stream::{DAY, Entity, Sent, Shape, shape, stream};
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::counts::Counts;
use tripline_core::decode::{AmountForm, CurrencySource};
use tripline_core::outputs::Outputs;
use tripline_core::results::{Collect, EventResults};
use tripline_core::spaces::Spaces;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase|login|reversal
  tx.amount: money in EUR
  my.number: number
  terminal.id: text
  merchant.id: text
keep: [tx.amount, my.number, terminal.id, merchant.id]
entities: [terminal, merchant]
";
const PACK: &str = "version: 1
pack: p
owner: a
timezone: UTC
aggregates:
  uses: {count: events, by: terminal, over: 10m}
  taken: {sum: tx.amount, by: terminal, over: 1h}
  most: {max: tx.amount, by: terminal, over: 10m, include_current: false}
  drift: {sum: my.number, by: merchant, over: 1h}
  sales: {count: events, by: merchant, over: 10m}
signals:
  terminal.uses: {value: uses, valid_for: 10m}
  terminal.steps: {value: uses, step: 2, valid_for: 1h}
  terminal.taken: {value: taken, step: 100, valid_for: 1h}
  terminal.most: {value: most, valid_for: 5m}
  terminal.busy: {value: uses >= 3, valid_for: 30m}
  merchant.drift: {value: drift, step: 0.5, valid_for: 1h}
  merchant.quiet: {value: sales < 2, valid_for: 10m}
features:
  f0: signal.terminal.uses
  f1: signal.terminal.steps
  f2: signal.terminal.taken
  f3: signal.terminal.most
  f4: signal.terminal.busy
  f5: signal.merchant.drift
  f6: signal.merchant.quiet
rules:
  - {id: BUSY, when: signal.terminal.busy, action: review, cooldown: none, reason: x}
  - {id: IDLE, when: not signal.terminal.busy, action: review, cooldown: none, reason: x}
";
/// The yes/no signal that the rules read.
const BUSY: usize = 4;

fn setup() -> Setup {
    let fields = [
        "event.id",
        "event.type",
        "event.time",
        "event.ref",
        "account.id",
        "tx.amount",
        "my.number",
        "terminal.id",
        "merchant.id",
    ];
    Setup::new(SCHEMA, PACK, &fields, |name, field| {
        if name == "tx.amount" {
            field.money.amount = AmountForm::Minor;
            field.money.currency = CurrencySource::Constant("EUR".into());
        }
    })
}

#[derive(Debug, Default)]
struct Seen {
    streams: u64,
    events: u64,
    values: u64,
    missing: u64,
    changed: u64,
    expired: u64,
    at_their_end: u64,
    just_before_it: u64,
    confirmed: u64,
    held_by_the_step: u64,
    of_equal_times: u64,
    of_the_future: u64,
    after_late_findings: u64,
    late: u64,
    repeats: u64,
    /// Streams of which a step took more records than it takes at once.
    of_long_batches: u64,
}

/// What each event that becomes a row reads: by its id, each signal's value in its smallest unit.
fn by_hand(sent: &[Sent], seen: &mut Seen) -> BTreeMap<String, Vec<Option<i64>>> {
    let mut rows: BTreeMap<(Entity, u64), Vec<&Sent>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut last: BTreeMap<(usize, u64), Option<i64>> = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for own in sent {
        if own.appended - own.at > DAY {
            seen.late += 1;
            continue;
        }
        if !ids.insert(own.number) {
            seen.repeats += 1;
            continue;
        }
        let values = SIGNALS.iter().enumerate().map(|(number, signal)| {
            let entity = own.entity(signal.entity)?;
            let before = rows.get(&(signal.entity, entity)).map_or(&[][..], Vec::as_slice);
            let reading = signal.reading(before, own.at);
            note(reading, seen);
            let before = last.insert((number, entity), reading.value);
            seen.changed += u64::from(before.is_some_and(|before| before != reading.value));
            reading.value
        });
        expected.insert(own.id(), values.collect());
        for entity in [Entity::Terminal, Entity::Merchant] {
            own.entity(entity).iter().for_each(|id| rows.entry((entity, *id)).or_default().push(own));
        }
    }
    (seen.streams, seen.events) = (seen.streams + 1, seen.events + sent.len() as u64);
    expected
}

fn note(reading: Reading, seen: &mut Seen) {
    seen.values += u64::from(reading.value.is_some());
    seen.missing += u64::from(reading.value.is_none());
    seen.expired += u64::from(reading.has_expired);
    seen.at_their_end += u64::from(reading.left == Some(0));
    seen.just_before_it += u64::from(reading.left == Some(1));
    seen.confirmed += u64::from(reading.is_confirmed);
    seen.held_by_the_step += u64::from(reading.is_held);
    seen.of_equal_times += u64::from(reading.is_of_equal_time && reading.value.is_some());
    seen.of_the_future += u64::from(reading.is_of_the_future);
    seen.after_late_findings += u64::from(reading.late > 0);
}

/// What the events read, and which rules fired on them.
#[derive(Default)]
struct Found {
    events: BTreeMap<String, (Vec<f64>, Vec<String>)>,
    counts: Counts,
    longest_batch: usize,
}

/// Steps through a log, at most so many records at a time as `most` says.
fn run(setup: &Setup, sent: &[Sent], mut most: impl FnMut() -> u64) -> Found {
    let installation = setup.installation();
    let mut spaces = Spaces::new(installation);
    let mut results = EventResults::new(Collect::Features);
    let rules = installation.ruleset().rules();
    let mut rest = sent;
    let (mut offset, mut longest_batch) = (0, 0);
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|event| event.partition == first.partition).count();
        let (now, later) = rest.split_at(same.min(usize::try_from(most()).unwrap()));
        let mut batch = Batch::new(ShardId::account(first.partition));
        for event in now {
            batch.push(offset, Some(Timestamp(event.appended)), b"a", event.json().as_bytes());
            offset += 1;
        }
        longest_batch = longest_batch.max(now.len());
        spaces.step(&batch, &mut Outputs::default(), &mut results);
        rest = later;
    }
    let mut found = Found { counts: spaces.counts(), longest_batch, ..Found::default() };
    for row in results.rows() {
        let fired = results.rules(row).iter().map(|rule| rules[*rule].id.clone()).collect();
        found.events.insert(results.event(row).to_owned(), (results.features(row).to_vec(), fired));
    }
    found
}

fn compare(seed: u64, sent: &[Sent], expected: &BTreeMap<String, Vec<Option<i64>>>, found: &Found) {
    assert!(found.counts.reasons.is_empty(), "{:?}", found.counts.reasons);
    assert_eq!(found.counts.rows, expected.len() as u64);
    assert_eq!(found.events.len(), expected.len());
    for (id, values) in expected {
        let (features, fired) = &found.events[id];
        let in_units = values
            .iter()
            .zip(&SIGNALS)
            .map(|(value, signal)| value.map_or(f64::NAN, |value| value as f64 / signal.unit));
        let in_units: Vec<f64> = in_units.collect();
        let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        let is_same = features.len() == in_units.len() && features.iter().zip(&in_units).all(same);
        assert!(is_same, "stream {seed}, {id}: {features:?}, by hand {in_units:?}, of{}", listed(sent));
        let rule = values[BUSY].map(|busy| if busy == 1 { "BUSY" } else { "IDLE" });
        assert_eq!(
            fired.iter().map(String::as_str).collect::<Vec<_>>(),
            Vec::from_iter(rule),
            "stream {seed}, {id}"
        );
    }
}

fn listed(sent: &[Sent]) -> String {
    sent.iter().fold(String::new(), |mut text, event| {
        let _ = write!(text, "\n  {}: {}", event.appended, event.json());
        text
    })
}

fn check(setup: &Setup, seed: u64, seen: &mut Seen) {
    let mut dice = Dice::new(seed);
    let shape = shape(&mut dice);
    let sent = stream(&mut dice, &shape);
    let expected = by_hand(&sent, seen);
    compare(seed, &sent, &expected, &run(setup, &sent, || 1));
    let found = run(setup, &sent, || 1 + dice.below(100));
    compare(seed, &sent, &expected, &found);
    seen.of_long_batches += u64::from(found.longest_batch > 64);
}

#[test]
fn a_rule_reads_the_newest_valid_value_whatever_comes_late() {
    let setup = setup();
    let mut seen = Seen::default();
    streams(1_500).into_iter().for_each(|seed| check(&setup, seed, &mut seen));
    println!("{seen:?}");
    for (what, count) in [
        ("values", seen.values),
        ("missing values", seen.missing),
        ("changed values", seen.changed),
        ("expired values", seen.expired),
        ("confirmed values", seen.confirmed),
        ("values held by the step", seen.held_by_the_step),
        ("values of equal times", seen.of_equal_times),
        ("values of newer events", seen.of_the_future),
        ("values after late findings", seen.after_late_findings),
    ] {
        assert!(count >= seen.streams / 2, "only {count} {what}");
    }
    for (what, count) in [
        ("values at their end", seen.at_their_end),
        ("values in their last millisecond", seen.just_before_it),
        ("late records", seen.late),
        ("repeats", seen.repeats),
    ] {
        assert!(count >= seen.streams / 10, "only {count} {what}");
    }
    assert!(seen.of_long_batches >= seen.streams / 500, "{} streams of long batches", seen.of_long_batches);
}

/// Expired values are given up from 4,096 on, and none that an event may still read or that a late one may not replace.
#[test]
fn values_of_many_entities_are_the_same_whether_or_not_expired_ones_are_given_up() {
    let shape =
        Shape { length: 24_000, entities: 6_000, partitions: 2, waits: &[0, 0, 1_000, 30_000, 60_000] };
    let seed = 0;
    let sent = stream(&mut Dice::new(seed), &shape);
    assert!(sent[sent.len() - 1].appended - sent[0].appended > 4 * DAY);
    let mut seen = Seen::default();
    let expected = by_hand(&sent, &mut seen);
    println!("{seen:?}");
    compare(seed, &sent, &expected, &run(&setup(), &sent, || 1_000));
    assert!(seen.values > 1_000 && seen.expired > 1_000 && seen.after_late_findings > 100, "{seen:?}");
    assert!(seen.of_the_future > 100, "{seen:?}");
}
