//! An Apache Kafka of the tests' own, and what the tests do with it from outside.

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tripline::io::kafka::{KafkaSettings, create_topics};
use tripline_core::installation::Lookback;

/// A running broker; it is stopped when this is dropped.
pub struct Cluster {
    folder: tempfile::TempDir,
    port: u16,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/broker")
}

/// A port that is free together with the next one, which the controller takes.
fn free_port() -> u16 {
    loop {
        let first = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

impl Cluster {
    pub fn start() -> Cluster {
        let cluster = Cluster { folder: tempfile::tempdir().unwrap(), port: free_port() };
        cluster.broker("start");
        cluster
    }

    /// `start`, `stop` or `kill`.
    pub fn broker(&self, what: &str) {
        let mut command = Command::new(script());
        command.arg(what).arg(self.folder.path());
        if what == "start" {
            command.arg(self.port.to_string());
        }
        let done = command.status().unwrap();
        assert!(done.success(), "broker {what}: {done}");
    }

    /// Where it is.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Settings of a service with its own topics, group and prefix, and the topics made.
    pub fn service(&self, name: &str, partitions: u32) -> KafkaSettings {
        let brokers = self.brokers();
        let mut settings = KafkaSettings::new(&brokers, &format!("{name}.events"), name, name);
        settings.workers = 1;
        settings.lookback =
            Lookback { input_ms: 86_400_000, verdicts_ms: 86_400_000, row_retention_ms: 86_400_000 };
        settings.client.insert("session.timeout.ms".to_owned(), "6000".to_owned());
        create_topics(&settings, partitions, Some(1)).unwrap();
        settings
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(script()).arg("stop").arg(self.folder.path()).status();
    }
}

/// Number of a record that cannot be read.
pub const UNREADABLE: u32 = 77_777;

/// Appends records of 1,000 accounts, numbered from `from`.
pub fn produce(settings: &KafkaSettings, partitioner: &str, from: u32, count: u32) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("partitioner", partitioner)
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .create()
        .unwrap();
    for number in from..from + count {
        let key = format!("account-{}", number.wrapping_mul(7_919) % 1_000);
        let value =
            if number == UNREADABLE { "unreadable".to_owned() } else { format!("{{\"n\":{number}}}") };
        loop {
            match producer.send(BaseRecord::to(&settings.topic).key(&key).payload(&value)) {
                Ok(()) => break,
                Err((error, _)) if error.to_string().contains("Queue full") => {
                    producer.poll(Duration::from_millis(10));
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}

fn transaction(settings: &KafkaSettings, whose: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("transactional.id", format!("{}-{whose}", settings.topic))
        .create()
        .unwrap();
    producer.init_transactions(Duration::from_secs(30)).unwrap();
    producer.begin_transaction().unwrap();
    producer
}

/// What a worker leaves behind that dies as it commits a position of each of two partitions: to the first it has
/// written, too. The group must be empty.
pub fn die_in_transaction(settings: &KafkaSettings, written: (i32, i64), read: (i32, i64)) -> BaseProducer {
    let (producer, within) = (transaction(settings, "dead"), Duration::from_secs(30));
    let journal = settings.topics().verdicts;
    let verdict: BaseRecord<'_, str, str> =
        BaseRecord::to(&journal).partition(written.0).payload("never committed");
    producer.send(verdict).map_err(|(error, _)| error).unwrap();
    producer.flush(within).unwrap();
    let member: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", &settings.group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for (partition, next) in [written, read] {
        list.add_partition_offset(&settings.topic, partition, Offset::Offset(next)).unwrap();
    }
    producer.send_offsets_to_transaction(&list, &member.group_metadata().unwrap(), within).unwrap();
    producer
}

/// Undoes it, as the broker does after a time.
pub fn undo_transaction(producer: BaseProducer) {
    producer.abort_transaction(Duration::from_secs(30)).unwrap();
}

/// A producer that has written one record of a transaction and leaves it open.
pub fn begin_transaction(settings: &KafkaSettings) -> BaseProducer {
    let (producer, within) = (transaction(settings, "upstream"), Duration::from_secs(30));
    producer
        .send(BaseRecord::to(&settings.topic).key("account-1").payload("{}"))
        .map_err(|(error, _)| error)
        .unwrap();
    producer.flush(within).unwrap();
    producer
}

/// Commits it.
pub fn end_transaction(producer: BaseProducer) {
    producer.commit_transaction(Duration::from_secs(30)).unwrap();
}

/// A record as an outsider sees it.
pub struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub key: String,
    pub value: String,
    pub headers: BTreeMap<String, String>,
}

fn outsider(settings: &KafkaSettings) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", "outsider")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "20")
        .create()
        .unwrap()
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> i32 {
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
    i32::try_from(metadata.topics()[0].partitions().len()).unwrap()
}

/// Everything committed in a topic, partition by partition in order.
pub fn read_all(settings: &KafkaSettings, topic: &str) -> Vec<Seen> {
    let consumer = outsider(settings);
    let count = partitions(&consumer, topic);
    let mut list = TopicPartitionList::new();
    for partition in 0..count {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut seen, mut ended) = (Vec::new(), 0);
    while ended < count {
        match consumer.poll(Duration::from_secs(30)).expect("a record or an end within 30 s") {
            Ok(message) => {
                let text =
                    |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
                let headers = message.headers().into_iter().flat_map(Headers::iter);
                seen.push(Seen {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: text(message.key()),
                    value: text(message.payload()),
                    headers: headers.map(|one| (one.key.to_owned(), text(one.value))).collect(),
                });
            }
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("{topic}: {error}"),
        }
    }
    seen.sort_by_key(|one| (one.partition, one.offset));
    seen
}

/// The group's committed offset and the end of every partition; −1 where nothing was committed.
pub fn committed(settings: &KafkaSettings) -> Vec<(i64, i64)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", &settings.group)
        .create()
        .unwrap();
    let count = partitions(&consumer, &settings.topic);
    let mut list = TopicPartitionList::new();
    list.add_partition_range(&settings.topic, 0, count - 1);
    // A broker that has just returned is not the group's coordinator yet.
    let began = Instant::now();
    let list = loop {
        match consumer.committed_offsets(list.clone(), Duration::from_secs(10)) {
            Ok(list) => break list,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(30), "{error}"),
        }
    };
    let position = |partition| {
        let offset = match list.find_partition(&settings.topic, partition).unwrap().offset() {
            Offset::Offset(offset) => offset,
            _ => -1,
        };
        let (_, end) =
            consumer.fetch_watermarks(&settings.topic, partition, Duration::from_secs(10)).unwrap();
        (offset, end)
    };
    (0..count).map(position).collect()
}

fn admin(settings: &KafkaSettings) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap()
}

fn wait_for<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

/// Whose clock stamps the input topic: `CreateTime` or `LogAppendTime`.
pub fn stamp(settings: &KafkaSettings, kind: &str) {
    alter(settings, &settings.topic, "message.timestamp.type", kind);
}

/// Sets one setting of a topic.
pub fn alter(settings: &KafkaSettings, topic: &str, name: &str, value: &str) {
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
    wait_for(admin(settings).alter_configs([&change], &AdminOptions::new())).unwrap();
}

/// Adds partitions to the input until it has so many.
pub fn add_partitions(settings: &KafkaSettings, count: usize) {
    let more = NewPartitions::new(&settings.topic, count);
    wait_for(admin(settings).create_partitions([&more], &AdminOptions::new())).unwrap();
}

/// Deletes what lies before these offsets of the input, as retention does.
pub fn delete_before(settings: &KafkaSettings, offsets: &[i64]) {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in (0..).zip(offsets) {
        list.add_partition_offset(&settings.topic, partition, Offset::Offset(*offset)).unwrap();
    }
    wait_for(admin(settings).delete_records(&list, &AdminOptions::new())).unwrap();
}
