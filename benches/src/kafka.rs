//! A real Apache Kafka for a benchmark, and clients of it. It does not depend on the engine.

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::error::Error;
use std::net::TcpListener;
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tripline_core::batch::Timestamp;

/// Anything that ends a benchmark.
pub type Failure = Box<dyn Error>;

/// Partitions of every topic.
pub const PARTITIONS: i32 = 12;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A group that commits nothing for this time has stopped.
const MOVES_WITHIN: Duration = Duration::from_secs(120);

/// Stops the broker in the folder `$2` by the script `$1` and removes the folder when its own standard input is closed:
/// also after this process was interrupted or killed.
const KEEPER: &str = r#"trap '' HUP INT TERM; cat >/dev/null; "$1" stop "$2"; rm -rf "$2""#;

/// A running broker in a temporary folder; both are removed when this value is dropped or this process ends in any way.
pub struct Broker {
    folder: PathBuf,
    port: u16,
    keeper: Child,
}

/// The clock of a topic's timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The broker's.
    LogAppendTime,
    /// The producer's.
    CreateTime,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/broker")
}

/// Below the ports of outgoing connections: a listener finds its port free again after a restart.
const STEADY_PORTS: Range<u16> = 20_000..32_000;

/// A port that is free together with the next one, and that the system assigns to nothing else.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16, Failure> {
    // Concurrent searches begin at different ports.
    static LAST: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(STEADY_PORTS.end - STEADY_PORTS.start);
    for _ in 0..count {
        let number = LAST.fetch_add(2, Ordering::Relaxed) + std::process::id().wrapping_mul(34);
        let port = STEADY_PORTS.start + u16::try_from(number % count)?;
        if [port, port + 1].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return Ok(port);
        }
    }
    Err("no port is free".into())
}

impl Broker {
    /// Starts a broker.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start() -> Result<Broker, Failure> {
        Broker::start_behind(Ok)
    }

    /// Starts a broker that advertises another port, computed from its own.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_behind(advertised: impl FnOnce(u16) -> Result<u16, Failure>) -> Result<Broker, Failure> {
        let (folder, port) = (tempfile::tempdir()?.keep(), free_port()?);
        let advertised = advertised(port)?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .args([&script(), &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C in the terminal must not reach it.
            .process_group(0)
            .spawn()?;
        let broker = Broker { folder, port, keeper };
        broker.call("start", &[&broker.port.to_string(), &advertised.to_string()])?;
        Ok(broker)
    }

    fn call(&self, what: &str, arguments: &[&str]) -> Result<(), Failure> {
        let done = Command::new(script()).arg(what).arg(&self.folder).args(arguments).output()?;
        if done.status.success() {
            return Ok(());
        }
        // Kafka's tools write errors to their standard output.
        let output = [done.stderr, done.stdout].concat();
        Err(format!("broker {what}: {}", String::from_utf8_lossy(&output)).into())
    }

    /// Kills the broker, as a crash would.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(&self) -> Result<(), Failure> {
        self.call("kill", &[])
    }

    /// Starts the broker again with its data.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart(&self) -> Result<(), Failure> {
        self.call("start", &[])
    }

    /// Path of its log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("broker.log")
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Creates a topic with [`PARTITIONS`] partitions.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn topic(&self, name: &str, stamp: Stamp) -> Result<(), Failure> {
        let (partitions, stamp) = (PARTITIONS.to_string(), format!("message.timestamp.type={stamp:?}"));
        // Simulated timestamps may be years old: retention must not delete these records.
        let kept = ["--config", &stamp, "--config", "retention.ms=-1"];
        let made = ["--create", "--topic", name, "--partitions", &partitions];
        self.call("topics", &[&made[..], &kept[..]].concat())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The keeper tries to stop the broker for half a minute; nothing more can be done.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Publishes records to one topic, with the partitioner of the Java client.
pub struct Writer {
    topic: String,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl Writer {
    /// A writer with `linger.ms`.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(brokers: &str, topic: &str, linger_ms: u32) -> Result<Writer, Failure> {
        Ok(Writer { topic: topic.to_owned(), producer: writing(brokers, linger_ms).create()? })
    }

    /// A transactional writer: readers see its records only after [`Writer::commit`].
    ///
    /// # Errors
    /// When the client cannot be made, or the broker does not answer.
    pub fn transactional(brokers: &str, topic: &str) -> Result<Writer, Failure> {
        let mut config = writing(brokers, 5);
        config.set("transactional.id", topic).set("transaction.timeout.ms", "600000");
        let writer = Writer { topic: topic.to_owned(), producer: config.create()? };
        writer.producer.init_transactions(ANSWER_WITHIN)?;
        Ok(writer)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When a transaction is open already.
    pub fn begin(&self) -> Result<(), Failure> {
        Ok(self.producer.begin_transaction()?)
    }

    /// Commits the transaction: its records become visible at once.
    ///
    /// # Errors
    /// When the transaction cannot be committed.
    pub fn commit(&self) -> Result<(), Failure> {
        Ok(self.producer.commit_transaction(ANSWER_WITHIN)?)
    }

    /// Sends a record; waits while the client's queue is full.
    ///
    /// # Errors
    /// When it can never be published.
    pub fn send(&self, at: Timestamp, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let mut record = BaseRecord::to(&self.topic).key(key).payload(value).timestamp(at.0);
        loop {
            record = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, back)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    std::thread::sleep(Duration::from_millis(1));
                    back
                }
                Err((error, _)) => return Err(error.into()),
            };
        }
    }

    /// Waits until all is delivered.
    ///
    /// # Errors
    /// When it is not within two minutes.
    pub fn finish(&self) -> Result<(), Failure> {
        Ok(self.producer.flush(Duration::from_secs(120))?)
    }
}

fn writing(brokers: &str, linger_ms: u32) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config.set("partitioner", "murmur2_random");
    config.set("enable.idempotence", "true");
    config.set("linger.ms", linger_ms.to_string());
    config
}

/// A client for offsets; the end of a partition includes records of open transactions.
///
/// # Errors
/// When it cannot be made.
pub fn asking(brokers: &str, group: &str) -> Result<BaseConsumer, KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("isolation.level", "read_uncommitted")
        .create()
}

fn all(topic: &str) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, PARTITIONS - 1);
    list
}

/// The offset behind the last record of each partition.
///
/// # Errors
/// When the broker does not answer.
pub fn ends(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i64>, KafkaError> {
    let end = |partition| Ok(consumer.fetch_watermarks(topic, partition, ANSWER_WITHIN)?.1);
    (0..PARTITIONS).map(end).collect()
}

/// The committed offsets of the client's group by partition; 0 where there is none.
///
/// # Errors
/// When the broker does not answer.
pub fn committed(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i64>, KafkaError> {
    let list = consumer.committed_offsets(all(topic), ANSWER_WITHIN)?;
    let next = |offset| if let Offset::Offset(next) = offset { next } else { 0 };
    Ok(list.elements().iter().map(|element| next(element.offset())).collect())
}

/// Commits these offsets for the client's group, which must have no member.
///
/// # Errors
/// When the broker refuses.
pub fn begin_at(consumer: &BaseConsumer, topic: &str, next: &[i64]) -> Result<(), KafkaError> {
    consumer.commit(&positions(topic, next)?, CommitMode::Sync)
}

/// Waits until the client's group has committed all before these offsets.
///
/// # Errors
/// When nothing is committed for two minutes, or `check` fails.
pub fn await_committed(
    consumer: &BaseConsumer,
    topic: &str,
    goal: &[i64],
    mut check: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut moved_at, mut last) = (Instant::now(), 0);
    loop {
        // A broker that has just started may not have loaded its groups yet.
        let now = committed(consumer, topic).unwrap_or_default();
        if !now.is_empty() && now.iter().zip(goal).all(|(now, goal)| now >= goal) {
            return Ok(());
        }
        let sum = now.iter().sum();
        if sum > last {
            (moved_at, last) = (Instant::now(), sum);
        }
        check()?;
        if moved_at.elapsed() > MOVES_WITHIN {
            return Err(
                format!("the service has committed {now:?} of {goal:?} and nothing for two minutes").into()
            );
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A list of all partitions, each at its offset.
///
/// # Errors
/// When an offset is invalid.
pub fn positions(topic: &str, next: &[i64]) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (partition, next) in (0..PARTITIONS).zip(next) {
        list.add_partition_offset(topic, partition, Offset::Offset(*next))?;
    }
    Ok(list)
}

/// How many records of a topic a group has committed, and how many there are.
///
/// # Errors
/// When the broker does not answer.
pub fn progress(consumer: &BaseConsumer, topic: &str) -> Result<(i64, i64), KafkaError> {
    Ok((committed(consumer, topic)?.iter().sum(), ends(consumer, topic)?.iter().sum()))
}
