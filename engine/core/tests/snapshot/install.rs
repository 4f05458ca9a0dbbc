//! A running shard that takes over another pack goes on as a new shard of that pack over the same rows, histograms and
//! decision state: the one that loads the snapshot of that moment.

use crate::generator::{Dice, Record};
use crate::mapping::{Installed, installed};
use crate::packs::{next_pack, pack, pack_under};
use crate::shop::{EngineRun, Shop, origin, save_now};
use crate::town::stream;
use std::sync::Arc;
use tripline_core::account_shard::{AccountShard, InstallError};
use tripline_core::batch::{Batch, ShardId};
use tripline_core::decode::{FieldMapping, FieldSource, Format};
use tripline_core::installation::Installation;
use tripline_core::outputs::Outputs;
use tripline_core::settings::Settings;
use tripline_core::signals::NoSignals;
use tripline_core::snapshot::{Manifest, SnapshotError};
use tripline_rules::diagnostic::File;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

const STREAMS: u64 = 120;

/// Packs with aggregates, conditions and rules that came, went, changed, or stand elsewhere.
fn packs() -> Vec<Arc<Ruleset>> {
    let renamed = pack(&[("  - id: UNNAMED\n", "  - id: NAMELESS\n")]);
    // The aggregate that is written first decides the order of all others.
    let reordered = pack(&[
        (
            "aggregates:\n",
            "aggregates:\n  acct_first_9h: {count: events, by: account, over: 9h, where: tx.declined}\n",
        ),
        ("features:\n", "features:\n  f_acct_first_9h: acct_first_9h\n"),
    ]);
    vec![next_pack(), renamed, reordered, Arc::clone(&installed().account)]
}

#[test]
fn a_shard_under_a_new_pack_goes_on_as_a_new_shard_over_the_same_rows() {
    let packs = packs();
    let (mut alerts, mut silenced, mut ranked, mut given_up) = (0, 0, 0, 0);
    for seed in 9_000_000..9_000_000 + STREAMS {
        let stream = stream(seed);
        let records = &stream.case.records;
        let mut dice = Dice::new(!seed);
        let old = Shop::of(&stream, &mut dice);
        let new = old.with_pack(Arc::clone(&packs[dice.below(packs.len())]));
        let begin = 1 + dice.below(records.len() - 1);
        let mut running = old.open();
        running.step(&records[..begin]);
        let sealed = save_now(&mut running.engine, begin as i64);
        let mut fresh = new.load(&sealed, &mut dice).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        if dice.percent(50) {
            running.engine.begin_save(origin(begin as i64));
            running.engine.save_some(3, &mut Vec::new());
            given_up += 1;
        }
        running
            .engine
            .install(new.engine().installation())
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(!running.engine.is_saving(), "seed {seed}");
        let (published, rows) = (running.published.len(), running.rows.len());
        running.step(&records[begin..]);
        fresh.step(&records[begin..]);
        assert_eq!(
            running.since(published, rows),
            fresh.since(0, 0),
            "seed {seed}, installed before {begin}"
        );
        alerts += fresh.engine.counts().alerts;
        silenced += fresh.engine.counts().suppressed;
        ranked += fresh.ranked;
    }
    println!(
        "{STREAMS} installations: {alerts} alerts, {silenced} silenced, {ranked} ranks, {given_up} saves given up"
    );
    assert!(alerts > STREAMS && silenced > 0 && ranked > STREAMS && given_up > 0);
}

/// A field that rows do not keep, before one that they keep: the kept field has another slot.
#[test]
fn kept_fields_that_have_moved_in_the_schema_are_inherited_from_earlier_events() {
    let text = include_str!("../laws/schema.yaml");
    let moved = Installed::under(
        &text.replace("  tx.risk_points: number\n", "  tx.noise: number\n  tx.risk_points: number\n"),
    );
    let slot = |schema: &Schema| schema.fields().iter().position(|field| field.name == "tx.risk_points");
    assert_ne!(slot(&moved.schema), slot(&installed().schema));
    for seed in 9_100_000..9_100_000 + STREAMS {
        let stream = stream(seed);
        let records = &stream.case.records;
        let mut dice = Dice::new(!seed);
        let shop = Shop::of(&stream, &mut dice);
        let begin = 1 + dice.below(records.len() - 1);
        let mut running = shop.open();
        running.step(&records[..begin]);
        let sealed = save_now(&mut running.engine, begin as i64);
        let mut fresh = Shop::load_into(shop.engine_of(&moved), &sealed, &mut dice)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        running.engine.install(shop.engine_of(&moved).installation()).unwrap();
        let (published, rows) = (running.published.len(), running.rows.len());
        running.step(&records[begin..]);
        fresh.step(&records[begin..]);
        assert_eq!(
            running.since(published, rows),
            fresh.since(0, 0),
            "seed {seed}, installed before {begin}"
        );
    }
}

/// A schema with `tx.entry`, which rows do not keep, and a pack that reads it beside a kept field of codes.
fn with_entry(fields: &str) -> Installed {
    let text = include_str!("../laws/schema.yaml");
    let mut installed = Installed::under(&text.replace("  tx.channel:", &format!("{fields}  tx.channel:")));
    installed.account = pack_under(
        &installed.schema,
        &[
            ("aggregates:\n", "aggregates:\n  last_channel: {last: tx.channel}\n"),
            (
                "features:\n",
                "features:\n  f_tap: tx.entry == \"tap\"\n  f_entry: tx.entry is not missing\n  f_ecom: tx.channel == \
                 \"ecom\"\n  f_last_ecom: last_channel == \"ecom\"\n",
            ),
            (
                "rules:\n",
                "rules:\n  - {id: ENTRY, when: 'tx.entry in [\"tap\", \"chip\"]', action: review, reason: 'by \
                 {tx.entry}', cooldown: {by: rule+account, for: 1h}}\n",
            ),
        ],
    );
    let slot = installed.schema.slot("tx.entry").expect("a field");
    for mapping in [&mut installed.mapping, &mut installed.labelled] {
        mapping.fields.push(FieldMapping::new(slot, FieldSource::Pointer("/entry".into())));
    }
    installed
}

/// The codes of a field that rows do not keep are others under the new schema, and belong to nothing that is held. Rows
/// without a value of a kept field stay without it.
#[test]
fn codes_of_a_field_that_rows_do_not_keep_may_change() {
    let old = with_entry("  tx.entry: one of chip|tap\n");
    let new = with_entry("  tx.method: one of a|b|c|d|e\n  tx.entry: one of online|swipe|tap|dip|chip\n");
    let (mut fired, mut taps) = (0, 0);
    for seed in 9_200_000..9_200_000 + STREAMS {
        let mut stream = stream(seed);
        let mut dice = Dice::new(!seed);
        for record in &mut stream.case.records {
            if record.value.first() == Some(&b'{') && dice.percent(70) {
                let entry = format!("{{\"entry\":\"{}\",", dice.pick(&["tap", "chip"]));
                record.value.splice(..1, entry.bytes());
            }
        }
        let records = &stream.case.records;
        let shop = Shop::of(&stream, &mut dice);
        let run = |installed: &Installed| EngineRun { engine: shop.engine_of(installed), ..shop.open() };
        let begin = 1 + dice.below(records.len() - 1);
        let mut running = run(&old);
        running.step(&records[..begin]);
        let sealed = save_now(&mut running.engine, begin as i64);
        let mut loaded = Shop::load_into(shop.engine_of(&new), &sealed, &mut dice)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let mut read = run(&new);
        read.restore(&records[..begin], &running.published);
        running.engine.install(shop.engine_of(&new).installation()).unwrap();
        let (published, rows) = (running.published.len(), running.rows.len());
        for run in [&mut running, &mut loaded, &mut read] {
            run.step(&records[begin..]);
        }
        let said = running.since(published, rows);
        assert_eq!(said, loaded.since(0, 0), "seed {seed}, installed before {begin}");
        assert_eq!(said, read.since(0, 0), "seed {seed}, installed before {begin}");
        fired += said.iter().filter(|said| said.contains("ENTRY")).count();
        taps += said.iter().filter(|said| said.contains("by tap")).count();
    }
    println!("{STREAMS} installations: {fired} records of the rule, {taps} of a tap");
    assert!(fired > 100 && taps > 100);
}

#[test]
fn a_lateness_that_the_old_retention_does_not_cover_is_refused() {
    let stream = stream(9_000_003);
    let shop = Shop::of(&stream, &mut Dice::new(3)).with(|settings| {
        settings.models.clear();
        settings.lateness_ms = 3_600_000;
        settings.retention_ms = Some(0);
    });
    let mut run = shop.open();
    run.step(&stream.case.records);
    let longer = |lateness_ms| shop.with(|settings| settings.lateness_ms = lateness_ms);
    let refused = run.engine.install(longer(2 * 3_600_000).engine().installation());
    assert_eq!(refused, Err(InstallError::Lateness { needed_ms: 7_500_000, retained_ms: 3_900_000 }));
    assert_eq!(run.engine.install(longer(3_600_000).engine().installation()), Ok(()));
    // A shard without rows has nothing that a duplicate could repeat.
    assert_eq!(shop.open().engine.install(longer(2 * 3_600_000).engine().installation()), Ok(()));
}

/// A long retention, a short one, and a long one again: what the short one let go is not held, for the next
/// installation, for a snapshot, and for whoever loads it.
#[test]
fn rows_that_a_short_retention_let_go_stay_gone_through_further_installations_and_snapshots() {
    const HOUR: i64 = 3_600_000;
    let stream = stream(9_000_003);
    let records = &stream.case.records;
    let mut dice = Dice::new(3);
    let long = Shop::of(&stream, &mut dice).with(|settings| {
        settings.models.clear();
        settings.lateness_ms = HOUR;
        settings.retention_ms = Some(5 * 24 * HOUR);
    });
    let short = long.with(|settings| settings.retention_ms = Some(0));
    let later = long.with(|settings| settings.lateness_ms = 6 * HOUR);
    let (held_ms, needed_ms) = (HOUR + 300_000, 6 * HOUR + 300_000);
    let retained = |run: &mut EngineRun| {
        Manifest::open(&save_now(&mut run.engine, 1).manifest).expect("it was just sealed").retention_ms()
    };
    let install = |run: &mut EngineRun, shop: &Shop| run.engine.install(shop.engine().installation());

    let mut run = long.open();
    run.step(records);
    assert_eq!(retained(&mut run), 5 * 24 * HOUR + held_ms);
    assert_eq!(install(&mut run, &short), Ok(()));
    assert_eq!(retained(&mut run), held_ms);
    let short_sealed = save_now(&mut run.engine, 1);
    assert_eq!(install(&mut run, &long), Ok(()));
    assert_eq!(retained(&mut run), held_ms, "the rows did not come back with the retention");
    let refused = InstallError::Lateness { needed_ms, retained_ms: held_ms };
    assert_eq!(install(&mut run, &later), Err(refused.clone()));

    // A snapshot of either moment says the same, and so does a shard that was loaded from one.
    let long_sealed = save_now(&mut run.engine, 1);
    for sealed in [&short_sealed, &long_sealed] {
        let error = later.load(sealed, &mut dice).err();
        assert_eq!(error, Some(SnapshotError::ShortRetention { needed_ms, held_ms }));
        let mut loaded = long.load(sealed, &mut dice).expect("the lateness is covered");
        assert_eq!(retained(&mut loaded), held_ms);
        assert_eq!(install(&mut loaded, &later), Err(refused.clone()));
    }

    // Six hours of events later the rows that the lateness needs are there.
    let newest = run.engine.shard().watermark().0;
    let event = |id: i64, at: i64| {
        let value = format!(r#"{{"id":"later-{id}","kind":"login","t":{at},"account":"a00"}}"#).into_bytes();
        Record { partition: 0, offset: 1_000 + id, appended: Some(at), key: "a00".to_owned(), value }
    };
    run.step(&[event(1, newest + 4 * HOUR)]);
    assert!(matches!(install(&mut run, &later), Err(InstallError::Lateness { .. })));
    run.step(&[event(2, newest + 5 * HOUR)]);
    assert_eq!(retained(&mut run), needed_ms);
    assert_eq!(install(&mut run, &later), Ok(()));
}

#[test]
fn counts_are_known_by_the_rule_they_are_of() {
    let stream = stream(9_000_001);
    let shop = Shop::of(&stream, &mut Dice::new(1));
    let mut run = shop.open();
    run.step(&stream.case.records);
    let before: Vec<(String, u64)> =
        run.engine.counts().fired.iter().map(|(rule, count)| (rule.to_owned(), count)).collect();
    assert!(before.iter().any(|(_, count)| *count > 0));
    let next = shop.with_pack(next_pack());
    run.engine.install(next.engine().installation()).unwrap();
    for (rule, count) in before {
        assert_eq!(run.engine.counts().fired.of(&rule, 0), count, "{rule}");
    }
}

#[test]
fn another_schema_or_secret_is_refused_and_changes_nothing() {
    let stream = stream(9_000_002);
    let mut dice = Dice::new(2);
    let shop = Shop::of(&stream, &mut dice);
    let (mut one, mut other) = (shop.open(), shop.open());
    let half = stream.case.records.len() / 2;
    for run in [&mut one, &mut other] {
        run.step(&stream.case.records[..half]);
    }
    let secret = shop.with(|settings| settings.key = TextKey::derive(&[7; 16]));
    assert_eq!(one.engine.install(secret.engine().installation()), Err(InstallError::Secret));
    let renamed = shop.with(|settings| settings.stream.push_str(".other"));
    assert_eq!(one.engine.install(renamed.engine().installation()), Err(InstallError::Stream));
    let text = include_str!("../laws/schema.yaml");
    for (old, new) in [
        ("keep: [tx.amount, tx.declined,", "keep: [tx.amount, tx.currency, tx.declined,"),
        ("tx.channel: one of pos|ecom|atm", "tx.channel: one of ecom|pos|atm"),
    ] {
        let (schema, problems) = Schema::load(&File::new("schema.yaml", text.replace(old, new)));
        let schema = schema.unwrap_or_else(|| panic!("{problems:?}"));
        let foreign = shop.engine_under(&Arc::new(schema));
        assert_eq!(one.engine.install(foreign.installation()), Err(InstallError::Schema), "{new}");
    }
    for run in [&mut one, &mut other] {
        run.step(&stream.case.records[half..]);
    }
    assert_eq!(one.since(0, 0), other.since(0, 0));
}

#[test]
fn the_csv_header_stays_and_must_have_the_columns_of_the_new_mapping() {
    let installed = installed();
    let of_columns = |balance: &str| {
        let mut mapping = installed.mapping.clone();
        mapping.format = Format::Csv { delimiter: b',' };
        for field in &mut mapping.fields {
            let FieldSource::Pointer(place) = &field.source else { panic!("the laws' records are JSON") };
            let column = if **place == *"/points" { balance } else { &place[1..] };
            field.source = FieldSource::Column(column.into());
        }
        let settings = Settings { models: Vec::new(), ..Settings::new("columns") };
        let compiled = Installation::compile(&installed.schema, &installed.account, &mapping, settings);
        Arc::new(compiled.unwrap())
    };
    let (header, extra) =
        ("id,kind,t,ref,account,amount,declined,channel,points,card,device,terminal", "score");
    let header = format!("{header},merchant/id,merchant/mcc,merchant/country,payee,outcome,{extra}");
    let mut shard = AccountShard::new(&of_columns("points"));
    shard.set_header(header.as_bytes()).unwrap();
    let take = |shard: &mut AccountShard, offset: i64| {
        let row = format!("e{offset},purchase,{},,a,5,,,1,,,,,,,,,2", 1_767_225_600_000 + offset);
        let mut batch = Batch::new(ShardId::account(0));
        batch.push(offset, None, b"", row.as_bytes());
        shard.step(&batch, &NoSignals, &mut Outputs::default());
        shard.counts().rows
    };
    assert_eq!(take(&mut shard, 0), 1);
    assert_eq!(shard.install(&of_columns(extra)), Ok(()));
    assert_eq!(take(&mut shard, 1), 2);
    assert!(matches!(shard.install(&of_columns("elsewhere")), Err(InstallError::Header(_))));
    assert_eq!(take(&mut shard, 2), 3);
}
