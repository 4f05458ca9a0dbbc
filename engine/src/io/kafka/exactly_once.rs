//! The output topics as a sink, exactly once: outputs and the offsets they belong to are one transaction.
//!
//! A shard that moves is fenced by the group's generation, which goes along with the offsets; a process that returns
//! fences the one that died by its transactional id. What is in doubt is never guessed at: after any answer that leaves
//! open how a transaction ended, the producer is given up for a new one of the same id. Its start ends what the old one
//! left and shuts out whatever of it is still on its way; only then are the committed positions asked for.

use super::client::{Health, fences, passes};
use super::consumer::GroupConsumer;
use super::note::offsets;
use super::outlet::{Outlet, Unsettled};
use super::settings::KafkaSettings;
use crate::failpoint::{REPLACE_IN_DOUBT, holds, reached};
use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::Position;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::Producer;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline_core::batch::ShardId;
use tripline_core::outputs::Outputs;

/// An answer about a transaction that takes longer leaves it in doubt.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// One try to begin as a producer; in between it is seen whether the process is to end.
const BEGIN_WITHIN: Duration = Duration::from_secs(1);
/// First and longest pause between such tries.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A worker's transactional producer.
pub struct ExactlyOnce {
    settings: Arc<KafkaSettings>,
    health: Health,
    consumer: GroupConsumer,
    partitions: u32,
    outlet: Outlet,
    /// A transaction is under way.
    is_open: bool,
    /// Nobody knows how the last transaction ended.
    is_in_doubt: bool,
    /// Positions are on their way to the transaction under way.
    has_offsets: bool,
}

impl ExactlyOnce {
    /// A producer beside a consumer of the input topic with so many partitions. Ends what an earlier one of the same
    /// instance and worker left open.
    ///
    /// # Errors
    /// When the client cannot be made, the broker refuses transactions, or the process is asked to stop before one answers.
    pub(super) fn new(
        settings: Arc<KafkaSettings>,
        health: Health,
        consumer: GroupConsumer,
        partitions: u32,
    ) -> Result<ExactlyOnce, SinkError> {
        let outlet = Outlet::new(&settings, health.clone())?;
        let mut sink = ExactlyOnce {
            settings,
            health,
            consumer,
            partitions,
            outlet,
            is_open: false,
            is_in_doubt: false,
            has_offsets: false,
        };
        sink.begin()?;
        Ok(sink)
    }

    /// Makes the broker end what an earlier producer of this id left, and refuse whatever of it is still on its way.
    /// Waits as long as no broker answers, until the process is asked to stop.
    fn begin(&mut self) -> Result<(), SinkError> {
        let mut pause = PAUSE.0;
        loop {
            let Err(fault) = self.outlet.producer.init_transactions(BEGIN_WITHIN) else {
                self.is_in_doubt = false;
                return Ok(());
            };
            if is_lasting(&fault) {
                return Err(SinkError::Fatal(format!("transactions are refused: {fault}")));
            }
            if self.health.shutdown.is_requested() {
                return Err(SinkError::Stopped(fault.to_string()));
            }
            tracing::debug!(worker = self.health.worker, reason = %fault, "no transaction can begin yet");
            if !matches!(&fault, KafkaError::Transaction(error) if error.is_retriable()) {
                self.outlet = Outlet::new(&self.settings, self.health.clone())?;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Gives the producer up for a new one; the old one is gone before that begins.
    fn replace(&mut self) -> Result<(), SinkError> {
        self.outlet = Outlet::new(&self.settings, self.health.clone())?;
        self.begin()
    }

    /// Replaces a producer that is in doubt, unless its transaction has still to be aborted.
    fn clear_doubt(&mut self) -> Result<(), SinkError> {
        if self.is_in_doubt && !self.is_open { self.replace() } else { Ok(()) }
    }

    fn open(&mut self) -> Result<(), KafkaError> {
        if !self.is_open {
            self.outlet.producer.begin_transaction()?;
            self.is_open = true;
        }
        Ok(())
    }

    /// What a fault means for the transaction under way. Only where the client says so is it known to be undone.
    fn verdict(&mut self, fault: &KafkaError) -> CommitError {
        let reason = fault.to_string();
        let is_undelivered = matches!(fault, KafkaError::MessageProduction(_));
        let is_abortable = matches!(fault, KafkaError::Transaction(error) if error.txn_requires_abort());
        if is_lasting(fault) {
            CommitError::Fatal(reason)
        } else if is_undelivered || is_abortable {
            CommitError::Aborted(reason)
        } else {
            self.is_in_doubt = holds(REPLACE_IN_DOUBT);
            CommitError::Unknown(reason)
        }
    }

    /// Adds the positions to the transaction, calling again where the client says that it may.
    fn send_offsets(&mut self, next: &[Position]) -> Result<(), CommitError> {
        let list = offsets(&self.settings.topic, next, self.partitions)
            .map_err(|fault| CommitError::Fatal(fault.to_string()))?;
        let began = Instant::now();
        loop {
            let Some(group) = self.consumer.group_metadata() else {
                return Err(CommitError::Again("the group has not been joined".to_owned()));
            };
            // The client joins anew by itself: after a loss its generation is that of another assignment.
            if self.consumer.context().has_lost() || self.consumer.assignment_lost() {
                return Err(CommitError::Again("the assignment is lost".to_owned()));
            }
            let left = ANSWER_WITHIN.saturating_sub(began.elapsed());
            match self.outlet.producer.send_offsets_to_transaction(&list, &group, left) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(fault) => return Err(self.verdict(&fault)),
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
            Ok(()) => self.outlet.send(shard, out, from),
            Err(fault) => {
                // As if it were open and broken: what is not sent must not be forgotten.
                (self.is_open, self.is_in_doubt) = (true, true);
                (from, Some(fault))
            }
        };
        match sent {
            (place, None) => Ok(place),
            (place, Some(fault)) if is_lasting(&fault) => {
                let topic = self.outlet.topic(&out.records[place]);
                Err(SinkError::Fatal(format!("{topic}: {fault}")))
            }
            (_, Some(fault)) => {
                // The transaction is broken: the commit will find it so, and everything is judged again.
                self.outlet.fail(&fault);
                Ok(out.records.len())
            }
        }
    }

    fn commit(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError> {
        if next.is_empty() {
            return Ok(());
        }
        self.clear_doubt().map_err(|fault| CommitError::Fatal(fault.to_string()))?;
        if let Err(fault) = self.open() {
            return Err(self.verdict(&fault));
        }
        if !std::mem::replace(&mut self.has_offsets, true) {
            self.outlet.has_broken();
        }
        reached("offsets_sending");
        // While the records are on their way: what counts is that both have arrived when the transaction ends.
        self.send_offsets(next)?;
        reached("offsets_sent");
        match self.outlet.settle(wait) {
            Ok(()) => {}
            Err(Unsettled::Waiting(records)) => {
                return Err(CommitError::Again(format!("{records} records wait for their delivery")));
            }
            Err(Unsettled::Failed(fault)) => return Err(self.verdict(&fault)),
        }
        reached("settled");
        match self.outlet.producer.commit_transaction(ANSWER_WITHIN) {
            Ok(()) => {
                (self.is_open, self.has_offsets) = (false, false);
                // The client asks again on a new connection. The answer is true, but the first question may still be on
                // its way, and would end whatever transaction it meets.
                self.is_in_doubt = self.outlet.has_broken() && holds(REPLACE_IN_DOUBT);
                // Where that fails it is tried again before anything is sent.
                let _ = self.clear_doubt();
                Ok(())
            }
            Err(fault) => Err(self.verdict(&fault)),
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
            && self.outlet.producer.abort_transaction(ANSWER_WITHIN).is_ok()
            && self.outlet.is_empty_within(ANSWER_WITHIN);
        if !is_undone {
            self.replace()?;
        }
        reached("aborted");
        Ok(true)
    }
}

/// Whether no other producer will do better either. Of a member that joined anew by itself while its commit was under way the
/// broker says that another has its place; if that is another process, the consumer hears it, and ends the worker.
fn is_lasting(fault: &KafkaError) -> bool {
    fault
        .rdkafka_error_code()
        .is_some_and(|code| !passes(code) && !fences(code) && code != Code::FencedInstanceId)
}
