//! Writes snapshots on a thread of its own: compresses, seals and stores chunks, the manifest last. A snapshot that
//! fails is logged and discarded; the next one begins at its interval, and earlier ones stay.

use super::catalogue::Catalogue;
use super::store::ObjectStoreError;
use crate::failpoint::reached;
use crate::runtime::report::Report;
use crate::runtime::snapshot::{SnapshotId, SnapshotWriter, StoredSnapshot};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tripline_core::batch::ShardId;
use tripline_core::snapshot::{Chunk, Listed, Manifest, StateSummary};

/// Jobs that wait, about; a worker whose job finds no room retries it later.
const WAITING_MAX: usize = 8;

enum Job {
    Chunk(SnapshotId, Chunk),
    Finish(SnapshotId, Box<StateSummary>),
    Abandon(SnapshotId),
}

/// The way to the thread. Clones share it; the thread ends with the last.
#[derive(Clone)]
pub struct Writer {
    jobs: Sender<Job>,
    /// Jobs that wait or are being done.
    waiting: Arc<AtomicUsize>,
    /// By shard, the first record that is not in the newest snapshot that was completed.
    completed: Arc<Mutex<BTreeMap<ShardId, i64>>>,
}

/// How often it is looked whether all is written.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Writer {
    /// Starts the thread.
    pub fn start(catalogue: Catalogue, report: Arc<dyn Report>) -> Writer {
        let (writer, mut writing) = Writer::stepped(catalogue, report);
        let work = move || while writing.wait() {};
        let name = "tripline-snapshots".to_owned();
        std::thread::Builder::new().name(name).spawn(work).expect("the system can start a thread");
        writer
    }

    /// The same without a thread: jobs wait until [`Writing::go_on`] is called.
    pub fn stepped(catalogue: Catalogue, report: Arc<dyn Report>) -> (Writer, Writing) {
        let (jobs, given) = channel();
        let waiting = Arc::<AtomicUsize>::default();
        let completed = Arc::<Mutex<BTreeMap<ShardId, i64>>>::default();
        let writer = Writer { jobs, waiting: Arc::clone(&waiting), completed: Arc::clone(&completed) };
        (writer, Writing { given, waiting, completed, catalogue, report, open: BTreeMap::new() })
    }

    /// Waits until everything that was handed over is written. False when that took too long.
    pub fn wait(&self, within: Duration) -> bool {
        let began = Instant::now();
        while self.waiting.load(Ordering::Acquire) > 0 {
            if began.elapsed() >= within {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        true
    }

    fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < WAITING_MAX
    }

    fn send(&self, job: Job) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The thread outlives its senders.
        let _ = self.jobs.send(job);
    }
}

impl SnapshotWriter for Writer {
    fn chunk(&self, snapshot: SnapshotId, chunk: Chunk) -> Option<Chunk> {
        if !self.has_room() {
            return Some(chunk);
        }
        self.send(Job::Chunk(snapshot, chunk));
        None
    }

    fn finish(&self, snapshot: SnapshotId, end: Box<StateSummary>) -> Option<Box<StateSummary>> {
        if !self.has_room() {
            return Some(end);
        }
        self.send(Job::Finish(snapshot, end));
        None
    }

    fn completed(&self, shard: ShardId) -> Option<i64> {
        self.completed.lock().expect("no thread panics while it holds it").get(&shard).copied()
    }

    fn abandon(&self, snapshot: SnapshotId) {
        self.send(Job::Abandon(snapshot));
    }
}

struct Open {
    place: StoredSnapshot,
    listed: Vec<Listed>,
    bytes: u64,
    began: Instant,
    is_broken: bool,
}

/// The state of the thread: jobs, and the progress of each snapshot.
pub struct Writing {
    given: Receiver<Job>,
    waiting: Arc<AtomicUsize>,
    completed: Arc<Mutex<BTreeMap<ShardId, i64>>>,
    catalogue: Catalogue,
    report: Arc<dyn Report>,
    open: BTreeMap<SnapshotId, Open>,
}

impl Writing {
    /// Does the next job, waiting for it. False when none will follow.
    fn wait(&mut self) -> bool {
        let job = self.given.recv().ok();
        job.map(|job| self.work(job)).is_some()
    }

    /// Does the next job. False when none waits.
    pub fn go_on(&mut self) -> bool {
        let job = self.given.try_recv().ok();
        job.map(|job| self.work(job)).is_some()
    }

    fn work(&mut self, job: Job) {
        match job {
            Job::Chunk(save, chunk) => self.chunk(save, &chunk),
            Job::Finish(save, summary) => self.finish(save, *summary),
            Job::Abandon(save) => self.abandon(save),
        }
        self.waiting.fetch_sub(1, Ordering::Release);
    }

    fn open(&mut self, save: SnapshotId) -> &mut Open {
        let place = || self.catalogue.place(save.shard, save.offset, save.begun_at);
        self.open.entry(save).or_insert_with(|| Open {
            place: place(),
            listed: Vec::new(),
            bytes: 0,
            began: Instant::now(),
            is_broken: false,
        })
    }

    fn chunk(&mut self, save: SnapshotId, chunk: &Chunk) {
        let catalogue = self.catalogue.clone();
        let open = self.open(save);
        if open.is_broken {
            return;
        }
        let (sealed, listed) = chunk.seal();
        open.bytes += listed.bytes;
        let put = catalogue.put_chunk(&open.place, open.listed.len(), sealed);
        reached("chunk_put");
        open.listed.push(listed);
        if let Err(error) = put {
            open.is_broken = true;
            self.failed(save, &error);
        }
    }

    fn finish(&mut self, save: SnapshotId, summary: StateSummary) {
        self.open(save);
        let Some(open) = self.open.remove(&save) else { return };
        if open.is_broken {
            self.discard(&open);
            return;
        }
        reached("manifest_putting");
        let manifest = Manifest::new(summary, open.listed.clone(), save.begun_at);
        if let Err(error) = self.catalogue.put_manifest(&open.place, &manifest) {
            self.failed(save, &error);
            self.discard(&open);
            return;
        }
        reached("manifest_put");
        self.completed.lock().expect("no thread panics while it holds it").insert(save.shard, save.offset);
        let (keys, rows) = manifest.keys_and_rows();
        let (partition, offset, bytes) = (save.shard.partition, save.offset, open.bytes);
        self.report.snapshot_written(save.shard, save.begun_at, bytes, open.began.elapsed());
        tracing::info!(partition, offset, keys, rows, bytes, "snapshot written");
        if let Err(error) = self.catalogue.prune(save.shard) {
            tracing::warn!(partition, %error, "an old snapshot could not be deleted; the next cleanup retries it");
        }
        reached("pruned");
    }

    fn abandon(&mut self, save: SnapshotId) {
        if let Some(open) = self.open.remove(&save) {
            self.discard(&open);
        }
    }

    fn failed(&self, save: SnapshotId, error: &ObjectStoreError) {
        self.report.snapshot_failed();
        let partition = save.shard.partition;
        tracing::warn!(partition, %error, "the snapshot could not be written; the previous one stays, and the next interval retries");
    }

    /// Deletes the chunks of an incomplete snapshot.
    fn discard(&self, open: &Open) {
        if let Err(error) = self.catalogue.delete(&open.place) {
            tracing::debug!(%error, "the chunks of an incomplete snapshot could not be deleted; the next cleanup retries it");
        }
    }
}
