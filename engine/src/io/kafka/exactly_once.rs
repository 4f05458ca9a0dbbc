//! The output topics as a sink, exactly once: outputs and the offsets they belong to are one transaction.
//!
//! A shard that moves is fenced by the group's generation, which is committed with the offsets; a process that returns
//! fences the one that died by its transactional id. The outcome of a transaction is never guessed: after any response
//! that leaves the outcome unknown, the producer is replaced by a new one with the same id. Its initialisation ends the
//! old transaction and fences requests of the old producer that are still in flight; only then are the committed
//! positions fetched.

use super::client::{Health, fences, is_retriable};
use super::consumer::GroupConsumer;
use super::note::offsets;
use super::producer::{FlushError, OutputProducer};
use super::refusal::{lost, refused, undelivered};
use super::settings::KafkaSettings;
use crate::failpoint::{REPLACE_IN_DOUBT, applies, reached};
use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::Position;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::Producer;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline_core::batch::ShardId;
use tripline_core::outputs::Outputs;

/// A response about a transaction that takes longer leaves its outcome unknown.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Time-out of one attempt to initialise transactions; a shutdown request is checked in between.
const BEGIN_WITHIN: Duration = Duration::from_secs(1);
/// First and longest pause between such attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A worker's transactional producer.
pub struct ExactlyOnce {
    settings: Arc<KafkaSettings>,
    health: Health,
    consumer: GroupConsumer,
    partitions: u32,
    producer: OutputProducer,
    /// A transaction is open.
    is_open: bool,
    /// The outcome of the last transaction is unknown.
    is_in_doubt: bool,
    /// Positions were sent to the open transaction.
    has_offsets: bool,
}

impl ExactlyOnce {
    /// A producer beside a consumer of the input topic with so many partitions. Ends the transaction that an earlier
    /// producer of the same instance and worker left open.
    ///
    /// # Errors
    /// When the client cannot be created, the broker refuses transactions, or a shutdown is requested before one
    /// responds.
    pub(super) fn new(
        settings: Arc<KafkaSettings>,
        health: Health,
        consumer: GroupConsumer,
        partitions: u32,
    ) -> Result<ExactlyOnce, SinkError> {
        let producer = OutputProducer::new(&settings, health.clone())?;
        let mut sink = ExactlyOnce {
            settings,
            health,
            consumer,
            partitions,
            producer,
            is_open: false,
            is_in_doubt: false,
            has_offsets: false,
        };
        sink.begin()?;
        Ok(sink)
    }

    /// Initialises transactions: the broker ends the transaction of an earlier producer of this id and fences it.
    /// Retries while no broker responds, until a shutdown is requested.
    fn begin(&mut self) -> Result<(), SinkError> {
        let mut pause = PAUSE.0;
        loop {
            let Err(error) = self.producer.client.init_transactions(BEGIN_WITHIN) else {
                self.is_in_doubt = false;
                return Ok(());
            };
            if is_lasting(&error) {
                return Err(SinkError::Transactions(error.into()));
            }
            if self.health.shutdown.is_requested() {
                return Err(SinkError::Stopped(error.into()));
            }
            tracing::debug!(worker = self.health.worker, reason = %error, "transactions cannot be initialised yet; the producer retries");
            if !matches!(&error, KafkaError::Transaction(error) if error.is_retriable()) {
                self.producer = OutputProducer::new(&self.settings, self.health.clone())?;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Replaces the producer by a new one; the old client is dropped before the new one initialises.
    fn replace(&mut self) -> Result<(), SinkError> {
        self.producer = OutputProducer::new(&self.settings, self.health.clone())?;
        self.begin()
    }

    /// Replaces a producer whose last outcome is unknown, unless its transaction has still to be aborted.
    fn clear_doubt(&mut self) -> Result<(), SinkError> {
        if self.is_in_doubt && !self.is_open { self.replace() } else { Ok(()) }
    }

    fn open(&mut self) -> Result<(), KafkaError> {
        if !self.is_open {
            self.producer.client.begin_transaction()?;
            self.is_open = true;
        }
        Ok(())
    }

    /// What an error means for the open transaction. It is known to be aborted only if the client reports that.
    fn verdict(&mut self, error: &KafkaError) -> CommitError {
        let reason = error.to_string();
        let is_undelivered = matches!(error, KafkaError::MessageProduction(_));
        let is_abortable = matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort());
        if is_lasting(error) {
            refused(&self.settings, error)
        } else if is_undelivered || is_abortable {
            CommitError::Aborted(reason)
        } else {
            self.is_in_doubt = applies(REPLACE_IN_DOUBT);
            CommitError::Unknown(reason)
        }
    }

    /// Adds the positions to the transaction, and retries errors that the client reports as retriable.
    fn send_offsets(&mut self, next: &[Position]) -> Result<(), CommitError> {
        let list = offsets(&self.settings.topic, next, self.partitions)
            .map_err(|error| refused(&self.settings, &error))?;
        let began = Instant::now();
        loop {
            let Some(group) = self.consumer.group_metadata() else {
                let group = &self.settings.group;
                return Err(CommitError::Again(format!("the consumer has not joined group {group} yet")));
            };
            // The client rejoins by itself: after a loss its generation is that of another assignment.
            if self.consumer.context().has_lost() || self.consumer.assignment_lost() {
                return Err(lost(&self.settings));
            }
            let left = ANSWER_WITHIN.saturating_sub(began.elapsed());
            match self.producer.client.send_offsets_to_transaction(&list, &group, left) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(self.verdict(&error)),
            }
        }
    }
}

impl Sink for ExactlyOnce {
    fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        if from == out.records.len() {
            return Ok(from);
        }
        self.clear_doubt()?;
        let sent = match self.open() {
            Ok(()) => self.producer.send(shard, out, from),
            Err(error) => {
                // Treated as open and failed: outputs that were not sent must not be lost.
                (self.is_open, self.is_in_doubt) = (true, true);
                (from, Some(error))
            }
        };
        match sent {
            (place, None) => Ok(place),
            (place, Some(error)) if is_lasting(&error) => {
                let topic = self.producer.topic(&out.records[place]);
                Err(SinkError::Publish { topic: topic.to_owned(), cause: error.into() })
            }
            (_, Some(error)) => {
                // The transaction has failed: the commit will report it, and the records are judged again.
                self.producer.fail(&error);
                Ok(out.records.len())
            }
        }
    }

    fn commit(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError> {
        if next.is_empty() {
            return Ok(());
        }
        self.clear_doubt().map_err(|error| refused(&self.settings, &error))?;
        if let Err(error) = self.open() {
            return Err(self.verdict(&error));
        }
        if !std::mem::replace(&mut self.has_offsets, true) {
            self.producer.has_broken();
        }
        reached("offsets_sending");
        // Sent while the records are in flight: both must have arrived when the transaction ends.
        self.send_offsets(next)?;
        reached("offsets_sent");
        match self.producer.flush(wait) {
            Ok(()) => {}
            Err(FlushError::Waiting(records)) => {
                return Err(undelivered(records));
            }
            Err(FlushError::Failed(error)) => return Err(self.verdict(&error)),
        }
        reached("settled");
        match self.producer.client.commit_transaction(ANSWER_WITHIN) {
            Ok(()) => {
                (self.is_open, self.has_offsets) = (false, false);
                // The client repeats the request on a new connection. The response is correct, but the first request
                // may still be in flight, and would end whatever transaction is open when it arrives.
                self.is_in_doubt = self.producer.has_broken() && applies(REPLACE_IN_DOUBT);
                // If that fails, it is retried before anything is sent.
                let _ = self.clear_doubt();
                Ok(())
            }
            Err(error) => Err(self.verdict(&error)),
        }
    }

    fn abort(&mut self) -> Result<bool, SinkError> {
        self.consumer.context().forget_loss();
        let was_open = std::mem::take(&mut self.is_open);
        self.has_offsets = false;
        if !was_open {
            return Ok(false);
        }
        reached("aborting");
        let is_undone = !self.is_in_doubt
            && self.producer.client.abort_transaction(ANSWER_WITHIN).is_ok()
            && self.producer.drained_within(ANSWER_WITHIN);
        if !is_undone {
            self.replace()?;
        }
        reached("aborted");
        Ok(true)
    }
}

/// Whether a new producer would fail as well. For a member that rejoined by itself during its commit, the broker
/// reports its instance id as fenced; if another process uses that id, the consumer receives the same error and ends
/// the worker.
fn is_lasting(error: &KafkaError) -> bool {
    error
        .rdkafka_error_code()
        .is_some_and(|code| !is_retriable(code) && !fences(code) && code != Code::FencedInstanceId)
}
