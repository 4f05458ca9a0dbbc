//! The output topics as a sink, at least once: outputs are delivered before the offsets they belong to are committed.

use super::client::{Health, is_retriable};
use super::consumer::GroupConsumer;
use super::note::offsets;
use super::producer::{FlushError, OutputProducer};
use super::refusal::{lost, refused, undelivered};
use super::settings::KafkaSettings;
use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::Position;
use rdkafka::consumer::{CommitMode, Consumer};
use std::sync::Arc;
use std::time::Duration;
use tripline_core::batch::ShardId;
use tripline_core::outputs::Outputs;

/// A worker's producer, which commits through the worker's consumer.
pub struct AtLeastOnce {
    producer: OutputProducer,
    consumer: GroupConsumer,
    settings: Arc<KafkaSettings>,
    partitions: u32,
}

impl AtLeastOnce {
    /// A producer beside a consumer of the input topic with so many partitions.
    ///
    /// # Errors
    /// When the client cannot be created.
    pub(super) fn new(
        settings: Arc<KafkaSettings>,
        health: Health,
        consumer: GroupConsumer,
        partitions: u32,
    ) -> Result<AtLeastOnce, SinkError> {
        let producer = OutputProducer::new(&settings, health)?;
        Ok(AtLeastOnce { producer, consumer, settings, partitions })
    }
}

impl Sink for AtLeastOnce {
    fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        match self.producer.send(shard, out, from) {
            (place, None) => Ok(place),
            (place, Some(error)) => {
                let topic = self.producer.topic(&out.records[place]);
                Err(SinkError::Publish { topic: topic.to_owned(), cause: error.into() })
            }
        }
    }

    fn commit(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError> {
        match self.producer.flush(wait) {
            Ok(()) => {}
            Err(FlushError::Waiting(records)) => {
                return Err(undelivered(records));
            }
            Err(FlushError::Failed(error)) => {
                let is_retriable = error.rdkafka_error_code().is_none_or(is_retriable);
                let reason = format!("an output record was not delivered: {error}");
                return Err(if is_retriable {
                    CommitError::Aborted(reason)
                } else {
                    refused(&self.settings, &reason)
                });
            }
        }
        if next.is_empty() {
            return Ok(());
        }
        if self.consumer.context().has_lost() || self.consumer.assignment_lost() {
            return Err(lost(&self.settings));
        }
        let list = offsets(&self.settings.topic, next, self.partitions)
            .map_err(|error| refused(&self.settings, &error))?;
        match self.consumer.commit(&list, CommitMode::Sync) {
            Ok(()) => Ok(()),
            Err(error) if error.rdkafka_error_code().is_none_or(is_retriable) => {
                Err(CommitError::Again(error.to_string()))
            }
            Err(error) => Err(refused(&self.settings, &error)),
        }
    }

    /// Without transactions, records that were sent cannot be aborted.
    fn abort(&mut self) -> Result<bool, SinkError> {
        self.consumer.context().forget_loss();
        Ok(false)
    }
}
