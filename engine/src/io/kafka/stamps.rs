//! Whose clock stamped the records that `run` would read first. A topic whose timestamp type was changed keeps the
//! timestamps of its older records. It commits nothing and joins no group.

use super::settings::KafkaSettings;
use crate::runtime::clock::Clock;
use crate::settings::Start;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, Timestamp as MessageTime};
use rdkafka::{Offset, TopicPartitionList};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Time-out of one request, and of reading one record of every partition.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Offsets by partition.
type Offsets = BTreeMap<i32, i64>;

/// The first records that `run` would read, by who set their timestamps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stamps {
    /// Partitions of which a record was read.
    pub read: usize,
    /// Partitions in which the next record to judge has a timestamp of its producer, with that record's offset.
    pub next_by_producer: Offsets,
    /// The same of the first record that a restore from the log alone would read.
    pub restored_by_producer: Offsets,
}

/// Reads a record of every partition at the offset that `run` would judge next, and one where a restore would begin
/// that goes so far back.
///
/// # Errors
/// When the brokers do not answer.
pub(super) fn first_stamps(
    settings: &KafkaSettings,
    partitions: u32,
    back_ms: i64,
) -> Result<Stamps, KafkaError> {
    let mut config = settings.reader(0);
    config.set("isolation.level", "read_uncommitted");
    // One record of each partition is enough.
    config.set("queued.min.messages", "1").set("fetch.message.max.bytes", "65536");
    let reader = Reader { settings, consumer: config.create()? };
    let (next, restored) = reader.starts(partitions, back_ms)?;
    let (by_next, by_restored) = (reader.stamps(&next)?, reader.stamps(&restored)?);
    let read = by_next.keys().chain(by_restored.keys()).collect::<BTreeSet<_>>().len();
    let producers = |stamps: BTreeMap<i32, (i64, bool)>| {
        let of_producers = stamps.into_iter().filter(|(_, (_, is_producers))| *is_producers);
        of_producers.map(|(partition, (offset, _))| (partition, offset)).collect()
    };
    Ok(Stamps { read, next_by_producer: producers(by_next), restored_by_producer: producers(by_restored) })
}

struct Reader<'a> {
    settings: &'a KafkaSettings,
    consumer: BaseConsumer,
}

impl Reader<'_> {
    /// Where `run` goes on, and where a restore begins that goes so far back, for partitions that hold a record there.
    fn starts(&self, partitions: u32, back_ms: i64) -> Result<(Offsets, Offsets), KafkaError> {
        let last = i32::try_from(partitions).unwrap_or(i32::MAX) - 1;
        let mut all = TopicPartitionList::new();
        all.add_partition_range(&self.settings.topic, 0, last);
        let committed = self.consumer.committed_offsets(all.clone(), ANSWER_WITHIN)?;
        let from_ms = Clock::default().wall().0.saturating_sub(back_ms).max(0);
        all.set_all_offsets(Offset::Offset(from_ms))?;
        let back = self.consumer.offsets_for_times(all, ANSWER_WITHIN)?;
        let offset_in = |list: &TopicPartitionList, partition| match list
            .find_partition(&self.settings.topic, partition)?
            .offset()
        {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        let (mut next, mut restored) = (Offsets::new(), Offsets::new());
        for partition in 0..=last {
            let topic = &self.settings.topic;
            let (low, high) = self.consumer.fetch_watermarks(topic, partition, ANSWER_WITHIN)?;
            let begin = if self.settings.start == Start::Latest { high } else { low };
            let goes_on = offset_in(&committed, partition).unwrap_or(begin).max(low);
            let begins = offset_in(&back, partition).unwrap_or(high).max(low);
            next.extend((goes_on < high).then_some((partition, goes_on)));
            restored.extend((begins < goes_on).then_some((partition, begins)));
        }
        Ok((next, restored))
    }

    /// The first record at or after each offset: its own offset, and whether its timestamp is the producer's.
    fn stamps(&self, from: &Offsets) -> Result<BTreeMap<i32, (i64, bool)>, KafkaError> {
        let mut found = BTreeMap::new();
        if from.is_empty() {
            return Ok(found);
        }
        let mut list = TopicPartitionList::with_capacity(from.len());
        for (partition, offset) in from {
            list.add_partition_offset(&self.settings.topic, *partition, Offset::Offset(*offset))?;
        }
        self.consumer.assign(&list)?;
        let (mut waiting, began) = (from.keys().copied().collect::<BTreeSet<i32>>(), Instant::now());
        while !waiting.is_empty() && began.elapsed() < ANSWER_WITHIN {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) if waiting.remove(&message.partition()) => {
                    let is_producers = matches!(message.timestamp(), MessageTime::CreateTime(_));
                    found.insert(message.partition(), (message.offset(), is_producers));
                    let mut read = TopicPartitionList::new();
                    read.add_partition(&self.settings.topic, message.partition());
                    self.consumer.pause(&read)?;
                }
                // Only markers of transactions follow.
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(waiting.remove(&partition)),
                Some(Ok(_) | Err(_)) | None => {}
            }
        }
        // The client keeps a partition paused beyond its assignment.
        self.consumer.resume(&list)?;
        self.consumer.unassign()?;
        Ok(found)
    }
}
