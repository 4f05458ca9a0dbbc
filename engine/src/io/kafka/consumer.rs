//! The input topic as a source: one consumer and the shards it owns.

use super::client::{Health, PlainContext, is_retriable, retry};
use super::rebalance::{Change, GroupContext, unassign};
use super::settings::KafkaSettings;
use super::topics::count;
use crate::runtime::clock::not_ahead;
use crate::runtime::source::{Generation, Polled, Position, Source, SourceError};
use crate::settings::InputClock;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message, Timestamp as MessageTime};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline_core::batch::{Batch, ShardId, Timestamp};

/// Time-out of fetching the committed offsets of assigned shards; the worker is blocked meanwhile.
const LEAST_WITHIN: Duration = Duration::from_secs(2);

/// A consumer that a source polls and a sink commits with.
pub(super) type GroupConsumer = Arc<BaseConsumer<GroupContext>>;

/// A member of the group on the input topic.
pub struct KafkaSource {
    consumer: GroupConsumer,
    /// Fetches positions without waiting for open transactions.
    asking: BaseConsumer<PlainContext>,
    settings: Arc<KafkaSettings>,
    partitions: u32,
    /// By partition: the least offset that may be delivered, while it is live.
    live: Vec<Option<i64>>,
    /// Partitions assigned but not live.
    suspended: BTreeSet<i32>,
    /// By partition: the consumer has reached the end.
    ended: Vec<bool>,
    /// Records of another shard than the batch of their poll.
    carried: VecDeque<Batch>,
    paused: bool,
}

fn index(partition: i32) -> usize {
    usize::try_from(partition).expect("brokers number partitions from 0")
}

pub(super) fn shard(partition: i32) -> ShardId {
    ShardId::account(u32::try_from(partition).expect("brokers number partitions from 0"))
}

pub(super) fn number(shard: ShardId) -> i32 {
    i32::try_from(shard.partition).expect("the broker gave the number")
}

fn shards(partitions: &[i32]) -> Vec<ShardId> {
    partitions.iter().copied().map(shard).collect()
}

/// Time of a message by the configured clock.
pub(super) fn appended_at(
    message: &BorrowedMessage<'_>,
    clock: InputClock,
) -> Result<Option<Timestamp>, SourceError> {
    match (message.timestamp(), clock) {
        (MessageTime::LogAppendTime(ms), _) => Ok(Some(Timestamp(ms))),
        (MessageTime::CreateTime(ms), InputClock::CreateTime) => {
            Ok((ms >= 0).then_some(not_ahead(Timestamp(ms))))
        }
        (MessageTime::NotAvailable, InputClock::CreateTime) => Ok(None),
        (_, InputClock::LogAppendTime) => Err(SourceError::Clock { topic: message.topic().to_owned() }),
    }
}

impl KafkaSource {
    /// Joins the group. `partitions`: the input's number of partitions.
    ///
    /// # Errors
    /// When the client cannot be created.
    pub(super) fn join(
        settings: Arc<KafkaSettings>,
        health: &Health,
        partitions: u32,
    ) -> Result<KafkaSource, SourceError> {
        let place = settings.topic.clone();
        let stopped =
            |error: KafkaError| SourceError::Stopped { place: place.clone(), reason: error.to_string() };
        let context = GroupContext::new(health.clone());
        let consumer: BaseConsumer<GroupContext> =
            settings.consumer(health.worker).create_with_context(context).map_err(stopped)?;
        let asking = settings
            .reader(health.worker)
            .set("isolation.level", "read_uncommitted")
            .create_with_context(PlainContext(health.clone()))
            .map_err(stopped)?;
        consumer.subscribe(&[&settings.topic]).map_err(stopped)?;
        let count = partitions as usize;
        Ok(KafkaSource {
            consumer: Arc::new(consumer),
            asking,
            settings,
            partitions,
            live: vec![None; count],
            suspended: BTreeSet::new(),
            ended: vec![false; count],
            carried: VecDeque::new(),
            paused: false,
        })
    }

    /// The consumer, for the sink that commits.
    pub(super) fn consumer(&self) -> GroupConsumer {
        Arc::clone(&self.consumer)
    }

    fn stopped(&self, partition: Option<i32>, reason: impl ToString) -> SourceError {
        let topic = &self.settings.topic;
        let place = partition.map_or_else(|| topic.clone(), |p| format!("{topic} partition {p}"));
        SourceError::Stopped { place, reason: reason.to_string() }
    }

    fn list(&self, shards: &[ShardId]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(shards.len());
        for shard in shards {
            list.add_partition(&self.settings.topic, number(*shard));
        }
        list
    }

    fn change(&mut self) -> Option<Polled> {
        let change = self.consumer.context().changes().next()?;
        Some(match change {
            Change::Assigned(generation, partitions) => Polled::Assigned(generation, shards(&partitions)),
            Change::Revoked(generation, partitions) => Polled::Revoked(generation, shards(&partitions)),
            Change::Lost(partitions) => {
                let shards = shards(&partitions);
                self.forget(&shards);
                Polled::Lost(shards)
            }
        })
    }

    fn forget(&mut self, shards: &[ShardId]) {
        for shard in shards {
            let partition = number(*shard);
            self.live[index(partition)] = None;
            self.suspended.remove(&partition);
        }
        self.carried.retain(|batch| !shards.contains(&batch.shard));
    }

    /// Adds a message to the batch. False if it is of another shard and carried to the next poll.
    fn take(&mut self, message: &BorrowedMessage<'_>, into: &mut Batch) -> Result<bool, SourceError> {
        let (partition, offset) = (message.partition(), message.offset());
        let Some(Some(next)) = self.live.get_mut(index(partition)) else { return Ok(true) };
        if offset < *next {
            return Ok(true);
        }
        *next = offset + 1;
        self.ended[index(partition)] = false;
        let time = appended_at(message, self.settings.clock)?;
        let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        let shard = shard(partition);
        if into.records.is_empty() {
            into.shard = shard;
        }
        if into.shard == shard && !self.paused {
            into.push(offset, time, key, value);
            return Ok(true);
        }
        let mut batch = Batch::new(shard);
        batch.push(offset, time, key, value);
        self.carried.push_back(batch);
        Ok(false)
    }

    /// Retriable errors are ignored, because the client retries; permanent ones end the source.
    fn client_error(&mut self, error: KafkaError) -> Result<(), SourceError> {
        match error {
            KafkaError::PartitionEOF(partition) => {
                self.ended[index(partition)] = true;
                Ok(())
            }
            KafkaError::MessageConsumptionFatal(_) => Err(self.stopped(None, error)),
            _ => match error.rdkafka_error_code() {
                Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                    let reason = "the committed offset is no longer in the log: processing would skip input. \
                                  Increase the topic's retention, or reset the group's offsets explicitly";
                    Err(self.stopped(None, reason))
                }
                Some(code) if !is_retriable(code) => Err(self.stopped(None, error)),
                _ => Ok(()),
            },
        }
    }

    /// The shards' partitions, each at the last position that is known to be committed: its next offset or an earlier
    /// one. Open transactions are not waited for. Without an offset the client would look one up by itself, and let
    /// that override a seek.
    fn least(&self, shards: &[ShardId]) -> Result<TopicPartitionList, KafkaError> {
        if shards.is_empty() {
            return Ok(self.list(shards));
        }
        let list = retry(LEAST_WITHIN, |wait| {
            let list = self.asking.committed_offsets(self.list(shards), wait)?;
            list.elements().iter().try_for_each(|element| element.error())?;
            Ok(list)
        })?;
        for element in &mut list.elements() {
            if !matches!(element.offset(), Offset::Offset(_)) {
                element.set_offset(Offset::Offset(0))?;
            }
        }
        Ok(list)
    }

    fn seek(&self, at: &Position) -> Result<(), SourceError> {
        let partition = number(at.shard);
        let request = |wait| {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&self.settings.topic, partition, Offset::Offset(at.next))?;
            let list = self.consumer.seek_partitions(list, wait)?;
            list.elements().iter().try_for_each(|element| element.error())
        };
        retry(self.settings.patience, request).map_err(|error| self.stopped(Some(partition), error))
    }

    fn set_paused(&self, shards: &[ShardId], paused: bool) -> Result<(), SourceError> {
        let list = self.list(shards);
        let done = if paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        done.map_err(|error| self.stopped(None, error))
    }

    fn live_shards(&self) -> Vec<ShardId> {
        let live = self.live.iter().zip(0..).filter(|(next, _)| next.is_some());
        live.map(|(_, partition)| ShardId::account(partition)).collect()
    }
}

impl Source for KafkaSource {
    fn poll(&mut self, into: &mut Batch, wait: Duration) -> Result<Polled, SourceError> {
        into.clear();
        if let Some(change) = self.change() {
            return Ok(change);
        }
        if !self.paused
            && let Some(carried) = self.carried.pop_front()
        {
            // The capacity of `into` stays: it has grown to that of a whole batch.
            into.copy_from(&carried);
        }
        let began = Instant::now();
        let consumer = Arc::clone(&self.consumer);
        while into.records.len() < self.settings.batch_max {
            let left =
                if into.records.is_empty() { wait.saturating_sub(began.elapsed()) } else { Duration::ZERO };
            match consumer.poll(whole_ms(left)) {
                None => break,
                Some(Ok(message)) => {
                    if !self.take(&message, into)? {
                        break;
                    }
                }
                Some(Err(error)) => self.client_error(error)?,
            }
        }
        if !into.records.is_empty() {
            return Ok(Polled::Batch);
        }
        // Serves the client's log lines.
        let _ = self.asking.poll(Duration::ZERO);
        Ok(self.change().unwrap_or(Polled::Idle))
    }

    fn accept(&mut self, generation: Generation, shards: &[ShardId]) -> Result<Vec<ShardId>, SourceError> {
        // Partitions that were added while the process runs.
        if let Some(added) =
            shards.iter().map(|shard| shard.partition).max().filter(|at| *at >= self.partitions)
        {
            let topic = self.settings.topic.clone();
            let counted = count(LEAST_WITHIN, &self.asking, &topic).ok().flatten();
            let (stored, found) = (self.partitions, counted.map_or(added + 1, |count| count.max(added + 1)));
            return Err(SourceError::Repartitioned { topic, stored, found });
        }
        let list = match self.least(shards) {
            Ok(list) => list,
            // The brokers are unavailable: the worker continues, and the change is delivered again.
            Err(error) if error.rdkafka_error_code().is_none_or(is_retriable) => {
                self.consumer.context().changes().again(generation);
                return Ok(Vec::new());
            }
            Err(error) => return Err(self.stopped(None, error)),
        };
        if !self.consumer.context().changes().answer(generation) {
            return Ok(Vec::new());
        }
        self.consumer.incremental_assign(&list).map_err(|error| self.stopped(None, error))?;
        self.suspend(shards)?;
        Ok(shards.to_vec())
    }

    fn suspend(&mut self, shards: &[ShardId]) -> Result<(), SourceError> {
        if shards.is_empty() {
            return Ok(());
        }
        self.set_paused(shards, true)?;
        self.forget(shards);
        self.suspended.extend(shards.iter().copied().map(number));
        Ok(())
    }

    fn resume(&mut self, at: &Position) -> Result<(), SourceError> {
        let partition = number(at.shard);
        if !self.suspended.remove(&partition) {
            return Ok(());
        }
        self.seek(at)?;
        self.live[index(partition)] = Some(at.next);
        self.ended[index(partition)] = false;
        if self.paused { Ok(()) } else { self.set_paused(&[at.shard], false) }
    }

    fn release(&mut self, generation: Generation, shards: &[ShardId]) -> Result<(), SourceError> {
        if !self.consumer.context().changes().answer(generation) {
            return Ok(());
        }
        self.forget(shards);
        unassign(&self.consumer, &self.list(shards)).map_err(|error| self.stopped(None, error))
    }

    fn pause(&mut self, paused: bool) -> Result<(), SourceError> {
        self.paused = paused;
        let live = self.live_shards();
        if live.is_empty() { Ok(()) } else { self.set_paused(&live, paused) }
    }

    fn caught_up(&self, shard: ShardId) -> bool {
        let place = index(number(shard));
        self.ended[place]
            && self.live[place].is_some()
            && self.carried.iter().all(|batch| batch.shard != shard)
    }

    fn delivered_to(&self) -> Vec<(ShardId, i64)> {
        // Known to the client: no broker is asked.
        let Ok(list) = self.consumer.position() else { return Vec::new() };
        let delivered = list.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(next) => Some((shard(element.partition()), next)),
            _ => None,
        });
        delivered.filter(|(shard, _)| self.caught_up(*shard)).collect()
    }

    fn close(&mut self) {
        self.consumer.context().close();
        let open = self.consumer.context().changes().answer_any();
        let answered = match open {
            Some(Change::Revoked(_, partitions)) => {
                unassign(&self.consumer, &self.list(&shards(&partitions)))
            }
            Some(Change::Assigned(..)) => self.consumer.incremental_assign(&TopicPartitionList::new()),
            Some(Change::Lost(_)) | None => Ok(()),
        };
        if let Err(error) = answered {
            tracing::warn!(reason = %error, "the last rebalance could not be acknowledged; the group reassigns the partitions after the session timeout");
        }
        self.live.fill(None);
        self.carried.clear();
    }
}

/// Rounded up to what the client can wait for: through a part of a millisecond it would spin.
fn whole_ms(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        // Dropping the consumer leaves the group, which revokes: nobody would answer.
        self.consumer.context().close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_shorter_than_asked_for_and_a_whole_number_of_milliseconds() {
        for (wait_us, ms) in [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (97_300, 98)] {
            assert_eq!(whole_ms(Duration::from_micros(wait_us)), Duration::from_millis(ms));
        }
    }
}
