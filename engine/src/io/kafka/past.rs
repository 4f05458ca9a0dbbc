//! What lies behind a shard's position on the brokers: its commit, its partitions of input and verdicts.

use super::client::{Health, PlainContext, ask, passes};
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

/// A partition that gives nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Between two looks at whether a transaction has ended.
pub(super) const OPEN_LOOK_EVERY: Duration = Duration::from_millis(20);

/// The clients of a filling.
pub(super) struct Readers {
    /// Reads committed records.
    committed: BaseConsumer<PlainContext>,
    /// Knows where partitions end, transactions under way included.
    written: BaseConsumer<PlainContext>,
}

impl Readers {
    pub(super) fn new(settings: &KafkaSettings, health: &Health) -> Result<Readers, KafkaError> {
        let mut written = settings.asking("reader-ends");
        written.set("isolation.level", "read_uncommitted");
        Ok(Readers {
            committed: settings.reader(health.worker).create_with_context(PlainContext(health.clone()))?,
            written: written.create_with_context(PlainContext(health.clone()))?,
        })
    }

    /// Whether a transaction holds back what is in a shard's journal now.
    pub(super) fn journal_is_held_back(
        &self,
        settings: &KafkaSettings,
        shard: ShardId,
        wait: Duration,
    ) -> Result<bool, KafkaError> {
        let (topic, partition) = (settings.topics().verdicts, number(shard));
        // Serves the client's log lines, too.
        let _ = self.written.poll(Duration::ZERO);
        let (_, end) = self.written.fetch_watermarks(&topic, partition, wait)?;
        let (_, stable) = self.committed.fetch_watermarks(&topic, partition, wait)?;
        Ok(stable < end)
    }

    /// Where a shard goes on: its commit, or the beginning of a partition that nobody has begun. `partitions` is how many
    /// the input has.
    pub(super) fn position(
        &self,
        settings: &KafkaSettings,
        partitions: u32,
        (shard, wait): (ShardId, Duration),
    ) -> Result<Position, Unknown> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&settings.topic, number(shard));
        let committed = self.committed.committed_offsets(list, wait)?;
        let elements = committed.elements();
        let element = elements.first().ok_or(KafkaError::OffsetFetch(Code::UnknownPartition))?;
        element.error()?;
        let (next, stored) = match element.offset() {
            Offset::Offset(next) => (next, element.metadata()),
            _ => (self.beginning(settings, shard, wait)?, ""),
        };
        let note = note::read(stored, &settings.topic, partitions)
            .map_err(|fault| Unknown::Ever(fault.to_string()))?;
        Ok(Position { shard, next, note })
    }

    /// A group writes a position for every partition before it starts. One without is begun at its beginning, if
    /// nothing was ever deleted there; else nobody knows what would be skipped.
    fn beginning(&self, settings: &KafkaSettings, shard: ShardId, wait: Duration) -> Result<i64, Unknown> {
        match self.committed.fetch_watermarks(&settings.topic, number(shard), wait)? {
            (0, _) => Ok(0),
            _ => Err(Unknown::Ever(format!(
                "the group {} has no committed position here, though it has elsewhere (positions expire when a \
                 group is away for long), and older records are deleted. Set it knowingly",
                settings.group
            ))),
        }
    }

    /// Reads nothing more.
    pub(super) fn let_go(&self) -> Result<(), KafkaError> {
        self.committed.unassign()
    }
}

/// Why it is not known where a shard goes on.
pub(super) enum Unknown {
    /// A transaction of its last owner is open; the broker will end it.
    Open,
    /// It may be known later.
    Yet(String),
    /// Going on would skip input, or the broker refuses us for good.
    Ever(String),
}

impl From<KafkaError> for Unknown {
    fn from(fault: KafkaError) -> Unknown {
        match fault.rdkafka_error_code() {
            Some(Code::UnstableOffsetCommit) => Unknown::Open,
            Some(code) if !passes(code) => Unknown::Ever(fault.to_string()),
            _ => Unknown::Yet(fault.to_string()),
        }
    }
}

impl From<KafkaError> for RestoreError {
    fn from(fault: KafkaError) -> RestoreError {
        RestoreError::Log(fault.to_string())
    }
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

    fn ask<T>(&self, question: impl FnMut(Duration) -> Result<T, KafkaError>) -> Result<T, RestoreError> {
        Ok(ask(self.settings.patience.min(SILENCE_MAX), question)?)
    }

    fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }
}

impl ShardLog for Partition<'_> {
    fn low(&self) -> Result<i64, RestoreError> {
        let input = &self.settings.topic;
        let (low, _) =
            self.ask(|wait| self.readers.committed.fetch_watermarks(input, self.number(), wait))?;
        Ok(low)
    }

    fn offset_at(&self, side: SideTopic, ms: i64) -> Result<Option<i64>, RestoreError> {
        let topic = self.topic(side);
        let found = self.ask(|wait| {
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
        list.add_partition_offset(&topic, partition, Offset::Offset(from))?;
        self.readers.committed.assign(&list)?;
        let is_wanted = |message: &BorrowedMessage<'_>| {
            message.topic() == topic && message.partition() == partition && message.offset() >= from
        };
        let mut heard = Instant::now();
        loop {
            if self.is_cancelled() {
                return Err(RestoreError::Cancelled);
            }
            match self.readers.committed.poll(Duration::from_millis(100)) {
                Some(Ok(message)) if is_wanted(&message) => {
                    heard = Instant::now();
                    if !each(&found(&message, side, self.settings)?)? {
                        return Ok(());
                    }
                }
                // What is left of an earlier assignment.
                Some(Ok(_)) => {}
                Some(Err(KafkaError::PartitionEOF(of))) if of == partition => return Ok(()),
                Some(Err(fault)) if fault.rdkafka_error_code() == Some(Code::AutoOffsetReset) => {
                    return Err(fault.into());
                }
                Some(Err(_)) | None if heard.elapsed() > SILENCE_MAX => {
                    return Err(RestoreError::Log(format!(
                        "{topic} partition {partition} gave nothing for {SILENCE_MAX:?}"
                    )));
                }
                Some(Err(_)) | None => {}
            }
        }
    }

    fn await_ended(&self) -> Result<i64, RestoreError> {
        let (topic, partition) = (self.topic(SideTopic::Verdicts), self.number());
        let (_, end) = self.ask(|wait| self.readers.written.fetch_watermarks(&topic, partition, wait))?;
        let mut was_told = false;
        loop {
            let (_, stable) =
                self.ask(|wait| self.readers.committed.fetch_watermarks(&topic, partition, wait))?;
            if stable >= end {
                return Ok(end);
            }
            if self.is_cancelled() {
                return Err(RestoreError::Cancelled);
            }
            if !was_told {
                was_told = true;
                let records = end - stable;
                tracing::info!(partition, records, "the journal waits for the end of a transaction");
            }
            std::thread::sleep(OPEN_LOOK_EVERY);
        }
    }

    fn hand_over(&self, restored: Restored) -> Result<(), RestoreError> {
        if self.is_cancelled() {
            return Err(RestoreError::Cancelled);
        }
        // The worker has gone when nobody receives.
        self.handed_over.send(restored).map_err(|_| RestoreError::Cancelled)
    }
}

fn found<'m>(
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
