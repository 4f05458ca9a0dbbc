//! Restores shards from the brokers, on a thread of its own with clients of its own, so that the worker keeps polling.
//!
//! A shard whose last owner died in a transaction waits until the broker has ended it, and blocks no other shard.

use super::client::Health;
use super::settings::KafkaSettings;
use super::shard_log::{OPEN_POLL_EVERY, Partition, PositionError, Readers};
use crate::io::snapshot::Catalogue;
use crate::runtime::recovery::{Cancellation, Recovery, Restore, Restored, Ticket};
use crate::runtime::report::Condition;
use crate::runtime::restore::ShardRestore;
use crate::runtime::snapshot::SnapshotStore;
use crate::runtime::source::Position;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};
use tripline_core::batch::ShardId;

/// Restored pieces that wait for the worker, at most.
const WAITING_MAX: usize = 4;
/// Shortest and longest time-out of one request about a shard: other shards are not to wait long, but a slow broker
/// must be able to respond.
const ANSWER_WITHIN: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(5));
/// The clients are dropped after so long without a request.
const UNASSIGN_AFTER: Duration = Duration::from_millis(200);

struct Request {
    ticket: Ticket,
    shard: ShardId,
    without: Vec<Arc<str>>,
    cancellation: Cancellation,
    /// Since when a request about it is unanswered.
    unanswered: Option<Instant>,
    /// Why it is not restored yet, once a request about it was answered.
    waits_for: Option<String>,
}

/// The worker's handle of the thread that restores its shards. The thread ends when this is dropped.
pub struct KafkaRecovery {
    requests: Sender<Request>,
    restored: Receiver<Restored>,
    tickets: u64,
}

impl KafkaRecovery {
    /// Starts the thread. `partitions`: the input's number of partitions.
    pub(super) fn start(
        settings: Arc<KafkaSettings>,
        health: Health,
        snapshots: Option<Catalogue>,
        partitions: u32,
    ) -> KafkaRecovery {
        let (requests, asked) = channel::<Request>();
        let (handed_over, given) = sync_channel(WAITING_MAX);
        let work = move || {
            let (readers, waiting) = (None, VecDeque::new());
            let mut thread =
                RestoreThread { settings, health, snapshots, partitions, readers, waiting, handed_over };
            while let Ok(first) = asked.recv() {
                thread.waiting.push_back(first);
                while !thread.waiting.is_empty() {
                    thread.turn();
                    thread.waiting.extend(asked.try_iter());
                    if thread.waiting.is_empty() {
                        thread.waiting.extend(asked.recv_timeout(UNASSIGN_AFTER));
                    }
                }
                thread.readers = None;
                thread.report_waiting();
            }
        };
        let name = "tripline-recovery".to_owned();
        std::thread::Builder::new().name(name).spawn(work).expect("the system can start a thread");
        KafkaRecovery { requests, restored: given, tickets: 0 }
    }
}

impl Recovery for KafkaRecovery {
    fn begin(&mut self, shard: ShardId, without: &[Arc<str>]) -> Restore {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let (restore, cancellation) = Restore::new(ticket);
        // The thread outlives its requests: it ends only when this sender is dropped.
        let request = Request {
            ticket,
            shard,
            without: without.to_vec(),
            cancellation,
            unanswered: None,
            waits_for: None,
        };
        let _ = self.requests.send(request);
        restore
    }

    fn next(&mut self, wait: Duration) -> Option<Restored> {
        match self.restored.recv_timeout(wait) {
            Ok(restored) => Some(restored),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the thread that restores shards has panicked"),
        }
    }
}

/// The state of the thread: shards that wait, and clients while there are any.
struct RestoreThread {
    settings: Arc<KafkaSettings>,
    health: Health,
    snapshots: Option<Catalogue>,
    partitions: u32,
    readers: Option<Readers>,
    waiting: VecDeque<Request>,
    handed_over: SyncSender<Restored>,
}

impl RestoreThread {
    /// Restores the first shard whose committed position is available and whose verdicts can be read to their end.
    fn turn(&mut self) {
        self.waiting.retain(|request| !request.cancellation.is_cancelled());
        for _ in 0..self.waiting.len() {
            let Some(mut request) = self.waiting.pop_front() else { return };
            let (ticket, shard) = (request.ticket, request.shard);
            let reason = match self.look(&request) {
                Ok(at) => {
                    self.report_waiting();
                    return self.restore(&request, &at);
                }
                Err(PositionError::Permanent(reason)) => {
                    return self.hand_over(Restored::Refused(ticket, shard, reason));
                }
                Err(PositionError::OpenTransaction) => {
                    request.unanswered = None;
                    let within = "the brokers abort it after `delivery.transaction_timeout`";
                    format!("the transaction of the previous owner is open; {within}")
                }
                Err(PositionError::Retriable(reason)) => {
                    let since = *request.unanswered.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.settings.patience {
                        // The error may be one of the clients.
                        self.readers = None;
                        return self.hand_over(Restored::Failed(ticket, shard, reason));
                    }
                    // The position is not available either while an open transaction alone contains it.
                    reason
                }
            };
            if request.waits_for.is_none() {
                let partition = shard.partition;
                tracing::info!(
                    partition,
                    reason,
                    "the committed offset of the shard is not available yet; the restore waits"
                );
            }
            request.waits_for = Some(reason);
            self.waiting.push_back(request);
        }
        self.report_waiting();
        std::thread::sleep(OPEN_POLL_EVERY);
    }

    /// Reports every shard that waits in the readiness, as long as it waits.
    fn report_waiting(&self) {
        let waits = |request: &Request| {
            let reason = request.waits_for.as_ref()?;
            Some(format!("partition {} waits: {reason}", request.shard.partition))
        };
        let lines: Vec<String> = self.waiting.iter().filter_map(waits).collect();
        if lines.is_empty() {
            self.health.report.clear(self.health.worker, Condition::Waiting);
        } else {
            self.health.report.raise(self.health.worker, Condition::Waiting, lines.join("; "));
        }
    }

    /// The committed position of a shard, once its verdicts can be read to their end.
    fn look(&mut self, request: &Request) -> Result<Position, PositionError> {
        let readers = match self.readers.take() {
            Some(readers) => readers,
            None => Readers::new(&self.settings, &self.health)
                .map_err(|error| PositionError::of("the clients of the restore", &error))?,
        };
        let readers = self.readers.insert(readers);
        let (least, most) = ANSWER_WITHIN;
        let wait = request.unanswered.map_or(least, |since| since.elapsed().clamp(least, most));
        if readers.verdicts_are_blocked(&self.settings, request.shard, wait)? {
            return Err(PositionError::OpenTransaction);
        }
        readers.position(&self.settings, self.partitions, (request.shard, wait))
    }

    fn restore(&mut self, request: &Request, at: &Position) {
        let (ticket, settings) = (request.ticket, &*self.settings);
        self.hand_over(Restored::At(ticket, at.clone()));
        let readers = self.readers.take().expect("they have just fetched the position");
        let log = Partition {
            settings,
            readers: &readers,
            shard: request.shard,
            cancellation: &request.cancellation,
            handed_over: &self.handed_over,
        };
        let restore = ShardRestore {
            log: &log,
            snapshots: self.snapshots.as_ref().map(|snapshots| snapshots as &dyn SnapshotStore),
            lookback: settings.lookback,
            records_max: settings.batch_max,
            ticket,
            at,
            without: &request.without,
        };
        let result = restore.run().and_then(|history| log.unassigned().map(|()| history));
        let last = restore.last(result);
        if !matches!(last, Some(Restored::Failed(..))) {
            self.readers = Some(readers);
        }
        if let Some(last) = last {
            self.hand_over(last);
        }
    }

    fn hand_over(&self, restored: Restored) {
        // A worker that has gone needs no answer.
        let _ = self.handed_over.send(restored);
    }
}
