//! Bytes that were never written by an engine, in envelopes that are right: nothing panics, nothing grows without
//! bound, and what is taken can be stepped on.

use crate::generator::{Dice, Record};
use crate::shop::{EngineRun, PARTITION, Sealed, Shop, input, origin, save_now};
use crate::town::stream;
use tripline_core::account_shard::Loading;
use tripline_core::batch::Timestamp;
use tripline_core::snapshot::{Content, Listed, Manifest, SnapshotError, StateSummary, open, seal};

const MUTANTS: u64 = 6_000;

fn wound(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..1 + dice.below(3) {
        let (at, length) = (dice.below(bytes.len().max(1)), dice.below(20));
        let end = (at + length).min(bytes.len());
        match dice.below(7) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, vec![0xff; length])),
            2 => bytes.extend_from_within(at..end),
            3 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            4 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            5 => bytes[at..end].fill(0x80),
            _ => {
                let random: Vec<u8> = (0..length).map(|_| dice.below(256) as u8).collect();
                drop(bytes.splice(at..end, random));
            }
        }
    }
}

/// Loads a snapshot and steps on from it.
fn survive(
    shop: &Shop,
    manifest: &Manifest,
    chunks: &[Vec<u8>],
    records: &[Record],
) -> Result<(), SnapshotError> {
    let mut loading = Loading::new(shop.engine(), manifest, (PARTITION, input()))?;
    for (number, chunk) in chunks.iter().enumerate() {
        loading.take(&manifest.open_chunk(number, chunk)?)?;
    }
    let mut run = EngineRun { engine: loading.finish()?, published: Vec::new(), rows: Vec::new(), ranked: 0 };
    run.step(records);
    save_now(&mut run.engine, 0);
    Ok(())
}

fn saved(shop: &Shop, records: &[Record]) -> (Sealed, StateSummary) {
    let mut run = shop.open();
    run.step(records);
    let sealed = save_now(&mut run.engine, 0);
    run.engine.begin_save(origin(0));
    let summary = run.engine.save_some(usize::MAX, &mut Vec::new()).expect("all is written");
    (sealed, summary)
}

#[test]
fn no_content_stops_the_engine() {
    let (mut refused, mut taken) = (0, 0);
    for round in 0..MUTANTS / 200 {
        let mut stream = stream(8_000_001 + round);
        stream.case.settings.labels = true;
        let mut dice = Dice::new(round);
        let shop = Shop::of(&stream, &mut dice);
        let (before, after) = stream.case.records.split_at(stream.case.records.len() * 3 / 4);
        let (sealed, summary) = saved(&shop, before);
        let raw = |chunk: &Vec<u8>| open(Content::Chunk, chunk).expect("it is whole");
        let contents: Vec<Vec<u8>> = sealed.chunks.iter().map(raw).collect();
        let manifest = open(Content::Manifest, &sealed.manifest).expect("it is whole");
        for _ in 0..200 {
            let mut chunks = sealed.chunks.clone();
            let outcome = if dice.percent(35) {
                let mut bytes = manifest.clone();
                wound(&mut bytes, &mut dice);
                Manifest::open(&seal(Content::Manifest, &bytes))
                    .and_then(|manifest| survive(&shop, &manifest, &chunks, after))
            } else {
                let which = dice.below(chunks.len());
                let mut bytes = contents[which].clone();
                wound(&mut bytes, &mut dice);
                chunks[which] = seal(Content::Chunk, &bytes);
                let listed = chunks.iter().map(|chunk| Listed::of(chunk)).collect();
                survive(&shop, &Manifest::new(summary.clone(), listed, Timestamp(0)), &chunks, after)
            };
            refused += u64::from(outcome.is_err());
            taken += u64::from(outcome.is_ok());
        }
    }
    println!("{MUTANTS} snapshots with wounds: {refused} refused, {taken} taken");
    assert!(refused > MUTANTS / 4 && taken > MUTANTS / 100);
}
