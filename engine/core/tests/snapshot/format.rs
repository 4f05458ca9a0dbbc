//! The format stays: snapshots that were written by an earlier version of the code (`written/`) are loaded, and the
//! engine goes on as one that never stopped. A change that cannot read them needs another format version; between two
//! releases, `TRIPLINE_BLESS=1` writes them again. Those of format version 1 (`version_1/`) are refused.

use crate::generator::Dice;
use crate::shop::{Sealed, Shop, batch, save_now};
use crate::town::{Stream, stream};
use std::collections::BTreeMap;
use tripline_core::outputs::Topic;
use tripline_core::settings::Settings;
use tripline_core::snapshot::SnapshotError;
use tripline_core::verdict::Recorded;

/// Seeds of the streams.
const WRITTEN: [u64; 3] = [6_000_001, 6_000_004, 6_000_015];
/// A snapshot of the first stream, of format version 1.
const VERSION_1: &[u8] = include_bytes!("version_1/snapshot.bin");

/// Length and bytes of the manifest and of each chunk.
fn objects(mut bytes: &[u8]) -> Sealed {
    let mut objects = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (object, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        objects.push(object.to_vec());
        bytes = rest;
    }
    Sealed { manifest: objects.remove(0), chunks: objects }
}

fn shop(seed: u64) -> (Stream, Shop) {
    let stream = stream(seed);
    let shop = Shop::of(&stream, &mut Dice::new(seed));
    (stream, shop.with(|settings| settings.models = Settings::new("").models))
}

/// The snapshot of a stream before its last third, as it lies in the folder.
fn written(seed: u64) -> Vec<u8> {
    let path = format!("{}/tests/snapshot/written/{seed}.bin", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("TRIPLINE_BLESS").is_ok() {
        let (stream, shop) = shop(seed);
        let (before, _) = stream.case.records.split_at(stream.case.records.len() * 2 / 3);
        let mut run = shop.open();
        run.step(before);
        let Sealed { manifest, chunks } = save_now(&mut run.engine, before.len() as i64);
        let mut bytes = Vec::new();
        for object in [manifest].iter().chain(&chunks) {
            bytes.extend_from_slice(&(object.len() as u32).to_le_bytes());
            bytes.extend_from_slice(object);
        }
        std::fs::write(&path, bytes).expect("the folder can be written");
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn snapshots_of_an_earlier_version_of_the_code_are_loaded() {
    for seed in WRITTEN {
        let (stream, shop) = shop(seed);
        let (before, after) = stream.case.records.split_at(stream.case.records.len() * 2 / 3);
        let mut steady = shop.open();
        before.iter().for_each(|record| steady.step(std::slice::from_ref(record)));
        let (published, rows) = (steady.published.len(), steady.rows.len());
        steady.step(after);
        let loaded = shop.load(&objects(&written(seed)), &mut Dice::new(seed));
        let mut loaded = loaded.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        loaded.step(after);
        assert_eq!(loaded.since(0, 0), steady.since(published, rows), "seed {seed}");
        assert!(!loaded.published.is_empty(), "seed {seed}");
    }
}

#[test]
fn a_snapshot_of_the_previous_version_is_refused_with_the_way_out() {
    let (_, shop) = shop(WRITTEN[0]);
    let error = shop.load(&objects(VERSION_1), &mut Dice::new(1)).err().expect("it is refused");
    assert_eq!(error, SnapshotError::UnknownVersion { found: 1, known: 3 });
    let text = error.to_string();
    assert!(
        text.contains("version 1") && text.contains("from the log or with `tripline bootstrap`"),
        "{text}"
    );
}

/// Verdicts of the same stream before its last third, as the previous version published them.
const VERDICTS_1: &str = include_str!("version_1/verdicts.jsonl");

/// The numbers in their incidents of the alerts that were published from a place on, by event.
fn numbers(published: &[(Topic, i64, String)]) -> BTreeMap<String, u64> {
    let alerts = published.iter().filter(|(topic, ..)| *topic == Topic::Alerts);
    let alerts = alerts.map(|(_, _, said)| &said[said.find("] {").expect("key, headers, value") + 2..]);
    let alerts =
        alerts.map(|said| serde_json::from_str::<serde_json::Value>(said).expect("an alert is JSON"));
    alerts.map(|alert| (alert["event"]["id"].to_string(), alert["seq"].as_u64().expect("a number"))).collect()
}

/// The shard is restored at every offset up to the end of the verdicts; at some of them an incident is open.
#[test]
fn after_an_upgrade_the_verdicts_of_the_previous_version_keep_incidents_and_cooldowns_of_accounts() {
    let (stream, shop) = shop(WRITTEN[0]);
    let verdicts: Vec<(usize, &str)> = VERDICTS_1.lines().map(|line| (offset(line), line)).collect();
    let end = verdicts.last().expect("the stream has verdicts").0;
    let (mut changes, mut lost, mut differs) = (0, 0, 0);
    for next in 1..=end {
        let (before, after) = stream.case.records.split_at(next);
        let mut steady = shop.open();
        steady.step(before);
        let published = steady.published.len();
        steady.step(after);
        let mut upgraded = shop.open();
        upgraded.engine.restore(&batch(before));
        for (_, line) in verdicts.iter().filter(|(offset, _)| *offset < next) {
            let recorded: Recorded = serde_json::from_str(line).expect("version 1 is read");
            assert_eq!(recorded.version, 1);
            changes += recorded.changes.len();
            lost += upgraded.engine.fold(recorded);
        }
        upgraded.step(after);
        let found = numbers(&upgraded.published);
        assert_eq!(found, numbers(&steady.published[published..]), "restored at offset {next}");
        let mut forgotten = shop.open();
        forgotten.engine.restore(&batch(before));
        forgotten.step(after);
        differs += usize::from(numbers(&forgotten.published) != found);
    }
    println!("{end} restores, {changes} changes, {lost} of them lost; without verdicts {differs} differ");
    assert!(changes > lost && lost > 0 && differs > 10);
}

/// Offset of the record that a verdict is about.
fn offset(verdict: &str) -> usize {
    let verdict: serde_json::Value = serde_json::from_str(verdict).expect("a verdict is JSON");
    verdict["source"]["offset"].as_u64().and_then(|offset| offset.try_into().ok()).expect("an offset")
}
