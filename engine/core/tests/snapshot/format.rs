//! The format stays: snapshots that were written by an earlier version of the code (`written/`) are loaded, and the
//! engine goes on as one that never stopped. A change that cannot read them needs another format version; then
//! `TRIPLINE_BLESS=1` writes new ones.

use crate::generator::Dice;
use crate::shop::{Sealed, Shop, save_now};
use crate::town::stream;
use tripline_core::settings::Settings;

/// Seeds of the streams, and the snapshots before their last third: length and bytes of the manifest and of each chunk.
const WRITTEN: [(u64, &[u8]); 3] = [
    (6_000_001, include_bytes!("written/6000001.bin")),
    (6_000_004, include_bytes!("written/6000004.bin")),
    (6_000_015, include_bytes!("written/6000015.bin")),
];

fn objects(mut bytes: &[u8]) -> Sealed {
    let mut objects = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (object, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        objects.push(object.to_vec());
        bytes = rest;
    }
    Sealed { manifest: objects.remove(0), chunks: objects }
}

/// Writes the objects of a snapshot, each after its length.
fn bless(seed: u64, Sealed { manifest, chunks }: &Sealed) {
    let objects = std::iter::once(manifest).chain(chunks);
    let bytes: Vec<u8> = objects
        .flat_map(|object| {
            [&u32::try_from(object.len()).expect("a small object").to_le_bytes(), &object[..]].concat()
        })
        .collect();
    let path = format!("{}/tests/snapshot/written/{seed}.bin", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(path, bytes).expect("the folder of written snapshots can be written");
}

#[test]
fn snapshots_of_an_earlier_version_of_the_code_are_loaded() {
    for (seed, written) in WRITTEN {
        let stream = stream(seed);
        let shop = Shop::of(&stream, &mut Dice::new(seed))
            .with(|settings| settings.models = Settings::new("").models);
        let (before, after) = stream.case.records.split_at(stream.case.records.len() * 2 / 3);
        let mut steady = shop.open();
        before.iter().for_each(|record| steady.step(std::slice::from_ref(record)));
        let (published, rows) = (steady.published.len(), steady.rows.len());
        if std::env::var_os("TRIPLINE_BLESS").is_some() {
            bless(seed, &save_now(&mut steady.engine, before.len() as i64));
            continue;
        }
        steady.step(after);
        let loaded = shop.load(&objects(written), &mut Dice::new(seed));
        let mut loaded = loaded.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        loaded.step(after);
        assert_eq!(loaded.since(0, 0), steady.since(published, rows), "seed {seed}");
        assert!(!loaded.published.is_empty(), "seed {seed}");
    }
}
