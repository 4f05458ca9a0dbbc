//! The worker's processor with side positions beside its shards, and with those planted faults that a processor could
//! have.

use crate::faulty::Controls;
use crate::plant::Plant;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;
use tripline::runtime::processor::Processor;
use tripline::runtime::recovery::{History, SnapshotPart};
use tripline::runtime::shard_processor::{ProcessedShard, ShardProcessor};
use tripline::runtime::source::Position;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::outputs::Outputs;
use tripline_core::snapshot::SnapshotError;

/// The processor, whose shards have a side position: as far as a second topic would have been read.
pub struct Kept {
    pub processor: ShardProcessor,
    pub plant: Option<Plant>,
    pub controls: Controls,
    /// Number of the pack.
    pub pack: usize,
    /// What was found wrong.
    pub wrong: Rc<RefCell<Option<String>>>,
    pub stale: Stale,
}

/// Shards that a planted fault keeps over a reload.
pub type Stale = Rc<RefCell<BTreeMap<ShardId, ProcessedShard>>>;

/// A shard and its side position.
pub struct KeptShard {
    id: ShardId,
    processed: Option<ProcessedShard>,
    next: i64,
    is_stale: bool,
    plant: Option<Plant>,
    controls: Controls,
    stale: Stale,
}

impl KeptShard {
    fn processed(&mut self) -> &mut ProcessedShard {
        self.processed.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for KeptShard {
    fn drop(&mut self) {
        if self.plant == Some(Plant::NoReload) && self.controls.reloads() {
            self.stale.borrow_mut().extend(self.processed.take().map(|processed| (self.id, processed)));
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
            id: at.shard,
            processed: Some(stale.unwrap_or_else(|| self.processor.open(at))),
            next: at.next,
            is_stale,
            plant: self.plant,
            controls: self.controls.clone(),
            stale: Rc::clone(&self.stale),
        }
    }

    fn load(&mut self, shard: &mut KeptShard, part: SnapshotPart) -> Result<(), SnapshotError> {
        if shard.is_stale { Ok(()) } else { self.processor.load(shard.processed(), part) }
    }

    fn restore(&mut self, shard: &mut KeptShard, batch: &Batch) {
        if shard.is_stale {
            return;
        }
        match self.plant {
            Some(Plant::JudgesAgain) => {
                self.processor.step(shard.processed(), batch, &mut Outputs::default())
            }
            _ => self.processor.restore(shard.processed(), batch),
        }
    }

    fn fold_verdicts(&mut self, shard: &mut KeptShard, batch: &Batch) {
        if self.plant != Some(Plant::JudgesAgain) && !shard.is_stale {
            self.processor.fold_verdicts(shard.processed(), batch);
        }
    }

    fn live(&mut self, shard: &mut KeptShard, history: &History) {
        if !std::mem::take(&mut shard.is_stale) {
            self.processor.live(shard.processed(), history);
        }
    }

    fn step(&mut self, shard: &mut KeptShard, batch: &Batch, out: &mut Outputs) {
        self.processor.step(shard.processed(), batch, out);
        let Some(last) = batch.records.last() else { return };
        shard.next = last.offset + 1;
        if self.plant == Some(Plant::EarlySnapshot) {
            let at = Position { shard: batch.shard, next: shard.next, note: String::new() };
            let processed = shard.processed();
            if self.processor.snapshot_due(processed, &at).is_some() {
                self.processor.begin_snapshot(processed, &at);
            }
            self.processor.committed(processed, &at);
        }
    }

    fn idle(&mut self, shard: &mut KeptShard) {
        self.processor.idle(shard.processed());
    }

    fn note(&self, shard: &KeptShard) -> String {
        let processed = shard.processed.as_ref().expect("it is there until it is dropped");
        let mut note: serde_json::Value = serde_json::from_str(&self.processor.note(processed)).unwrap();
        note["kept"] = format!("{} {}", self.pack, side(shard.next)).into();
        note.to_string()
    }

    fn snapshot_due(&self, shard: &KeptShard, at: &Position) -> Option<Instant> {
        self.processor.snapshot_due(shard.processed.as_ref()?, at)
    }

    fn begin_snapshot(&mut self, shard: &mut KeptShard, at: &Position) {
        self.processor.begin_snapshot(shard.processed(), at);
        if self.plant == Some(Plant::EarlyManifest) {
            self.processor.committed(shard.processed(), at);
        }
    }

    fn committed(&mut self, shard: &mut KeptShard, at: &Position) {
        self.processor.committed(shard.processed(), at);
    }

    fn snapshot_under_way(&self) -> Option<ShardId> {
        self.processor.snapshot_under_way()
    }

    fn write_snapshot(&mut self, shard: &mut KeptShard) {
        self.processor.write_snapshot(shard.processed());
    }

    fn save(&mut self, shard: &mut KeptShard, at: &Position, until: Instant) {
        self.processor.save(shard.processed(), at, until);
    }
}
