//! One worker's engines: the core behind the worker's loop.

use crate::config::Config;
use crate::io::snapshot::Saver;
use crate::json::JsonFault;
use crate::ops::metrics::Metrics;
use crate::runtime::processor::Processor;
use crate::runtime::recovery::{History, Piece};
use crate::runtime::source::Position;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::counts::Counts;
use tripline_core::engine::{Derived, Engine, Loading};
use tripline_core::lines::{Collect, Lines};
use tripline_core::outputs::Outputs;
use tripline_core::snapshot::SnapshotError;
use tripline_core::verdict::Recorded;

/// How often the metrics are told how much a shard holds: counting its caches takes a moment.
const SIZE_EVERY: Duration = Duration::from_secs(1);

/// The engines of the shards that a worker owns.
pub struct Engines {
    config: Arc<Config>,
    metrics: Arc<Metrics>,
    engines: BTreeMap<ShardId, Held>,
    /// Shards that a snapshot is being loaded into.
    loading: BTreeMap<ShardId, Loading>,
    saver: Option<Saver>,
    /// How many partitions the input has.
    partitions: u32,
    lines: Lines,
}

struct Held {
    engine: Engine,
    /// What the metrics were told already.
    told: Counts,
    /// Keys and bytes likewise.
    size: (i64, i64),
    /// When that was.
    sized: Instant,
}

impl Engines {
    /// No engine yet, for an input of so many partitions.
    pub fn new(
        config: &Arc<Config>,
        metrics: Arc<Metrics>,
        partitions: u32,
        saver: Option<Saver>,
    ) -> Engines {
        Engines {
            config: Arc::clone(config),
            metrics,
            engines: BTreeMap::new(),
            loading: BTreeMap::new(),
            saver,
            partitions,
            lines: Lines::new(Collect::Nothing),
        }
    }

    fn engine(&self) -> Engine {
        Engine::new(&self.config.installation)
    }

    fn hold(&mut self, shard: ShardId, engine: Engine) {
        let held = Held { engine, told: Counts::default(), size: (0, 0), sized: Instant::now() };
        self.engines.insert(shard, held);
    }

    fn held(&mut self, shard: ShardId) -> &mut Held {
        self.engines.get_mut(&shard).expect("the worker assigns a shard before it feeds it")
    }

    fn tell(&mut self, shard: ShardId) {
        let held = self.engines.get_mut(&shard).expect("just stepped");
        let counts = held.engine.counts();
        for (number, rule) in self.config.ruleset().rules().iter().enumerate() {
            let new = counts.fired[number] - held.told.fired.get(number).copied().unwrap_or(0);
            if new > 0 {
                self.metrics.fired(&rule.id, new);
            }
        }
        self.metrics.counted(counts, &held.told);
        held.told.clone_from(counts);
        if held.sized.elapsed() >= SIZE_EVERY {
            self.tell_size(shard);
        }
    }

    /// Tells how much a shard holds, and how far back.
    fn tell_size(&mut self, shard: ShardId) {
        let held = self.engines.get_mut(&shard).expect("the worker owns it");
        let space = held.engine.space();
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (keys, bytes) = (whole(space.ledgers().keys()), whole(space.ledgers().counted_bytes()));
        let entity = &space.program().plan().space.entity;
        self.metrics.ledgers(entity, keys - held.size.0, bytes - held.size.1);
        if let Some(share) = space.coverage() {
            self.metrics.coverage(shard, share);
        }
        (held.size, held.sized) = ((keys, bytes), Instant::now());
    }
}

/// What is kept beside a committed offset.
#[derive(Serialize, Deserialize)]
struct Note<'a> {
    /// Hash of the pack that judged what was committed.
    pack: &'a str,
    /// The shard's greatest event time.
    #[serde(rename = "watermark", skip_serializing_if = "Option::is_none")]
    watermark_ms: Option<i64>,
}

impl Note<'_> {
    /// None of an offset that somebody else committed.
    fn read(note: &str) -> Option<Note<'_>> {
        serde_json::from_str(note).ok()
    }

    fn write(&self) -> String {
        serde_json::to_string(self).expect("a text and a number are valid JSON")
    }
}

impl Processor for Engines {
    fn assign(&mut self, at: &Position) {
        let (engine, pack) = (self.engine(), self.config.ruleset().hash());
        if let Some(Note { pack: committed, .. }) = Note::read(&at.note)
            && committed != pack
        {
            let partition = at.shard.partition;
            tracing::info!(
                partition,
                committed,
                pack,
                "the shard was committed under another pack; it goes on under this"
            );
        }
        self.hold(at.shard, engine);
    }

    fn note(&self, shard: ShardId) -> String {
        let watermark = self.engines.get(&shard).map(|held| held.engine.space().watermark().0);
        Note { pack: self.config.ruleset().hash(), watermark_ms: watermark.filter(|at| *at > i64::MIN) }
            .write()
    }

    fn load(&mut self, shard: ShardId, piece: Piece) -> Result<(), SnapshotError> {
        match piece {
            Piece::Manifest(manifest) => {
                let loading = Loading::new(self.engine(), &manifest, (shard.partition, self.partitions))?;
                self.loading.insert(shard, loading);
            }
            Piece::Chunk(chunk) => {
                self.loading.get_mut(&shard).expect("its manifest came first").take(&chunk)?;
            }
            Piece::End => {
                let loading = self.loading.remove(&shard).expect("its manifest came first");
                let engine = loading.finish()?;
                self.hold(shard, engine);
            }
        }
        Ok(())
    }

    fn committing(&mut self, at: &[Position]) {
        let Some(saver) = &mut self.saver else { return };
        if let Some(next) = saver.next(at)
            && let Some(held) = self.engines.get_mut(&next.shard)
        {
            saver.cut(&next, &mut held.engine);
        }
    }

    fn committed(&mut self, at: &[Position]) {
        if let Some(saver) = &mut self.saver {
            saver.committed(at);
        }
    }

    fn work(&mut self) -> bool {
        let Some(saver) = &mut self.saver else { return false };
        let Some(held) = saver.saving().and_then(|shard| self.engines.get_mut(&shard)) else { return false };
        saver.go_on(&mut held.engine);
        true
    }

    fn restore(&mut self, batch: &Batch) {
        self.held(batch.shard).engine.restore(batch, &mut Derived::default());
    }

    fn fold_verdicts(&mut self, batch: &Batch) {
        let held = self.held(batch.shard);
        for record in &batch.records {
            match serde_json::from_slice::<Recorded>(batch.value(record)) {
                Ok(recorded) => held.engine.space_mut().fold(recorded.changes),
                // It cannot be ours: nobody else may write there, but a stray record must not stop the shard.
                Err(fault) => {
                    let fault = JsonFault::from(fault);
                    let (partition, offset) = (batch.shard.partition, record.offset);
                    tracing::warn!(partition, offset, %fault, "a record of the verdicts topic is no verdict");
                }
            }
        }
    }

    fn live(&mut self, shard: ShardId, history: &History) {
        let held = self.held(shard);
        if let Some(since) = history.skipped_before {
            held.engine.skip_before(since);
        }
        held.told = held.engine.counts().clone();
        self.tell_size(shard);
        if let Some(saver) = &mut self.saver {
            saver.add(shard, history.snapshot.map(|(_, cut_at)| cut_at));
        }
    }

    fn step(&mut self, batch: &Batch, out: &mut Outputs) {
        let mut lines = std::mem::replace(&mut self.lines, Lines::new(Collect::Nothing));
        self.held(batch.shard).engine.step(batch, &mut Derived::default(), out, &mut lines);
        self.lines = lines;
        self.tell(batch.shard);
    }

    fn advance(&mut self, shard: ShardId, _now: Timestamp, _out: &mut Outputs) {
        // No rule of this version waits for the passing of time alone: absence rules are not there yet.
        self.tell_size(shard);
    }

    fn revoke(&mut self, shard: ShardId) {
        self.loading.remove(&shard);
        if let Some(saver) = &mut self.saver {
            saver.remove(shard);
        }
        let Some(Held { engine, size: (keys, bytes), .. }) = self.engines.remove(&shard) else { return };
        self.metrics.ledgers(&engine.space().program().plan().space.entity, -keys, -bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_and_what_somebody_else_wrote_is_none() {
        let written = Note { pack: "0f3a", watermark_ms: Some(1_767_225_600_000) }.write();
        assert_eq!(written, r#"{"pack":"0f3a","watermark":1767225600000}"#);
        let read = Note::read(&written).unwrap();
        assert_eq!((read.pack, read.watermark_ms), ("0f3a", Some(1_767_225_600_000)));
        assert_eq!(
            Note::read(&Note { pack: "0f3a", watermark_ms: None }.write()).unwrap().watermark_ms,
            None
        );
        assert!(Note::read("").is_none() && Note::read("reset by hand").is_none());
    }
}
