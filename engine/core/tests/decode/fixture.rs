//! A small schema, a mapping of every kind of field, and a decoder with the event it fills.

use std::sync::Arc;
use tripline_core::batch::SourceRecord;
use tripline_core::decode::{
    CheckedMapping, CurrencySource, DecodePlan, Decoder, FieldMapping, FieldSource, Format, Mapping,
    MappingError, Reason, Reject,
};
use tripline_core::event::Event;
use tripline_rules::money::Currency;
use tripline_rules::schema::{Codes, CurrencyOf, Field, Kind, Schema};
use tripline_rules::value::{Slot, TextKey};

pub fn one_of(values: &[&str]) -> Kind {
    Kind::OneOf(Arc::new(Codes::new(values.iter().copied())))
}

/// The built-in fields and one of each other kind.
pub fn schema() -> Schema {
    let currencies = || Kind::OneOf(Arc::new(Codes::new(Currency::all().map(Currency::code))));
    let fields = [
        ("event.id", Kind::Text),
        ("event.type", one_of(&["purchase", "refund", "login", "label"])),
        ("event.time", Kind::Time),
        ("event.ref", Kind::Text),
        ("account.id", Kind::Text),
        ("tx.currency", currencies()),
        ("tx.amount", Kind::Money(CurrencyOf::Account)),
        ("tx.declined", Kind::Bool),
        ("tx.reversed", Kind::Bool),
        ("label.outcome", one_of(&["fraud", "genuine"])),
        ("account.currency", currencies()),
        ("merchant.name", Kind::Text),
        ("merchant.id", Kind::Text),
        ("tx.geo", Kind::Geo),
        ("tx.risk", Kind::Number),
        ("tx.took", Kind::Duration),
        ("tx.channel", one_of(&["pos", "ecom", "atm"])),
        ("account.opened", Kind::Time),
        ("card.limit", Kind::Money(CurrencyOf::Fixed(Currency::by_code("JPY").unwrap()))),
        ("account.balance", Kind::Money(CurrencyOf::Account)),
    ];
    let field =
        |(name, kind): (&str, Kind)| Field { name: name.into(), kind, doc: String::new(), iso8583: None };
    Schema::new(fields.into_iter().map(field).collect(), Vec::new(), Vec::new())
}

pub fn slot(name: &str) -> Slot {
    schema().slot(name).unwrap()
}

pub fn pointer(name: &str, place: &str) -> FieldMapping {
    FieldMapping::new(slot(name), FieldSource::Pointer(place.into()))
}

pub fn column(name: &str, place: &str) -> FieldMapping {
    FieldMapping::new(slot(name), FieldSource::Column(place.into()))
}

/// Id, type, time and account, and nothing else.
pub fn required() -> Vec<FieldMapping> {
    vec![
        pointer("event.id", "/id"),
        pointer("event.type", "/type"),
        pointer("event.time", "/time"),
        pointer("account.id", "/account"),
    ]
}

pub fn json(mut more: Vec<FieldMapping>) -> Mapping {
    let mut fields = required();
    fields.append(&mut more);
    Mapping::new(Format::Json, fields)
}

/// Most fields, from sources of several depths.
pub fn full() -> Mapping {
    let mut amount = pointer("tx.amount", "/amount/value");
    amount.money.currency = CurrencySource::From("/amount/currency".into());
    let geo = FieldSource::Pair { latitude: "/geo/lat".into(), longitude: "/geo/lon".into() };
    json(vec![
        amount,
        pointer("merchant.name", "/merchant/name"),
        pointer("merchant.id", "/merchant/id"),
        pointer("tx.risk", "/risk"),
        pointer("tx.declined", "/declined"),
        pointer("tx.channel", "/channel"),
        FieldMapping::new(slot("tx.geo"), geo),
    ])
}

/// A record of [`full`].
pub const FULL: &str = r#"{"id":"evt-1","type":"purchase","time":"2024-01-15T10:30:00Z","account":"acc-7","amount":{"value":57.16,"currency":"EUR"},"merchant":{"name":"Café Zoë","id":"m-1"},"risk":0.25,"declined":false,"channel":"pos","geo":{"lat":59.3293,"lon":18.0686},"note":"none"}"#;

/// A decoder and the event it fills.
pub struct Feed {
    plan: Arc<DecodePlan>,
    pub decoder: Decoder,
    pub event: Event,
}

impl Feed {
    pub fn new(mapping: &Mapping) -> Feed {
        Feed::try_new(mapping).unwrap()
    }

    /// Every field is wanted, and every text kept.
    pub fn try_new(mapping: &Mapping) -> Result<Feed, Vec<MappingError>> {
        let schema = schema();
        let all: Vec<Slot> = (0..20).map(Slot).collect();
        let plan = DecodePlan::new(&CheckedMapping::new(mapping, &schema)?, &all, &all, TextKey::default());
        let plan = Arc::new(plan);
        let decoder = Decoder::new(Arc::clone(&plan));
        Ok(Feed { plan, decoder, event: Event::new(schema.fields().len()) })
    }

    /// The place that a dead letter names.
    pub fn place(&self, reject: Reject) -> Option<String> {
        self.plan.place(reject.field?, reject.source)
    }

    pub fn decode(&mut self, record: impl AsRef<[u8]>) -> Result<(), Reject> {
        self.decoder.decode(record.as_ref(), SourceRecord { partition: 3, offset: 42 }, &mut self.event)
    }

    pub fn outcome(&mut self, record: impl AsRef<[u8]>) -> Result<(), Reason> {
        self.decode(record).map_err(|reject| reject.reason)
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.event.registers.number(slot(name))
    }

    pub fn word(&self, name: &str) -> Option<u64> {
        self.event.registers.get(slot(name))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.event.texts.get(slot(name))
    }
}

/// A record with the required fields and `more` behind them: `,"key":value`.
pub fn with(more: &str) -> String {
    format!(r#"{{"id":"e1","type":"login","time":"2024-01-15T10:30:00Z","account":"a1"{more}}}"#)
}
