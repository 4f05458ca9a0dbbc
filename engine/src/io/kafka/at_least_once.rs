//! The output topics as a sink, at least once: outputs are delivered before the offsets they belong to are committed.

use super::client::{Health, passes};
use super::consumer::GroupConsumer;
use super::note::offsets;
use super::outlet::{Outlet, Unsettled};
use super::settings::KafkaSettings;
use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::Position;
use rdkafka::consumer::{CommitMode, Consumer};
use std::time::Duration;
use tripline_core::batch::ShardId;
use tripline_core::outputs::Outputs;

/// A worker's producer, which commits through the worker's consumer.
pub struct AtLeastOnce {
    outlet: Outlet,
    consumer: GroupConsumer,
    input: String,
    partitions: u32,
}

impl AtLeastOnce {
    /// A producer beside a consumer of the input topic with so many partitions.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub(super) fn new(
        settings: &KafkaSettings,
        health: Health,
        consumer: GroupConsumer,
        partitions: u32,
    ) -> Result<AtLeastOnce, SinkError> {
        let outlet = Outlet::new(settings, health)?;
        Ok(AtLeastOnce { outlet, consumer, input: settings.topic.clone(), partitions })
    }
}

impl Sink for AtLeastOnce {
    fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        match self.outlet.send(shard, out, from) {
            (place, None) => Ok(place),
            (place, Some(fault)) => {
                let topic = self.outlet.topic(&out.records[place]);
                Err(SinkError::Fatal(format!("{topic}: {fault}")))
            }
        }
    }

    fn commit(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError> {
        match self.outlet.settle(wait) {
            Ok(()) => {}
            Err(Unsettled::Waiting(records)) => {
                return Err(CommitError::Again(format!("{records} records wait for their delivery")));
            }
            Err(Unsettled::Failed(fault)) => {
                let reason = format!("a record was not delivered: {fault}");
                let passing = fault.rdkafka_error_code().is_none_or(passes);
                return Err(if passing { CommitError::Aborted(reason) } else { CommitError::Fatal(reason) });
            }
        }
        if next.is_empty() {
            return Ok(());
        }
        if self.consumer.context().has_lost() || self.consumer.assignment_lost() {
            return Err(CommitError::Again("the assignment is lost".to_owned()));
        }
        let list = offsets(&self.input, next, self.partitions)
            .map_err(|fault| CommitError::Fatal(fault.to_string()))?;
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
        self.consumer.context().forget_loss();
        Ok(false)
    }
}
