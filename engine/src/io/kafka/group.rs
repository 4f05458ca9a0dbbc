//! A consumer group from outside, before anybody joins it: who is in it, where it stands, where it is to begin.

use super::client::{Health, PlainContext, ask};
use super::note;
use super::settings::KafkaSettings;
use super::topics::{check, stopped};
use crate::runtime::report::Report;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::source::SourceError;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;

/// A group and the input that it reads.
pub struct Group {
    settings: KafkaSettings,
    consumer: BaseConsumer<PlainContext>,
    /// Does not wait for transactions under way.
    hasty: BaseConsumer<PlainContext>,
    partitions: u32,
}

impl Group {
    /// Checks the topics as `run` does, and asks nothing of the group yet.
    ///
    /// # Errors
    /// When a topic is missing, partition counts do not fit, or the clock is not the one configured.
    pub fn open(settings: &KafkaSettings, report: &Arc<dyn Report>) -> Result<Group, SourceError> {
        let health = Health { worker: 0, report: Arc::clone(report), shutdown: Shutdown::default() };
        Group::with(settings, &health)
    }

    pub(super) fn with(settings: &KafkaSettings, health: &Health) -> Result<Group, SourceError> {
        let reader = |isolation| -> Result<BaseConsumer<PlainContext>, SourceError> {
            settings
                .reader(health.worker)
                .set("isolation.level", isolation)
                .create_with_context(PlainContext(health.clone()))
                .map_err(|fault| stopped(&settings.topic, fault))
        };
        let (consumer, hasty) = (reader("read_committed")?, reader("read_uncommitted")?);
        let partitions = check(settings, &consumer)?;
        Ok(Group { settings: settings.clone(), consumer, hasty, partitions })
    }

    /// How many partitions the input has.
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// How many members it has, those included that have left without a word and are waited for.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn members(&self) -> Result<usize, SourceError> {
        let name = &self.settings.group;
        let groups = self.ask(|wait| self.consumer.fetch_group_list(Some(name), wait))?;
        Ok(groups.groups().iter().map(|group| group.members().len()).sum())
    }

    /// Whether it has a committed position anywhere. Who died in a transaction had found one: nobody waits for its end.
    ///
    /// # Errors
    /// As [`Group::committed`].
    pub(super) fn has_begun(&self) -> Result<bool, SourceError> {
        Ok(self.positions(&self.hasty)?.iter().any(Option::is_some))
    }

    /// Its committed position of every partition, where it has one.
    ///
    /// # Errors
    /// When they were committed for another number of partitions, or the brokers do not answer.
    pub fn committed(&self) -> Result<Vec<Option<i64>>, SourceError> {
        self.positions(&self.consumer)
    }

    fn positions(&self, consumer: &BaseConsumer<PlainContext>) -> Result<Vec<Option<i64>>, SourceError> {
        let list = self.ask(|wait| {
            let list = consumer.committed_offsets(self.all(), wait)?;
            list.elements().iter().try_for_each(|element| element.error())?;
            Ok(list)
        })?;
        let mut positions = Vec::new();
        for element in list.elements() {
            positions.push(match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            });
            note::read(element.metadata(), &self.settings.topic, self.partitions)?;
        }
        Ok(positions)
    }

    /// First offset and end of every partition, as far as records are committed.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn extents(&self) -> Result<Vec<(i64, i64)>, SourceError> {
        let topic = &self.settings.topic;
        let all = self.all();
        let partitions = all.elements().iter().map(|element| element.partition()).collect::<Vec<_>>();
        let extent = |partition| self.ask(|wait| self.consumer.fetch_watermarks(topic, partition, wait));
        partitions.into_iter().map(extent).collect()
    }

    /// Commits a position for every partition, in the name of nobody: only a group without members takes it.
    ///
    /// # Errors
    /// When somebody has joined meanwhile, or the brokers do not answer.
    pub fn begin_at(&self, positions: &[i64]) -> Result<(), BeginError> {
        let failed = |fault: KafkaError| BeginError::Failed(stopped(&self.settings.topic, fault));
        let list = self.all();
        for (element, next) in list.elements().iter_mut().zip(positions) {
            element.set_offset(Offset::Offset(*next)).map_err(failed)?;
            element.set_metadata(note::write("", self.partitions));
        }
        let taken = [Code::UnknownMemberId, Code::IllegalGeneration, Code::RebalanceInProgress];
        match ask(self.settings.patience, |_| match self.consumer.commit(&list, CommitMode::Sync) {
            Err(fault) if fault.rdkafka_error_code().is_some_and(|code| taken.contains(&code)) => Ok(false),
            answer => answer.map(|()| true),
        }) {
            Ok(true) => Ok(()),
            Ok(false) => Err(BeginError::Joined(self.settings.group.clone())),
            Err(fault) => Err(failed(fault)),
        }
    }

    fn all(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        let count = i32::try_from(self.partitions).unwrap_or(i32::MAX);
        list.add_partition_range(&self.settings.topic, 0, count - 1);
        list
    }

    fn ask<T>(&self, question: impl FnMut(Duration) -> Result<T, KafkaError>) -> Result<T, SourceError> {
        ask(self.settings.patience, question).map_err(|fault| stopped(&self.settings.topic, fault))
    }
}

/// Why a group was not given its beginning.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Somebody is in it.
    #[error("somebody has joined the group {0}: stop its processes first")]
    Joined(String),
    /// The brokers refuse, or do not answer.
    #[error(transparent)]
    Failed(#[from] SourceError),
}
