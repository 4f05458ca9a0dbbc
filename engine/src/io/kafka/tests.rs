//! The Kafka edge against librdkafka's in-process broker, where a broker's misbehaviour can be ordered.

use super::client::Health;
use super::mock::MockBroker;
use super::{AtLeastOnce, Guarantee, InputClock, KafkaRecovery, KafkaSettings, KafkaSource, run, topics};
use crate::ops::metrics::Metrics;
use crate::ops::status::Status;
use crate::runtime::outbox::Outbox;
use crate::runtime::processor::Processor;
use crate::runtime::recovery::{History, Reach};
use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::{Position, Source};
use crate::runtime::worker::{Pace, Worker};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::outputs::{Output, Outputs, Topic};

const PARTITIONS: u32 = 3;

/// A verdict for every record, with the number of records its shard has seen.
#[derive(Default)]
struct Numbering {
    seen: Vec<u64>,
    judged: Arc<AtomicU64>,
}

impl Processor for Numbering {
    fn assign(&mut self, at: &Position) {
        self.seen.resize(PARTITIONS as usize, 0);
        self.seen[at.shard.partition as usize] = 0;
    }

    fn restore(&mut self, batch: &Batch) {
        self.seen[batch.shard.partition as usize] += batch.records.len() as u64;
    }

    fn fold_verdicts(&mut self, _: &Batch) {}

    fn live(&mut self, _: ShardId, _: &History) {}

    fn step(&mut self, batch: &Batch, out: &mut Outputs) {
        for record in &batch.records {
            let seen = &mut self.seen[batch.shard.partition as usize];
            *seen += 1;
            let start = out.bytes.len();
            out.bytes.extend_from_slice(format!("{}:{seen}", record.offset).as_bytes());
            let value = start..out.bytes.len();
            let topic = Topic::Verdicts;
            out.records.push(Output { topic, cause: record.offset, key: 0..0, value, headers: 0..0 });
        }
        self.judged.fetch_add(batch.records.len() as u64, Ordering::Relaxed);
    }

    fn advance(&mut self, _: ShardId, _: Timestamp, _: &mut Outputs) {}

    fn revoke(&mut self, _: ShardId) {}
}

fn settings(broker: &MockBroker) -> KafkaSettings {
    broker.topics("events", "bank", PARTITIONS).unwrap();
    let mut settings = KafkaSettings::new(&broker.brokers(), "events", "tripline", "bank");
    settings.workers = 1;
    // This broker accepts transactions and takes nothing back.
    settings.guarantee = Guarantee::AtLeastOnce;
    settings.clock = InputClock::CreateTime;
    settings.reach = Reach { rows_ms: 86_400_000, verdicts_ms: 86_400_000, retention_ms: 86_400_000 };
    settings
}

fn produce(settings: &KafkaSettings, count: u32) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap();
    for number in 0..count {
        let partition = i32::try_from(number % PARTITIONS).unwrap();
        let record: BaseRecord<'_, str, str> =
            BaseRecord::to(&settings.topic).partition(partition).key("account").payload("{}");
        producer.send(record).map_err(|(fault, _)| fault).unwrap();
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

fn await_that(mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "it takes too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_in_process_broker_serves_a_whole_run() {
    let broker = MockBroker::start().unwrap();
    let settings = settings(&broker);
    produce(&settings, 3_000);
    let (status, metrics) = (Arc::<Status>::default(), Arc::new(Metrics::new()));
    let judged = Arc::new(AtomicU64::new(0));
    let work = {
        let (settings, status, judged) = (settings.clone(), Arc::clone(&status), Arc::clone(&judged));
        let make = move |_, _| Numbering { judged: Arc::clone(&judged), ..Numbering::default() };
        std::thread::spawn(move || run(&settings, &status, &metrics, None, make))
    };
    await_that(|| judged.load(Ordering::Relaxed) == 3_000);
    await_that(|| status.reasons().is_empty());
    status.stop();
    work.join().unwrap().unwrap();
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
    let (status, metrics) = (Arc::<Status>::default(), Arc::new(Metrics::new()));
    let health = Health { worker: 0, status: Arc::clone(&status), metrics: Arc::clone(&metrics) };
    let partitions = topics::prepare(&settings, &health).unwrap();
    let source = KafkaSource::join(Arc::clone(&settings), health.clone(), partitions).unwrap();
    let sink = AtLeastOnce::new(&settings, health.clone(), source.consumer(), partitions).unwrap();
    let commits = Arc::new(Mutex::new(0));
    let sink = Failing { sink, commits: Arc::clone(&commits) };
    let judged = Arc::new(AtomicU64::new(0));
    let processor = Numbering { judged: Arc::clone(&judged), ..Numbering::default() };
    let recovery = KafkaRecovery::start(Arc::clone(&settings), health, None, PARTITIONS);
    let pace = Pace { commit_interval: Duration::ZERO, ..Pace::default() };
    // Every turn ends its commit, so that there are more than three.
    let outbox = Outbox::by_hand(sink, || true);
    let parts = (source, outbox, processor, recovery);
    let mut worker = Worker::new(parts, pace, Arc::clone(&status), metrics);
    let began = Instant::now();
    let is_through = || {
        let shards = status.shards();
        let each = i64::from(3_000 / PARTITIONS);
        shards.len() == PARTITIONS as usize && shards.iter().all(|(_, held)| held.next == Some(each))
    };
    while *commits.lock().unwrap() <= 3 || !is_through() {
        assert!(worker.turn().unwrap());
        assert!(began.elapsed() < Duration::from_secs(60), "judged {judged:?} after {commits:?} commits");
    }
    assert!(judged.load(Ordering::Relaxed) > 3_000, "going back judges some records again");
    status.stop();
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
    let (status, metrics) = (Arc::<Status>::default(), Arc::new(Metrics::new()));
    let judged = Arc::new(AtomicU64::new(0));
    let work = {
        let (settings, status, judged) = (settings.clone(), Arc::clone(&status), Arc::clone(&judged));
        let metrics = Arc::clone(&metrics);
        let make = move |_, _| Numbering { judged: Arc::clone(&judged), ..Numbering::default() };
        std::thread::spawn(move || run(&settings, &status, &metrics, None, make))
    };
    await_that(|| judged.load(Ordering::Relaxed) > 0);
    broker.0.broker_round_trip_time(1, Duration::from_millis(700)).unwrap();
    await_that(|| status.reasons().iter().any(|line| line.contains("the producer's queue is full")));
    broker.0.broker_round_trip_time(1, Duration::from_millis(1)).unwrap();
    await_that(|| judged.load(Ordering::Relaxed) == 3_000 && status.reasons().is_empty());
    status.stop();
    work.join().unwrap().unwrap();
    let (verdicts, count) = verdicts(&settings);
    assert_whole(&verdicts, 3_000);
    assert_eq!(count, 3_000, "nothing is lost or sent twice by the pause");
}

#[test]
fn a_member_can_leave_at_any_moment_of_its_joining() {
    let broker = MockBroker::start().unwrap();
    let settings = settings(&broker);
    let (ended, told) = channel();
    let moments = (0..600).step_by(40).flat_map(|ms| [(ms, false), (ms, true)]);
    for (ms, polls) in moments.clone() {
        let (mut settings, ended) = (settings.clone(), ended.clone());
        settings.group = format!("{ms}-{polls}");
        std::thread::spawn(move || {
            let health = Health { worker: 0, status: Arc::default(), metrics: Arc::new(Metrics::new()) };
            let mut source = KafkaSource::join(Arc::new(settings), health, PARTITIONS).unwrap();
            let (began, mut batch) = (Instant::now(), Batch::new(ShardId { space: 0, partition: 0 }));
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
        let gone = told.recv_timeout(Duration::from_secs(30));
        let gone =
            gone.unwrap_or_else(|_| panic!("ms after it began to join, and whether it polled: {left:?}"));
        left.retain(|moment| *moment != gone);
    }
}
