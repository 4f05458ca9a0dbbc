//! Snapshots: contents that no shard wrote, in envelopes that are right. A content is refused with a reason, or it is
//! loaded, and then what is saved can be loaded and saved once more. What no input changed is saved as it was.

use crate::decode::json_mapping;
use std::sync::{Arc, OnceLock};
use tripline_core::account_shard::{AccountShard, Loading};
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::installation::Installation;
use tripline_core::outputs::Outputs;
use tripline_core::settings::Settings;
use tripline_core::signals::NoSignals;
use tripline_core::snapshot::{
    Chunk, Content, InputTopic, Listed, Manifest, Origin, SnapshotError, StateSummary, open, seal,
};
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::File;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::value::TextKey;

const PACK: &str = include_str!("snapshot.yaml");
const PARTITION: (u32, u32) = (0, 3);
const RECORDS: i64 = 60;
const START_MS: i64 = 1_705_314_600_000;

/// A shard's snapshot, of which an input takes the place of one part.
struct Reference {
    installation: Arc<Installation>,
    summary: StateSummary,
    manifest: Vec<u8>,
    chunks: Vec<Vec<u8>>,
}

/// The first byte says which part the rest takes the place of: a chunk by its number, or the manifest.
pub fn snapshot(data: &[u8]) -> bool {
    let Some((which, content)) = data.split_first() else { return false };
    let reference = reference();
    let mut chunks = reference.chunks.clone();
    let part = usize::from(*which) % (chunks.len() + 1);
    let manifest = match part {
        part if part < chunks.len() => {
            chunks[part] = seal(Content::Chunk, content);
            let listed = chunks.iter().map(|chunk| Listed::of(chunk)).collect();
            Ok(Manifest::new(reference.summary.clone(), listed, Timestamp(0)))
        }
        _ => Manifest::open(&seal(Content::Manifest, content)),
    };
    let Ok(mut shard) = manifest.and_then(|manifest| load(&manifest, &chunks)) else { return false };
    let (summary, saved) = save(&mut shard);
    let (saved, listed): (Vec<Vec<u8>>, Vec<Listed>) = saved.iter().map(Chunk::seal).unzip();
    let unchanged = part < chunks.len() && chunks == reference.chunks;
    assert!(!unchanged || saved == chunks, "an unchanged snapshot is saved with other bytes");
    let manifest = Manifest::new(summary.clone(), listed, Timestamp(0));
    let mut again = load(&manifest, &saved).expect("what a shard saves can be loaded");
    let (summary_again, saved_again) = save(&mut again);
    assert_eq!(summary, summary_again, "a restored shard saves another summary");
    assert_eq!(saved.len(), saved_again.len(), "a restored shard saves another number of chunks");
    true
}

/// The inputs that change nothing: every part of the reference in its own place.
pub fn snapshot_parts() -> Vec<Vec<u8>> {
    let reference = reference();
    let raw = |sealed: &Vec<u8>| open(Content::Chunk, sealed).expect("a shard wrote it");
    let parts = reference.chunks.iter().map(raw);
    let manifest = open(Content::Manifest, &reference.manifest).expect("a shard wrote it");
    let numbered = (0u8..).zip(parts.chain([manifest]));
    numbered.map(|(number, part)| [&[number][..], &part].concat()).collect()
}

fn load(manifest: &Manifest, chunks: &[Vec<u8>]) -> Result<AccountShard, SnapshotError> {
    let mut loading =
        Loading::new(AccountShard::new(&reference().installation), manifest, (PARTITION.0, &input()))?;
    for (number, chunk) in chunks.iter().enumerate() {
        loading.take(&manifest.open_chunk(number, chunk)?)?;
    }
    loading.finish()
}

fn save(shard: &mut AccountShard) -> (StateSummary, Vec<Chunk>) {
    let mut chunks = Vec::new();
    shard.begin_save(origin());
    let summary = shard.save_some(usize::MAX, &mut chunks).expect("everything is written at once");
    (summary, chunks)
}

fn input() -> InputTopic {
    InputTopic::new("cluster", "fuzz.events", PARTITION.1)
}

fn origin() -> Origin {
    Origin { input: input(), partition: PARTITION.0, offset: RECORDS, last: None }
}

fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let installation = installation();
        let mut shard = AccountShard::new(&installation);
        let mut batch = Batch::new(ShardId::account(PARTITION.0));
        for number in 0..RECORDS {
            batch.push(number, None, b"", record(number).as_bytes());
        }
        shard.step(&batch, &NoSignals, &mut Outputs::default());
        assert_eq!(shard.counts().rows, RECORDS as u64, "every record becomes a row");
        let (summary, chunks) = save(&mut shard);
        let (chunks, listed): (Vec<Vec<u8>>, Vec<Listed>) = chunks.iter().map(Chunk::seal).unzip();
        let manifest = Manifest::new(summary.clone(), listed, Timestamp(0)).seal();
        Reference { installation, summary, manifest, chunks }
    })
}

fn installation() -> Arc<Installation> {
    let (schema, mapping) = json_mapping();
    let list = |_: &str| Err("the pack reads no list".to_owned());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    let (ruleset, problems) = Ruleset::compile(&[File::new("snapshot.yaml", PACK)], &schema, &options);
    let ruleset = Arc::new(ruleset.unwrap_or_else(|| panic!("{}", problems.json())));
    let settings = Settings {
        lateness_ms: 3_600_000,
        rows_per_ledger: 16,
        keys_per_shard: 64,
        bytes_per_shard: 1 << 20,
        totals_threshold: 4,
        ..Settings::new("fuzz")
    };
    let installation = Installation::compile(&Arc::new(schema), &ruleset, &mapping, settings);
    Arc::new(installation.expect("the mapping fits the schema"))
}

/// Purchases of a few accounts, some of them large.
fn record(number: i64) -> String {
    let (account, amount) = (number % 5, number % 7 * 40 + 1);
    let at = Timestamp(START_MS + number * 60_000);
    format!(
        r#"{{"id":"e{number}","type":"purchase","time":"{at}","account":"a{account}","amount":{{"value":{amount},"currency":"EUR"}},"name":"shop","risk":0.5,"channel":"pos","geo":{{"lat":59.3,"lon":18.1}}}}"#
    )
}
