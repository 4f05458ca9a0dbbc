//! Fills shards from the brokers, on a thread of its own with a consumer of its own, so that the worker polls on.
//!
//! The consumer assigns partitions to itself: it is no member of the group and commits nothing.

use super::client::{Health, PlainContext, ask};
use super::consumer::{appended_at, number};
use super::settings::KafkaSettings;
use crate::edge::recovery::{Recovered, Recovery, Ticket};
use crate::edge::refill::{Broken, Found, Past, Refill, Side};
use crate::edge::snapshot::Catalogue;
use crate::edge::source::Position;
use crate::names::header;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};
use tripline_core::batch::Timestamp;

/// Pieces read but not yet taken by the worker.
const PIECES_MAX: usize = 4;
/// A partition that gives nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Between two looks at whether a transaction has ended.
const OPEN_LOOK_EVERY: Duration = Duration::from_millis(20);

struct Request {
    ticket: Ticket,
    at: Position,
    without: Vec<Arc<str>>,
    cancelled: Arc<AtomicBool>,
}

/// The worker's side of the thread that fills its shards. The thread ends when this is dropped.
pub struct KafkaRecovery {
    requests: Sender<Request>,
    pieces: Receiver<Recovered>,
    running: BTreeMap<Ticket, Arc<AtomicBool>>,
    tickets: u64,
}

impl From<KafkaError> for Broken {
    fn from(fault: KafkaError) -> Broken {
        Broken::Log(fault.to_string())
    }
}

impl KafkaRecovery {
    /// Starts the thread.
    pub(super) fn start(
        settings: Arc<KafkaSettings>,
        health: Health,
        snapshots: Option<Catalogue>,
    ) -> KafkaRecovery {
        let (requests, asked) = channel::<Request>();
        let (pieces, given) = sync_channel(PIECES_MAX);
        let work = move || {
            // The client is made when it is needed and let go when nothing waits, with its connections and buffers.
            while let Ok(first) = asked.recv() {
                let mut readers = None;
                let mut next = Some(first);
                while let Some(request) = next {
                    serve(&settings, (&health, snapshots.as_ref()), &mut readers, &request, &pieces);
                    next = asked.recv_timeout(Duration::from_millis(200)).ok();
                }
            }
        };
        let name = "tripline-recovery".to_owned();
        std::thread::Builder::new().name(name).spawn(work).expect("the system can start a thread");
        KafkaRecovery { requests, pieces: given, running: BTreeMap::new(), tickets: 0 }
    }
}

impl Recovery for KafkaRecovery {
    fn begin(&mut self, at: &Position, without: &[Arc<str>]) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let cancelled = Arc::new(AtomicBool::new(false));
        self.running.insert(ticket, Arc::clone(&cancelled));
        // The thread outlives its requests: it ends only when this sender is dropped.
        let _ = self.requests.send(Request { ticket, at: at.clone(), without: without.to_vec(), cancelled });
        ticket
    }

    fn next(&mut self, wait: Duration) -> Option<Recovered> {
        let piece = match self.pieces.recv_timeout(wait) {
            Ok(piece) => piece,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        };
        if piece.is_last() {
            self.running.remove(&piece.of().0);
        }
        Some(piece)
    }

    fn cancel(&mut self, ticket: Ticket) {
        if let Some(cancelled) = self.running.remove(&ticket) {
            cancelled.store(true, Ordering::Release);
        }
    }
}

impl Drop for KafkaRecovery {
    fn drop(&mut self) {
        self.running.values().for_each(|cancelled| cancelled.store(true, Ordering::Release));
    }
}

fn serve(
    settings: &KafkaSettings,
    (health, snapshots): (&Health, Option<&Catalogue>),
    readers: &mut Option<Readers>,
    request: &Request,
    pieces: &SyncSender<Recovered>,
) {
    let made = match readers.take() {
        Some(made) => Ok(made),
        None => Readers::new(settings, health),
    };
    let last = match made {
        Ok(made) => {
            let log = Partition { settings, readers: &made, request, pieces };
            let refill = Refill {
                past: &log,
                snapshots,
                reach: settings.reach,
                records_max: settings.batch_max,
                ticket: request.ticket,
                at: &request.at,
                without: &request.without,
            };
            let filled = refill.run().and_then(|history| Ok(made.committed.unassign().map(|()| history)?));
            let last = refill.last(filled);
            if !matches!(last, Some(Recovered::Failed(..))) {
                *readers = Some(made);
            }
            last
        }
        Err(fault) => Some(Recovered::Failed(request.ticket, request.at.shard, fault.to_string())),
    };
    if let Some(last) = last {
        // A worker that has gone needs no answer.
        let _ = pieces.send(last);
    }
}

/// The clients of a filling.
struct Readers {
    /// Reads committed records.
    committed: BaseConsumer<PlainContext>,
    /// Knows where partitions end, transactions under way included.
    written: BaseConsumer<PlainContext>,
}

impl Readers {
    fn new(settings: &KafkaSettings, health: &Health) -> Result<Readers, KafkaError> {
        let mut written = settings.asking("reader-ends");
        written.set("isolation.level", "read_uncommitted");
        Ok(Readers {
            committed: settings.reader(health.worker).create_with_context(PlainContext(health.clone()))?,
            written: written.create_with_context(PlainContext(health.clone()))?,
        })
    }
}

/// A shard's partitions of input and verdicts.
struct Partition<'a> {
    settings: &'a KafkaSettings,
    readers: &'a Readers,
    request: &'a Request,
    pieces: &'a SyncSender<Recovered>,
}

impl Partition<'_> {
    fn number(&self) -> i32 {
        number(self.request.at.shard)
    }

    fn topic(&self, side: Side) -> String {
        match side {
            Side::Input => self.settings.topic.clone(),
            Side::Verdicts => self.settings.topics().verdicts,
        }
    }

    fn ask<T>(&self, question: impl FnMut(Duration) -> Result<T, KafkaError>) -> Result<T, Broken> {
        Ok(ask(self.settings.patience.min(SILENCE_MAX), question)?)
    }

    fn is_cancelled(&self) -> bool {
        self.request.cancelled.load(Ordering::Acquire)
    }
}

impl Past for Partition<'_> {
    fn low(&self) -> Result<i64, Broken> {
        let input = &self.settings.topic;
        let (low, _) =
            self.ask(|wait| self.readers.committed.fetch_watermarks(input, self.number(), wait))?;
        Ok(low)
    }

    fn offset_at(&self, side: Side, ms: i64) -> Result<Option<i64>, Broken> {
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
        side: Side,
        from: i64,
        each: &mut dyn FnMut(&Found<'_>) -> Result<bool, Broken>,
    ) -> Result<(), Broken> {
        let topic = self.topic(side);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, self.number(), Offset::Offset(from))?;
        self.readers.committed.assign(&list)?;
        let mut heard = Instant::now();
        loop {
            if self.is_cancelled() {
                return Err(Broken::Cancelled);
            }
            match self.readers.committed.poll(Duration::from_millis(100)) {
                Some(Ok(message)) if message.topic() == topic && message.offset() >= from => {
                    heard = Instant::now();
                    if !each(&found(&message, side, self.settings)?)? {
                        return Ok(());
                    }
                }
                // What is left of an earlier assignment.
                Some(Ok(_)) => {}
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(fault)) if fault.rdkafka_error_code() == Some(Code::AutoOffsetReset) => {
                    return Err(fault.into());
                }
                Some(Err(_)) | None if heard.elapsed() > SILENCE_MAX => {
                    let partition = self.number();
                    return Err(Broken::Log(format!(
                        "{topic} partition {partition} gave nothing for {SILENCE_MAX:?}"
                    )));
                }
                Some(Err(_)) | None => {}
            }
        }
    }

    fn await_ended(&self) -> Result<i64, Broken> {
        let (topic, partition) = (self.topic(Side::Verdicts), self.number());
        let (_, end) = self.ask(|wait| self.readers.written.fetch_watermarks(&topic, partition, wait))?;
        let mut was_told = false;
        loop {
            let (_, stable) =
                self.ask(|wait| self.readers.committed.fetch_watermarks(&topic, partition, wait))?;
            if stable >= end {
                return Ok(end);
            }
            if self.is_cancelled() {
                return Err(Broken::Cancelled);
            }
            if !was_told {
                was_told = true;
                let records = end - stable;
                tracing::info!(partition, records, "the journal waits for the end of a transaction");
            }
            std::thread::sleep(OPEN_LOOK_EVERY);
        }
    }

    fn hand_over(&self, piece: Recovered) -> Result<(), Broken> {
        if self.is_cancelled() {
            return Err(Broken::Cancelled);
        }
        // The worker has gone when nobody receives.
        self.pieces.send(piece).map_err(|_| Broken::Cancelled)
    }
}

fn found<'m>(
    message: &'m BorrowedMessage<'_>,
    side: Side,
    settings: &KafkaSettings,
) -> Result<Found<'m>, Broken> {
    let at = match side {
        Side::Input => appended_at(message, settings.clock)?,
        Side::Verdicts => message.timestamp().to_millis().map(Timestamp),
    };
    let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
    let cause = (side == Side::Verdicts).then(|| cause(message)).flatten();
    Ok(Found { offset: message.offset(), at, key, value, cause })
}

/// Offset of the input record that a verdict is about.
fn cause(message: &BorrowedMessage<'_>) -> Option<i64> {
    let headers = message.headers()?;
    let found = headers.iter().find(|one| one.key == header::SOURCE_OFFSET)?;
    std::str::from_utf8(found.value?).ok()?.parse().ok()
}
