//! Fills shards from the brokers, on a thread of its own with clients of its own, so that the worker polls on.
//!
//! A shard whose last owner died in a transaction waits for the broker to end it; the others do not wait for that shard.

use super::client::Health;
use super::past::{OPEN_LOOK_EVERY, Partition, Readers, Unknown};
use super::settings::KafkaSettings;
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

/// What is read but not yet taken by the worker.
const WAITING_MAX: usize = 4;
/// Least and most that one question about a shard may take: others may be answered meanwhile, but a slow broker must be
/// able to answer at all.
const ANSWER_WITHIN: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(5));
/// The clients are let go when nothing was asked for so long.
const LET_GO_AFTER: Duration = Duration::from_millis(200);

struct Request {
    ticket: Ticket,
    shard: ShardId,
    without: Vec<Arc<str>>,
    cancellation: Cancellation,
    /// Since when a question about it has no answer.
    unanswered: Option<Instant>,
    /// Why it is not filled yet, once it was asked about.
    waits_for: Option<String>,
}

/// The worker's side of the thread that fills its shards. The thread ends when this is dropped.
pub struct KafkaRecovery {
    requests: Sender<Request>,
    restored: Receiver<Restored>,
    tickets: u64,
}

impl KafkaRecovery {
    /// Starts the thread. `partitions` is how many the input topic has.
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
                        thread.waiting.extend(asked.recv_timeout(LET_GO_AFTER));
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

/// The thread's side: shards that wait, and clients while there are any.
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
    /// Fills the first shard of which it is known where it goes on and whose journal can be read to its end.
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
                Err(Unknown::Ever(reason)) => {
                    return self.hand_over(Restored::Refused(ticket, shard, reason));
                }
                Err(Unknown::Open) => {
                    request.unanswered = None;
                    "its last owner's transaction is open".to_owned()
                }
                Err(Unknown::Yet(reason)) => {
                    let since = *request.unanswered.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.settings.patience {
                        // What is wrong may be wrong with the clients.
                        self.readers = None;
                        return self.hand_over(Restored::Failed(ticket, shard, reason));
                    }
                    // It does not say either while a transaction holds the position alone.
                    format!("the broker does not say where it goes on: {reason}")
                }
            };
            if request.waits_for.is_none() {
                let partition = shard.partition;
                tracing::info!(partition, reason, "it is not known yet where the shard goes on");
            }
            request.waits_for = Some(reason);
            self.waiting.push_back(request);
        }
        self.report_waiting();
        std::thread::sleep(OPEN_LOOK_EVERY);
    }

    /// Readiness names every shard that waits, as long as it does.
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

    /// Where a shard goes on, as soon as its past can be read to its end.
    fn look(&mut self, request: &Request) -> Result<Position, Unknown> {
        let readers = match self.readers.take() {
            Some(readers) => readers,
            None => Readers::new(&self.settings, &self.health)?,
        };
        let readers = self.readers.insert(readers);
        let (least, most) = ANSWER_WITHIN;
        let wait = request.unanswered.map_or(least, |since| since.elapsed().clamp(least, most));
        if readers.journal_is_held_back(&self.settings, request.shard, wait)? {
            return Err(Unknown::Open);
        }
        let at = readers.position(&self.settings, self.partitions, (request.shard, wait))?;
        self.health.answered();
        Ok(at)
    }

    fn restore(&mut self, request: &Request, at: &Position) {
        let (ticket, settings) = (request.ticket, &*self.settings);
        self.hand_over(Restored::At(ticket, at.clone()));
        let readers = self.readers.take().expect("they were asked where the shard goes on");
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
        let result = restore.run().and_then(|history| Ok(readers.let_go().map(|()| history)?));
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
