//! The output topics as a sink: at least once. Outputs are delivered before the offsets they belong to are committed.

use super::client::{Health, passes};
use super::consumer::{GroupConsumer, number};
use super::note;
use super::settings::KafkaSettings;
use crate::edge::sink::{CommitError, Sink, SinkError};
use crate::edge::source::Position;
use crate::names::{Topics, header};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tripline_core::batch::Shard;
use tripline_core::outputs::{Output, Outputs, Topic};

/// What became of the records sent since the last commit.
struct Deliveries {
    health: Health,
    failed: Mutex<Option<KafkaError>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.health.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.health.error(&error, reason);
        if error.rdkafka_error_code() == Some(Code::Fatal) {
            self.fail(&error);
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((fault, _)) = result {
            self.fail(fault);
        }
    }
}

impl Deliveries {
    fn fail(&self, fault: &KafkaError) {
        self.failed.lock().expect("no thread panics while it holds the failure").get_or_insert(fault.clone());
    }

    fn take_failure(&self) -> Option<KafkaError> {
        self.failed.lock().expect("no thread panics while it holds the failure").take()
    }
}

/// A worker's producer, which commits through the worker's consumer.
pub struct KafkaSink {
    producer: ThreadedProducer<Deliveries>,
    consumer: GroupConsumer,
    input: String,
    topics: Topics,
    partitions: u32,
}

impl KafkaSink {
    /// A producer beside a consumer of the input topic with so many partitions.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub(super) fn new(
        settings: &KafkaSettings,
        health: Health,
        consumer: GroupConsumer,
        partitions: u32,
    ) -> Result<KafkaSink, SinkError> {
        let config = settings.producer(health.worker);
        let context = Deliveries { health, failed: Mutex::default() };
        let producer =
            config.create_with_context(context).map_err(|fault| SinkError::Fatal(fault.to_string()))?;
        let (input, topics) = (settings.topic.clone(), settings.topics());
        Ok(KafkaSink { producer, consumer, input, topics, partitions })
    }

    /// The output's own headers, and where the record that caused it lies.
    fn headers(&self, shard: Shard, out: &Outputs, output: &Output) -> OwnedHeaders {
        let own = out.headers(output);
        let (partition, offset) = (shard.partition.to_string(), output.cause.to_string());
        let source = [(header::SOURCE_PARTITION, partition.as_str()), (header::SOURCE_OFFSET, &offset)];
        let error = [
            (header::ERROR_TOPIC, self.input.as_str()),
            (header::ERROR_PARTITION, &partition),
            (header::ERROR_OFFSET, &offset),
            (header::ERROR_VERSION, env!("CARGO_PKG_VERSION")),
        ];
        let added = match output.topic {
            Topic::DeadLetters | Topic::Late => &error[..],
            Topic::Alerts | Topic::Verdicts => &source[..],
        };
        let all = own.iter().map(|(key, value)| (*key, value.as_str())).chain(added.iter().copied());
        let empty = OwnedHeaders::new_with_capacity(own.len() + added.len());
        all.fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
    }

    /// Waits until everything sent was delivered or failed.
    ///
    /// `Producer::flush` with a time-out would end in a poll that waits its whole 100 ms although the queue is empty:
    /// so the queue is only set going, and looked at.
    fn settle(&self, wait: Duration) -> Result<(), CommitError> {
        let began = Instant::now();
        let mut pause = Duration::from_micros(100);
        loop {
            let waiting = self.producer.in_flight_count();
            if let Some(fault) = self.producer.context().take_failure() {
                let lasting = fault.rdkafka_error_code().is_some_and(|code| !passes(code));
                let reason = format!("a record was not delivered: {fault}");
                return Err(if lasting { CommitError::Fatal(reason) } else { CommitError::Aborted(reason) });
            }
            if waiting == 0 {
                return Ok(());
            }
            if began.elapsed() >= wait {
                return Err(CommitError::Again(format!("{waiting} records wait for their delivery")));
            }
            // A time-out of zero always reports that it timed out while anything is in flight.
            let _ = self.producer.flush(Duration::ZERO);
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }

    fn offsets(&self, next: &[Position]) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(next.len());
        for at in next {
            let mut element = list.add_partition(&self.input, number(at.shard));
            element.set_offset(Offset::Offset(at.next))?;
            element.set_metadata(note::write(&at.note, self.partitions));
        }
        Ok(list)
    }
}

impl Sink for KafkaSink {
    fn send(&mut self, shard: Shard, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        for (place, output) in out.records.iter().enumerate().skip(from) {
            let (key, value) = (out.key(output), out.value(output));
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(self.topics.name(output.topic))
                .payload(value)
                .headers(self.headers(shard, out, output));
            if !key.is_empty() {
                record = record.key(key);
            }
            if output.topic == Topic::Verdicts {
                record = record.partition(number(shard));
            }
            match self.producer.send(record) {
                Ok(()) => {}
                Err((fault, _)) if fault.rdkafka_error_code() == Some(Code::QueueFull) => return Ok(place),
                Err((fault, _)) => {
                    let topic = self.topics.name(output.topic);
                    return Err(SinkError::Fatal(format!("{topic}: {fault}")));
                }
            }
        }
        Ok(out.records.len())
    }

    fn commit(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError> {
        self.settle(wait)?;
        if next.is_empty() {
            return Ok(());
        }
        if self.consumer.assignment_lost() {
            return Err(CommitError::Again("the assignment is lost".to_owned()));
        }
        let list = self.offsets(next).map_err(|fault| CommitError::Fatal(fault.to_string()))?;
        match self.consumer.commit(&list, CommitMode::Sync) {
            Ok(()) => Ok(()),
            Err(fault) if fault.rdkafka_error_code().is_none_or(passes) => {
                Err(CommitError::Again(fault.to_string()))
            }
            Err(fault) => Err(CommitError::Fatal(fault.to_string())),
        }
    }

    /// Without transactions nothing that was sent can be taken back.
    fn abort(&mut self) -> Result<bool, SinkError> {
        Ok(false)
    }
}
