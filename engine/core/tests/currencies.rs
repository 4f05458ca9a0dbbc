//! Amounts in conditions over rows mean the row's currency, also where a condition is looked at again: after an
//! amendment, after a restart, from a snapshot, on an event that takes over the amount of another.

use std::sync::Arc;
use tripline_core::account_shard::{AccountShard, Loading};
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::decode::{AmountForm, FieldMapping, FieldSource, Format, Mapping, TimeFormat};
use tripline_core::installation::Installation;
use tripline_core::outputs::Outputs;
use tripline_core::results::{Collect, EventResults};
use tripline_core::settings::Settings;
use tripline_core::snapshot::{Chunk, InputTopic, Manifest, Origin, SnapshotError};
use tripline_core::spaces::DerivedShards;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

/// 2024-03-01T12:00:00Z.
const NOON: i64 = 1_709_294_400_000;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase|outcome|clearing|label
  tx.amount: money in account.currency
keep: [tx.amount, tx.declined, label.outcome]
";

const AGGREGATES: [&str; 3] = [
    "large: {count: events, by: account, over: 1d, where: event.type == \"purchase\" and tx.amount >= 1000}",
    "large_fraud: {count: events, by: account, over: 1d, where: label.outcome == \"fraud\" and tx.amount >= 1000}",
    "all: {count: events, by: account, over: 1d, where: event.type == \"purchase\"}",
];

struct Bank {
    schema: Schema,
    ruleset: Arc<Ruleset>,
    mapping: Mapping,
}

fn bank(aggregates: &[&str]) -> Bank {
    let (schema, errors) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let schema = schema.unwrap_or_else(|| panic!("{}", errors.render(Paint::Plain)));
    let name = |line: &&str| line.split(':').next().expect("a name").to_owned();
    let features: String = aggregates.iter().map(|line| format!("  f_{0}: {0}\n", name(line))).collect();
    let results: String = aggregates.iter().map(|line| format!("  {line}\n")).collect();
    let pack =
        format!("version: 1\npack: p\nowner: a\ntimezone: UTC\naggregates:\n{results}features:\n{features}");
    let no_list = |_: &str| Err(String::new());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &no_list };
    let (ruleset, errors) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
    let ruleset = Arc::new(ruleset.unwrap_or_else(|| panic!("{}", errors.render(Paint::Plain))));
    let field = |name: &str| {
        let place = format!("/{}", name.replace('.', "_"));
        let slot = schema.slot(name).expect("a field");
        let mut field = FieldMapping::new(slot, FieldSource::Pointer(place.into()));
        field.time = TimeFormat::EpochMillis;
        field.money.amount = AmountForm::Major;
        field
    };
    let names = ["event.id", "event.type", "event.time", "event.ref", "account.id", "account.currency"];
    let more = ["tx.amount", "tx.declined", "label.outcome"];
    let fields = names.iter().chain(&more).map(|name| field(name)).collect();
    let mapping = Mapping::new(Format::Json, fields);
    Bank { schema, ruleset, mapping }
}

fn settings() -> Settings {
    Settings { features: true, ..Settings::new("currencies") }
}

fn engine(bank: &Bank) -> AccountShard {
    let schema = Arc::new(bank.schema.clone());
    let installation = Installation::compile(&schema, &bank.ruleset, &bank.mapping, settings());
    AccountShard::new(&Arc::new(installation.expect("it fits")))
}

/// An event of its own account's currency, `more` behind.
fn event(number: i64, kind: &str, currency: &str, more: &str) -> (i64, String) {
    let at = NOON + number * 1_000;
    let line = format!(
        r#"{{"event_id":"e{number}","event_type":"{kind}","event_time":{at},"account_id":"a-{currency}"{more}}}"#
    );
    (number, line)
}

/// Four purchases in a currency, of which two are amended, and a label that says no currency.
fn story(currency: &str, first: i64) -> Vec<(i64, String)> {
    let amount = |amount: &str| format!(r#","account_currency":"{currency}","tx_amount":"{amount}""#);
    let of = |number: i64| format!(r#","event_ref":"e{}""#, first + number);
    vec![
        event(first, "purchase", currency, &amount("1500")),
        event(first + 1, "purchase", currency, &amount("999")),
        event(first + 2, "outcome", currency, &format!("{},\"tx_declined\":true", of(0))),
        event(first + 3, "clearing", currency, &(of(1) + &amount("1001"))),
        event(first + 4, "label", currency, &format!("{},\"label_outcome\":\"fraud\"", of(0))),
        event(first + 5, "purchase", currency, &amount("10")),
    ]
}

fn batch(records: &[(i64, String)]) -> Batch {
    let mut batch = Batch::new(ShardId::account(0));
    for (offset, line) in records {
        batch.push(*offset, Some(Timestamp(NOON + offset * 1_000)), b"a", line.as_bytes());
    }
    batch
}

/// The features of the last record.
fn features(engine: &mut AccountShard, records: &[(i64, String)]) -> Vec<f64> {
    let (mut out, mut results) = (Outputs::default(), EventResults::new(Collect::Features));
    let mut derived = DerivedShards::new(engine.installation());
    engine.step_with(&batch(records), &mut derived.collecting(&mut results), &mut out);
    assert!(out.records.is_empty(), "no dead letter");
    let last = results.rows().last().expect("a row");
    results.features(last).to_vec()
}

#[test]
fn an_amount_over_rows_means_each_rows_own_currency() {
    let bank = bank(&AGGREGATES);
    for currency in ["EUR", "JPY", "KWD", "UYW"] {
        let records = story(currency, 0);
        let whole = features(&mut engine(&bank), &records);
        // The declined one and the one cleared for more are large; the fraud is as large as what it is about.
        assert_eq!(whole, [2.0, 1.0, 3.0], "{currency}");
        let mut refilled = engine(&bank);
        refilled.restore(&batch(&records[..5]));
        assert_eq!(features(&mut refilled, &records[5..]), whole, "{currency}, filled again without judging");
    }
}

/// A new engine of a bank from a snapshot of another engine.
fn through_a_snapshot(mut from: AccountShard, bank: &Bank) -> Result<AccountShard, SnapshotError> {
    let (mut chunks, input) = (Vec::new(), InputTopic::new("", "events", 1));
    from.begin_save(Origin { input: input.clone(), partition: 0, offset: 2, last: None });
    let cut = from.save_some(usize::MAX, &mut chunks).expect("all is written");
    let (sealed, listed): (Vec<Vec<u8>>, Vec<_>) = chunks.iter().map(Chunk::seal).unzip();
    let manifest = Manifest::new(cut, listed, Timestamp(NOON));
    let mut loading = Loading::new(engine(bank), &manifest, (0, &input))?;
    for (number, sealed) in sealed.iter().enumerate() {
        loading.take(&manifest.open_chunk(number, sealed)?)?;
    }
    loading.finish()
}

#[test]
fn a_snapshot_keeps_each_rows_currency_for_packs_that_come_later() {
    let (needing, other) = (bank(&AGGREGATES), bank(&AGGREGATES[2..]));
    let half = |bank: &Bank, records: &[(i64, String)]| {
        let mut engine = engine(bank);
        engine.restore(&batch(&records[..2]));
        engine
    };
    for currency in ["EUR", "JPY", "KWD", "UYW"] {
        let records = story(currency, 0);
        let mut loaded = through_a_snapshot(half(&needing, &records), &needing).expect("it has all");
        assert_eq!(features(&mut loaded, &records[2..]), [2.0, 1.0, 3.0], "{currency}");
        let mut loaded = through_a_snapshot(half(&other, &records), &needing).expect("it has all as well");
        assert_eq!(features(&mut loaded, &records[2..]), [2.0, 1.0, 3.0], "{currency}, under another pack");
        let mut loaded = through_a_snapshot(half(&needing, &records), &other).expect("it has more");
        assert_eq!(features(&mut loaded, &records[2..]), [3.0], "{currency}");
    }
}

#[test]
fn one_shard_of_several_currencies_mixes_none() {
    let bank = bank(&AGGREGATES);
    let mut engine = engine(&bank);
    for (place, currency) in (0..).zip(["JPY", "EUR", "KWD", "JPY"]) {
        let found = features(&mut engine, &story(currency, place * 10));
        let again = if place == 3 { 2.0 } else { 1.0 };
        assert_eq!(found, [2.0 * again, again, 3.0 * again], "{currency}");
    }
}
