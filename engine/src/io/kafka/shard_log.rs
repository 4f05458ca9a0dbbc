//! The log of a shard on the brokers: its committed position, and its partitions of the input and verdicts topics.

use super::client::{Health, PlainContext, is_retriable, retry};
use super::client_setting::ClientKind;
use super::consumer::{appended_at, number};
use super::note;
use super::settings::KafkaSettings;
use crate::names::header;
use crate::runtime::recovery::{Cancellation, Restored};
use crate::runtime::restore::{LogRecord, RestoreError, ShardLog, SideTopic};
use crate::runtime::source::Position;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};
use tripline_core::batch::{ShardId, Timestamp};

/// A partition that returns no record for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Interval of polling whether a transaction has ended.
pub(super) const OPEN_POLL_EVERY: Duration = Duration::from_millis(20);

/// The clients of a restore.
pub(super) struct Readers {
    /// Reads committed records.
    committed: BaseConsumer<PlainContext>,
    /// Returns the ends of partitions, open transactions included.
    written: BaseConsumer<PlainContext>,
}

impl Readers {
    pub(super) fn new(settings: &KafkaSettings, health: &Health) -> Result<Readers, KafkaError> {
        let mut written = settings.plain_client(ClientKind::Consumer, "reader-ends");
        written.set("isolation.level", "read_uncommitted");
        Ok(Readers {
            committed: settings.reader(health.worker).create_with_context(PlainContext(health.clone()))?,
            written: written.create_with_context(PlainContext(health.clone()))?,
        })
    }

    /// Whether an open transaction blocks records in the shard's partition of the verdicts topic.
    pub(super) fn verdicts_are_blocked(
        &self,
        settings: &KafkaSettings,
        shard: ShardId,
        wait: Duration,
    ) -> Result<bool, PositionError> {
        let (topic, partition) = (settings.topics().verdicts, number(shard));
        // Serves the client's log lines, too.
        let _ = self.written.poll(Duration::ZERO);
        let end_of = |client: &BaseConsumer<PlainContext>| {
            let extent = client.fetch_watermarks(&topic, partition, wait);
            let failed =
                |error| PositionError::of(&format!("the end of {topic} partition {partition}"), &error);
            extent.map(|(_, end)| end).map_err(failed)
        };
        let end = end_of(&self.written)?;
        Ok(end_of(&self.committed)? < end)
    }

    /// The committed position of a shard, or the beginning of a partition without one. `partitions` is the input's
    /// number of partitions.
    pub(super) fn position(
        &self,
        settings: &KafkaSettings,
        partitions: u32,
        (shard, wait): (ShardId, Duration),
    ) -> Result<Position, PositionError> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&settings.topic, number(shard));
        let what = format!("the committed offset of {}", whose(settings, shard));
        let failed = |error| PositionError::of(&what, &error);
        let committed = self.committed.committed_offsets(list, wait).map_err(failed)?;
        let elements = committed.elements();
        let element =
            elements.first().ok_or_else(|| failed(KafkaError::OffsetFetch(Code::UnknownPartition)))?;
        element.error().map_err(failed)?;
        let (next, stored) = match element.offset() {
            Offset::Offset(next) => (next, element.metadata()),
            _ => (self.beginning(settings, shard, wait)?, ""),
        };
        let note = note::read(stored, &settings.topic, partitions)
            .map_err(|error| PositionError::Permanent(error.to_string()))?;
        Ok(Position { shard, next, note })
    }

    /// A group commits a position for every partition before it starts. A partition without one is read from its
    /// beginning, if no record was ever deleted there; otherwise input could be skipped.
    fn beginning(
        &self,
        settings: &KafkaSettings,
        shard: ShardId,
        wait: Duration,
    ) -> Result<i64, PositionError> {
        let (topic, partition) = (&settings.topic, number(shard));
        let what = format!("the first offset of {topic} partition {partition}");
        let extent = self.committed.fetch_watermarks(topic, partition, wait);
        match extent.map_err(|error| PositionError::of(&what, &error))? {
            (0, _) => Ok(0),
            (first, _) => Err(PositionError::Permanent(no_offset(settings, shard, first))),
        }
    }
}

/// Why the committed position of a shard is not available.
pub(super) enum PositionError {
    /// A transaction of the shard's last owner is open; the broker will end it.
    OpenTransaction,
    /// The position may be available later.
    Retriable(String),
    /// Processing from here would skip input, or the broker refuses the request permanently.
    Permanent(String),
}

impl PositionError {
    /// What the error of a request for `what` means.
    pub(super) fn of(what: &str, error: &KafkaError) -> PositionError {
        match error.rdkafka_error_code() {
            Some(Code::UnstableOffsetCommit) => PositionError::OpenTransaction,
            Some(code) if !is_retriable(code) => PositionError::Permanent(format!(
                "the brokers refuse {what}: {error}. Correct that, then start the process again"
            )),
            _ => PositionError::Retriable(format!("{what} is not available: {error}")),
        }
    }
}

/// The owner of a committed offset, for messages.
fn whose(settings: &KafkaSettings, shard: ShardId) -> String {
    format!("group {} for {} partition {}", settings.group, settings.topic, number(shard))
}

/// A partition of a group that has begun without an offset for it: where to go on is for an operator to say.
fn no_offset(settings: &KafkaSettings, shard: ShardId, first: i64) -> String {
    let KafkaSettings { brokers, group, topic, .. } = settings;
    format!(
        "there is no committed offset of {}, although there are some for other partitions (offsets expire when a group is \
         inactive for long), and the records before offset {first} are deleted. Stop all processes of the group and set \
         the offset: kafka-consumer-groups.sh --bootstrap-server {brokers} --group {group} --topic {topic}:{} \
         --reset-offsets --to-offset OFFSET --execute",
        whose(settings, shard),
        number(shard)
    )
}

/// A shard's partitions of input and verdicts.
pub(super) struct Partition<'a> {
    pub(super) settings: &'a KafkaSettings,
    pub(super) readers: &'a Readers,
    pub(super) shard: ShardId,
    pub(super) cancellation: &'a Cancellation,
    pub(super) handed_over: &'a SyncSender<Restored>,
}

impl Partition<'_> {
    fn number(&self) -> i32 {
        number(self.shard)
    }

    fn topic(&self, side: SideTopic) -> String {
        match side {
            SideTopic::Input => self.settings.topic.clone(),
            SideTopic::Verdicts => self.settings.topics().verdicts,
        }
    }

    /// Repeats a request about a topic.
    fn retry<T>(
        &self,
        topic: &str,
        request: impl FnMut(Duration) -> Result<T, KafkaError>,
    ) -> Result<T, RestoreError> {
        retry(self.settings.patience.min(SILENCE_MAX), request).map_err(|error| self.failed(topic, error))
    }

    fn failed(&self, topic: &str, reason: impl ToString) -> RestoreError {
        let place = format!("{topic} partition {}", self.number());
        RestoreError::Log { place, reason: reason.to_string() }
    }

    /// Stops reading.
    pub(super) fn unassigned(&self) -> Result<(), RestoreError> {
        let done = self.readers.committed.unassign();
        done.map_err(|error| self.failed(&self.settings.topic, error))
    }

    fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }
}

impl ShardLog for Partition<'_> {
    fn log_start_offset(&self) -> Result<i64, RestoreError> {
        let input = &self.settings.topic;
        let (log_start, _) =
            self.retry(input, |wait| self.readers.committed.fetch_watermarks(input, self.number(), wait))?;
        Ok(log_start)
    }

    fn offset_at(&self, side: SideTopic, ms: i64) -> Result<Option<i64>, RestoreError> {
        let topic = self.topic(side);
        let found = self.retry(&topic, |wait| {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, self.number(), Offset::Offset(ms.max(0)))?;
            let list = self.readers.committed.offsets_for_times(list, wait)?;
            list.elements().iter().try_for_each(|element| element.error())?;
            Ok(list.elements().first().map(|element| element.offset()))
        })?;
        Ok(match found {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        })
    }

    fn read(
        &self,
        side: SideTopic,
        from: i64,
        each: &mut dyn FnMut(&LogRecord<'_>) -> Result<bool, RestoreError>,
    ) -> Result<(), RestoreError> {
        let (topic, partition) = (self.topic(side), self.number());
        let mut list = TopicPartitionList::new();
        let failed = |reason: &dyn ToString| {
            let place = format!("{topic} partition {partition} from offset {from}");
            RestoreError::Log { place, reason: reason.to_string() }
        };
        list.add_partition_offset(&topic, partition, Offset::Offset(from)).map_err(|error| failed(&error))?;
        self.readers.committed.assign(&list).map_err(|error| failed(&error))?;
        let is_wanted = |message: &BorrowedMessage<'_>| {
            message.topic() == topic && message.partition() == partition && message.offset() >= from
        };
        let mut last_record = Instant::now();
        loop {
            if self.is_cancelled() {
                return Err(RestoreError::Cancelled);
            }
            match self.readers.committed.poll(Duration::from_millis(100)) {
                Some(Ok(message)) if is_wanted(&message) => {
                    last_record = Instant::now();
                    if !each(&log_record(&message, side, self.settings)?)? {
                        return Ok(());
                    }
                }
                // A record of an earlier assignment.
                Some(Ok(_)) => {}
                Some(Err(KafkaError::PartitionEOF(of))) if of == partition => return Ok(()),
                Some(Err(error)) if error.rdkafka_error_code() == Some(Code::AutoOffsetReset) => {
                    return Err(failed(&error));
                }
                Some(Err(_)) | None if last_record.elapsed() > SILENCE_MAX => {
                    return Err(failed(&format!("no record came for {SILENCE_MAX:?}")));
                }
                Some(Err(_)) | None => {}
            }
        }
    }

    fn await_ended(&self) -> Result<i64, RestoreError> {
        let (topic, partition) = (self.topic(SideTopic::Verdicts), self.number());
        let (_, end) =
            self.retry(&topic, |wait| self.readers.written.fetch_watermarks(&topic, partition, wait))?;
        let mut is_logged = false;
        loop {
            let (_, stable) =
                self.retry(&topic, |wait| self.readers.committed.fetch_watermarks(&topic, partition, wait))?;
            if stable >= end {
                return Ok(end);
            }
            if self.is_cancelled() {
                return Err(RestoreError::Cancelled);
            }
            if !is_logged {
                is_logged = true;
                let records = end - stable;
                tracing::info!(
                    partition,
                    records,
                    "the restore waits for the end of an open transaction in the verdicts topic"
                );
            }
            std::thread::sleep(OPEN_POLL_EVERY);
        }
    }

    fn hand_over(&self, restored: Restored) -> Result<(), RestoreError> {
        if self.is_cancelled() {
            return Err(RestoreError::Cancelled);
        }
        // Nobody receives once the worker has ended.
        self.handed_over.send(restored).map_err(|_| RestoreError::Cancelled)
    }
}

fn log_record<'m>(
    message: &'m BorrowedMessage<'_>,
    side: SideTopic,
    settings: &KafkaSettings,
) -> Result<LogRecord<'m>, RestoreError> {
    let at = match side {
        SideTopic::Input => appended_at(message, settings.clock)?,
        SideTopic::Verdicts => message.timestamp().to_millis().map(Timestamp),
    };
    let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
    let cause = (side == SideTopic::Verdicts).then(|| cause(message)).flatten();
    Ok(LogRecord { offset: message.offset(), at, key, value, cause })
}

/// Offset of the input record that a verdict is about.
fn cause(message: &BorrowedMessage<'_>) -> Option<i64> {
    let headers = message.headers()?;
    let found = headers.iter().find(|one| one.key == header::SOURCE_OFFSET)?;
    std::str::from_utf8(found.value?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_that_is_not_available_is_named_with_what_to_do() {
        let settings = KafkaSettings::new("127.0.0.1:9092", "events", "tripline", "bank");
        let of = |code| {
            let what = format!("the committed offset of {}", whose(&settings, ShardId::account(3)));
            PositionError::of(&what, &KafkaError::OffsetFetch(code))
        };
        let named = "the committed offset of group tripline for events partition 3";
        let PositionError::Permanent(text) = of(Code::GroupAuthorizationFailed) else {
            panic!("it is lasting")
        };
        assert!(text.contains(named) && text.contains("start the process again"), "{text}");
        let PositionError::Retriable(text) = of(Code::BrokerTransportFailure) else { panic!("it may pass") };
        assert!(text.starts_with(named) && text.contains("is not available: "), "{text}");
        assert!(matches!(of(Code::UnstableOffsetCommit), PositionError::OpenTransaction));
        let text = no_offset(&settings, ShardId::account(3), 17);
        for part in ["group tripline for events partition 3", "offset 17", "--topic events:3 --reset-offsets"]
        {
            assert!(text.contains(part), "{text}");
        }
    }
}
