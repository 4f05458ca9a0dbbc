//! Writes snapshots, beside the workers' threads: compresses, seals, puts, the manifest last. What fails is said and
//! given up; the next one is cut in its time, and the ones before stay.

use super::catalogue::{Catalogue, Kept};
use super::store::StoreFault;
use crate::failpoint::reached;
use crate::ops::metrics::Metrics;
use crate::ops::status::Status;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::snapshot::{Chunk, Listed, Manifest, StateSummary};

/// Jobs that wait, about; a worker that finds no room goes on later.
const WAITING_MAX: usize = 8;

/// One save of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Save {
    /// Whose.
    pub shard: ShardId,
    /// The first record that is not in it.
    pub offset: i64,
    /// When it was cut.
    pub cut_at: Timestamp,
}

enum Job {
    Chunk(Save, Chunk),
    Finish(Save, Box<StateSummary>),
    Abandon(Save),
}

/// The way to the thread. Clones share it; the thread ends with the last.
#[derive(Clone)]
pub struct Writer {
    jobs: Sender<Job>,
    /// Jobs that wait.
    waiting: Arc<AtomicUsize>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(catalogue: Catalogue, status: Arc<Status>, metrics: Arc<Metrics>) -> Writer {
        let (writer, mut writing) = Writer::by_hand(catalogue, status, metrics);
        let work = move || while writing.wait() {};
        let name = "tripline-snapshots".to_owned();
        std::thread::Builder::new().name(name).spawn(work).expect("the system can start a thread");
        writer
    }

    /// The same without a thread: what is handed over waits until [`Writing::go_on`] is called.
    pub fn by_hand(catalogue: Catalogue, status: Arc<Status>, metrics: Arc<Metrics>) -> (Writer, Writing) {
        let (jobs, given) = channel();
        let waiting = Arc::<AtomicUsize>::default();
        let writer = Writer { jobs, waiting: Arc::clone(&waiting) };
        (writer, Writing { given, waiting, catalogue, status, metrics, open: BTreeMap::new() })
    }

    /// Hands a chunk over; gives it back when there is no room.
    pub(super) fn chunk(&self, save: Save, chunk: Chunk) -> Option<Chunk> {
        if !self.has_room() {
            return Some(chunk);
        }
        self.send(Job::Chunk(save, chunk));
        None
    }

    /// All chunks were handed over. Gives the cut back when there is no room.
    pub(super) fn finish(&self, save: Save, cut: Box<StateSummary>) -> Option<Box<StateSummary>> {
        if !self.has_room() {
            return Some(cut);
        }
        self.send(Job::Finish(save, cut));
        None
    }

    /// Nobody will finish it. Finds room always: a store that hangs must not hold up a worker that gives a shard away.
    pub(super) fn abandon(&self, save: Save) {
        self.send(Job::Abandon(save));
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

struct Open {
    place: Kept,
    listed: Vec<Listed>,
    bytes: u64,
    began: Instant,
    is_broken: bool,
}

/// The thread's side: what is to be written, and how far each save has come.
pub struct Writing {
    given: Receiver<Job>,
    waiting: Arc<AtomicUsize>,
    catalogue: Catalogue,
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    open: BTreeMap<Save, Open>,
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
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        match job {
            Job::Chunk(save, chunk) => self.chunk(save, &chunk),
            Job::Finish(save, cut) => self.finish(save, *cut),
            Job::Abandon(save) => self.abandon(save),
        }
    }

    fn open(&mut self, save: Save) -> &mut Open {
        let place = || self.catalogue.place(save.shard, save.offset, save.cut_at);
        self.open.entry(save).or_insert_with(|| Open {
            place: place(),
            listed: Vec::new(),
            bytes: 0,
            began: Instant::now(),
            is_broken: false,
        })
    }

    fn chunk(&mut self, save: Save, chunk: &Chunk) {
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
        if let Err(fault) = put {
            open.is_broken = true;
            self.failed(save, &fault);
        }
    }

    fn finish(&mut self, save: Save, cut: StateSummary) {
        self.open(save);
        let Some(open) = self.open.remove(&save) else { return };
        if open.is_broken {
            self.discard(&open);
            return;
        }
        reached("manifest_putting");
        let manifest = Manifest::new(cut, open.listed.clone(), save.cut_at);
        if let Err(fault) = self.catalogue.put_manifest(&open.place, &manifest) {
            self.failed(save, &fault);
            self.discard(&open);
            return;
        }
        reached("manifest_put");
        let (keys, rows) = manifest.held();
        let (partition, offset, bytes) = (save.shard.partition, save.offset, open.bytes);
        self.metrics.snapshot_written(bytes, open.began.elapsed());
        self.status.snapshot(save.shard, save.cut_at);
        tracing::info!(partition, offset, keys, rows, bytes, "snapshot written");
        if let Err(fault) = self.catalogue.prune(save.shard) {
            tracing::warn!(partition, %fault, "an old snapshot could not be deleted");
        }
        reached("pruned");
    }

    fn abandon(&mut self, save: Save) {
        if let Some(open) = self.open.remove(&save) {
            self.discard(&open);
        }
    }

    fn failed(&self, save: Save, fault: &StoreFault) {
        self.metrics.snapshot_failed();
        let partition = save.shard.partition;
        tracing::warn!(partition, %fault, "the snapshot could not be written; the one before stays");
    }

    /// What was written of it is no snapshot; it may as well go.
    fn discard(&self, open: &Open) {
        if let Err(fault) = self.catalogue.delete(&open.place) {
            tracing::debug!(%fault, "what was written of a snapshot stays");
        }
    }
}
