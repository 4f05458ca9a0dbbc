//! The law of snapshots: begun before any record, written a little at a time while the engine steps on, loaded into
//! another, and both publish the same.

use crate::generator::{Dice, Record};
use crate::seeds::seeds;
use crate::shop::{EngineRun, Sealed, Shop, origin, sealed};
use crate::town::{kind, stream};
use tripline_core::batch::Timestamp;
use tripline_core::ledger::Evicted;

const STREAMS: u64 = 2_400;

/// What happened, over all streams.
#[derive(Debug, Default)]
struct Seen {
    /// Steps between the snapshot's begin and the last chunk.
    steps_while_saving: u64,
    /// Keys evicted and rows capped meanwhile.
    evicted_while_saving: u64,
    capped_while_saving: u64,
    amending_while_saving: u64,
    chunks: u64,
    restored_records: u64,
    // After the engines parted.
    rows: u64,
    duplicates: u64,
    conflicts: u64,
    late: u64,
    out_of_order: u64,
    labels: u64,
    alerts: u64,
    silenced: u64,
    approximate: u64,
    ranked: u64,
}

/// Where a stream is saved and where the loaded engine begins to judge.
struct Places {
    /// The snapshot's first missing record.
    save: usize,
    /// From here on the loaded engine judges.
    judge: usize,
    /// Rows written between two steps.
    budget: usize,
    /// Records of a batch, at most.
    batch: usize,
}

impl Places {
    fn of(records: usize, dice: &mut Dice) -> Places {
        let save = dice.below(records - 1);
        let restored = if dice.percent(40) { 0 } else { dice.below(records - save) };
        Places { save, judge: save + restored, budget: 1 + dice.below(4), batch: 1 + dice.below(6) }
    }
}

fn evicted(run: &EngineRun) -> Evicted {
    run.engine.shard().ledgers().evicted()
}

fn watch(run: &mut EngineRun, records: &[Record], seen: &mut Seen) {
    let (before, rows) = (evicted(run), run.engine.counts().rows);
    run.step(records);
    let after = evicted(run);
    seen.steps_while_saving += 1;
    seen.evicted_while_saving += after.keys - before.keys;
    seen.capped_while_saving += after.capped_rows - before.capped_rows;
    let amends = |record: &&Record| {
        kind(record).is_some_and(|kind| matches!(kind.as_str(), "outcome" | "reversal" | "clearing"))
    };
    let amending = records.iter().filter(amends).count() as u64;
    seen.amending_while_saving += amending.min(run.engine.counts().rows - rows);
}

/// What is observed of a shard beside its alerts.
type Observed = (Timestamp, Option<f64>, usize);

fn observed(run: &EngineRun) -> Observed {
    let space = run.engine.shard();
    (space.watermark(), space.coverage(), space.ledgers().rows_held())
}

/// Steps the whole stream and saves from a record on.
fn save_underway(
    shop: &Shop,
    records: &[Record],
    places: &Places,
    seen: &mut Seen,
) -> (EngineRun, Sealed, Observed) {
    let mut run = shop.open();
    records[..places.save].chunks(places.batch).for_each(|records| run.step(records));
    let observed = observed(&run);
    run.engine.begin_save(origin(places.save as i64));
    let (mut chunks, mut summary) = (Vec::new(), None);
    for records in records[places.save..].chunks(places.batch) {
        if summary.is_none() {
            watch(&mut run, records, seen);
            summary = run.engine.save_some(places.budget, &mut chunks);
        } else {
            run.step(records);
        }
    }
    let summary = summary.or_else(|| run.engine.save_some(usize::MAX, &mut chunks)).expect("all is written");
    assert!(!run.engine.is_saving());
    seen.chunks += chunks.len() as u64;
    (run, sealed(&chunks, summary), observed)
}

fn count(again: &EngineRun, said: &[String], seen: &mut Seen) {
    let counts = again.engine.counts();
    seen.rows += counts.rows;
    seen.duplicates += counts.duplicates;
    seen.conflicts += counts.conflicts;
    seen.late += counts.late;
    seen.labels += counts.labels;
    seen.alerts += counts.alerts;
    seen.silenced += counts.suppressed;
    seen.ranked += again.ranked;
    let with = |words: &str| said.iter().filter(|said| said.contains(words)).count() as u64;
    seen.out_of_order += with(r#"\"out_of_order\":true"#);
    seen.approximate += with(r#"\"approximate\":true"#);
}

fn goes_on(seed: u64, seen: &mut Seen) {
    let stream = stream(seed);
    let mut dice = Dice::new(!seed);
    let shop = Shop::of(&stream, &mut dice);
    let places = Places::of(stream.case.records.len(), &mut dice);
    goes_on_from(seed, (&shop, &stream.case.records), &places, (&mut dice, seen));
}

fn goes_on_from(
    seed: u64,
    (shop, records): (&Shop, &[Record]),
    places: &Places,
    (dice, seen): (&mut Dice, &mut Seen),
) {
    let mut steady = shop.open();
    records[..places.judge].iter().for_each(|record| steady.step(std::slice::from_ref(record)));
    let (published, rows) = (steady.published.len(), steady.rows.len());
    records[places.judge..].iter().for_each(|record| steady.step(std::slice::from_ref(record)));
    let (saving, sealed, observed_at_begin) = save_underway(shop, records, places, seen);
    assert_eq!(saving.since(0, 0), steady.since(0, 0), "seed {seed}: a save changes nothing that is said");
    let mut again = shop.load(&sealed, dice).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(observed(&again), observed_at_begin, "seed {seed}: what is reported of a shard");
    again.restore(&records[places.save..places.judge], &steady.published);
    seen.restored_records += (places.judge - places.save) as u64;
    records[places.judge..].chunks(places.batch).for_each(|records| again.step(records));
    let (one, other) = (steady.since(published, rows), again.since(0, 0));
    let place = format!("seed {seed}, saved before record {}, judged from {}", places.save, places.judge);
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other, "{place}");
    }
    assert_eq!(one.len(), other.len(), "{place}");
    let held = |run: &EngineRun| run.engine.shard().ledgers().rows_held();
    assert_eq!(held(&steady), held(&again), "{place}");
    count(&again, &other, seen);
}

/// The first record's time is wrong, and a snapshot is taken before the next ones show where the log begins.
#[test]
fn a_shard_saved_before_it_is_known_where_its_log_begins_learns_it_afterwards() {
    const YEAR_MS: i64 = 365 * 86_400_000;
    let mut moved = 0;
    for seed in seeds(6_100_000, 40) {
        let mut stream = stream(seed);
        let mut dice = Dice::new(!seed);
        let shop = Shop::of(&stream, &mut dice).with(|settings| settings.has_producer_times = true);
        let records = &mut stream.case.records;
        let Some(appended) = records[0].appended.as_mut() else { continue };
        *appended -= YEAR_MS;
        for save in 1..4.min(records.len() - 1) {
            let places = Places { save, judge: save, budget: 1, batch: 1 };
            goes_on_from(seed, (&shop, records), &places, (&mut dice, &mut Seen::default()));
            moved += 1;
        }
    }
    assert!(moved > 20, "{moved} streams have append times");
}

#[test]
fn an_engine_loaded_from_a_snapshot_goes_on_as_the_one_that_never_stopped() {
    let mut seen = Seen::default();
    for seed in seeds(6_000_000, STREAMS) {
        goes_on(seed, &mut seen);
    }
    println!("{STREAMS} streams: {seen:#?}");
    let Seen {
        steps_while_saving,
        evicted_while_saving,
        capped_while_saving,
        amending_while_saving,
        chunks,
        restored_records,
        rows,
        duplicates,
        conflicts,
        late,
        out_of_order,
        labels,
        alerts,
        silenced,
        approximate,
        ranked,
    } = seen;
    let often = [steps_while_saving, chunks, restored_records, rows, duplicates, alerts, ranked, labels];
    assert!(often.into_iter().all(|count| count > STREAMS), "{often:?}");
    let seldom = [
        evicted_while_saving,
        capped_while_saving,
        amending_while_saving,
        conflicts,
        late,
        out_of_order,
        silenced,
        approximate,
    ];
    assert!(seldom.into_iter().all(|count| count > STREAMS / 20), "{seldom:?}");
}
