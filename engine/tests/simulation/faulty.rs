//! What stands between a worker and the model: it dies at a given step, is refused, left in doubt, held up; and, where
//! a fault is planted, misbehaves as its sink.

use crate::memory::{Doubt, Log, Membership, MemoryRecovery, MemorySink, MemorySource};
use crate::plant::Plant;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tripline::runtime::recovery::{Recovery, Restore, Restored};
use tripline::runtime::sink::{CommitError, Sink, SinkError};
use tripline::runtime::source::{Generation, Polled, Position, Source, SourceError};
use tripline_core::batch::{Batch, ShardId};
use tripline_core::outputs::Outputs;

/// How often each thing happened.
pub type Tally = BTreeMap<&'static str, u64>;

/// What the world does to one process. Clones share it.
#[derive(Clone, Default)]
pub struct Controls(Rc<Inner>);

#[derive(Default)]
struct Inner {
    /// Steps until the process dies.
    fuse: Cell<Option<usize>>,
    died: Cell<Option<&'static str>>,
    deaf: Cell<bool>,
    doubt: Cell<Option<Doubt>>,
    refuses: Cell<bool>,
    again: Cell<bool>,
    room: Cell<Option<usize>>,
    /// The next commit finds that the session and the transaction have timed out.
    sleeps: Cell<bool>,
    /// Shards are being put back after an abort.
    reloads: Cell<bool>,
    /// Pieces of a filling that are handed over at a turn.
    pieces: Cell<usize>,
    /// Steps that a commit under way may go at a turn: to the broker, and back.
    steps: Cell<usize>,
    tally: RefCell<Tally>,
    /// Faults since the world last asked.
    events: RefCell<Vec<&'static str>>,
}

impl Controls {
    pub fn arm(&self, steps: usize) {
        self.0.fuse.set(Some(steps));
    }

    pub fn calm(&self) {
        self.0.fuse.set(None);
        self.0.deaf.set(false);
        self.0.doubt.set(None);
        self.0.refuses.set(false);
        self.0.again.set(false);
        self.0.room.set(None);
        self.0.sleeps.set(false);
    }

    pub fn deafen(&self, deaf: bool) {
        self.0.deaf.set(deaf);
    }

    pub fn doubt(&self, doubt: Doubt) {
        self.0.doubt.set(Some(doubt));
    }

    pub fn refuse(&self) {
        self.0.refuses.set(true);
    }

    pub fn delay(&self) {
        self.0.again.set(true);
    }

    pub fn fill_queue(&self, room: usize) {
        self.0.room.set(Some(room));
    }

    pub fn sleep(&self) {
        self.0.sleeps.set(true);
    }

    pub fn pieces(&self, pieces: usize) {
        self.0.pieces.set(pieces);
    }

    pub fn steps(&self, steps: usize) {
        self.0.steps.set(steps);
    }

    /// Whether the commit under way goes a step on.
    pub fn goes_on(&self) -> bool {
        let left = self.0.steps.get().checked_sub(1);
        self.0.steps.set(left.unwrap_or(0));
        if left.is_none() {
            self.count("path: a look met a commit under way");
        }
        left.is_some()
    }

    pub fn reloads(&self) -> bool {
        self.0.reloads.get()
    }

    /// Where the process died, if it did.
    pub fn died(&self) -> Option<&'static str> {
        self.0.died.get()
    }

    /// Faults since it was last asked.
    pub fn take_events(&self) -> Vec<&'static str> {
        self.0.events.take()
    }

    pub fn tally(&self) -> Tally {
        self.0.tally.borrow().clone()
    }

    pub fn count(&self, what: &'static str) {
        *self.0.tally.borrow_mut().entry(what).or_default() += 1;
        if !what.starts_with("path") {
            self.0.events.borrow_mut().push(what);
        }
    }

    /// A step of the loop: the process dies at it when its time has come.
    fn step(&self, at: &'static str) -> bool {
        let Some(left) = self.0.fuse.get() else { return false };
        self.0.fuse.set(left.checked_sub(1));
        if left == 0 {
            self.0.died.set(Some(at));
            self.count(at);
        }
        left == 0
    }
}

pub struct FaultySource {
    pub inner: MemorySource,
    pub controls: Controls,
}

impl FaultySource {
    fn step(&self, at: &'static str) -> Result<(), SourceError> {
        match self.controls.step(at) {
            true => Err(SourceError::Stopped { place: "events".to_owned(), reason: "died".to_owned() }),
            false => Ok(()),
        }
    }
}

impl Source for FaultySource {
    fn poll(&mut self, into: &mut Batch, wait: Duration) -> Result<Polled, SourceError> {
        self.step("crash: at a poll")?;
        self.controls.0.reloads.set(false);
        self.inner.hears = !self.controls.0.deaf.get();
        let polled = self.inner.poll(into, wait)?;
        match polled {
            Polled::Lost(_) => self.controls.count("path: assignment lost"),
            Polled::Revoked(..) => self.controls.count("path: shards given back"),
            _ => {}
        }
        Ok(polled)
    }

    fn accept(&mut self, generation: Generation, shards: &[ShardId]) -> Result<Vec<ShardId>, SourceError> {
        self.step("crash: at an assignment")?;
        self.inner.accept(generation, shards)
    }

    fn suspend(&mut self, shards: &[ShardId]) -> Result<(), SourceError> {
        self.step("crash: at a reload")?;
        self.controls.count("path: reload after an abort");
        self.controls.0.reloads.set(true);
        self.inner.suspend(shards)
    }

    fn resume(&mut self, at: &Position) -> Result<(), SourceError> {
        self.step("crash: as a shard goes live")?;
        self.inner.resume(at)
    }

    fn release(&mut self, generation: Generation, shards: &[ShardId]) -> Result<(), SourceError> {
        self.step("crash: between the last commit and the release")?;
        self.inner.release(generation, shards)
    }

    fn pause(&mut self, paused: bool) -> Result<(), SourceError> {
        self.inner.pause(paused)
    }

    fn caught_up(&self, shard: ShardId) -> bool {
        self.inner.caught_up(shard)
    }

    fn close(&mut self) {
        self.inner.close();
    }
}

pub struct FaultySink {
    pub inner: MemorySink,
    pub controls: Controls,
    pub plant: Option<Plant>,
    pub log: Log,
    pub member: Membership,
    pub producer: String,
    /// Outputs that a planted fault sends too late.
    pub kept: Vec<(ShardId, Outputs)>,
}

fn died() -> CommitError {
    CommitError::Permanent("died".into())
}

impl FaultySink {
    /// Commits before it sends.
    fn reversed(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError> {
        self.inner.commit(next, wait)?;
        if self.controls.step("crash: between send and commit") {
            return Err(died());
        }
        for (shard, out) in std::mem::take(&mut self.kept) {
            self.inner.send(shard, &out, 0).map_err(|_| died())?;
        }
        self.inner.commit(next, wait)
    }
}

impl Sink for FaultySink {
    fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        if self.controls.step("crash: while outputs are sent") {
            self.inner.room = Some(out.records.len() / 2);
            self.inner.send(shard, out, from)?;
            return Err(SinkError::Client("died".into()));
        }
        if self.plant == Some(Plant::CommitBeforeSend) {
            self.kept.push((shard, out.clone()));
            return Ok(out.records.len());
        }
        if let Some(room) = self.controls.0.room.take() {
            self.inner.room = Some(room);
        }
        let sent = self.inner.send(shard, out, from)?;
        if sent < out.records.len() {
            self.controls.count("fault: producer's queue full");
        } else {
            self.inner.room = None;
        }
        Ok(sent)
    }

    fn commit(&mut self, next: &[Position], wait: Duration) -> Result<(), CommitError> {
        if self.controls.step("crash: between send and commit") {
            return Err(died());
        }
        let mut next = next.to_vec();
        if self.plant == Some(Plant::LostNote) {
            next.iter_mut().for_each(|at| at.note.clear());
        }
        if self.plant == Some(Plant::PartialCommit) && next.len() > 1 {
            next.pop();
        }
        if !next.is_empty() {
            if self.controls.0.again.take() {
                self.controls.count("fault: commit not yet possible");
                return Err(CommitError::Again("the broker is away".to_owned()));
            }
            if self.controls.0.sleeps.take() {
                self.controls.count("fault: stopped between send and commit");
                self.log.expel(self.member.member());
                self.log.time_out(&self.producer);
            }
            if self.controls.0.refuses.take() {
                self.controls.count("fault: commit refused");
                self.inner.refusals.push_back(CommitError::Aborted("refused".to_owned()));
            }
            self.inner.doubt = self.controls.0.doubt.take();
            match self.inner.doubt {
                Some(Doubt::Done) => self.controls.count("fault: in doubt, committed"),
                Some(Doubt::Lost) => self.controls.count("fault: in doubt, never arrived"),
                Some(Doubt::Late) => self.controls.count("fault: in doubt, arrives late"),
                None => {}
            }
        }
        let result = match self.plant {
            Some(Plant::CommitBeforeSend) => self.reversed(&next, wait),
            _ => self.inner.commit(&next, wait),
        };
        self.controls.count(match &result {
            Ok(()) => "path: commits",
            Err(CommitError::Aborted(_)) => "path: commits known to be undone",
            Err(CommitError::Unknown(_)) => "path: commits in doubt or fenced",
            Err(_) => "path: commits otherwise not done",
        });
        if result.is_ok() && self.controls.step("crash: between a commit and its answer") {
            return Err(died());
        }
        result
    }

    fn abort(&mut self) -> Result<bool, SinkError> {
        if self.controls.step("crash: at an abort") {
            return Err(SinkError::Client("died".into()));
        }
        self.kept.clear();
        self.inner.abort()
    }
}

pub struct FaultyRecovery {
    pub inner: MemoryRecovery,
    pub controls: Controls,
    pub plant: Option<Plant>,
    /// Where unfinished snapshots lie, by partition, for a planted fault: offsets.
    pub torn: Rc<RefCell<BTreeMap<u32, i64>>>,
    /// Pieces still to be given at this turn.
    left: usize,
}

impl FaultyRecovery {
    pub fn new(
        inner: MemoryRecovery,
        controls: Controls,
        plant: Option<Plant>,
        torn: Rc<RefCell<BTreeMap<u32, i64>>>,
    ) -> FaultyRecovery {
        FaultyRecovery { inner, controls, plant, torn, left: 0 }
    }

    fn count(&self, piece: &Restored) {
        match piece {
            Restored::Unusable(..) => self.controls.count("path: snapshot found damaged"),
            Restored::Ready(_, _, history) => {
                self.controls.count(match (history.snapshot, history.skipped_before) {
                    (Some(_), _) if history.rows > 0 => "path: filled from a snapshot and the log behind it",
                    (Some(_), _) => "path: filled from a snapshot alone",
                    (None, Some(_)) => "path: filled from the end of the log",
                    (None, None) if history.rows > 0 => "path: filled from the whole log",
                    (None, None) => "path: nothing to fill",
                });
                if history.unreachable.is_some() {
                    self.controls.count("path: filled from the log, the disk was away");
                }
                if history.verdicts > 0 {
                    self.controls.count("path: verdicts folded");
                }
            }
            _ => {}
        }
    }

    /// Takes a snapshot without a manifest as whole: only what lies behind it is read.
    fn is_hidden(&self, piece: &Restored) -> bool {
        let Some(torn) = self.torn.borrow().get(&piece.of().1.partition).copied() else { return false };
        match piece {
            Restored::Snapshot(..) => true,
            Restored::Rows(_, batch) => batch.records.iter().all(|record| record.offset < torn),
            _ => false,
        }
    }
}

impl Recovery for FaultyRecovery {
    fn begin(&mut self, shard: ShardId, without: &[Arc<str>]) -> Restore {
        self.inner.begin(shard, without)
    }

    fn next(&mut self, wait: Duration) -> Option<Restored> {
        if self.left == 0 {
            self.left = self.controls.0.pieces.get();
            return None;
        }
        if self.controls.step("crash: while a shard is restored") {
            return None;
        }
        self.left -= 1;
        let piece = self.inner.next(wait)?;
        self.count(&piece);
        if self.plant == Some(Plant::NoManifest) && self.is_hidden(&piece) {
            return None;
        }
        Some(piece)
    }
}
