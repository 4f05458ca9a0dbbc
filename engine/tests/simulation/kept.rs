//! The worker's engines with side positions beside them, and with those planted faults that an engine's keeper could
//! have.

use crate::faulty::Controls;
use crate::plant::Plant;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;
use tripline::runtime::engines::{Engines, ShardEngine};
use tripline::runtime::processor::Processor;
use tripline::runtime::recovery::{History, SnapshotPart};
use tripline::runtime::source::Position;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::outputs::Outputs;
use tripline_core::snapshot::SnapshotError;

/// The engines, which keep a side position: as far as a second topic would have been read.
pub struct Kept {
    pub engines: Engines,
    pub plant: Option<Plant>,
    pub controls: Controls,
    /// Number of the pack.
    pub pack: usize,
    /// What was found wrong.
    pub wrong: Rc<RefCell<Option<String>>>,
    pub stale: Stale,
}

/// Engines that a planted fault keeps over a reload.
pub type Stale = Rc<RefCell<BTreeMap<ShardId, ShardEngine>>>;

/// A shard's engine and its side position.
pub struct KeptShard {
    shard: ShardId,
    engine: Option<ShardEngine>,
    next: i64,
    is_stale: bool,
    plant: Option<Plant>,
    controls: Controls,
    stale: Stale,
}

impl KeptShard {
    fn engine(&mut self) -> &mut ShardEngine {
        self.engine.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for KeptShard {
    fn drop(&mut self) {
        if self.plant == Some(Plant::NoReload) && self.controls.reloads() {
            self.stale.borrow_mut().extend(self.engine.take().map(|engine| (self.shard, engine)));
        }
    }
}

/// The side position that belongs to an offset.
pub fn side(next: i64) -> i64 {
    next * 7 + 3
}

/// The pack and the side position of a note.
pub fn note(text: &str) -> Option<(usize, i64)> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let (pack, side) = value.get("kept")?.as_str()?.split_once(' ')?;
    Some((pack.parse().ok()?, side.parse().ok()?))
}

impl Processor for Kept {
    type Shard = KeptShard;

    fn open(&mut self, at: &Position) -> KeptShard {
        if at.next > 0 && note(&at.note).map(|(_, side)| side) != Some(side(at.next)) {
            let line =
                format!("partition {} at {}: side position {:?}", at.shard.partition, at.next, at.note);
            self.wrong.borrow_mut().get_or_insert(line);
        }
        let stale = self.stale.borrow_mut().remove(&at.shard);
        let is_stale = stale.is_some();
        KeptShard {
            shard: at.shard,
            engine: Some(stale.unwrap_or_else(|| self.engines.open(at))),
            next: at.next,
            is_stale,
            plant: self.plant,
            controls: self.controls.clone(),
            stale: Rc::clone(&self.stale),
        }
    }

    fn load(&mut self, of: &mut KeptShard, part: SnapshotPart) -> Result<(), SnapshotError> {
        if of.is_stale { Ok(()) } else { self.engines.load(of.engine(), part) }
    }

    fn restore(&mut self, of: &mut KeptShard, batch: &Batch) {
        if of.is_stale {
            return;
        }
        match self.plant {
            Some(Plant::JudgesAgain) => self.engines.step(of.engine(), batch, &mut Outputs::default()),
            _ => self.engines.restore(of.engine(), batch),
        }
    }

    fn fold_verdicts(&mut self, of: &mut KeptShard, batch: &Batch) {
        if self.plant != Some(Plant::JudgesAgain) && !of.is_stale {
            self.engines.fold_verdicts(of.engine(), batch);
        }
    }

    fn live(&mut self, of: &mut KeptShard, history: &History) {
        if !std::mem::take(&mut of.is_stale) {
            self.engines.live(of.engine(), history);
        }
    }

    fn step(&mut self, of: &mut KeptShard, batch: &Batch, out: &mut Outputs) {
        self.engines.step(of.engine(), batch, out);
        let Some(last) = batch.records.last() else { return };
        of.next = last.offset + 1;
        if self.plant == Some(Plant::EarlySnapshot) {
            let at = Position { shard: batch.shard, next: of.next, note: String::new() };
            let engine = of.engine();
            if self.engines.snapshot_due(engine, &at).is_some() {
                self.engines.begin_snapshot(engine, &at);
            }
            self.engines.committed(engine, &at);
        }
    }

    fn idle(&mut self, of: &mut KeptShard) {
        self.engines.idle(of.engine());
    }

    fn note(&self, of: &KeptShard) -> String {
        let engine = of.engine.as_ref().expect("it is there until it is dropped");
        let mut note: serde_json::Value = serde_json::from_str(&self.engines.note(engine)).unwrap();
        note["kept"] = format!("{} {}", self.pack, side(of.next)).into();
        note.to_string()
    }

    fn snapshot_due(&self, of: &KeptShard, at: &Position) -> Option<Instant> {
        self.engines.snapshot_due(of.engine.as_ref()?, at)
    }

    fn begin_snapshot(&mut self, of: &mut KeptShard, at: &Position) {
        self.engines.begin_snapshot(of.engine(), at);
        if self.plant == Some(Plant::EarlyManifest) {
            self.engines.committed(of.engine(), at);
        }
    }

    fn committed(&mut self, of: &mut KeptShard, at: &Position) {
        self.engines.committed(of.engine(), at);
    }

    fn snapshot_under_way(&self) -> Option<ShardId> {
        self.engines.snapshot_under_way()
    }

    fn write_snapshot(&mut self, of: &mut KeptShard) {
        self.engines.write_snapshot(of.engine());
    }

    fn save(&mut self, of: &mut KeptShard, at: &Position, until: Instant) {
        self.engines.save(of.engine(), at, until);
    }
}
