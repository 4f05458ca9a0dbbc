//! Another pack takes a snapshot up: as if it had read the same log, with the cooldowns as they were committed.

use crate::generator::Dice;
use crate::mapping::installed;
use crate::oracle::{DAY, MINUTE};
use crate::shop::{Shop, save_now};
use crate::town::stream;
use std::sync::Arc;
use tripline_core::settings::Settings;
use tripline_core::snapshot::SnapshotError;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::File;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

const STREAMS: u64 = 250;
const PACK: &str = include_str!("../laws/pack.yaml");
const RISKY_MCC: &str = include_str!("../laws/risky_mcc.csv");

/// The laws' pack with something replaced.
pub(crate) fn pack(replaced: &[(&str, &str)]) -> Arc<Ruleset> {
    pack_under(&installed().schema, replaced)
}

/// The same under another schema.
pub(crate) fn pack_under(schema: &Schema, replaced: &[(&str, &str)]) -> Arc<Ruleset> {
    let mut text = PACK.to_owned();
    for (old, new) in replaced {
        assert!(text.contains(old), "the pack says `{old}`");
        text = text.replacen(old, new, 1);
    }
    let list = |_: &str| Ok(RISKY_MCC.to_owned());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    let (ruleset, problems) = Ruleset::compile(&[File::new("pack.yaml", text)], schema, &options);
    Arc::new(ruleset.unwrap_or_else(|| panic!("{problems:?}")))
}

/// New conditions before the old ones, new aggregates, a rule that changed, one that went, one that came.
pub(crate) fn next_pack() -> Arc<Ruleset> {
    pack(&[
        (
            "aggregates:\n",
            "aggregates:\n  acct_new_6h: {sum: tx.amount, by: account, over: 6h, where: tx.amount > 7 or merchant.mcc == \
             \"6051\"}\n  card_kept_1d: {distinct: terminal.id, by: card, over: 1d, where: not tx.declined}\n",
        ),
        ("features:\n", "features:\n  f_acct_new_6h: acct_new_6h\n  f_card_kept_1d: card_kept_1d\n"),
        ("when: card_tries_10m >= 3", "when: card_tries_10m >= 2 and acct_new_6h > 20"),
        ("  - id: UNNAMED\n", "  - id: NAMELESS\n"),
    ])
}

#[test]
fn a_snapshot_taken_up_by_another_pack_is_the_log_read_by_it() {
    let next = next_pack();
    let (mut alerts, mut silenced, mut ranked) = (0, 0, 0);
    for seed in 7_000_000..7_000_000 + STREAMS {
        let stream = stream(seed);
        let records = &stream.case.records;
        let mut dice = Dice::new(!seed);
        let old = Shop::of(&stream, &mut dice);
        let new = old.with_pack(Arc::clone(&next));
        let begin = 1 + dice.below(records.len() - 1);
        let mut before = old.open();
        before.step(&records[..begin]);
        let sealed = save_now(&mut before.engine, begin as i64);
        let mut loaded = new.load(&sealed, &mut dice).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let mut read = new.open();
        read.restore(&records[..begin], &before.published);
        loaded.step(&records[begin..]);
        read.step(&records[begin..]);
        assert_eq!(loaded.since(0, 0), read.since(0, 0), "seed {seed}, another pack from record {begin}");
        alerts += loaded.engine.counts().alerts;
        silenced += loaded.engine.counts().suppressed;
        ranked += loaded.ranked;
    }
    println!("{STREAMS} streams under another pack: {alerts} alerts, {silenced} silenced, {ranked} ranks");
    assert!(alerts > STREAMS && silenced > 0 && ranked > STREAMS);
}

#[test]
fn a_rank_that_nothing_counted_sends_the_shard_to_its_log() {
    let stream = stream(7_000_001);
    let mut dice = Dice::new(1);
    let shop = Shop::of(&stream, &mut dice);
    let mut run = shop.open();
    run.step(&stream.case.records);
    let sealed = save_now(&mut run.engine, 0);
    let rank = "amount_rank_all_2d:      {rank: tx.amount, by: all, over: 2d, where: is_spend, at_least: 4}";
    let with =
        |changed: &str| shop.with_pack(pack(&[(rank, changed)])).load(&sealed, &mut Dice::new(2)).err();
    let none = Some(SnapshotError::NoPopulation { name: "amount_rank_all_2d".to_owned() });
    assert_eq!(with("amount_rank_all_2d: {rank: tx.amount, by: all, over: 3d, where: is_spend}"), none);
    assert_eq!(with("amount_rank_all_2d: {rank: tx.amount, by: all, over: 2d, where: is_outgoing}"), none);
    assert_eq!(with("amount_rank_all_2d: {rank: tx.amount, by: all, over: 2d, where: is_spend}"), None);
    let silent = shop.with(|settings| settings.models = Vec::new());
    let mut run = silent.open();
    run.step(&stream.case.records);
    let sealed = save_now(&mut run.engine, 0);
    let asks = shop.with(|settings| settings.models = Settings::new("").models);
    let none = Some(SnapshotError::NoModel { name: "profile".to_owned() });
    assert_eq!(asks.load(&sealed, &mut dice).err(), none);
}

#[test]
fn a_longer_look_back_than_the_snapshots_is_said_to_be_covered_in_part() {
    let mut stream = stream(7_000_000);
    stream.case.settings.retention = None;
    let mut dice = Dice::new(1);
    let shop = Shop::of(&stream, &mut dice).with(|settings| settings.models = Vec::new());
    let mut run = shop.open();
    run.step(&stream.case.records);
    assert_eq!(run.engine.shard().coverage(), Some(1.0), "the stream is longer than the pack looks back");
    let sealed = save_now(&mut run.engine, 0);
    let longer = pack(&[(
        "acct_events_1h:          {count: events, by: account, over: 1h}",
        "acct_events_1h: {count: events, by: account, over: 9d}",
    )]);
    let loaded = shop.with_pack(longer).load(&sealed, &mut dice).expect("rows are rows");
    let held = 2 * DAY + stream.case.settings.lateness + 5 * MINUTE;
    let (coverage, share) =
        (loaded.engine.shard().coverage().expect("there are events"), held * 1000 / (9 * DAY));
    assert!(coverage > 0.0 && coverage * 1000.0 <= f64::from(share as i32) + 1.0, "{coverage}");
}
