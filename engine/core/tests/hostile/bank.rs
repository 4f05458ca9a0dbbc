//! The engine of these tests: a schema, a pack and a mapping of every kind of field, and what comes out.

use std::sync::{Arc, OnceLock};
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::counts::Counts;
use tripline_core::decode::{
    AmountForm, CurrencySource, FieldMapping, FieldSource, Format, Mapping, MoneyForm, TimeFormat,
};
use tripline_core::installation::Installation;
use tripline_core::outputs::{Outputs, Topic, header};
use tripline_core::results::{Collect, EventResults};
use tripline_core::settings::Settings;
use tripline_core::signals::NoSignals;
use tripline_core::spaces::Spaces;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

/// 2024-03-01T12:00:00Z.
pub const NOON: i64 = 1_709_294_400_000;
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// A number that schemes publish for testing; no card has it.
pub const CARD: &str = "4111111111111111";

/// A compiled pack and the fields it is about.
pub struct House {
    pub schema: Arc<Schema>,
    pub ruleset: Arc<Ruleset>,
}

/// The house of these tests.
pub fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let overflow = format!("(tx.risk_points{})", " * 1000000000000".repeat(26));
        let (schema, ruleset) = compiled(&include_str!("pack.yaml").replace("OVERFLOW", &overflow));
        House {
            schema: Arc::new(schema),
            ruleset: Arc::new(ruleset.unwrap_or_else(|errors| panic!("{errors}"))),
        }
    })
}

/// A pack against the schema of these tests, or its errors as an analyst sees them.
pub fn compiled(pack: &str) -> (Schema, Result<Ruleset, String>) {
    let (schema, errors) = Schema::load(&File::new("schema.yaml", include_str!("schema.yaml")));
    let schema = schema.unwrap_or_else(|| panic!("{}", errors.render(Paint::Plain)));
    let no_list = |_: &str| Err(String::new());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &no_list };
    let (ruleset, errors) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
    (schema, ruleset.ok_or_else(|| errors.render(Paint::Plain)))
}

/// Where the fields sit: JSON pointers and, under the same names without the slash, CSV columns.
const PLACES: [(&str, &str); 12] = [
    ("event.id", "id"),
    ("event.type", "type"),
    ("event.time", "time"),
    ("event.ref", "ref"),
    ("account.id", "account"),
    ("tx.amount", "amount"),
    ("tx.risk_points", "points"),
    ("account.opened", "opened"),
    ("account.balance", "balance"),
    ("device.id", "device"),
    ("merchant.id", "merchant"),
    ("merchant.name", "name"),
];

/// The mapping of these tests.
pub fn mapping(format: Format) -> Mapping {
    let schema = &house().schema;
    let fields = PLACES.map(|(name, place)| {
        let source = match format {
            Format::Json => FieldSource::Pointer(format!("/{place}").into()),
            Format::Csv { .. } => FieldSource::Column(place.into()),
        };
        let mut field = FieldMapping::new(schema.slot(name).expect("a field of the schema"), source);
        field.time = TimeFormat::EpochMillis;
        if name == "tx.amount" || name == "account.balance" {
            let currency = CurrencySource::Constant("EUR".into());
            field.money = MoneyForm { amount: AmountForm::Minor, currency, ..field.money };
        }
        field
    });
    Mapping::new(format, fields.to_vec())
}

/// A day of lateness, a day of memory, everything collected.
pub fn settings() -> Settings {
    Settings { features: true, topic: "hostile.events".to_owned(), ..Settings::new("hostile") }
}

/// One record that went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub topic: Topic,
    pub cause: i64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
}

impl Published {
    pub fn reason(&self) -> Option<&str> {
        self.headers.iter().find(|(name, _)| *name == header::ERROR_REASON).map(|(_, reason)| reason.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.value).expect("alerts and verdicts are JSON")
    }
}

/// What went out, in order.
pub fn published(out: &Outputs) -> Vec<Published> {
    let published = out.records.iter().map(|output| Published {
        topic: output.topic,
        cause: output.cause,
        key: out.key(output).to_vec(),
        value: out.value(output).to_vec(),
        headers: out.headers(output).to_vec(),
    });
    published.collect()
}

/// All key spaces, fed record by record.
pub struct Bank {
    spaces: Spaces,
    next: i64,
    pub results: EventResults,
}

impl Bank {
    pub fn new() -> Bank {
        Bank::with(mapping(Format::Json), settings())
    }

    pub fn with(mapping: Mapping, settings: Settings) -> Bank {
        let House { schema, ruleset } = house();
        let installation = Installation::compile(schema, ruleset, &mapping, settings);
        let spaces = Spaces::new(&Arc::new(installation.expect("the mapping fits")));
        Bank { spaces, next: 0, results: EventResults::new(Collect::Features) }
    }

    pub fn set_header(&mut self, line: &[u8]) {
        self.spaces.set_header(line).expect("a header");
    }

    /// Takes one record, appended at a time; gives what went out because of it.
    pub fn take(&mut self, appended: i64, key: &[u8], value: &[u8]) -> Vec<Published> {
        let mut batch = Batch::new(ShardId::account(0));
        batch.push(self.next, Some(Timestamp(appended)), key, value);
        self.next += 1;
        let mut out = Outputs::default();
        self.results.clear();
        self.spaces.step(&batch, &mut out, &mut self.results);
        published(&out)
    }

    /// The verdict on one JSON record of noon: the reason of its dead letter, or none when it became a row.
    pub fn verdict(&mut self, record: &str) -> Option<String> {
        let rows = self.counts().rows;
        let published = self.take(NOON, b"a", record.as_bytes());
        let letter = published.iter().find(|record| record.topic == Topic::DeadLetters);
        assert_eq!(letter.is_none(), self.counts().rows == rows + 1, "{record:.200}");
        letter.and_then(Published::reason).map(str::to_owned)
    }

    /// A feature of the record taken last; NaN is missing.
    pub fn feature(&self, name: &str) -> f64 {
        let at =
            house().ruleset.features().iter().position(|feature| feature.name == name).expect("a feature");
        let line = self.results.rows().last().expect("the record became a row");
        self.results.features(line)[at]
    }

    pub fn counts(&self) -> Counts {
        self.spaces.counts()
    }

    pub fn engine(&self) -> &AccountShard {
        self.spaces.accounts().next().expect("one partition").1
    }
}

/// A shard alone, as `run` keeps it.
pub fn engine(settings: &Settings) -> AccountShard {
    let House { schema, ruleset } = house();
    let installation = Installation::compile(schema, ruleset, &mapping(Format::Json), settings.clone());
    AccountShard::new(&Arc::new(installation.expect("the mapping fits")))
}

/// Everything that comes out of a shard when records are taken in batches of this length.
pub fn stepped(engine: &mut AccountShard, records: &[(i64, i64, String)], at_once: usize) -> Vec<Published> {
    let mut all = Vec::new();
    for records in records.chunks(at_once) {
        let mut out = Outputs::default();
        engine.step(&batch(records), &NoSignals, &mut out);
        all.extend(published(&out));
    }
    all.sort_by_key(|record| (record.topic, record.cause));
    all
}

/// Records as (offset, append time, value).
pub fn batch(records: &[(i64, i64, String)]) -> Batch {
    let mut batch = Batch::new(ShardId::account(0));
    for (offset, appended, value) in records {
        batch.push(*offset, Some(Timestamp(*appended)), b"key", value.as_bytes());
    }
    batch
}

/// A purchase of an account at a time, with more keys behind: `,"key":value`.
pub fn purchase(account: &str, id: &str, at: i64, more: &str) -> String {
    format!(r#"{{"id":"{id}","type":"purchase","time":{at},"account":"{account}"{more}}}"#)
}
