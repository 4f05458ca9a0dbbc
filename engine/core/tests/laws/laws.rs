//! The laws themselves.

use crate::compare::{classified, differences};
use crate::engine::{Engine, Published, Row, USUAL, Way, run};
use crate::generator::{Case, Dice, Record, case};
use crate::oracle::{FEATURES_ACCOUNT, FEATURES_TERMINAL, Oracle, Tally};
use crate::seeds::seeds;
use crate::shuffle::shuffled;

const BRUTE_FORCE_CASES: u64 = 6_000;
const CUT_CASES: u64 = 2_500;
const SHUFFLE_CASES: u64 = 2_000;

pub(crate) fn features() -> Vec<&'static str> {
    FEATURES_ACCOUNT.iter().chain(FEATURES_TERMINAL).map(|(name, _)| *name).collect()
}

/// Feeds a stream record by record to both; panics at the first difference.
pub(crate) fn beside_the_oracle(case: &Case, records: &[Record]) -> (Engine, Tally) {
    let features = features();
    let mut engine = Engine::new(case, USUAL);
    let mut oracle = Oracle::new(case.settings);
    let mut before = engine.counts();
    for (number, record) in records.iter().enumerate() {
        let (published, rows) = (engine.published.len(), engine.rows.len());
        engine.step(&[record]);
        let after = engine.counts();
        let expected = oracle.take(record.partition, record.appended, &record.value);
        let class = classified(&before, &after);
        let found = differences(&engine, published, rows, class, (&oracle.known, &expected), &features);
        assert!(
            found.is_empty(),
            "seed {}, record {number} ({:?}):\n  {}\n{}",
            case.seed,
            case.settings,
            found.join("\n  "),
            listed(&records[..=number]),
        );
        before = after;
    }
    (engine, oracle.tally)
}

fn listed(records: &[Record]) -> String {
    let line = |record: &Record| {
        let value = String::from_utf8_lossy(&record.value);
        format!("{} {:?} {value}", record.partition, record.appended)
    };
    records.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Laws 3 and 6: every fact, verdict and alert equals the brute force, and the counts add up.
#[test]
fn every_fact_and_alert_equals_brute_force() {
    let mut sum = Tally::default();
    for seed in seeds(0, BRUTE_FORCE_CASES) {
        let case = case(seed);
        let (engine, tally) = beside_the_oracle(&case, &case.records);
        let counts = engine.counts();
        assert!(counts.add_up(), "seed {seed}: {counts:?}");
        let ours = (counts.records, counts.rows, counts.duplicates, counts.conflicts, counts.late);
        let theirs = (tally.records, tally.rows, tally.duplicates, tally.conflicts, tally.late);
        assert_eq!(ours, theirs, "seed {seed}");
        let ours = (counts.dead_letters, counts.alerts, counts.suppressed, counts.labels);
        assert_eq!(ours, (tally.dead_letters, tally.alerts, tally.suppressed, tally.labels), "seed {seed}");
        sum.add(&tally);
    }
    println!("brute force: {BRUTE_FORCE_CASES} streams, {sum:#?}");
    sum.assert_none_is_idle();
}

/// Law 1: how the log is cut into batches changes no byte.
#[test]
fn any_batch_cut_gives_the_same_bytes() {
    let mut alerts = 0;
    for seed in seeds(1_000_000, CUT_CASES) {
        let case = case(seed);
        let mut dice = Dice::new(!seed);
        let one_by_one = run(&case, &case.records, USUAL, || true);
        let share = 1 + dice.below(60);
        let anyhow = run(&case, &case.records, USUAL, || dice.percent(share));
        let at_once = run(&case, &case.records, USUAL, || false);
        assert_same(seed, &one_by_one, &anyhow);
        assert_same(seed, &one_by_one, &at_once);
        alerts += one_by_one.counts().alerts;
    }
    println!("cuts: {CUT_CASES} streams cut three ways, {alerts} alerts");
    assert!(alerts > 0);
}

/// Law 1: how partitions are interleaved changes nothing in any of them.
#[test]
fn any_interleaving_of_partitions_gives_each_the_same_bytes() {
    let way = Way { terminals: false, ..USUAL };
    let (mut alerts, mut mixed) = (0, 0);
    for seed in seeds(2_000_000, CUT_CASES) {
        let case = case(seed);
        let other = interleaved(&case.records, &mut Dice::new(!seed));
        mixed += u64::from(other != case.records);
        let as_sent = run(&case, &case.records, way, || false);
        let otherwise = run(&case, &other, way, || false);
        for partition in 0..2 {
            assert_same_bytes(seed, &as_sent.by_topic(Some(partition)), &otherwise.by_topic(Some(partition)));
            let rows = |engine: &Engine| -> Vec<Row> {
                engine.rows.iter().filter(|row| row.partition == partition).cloned().collect()
            };
            assert_eq!(rows(&as_sent), rows(&otherwise), "seed {seed}");
        }
        alerts += as_sent.counts().alerts;
    }
    println!("interleaving: {mixed} of {CUT_CASES} streams in another order, {alerts} alerts");
    assert!(alerts > 0 && mixed > CUT_CASES / 3);
}

/// Law 6: running totals are a cache; from when on they are kept changes no byte.
#[test]
fn running_totals_change_no_bit() {
    let (mut alerts, mut large) = (0, 0);
    for seed in seeds(3_000_000, CUT_CASES) {
        let case = case(seed);
        let with = |totals_threshold| run(&case, &case.records, Way { totals_threshold, ..USUAL }, || false);
        let always = with(0);
        for threshold in [1, 7, 64, usize::MAX] {
            assert_same(seed, &always, &with(threshold));
        }
        alerts += always.counts().alerts;
        large += u64::from(case.records.len() > 140);
    }
    println!("totals: {CUT_CASES} streams at five thresholds, {large} of them long, {alerts} alerts");
    assert!(alerts > 0 && large > 0);
}

/// Law 2: the order of arrival within the lateness leaves the same ledgers, and each order's alerts are the oracle's.
#[test]
fn any_shuffle_within_the_lateness_leaves_the_same_ledgers() {
    let (mut sum, mut moved) = (Tally::default(), 0);
    for seed in seeds(4_000_000, SHUFFLE_CASES) {
        let shuffled = shuffled(seed);
        let ask = |case: &Case| {
            let records: Vec<Record> = case.records.iter().chain(&shuffled.probes).cloned().collect();
            let (engine, tally) = beside_the_oracle(case, &records);
            assert_eq!(tally.rows, tally.records, "seed {seed}: nothing comes too late");
            (engine.rows[engine.rows.len() - shuffled.probes.len()..].to_vec(), tally)
        };
        let (one, tally) = ask(&shuffled.one);
        let (other, other_tally) = ask(&shuffled.other);
        let answers =
            |rows: &[Row]| -> Vec<Vec<u64>> { rows.iter().map(|row| row.features.clone()).collect() };
        assert_eq!(answers(&one), answers(&other), "seed {seed}");
        sum.add(&tally);
        sum.add(&other_tally);
        moved += shuffled.moved;
    }
    let Tally { rows, out_of_order, equal_times, alerts, suppressed, amended, .. } = sum;
    println!(
        "shuffles: {SHUFFLE_CASES} streams twice, {rows} rows, {moved} in another place, {out_of_order} out of order, \
         {equal_times} at equal times, {amended} amendments, {alerts} alerts, {suppressed} silenced"
    );
    assert!(moved > 0 && out_of_order > 0 && equal_times > 0 && amended > 0 && alerts > 0 && suppressed > 0);
}

/// The same records of every partition, merged anew.
fn interleaved(records: &[Record], dice: &mut Dice) -> Vec<Record> {
    let of = |partition| records.iter().filter(move |record| record.partition == partition);
    let (mut left, mut right) = (of(0).peekable(), of(1).peekable());
    let mut merged = Vec::new();
    loop {
        let next = match (left.peek(), right.peek()) {
            (None, None) => return merged,
            (Some(_), Some(_)) if dice.percent(50) => left.next(),
            (Some(_), None) => left.next(),
            _ => right.next(),
        };
        merged.extend(next.cloned());
    }
}

fn assert_same(seed: u64, one: &Engine, other: &Engine) {
    assert_same_bytes(seed, &one.by_topic(None), &other.by_topic(None));
    assert_eq!(one.rows, other.rows, "seed {seed}");
    assert_eq!(one.counts(), other.counts(), "seed {seed}");
}

fn assert_same_bytes(seed: u64, one: &[&Published], other: &[&Published]) {
    for (left, right) in one.iter().zip(other) {
        assert_eq!(
            String::from_utf8_lossy(&left.value),
            String::from_utf8_lossy(&right.value),
            "seed {seed}, {:?} of record {} of partition {}",
            left.topic,
            left.cause,
            left.partition
        );
    }
    assert_eq!(one, other, "seed {seed}");
}
