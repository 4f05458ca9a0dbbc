//! The format stays: snapshots that were written by an earlier version of the code (`written/`) are loaded, and the
//! engine goes on as one that never stopped. A change that cannot read them needs another format version.

use crate::generator::Dice;
use crate::shop::{Sealed, Shop};
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
        steady.step(after);
        let loaded = shop.load(&objects(written), &mut Dice::new(seed));
        let mut loaded = loaded.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        loaded.step(after);
        assert_eq!(loaded.since(0, 0), steady.since(published, rows), "seed {seed}");
        assert!(!loaded.published.is_empty(), "seed {seed}");
    }
}
