//! Reads whole topics and writes records, for `dump` and `simulate`: no group, no engine.

use super::client::is_retriable;
use super::client_setting::ClientKind;
use super::settings::KafkaSettings;
use crate::runtime::source::SourceError;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::ops::Range;
use std::time::{Duration, Instant};
use tripline_core::batch::Timestamp;

/// Time-out of requests to brokers.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Poll time-out of an idle topic.
const FOLLOW_WAIT: Duration = Duration::from_millis(50);
/// Pause while a producer's queue is full.
const FULL_QUEUE_WAIT: Duration = Duration::from_millis(5);

/// One record of a topic.
#[derive(Clone, Copy, Debug)]
pub struct TopicRecord<'a> {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
    /// When it was appended.
    pub appended_at: Option<Timestamp>,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

fn failed(topic: &str, reason: impl std::fmt::Display) -> SourceError {
    SourceError::Stopped { place: topic.to_owned(), reason: reason.to_string() }
}

/// A consumer of committed records outside any group, and the topic's number of partitions.
fn reader(settings: &KafkaSettings, role: &str, topic: &str) -> Result<(BaseConsumer, i32), SourceError> {
    let made = settings
        .plain_client(ClientKind::Consumer, role)
        .set("group.id", format!("tripline-{role}"))
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .create();
    let consumer: BaseConsumer = made.map_err(|error| failed(topic, error))?;
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_WITHIN);
    let metadata = metadata.map_err(|error| match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::OperationTimedOut) => {
            failed(topic, format!("no broker answers at {}", settings.brokers))
        }
        _ => failed(topic, error),
    })?;
    match metadata.topics().first().map_or(0, |found| found.partitions().len()) {
        0 => Err(failed(topic, "the topic does not exist")),
        partitions => Ok((consumer, i32::try_from(partitions).unwrap_or(i32::MAX))),
    }
}

fn assign(consumer: &BaseConsumer, topic: &str, partitions: Range<i32>) -> Result<(), SourceError> {
    let mut list = TopicPartitionList::new();
    let added = partitions
        .into_iter()
        .try_for_each(|partition| list.add_partition_offset(topic, partition, Offset::Beginning));
    added.and_then(|()| consumer.assign(&list)).map_err(|error| failed(topic, error))
}

/// Reads every committed record that a topic contains now, partition after partition, each in order.
/// Returns the number of records.
///
/// # Errors
/// When the topic cannot be read, or `take` fails.
pub fn read_topic<E: From<SourceError>>(
    settings: &KafkaSettings,
    topic: &str,
    mut take: impl FnMut(TopicRecord<'_>) -> Result<(), E>,
) -> Result<u64, E> {
    let (consumer, partitions) = reader(settings, "dump", topic)?;
    let mut count = 0;
    for partition in 0..partitions {
        assign(&consumer, topic, partition..partition + 1)?;
        let mut last_record = Instant::now();
        loop {
            match consumer.poll(ANSWER_WITHIN) {
                Some(Ok(message)) => {
                    take(record(&message))?;
                    count += 1;
                    last_record = Instant::now();
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                // The client reconnects.
                Some(Err(error))
                    if error.rdkafka_error_code().is_some_and(is_retriable)
                        && last_record.elapsed() < ANSWER_WITHIN => {}
                Some(Err(error)) => return Err(failed(topic, error).into()),
                None => return Err(failed(topic, "the brokers do not respond").into()),
            }
        }
    }
    Ok(count)
}

/// Reads every record of a topic from its beginning on, and passes `None` while the topic is idle, until `take` returns
/// false.
///
/// # Errors
/// When the topic cannot be read, or `take` fails.
pub fn follow_topic<E: From<SourceError>>(
    settings: &KafkaSettings,
    topic: &str,
    mut take: impl FnMut(Option<TopicRecord<'_>>) -> Result<bool, E>,
) -> Result<(), E> {
    let (consumer, partitions) = reader(settings, "follow", topic)?;
    assign(&consumer, topic, 0..partitions)?;
    loop {
        let goes_on = match consumer.poll(FOLLOW_WAIT) {
            Some(Ok(message)) => take(Some(record(&message)))?,
            Some(Err(KafkaError::PartitionEOF(_))) => true,
            Some(Err(error)) => return Err(failed(topic, error).into()),
            None => take(None)?,
        };
        if !goes_on {
            return Ok(());
        }
    }
}

fn record<'m>(message: &'m BorrowedMessage<'_>) -> TopicRecord<'m> {
    TopicRecord {
        partition: message.partition().unsigned_abs(),
        offset: message.offset(),
        appended_at: message.timestamp().to_millis().map(Timestamp),
        key: message.key().unwrap_or_default(),
        value: message.payload().unwrap_or_default(),
    }
}

/// Publishes records to one topic.
pub struct TopicWriter {
    topic: String,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl TopicWriter {
    /// A writer to `topic`, keyed as Java's clients key.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn new(settings: &KafkaSettings, topic: &str) -> Result<TopicWriter, SourceError> {
        let producer = settings
            .plain_client(ClientKind::Producer, "write")
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("compression.type", "lz4")
            .create()
            .map_err(|error| failed(topic, error))?;
        Ok(TopicWriter { topic: topic.to_owned(), producer })
    }

    /// Sends a record; waits while the client's queue is full.
    ///
    /// # Errors
    /// When the record can never be published.
    pub fn send(
        &self,
        at: Timestamp,
        key: &[u8],
        value: &[u8],
        headers: &[(&str, &str)],
    ) -> Result<(), SourceError> {
        let mut record = BaseRecord::to(&self.topic).key(key).payload(value).timestamp(at.0);
        if !headers.is_empty() {
            let written =
                headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |all, (key, value)| {
                    all.insert(Header { key, value: Some(*value) })
                });
            debug_assert_eq!(written.count(), headers.len());
            record = record.headers(written);
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, back)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    std::thread::sleep(FULL_QUEUE_WAIT);
                    record = back;
                }
                Err((error, _)) => return Err(failed(&self.topic, error)),
            }
        }
    }

    /// Waits until everything is delivered.
    ///
    /// # Errors
    /// When it is not in time.
    pub fn finish(self) -> Result<(), SourceError> {
        self.producer.flush(Duration::from_secs(120)).map_err(|error| failed(&self.topic, error))
    }
}
