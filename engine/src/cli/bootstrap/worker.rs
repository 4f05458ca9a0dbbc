//! A worker that restores shards from what is handed over to it, and writes each one's snapshot once it has all.
//!
//! It is the runtime's own worker: its source offers shards and ends when all of them are live, its recovery gives the
//! records of history in place of the log, and no record is ever judged.

use crate::cli::error::CliError;
use crate::io::kafka::RunError;
use crate::io::snapshot::{Catalogue, ObjectStoreError, Written};
use crate::runtime::output_buffer::OutputBuffer;
use crate::runtime::processor::Processor;
use crate::runtime::recovery::{History, Recovery, Restore, Restored, Ticket};
use crate::runtime::report::Report;
use crate::runtime::shard_processor::{ProcessedShard, ShardProcessor};
use crate::runtime::shutdown::Shutdown;
use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::{Generation, Polled, Position, Source, SourceError};
use crate::runtime::worker::{Parts, Timings, Worker};
use std::cell::{Cell, OnceCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::counts::Counts;
use tripline_core::installation::Installation;
use tripline_core::outputs::Outputs;
use tripline_core::snapshot::{InputTopic, LastRecord, Origin};

/// By partition, the last record of the input that a snapshot contains; none where the input has none before it.
pub type LastRecords = Arc<[Option<LastRecord>]>;

/// What is handed over to a worker.
pub enum Job {
    /// The records are not those of a log; this comes first.
    PartialLog,
    /// Records of a shard.
    Rows(Batch),
    /// The shard's own verdicts.
    Verdicts(Batch),
    /// All was handed over, up to these records.
    End(LastRecords),
}

/// What became of the records.
#[derive(Clone, Debug, Default)]
pub struct Bootstrapped {
    /// Of the records.
    pub counts: Counts,
    /// What lies in the snapshots.
    pub written: Written,
    /// Counted bytes of the ledgers.
    pub ledger_bytes: u64,
}

impl Bootstrapped {
    /// The sum of two.
    pub fn and(mut self, other: &Bootstrapped) -> Bootstrapped {
        self.counts.add(&other.counts);
        self.written.keys += other.written.keys;
        self.written.rows += other.written.rows;
        self.written.bytes += other.written.bytes;
        self.ledger_bytes += other.ledger_bytes;
        self
    }
}

/// What a worker restores, and where it writes.
pub struct Task<'a> {
    /// Number of the worker.
    pub worker: usize,
    /// What the shards are made of.
    pub installation: &'a Arc<Installation>,
    /// Where the worker reports.
    pub report: Arc<dyn Report>,
    /// Where snapshots go.
    pub catalogue: &'a Catalogue,
    /// Where each of its shards goes on.
    pub positions: Vec<Position>,
    /// The input.
    pub input: &'a InputTopic,
    /// The header of CSV.
    pub header: Option<&'a [u8]>,
    /// The moment the snapshots are of.
    pub begun_at: Timestamp,
    /// Whether all workers are to end, because one has failed.
    pub shutdown: Shutdown,
}

impl Task<'_> {
    /// Restores the shards and writes their snapshots; writes none when not all is handed over.
    ///
    /// # Errors
    /// When the store does not take a snapshot, or the worker fails.
    pub fn run(self, jobs: Receiver<Job>) -> Result<Bootstrapped, CliError> {
        let (worker, shutdown, is_partial) = (self.worker, self.shutdown, Rc::<Cell<bool>>::default());
        let last = Rc::<OnceCell<LastRecords>>::default();
        let shards: Vec<ShardId> = self.positions.iter().map(|at| at.shard).collect();
        let (installation, report) = (Arc::clone(self.installation), Arc::clone(&self.report));
        let parts = Parts {
            source: HistorySource { offered: Some(shards.clone()), waiting: shards.len() },
            outputs: OutputBuffer::stepped(NoOutputs, || true),
            recovery: HistoryRecovery {
                jobs,
                positions: Some(self.positions),
                shards,
                is_partial: Rc::clone(&is_partial),
                last: Rc::clone(&last),
                ready: VecDeque::new(),
                has_all: false,
                shutdown: shutdown.clone(),
            },
            processor: SnapshotOnly {
                processor: ShardProcessor::new(installation, self.report, self.input.clone(), None),
                catalogue: self.catalogue,
                input: self.input,
                header: self.header,
                begun_at: self.begun_at,
                is_partial,
                last,
                sum: Bootstrapped::default(),
                error: None,
            },
            report,
            shutdown,
        };
        let done = Worker::new(parts, Timings { worker, ..Timings::default() }).run();
        let done = done.map_err(|cause| RunError::Worker { worker, cause })?;
        done.error.map_or(Ok(done.sum), |error| Err(error.into()))
    }
}

/// Offers the shards once, and ends when all of them are live.
struct HistorySource {
    offered: Option<Vec<ShardId>>,
    /// Shards that are not yet live.
    waiting: usize,
}

impl Source for HistorySource {
    fn poll(&mut self, into: &mut Batch, _: Duration) -> Result<Polled, SourceError> {
        into.clear();
        Ok(match self.offered.take() {
            Some(shards) => Polled::Assigned(Generation(1), shards),
            None if self.waiting == 0 => Polled::End,
            None => Polled::Idle,
        })
    }

    fn accept(&mut self, _: Generation, shards: &[ShardId]) -> Result<Vec<ShardId>, SourceError> {
        Ok(shards.to_vec())
    }

    fn suspend(&mut self, _: &[ShardId]) -> Result<(), SourceError> {
        Ok(())
    }

    fn resume(&mut self, _: &Position) -> Result<(), SourceError> {
        self.waiting = self.waiting.saturating_sub(1);
        Ok(())
    }

    fn release(&mut self, _: Generation, _: &[ShardId]) -> Result<(), SourceError> {
        Ok(())
    }

    fn pause(&mut self, _: bool) -> Result<(), SourceError> {
        Ok(())
    }

    fn caught_up(&self, _: ShardId) -> bool {
        false
    }

    fn close(&mut self) {}
}

/// Nothing is judged, so nothing is published.
struct NoOutputs;

impl Sink for NoOutputs {
    fn send(&mut self, _: ShardId, out: &Outputs, _: usize) -> Result<usize, SinkError> {
        Ok(out.records.len())
    }

    fn commit(&mut self, _: &[Position], _: Duration) -> Result<(), CommitError> {
        Ok(())
    }

    fn abort(&mut self) -> Result<bool, SinkError> {
        Ok(false)
    }
}

/// Gives what is handed over as what a log would give.
struct HistoryRecovery {
    jobs: Receiver<Job>,
    /// Where the shards go on, until that was given.
    positions: Option<Vec<Position>>,
    shards: Vec<ShardId>,
    is_partial: Rc<Cell<bool>>,
    last: Rc<OnceCell<LastRecords>>,
    ready: VecDeque<Restored>,
    has_all: bool,
    shutdown: Shutdown,
}

/// A shard is restored once.
fn ticket(shard: ShardId) -> Ticket {
    Ticket(u64::from(shard.partition))
}

impl HistoryRecovery {
    fn take(&mut self, job: Job) {
        if matches!(job, Job::PartialLog) {
            self.is_partial.set(true);
            return;
        }
        let positions = self.positions.take().into_iter().flatten();
        self.ready.extend(positions.map(|at| Restored::At(ticket(at.shard), at)));
        match job {
            Job::PartialLog => {}
            Job::Rows(batch) => self.ready.push_back(Restored::Rows(ticket(batch.shard), batch)),
            Job::Verdicts(batch) => self.ready.push_back(Restored::Verdicts(ticket(batch.shard), batch)),
            Job::End(last) => {
                self.has_all = true;
                self.last.get_or_init(|| last);
                let ready = |shard: &ShardId| Restored::Ready(ticket(*shard), *shard, History::default());
                self.ready.extend(self.shards.iter().map(ready));
            }
        }
    }
}

impl Recovery for HistoryRecovery {
    fn begin(&mut self, shard: ShardId, _: &[Arc<str>]) -> Restore {
        Restore::new(ticket(shard)).0
    }

    fn next(&mut self, wait: Duration) -> Option<Restored> {
        while self.ready.is_empty() {
            match self.jobs.recv_timeout(wait) {
                Ok(job) => self.take(job),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    if !self.has_all {
                        // Whoever handed over has failed: nothing is written.
                        self.shutdown.request();
                    }
                    return None;
                }
            }
        }
        self.ready.pop_front()
    }
}

/// Restores shards; each is written as a snapshot and dropped when it is restored.
struct SnapshotOnly<'a> {
    processor: ShardProcessor,
    catalogue: &'a Catalogue,
    input: &'a InputTopic,
    header: Option<&'a [u8]>,
    begun_at: Timestamp,
    is_partial: Rc<Cell<bool>>,
    last: Rc<OnceCell<LastRecords>>,
    sum: Bootstrapped,
    /// Why a snapshot could not be written; then no more are.
    error: Option<ObjectStoreError>,
}

/// A shard until its snapshot is written, and the position the snapshot is of.
struct Unwritten {
    restored: Option<ProcessedShard>,
    at: Position,
}

impl Unwritten {
    fn restored(&mut self) -> &mut ProcessedShard {
        self.restored.as_mut().expect("records come before the snapshot is written")
    }
}

impl Processor for SnapshotOnly<'_> {
    type Shard = Unwritten;

    fn open(&mut self, at: &Position) -> Unwritten {
        let mut opened = self.processor.open(at);
        if let Some(header) = self.header {
            opened.account_shard_mut().set_header(header).expect("the router's decoder accepted it");
        }
        if self.is_partial.get() {
            opened.account_shard_mut().set_partial_log();
        }
        Unwritten { restored: Some(opened), at: at.clone() }
    }

    fn restore(&mut self, shard: &mut Unwritten, batch: &Batch) {
        self.processor.restore(shard.restored(), batch);
    }

    fn fold_verdicts(&mut self, shard: &mut Unwritten, batch: &Batch) {
        self.processor.fold_verdicts(shard.restored(), batch);
    }

    fn live(&mut self, shard: &mut Unwritten, _: &History) {
        let Some(mut restored) = shard.restored.take().filter(|_| self.error.is_none()) else { return };
        let (input, partition, offset) = (self.input.clone(), shard.at.shard.partition, shard.at.next);
        // The shard's last row may be of a file: its number is no offset of the topic.
        let last = self.last.get().and_then(|all| *all.get(partition as usize)?);
        let origin = Origin { input, partition, offset, last };
        match self.catalogue.write_whole(restored.account_shard_mut(), origin, self.begun_at) {
            Ok(written) => {
                let counts = restored.account_shard().counts().clone();
                let ledger_bytes = restored.account_shard().shard().ledgers().counted_bytes() as u64;
                let sum = std::mem::take(&mut self.sum);
                self.sum = sum.and(&Bootstrapped { counts, written, ledger_bytes });
            }
            Err(error) => self.error = Some(error),
        }
    }

    fn step(&mut self, _: &mut Unwritten, _: &Batch, _: &mut Outputs) {}

    fn idle(&mut self, _: &mut Unwritten) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_from;
    use crate::io::snapshot::Store;
    use crate::runtime::snapshot::SnapshotStore;
    use object_store::{memory::InMemory, path::Path as ObjectPath};
    use std::path::Path;
    use std::sync::mpsc::sync_channel;

    const CONFIGURATION: &str = "
version: 1
stream: s
schema: schema.yaml
packs: []
input:
  topic: events
  fields:
    event.id: /id
    event.type: {const: purchase}
    event.time: {from: /t, format: epoch_ms}
    account.id: /account
time: {lateness: 1h}
";

    #[test]
    fn a_snapshot_names_the_last_record_of_the_topic_that_it_contains() {
        let files = |path: &Path| match path.to_str() {
            Some("tripline.yaml") => Ok(CONFIGURATION.as_bytes().to_vec()),
            Some("schema.yaml") => Ok(b"version: 1\nfields:\n  event.type: one of purchase|label\n".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        let loaded = load_from(Path::new("tripline.yaml"), &files).unwrap();
        let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems));
        let store = Store::over(Arc::new(InMemory::new()), ObjectPath::default(), true);
        let (catalogue, input) = (Catalogue::new(store, "group"), InputTopic::new("cluster", "events", 2));
        let at = |partition| Position { shard: ShardId::account(partition), next: 9, note: String::new() };
        let reporter = Arc::<crate::ops::reporter::Reporter>::default();
        let task = Task {
            worker: 0,
            installation: &config.installation,
            report: reporter,
            catalogue: &catalogue,
            positions: vec![at(0), at(1)],
            input: &input,
            header: None,
            begun_at: Timestamp(1),
            shutdown: Shutdown::default(),
        };
        let last = LastRecord::new(7, b"a", b"value");
        let (way, jobs) = sync_channel(1);
        way.send(Job::End(LastRecords::from([None, Some(last)]))).unwrap();
        task.run(jobs).unwrap();
        for (partition, expected) in [(0, None), (1, Some(last))] {
            let stored = catalogue.list(ShardId::account(partition)).unwrap();
            let manifest = catalogue.manifest(&stored[0]).unwrap().unwrap();
            assert_eq!((manifest.origin().offset, manifest.origin().last), (9, expected));
        }
        for (cluster, partitions, expected) in
            [("cluster", 2, None), ("cluster", 3, Some(2)), ("another cluster", 3, None)]
        {
            let input = InputTopic::new(cluster, "events", partitions);
            assert_eq!(catalogue.written_for(&input), expected, "{input:?}");
        }
    }
}
