//! Where the fields sit in the laws' records, and the two packs compiled once.

use crate::oracle::LABEL_AFTER;
use std::sync::{Arc, OnceLock};
use tripline_core::decode::{
    CurrencySource, Fallback, FieldMapping, FieldSource, Format, LabelMapping, Mapping, TimeFormat,
};
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::File;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{Kind, Schema};
use tripline_rules::value::TextKey;

const SCHEMA: &str = include_str!("schema.yaml");
const ACCOUNT_PACK: &str = include_str!("pack.yaml");
const TERMINAL_PACK: &str = include_str!("terminals.yaml");
const RISKY_MCC: &str = include_str!("risky_mcc.csv");

/// What every stream runs with.
pub(crate) struct Installed {
    pub schema: Arc<Schema>,
    /// Both packs.
    pub all: Arc<Ruleset>,
    /// The account's pack alone.
    pub account: Arc<Ruleset>,
    pub mapping: Mapping,
    /// The same for records that tell of their frauds.
    pub labelled: Mapping,
}

/// The schema, packs and mapping of the laws.
pub(crate) fn installed() -> &'static Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| Installed::under(SCHEMA))
}

impl Installed {
    /// The same packs and mapping under another schema.
    pub(crate) fn under(schema: &str) -> Installed {
        let (schema, problems) = Schema::load(&File::new("schema.yaml", schema));
        let schema = schema.unwrap_or_else(|| panic!("{problems:?}"));
        let account = File::new("pack.yaml", ACCOUNT_PACK);
        let terminal = File::new("terminals.yaml", TERMINAL_PACK);
        Installed {
            all: compiled(&[account.clone(), terminal], &schema),
            account: compiled(&[account], &schema),
            mapping: mapping(&schema, None),
            labelled: mapping(&schema, Some(labels(&schema))),
            schema: Arc::new(schema),
        }
    }
}

fn compiled(packs: &[File], schema: &Schema) -> Arc<Ruleset> {
    let list = |path: &str| match path {
        "risky_mcc.csv" => Ok(RISKY_MCC.to_owned()),
        other => Err(format!("no list {other}")),
    };
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    let (ruleset, errors) = Ruleset::compile(packs, schema, &options);
    Arc::new(ruleset.unwrap_or_else(|| panic!("{errors:?}")))
}

const PLACES: [(&str, &str); 17] = [
    ("event.id", "/id"),
    ("event.type", "/kind"),
    ("event.time", "/t"),
    ("event.ref", "/ref"),
    ("account.id", "/account"),
    ("tx.amount", "/amount"),
    ("tx.declined", "/declined"),
    ("tx.channel", "/channel"),
    ("tx.risk_points", "/points"),
    ("card.id", "/card"),
    ("device.id", "/device"),
    ("terminal.id", "/terminal"),
    ("merchant.id", "/merchant/id"),
    ("merchant.mcc", "/merchant/mcc"),
    ("merchant.country", "/merchant/country"),
    ("payee.id", "/payee"),
    ("label.outcome", "/outcome"),
];

fn labels(schema: &Schema) -> LabelMapping {
    let slot = schema.slot("label.outcome").expect("built in");
    let Kind::OneOf(outcomes) = &schema.field(slot).kind else { panic!("an outcome is one of a closed set") };
    LabelMapping {
        source: "/reported".into(),
        equals: "fraud".to_owned(),
        outcome: outcomes.code("fraud").expect("an outcome"),
        after_ms: LABEL_AFTER,
    }
}

fn mapping(schema: &Schema, labels: Option<LabelMapping>) -> Mapping {
    let fields = PLACES.iter().map(|(name, place)| {
        let slot = schema.slot(name).unwrap_or_else(|| panic!("the schema has {name}"));
        let mut field = FieldMapping::new(slot, FieldSource::Pointer((*place).into()));
        match *name {
            "event.type" => field.values = vec![("cash".into(), "cash_withdrawal".into())],
            "event.time" => field.time = TimeFormat::EpochMillis,
            "tx.amount" => {
                field.money.currency = CurrencySource::Constant("EUR".into());
            }
            _ => field.fallback = Fallback::Reject,
        }
        field
    });
    Mapping { labels, ..Mapping::new(Format::Json, fields.collect()) }
}
