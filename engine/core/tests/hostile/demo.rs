//! The shipped pack for cards over the simulated bank on a bad day: a shard that is filled again from the end of its
//! log goes on byte for byte, and whatever the feed does to records, none is lost.

use crate::bank::{DAY, NOON, Published, published};
use std::sync::Arc;
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::counts::Counts;
use tripline_core::decode::{
    CurrencySource, Fallback, FieldMapping, FieldSource, Format, Mapping, TimeFormat,
};
use tripline_core::installation::Installation;
use tripline_core::outputs::{Outputs, Topic};
use tripline_core::results::{Collect, EventResult, EventResults};
use tripline_core::settings::Settings;
use tripline_core::signals::NoSignals;
use tripline_core::simulate::{Campaigns, Faults, SimulatedEvent, Simulation, SimulationSettings};
use tripline_core::spaces::DerivedShards;
use tripline_core::suppress::Change;
use tripline_core::verdict::Recorded;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{Kind, Schema};
use tripline_rules::value::TextKey;

macro_rules! shipped {
    ($file:literal) => {
        include_str!(concat!("../../../../deploy/examples/demo/", $file))
    };
}

/// Where the demo's records hold the fields; money has the account's currency.
const PLACES: &[(&str, &str)] = &[
    ("event.id", "/id"),
    ("event.type", "/type"),
    ("event.time", "/time"),
    ("event.ref", "/ref"),
    ("tx.amount", "/tx/amount"),
    ("tx.direction", "/tx/direction"),
    ("tx.channel", "/tx/channel"),
    ("tx.declined", "/tx/declined"),
    ("tx.decline_code", "/tx/code"),
    ("tx.entry_mode", "/tx/entry"),
    ("tx.card_present", "/tx/present"),
    ("tx.cvv_ok", "/tx/cvv_ok"),
    ("tx.threeds", "/tx/threeds"),
    ("account.id", "/account/id"),
    ("account.segment", "/account/segment"),
    ("account.home_country", "/account/home"),
    ("account.timezone", "/account/zone"),
    ("account.currency", "/account/currency"),
    ("account.balance", "/account/balance"),
    ("account.travel_notice", "/account/travel"),
    ("account.opened", "/account/opened"),
    ("account.money_unit", "/account/currency"),
    ("card.id", "/card/id"),
    ("card.atm_limit", "/card/atm_limit"),
    ("merchant.id", "/merchant/id"),
    ("merchant.mcc", "/merchant/mcc"),
    ("merchant.country", "/merchant/country"),
    ("terminal.id", "/merchant/terminal"),
    ("device.id", "/device/id"),
    ("device.first_seen", "/device/seen"),
    ("ip.country", "/device/ip"),
    ("payee.id", "/payee"),
    ("label.outcome", "/label/outcome"),
    ("label.source", "/label/source"),
];

struct Demo {
    installation: Arc<Installation>,
}

impl Demo {
    fn new(settings: Settings) -> Demo {
        let (schema, errors) = Schema::load(&File::new("schema.yaml", shipped!("schema.yaml")));
        let schema = schema.unwrap_or_else(|| panic!("{}", errors.render(Paint::Plain)));
        let list = |path: &str| match path {
            "lists/risky_mcc.csv" => Ok(shipped!("packs/lists/risky_mcc.csv").to_owned()),
            "lists/fare_mcc.csv" => Ok(shipped!("packs/lists/fare_mcc.csv").to_owned()),
            other => Err(format!("no list {other}")),
        };
        let options = CompileOptions {
            key: TextKey::default(),
            models: &["profile"],
            retention: settings.retention_ms,
            lookback: 0,
            list: &list,
        };
        let pack = File::new("cards.yaml", shipped!("packs/cards.yaml"));
        let (ruleset, errors) = Ruleset::compile(&[pack], &schema, &options);
        let ruleset = ruleset.unwrap_or_else(|| panic!("{}", errors.render(Paint::Plain)));
        let mapping = mapping(&schema);
        let installation = Installation::compile(&Arc::new(schema), &Arc::new(ruleset), &mapping, settings);
        Demo { installation: Arc::new(installation.expect("the mapping fits")) }
    }

    fn open(&self) -> AccountShard {
        AccountShard::new(&self.installation)
    }
}

fn mapping(schema: &Schema) -> Mapping {
    let mut fields: Vec<FieldMapping> = PLACES
        .iter()
        .map(|(name, place)| {
            let slot = schema.slot(name).unwrap_or_else(|| panic!("the demo's schema has {name}"));
            let mut field = FieldMapping::new(slot, FieldSource::Pointer((*place).into()));
            field.time = TimeFormat::Rfc3339;
            if matches!(schema.field(slot).kind, Kind::Money(_)) {
                field.money.currency = CurrencySource::From("/account/currency".into());
            }
            if *name == "account.money_unit" {
                field.values = [("USD", "1"), ("EUR", "1"), ("GBP", "1"), ("JPY", "150"), ("SEK", "10")]
                    .map(|(from, to)| (from.into(), to.into()))
                    .to_vec();
                field.fallback = Fallback::Missing;
            }
            field
        })
        .collect();
    let geo = FieldSource::Pair { latitude: "/tx/lat".into(), longitude: "/tx/lon".into() };
    fields.push(FieldMapping::new(schema.slot("tx.geo").expect("the demo's schema has it"), geo));
    Mapping::new(Format::Json, fields)
}

/// A small bank with much fraud on a bad day, up to `days`.
fn story(seed: u64, accounts: u32, days: i64, lateness_ms: i64) -> Vec<SimulatedEvent> {
    let faults = Faults {
        out_of_order: 0.05,
        duplicates: 0.04,
        conflicts: 0.01,
        bad: 0.02,
        late: 0.01,
        future: 0.01,
        lateness_ms,
        ..Faults::rough()
    };
    let campaigns = Campaigns::poisson(0.5);
    let settings =
        SimulationSettings { campaigns, faults, ..SimulationSettings::new(seed, accounts, Timestamp(NOON)) };
    let (mut simulation, mut event, mut events) =
        (Simulation::new(&settings), SimulatedEvent::default(), Vec::new());
    while simulation.next_before(Timestamp(NOON + days * DAY), &mut event) {
        events.push(event.clone());
    }
    events
}

fn batch(events: &[SimulatedEvent], first: usize) -> Batch {
    let mut batch = Batch::new(ShardId::account(0));
    for (number, event) in events.iter().enumerate() {
        batch.push((first + number) as i64, Some(event.appended_at), event.account.as_bytes(), &event.value);
    }
    batch
}

/// What comes out in batches of this length, and the profile's scores as bits.
fn stepped(
    engine: &mut AccountShard,
    events: &[SimulatedEvent],
    first: usize,
    at_once: usize,
) -> (Vec<Published>, Vec<u64>) {
    let (mut all, mut scores) = (Vec::new(), Vec::new());
    for (number, events) in events.chunks(at_once).enumerate() {
        let (mut out, mut results) = (Outputs::default(), EventResults::new(Collect::Verdicts));
        let batch = batch(events, first + number * at_once);
        let mut derived = DerivedShards::new(engine.installation());
        engine.step_with(&batch, &mut derived.collecting(&mut results), &mut out);
        all.extend(published(&out));
        scores.extend(results.rows().iter().map(|line| score_bits(&results, line)));
    }
    all.sort_by_key(|record| (record.topic, record.cause));
    (all, scores)
}

/// A story as one shard took it that never stopped: record by record what was said, and the verdicts' changes.
struct Steady {
    events: Vec<SimulatedEvent>,
    said: Vec<(Vec<Published>, Vec<u64>)>,
    changes: Vec<(usize, Vec<Change>)>,
}

impl Steady {
    fn of(demo: &Demo, events: Vec<SimulatedEvent>) -> (Steady, Counts) {
        let mut engine = demo.open();
        let take = |(number, event)| stepped(&mut engine, std::slice::from_ref(event), number, 1);
        let said: Vec<_> = events.iter().enumerate().map(take).collect();
        let verdicts = said.iter().enumerate().flat_map(|(number, (published, _))| {
            let verdicts = published.iter().filter(|record| record.topic == Topic::Verdicts);
            verdicts.map(move |record| (number, serde_json::from_slice::<Recorded>(&record.value)))
        });
        let changes = verdicts.map(|(number, read)| (number, read.expect("a verdict reads back").changes));
        (Steady { changes: changes.collect(), said, events }, engine.counts().clone())
    }

    /// Fills a shard again as of a record and takes the next ones. Gives whether part of the log was skipped.
    fn assert_goes_on(&self, demo: &Demo, cut: usize) -> bool {
        let newest = self.events[cut - 1].appended_at.0;
        let after = |reach: i64| {
            self.events[..cut].partition_point(|event| event.appended_at < Timestamp(newest - reach))
        };
        let read = after(demo.installation.lookback().input_ms);
        let mut again = demo.open();
        if read > 0 {
            again.skip_before(Timestamp(newest - demo.installation.lookback().input_ms));
        }
        again.restore(&batch(&self.events[read..cut], read));
        let journal = after(demo.installation.lookback().verdicts_ms);
        for (number, changes) in self.changes.iter().filter(|(number, _)| (journal..cut).contains(number)) {
            again.shard_mut().fold(self.events[*number].at, changes.clone());
        }
        let until = (cut + 40).min(self.events.len());
        let (resumed, scores) = stepped(&mut again, &self.events[cut..until], cut, 1 + cut % 50);
        let (expected, expected_scores): (Vec<_>, Vec<_>) = self.said[cut..until].iter().cloned().unzip();
        let mut expected = expected.concat();
        expected.sort_by_key(|record| (record.topic, record.cause));
        for (resumed, expected) in resumed.iter().zip(&expected) {
            let words = |record: &Published| String::from_utf8_lossy(&record.value).into_owned();
            assert_eq!(words(resumed), words(expected), "filled again before {cut}, read from {read}");
        }
        assert_eq!(resumed, expected, "filled again before {cut}");
        assert_eq!(scores, expected_scores.concat(), "profile scores, filled again before {cut}");
        read > 0
    }
}

/// One purchase as the demo's feed has it.
fn bought(account: &str, id: &str, at: i64, amount: &str) -> Vec<u8> {
    let time = Timestamp(at);
    format!(
        r#"{{"id":"{id}","type":"purchase","time":"{time}","account":{{"id":"{account}","currency":"USD"}},"tx":{{"amount":"{amount}","channel":"pos","present":true}},"card":{{"id":"{account}k"}}}}"#
    )
    .into_bytes()
}

/// CARD-404 is about accounts without activity for 60 days or longer: however much longer.
#[test]
fn a_large_amount_on_a_dormant_account_is_found_however_long_it_slept() {
    let demo = Demo::new(Settings::new("demo"));
    let mut engine = demo.open();
    let mut records = Vec::new();
    let sleeps = [59i64, 61, 95, 300];
    for days in sleeps {
        records.push((NOON, bought(&format!("S{days}"), &format!("s{days}"), NOON, "20.00")));
        let wake = NOON + days * DAY;
        let login = format!(
            r#"{{"id":"l{days}","type":"login","time":"{}","account":{{"id":"S{days}"}}}}"#,
            Timestamp(wake - 60_000)
        );
        records.push((wake - 60_000, login.into_bytes()));
        records.push((wake, bought(&format!("S{days}"), &format!("wake{days}"), wake, "900.00")));
    }
    records.extend((1..310).map(|day| {
        let at = NOON + day * DAY;
        (at, bought("BUSY", &format!("b{day}"), at, "20.00"))
    }));
    records.sort();
    let mut found = Vec::new();
    for (number, (at, value)) in records.iter().enumerate() {
        let mut batch = Batch::new(ShardId { space: 0, partition: 0 });
        batch.push(number as i64, Some(Timestamp(*at)), b"k", value);
        let mut out = Outputs::default();
        engine.step(&batch, &NoSignals, &mut out);
        for record in published(&out).iter().filter(|record| record.topic == Topic::Alerts) {
            let alert = record.json();
            let rules = alert["rules"].as_array().unwrap();
            if rules.iter().any(|rule| rule["id"] == "CARD-404") {
                found.push(alert["event"]["id"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(found, ["wake61", "wake95", "wake300"]);
}

#[test]
fn the_shipped_pack_goes_on_byte_for_byte_after_filling_again() {
    let (mut cuts, mut skipped, mut verdicts, mut alerts) = (0, 0, 0, 0);
    // A few accounts for longer than is read back, more of them for shorter, and ledgers that are full.
    for (seed, accounts, days, rows_per_ledger) in [(1, 4, 320, 4_096), (2, 20, 50, 4_096), (3, 4, 320, 60)] {
        let lateness_ms = DAY / 4;
        let demo = Demo::new(Settings { lateness_ms, rows_per_ledger, ..Settings::new("demo") });
        let (steady, counts) = Steady::of(&demo, story(seed, accounts, days, lateness_ms));
        assert!(counts.add_up());
        assert!(counts.duplicates > 0 && counts.conflicts > 0 && counts.late > 0 && counts.dead_letters > 0);
        (verdicts, alerts) = (verdicts + counts.verdicts, alerts + counts.alerts);
        for number in 1..=340 {
            let cut = steady.events.len() * number / 341;
            skipped += usize::from(steady.assert_goes_on(&demo, cut));
            cuts += 1;
        }
    }
    println!(
        "{cuts} cuts, {skipped} of a part of the log; {verdicts} verdicts, {alerts} alerts in the stories"
    );
    assert!(cuts >= 1_000 && skipped > 100 && verdicts > 100 && alerts > 20);
}

/// The bits of an event's model score, `u64::MAX` where no model runs.
fn score_bits(results: &EventResults, result: &EventResult) -> u64 {
    results.scores(result).first().map_or(u64::MAX, |score| score.to_bits())
}
