//! A consumer group seen from outside, before a worker joins it: its members, its committed positions, its start.

use super::client::{Health, PlainContext, retry};
use super::note;
use super::settings::KafkaSettings;
use super::topics::{check, stopped};
use crate::runtime::report::Report;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::source::SourceError;
use crate::settings::Start;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;
use tripline_core::snapshot::InputTopic;

/// How long the id of the cluster is waited for, which came with the metadata of the topics.
const CLUSTER_WITHIN: Duration = Duration::from_secs(5);

/// Checks topics and clock, and commits the first positions of a new group. Returns the input.
///
/// # Errors
/// When a topic is missing, partition counts do not fit, the clock is not the one configured, or a new group has no
/// start.
pub(super) fn prepare(settings: &KafkaSettings, health: &Health) -> Result<InputTopic, SourceError> {
    let group = Group::with(settings, health)?;
    start(settings, &group)?;
    Ok(group.input())
}

/// A group without any committed position gets one for every partition, before it is joined: a position that is missing
/// later means that something was lost, and no input is skipped.
fn start(settings: &KafkaSettings, group: &Group) -> Result<(), SourceError> {
    if group.has_begun()? {
        return Ok(());
    }
    if settings.start == Start::Error {
        let reason = format!("the group {} has no committed offset", settings.group);
        return Err(stopped(&settings.topic, reason));
    }
    let next = |(low, high)| if settings.start == Start::Latest { high } else { low };
    let positions: Vec<i64> = group.extents()?.into_iter().map(next).collect();
    match group.begin_at(&positions) {
        // Another process has joined meanwhile: it committed the first positions before it joined.
        Ok(()) | Err(BeginError::Joined(_)) => Ok(()),
        Err(BeginError::Failed(error)) => Err(error),
    }
}

/// A group and the input that it reads.
pub struct Group {
    settings: KafkaSettings,
    consumer: BaseConsumer<PlainContext>,
    /// Does not wait for open transactions.
    read_uncommitted: BaseConsumer<PlainContext>,
    partitions: u32,
}

impl Group {
    /// Checks the topics as `run` does; sends no request to the group yet.
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
                .map_err(|error| stopped(&settings.topic, error))
        };
        let (consumer, read_uncommitted) = (reader("read_committed")?, reader("read_uncommitted")?);
        let partitions = check(settings, &consumer)?;
        Ok(Group { settings: settings.clone(), consumer, read_uncommitted, partitions })
    }

    /// The input. Brokers that do not report the id of their cluster have none.
    pub fn input(&self) -> InputTopic {
        let cluster = self.consumer.client().fetch_cluster_id(CLUSTER_WITHIN).unwrap_or_default();
        InputTopic::new(&cluster, &self.settings.topic, self.partitions)
    }

    /// The input's number of partitions.
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Number of members, including those that have failed and whose session has not timed out yet.
    ///
    /// # Errors
    /// When the brokers do not respond.
    pub fn members(&self) -> Result<usize, SourceError> {
        let name = &self.settings.group;
        let groups = self.retry(|wait| self.consumer.fetch_group_list(Some(name), wait))?;
        Ok(groups.groups().iter().map(|group| group.members().len()).sum())
    }

    /// Whether it has a committed position for any partition. A member that died in a transaction had one, so open
    /// transactions are not waited for.
    ///
    /// # Errors
    /// As [`Group::committed`].
    pub(super) fn has_begun(&self) -> Result<bool, SourceError> {
        Ok(self.positions(&self.read_uncommitted)?.iter().any(Option::is_some))
    }

    /// Its committed position of every partition, if there is one.
    ///
    /// # Errors
    /// When they were committed for another number of partitions, or the brokers do not respond.
    pub fn committed(&self) -> Result<Vec<Option<i64>>, SourceError> {
        self.positions(&self.consumer)
    }

    fn positions(&self, consumer: &BaseConsumer<PlainContext>) -> Result<Vec<Option<i64>>, SourceError> {
        let list = self.retry(|wait| {
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

    /// First offset and last stable offset of every partition.
    ///
    /// # Errors
    /// When the brokers do not respond.
    pub fn extents(&self) -> Result<Vec<(i64, i64)>, SourceError> {
        let topic = &self.settings.topic;
        let all = self.all();
        let partitions = all.elements().iter().map(|element| element.partition()).collect::<Vec<_>>();
        let extent = |partition| self.retry(|wait| self.consumer.fetch_watermarks(topic, partition, wait));
        partitions.into_iter().map(extent).collect()
    }

    /// Commits a position for every partition without joining; the broker accepts that only for a group without
    /// members.
    ///
    /// # Errors
    /// When a member has joined meanwhile, or the brokers do not respond.
    pub fn begin_at(&self, positions: &[i64]) -> Result<(), BeginError> {
        let failed = |error: KafkaError| BeginError::Failed(stopped(&self.settings.topic, error));
        let list = self.all();
        for (element, next) in list.elements().iter_mut().zip(positions) {
            element.set_offset(Offset::Offset(*next)).map_err(failed)?;
            element.set_metadata(note::write("", self.partitions));
        }
        let taken = [Code::UnknownMemberId, Code::IllegalGeneration, Code::RebalanceInProgress];
        match retry(self.settings.patience, |_| match self.consumer.commit(&list, CommitMode::Sync) {
            Err(error) if error.rdkafka_error_code().is_some_and(|code| taken.contains(&code)) => Ok(false),
            answer => answer.map(|()| true),
        }) {
            Ok(true) => Ok(()),
            Ok(false) => Err(BeginError::Joined(self.settings.group.clone())),
            Err(error) => Err(failed(error)),
        }
    }

    fn all(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        let count = i32::try_from(self.partitions).unwrap_or(i32::MAX);
        list.add_partition_range(&self.settings.topic, 0, count - 1);
        list
    }

    fn retry<T>(&self, request: impl FnMut(Duration) -> Result<T, KafkaError>) -> Result<T, SourceError> {
        retry(self.settings.patience, request).map_err(|error| stopped(&self.settings.topic, error))
    }
}

/// Why the first positions of a group were not committed.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The group has members.
    #[error("the group {0} has members: stop its processes first")]
    Joined(String),
    /// The brokers refuse, or do not respond.
    #[error(transparent)]
    Failed(#[from] SourceError),
}
