//! A worker's producer of the output topics, and the delivery results of what it sent. It commits nothing.

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

/// Collects delivery failures and broken connections, and forwards the client's log lines and errors.
pub(super) struct Deliveries {
    health: Health,
    failed: Mutex<Option<KafkaError>>,
    /// A connection broke: requests in flight on it may still arrive at the broker.
    has_broken: AtomicBool,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // Errors that repeat within half a minute are reported in log lines only.
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
        if let Err((error, _)) = result {
            self.fail(error);
        }
    }
}

impl Deliveries {
    fn fail(&self, error: &KafkaError) {
        self.failed.lock().expect("no thread panics while it holds the failure").get_or_insert(error.clone());
    }

    fn take_failure(&self) -> Option<KafkaError> {
        self.failed.lock().expect("no thread panics while it holds the failure").take()
    }
}

/// Why not every record that was sent is delivered.
pub(super) enum FlushError {
    /// Number of records without a delivery result.
    Waiting(i32),
    /// At least one record was not delivered, or the client has failed.
    Failed(KafkaError),
}

/// A producer of the output topics.
pub(super) struct OutputProducer {
    pub(super) client: ThreadedProducer<Deliveries>,
    input: String,
    topics: Topics,
}

impl OutputProducer {
    /// A producer of a worker, not yet connected.
    ///
    /// # Errors
    /// When the client cannot be created.
    pub(super) fn new(settings: &KafkaSettings, health: Health) -> Result<OutputProducer, SinkError> {
        let config = settings.producer(health.worker);
        let context = Deliveries { health, failed: Mutex::default(), has_broken: AtomicBool::new(false) };
        let client = config.create_with_context(context).map_err(|error| SinkError::Client(error.into()))?;
        Ok(OutputProducer { client, input: settings.topic.clone(), topics: settings.topics() })
    }

    /// Sends outputs, from record number `from` on. Returns the number of the first record that was not accepted, and
    /// the error, unless the queue is full.
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
            match self.client.send(record) {
                Ok(()) => reached("sending"),
                Err((error, _)) if error.rdkafka_error_code() == Some(Code::QueueFull) => {
                    return (place, None);
                }
                Err((error, _)) => return (place, Some(error)),
            }
        }
        (out.records.len(), None)
    }

    /// The output's own headers, and the position of the input record that caused it.
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

    /// Name of an output's topic.
    pub(super) fn topic(&self, output: &Output) -> &str {
        self.topics.name(output.topic)
    }

    /// Waits until every record that was sent is delivered or has failed.
    ///
    /// `Producer::flush` with a time-out would end in a poll that waits its whole 100 ms although the queue is empty:
    /// so the queue is only triggered, and its length polled.
    pub(super) fn flush(&self, wait: Duration) -> Result<(), FlushError> {
        let began = Instant::now();
        let mut pause = Duration::from_micros(100);
        loop {
            let waiting = self.client.in_flight_count();
            if let Some(error) = self.client.context().take_failure() {
                return Err(FlushError::Failed(error));
            }
            if waiting == 0 {
                return Ok(());
            }
            if began.elapsed() >= wait {
                return Err(FlushError::Waiting(waiting));
            }
            // A time-out of zero always reports that it timed out while anything is in flight.
            let _ = self.client.flush(Duration::ZERO);
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }

    /// Waits until no record is in flight, and discards failures. False if that took too long.
    pub(super) fn drained_within(&self, wait: Duration) -> bool {
        let began = Instant::now();
        loop {
            match self.flush(wait.saturating_sub(began.elapsed())) {
                Ok(()) => return true,
                Err(FlushError::Waiting(_)) => return false,
                Err(FlushError::Failed(_)) => {}
            }
        }
    }

    /// Whether a connection broke since the last call.
    pub(super) fn has_broken(&self) -> bool {
        self.client.context().has_broken.swap(false, Ordering::AcqRel)
    }

    /// Keeps a failure until [`OutputProducer::flush`] returns it.
    pub(super) fn fail(&self, error: &KafkaError) {
        self.client.context().fail(error);
    }
}
