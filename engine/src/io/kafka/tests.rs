//! The Kafka source, sinks and recovery against librdkafka's in-process broker, where a broker's misbehaviour can be
//! ordered.

use super::client::Health;
use super::mock::MockBroker;
use super::{AtLeastOnce, KafkaRecovery, KafkaSettings, KafkaSource, RunError, group, run};
use crate::ops::reporter::Reporter;
use crate::runtime::clock::Clock;
use crate::runtime::output_buffer::OutputBuffer;
use crate::runtime::processor::Processor;
use crate::runtime::recovery::History;
use crate::runtime::report::Report;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::{Position, Source};
use crate::runtime::worker::{Parts, Timings, Worker};
use crate::settings::{Guarantee, InputClock};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tripline_core::batch::{Batch, ShardId};
use tripline_core::installation::Lookback;
use tripline_core::outputs::{Output, Outputs, Topic};
use tripline_core::snapshot::InputTopic;

const PARTITIONS: u32 = 3;

/// A verdict for every record, with the number of records its shard has seen.
#[derive(Default)]
struct Numbering {
    judged: Arc<AtomicU64>,
}

impl Processor for Numbering {
    /// Records seen.
    type Shard = u64;

    fn open(&mut self, _: &Position) -> u64 {
        0
    }

    fn restore(&mut self, seen: &mut u64, batch: &Batch) {
        *seen += batch.records.len() as u64;
    }

    fn fold_verdicts(&mut self, _: &mut u64, _: &Batch) {}

    fn live(&mut self, _: &mut u64, _: &History) {}

    fn step(&mut self, seen: &mut u64, batch: &Batch, out: &mut Outputs) {
        for record in &batch.records {
            *seen += 1;
            let start = out.bytes.len();
            out.bytes.extend_from_slice(format!("{}:{seen}", record.offset).as_bytes());
            let value = start..out.bytes.len();
            let topic = Topic::Verdicts;
            out.records.push(Output { topic, cause: record.offset, key: 0..0, value, headers: 0..0 });
        }
        self.judged.fetch_add(batch.records.len() as u64, Ordering::Relaxed);
    }

    fn idle(&mut self, _: &mut u64) {}
}

fn settings(broker: &MockBroker) -> KafkaSettings {
    broker.topics("events", "bank", PARTITIONS).unwrap();
    let mut settings = KafkaSettings::new(&broker.brokers(), "events", "tripline", "bank");
    settings.workers = 1;
    // This broker accepts transactions and takes nothing back.
    settings.guarantee = Guarantee::AtLeastOnce;
    settings.clock = InputClock::CreateTime;
    settings.lookback =
        Lookback { input_ms: 86_400_000, verdicts_ms: 86_400_000, row_retention_ms: 86_400_000 };
    settings
}

/// A process's reporter, twice, and its shutdown.
fn reporting() -> (Arc<Reporter>, Arc<dyn Report>, Shutdown) {
    let reporter = Arc::<Reporter>::default();
    let shutdown = reporter.status.shutdown().clone();
    (Arc::clone(&reporter), reporter, shutdown)
}

/// The workers of a process on a thread.
struct Running {
    reporter: Arc<Reporter>,
    judged: Arc<AtomicU64>,
    shutdown: Shutdown,
    work: JoinHandle<Result<(), RunError>>,
}

impl Running {
    fn start(settings: &KafkaSettings) -> Running {
        let (reporter, report, shutdown) = reporting();
        let judged = Arc::new(AtomicU64::new(0));
        let (settings, counter, requested) = (settings.clone(), Arc::clone(&judged), shutdown.clone());
        let make = move |_: usize, _: &InputTopic| Numbering { judged: Arc::clone(&counter) };
        let work = std::thread::spawn(move || run(&settings, &report, &requested, None, make));
        Running { reporter, judged, shutdown, work }
    }

    fn judged(&self) -> u64 {
        self.judged.load(Ordering::Relaxed)
    }

    fn reasons(&self) -> Vec<String> {
        self.reporter.status.reasons()
    }

    fn stop(self) {
        self.shutdown.request();
        self.work.join().unwrap().unwrap();
    }
}

fn produce(settings: &KafkaSettings, count: u32) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap();
    for number in 0..count {
        let partition = i32::try_from(number % PARTITIONS).unwrap();
        let record: BaseRecord<'_, str, str> =
            BaseRecord::to(&settings.topic).partition(partition).key("account").payload("{}");
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// Distinct verdicts of each partition, and how many there are with repeats.
fn verdicts(settings: &KafkaSettings) -> (Vec<Vec<(i64, u64)>>, usize) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", "outsider")
        .create()
        .unwrap();
    let topic = settings.topics().verdicts;
    let (mut all, mut list, mut left) = (vec![Vec::new(); PARTITIONS as usize], TopicPartitionList::new(), 0);
    for partition in 0..i32::try_from(PARTITIONS).unwrap() {
        list.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
        left += consumer.fetch_watermarks(&topic, partition, Duration::from_secs(10)).unwrap().1;
    }
    consumer.assign(&list).unwrap();
    let count = usize::try_from(left).unwrap();
    for _ in 0..count {
        let message = consumer.poll(Duration::from_secs(10)).unwrap().unwrap();
        let line = std::str::from_utf8(message.payload().unwrap()).unwrap();
        let (offset, seen) = line.split_once(':').unwrap();
        let partition = usize::try_from(message.partition()).unwrap();
        all[partition].push((offset.parse().unwrap(), seen.parse().unwrap()));
    }
    for of in &mut all {
        of.sort_unstable();
        of.dedup();
    }
    (all, count)
}

/// Every record has a verdict that was judged from a whole past.
fn assert_whole(verdicts: &[Vec<(i64, u64)>], records: u32) {
    for (partition, of) in verdicts.iter().enumerate() {
        let expected: Vec<(i64, u64)> = (0..i64::from(records / PARTITIONS)).zip(1..).collect();
        assert_eq!(of, &expected, "partition {partition}");
    }
}

fn await_that(mut is_met: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_met() {
        assert!(began.elapsed() < Duration::from_secs(60), "it takes too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_in_process_broker_serves_a_whole_run() {
    let broker = MockBroker::start().unwrap();
    let settings = settings(&broker);
    produce(&settings, 3_000);
    let running = Running::start(&settings);
    await_that(|| running.judged() == 3_000);
    await_that(|| running.reasons().is_empty());
    running.stop();
    let (verdicts, count) = verdicts(&settings);
    assert_whole(&verdicts, 3_000);
    assert_eq!(count, 3_000);
}

/// A sink whose third commit fails as if a record had not been delivered, and which counts.
struct Failing {
    sink: AtLeastOnce,
    commits: Arc<Mutex<u32>>,
}

impl Sink for Failing {
    fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        self.sink.send(shard, out, from)
    }

    fn commit(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError> {
        let mut commits = self.commits.lock().unwrap();
        *commits += 1;
        if *commits == 3 {
            return Err(CommitError::Aborted("injected".to_owned()));
        }
        self.sink.commit(next, wait)
    }

    fn abort(&mut self) -> Result<bool, SinkError> {
        self.sink.abort()
    }
}

#[test]
fn after_an_abort_the_consumer_goes_back_to_the_committed_offsets() {
    let broker = MockBroker::start().unwrap();
    let mut settings = settings(&broker);
    settings.batch_max = 50;
    produce(&settings, 3_000);
    let settings = Arc::new(settings);
    let (reporter, report, shutdown) = reporting();
    let health = Health { worker: 0, report: Arc::clone(&report), shutdown: shutdown.clone() };
    let partitions = group::prepare(&settings, &health).unwrap().partitions;
    let source = KafkaSource::join(Arc::clone(&settings), &health, partitions).unwrap();
    let sink =
        AtLeastOnce::new(Arc::clone(&settings), health.clone(), source.consumer(), partitions).unwrap();
    let commits = Arc::new(Mutex::new(0));
    let sink = Failing { sink, commits: Arc::clone(&commits) };
    let judged = Arc::new(AtomicU64::new(0));
    let processor = Numbering { judged: Arc::clone(&judged) };
    let recovery = KafkaRecovery::start(Arc::clone(&settings), health, None, PARTITIONS);
    let timings = Timings { commit_interval: Duration::ZERO, ..Timings::default() };
    // Every turn ends its commit, so that there are more than three.
    let outputs = OutputBuffer::stepped(sink, || true);
    let parts = Parts { source, outputs, processor, recovery, report, shutdown: shutdown.clone() };
    let mut worker = Worker::new(parts, timings);
    let began = Instant::now();
    let is_through = || {
        let shards = reporter.status.shards();
        let each = i64::from(3_000 / PARTITIONS);
        shards.len() == PARTITIONS as usize && shards.iter().all(|(_, status)| status.next == Some(each))
    };
    while *commits.lock().unwrap() <= 3 || !is_through() {
        assert!(worker.turn().unwrap());
        assert!(began.elapsed() < Duration::from_secs(60), "judged {judged:?} after {commits:?} commits");
    }
    assert!(judged.load(Ordering::Relaxed) > 3_000, "going back judges some records again");
    shutdown.request();
    worker.run().unwrap();
    let (verdicts, count) = verdicts(&settings);
    assert_whole(&verdicts, 3_000);
    assert!(count > 3_000, "the batch under way was judged twice");
}

#[test]
fn a_slow_broker_slows_the_source_and_memory_stays_bounded() {
    let broker = MockBroker::start().unwrap();
    let mut settings = settings(&broker);
    produce(&settings, 3_000);
    // Room for 200 records that a broker takes 700 ms to acknowledge: the queue stays full for over a second.
    settings.client.insert("queue.buffering.max.messages".to_owned(), "200".to_owned());
    settings.client.insert("batch.num.messages".to_owned(), "50".to_owned());
    let running = Running::start(&settings);
    await_that(|| running.judged() > 0);
    broker.0.broker_round_trip_time(1, Duration::from_millis(700)).unwrap();
    await_that(|| running.reasons().iter().any(|line| line.contains("the producer's queue is full")));
    broker.0.broker_round_trip_time(1, Duration::from_millis(1)).unwrap();
    await_that(|| running.judged() == 3_000 && running.reasons().is_empty());
    running.stop();
    let (verdicts, count) = verdicts(&settings);
    assert_whole(&verdicts, 3_000);
    assert_eq!(count, 3_000, "nothing is lost or sent twice by the pause");
}

#[test]
fn an_outage_is_reported_until_a_broker_answers_again() {
    let broker = MockBroker::start().unwrap();
    let settings = settings(&broker);
    produce(&settings, 300);
    let running = Running::start(&settings);
    await_that(|| running.judged() == 300 && running.reasons().is_empty());
    let metric = |value: u8| {
        running.reporter.metrics.text().contains(&format!("tripline_brokers_reachable {value}\n"))
    };
    let stale_since = || running.reporter.status.stale_since(Clock::default().wall());
    await_that(|| metric(1) && stale_since().is_none());
    broker.0.broker_down(1).unwrap();
    await_that(|| running.reasons().iter().any(|line| line.starts_with("no broker answers: ")));
    assert!(metric(0) && stale_since().is_some());
    broker.0.broker_up(1).unwrap();
    await_that(|| running.reasons().is_empty());
    assert!(metric(1) && stale_since().is_none());
    running.stop();
}

#[test]
fn a_member_can_leave_at_any_moment_of_its_joining() {
    let broker = MockBroker::start().unwrap();
    let settings = settings(&broker);
    let (ended, receiver) = channel();
    let moments = (0..600).step_by(40).flat_map(|ms| [(ms, false), (ms, true)]);
    for (ms, polls) in moments.clone() {
        let (mut settings, ended) = (settings.clone(), ended.clone());
        settings.group = format!("{ms}-{polls}");
        std::thread::spawn(move || {
            let (_, report, shutdown) = reporting();
            let health = Health { worker: 0, report, shutdown };
            let mut source = KafkaSource::join(Arc::new(settings), &health, PARTITIONS).unwrap();
            let (began, mut batch) = (Instant::now(), Batch::new(ShardId::account(0)));
            while began.elapsed() < Duration::from_millis(ms) {
                if polls {
                    source.poll(&mut batch, Duration::from_millis(5)).unwrap();
                } else {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            source.close();
            drop(source);
            ended.send((ms, polls))
        });
    }
    let mut left: Vec<_> = moments.collect();
    while !left.is_empty() {
        let gone = receiver.recv_timeout(Duration::from_secs(30));
        let gone =
            gone.unwrap_or_else(|_| panic!("ms after it began to join, and whether it polled: {left:?}"));
        left.retain(|moment| *moment != gone);
    }
}

#[test]
fn a_stop_is_obeyed_at_once_when_no_broker_was_ever_reachable() {
    let settings = KafkaSettings::new("127.0.0.1:9", "events", "tripline", "bank");
    let (report, shutdown) = (Arc::<Reporter>::default() as Arc<dyn Report>, Shutdown::default());
    let (ended, end) = channel();
    {
        let shutdown = shutdown.clone();
        std::thread::spawn(move || {
            let result = run(&settings, &report, &shutdown, None, |_, _| Numbering::default());
            let _ = ended.send(result.map_err(|error| error.to_string()));
        });
    }
    assert!(end.recv_timeout(Duration::from_millis(500)).is_err(), "it goes on trying");
    shutdown.request();
    assert_eq!(end.recv_timeout(Duration::from_secs(3)), Ok(Ok(())));
}
