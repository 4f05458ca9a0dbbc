//! Fills shards from the brokers, on a thread of its own with a consumer of its own, so that the worker polls on.
//!
//! The consumer assigns partitions to itself: it is no member of the group and commits nothing.

use super::client::{Health, PlainContext, ask};
use super::consumer::{appended_at, number};
use super::settings::KafkaSettings;
use crate::edge::failpoint::reached;
use crate::edge::recovery::{History, Journal, Piece, Recovered, Recovery, Ticket};
use crate::edge::snapshot::{Catalogue, StoreFault, Unreadable};
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
use tripline_core::batch::{Batch, Timestamp};
use tripline_core::snapshot::SnapshotFault;

/// Pieces read but not yet taken by the worker.
const PIECES_MAX: usize = 4;
/// Bytes of a piece, about.
const PIECE_BYTES: usize = 1 << 20;
/// A partition that gives nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The broker's clock may be so far behind ours: the journal is read from before the cut.
const CLOCKS_APART_MS: i64 = 600_000;
const REBUILD: &str =
    "run the engine that wrote it, or move the shard's snapshots away to rebuild its ledgers from the log";
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

/// Why a filling broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Kafka(#[from] KafkaError),
    #[error("{0}")]
    Source(#[from] crate::edge::source::SourceError),
    #[error("{0} gave nothing for {SILENCE_MAX:?}")]
    Silent(String),
    /// Nobody needs it any more.
    #[error("cancelled")]
    Cancelled,
    #[error("{0}")]
    Store(#[from] StoreFault),
    /// A snapshot of which something was handed over already.
    #[error("snapshot {0}: {1}")]
    Unusable(Arc<str>, String),
    #[error("{0}")]
    Refused(String),
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
    let filled = made.map_err(Broken::from).and_then(|made| {
        let filling = Filling { settings, snapshots, readers: &made, request, pieces };
        let filled = filling.fill();
        *readers = Some(made);
        filled
    });
    let (ticket, shard) = (request.ticket, request.at.shard);
    let last = match filled {
        Ok(history) => Recovered::Ready(ticket, shard, history),
        Err(Broken::Cancelled) => return,
        Err(Broken::Unusable(name, reason)) => Recovered::Unusable(ticket, shard, name, reason),
        Err(Broken::Refused(reason)) => Recovered::Refused(ticket, shard, reason),
        Err(fault) => {
            *readers = None;
            Recovered::Failed(ticket, shard, fault.to_string())
        }
    };
    // A worker that has gone needs no answer.
    let _ = pieces.send(last);
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

struct Filling<'a> {
    settings: &'a KafkaSettings,
    snapshots: Option<&'a Catalogue>,
    readers: &'a Readers,
    request: &'a Request,
    pieces: &'a SyncSender<Recovered>,
}

impl Filling<'_> {
    fn fill(&self) -> Result<History, Broken> {
        let mut history = History::default();
        let next = self.request.at.next;
        let input = &self.settings.topic;
        let (low, _) =
            self.ask(|wait| self.readers.committed.fetch_watermarks(input, self.partition(), wait))?;
        if let Some((from, cut_at)) = self.snapshot(low)? {
            history.snapshot = Some((from, cut_at));
            self.rows(from, &mut history)?;
            self.journal(cut_at.0.saturating_sub(CLOCKS_APART_MS), from, &mut history)?;
        } else if next > low
            && let Some(newest) = self.time_before(next)?
        {
            let wanted = newest.0.saturating_sub(self.settings.reach.rows_ms);
            history.wanted_from = Some(Timestamp(wanted));
            let from = self.offset_at(input, wanted)?.unwrap_or(low).max(low);
            self.rows(from, &mut history)?;
            // What lies before a later offset than the first is older than wanted.
            let is_first = low > 0 && from == low;
            history.truncated = is_first && history.held_from.is_none_or(|held| held.0 > wanted);
            history.skipped_before = (from > 0 && !history.truncated).then_some(Timestamp(wanted));
            self.journal(newest.0.saturating_sub(self.settings.reach.verdicts_ms), 0, &mut history)?;
        } else if next > 0 {
            history.truncated = low > 0;
        }
        self.readers.committed.unassign()?;
        Ok(history)
    }

    /// Hands over the newest snapshot that is of use. Gives where it was cut, and when.
    fn snapshot(&self, low: i64) -> Result<Option<(i64, Timestamp)>, Broken> {
        let Some(snapshots) = self.snapshots else { return Ok(None) };
        let (shard, next) = (self.request.at.shard, self.request.at.next);
        for kept in snapshots.of(shard)? {
            let is_reached = kept.offset <= next && (kept.offset >= low || kept.offset == next);
            let name: Arc<str> = Arc::from(kept.folder.as_str());
            if !is_reached || self.request.without.contains(&name) {
                continue;
            }
            let unusable = |fault: Unreadable| match fault {
                Unreadable::Store(fault) => Broken::Store(fault),
                Unreadable::Snapshot(fault @ SnapshotFault::UnknownVersion { .. }) => {
                    Broken::Refused(format!("{name}: {fault}: {REBUILD}"))
                }
                Unreadable::Snapshot(fault) => Broken::Unusable(Arc::clone(&name), fault.to_string()),
            };
            let Some(manifest) = snapshots.manifest(&kept).map_err(unusable)? else { continue };
            let is_short = manifest.retention_ms() < self.settings.reach.retention_ms;
            if is_short && self.log_is_whole(low)? {
                tracing::info!(
                    snapshot = &*name,
                    "the packs look back further than it does, and the log has it all"
                );
                continue;
            }
            let send = |piece| {
                self.hand_over(Recovered::Snapshot(self.request.ticket, shard, Arc::clone(&name), piece))
            };
            reached("manifest_found");
            send(Piece::Manifest(Box::new(manifest.clone())))?;
            for number in 0..manifest.chunks().len() {
                let chunk = snapshots.chunk(&kept, &manifest, number).map_err(|fault| match fault {
                    // A chunk that cannot be read is as good as damaged.
                    Unreadable::Store(fault) => Broken::Unusable(Arc::clone(&name), fault.to_string()),
                    fault => unusable(fault),
                })?;
                reached("chunk_found");
                send(Piece::Chunk(chunk))?;
            }
            send(Piece::End)?;
            return Ok(Some((kept.offset, manifest.created_at())));
        }
        if next > 0 && snapshots.is_local() {
            let partition = self.partition();
            tracing::warn!(
                partition,
                "no snapshot of use lies in this host's folder, so the shard is filled from the log: if other hosts own shards of                  the group, let all of them use one store"
            );
        }
        Ok(None)
    }

    /// Whether the log still has everything that is wanted of it.
    fn log_is_whole(&self, low: i64) -> Result<bool, Broken> {
        let Some(newest) = self.time_before(self.request.at.next)? else { return Ok(low == 0) };
        let wanted = newest.0.saturating_sub(self.settings.reach.rows_ms);
        Ok(low == 0 || self.offset_at(&self.settings.topic, wanted)?.is_some_and(|from| from > low))
    }

    /// Reads the shard's journal from a time on, of the records from an offset on.
    fn journal(&self, from_ms: i64, offset: i64, history: &mut History) -> Result<(), Broken> {
        let verdicts = self.settings.topics().verdicts;
        let end = self.await_ended(&verdicts)?;
        let Some(from) = self.offset_at(&verdicts, from_ms)? else { return Ok(()) };
        self.hand_over(Recovered::Ahead(self.request.ticket, self.request.at.shard, from, end))?;
        self.verdicts(&verdicts, from, offset, history)
    }

    fn partition(&self) -> i32 {
        number(self.request.at.shard)
    }

    fn ask<T>(&self, question: impl FnMut(Duration) -> Result<T, KafkaError>) -> Result<T, Broken> {
        Ok(ask(self.settings.patience.min(SILENCE_MAX), question)?)
    }

    /// First offset at or after a time; none when all records are older.
    fn offset_at(&self, topic: &str, ms: i64) -> Result<Option<i64>, Broken> {
        let found = self.ask(|wait| {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, self.partition(), Offset::Offset(ms.max(0)))?;
            let list = self.readers.committed.offsets_for_times(list, wait)?;
            list.elements().iter().try_for_each(|element| element.error())?;
            Ok(list.elements().first().map(|element| element.offset()))
        })?;
        Ok(match found {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        })
    }

    /// Time of the last record before an offset, by the log rather than by our clock: after a long pause the ledgers
    /// must reach back from where the shard stopped.
    fn time_before(&self, next: i64) -> Result<Option<Timestamp>, Broken> {
        let mut time = None;
        self.read(&self.settings.topic, next - 1, |message| {
            time = appended_at(message, self.settings.clock)?;
            Ok(false)
        })?;
        Ok(time)
    }

    /// Waits until no transaction holds back what is written now. The last owner may have died in one: behind its first
    /// record nothing of the journal can be read before the broker has ended it, committed though it may be.
    /// Gives where the journal ends.
    fn await_ended(&self, topic: &str) -> Result<i64, Broken> {
        let (_, end) =
            self.ask(|wait| self.readers.written.fetch_watermarks(topic, self.partition(), wait))?;
        let mut was_told = false;
        loop {
            let (_, stable) =
                self.ask(|wait| self.readers.committed.fetch_watermarks(topic, self.partition(), wait))?;
            if stable >= end {
                return Ok(end);
            }
            if self.request.cancelled.load(Ordering::Acquire) {
                return Err(Broken::Cancelled);
            }
            if !was_told {
                was_told = true;
                let (partition, records) = (self.partition(), end - stable);
                tracing::info!(partition, records, "the journal waits for the end of a transaction");
            }
            std::thread::sleep(OPEN_LOOK_EVERY);
        }
    }

    fn rows(&self, from: i64, history: &mut History) -> Result<(), Broken> {
        let next = self.request.at.next;
        let mut batch = Batch::new(self.request.at.shard);
        let mut found = History::default();
        if from < next {
            self.hand_over(Recovered::Ahead(self.request.ticket, self.request.at.shard, from, next))?;
            self.read(&self.settings.topic, from, |message| {
                if message.offset() >= next {
                    return Ok(false);
                }
                let time = appended_at(message, self.settings.clock)?;
                found.held_from = found.held_from.or(time);
                found.rows += 1;
                push(&mut batch, message, time);
                self.send_when_full(&mut batch, Recovered::Rows)?;
                Ok(message.offset() + 1 < next)
            })?;
        }
        reached("rows_read");
        history.held_from = found.held_from;
        history.rows = found.rows;
        self.send(&mut batch, Recovered::Rows)
    }

    fn verdicts(&self, topic: &str, from: i64, first: i64, history: &mut History) -> Result<(), Broken> {
        let mut journal = Journal::between(first, self.request.at.next);
        let mut batch = Batch::new(self.request.at.shard);
        let mut count = 0;
        self.read(topic, from, |message| {
            let value = message.payload().unwrap_or_default();
            if cause(message).is_some_and(|cause| journal.takes(cause, value)) {
                count += 1;
                push(&mut batch, message, message.timestamp().to_millis().map(Timestamp));
                self.send_when_full(&mut batch, Recovered::Verdicts)?;
            }
            Ok(true)
        })?;
        reached("verdicts_read");
        history.verdicts = count;
        self.send(&mut batch, Recovered::Verdicts)
    }

    /// Reads a partition from an offset until `each` says false or the end is reached.
    fn read(
        &self,
        topic: &str,
        from: i64,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<bool, Broken>,
    ) -> Result<(), Broken> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, self.partition(), Offset::Offset(from))?;
        self.readers.committed.assign(&list)?;
        let mut heard = Instant::now();
        loop {
            if self.request.cancelled.load(Ordering::Acquire) {
                return Err(Broken::Cancelled);
            }
            match self.readers.committed.poll(Duration::from_millis(100)) {
                Some(Ok(message)) if message.topic() == topic && message.offset() >= from => {
                    heard = Instant::now();
                    if !each(&message)? {
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
                    return Err(Broken::Silent(format!("{topic} partition {}", self.partition())));
                }
                Some(Err(_)) | None => {}
            }
        }
    }

    fn send_when_full(&self, batch: &mut Batch, piece: fn(Ticket, Batch) -> Recovered) -> Result<(), Broken> {
        if batch.records.len() >= self.settings.batch_max || batch.bytes.len() >= PIECE_BYTES {
            self.send(batch, piece)?;
        }
        Ok(())
    }

    fn send(&self, batch: &mut Batch, piece: fn(Ticket, Batch) -> Recovered) -> Result<(), Broken> {
        if batch.records.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(batch, Batch::new(self.request.at.shard));
        self.hand_over(piece(self.request.ticket, full))
    }

    fn hand_over(&self, piece: Recovered) -> Result<(), Broken> {
        if self.request.cancelled.load(Ordering::Acquire) {
            return Err(Broken::Cancelled);
        }
        // The worker has gone when nobody receives.
        self.pieces.send(piece).map_err(|_| Broken::Cancelled)
    }
}

fn push(batch: &mut Batch, message: &BorrowedMessage<'_>, time: Option<Timestamp>) {
    let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
    batch.push(message.offset(), time, key, value);
}

/// Offset of the input record that a verdict is about.
fn cause(message: &BorrowedMessage<'_>) -> Option<i64> {
    let headers = message.headers()?;
    let found = headers.iter().find(|one| one.key == header::SOURCE_OFFSET)?;
    std::str::from_utf8(found.value?).ok()?.parse().ok()
}
