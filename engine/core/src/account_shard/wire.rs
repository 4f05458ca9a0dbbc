//! One partition's shard into a snapshot and out of one.
//!
//! A save begins between two steps, and goes on a bit at a time while the shard steps on. Of derived key spaces nothing
//! is saved: where the log of each is its own, each is saved alone.

use super::{AccountShard, Save};
use crate::batch::Timestamp;
use crate::limits::FUTURE_MS_MAX;
use crate::shard::wire::ShardLoading;
use crate::snapshot::chunk::{ChunkWriter, ItemKind};
use crate::snapshot::{
    Chunk, InputTopic, Listed, Manifest, OpenedChunk, Origin, SnapshotError, StateSummary, key_check,
    schema_fingerprint,
};
use std::collections::BTreeMap;
use tripline_rules::schema::{Kind, LABEL_OUTCOME, Schema};

impl AccountShard {
    /// Begins a snapshot: the state as it is now is what will be saved, whatever is stepped meanwhile. All but the
    /// ledgers is written at once: cooldowns, incidents, labels that are not known yet, populations. A save that was
    /// under way is given up.
    ///
    /// `origin.offset` is that of the first record that was not yet stepped. The snapshot may be published once all
    /// records before it are committed.
    pub fn begin_save(&mut self, origin: Origin) {
        let mut chunks = Vec::new();
        let mut labels = ChunkWriter::new(ItemKind::Labels);
        let mut counts = ChunkWriter::new(ItemKind::Profile);
        let labels_numbered = self.intake.save(&mut labels);
        let profile = self.scores.save(&mut counts);
        let summary = StateSummary {
            origin,
            schema: schema_fingerprint(self.installation.schema()),
            key_check: key_check(&self.installation.settings().key),
            has_begun: self.intake.knows_beginning(),
            clock: self.intake.greatest().map(|greatest| greatest.0),
            labels_numbered,
            labels: labels.finish(&mut chunks),
            space: self.shard.begin_save(self.installation.schema(), &mut chunks),
            profile,
            pack: self.installation.ruleset().hash().to_owned(),
        };
        counts.finish(&mut chunks);
        self.save = Some(Save { summary, chunks });
    }

    /// Whether a save is under way.
    pub fn is_saving(&self) -> bool {
        self.save.is_some()
    }

    /// Goes on with the save that is under way: writes ledgers of about so many rows, or what is left, and hands out
    /// finished chunks. Once the last is out, the summary, for the manifest.
    pub fn save_some(&mut self, rows: usize, chunks: &mut Vec<Chunk>) -> Option<StateSummary> {
        let save = self.save.as_mut()?;
        chunks.append(&mut save.chunks);
        let ledgers = self.shard.save_some(rows, chunks)?;
        let mut summary = self.save.take()?.summary;
        summary.space.ledgers = ledgers;
        Some(summary)
    }

    /// Gives up the save that is under way.
    pub fn abandon_save(&mut self) {
        self.save = None;
        self.shard.abandon_save();
    }
}

/// An empty shard that a snapshot is loaded into. It can be stepped again only when all of it was there.
pub struct Loading {
    account: AccountShard,
    summary: StateSummary,
    /// Chunks that are still to come.
    missing: BTreeMap<usize, Listed>,
    listed: usize,
    shard: ShardLoading,
    outcomes: usize,
    model_counts: u64,
}

impl Loading {
    /// Begins with the manifest. `account` must be new; `partition` of `input` is what it is to be. Whether the log of
    /// the input is still that of the snapshot is for its reader to find out.
    ///
    /// # Errors
    /// Why the snapshot is none for this shard.
    ///
    /// # Panics
    /// When the shard has seen a record.
    pub fn new(
        mut account: AccountShard,
        manifest: &Manifest,
        (partition, input): (u32, &InputTopic),
    ) -> Result<Loading, SnapshotError> {
        assert!(!account.intake.has_begun(), "a snapshot is loaded into a new shard");
        let summary = manifest.summary();
        check_origin(&summary.origin, partition, input)?;
        if summary.key_check != key_check(&account.installation.settings().key) {
            return Err(SnapshotError::ForeignSecret);
        }
        if summary.schema != schema_fingerprint(account.installation.schema()) {
            return Err(SnapshotError::ForeignSchema);
        }
        account.last = summary.origin.last;
        // The log begins when its first record was appended; events may be ahead of that.
        let begun =
            summary.space.held_from.map(|held_from| Timestamp(held_from.saturating_sub(FUTURE_MS_MAX)));
        let clock = summary.clock.map(Timestamp);
        account.intake.begin_load((summary.has_begun, begun), clock, summary.labels_numbered)?;
        account.scores.begin_load(summary.profile.as_ref())?;
        let schema = account.installation.schema();
        let loading = account.shard.begin_load(&summary.space, schema)?;
        Ok(Loading {
            outcomes: outcomes(schema),
            account,
            summary: summary.clone(),
            missing: manifest.chunks().iter().copied().enumerate().collect(),
            listed: manifest.chunks().len(),
            shard: loading,
            model_counts: 0,
        })
    }

    /// Takes a chunk; any order will do.
    ///
    /// # Errors
    /// When it is not the manifest's, came before, or holds what no shard writes.
    pub fn take(&mut self, chunk: &OpenedChunk) -> Result<(), SnapshotError> {
        let number = chunk.number;
        match self.missing.remove(&number) {
            Some(listed) if listed == chunk.listed => {}
            None if number < self.listed => return Err(SnapshotError::RepeatedChunk { number }),
            _ => return Err(SnapshotError::ForeignChunk { number }),
        }
        let (kind, mut items) = ItemKind::read(&chunk.raw)?;
        while items.left() > 0 {
            match kind {
                ItemKind::Labels => self.account.intake.load_label(self.outcomes, &mut items)?,
                ItemKind::Profile if self.account.scores.load(&mut items)? => self.model_counts += 1,
                // The model is off now.
                ItemKind::Profile => break,
                _ => self.account.shard.load(&mut self.shard, kind, &mut items)?,
            }
        }
        Ok(())
    }

    /// The shard, as it was when the snapshot began.
    ///
    /// # Errors
    /// What is missing of it.
    pub fn finish(self) -> Result<AccountShard, SnapshotError> {
        if let Some(number) = self.missing.keys().next() {
            return Err(SnapshotError::MissingChunk { number: *number });
        }
        self.account.shard.check_loaded(&self.shard, &self.summary.space)?;
        let labels = self.account.intake.pending_labels();
        let counts = self.summary.profile.as_ref().map_or(0, |profile| profile.population.counts);
        let counts = if self.account.scores.has_state() { counts } else { 0 };
        let sums =
            [("labels", self.summary.labels, labels), ("counts of the profile", counts, self.model_counts)];
        match sums.into_iter().find(|(_, expected, found)| expected != found) {
            Some((what, expected, found)) => Err(SnapshotError::Incomplete { what, expected, found }),
            None => Ok(self.account),
        }
    }
}

fn check_origin(origin: &Origin, partition: u32, input: &InputTopic) -> Result<(), SnapshotError> {
    let is_known = !origin.input.cluster.is_empty() && !input.cluster.is_empty();
    let is_other_cluster = is_known && origin.input.cluster != input.cluster;
    if is_other_cluster || origin.input.topic != input.topic {
        let named = |input: &InputTopic| format!("`{}` of cluster `{}`", input.topic, input.cluster);
        return Err(SnapshotError::ForeignInput { found: named(&origin.input), expected: named(input) });
    }
    let (found, expected) = (origin.input.partitions, input.partitions);
    if found != expected {
        return Err(SnapshotError::ForeignPartitions { found, expected });
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
