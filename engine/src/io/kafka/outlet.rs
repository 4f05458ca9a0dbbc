//! A worker's producer: from outputs to records on their topics, and what became of them. It commits nothing.

use super::client::Health;
use super::consumer::number;
use super::settings::KafkaSettings;
use crate::failpoint::reached;
use crate::names::{Topics, header};
use crate::runtime::sink::SinkError;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tripline_core::batch::ShardId;
use tripline_core::outputs::{Output, Outputs, Topic};

/// Tells how records fared and what the client meets.
pub(super) struct Deliveries {
    health: Health,
    failed: Mutex<Option<KafkaError>>,
    /// A connection broke: what was under way on it may still arrive at the broker.
    has_broken: AtomicBool,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // Errors that repeat within half a minute are told nowhere else.
        if facility == "FAIL" {
            self.has_broken.store(true, Ordering::Release);
        }
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

/// Why not everything that was sent is delivered.
pub(super) enum Unsettled {
    /// So many records wait for an answer.
    Waiting(i32),
    /// At least one was not delivered, or the client is broken.
    Failed(KafkaError),
}

/// A producer of the output topics.
pub(super) struct Outlet {
    pub(super) producer: ThreadedProducer<Deliveries>,
    input: String,
    topics: Topics,
}

impl Outlet {
    /// A producer of a worker, not yet connected.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub(super) fn new(settings: &KafkaSettings, health: Health) -> Result<Outlet, SinkError> {
        let config = settings.producer(health.worker);
        let context = Deliveries { health, failed: Mutex::default(), has_broken: AtomicBool::new(false) };
        let producer =
            config.create_with_context(context).map_err(|fault| SinkError::Fatal(fault.to_string()))?;
        Ok(Outlet { producer, input: settings.topic.clone(), topics: settings.topics() })
    }

    /// Hands outputs over, from record number `from` on. Gives the number of the first that was not taken, and why,
    /// where it is not for lack of room.
    pub(super) fn send(&self, shard: ShardId, out: &Outputs, from: usize) -> (usize, Option<KafkaError>) {
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
                Ok(()) => reached("sending"),
                Err((fault, _)) if fault.rdkafka_error_code() == Some(Code::QueueFull) => {
                    return (place, None);
                }
                Err((fault, _)) => return (place, Some(fault)),
            }
        }
        (out.records.len(), None)
    }

    /// The output's own headers, and where the record that caused it lies.
    fn headers(&self, shard: ShardId, out: &Outputs, output: &Output) -> OwnedHeaders {
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

    /// Name of the topic an output goes to.
    pub(super) fn topic(&self, output: &Output) -> &str {
        self.topics.name(output.topic)
    }

    /// Waits until everything sent was delivered or failed.
    ///
    /// `Producer::flush` with a time-out would end in a poll that waits its whole 100 ms although the queue is empty:
    /// so the queue is only set going, and looked at.
    pub(super) fn settle(&self, wait: Duration) -> Result<(), Unsettled> {
        let began = Instant::now();
        let mut pause = Duration::from_micros(100);
        loop {
            let waiting = self.producer.in_flight_count();
            if let Some(fault) = self.producer.context().take_failure() {
                return Err(Unsettled::Failed(fault));
            }
            if waiting == 0 {
                return Ok(());
            }
            if began.elapsed() >= wait {
                return Err(Unsettled::Waiting(waiting));
            }
            // A time-out of zero always reports that it timed out while anything is in flight.
            let _ = self.producer.flush(Duration::ZERO);
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }

    /// Waits until nothing is in flight, and forgets what was not delivered. False when that took too long.
    pub(super) fn is_empty_within(&self, wait: Duration) -> bool {
        let began = Instant::now();
        loop {
            match self.settle(wait.saturating_sub(began.elapsed())) {
                Ok(()) => return true,
                Err(Unsettled::Waiting(_)) => return false,
                Err(Unsettled::Failed(_)) => {}
            }
        }
    }

    /// Whether a connection broke since this was asked last.
    pub(super) fn has_broken(&self) -> bool {
        self.producer.context().has_broken.swap(false, Ordering::AcqRel)
    }

    /// Remembers a failure until [`Outlet::settle`] tells it.
    pub(super) fn fail(&self, fault: &KafkaError) {
        self.producer.context().fail(fault);
    }
}
