//! What is damaged, incomplete or somebody else's is refused, each with its own words.

use crate::generator::{Dice, Record};
use crate::shop::{PARTITION, Sealed, Shop, input, origin, save_now};
use crate::town::stream;
use std::sync::Arc;
use tripline_core::account_shard::{AccountShard, Loading};
use tripline_core::batch::Timestamp;
use tripline_core::settings::Settings;
use tripline_core::snapshot::{Content, FORMAT_VERSION, InputTopic, Listed, Manifest, SnapshotError, open};
use tripline_rules::diagnostic::File;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;
use xxhash_rust::xxh3::xxh3_128;

/// A shop, a snapshot of some hundred accounts, and what comes after it.
fn snapshot(seeds: std::ops::Range<u64>) -> (Shop, Sealed, Vec<Record>) {
    let mut first = stream(6_000_001);
    (first.keys, first.bytes) = (1_000_000, 1 << 30);
    first.case.settings.rows_max = 4_096;
    let shop = Shop::of(&first, &mut Dice::new(5)).with(|settings| {
        settings.models = Settings::new("").models;
        settings.retention_ms = Some(400 * 86_400_000);
    });
    let mut run = shop.open();
    for seed in seeds {
        let mut records = stream(4 * seed + 1).case.records;
        for record in &mut records {
            // Each stream's accounts and events are its own.
            let text = String::from_utf8_lossy(&record.value).replace(":\"a", &format!(":\"s{seed}a"));
            record.value = text.replace(":\"e", &format!(":\"s{seed}e")).into_bytes();
        }
        run.step(&records);
    }
    let sealed = save_now(&mut run.engine, 9);
    (shop, sealed, stream(6_000_001).case.records)
}

#[test]
fn every_bit_that_turns_and_every_byte_that_is_missing_is_seen() {
    let (_, sealed, _) = snapshot(0..30);
    let largest = sealed.chunks.iter().max_by_key(|chunk| chunk.len()).expect("there are chunks");
    println!("manifest of {} bytes, largest chunk of {} bytes", sealed.manifest.len(), largest.len());
    assert!(largest.len() > 40_000, "{} bytes", largest.len());
    for (content, whole) in [(Content::Manifest, &sealed.manifest), (Content::Chunk, largest)] {
        let is_damaged = |bytes: &[u8]| matches!(open(content, bytes), Err(SnapshotError::Damaged { .. }));
        assert!(open(content, whole).is_ok());
        let mut bytes = whole.clone();
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(is_damaged(&bytes), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for length in 0..bytes.len() {
            assert!(is_damaged(&bytes[..length]), "cut to {length} bytes");
        }
        bytes.push(0);
        assert!(is_damaged(&bytes), "a byte too many");
    }
}

fn load(
    shop: &Shop,
    manifest: &Manifest,
    chunks: &[(usize, &Vec<u8>)],
) -> Result<AccountShard, SnapshotError> {
    let mut loading = Loading::new(shop.engine(), manifest, (PARTITION, input()))?;
    for (number, chunk) in chunks {
        loading.take(&manifest.open_chunk(*number, chunk)?)?;
    }
    loading.finish()
}

#[test]
fn chunks_that_are_swapped_missing_repeated_or_anothers_are_refused() {
    let (shop, sealed, _) = snapshot(0..3);
    let (_, other, _) = snapshot(3..6);
    let manifest = Manifest::open(&sealed.manifest).expect("it is whole");
    let all: Vec<(usize, &Vec<u8>)> = sealed.chunks.iter().enumerate().collect();
    assert!(all.len() > 2, "small state has chunks of its own");
    assert!(load(&shop, &manifest, &all).is_ok());
    let mut swapped = all.clone();
    (swapped[0].1, swapped[1].1) = (all[1].1, all[0].1);
    assert_eq!(load(&shop, &manifest, &swapped).err(), Some(SnapshotError::ForeignChunk { number: 0 }));
    assert_eq!(load(&shop, &manifest, &all[1..]).err(), Some(SnapshotError::MissingChunk { number: 0 }));
    let repeated = [&all[..], &all[1..2]].concat();
    assert_eq!(load(&shop, &manifest, &repeated).err(), Some(SnapshotError::RepeatedChunk { number: 1 }));
    let mut foreign = all.clone();
    foreign[0].1 = &other.chunks[0];
    assert_eq!(load(&shop, &manifest, &foreign).err(), Some(SnapshotError::ForeignChunk { number: 0 }));
    // Opened by its own manifest and given to another's load.
    let opened = Manifest::open(&other.manifest)
        .and_then(|other_manifest| other_manifest.open_chunk(0, &other.chunks[0]));
    let mut loading =
        Loading::new(shop.engine(), &manifest, (PARTITION, input())).expect("it is this shard's");
    assert_eq!(loading.take(&opened.expect("whole")), Err(SnapshotError::ForeignChunk { number: 0 }));
}

#[test]
fn a_manifest_that_lists_too_little_does_not_add_up() {
    let stream = stream(6_000_001);
    let shop =
        Shop::of(&stream, &mut Dice::new(5)).with(|settings| settings.models = Settings::new("").models);
    let mut run = shop.open();
    run.step(&stream.case.records);
    let sealed = save_now(&mut run.engine, 9);
    run.engine.begin_save(origin(9));
    let summary = run.engine.save_some(usize::MAX, &mut Vec::new()).expect("all is written");
    for without in 0..sealed.chunks.len() {
        let mut chunks = sealed.chunks.clone();
        chunks.remove(without);
        let listed = chunks.iter().map(|chunk| Listed::of(chunk)).collect();
        let manifest = Manifest::new(summary.clone(), listed, Timestamp(0));
        let all: Vec<(usize, &Vec<u8>)> = chunks.iter().enumerate().collect();
        let error = load(&shop, &manifest, &all).err();
        assert!(matches!(error, Some(SnapshotError::Incomplete { .. })), "{error:?}");
    }
}

#[test]
fn another_version_is_not_taken_for_damage_and_its_error_says_what_to_do() {
    let (_, sealed, _) = snapshot(0..1);
    let mut manifest = sealed.manifest;
    let end = manifest.len() - 16;
    manifest[8..10].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
    let checksum = xxh3_128(&manifest[..end]).to_le_bytes();
    manifest[end..].copy_from_slice(&checksum);
    let error = Manifest::open(&manifest).expect_err("this engine reads its own version");
    assert_eq!(error, SnapshotError::UnknownVersion { found: FORMAT_VERSION + 1, known: FORMAT_VERSION });
    assert!(error.to_string().contains("version 3") && error.to_string().contains("rebuilt from the log"));
}

#[test]
fn what_was_written_for_another_bank_or_shard_is_refused() {
    let (shop, sealed, _) = snapshot(0..1);
    let manifest = Manifest::open(&sealed.manifest).expect("it is whole");
    let refused = |engine, place: (u32, &InputTopic)| Loading::new(engine, &manifest, place).err();
    let InputTopic { cluster, topic, partitions } = input();
    let of = |cluster, topic, partitions| {
        let input = InputTopic::new(cluster, topic, partitions);
        Loading::new(shop.engine(), &manifest, (PARTITION, &input)).err()
    };
    let expected = partitions + 1;
    let found = of(cluster, topic, expected);
    assert_eq!(found, Some(SnapshotError::ForeignPartitions { found: *partitions, expected }));
    for (cluster, topic) in [("other", &**topic), (&**cluster, "other")] {
        let error = of(cluster, topic, *partitions).expect("it is of another input").to_string();
        assert!(error.contains("`snapshot.events` of cluster `cluster`, not of `"), "{error}");
    }
    assert_eq!(of("", topic, *partitions), None, "brokers that name no cluster");
    let expected = PARTITION + 1;
    assert_eq!(
        refused(shop.engine(), (expected, input())),
        Some(SnapshotError::ForeignPartition { found: PARTITION, expected })
    );
    let stranger = shop.with(|settings| settings.key = TextKey::derive(&[7; 16]));
    assert_eq!(refused(stranger.engine(), (PARTITION, input())), Some(SnapshotError::ForeignSecret));
    let text = include_str!("../laws/schema.yaml");
    for (old, new) in [
        ("keep: [tx.amount, tx.declined,", "keep: [tx.amount, tx.currency, tx.declined,"),
        ("tx.channel: one of pos|ecom|atm", "tx.channel: one of ecom|pos|atm"),
        ("|clearing|label", "|clearing|label|other"),
    ] {
        let (schema, problems) = Schema::load(&File::new("schema.yaml", text.replace(old, new)));
        let schema = Arc::new(schema.unwrap_or_else(|| panic!("{problems:?}")));
        let engine = shop.engine_under(&schema);
        assert_eq!(refused(engine, (PARTITION, input())), Some(SnapshotError::ForeignSchema), "{new}");
    }
}
