//! The engine under test: one shard, stepped, filled again from its log, or loaded from a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use tripline_core::account_shard::{AccountShard, Loading};
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::decode::{FieldMapping, FieldSource, Format, Mapping, Reason, TimeFormat};
use tripline_core::installation::Installation;
use tripline_core::outputs::Outputs;
use tripline_core::results::{Collect, EventResults};
use tripline_core::settings::Settings;
use tripline_core::snapshot::{Chunk, InputTopic, Manifest, Origin};
use tripline_core::spaces::DerivedShards;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::time::DAY_MS;
use tripline_rules::value::TextKey;

/// One record and when it was appended.
pub type Record = (i64, String);

/// How a shard comes to the second half of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Live,
    Restored,
    Snapshot,
}

/// What is installed.
pub struct Setup {
    installation: Arc<Installation>,
}

/// Features by id of the event, and what was refused.
#[derive(Default)]
pub struct Found {
    pub features: BTreeMap<String, Vec<f64>>,
    pub reasons: BTreeMap<Reason, u64>,
}

impl Setup {
    /// `fields`: names mapped from the key that is their name with `_` for `.`; a mapping is adjusted by `adjust`.
    pub fn new(schema: &str, pack: &str, fields: &[&str], adjust: impl Fn(&str, &mut FieldMapping)) -> Setup {
        let (schema, faults) = Schema::load(&File::new("schema.yaml", schema));
        let schema = schema.unwrap_or_else(|| panic!("{}", faults.render(Paint::Plain)));
        let no_list = |_: &str| Err(String::new());
        let (key, retention) = (TextKey::default(), Some(10 * DAY_MS));
        let options = CompileOptions { key, models: &[], retention, lookback: 0, list: &no_list };
        let (ruleset, faults) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
        let ruleset = ruleset.unwrap_or_else(|| panic!("{}", faults.render(Paint::Plain)));
        let field = |name: &&str| {
            let place = format!("/{}", name.replace('.', "_"));
            let mut field =
                FieldMapping::new(schema.slot(name).expect("a field"), FieldSource::Pointer(place.into()));
            field.time = TimeFormat::EpochMillis;
            adjust(name, &mut field);
            field
        };
        let mut mapping = Mapping::new(Format::Json, fields.iter().map(field).collect());
        // Numbers of thirteen digits look like card numbers by chance.
        mapping.pan_exempt = mapping.fields.iter().map(|field| field.slot).collect();
        let settings = Settings { features: true, retention_ms: Some(10 * DAY_MS), ..Settings::new("units") };
        let (schema, ruleset) = (Arc::new(schema), Arc::new(ruleset));
        let installation = Installation::compile(&schema, &ruleset, &mapping, settings);
        Setup { installation: Arc::new(installation.expect("it fits")) }
    }

    pub fn installation(&self) -> &Arc<Installation> {
        &self.installation
    }

    /// Steps through a log. The features of the first `cut` records are missing if the shard was filled with them.
    pub fn run(&self, records: &[Record], cut: usize, way: Way) -> Found {
        let mut found = Found::default();
        let mut shard = AccountShard::new(&self.installation);
        let (before, after) = records.split_at(cut);
        match way {
            Way::Live => step(&mut shard, before, &mut found),
            Way::Restored | Way::Snapshot => shard.restore(&batch(before)),
        }
        if way == Way::Snapshot {
            shard = self.loaded(shard, cut);
        }
        step(&mut shard, after, &mut found);
        found.reasons.clone_from(&shard.counts().reasons);
        found
    }

    fn loaded(&self, mut shard: AccountShard, offset: usize) -> AccountShard {
        let mut chunks = Vec::new();
        let input = InputTopic::new("cluster", "units", 1);
        let offset = i64::try_from(offset).unwrap();
        shard.begin_save(Origin { input: input.clone(), partition: 0, offset, last: None });
        let cut = shard.save_some(usize::MAX, &mut chunks).expect("all is written");
        let (sealed, listed): (Vec<Vec<u8>>, Vec<_>) = chunks.iter().map(Chunk::seal).unzip();
        let manifest = Manifest::new(cut, listed, Timestamp(0));
        let mut loading =
            Loading::new(AccountShard::new(&self.installation), &manifest, (0, &input)).expect("its own");
        for (number, sealed) in sealed.iter().enumerate() {
            loading.take(&manifest.open_chunk(number, sealed).expect("whole")).expect("well formed");
        }
        loading.finish().expect("complete")
    }
}

fn batch(records: &[Record]) -> Batch {
    let mut batch = Batch::new(ShardId::account(0));
    for (offset, (appended, line)) in (0i64..).zip(records) {
        batch.push(offset, Some(Timestamp(*appended)), b"a", line.as_bytes());
    }
    batch
}

fn step(shard: &mut AccountShard, records: &[Record], found: &mut Found) {
    let (mut out, mut results) = (Outputs::default(), EventResults::new(Collect::Features));
    let mut derived = DerivedShards::new(shard.installation());
    shard.step_with(&batch(records), &mut derived.collecting(&mut results), &mut out);
    for row in results.rows() {
        found.features.insert(results.event(row).to_owned(), results.features(row).to_vec());
    }
}
