//! One shard of one key space into a snapshot and out of one.

use super::Shard;
use crate::batch::Timestamp;
use crate::ledger::Loaded;
use crate::row::RowForm;
use crate::snapshot::bytes::{Reader, put_text, put_word};
use crate::snapshot::chunk::{ChunkWriter, ItemKind};
use crate::snapshot::{Chunk, LedgersSummary, SnapshotError, SpaceSummary};
use tripline_rules::schema::Schema;
use tripline_rules::value::Registers;

/// What a shard needs while it is loaded.
pub(crate) struct ShardLoading {
    form: RowForm,
    /// For each rank of the plan, which population of the snapshot is its own.
    populations: Vec<u64>,
    rows: Vec<u64>,
    registers: Registers,
    loaded: Loaded,
    counts: u64,
    names: u64,
}

fn known(at: Timestamp) -> Option<i64> {
    (at.0 > i64::MIN).then_some(at.0)
}

fn or_never(ms: Option<i64>) -> Timestamp {
    Timestamp(ms.unwrap_or(i64::MIN))
}

impl Shard {
    /// The state as it is now will be saved: all but the ledgers is written at once.
    pub(crate) fn begin_save(&mut self, schema: &Schema, chunks: &mut Vec<Chunk>) -> SpaceSummary {
        self.ledgers.begin_save(schema);
        let mut cooldowns = ChunkWriter::new(ItemKind::Cooldowns);
        let mut incidents = ChunkWriter::new(ItemKind::Incidents);
        let mut names = ChunkWriter::new(ItemKind::Names);
        let mut counts = ChunkWriter::new(ItemKind::Populations);
        let decisions_added = self.decisions.save(&mut cooldowns, &mut incidents);
        for (word, name) in &self.names {
            names.put(|out| {
                put_word(out, *word);
                put_text(out, name);
            });
        }
        let plan = self.program.plan();
        SpaceSummary {
            entity: plan.space.entity.clone(),
            watermark: known(self.watermark),
            judged: self.decisions.judged().map(|judged| judged.0),
            held_from: self.held_from.map(|held_from| held_from.0),
            ledgers: LedgersSummary::default(),
            decisions_added,
            populations: self.populations.save(&mut counts),
            cooldowns: cooldowns.finish(chunks),
            incidents: incidents.finish(chunks),
            names: names.finish(chunks),
            counts: counts.finish(chunks),
        }
    }

    /// Writes ledgers of about so many rows; once all are out, what they add up to.
    pub(crate) fn save_some(&mut self, rows: usize, chunks: &mut Vec<Chunk>) -> Option<LedgersSummary> {
        self.ledgers.save_some(rows, chunks)
    }

    /// Gives up a save.
    pub(crate) fn abandon_save(&mut self) {
        self.ledgers.abandon_save();
    }

    /// Takes up what is small, into an empty shard.
    pub(crate) fn begin_load(
        &mut self,
        summary: &SpaceSummary,
        schema: &Schema,
    ) -> Result<ShardLoading, SnapshotError> {
        let plan = self.program.plan();
        if summary.entity != plan.space.entity {
            let (found, expected) = (summary.entity.clone(), plan.space.entity.clone());
            return Err(SnapshotError::ForeignSpace { found, expected });
        }
        self.ledgers.begin_load(&summary.ledgers)?;
        self.decisions.begin_load(summary.decisions_added, summary.judged.map(Timestamp));
        self.watermark = or_never(summary.watermark);
        self.held_from = summary.held_from.map(Timestamp);
        if let Some(held_from) = &mut self.held_from
            && self.ledgers.retention() > summary.ledgers.retention
        {
            *held_from = (*held_from).max(self.ledgers.retained_after());
        }
        Ok(ShardLoading {
            form: RowForm::new(schema),
            populations: self.populations.begin_load(&summary.populations)?,
            rows: Vec::new(),
            registers: Registers::new(self.scratch.len()),
            loaded: Loaded::default(),
            counts: 0,
            names: 0,
        })
    }

    /// Takes the next item.
    pub(crate) fn load(
        &mut self,
        loading: &mut ShardLoading,
        kind: ItemKind,
        items: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        match kind {
            ItemKind::Ledgers => {
                let program = &self.program;
                let retag = |registers: &mut Registers| program.tags(registers);
                let ShardLoading { form, rows, registers, loaded, .. } = &mut *loading;
                let one = self.ledgers.load_ledger(form, items, rows, registers, retag)?;
                loaded.ledgers += one.ledgers;
                loaded.rows += one.rows;
            }
            ItemKind::Cooldowns => self.decisions.load_cooldown(items)?,
            ItemKind::Incidents => self.decisions.load_incident(items)?,
            ItemKind::Names => {
                let name = (items.word()?, Box::from(items.text()?));
                if self.names.find(name.0, |held| held.0 == name.0).is_none() {
                    self.names.insert_unique(name.0, name, |held| held.0);
                }
                loading.names += 1;
            }
            ItemKind::Populations => {
                self.populations.load(&loading.populations, items)?;
                loading.counts += 1;
            }
            ItemKind::Labels | ItemKind::Profile => {
                return Err(SnapshotError::malformed("items of another kind"));
            }
        }
        Ok(())
    }

    /// Whether everything came that was there when the snapshot began.
    pub(crate) fn check_loaded(
        &self,
        loading: &ShardLoading,
        summary: &SpaceSummary,
    ) -> Result<(), SnapshotError> {
        let (cooldowns, incidents) = self.decisions.open();
        let sums = [
            ("ledgers", summary.ledgers.ledgers, loading.loaded.ledgers),
            ("rows", summary.ledgers.rows, loading.loaded.rows),
            ("cooldowns", summary.cooldowns, cooldowns),
            ("incidents", summary.incidents, incidents),
            ("names", summary.names, loading.names),
            ("counts of populations", summary.counts, loading.counts),
        ];
        for (what, expected, found) in sums {
            if expected != found {
                return Err(SnapshotError::Incomplete { what, expected, found });
            }
        }
        self.ledgers.check_loaded(&summary.ledgers)
    }
}
