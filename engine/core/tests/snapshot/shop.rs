//! An engine with all that it has said, how it is set up, and how it goes through a snapshot.

use crate::generator::{Dice, Record};
use crate::mapping::{Installed, installed};
use crate::town::Stream;
use std::sync::{Arc, OnceLock};
use tripline_core::account_shard::{AccountShard, Loading};
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::installation::Installation;
use tripline_core::outputs::{Outputs, Topic};
use tripline_core::results::{Collect, EventResult, EventResults};
use tripline_core::settings::Settings;
use tripline_core::snapshot::{Chunk, InputTopic, Listed, Manifest, Origin, SnapshotError};
use tripline_core::spaces::DerivedShards;
use tripline_core::verdict::Recorded;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;

/// Which partition of the input all streams here are.
pub(crate) const PARTITION: u32 = 0;

/// The input of all streams here.
pub(crate) fn input() -> &'static InputTopic {
    static INPUT: OnceLock<InputTopic> = OnceLock::new();
    INPUT.get_or_init(|| InputTopic::new("cluster", "snapshot.events", 3))
}

/// How a stream is run.
pub(crate) struct Shop {
    pub settings: Settings,
    pub ruleset: Arc<Ruleset>,
    labelled: bool,
}

/// An engine and what it has published.
pub(crate) struct EngineRun {
    pub engine: AccountShard,
    pub published: Vec<(Topic, i64, String)>,
    pub rows: Vec<String>,
    /// Ranks among everybody that were known.
    pub ranked: u64,
}

/// The objects of a snapshot.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub manifest: Vec<u8>,
    pub chunks: Vec<Vec<u8>>,
}

impl Shop {
    pub(crate) fn of(stream: &Stream, dice: &mut Dice) -> Shop {
        let case = &stream.case;
        let settings = Settings {
            topic: "snapshot.events".to_owned(),
            lateness_ms: case.settings.lateness,
            retention_ms: case.settings.retention,
            rows_per_ledger: u16::try_from(case.settings.rows_max).expect("caps are small"),
            keys_per_shard: stream.keys,
            bytes_per_shard: stream.bytes,
            totals_threshold: dice.pick(&[0, 4, usize::MAX]),
            models: dice.percent(60).then(|| "profile".to_owned()).into_iter().collect(),
            features: true,
            ..Settings::new("snapshot")
        };
        let ruleset = Arc::clone(&installed().account);
        Shop { settings, ruleset, labelled: case.settings.labels }
    }

    /// The same shop with something set otherwise.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Settings)) -> Shop {
        let mut settings = self.settings.clone();
        change(&mut settings);
        Shop { settings, ruleset: Arc::clone(&self.ruleset), labelled: self.labelled }
    }

    /// The same shop with another pack.
    pub(crate) fn with_pack(&self, ruleset: Arc<Ruleset>) -> Shop {
        Shop { settings: self.settings.clone(), ruleset, labelled: self.labelled }
    }

    pub(crate) fn engine(&self) -> AccountShard {
        self.engine_under(&installed().schema)
    }

    /// An engine of another schema with the same fields.
    pub(crate) fn engine_under(&self, schema: &Arc<Schema>) -> AccountShard {
        let installed = installed();
        let mapping = if self.labelled { &installed.labelled } else { &installed.mapping };
        let installation = Installation::compile(schema, &self.ruleset, mapping, self.settings.clone());
        AccountShard::new(&Arc::new(installation.expect("the mapping fits")))
    }

    pub(crate) fn open(&self) -> EngineRun {
        EngineRun { engine: self.engine(), published: Vec::new(), rows: Vec::new(), ranked: 0 }
    }

    /// An engine under another schema, with the packs and the mapping as that schema has them.
    pub(crate) fn engine_of(&self, installed: &Installed) -> AccountShard {
        let mapping = if self.labelled { &installed.labelled } else { &installed.mapping };
        let (schema, ruleset) = (&installed.schema, &installed.account);
        let installation = Installation::compile(schema, ruleset, mapping, self.settings.clone());
        AccountShard::new(&Arc::new(installation.expect("the mapping fits")))
    }

    /// A new engine from a snapshot, its chunks in any order.
    pub(crate) fn load(&self, sealed: &Sealed, dice: &mut Dice) -> Result<EngineRun, SnapshotError> {
        Shop::load_into(self.engine(), sealed, dice)
    }

    /// As [`Shop::load`], into this new engine.
    pub(crate) fn load_into(
        engine: AccountShard,
        sealed: &Sealed,
        dice: &mut Dice,
    ) -> Result<EngineRun, SnapshotError> {
        let manifest = Manifest::open(&sealed.manifest)?;
        let mut loading = Loading::new(engine, &manifest, (PARTITION, input()))?;
        let mut left: Vec<usize> = (0..sealed.chunks.len()).collect();
        while !left.is_empty() {
            let number = left.swap_remove(dice.below(left.len()));
            loading.take(&manifest.open_chunk(number, &sealed.chunks[number])?)?;
        }
        Ok(EngineRun { engine: loading.finish()?, published: Vec::new(), rows: Vec::new(), ranked: 0 })
    }
}

pub(crate) fn origin(offset: i64) -> Origin {
    Origin { input: input().clone(), partition: PARTITION, offset, last: None }
}

/// Seals chunks and their manifest.
pub(crate) fn sealed(chunks: &[Chunk], summary: tripline_core::snapshot::StateSummary) -> Sealed {
    let (chunks, listed): (Vec<Vec<u8>>, Vec<Listed>) = chunks.iter().map(Chunk::seal).unzip();
    let manifest = Manifest::new(summary, listed, Timestamp(0)).seal();
    Sealed { manifest, chunks }
}

pub(crate) fn batch(records: &[Record]) -> Batch {
    let mut batch = Batch::new(ShardId::account(PARTITION));
    for record in records {
        batch.push(record.offset, record.appended.map(Timestamp), record.key.as_bytes(), &record.value);
    }
    batch
}

impl EngineRun {
    pub(crate) fn step(&mut self, records: &[Record]) {
        let (mut out, mut results) = (Outputs::default(), EventResults::new(Collect::Features));
        let mut derived = DerivedShards::new(self.engine.installation());
        self.engine.step_with(&batch(records), &mut derived.collecting(&mut results), &mut out);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.published.extend(out.records.iter().map(|output| {
            let (key, headers) = (text(out.key(output)), out.headers(output));
            let said = format!("{key} {headers:?} {}", text(out.value(output)));
            (output.topic, output.cause, said)
        }));
        let names = installed().account.features();
        let is_rank = |name: &str| name.contains("rank_all") || name.contains("rank_mcc");
        for line in results.rows() {
            let features = results.features(line);
            let ranks = names.iter().zip(features).filter(|(feature, _)| is_rank(&feature.name));
            self.ranked += ranks.filter(|(_, value)| !value.is_nan()).count() as u64;
            let bits: Vec<u64> = features.iter().map(|value| value.to_bits()).collect();
            self.rows.push(format!(
                "{} {} {:?} {} {bits:?}",
                results.event(line),
                line.score,
                line.action,
                score_bits(&results, line)
            ));
        }
    }

    /// Takes records without judging them, and the decision state that an earlier run's verdicts about them record.
    pub(crate) fn restore(&mut self, records: &[Record], published: &[(Topic, i64, String)]) {
        self.engine.restore(&batch(records));
        let offsets: Vec<i64> = records.iter().map(|record| record.offset).collect();
        let verdicts = published.iter().filter(|(topic, ..)| *topic == Topic::Verdicts);
        for (_, _, said) in verdicts.filter(|(_, cause, _)| offsets.contains(cause)) {
            let json = &said[said.find('{').expect("a verdict is JSON")..];
            let recorded: Recorded = serde_json::from_str(json).expect("a verdict reads back");
            self.engine.shard_mut().fold(recorded.at, recorded.changes);
        }
    }

    /// What was said, topic by topic, and a line for every row.
    pub(crate) fn since(&self, published: usize, rows: usize) -> Vec<String> {
        let mut since: Vec<&(Topic, i64, String)> = self.published[published..].iter().collect();
        since.sort_by_key(|(topic, ..)| *topic);
        let said = since.into_iter().map(|record| format!("{record:?}"));
        said.chain(self.rows[rows..].iter().cloned()).collect()
    }
}

/// Everything at once.
pub(crate) fn save_now(engine: &mut AccountShard, offset: i64) -> Sealed {
    let mut chunks = Vec::new();
    engine.begin_save(origin(offset));
    let summary = engine.save_some(usize::MAX, &mut chunks).expect("all is written");
    sealed(&chunks, summary)
}

/// The bits of an event's model score, `u64::MAX` where no model runs.
fn score_bits(results: &EventResults, result: &EventResult) -> u64 {
    results.scores(result).first().map_or(u64::MAX, |score| score.to_bits())
}
