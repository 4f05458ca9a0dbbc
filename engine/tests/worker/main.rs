//! The worker's promises, on the log in memory: nothing lost, nothing judged from an empty past, and with transactions
//! nothing twice, whatever crashes.

#![expect(clippy::unwrap_used, reason = "a test program: what cannot be unwrapped has failed")]

#[path = "../simulation"]
mod simulation {
    #![expect(dead_code, unused_imports, reason = "the simulation uses the rest")]
    pub mod memory;
}
mod shards;
mod tally;
mod watched;

use simulation::memory::{Entry, Log, MemoryRecovery, MemorySink, MemorySource};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tally::Tally;
use tripline::ops::reporter::Reporter;
use tripline::runtime::clock::Clock;
use tripline::runtime::output_buffer::OutputBuffer;
use tripline::runtime::report::{Condition, Report};
use tripline::runtime::sink::{CommitError, Sink, SinkError};
use tripline::runtime::source::Position;
use tripline::runtime::worker::{Parts, Timings, Worker};
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::installation::Lookback;
use tripline_core::outputs::Outputs;

const PREFIX: &str = "bank";
const PARTITIONS: u32 = 4;
const EVERYTHING: Lookback =
    Lookback { input_ms: i64::MAX / 2, verdicts_ms: i64::MAX / 2, row_retention_ms: 0 };

/// Records over four partitions and ten accounts each; every fifth is a fraud. Gives the alerts there must be.
fn written(log: &Log, records: u32) -> Vec<String> {
    let mut expected = Vec::new();
    let mut counts: BTreeMap<(u32, String), u64> = BTreeMap::new();
    for number in 0..records {
        let (partition, account) = (number % PARTITIONS, format!("a{}", number / 7 % 10));
        let value: &[u8] = if number % 5 == 0 { b"fraud" } else { b"coffee" };
        let offset = log.append(partition, Timestamp(i64::from(number)), account.as_bytes(), value);
        let count = counts.entry((partition, account)).or_default();
        *count += 1;
        if value == b"fraud" {
            expected.push(format!("{partition}:{offset}:{count}"));
        }
    }
    expected.sort();
    expected
}

fn alerts(log: &Log) -> Vec<String> {
    let all = (0..PARTITIONS).flat_map(|partition| log.read("bank.alerts", partition));
    let mut lines: Vec<String> = all.map(|(_, entry)| String::from_utf8(entry.value).unwrap()).collect();
    lines.sort();
    lines
}

type Tested = Worker<MemorySource, MemorySink, Tally, MemoryRecovery>;

struct Member {
    number: u64,
    reporter: Arc<Reporter>,
}

fn producer(member: u64) -> String {
    format!("producer-{member}")
}

/// A process that died is noticed.
fn is_missed(log: &Log, member: &Member) {
    log.expel(member.number);
    log.time_out(&producer(member.number));
}

/// A worker that commits after every turn.
fn member(log: &Log, transactional: bool, change: impl FnOnce(&mut MemorySink)) -> (Tested, Member) {
    let source = MemorySource::join(log, 3, None);
    let number = source.membership().member();
    let mut sink = MemorySink::new(log, PREFIX, &producer(number), source.membership(), transactional);
    change(&mut sink);
    let recovery = MemoryRecovery::new(log, PREFIX, EVERYTHING, None);
    let reporter = Arc::<Reporter>::default();
    let leave_within = Duration::from_millis(300);
    let timings = Timings { commit_interval: Duration::ZERO, leave_within, ..Timings::default() };
    let worker = worker(source, OutputBuffer::stepped(sink, || true), recovery, (timings, &reporter));
    (worker, Member { number, reporter })
}

/// A worker that counts.
fn worker<K: Sink>(
    source: MemorySource,
    outputs: OutputBuffer<K>,
    recovery: MemoryRecovery,
    (timings, reporter): (Timings, &Arc<Reporter>),
) -> Worker<MemorySource, K, Tally, MemoryRecovery> {
    let report: Arc<dyn Report> = Arc::<Reporter>::clone(reporter);
    let shutdown = reporter.status.shutdown().clone();
    let parts = Parts { source, outputs, processor: Tally::default(), recovery, report, shutdown };
    Worker::new(parts, timings)
}

/// The only worker, whose commits go on when they are asked to.
fn alone(log: &Log, timings: Timings, goes_on: impl FnMut() -> bool + 'static) -> Tested {
    let source = MemorySource::join(log, 3, None);
    let sink = MemorySink::new(log, PREFIX, "producer", source.membership(), true);
    let recovery = MemoryRecovery::new(log, PREFIX, EVERYTHING, None);
    worker(source, OutputBuffer::stepped(sink, goes_on), recovery, (timings, &Arc::default()))
}

#[test]
fn an_alert_is_committed_at_once_but_not_while_a_full_batch_says_that_more_wait() {
    let (log, clock) = (Log::new("events", PARTITIONS), Clock::by_hand(Timestamp(0)));
    let timings = Timings {
        commit_interval: Duration::from_secs(100),
        alert_gap: Some(Duration::from_millis(2)),
        batch_full: 3,
        clock: clock.clone(),
        ..Timings::default()
    };
    let mut worker = alone(&log, timings, || true);
    turns(&mut worker, 10);
    let mut append = |count: usize| {
        clock.pass(Duration::from_millis(5));
        for _ in 0..count {
            log.append(0, Timestamp(0), b"a0", b"fraud");
        }
        turns(&mut worker, 1);
        alerts(&log).len()
    };
    assert_eq!(append(1), 1, "nothing else waits");
    assert_eq!(append(7), 1, "more records wait than the batch has room for");
    assert_eq!(append(0), 1);
    assert_eq!(append(0), 8, "the worker has caught up");
}

#[test]
fn a_commit_for_an_alert_takes_its_shard_along_and_leaves_the_others_to_the_interval() {
    let (log, clock) = (Log::new("events", PARTITIONS), Clock::by_hand(Timestamp(0)));
    let timings = Timings {
        commit_interval: Duration::from_secs(100),
        alert_gap: Some(Duration::from_millis(2)),
        clock: clock.clone(),
        ..Timings::default()
    };
    let mut worker = alone(&log, timings, || true);
    turns(&mut worker, 10);
    let mut after = |partition: u32, value: &[u8], passed: Duration| {
        log.append(partition, Timestamp(0), b"a0", value);
        clock.pass(passed);
        turns(&mut worker, 10);
        let committed: Vec<i64> =
            (0..PARTITIONS).map(|of| log.committed(of).map_or(0, |(next, _)| next)).collect();
        let lines = |(_, entry): (i64, Entry)| String::from_utf8(entry.value).unwrap();
        let verdicts = (0..PARTITIONS).flat_map(|of| log.read("bank.verdicts", of)).map(lines);
        (committed, verdicts.collect::<Vec<_>>().join(" "))
    };
    let soon = Duration::from_millis(5);
    assert_eq!(after(1, b"odd", soon), (vec![0, 0, 0, 0], String::new()), "no reader waits for it");
    assert_eq!(after(2, b"coffee", soon), (vec![0, 0, 0, 0], String::new()));
    assert_eq!(after(0, b"fraud", soon), (vec![1, 0, 0, 0], "0:0:1".to_owned()));
    assert_eq!(after(1, b"fraud", soon), (vec![1, 2, 0, 0], "0:0:1 1:0:1 1:1:2".to_owned()), "in order");
    assert_eq!(after(3, b"odd", soon), (vec![1, 2, 0, 0], "0:0:1 1:0:1 1:1:2".to_owned()));
    let all = "0:0:1 1:0:1 1:1:2 3:0:1".to_owned();
    assert_eq!(after(0, b"coffee", Duration::from_secs(100)), (vec![2, 2, 1, 1], all));
}

#[test]
fn a_worker_goes_on_judging_while_its_commit_is_under_way() {
    let log = Log::new("events", PARTITIONS);
    let expected = written(&log, 40);
    let answers = Rc::new(Cell::new(false));
    let answer = Rc::clone(&answers);
    let timings = Timings { commit_interval: Duration::ZERO, ..Timings::default() };
    let mut worker = alone(&log, timings, move || answer.get());
    turns(&mut worker, 60);
    let judged: u64 = worker.live().flat_map(|(_, of)| of.counts.values()).sum();
    assert_eq!(judged, 40, "everything");
    assert!(alerts(&log).is_empty() && (0..PARTITIONS).all(|of| log.committed(of).is_none()));
    answers.set(true);
    turns(&mut worker, 2);
    assert_eq!(alerts(&log), expected);
    assert!((0..PARTITIONS).all(|partition| log.committed(partition).unwrap().0 == 10));
}

fn turns(worker: &mut Tested, count: usize) {
    for _ in 0..count {
        assert!(worker.turn().unwrap());
    }
}

#[test]
fn every_record_is_judged_and_committed_and_a_stop_leaves_nothing_open() {
    let log = Log::new("events", PARTITIONS);
    let expected = written(&log, 200);
    let (mut worker, member) = member(&log, false, |_| {});
    turns(&mut worker, 100);
    assert!(member.reporter.status.reasons().is_empty(), "{:?}", member.reporter.status.reasons());
    member.reporter.status.shutdown().request();
    worker.run().unwrap();
    assert_eq!(alerts(&log), expected);
    assert!((0..PARTITIONS).all(|partition| log.committed(partition).unwrap().0 == 50));
}

#[test]
fn a_shard_that_moves_is_filled_before_anything_of_it_is_judged() {
    let log = Log::new("events", PARTITIONS);
    let expected = written(&log, 200);
    let (mut first, _) = member(&log, true, |_| {});
    turns(&mut first, 20);
    let (mut second, _) = member(&log, true, |_| {});
    for _ in 0..100 {
        turns(&mut first, 1);
        turns(&mut second, 1);
    }
    assert_eq!(alerts(&log), expected);
    let calls = second.processor().calls.all();
    assert!(calls.iter().any(|(call, _)| *call == "step"), "the second took part: {calls:?}");
    for shard in 0..PARTITIONS {
        let of: Vec<&str> = calls.iter().filter(|(_, of)| *of == shard).map(|(call, _)| *call).collect();
        let begins = |order: &[&str]| of.iter().zip(order).all(|(called, wanted)| called == wanted);
        assert!(of.is_empty() || begins(&["open", "restore", "live", "step"]), "{shard}: {of:?}");
    }
    assert!(first.processor().calls.all().iter().any(|(call, _)| *call == "release"));
}

#[test]
fn the_decision_state_is_folded_from_committed_verdicts_each_once() {
    let log = Log::new("events", PARTITIONS);
    let expected = written(&log, 80);
    // Commits fail for a while: the worker dies with outputs sent but not committed.
    let refuse = |sink: &mut MemorySink| {
        let again = || CommitError::Again("the broker is away".to_owned());
        sink.refusals = std::iter::repeat_with(again).skip(5).take(10_000).collect();
    };
    let (mut dying, died) = member(&log, false, refuse);
    turns(&mut dying, 30);
    assert!(died.reporter.status.reasons().iter().any(|reason| reason.contains("the broker is away")));
    drop(dying);
    is_missed(&log, &died);
    let (mut next, _) = member(&log, false, |_| {});
    turns(&mut next, 100);
    let mut distinct = alerts(&log);
    let sent = distinct.len();
    distinct.dedup();
    assert_eq!(distinct, expected, "at least once: none is missing, and a repeat is the same to the byte");
    assert!(sent > distinct.len(), "the crash did repeat something");
    // A third reads back the journal with its repeats.
    let (mut third, _) = member(&log, false, |_| {});
    drop(next);
    log.expel(2);
    turns(&mut third, 20);
    let mut folded: Vec<String> = third.live().flat_map(|(_, of)| of.folded.iter().cloned()).collect();
    folded.sort();
    assert_eq!(folded, expected);
}

#[test]
fn a_full_producer_queue_slows_the_source_and_loses_nothing() {
    let log = Log::new("events", PARTITIONS);
    let expected = written(&log, 100);
    let (mut worker, _) = member(&log, false, |sink| sink.room = Some(2));
    turns(&mut worker, 80);
    assert_eq!(alerts(&log), expected);
}

#[test]
fn after_an_aborted_commit_the_shards_are_filled_anew_and_the_alerts_are_the_same() {
    for refusal in [CommitError::Aborted, CommitError::Unknown] {
        let log = Log::new("events", PARTITIONS);
        let expected = written(&log, 200);
        let refuse = |sink: &mut MemorySink| {
            sink.refusals = [refusal("fenced".to_owned())].into();
        };
        let (mut worker, member) = member(&log, true, refuse);
        turns(&mut worker, 12);
        assert!(member.reporter.status.reasons().iter().any(|reason| reason.contains("fenced")));
        std::thread::sleep(Duration::from_millis(250));
        turns(&mut worker, 120);
        assert_eq!(alerts(&log), expected);
        assert!(member.reporter.status.reasons().is_empty(), "{:?}", member.reporter.status.reasons());
        assert!(!member.reporter.status.clear(0, Condition::Commit));
    }
}

#[test]
fn a_worker_whose_shards_were_lost_is_ready_again_on_a_quiet_topic() {
    let log = Log::new("events", PARTITIONS);
    let expected = written(&log, 20);
    let refuse = |sink: &mut MemorySink| {
        let again = || CommitError::Again("the broker is away".to_owned());
        sink.refusals = std::iter::repeat_with(again).take(100_000).collect();
    };
    let (mut first, lost) = member(&log, true, refuse);
    turns(&mut first, 10);
    assert!(lost.reporter.status.reasons().iter().any(|reason| reason.contains("the broker is away")));
    log.expel(lost.number);
    log.time_out(&producer(lost.number));
    let (mut second, _) = member(&log, true, |_| {});
    turns(&mut second, 60);
    assert_eq!(alerts(&log), expected, "everything is judged and committed, and nothing more comes");
    for _ in 0..60 {
        turns(&mut first, 1);
        turns(&mut second, 1);
    }
    assert!(first.live().count() > 0, "it has shards again");
    assert!(lost.reporter.status.reasons().is_empty(), "{:?}", lost.reporter.status.reasons());
}

#[test]
fn a_stop_that_cannot_commit_says_so_within_its_bound() {
    let log = Log::new("events", PARTITIONS);
    written(&log, 20);
    let refuse = |sink: &mut MemorySink| {
        let again = || CommitError::Again("the broker is away".to_owned());
        sink.refusals = std::iter::repeat_with(again).take(100_000).collect();
    };
    let (mut worker, member) = member(&log, false, refuse);
    turns(&mut worker, 10);
    member.reporter.status.shutdown().request();
    let error = worker.run().map(drop).unwrap_err();
    assert!(error.to_string().contains("uncommitted"), "{error}");
}

#[test]
fn a_stop_whose_commit_is_undone_says_so() {
    let log = Log::new("events", PARTITIONS);
    written(&log, 20);
    let refuse = |sink: &mut MemorySink| {
        let away = CommitError::Again("the broker is away".to_owned());
        sink.refusals = [away, CommitError::Aborted("fenced".to_owned())].into();
    };
    let (mut worker, member) = member(&log, false, refuse);
    while !member.reporter.status.reasons().iter().any(|reason| reason.contains("away")) {
        turns(&mut worker, 1);
    }
    member.reporter.status.shutdown().request();
    let error = worker.run().map(drop).unwrap_err();
    assert!(error.to_string().contains("uncommitted"), "{error}");
}

/// A sink whose commits get no answer as long as the other end of this stands.
struct Silent(std::sync::mpsc::Receiver<()>);

impl Sink for Silent {
    fn send(&mut self, _: ShardId, out: &Outputs, _: usize) -> Result<usize, SinkError> {
        Ok(out.records.len())
    }

    fn commit(&mut self, _: &[Position], _: Duration) -> Result<(), CommitError> {
        let _ = self.0.recv();
        Ok(())
    }

    fn abort(&mut self) -> Result<bool, SinkError> {
        Ok(true)
    }
}

#[test]
fn a_stop_does_not_wait_for_a_commit_that_is_never_answered() {
    let log = Log::new("events", PARTITIONS);
    written(&log, 20);
    let source = MemorySource::join(&log, 3, None);
    let recovery = MemoryRecovery::new(&log, PREFIX, EVERYTHING, None);
    let (silence, sink) = std::sync::mpsc::channel();
    let (reporter, leave_within) = (Arc::<Reporter>::default(), Duration::from_millis(50));
    let timings = Timings { commit_interval: Duration::ZERO, leave_within, ..Timings::default() };
    let mut worker = worker(source, OutputBuffer::threaded(Silent(sink), 0), recovery, (timings, &reporter));
    for _ in 0..10 {
        assert!(worker.turn().unwrap());
    }
    reporter.status.shutdown().request();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        // Whatever becomes of the worker: the test ends.
        scope.spawn(move || {
            let in_time = receiver.recv_timeout(Duration::from_secs(10));
            drop(silence);
            in_time.expect("the worker ends while its commit has no answer");
        });
        let error = worker.run().map(drop).unwrap_err();
        assert!(error.to_string().contains("uncommitted"), "{error}");
        let _ = sender.send(());
    });
}

/// A small generator of our own: the test needs variety, not quality.
fn roll(state: &mut u64, sides: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % sides
}

#[test]
fn random_crashes_joins_and_aborts_give_the_same_alerts_exactly_once() {
    let (mut crashes, mut aborts, mut joins) = (0, 0, 0);
    for seed in 0..200 {
        let mut dice = seed * 7_919 + 1;
        let log = Log::new("events", PARTITIONS);
        let expected = written(&log, 120);
        let mut members: Vec<(Tested, Member)> = vec![member(&log, true, |_| {})];
        for _ in 0..150 {
            match roll(&mut dice, 24) {
                0 if members.len() < 3 => {
                    joins += 1;
                    let abort = roll(&mut dice, 2) == 0;
                    aborts += u64::from(abort);
                    let refusal = || CommitError::Aborted("injected".to_owned());
                    let change = |sink: &mut MemorySink| sink.refusals.extend(abort.then(refusal));
                    members.push(member(&log, true, change));
                }
                1 | 2 if !members.is_empty() => {
                    crashes += 1;
                    let place = usize::try_from(roll(&mut dice, members.len() as u64)).unwrap();
                    let (worker, gone) = members.swap_remove(place);
                    drop(worker);
                    is_missed(&log, &gone);
                }
                _ => {}
            }
            for (worker, _) in &mut members {
                if roll(&mut dice, 3) > 0 {
                    turns(worker, 1);
                }
            }
        }
        for (worker, gone) in members {
            drop(worker);
            is_missed(&log, &gone);
        }
        let (mut last, _) = member(&log, true, |_| {});
        turns(&mut last, 150);
        assert_eq!(alerts(&log), expected, "seed {seed}");
    }
    println!("crashes {crashes}, aborts {aborts}, joins {joins}");
    assert!(crashes > 200 && aborts > 50 && joins > 200, "the dice must bite");
}
