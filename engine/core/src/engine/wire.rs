//! One partition's engine into a snapshot and out of one.
//!
//! A save is cut between two steps, and goes on a bit at a time while the engine steps on. Of derived key spaces nothing
//! is saved: where the log of each is its own, each is saved alone.

use super::Engine;
use crate::batch::Timestamp;
use crate::snapshot::chunk::{ChunkWriter, ItemKind};
use crate::snapshot::{
    Chunk, Listed, Manifest, OpenedChunk, Origin, SnapshotError, StateSummary, key_check, schema_fingerprint,
};
use crate::space::wire::SpaceLoading;
use std::collections::BTreeMap;
use tripline_rules::schema::{Kind, LABEL_OUTCOME, Schema};

/// A save of an engine that is under way.
pub(super) struct EngineSave {
    cut: StateSummary,
    chunks: Vec<Chunk>,
}

impl Engine {
    /// Cuts a snapshot: the state as it is now is what will be saved, whatever is stepped meanwhile. All but the ledgers is
    /// written at once: cooldowns, incidents, labels that are not known yet, populations. A save that was under way is
    /// given up.
    ///
    /// `origin.offset` is that of the first record that was not yet stepped. The snapshot may be published once all
    /// records before it are committed.
    pub fn begin_save(&mut self, origin: Origin) {
        let mut chunks = Vec::new();
        let mut labels = ChunkWriter::new(ItemKind::Labels);
        let mut counts = ChunkWriter::new(ItemKind::Profile);
        let labels_numbered = self.labels.save(&mut labels);
        let profile = self.profile.as_ref().map(|profile| profile.save(&mut counts));
        let cut = StateSummary {
            origin,
            schema: schema_fingerprint(self.installation.schema()),
            key_check: key_check(&self.installation.settings().key),
            has_begun: self.has_begun,
            clock: self.clock.greatest().map(|greatest| greatest.0),
            labels_numbered,
            labels: labels.finish(&mut chunks),
            space: self.space.begin_save(self.installation.schema(), &mut chunks),
            profile,
            pack: self.installation.ruleset().hash().to_owned(),
        };
        counts.finish(&mut chunks);
        self.save = Some(EngineSave { cut, chunks });
    }

    /// Whether a save is under way.
    pub fn is_saving(&self) -> bool {
        self.save.is_some()
    }

    /// Goes on with the save that is under way: writes ledgers of about so many rows, or what is left, and hands out
    /// finished chunks. Once the last is out, the cut, for the manifest.
    pub fn save_some(&mut self, rows: usize, chunks: &mut Vec<Chunk>) -> Option<StateSummary> {
        let save = self.save.as_mut()?;
        chunks.append(&mut save.chunks);
        let ledgers = self.space.save_some(rows, chunks)?;
        let mut cut = self.save.take()?.cut;
        cut.space.ledgers = ledgers;
        Some(cut)
    }

    /// Gives up the save that is under way.
    pub fn abandon_save(&mut self) {
        self.save = None;
        self.space.abandon_save();
    }
}

/// An empty engine that a snapshot is loaded into. It becomes an engine again only when all of it was there.
pub struct Loading {
    engine: Engine,
    cut: StateSummary,
    /// Chunks that are still to come.
    missing: BTreeMap<usize, Listed>,
    listed: usize,
    space: SpaceLoading,
    outcomes: usize,
    profile_counts: u64,
}

impl Loading {
    /// Begins with the manifest. `engine` must be new; `partition` and `partitions` say whose it is to be.
    ///
    /// # Errors
    /// Why the snapshot is none for this engine.
    ///
    /// # Panics
    /// When the engine has seen a record.
    pub fn new(
        mut engine: Engine,
        manifest: &Manifest,
        (partition, partitions): (u32, u32),
    ) -> Result<Loading, SnapshotError> {
        assert!(!engine.has_begun, "a snapshot is loaded into a new engine");
        let cut = manifest.summary();
        check_origin(cut.origin, partition, partitions)?;
        if cut.key_check != key_check(&engine.installation.settings().key) {
            return Err(SnapshotError::ForeignSecret);
        }
        if cut.schema != schema_fingerprint(engine.installation.schema()) {
            return Err(SnapshotError::ForeignSchema);
        }
        engine.has_begun = cut.has_begun;
        engine.clock.resume(cut.clock.map(Timestamp));
        engine.labels.begin_load(cut.labels_numbered)?;
        match (&mut engine.profile, &cut.profile) {
            (Some(profile), Some(cut)) => profile.begin_load(cut)?,
            (Some(_), None) => return Err(SnapshotError::NoPopulation { name: "profile".to_owned() }),
            (None, _) => {}
        }
        let schema = engine.installation.schema();
        let space = engine.space.begin_load(&cut.space, schema)?;
        Ok(Loading {
            outcomes: outcomes(schema),
            engine,
            cut: cut.clone(),
            missing: manifest.chunks().iter().copied().enumerate().collect(),
            listed: manifest.chunks().len(),
            space,
            profile_counts: 0,
        })
    }

    /// Takes a chunk; any order will do.
    ///
    /// # Errors
    /// When it is not the manifest's, came before, or holds what no engine writes.
    pub fn take(&mut self, chunk: &OpenedChunk) -> Result<(), SnapshotError> {
        let number = chunk.number;
        match self.missing.remove(&number) {
            Some(listed) if listed == chunk.listed => {}
            None if number < self.listed => return Err(SnapshotError::RepeatedChunk { number }),
            _ => return Err(SnapshotError::ForeignChunk { number }),
        }
        let (kind, mut items) = ItemKind::read(&chunk.raw)?;
        while items.left() > 0 {
            match (kind, &mut self.engine.profile) {
                (ItemKind::Labels, _) => self.engine.labels.load(self.outcomes, &mut items)?,
                (ItemKind::Profile, Some(profile)) => {
                    profile.load(&mut items)?;
                    self.profile_counts += 1;
                }
                // The model is off now.
                (ItemKind::Profile, None) => break,
                _ => self.engine.space.load(&mut self.space, kind, &mut items)?,
            }
        }
        Ok(())
    }

    /// The engine, as it was at the cut.
    ///
    /// # Errors
    /// What is missing of it.
    pub fn finish(self) -> Result<Engine, SnapshotError> {
        if let Some(number) = self.missing.keys().next() {
            return Err(SnapshotError::MissingChunk { number: *number });
        }
        self.engine.space.check_loaded(&self.space, &self.cut.space)?;
        let labels = self.engine.labels.len() as u64;
        let counts = self.cut.profile.as_ref().map_or(0, |profile| profile.population.counts);
        let counts = if self.engine.profile.is_some() { counts } else { 0 };
        let sums =
            [("labels", self.cut.labels, labels), ("counts of the profile", counts, self.profile_counts)];
        match sums.into_iter().find(|(_, expected, found)| expected != found) {
            Some((what, expected, found)) => Err(SnapshotError::Incomplete { what, expected, found }),
            None => Ok(self.engine),
        }
    }
}

fn check_origin(origin: Origin, partition: u32, partitions: u32) -> Result<(), SnapshotError> {
    if origin.partitions != partitions {
        return Err(SnapshotError::ForeignPartitions { found: origin.partitions, expected: partitions });
    }
    if origin.partition != partition {
        return Err(SnapshotError::ForeignPartition { found: origin.partition, expected: partition });
    }
    Ok(())
}

fn outcomes(schema: &Schema) -> usize {
    match &schema.field(LABEL_OUTCOME).kind {
        Kind::OneOf(codes) => codes.values().len(),
        _ => 0,
    }
}
