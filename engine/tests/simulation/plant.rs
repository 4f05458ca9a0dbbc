//! Faults that are planted in the test doubles, each of which the simulation must find; and the worker's engines with
//! side positions beside them, and with those faults that an engine's keeper could have.

use crate::faulty::Controls;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tripline::runtime::engines::Engines;
use tripline::runtime::processor::Processor;
use tripline::runtime::recovery::{History, Piece};
use tripline::runtime::source::Position;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::outputs::Outputs;
use tripline_core::snapshot::SnapshotError;

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// After an abort the engines stay as they are.
    NoReload,
    CommitBeforeSend,
    /// A commit leaves out the position of a shard whose outputs it holds.
    PartialCommit,
    /// A snapshot without a manifest is taken as whole.
    NoManifest,
    /// Snapshots are cut and finished before the commit.
    EarlyCut,
    /// The manifest of a snapshot does not wait for the commit that it was cut for.
    HastyManifest,
    /// Recovery judges again instead of folding what was committed.
    JudgesAgain,
    /// What is kept beside the committed offset is not written.
    LostNote,
    /// What is in doubt is aborted by the same producer.
    TrustsDoubt,
    /// Positions are committed by members of an older generation.
    NoGeneration,
    /// What was lost is committed by the generation of the next assignment.
    ForgetsLoss,
    /// The journal is read while a transaction of a dead owner holds a part of it back.
    HastyJournal,
}

/// Each must be found within so many seeds. The journal, which is read once no transaction holds it back, stands in for the
/// fence by generation nearly always: only what moves a position and writes nothing gets past it.
pub const PLANTS: [(&str, Plant, u64); 12] = [
    ("no reload after an abort", Plant::NoReload, 1_000),
    ("commit before send", Plant::CommitBeforeSend, 1_000),
    ("outputs committed without the positions behind them", Plant::PartialCommit, 1_000),
    ("snapshot without a manifest taken as whole", Plant::NoManifest, 1_000),
    ("snapshot cut from state that may be aborted", Plant::EarlyCut, 1_000),
    ("snapshot finished while its commit is under way", Plant::HastyManifest, 1_000),
    ("recovery by judging again under a newer pack", Plant::JudgesAgain, 1_000),
    ("side positions lost from the offset commit", Plant::LostNote, 1_000),
    ("crash-only rule off, an end of a transaction comes late", Plant::TrustsDoubt, 1_000),
    ("commits not fenced by the group's generation", Plant::NoGeneration, 10_000),
    ("a lost assignment committed by the next generation", Plant::ForgetsLoss, 10_000),
    ("journal read behind an open transaction", Plant::HastyJournal, 1_000),
];

/// The engines, which keep a side position: as far as a second topic would have been read.
pub struct Kept {
    pub engines: Engines,
    pub plant: Option<Plant>,
    pub controls: Controls,
    /// Number of the pack.
    pub pack: usize,
    /// What was found wrong.
    pub wrong: Rc<RefCell<Option<String>>>,
    pub next: BTreeMap<ShardId, i64>,
    /// Engines that a planted fault keeps.
    pub stale: BTreeSet<ShardId>,
}

/// The side position that belongs to an offset.
pub fn side(next: i64) -> i64 {
    next * 7 + 3
}

/// The pack and the side position of a note.
pub fn note(text: &str) -> Option<(usize, i64)> {
    let (pack, side) = text.split_once(' ')?;
    Some((pack.parse().ok()?, side.parse().ok()?))
}

impl Processor for Kept {
    fn assign(&mut self, at: &Position) {
        if at.next > 0 && note(&at.note).map(|(_, side)| side) != Some(side(at.next)) {
            let line =
                format!("partition {} at {}: side position {:?}", at.shard.partition, at.next, at.note);
            self.wrong.borrow_mut().get_or_insert(line);
        }
        self.next.insert(at.shard, at.next);
        if !self.stale.contains(&at.shard) {
            self.engines.assign(at);
        }
    }

    fn load(&mut self, shard: ShardId, piece: Piece) -> Result<(), SnapshotError> {
        if self.stale.contains(&shard) { Ok(()) } else { self.engines.load(shard, piece) }
    }

    fn restore(&mut self, batch: &Batch) {
        if self.stale.contains(&batch.shard) {
            return;
        }
        match self.plant {
            Some(Plant::JudgesAgain) => self.engines.step(batch, &mut Outputs::default()),
            _ => self.engines.restore(batch),
        }
    }

    fn fold_verdicts(&mut self, batch: &Batch) {
        if self.plant != Some(Plant::JudgesAgain) && !self.stale.contains(&batch.shard) {
            self.engines.fold_verdicts(batch);
        }
    }

    fn live(&mut self, shard: ShardId, history: &History) {
        if !self.stale.remove(&shard) {
            self.engines.live(shard, history);
        }
    }

    fn step(&mut self, batch: &Batch, out: &mut Outputs) {
        self.engines.step(batch, out);
        if let Some(last) = batch.records.last() {
            self.next.insert(batch.shard, last.offset + 1);
            if self.plant == Some(Plant::EarlyCut) {
                let (shard, next) = (batch.shard, last.offset + 1);
                let at = [Position { shard, next, note: String::new() }];
                self.engines.committing(&at);
                self.engines.committed(&at);
            }
        }
    }

    fn advance(&mut self, shard: ShardId, now: Timestamp, out: &mut Outputs) {
        self.engines.advance(shard, now, out);
    }

    fn committing(&mut self, at: &[Position]) {
        self.engines.committing(at);
        if self.plant == Some(Plant::HastyManifest) {
            self.engines.committed(at);
        }
    }

    fn committed(&mut self, at: &[Position]) {
        self.engines.committed(at);
    }

    fn work(&mut self) -> bool {
        self.engines.work()
    }

    fn note(&self, shard: ShardId) -> String {
        format!("{} {}", self.pack, side(self.next[&shard]))
    }

    fn revoke(&mut self, shard: ShardId) {
        match self.plant {
            Some(Plant::NoReload) if self.controls.reloads() => {
                self.stale.insert(shard);
            }
            _ => {
                self.stale.remove(&shard);
                self.engines.revoke(shard);
            }
        }
    }
}
