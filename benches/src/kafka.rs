//! A real Apache Kafka for a benchmark, and what is done with it from outside. It knows no engine.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::error::Error;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tripline_core::batch::Timestamp;

/// Anything that ends a benchmark.
pub type Failure = Box<dyn Error>;

/// Partitions of every topic.
pub const PARTITIONS: i32 = 12;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A running broker in a temporary folder; it is stopped when this is dropped.
pub struct Broker {
    folder: tempfile::TempDir,
    port: u16,
}

/// Whose clock stamps a topic.
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

/// A port that is free together with the next one, which the controller takes.
fn free_port() -> Result<u16, Failure> {
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
}

impl Broker {
    /// Starts one.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start() -> Result<Broker, Failure> {
        let broker = Broker { folder: tempfile::tempdir()?, port: free_port()? };
        broker.call("start", &[&broker.port.to_string()])?;
        Ok(broker)
    }

    fn call(&self, what: &str, arguments: &[&str]) -> Result<(), Failure> {
        let done = Command::new(script()).arg(what).arg(self.folder.path()).args(arguments).output()?;
        if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into()) }
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Makes a topic of [`PARTITIONS`] partitions.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn topic(&self, name: &str, stamp: Stamp) -> Result<(), Failure> {
        let (partitions, stamp) = (PARTITIONS.to_string(), format!("message.timestamp.type={stamp:?}"));
        // Simulated time may lie years back: nothing may be deleted for it.
        let kept = ["--config", &stamp, "--config", "retention.ms=-1"];
        let made = ["--create", "--topic", name, "--partitions", &partitions];
        self.call("topics", &[&made[..], &kept[..]].concat())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.call("stop", &[]);
    }
}

/// Publishes records to one topic, keyed as Java keys.
pub struct Writer {
    topic: String,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl Writer {
    /// A writer that waits `linger_ms` for more records to send at once.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(brokers: &str, topic: &str, linger_ms: u32) -> Result<Writer, Failure> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .set("linger.ms", linger_ms.to_string())
            .create()?;
        Ok(Writer { topic: topic.to_owned(), producer })
    }

    /// Hands a record over; waits while the client's queue is full.
    ///
    /// # Errors
    /// When it can never be published.
    pub fn send(&self, at: Timestamp, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let mut record = BaseRecord::to(&self.topic).key(key).payload(value).timestamp(at.0);
        loop {
            record = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((fault, back)) if fault.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    std::thread::sleep(Duration::from_millis(1));
                    back
                }
                Err((fault, _)) => return Err(fault.into()),
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

/// A client for questions.
///
/// # Errors
/// When it cannot be made.
pub fn asking(brokers: &str, group: &str) -> Result<BaseConsumer, KafkaError> {
    ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", group).create()
}

/// How many records of a topic a group has committed, and how many there are.
///
/// # Errors
/// When the broker does not answer.
pub fn progress(consumer: &BaseConsumer, topic: &str) -> Result<(i64, i64), KafkaError> {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, PARTITIONS - 1);
    let list = consumer.committed_offsets(list, ANSWER_WITHIN)?;
    let mut sum = (0, 0);
    for element in list.elements() {
        let (_, end) = consumer.fetch_watermarks(topic, element.partition(), ANSWER_WITHIN)?;
        let committed = if let Offset::Offset(next) = element.offset() { next } else { 0 };
        sum = (sum.0 + committed, sum.1 + end);
    }
    Ok(sum)
}
