//! A small schema, events over it, and the plan of a test.

use std::collections::BTreeMap;
use std::sync::Arc;
use tripline_core::batch::Timestamp;
use tripline_core::event::Reference;
use tripline_core::fact::FactMarks;
use tripline_core::ledger::{Arrival, Inserted, LedgerLimits, Ledgers, RowRef};
use tripline_rules::aggregate::{Aggregate, AggregatePlan, FactSet, KeySpace, Lane, Op, TagId, Tags};
use tripline_rules::schema::{
    ACCOUNT_CURRENCY, ACCOUNT_ID, Codes, CurrencyOf, EVENT_TIME, EVENT_TYPE, Field, Kind, Schema, TX_AMOUNT,
    TX_DECLINED,
};
use tripline_rules::value::{Registers, Slot};

pub const MCC: Slot = Slot(11);
pub const DEVICE: Slot = Slot(12);
pub const RISK: Slot = Slot(13);
pub const FACTS: u16 = 14;

pub const PURCHASE: u16 = 0;
pub const LOGIN: u16 = 1;
pub const LABEL: u16 = 2;

/// Rows: time and type, and amount, declined, mcc (one-of), device (text), risk (number).
pub fn schema() -> Schema {
    let types = Kind::OneOf(Arc::new(Codes::new(["purchase", "login", "label"])));
    let currencies = Kind::OneOf(Arc::new(Codes::new(["EUR", "USD"])));
    let money = Kind::Money(CurrencyOf::Account);
    let fields = [
        ("event.id", Kind::Text),
        ("event.type", types),
        ("event.time", Kind::Time),
        ("event.ref", Kind::Text),
        ("account.id", Kind::Text),
        ("tx.currency", currencies.clone()),
        ("tx.amount", money),
        ("tx.declined", Kind::Bool),
        ("tx.reversed", Kind::Bool),
        ("label.outcome", Kind::OneOf(Arc::new(Codes::new(["fraud", "genuine"])))),
        ("account.currency", currencies),
        ("merchant.mcc", Kind::OneOf(Arc::new(Codes::new(["grocery", "fuel", "games", "travel", "other"])))),
        ("device.id", Kind::Text),
        ("tx.risk", Kind::Number),
    ];
    let fields =
        fields.map(|(name, kind)| Field { name: name.to_owned(), kind, doc: String::new(), iso8583: None });
    Schema::new(fields.to_vec(), vec![TX_AMOUNT, TX_DECLINED, MCC, DEVICE, RISK], Vec::new())
}

/// An event of a test; amounts in minor units, risk in units of 10⁻⁶.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub key: u128,
    pub at: i64,
    pub event_type: u16,
    pub id: u64,
    pub amount: Option<i64>,
    pub declined: Option<bool>,
    pub mcc: Option<u64>,
    pub device: Option<u64>,
    pub risk: Option<i64>,
    /// Of the amount; an event with an amount has one.
    pub currency: Option<u64>,
    pub is_follow_up: bool,
}

/// A purchase of nothing in particular.
pub fn purchase(at: i64, id: u64, amount: i64) -> Event {
    let amount = Some(amount);
    Event {
        key: 1,
        at,
        event_type: PURCHASE,
        id,
        amount,
        declined: None,
        mcc: None,
        device: None,
        risk: None,
        currency: Some(0),
        is_follow_up: false,
    }
}

impl Event {
    pub fn load(&self, registers: &mut Registers) {
        registers.clear();
        registers.set(EVENT_TYPE, self.event_type.into());
        registers.set_number(EVENT_TIME, self.at as f64);
        registers.put(TX_AMOUNT, self.amount.map(|minor| (minor as f64).to_bits()));
        registers.put(TX_DECLINED, self.declined.map(u64::from));
        registers.put(MCC, self.mcc);
        registers.put(DEVICE, self.device);
        registers.put(RISK, self.risk.map(|micro| (micro as f64 / 1e6).to_bits()));
        registers.put(ACCOUNT_CURRENCY, self.currency);
    }
}

/// The conditions of all tests, by tag: an amount of at least 50.00; declined; neither fuel nor unknown; always.
/// From tag 4 on they repeat, so that tags fill more than one word.
pub fn condition(tag: usize, event: &Event) -> bool {
    match tag % 4 {
        0 => event.amount.is_some_and(|minor| minor >= 5_000),
        1 => event.declined == Some(true),
        2 => event.mcc.is_some_and(|code| code != 1),
        _ => true,
    }
}

/// The same conditions over registers, as a program finds them.
pub fn tags_of(registers: &Registers, tags: usize) -> Tags {
    let mut held = Tags::default();
    for tag in 0..tags {
        let holds = match tag % 4 {
            0 => registers.number(TX_AMOUNT).is_some_and(|minor| minor >= 5_000.0),
            1 => registers.get(TX_DECLINED) == Some(1),
            2 => registers.get(MCC).is_some_and(|code| code != 1),
            _ => true,
        };
        if holds {
            held.set(TagId(u8::try_from(tag).unwrap()));
        }
    }
    held
}

/// An aggregate of the whole ledger that leaves out nothing.
pub fn aggregate(op: Op, value: Option<Slot>) -> Aggregate {
    Aggregate {
        name: String::new(),
        op,
        value,
        value_kind: if value == Some(TX_AMOUNT) { Kind::Money(CurrencyOf::Account) } else { Kind::Number },
        lane: 0,
        over: None,
        delay: 0,
        filter: None,
        include_current: true,
        follow_ups: false,
        at_least: 0,
        slot: Slot(FACTS),
        kind: Kind::Number,
    }
}

/// A plan of these aggregates, each with a register of its own. Lanes: all, device, device and mcc.
pub fn plan(mut aggregates: Vec<Aggregate>, tags: usize) -> AggregatePlan {
    for (slot, aggregate) in (FACTS..).zip(&mut aggregates) {
        aggregate.slot = Slot(slot);
    }
    let lane = |fields: &[Slot]| Lane { fields: fields.to_vec() };
    AggregatePlan {
        space: KeySpace { entity: "account".to_owned(), key: ACCOUNT_ID },
        lanes: vec![lane(&[]), lane(&[DEVICE]), lane(&[DEVICE, MCC])],
        tags,
        aggregates,
        populations: Vec::new(),
        coverages: Vec::new(),
        look_back: 0,
    }
}

/// Limits that bound nothing a small test reaches.
pub fn limits() -> LedgerLimits {
    LedgerLimits {
        rows_per_ledger: 4096,
        keys: usize::MAX,
        bytes: usize::MAX,
        totals_threshold: usize::MAX,
        retention: 90 * 86_400_000,
        lateness: 3_600_000,
    }
}

/// Ledgers with the registers of a caller.
pub struct Bank {
    pub ledgers: Ledgers,
    pub plan: AggregatePlan,
    pub registers: Registers,
    pub watermark: i64,
}

/// A fact's word, or missing, and whether it is approximate.
pub type Answer = (Option<u64>, bool);

impl Bank {
    pub fn new(plan: AggregatePlan, limits: LedgerLimits) -> Bank {
        let registers = Registers::new(usize::from(FACTS) + plan.aggregates.len());
        Bank { ledgers: Ledgers::new(&plan, &schema(), limits), plan, registers, watermark: i64::MIN }
    }

    /// The row of a key that a reference without a type means.
    pub fn find(&self, key: u128, id: u64) -> Option<RowRef> {
        self.ledgers.find(key, Reference { id, event_type: None })
    }

    pub fn insert(&mut self, event: &Event, inherited: &[Slot]) -> Inserted {
        event.load(&mut self.registers);
        self.watermark = self.watermark.max(event.at);
        let tags = tags_of(&self.registers, self.plan.tags);
        let (key, at, event_type, id) = (event.key, Timestamp(event.at), event.event_type, event.id);
        let is_follow_up = event.is_follow_up;
        let arrival = Arrival { key, at, event_type, id, is_follow_up, inherited };
        self.ledgers.insert(&arrival, &self.registers, tags, Timestamp(self.watermark))
    }

    pub fn facts(&mut self, row: RowRef, want: &FactSet) -> Vec<Answer> {
        let mut marks = FactMarks::default();
        let gone = self.ledgers.gone(row);
        self.ledgers.facts(row, gone, want, &mut self.registers, &mut marks);
        let answer = |index: usize| {
            (self.registers.get(self.plan.aggregates[index].slot), marks.approximate.has(index))
        };
        (0..self.plan.aggregates.len()).map(answer).collect()
    }

    /// Inserts a new event and computes all facts.
    pub fn take(&mut self, event: &Event) -> Vec<Answer> {
        match self.insert(event, &[]) {
            Inserted::New { row, .. } => self.facts(row, &FactSet::first(self.plan.aggregates.len())),
            other => panic!("{event:?} is new, not {other:?}"),
        }
    }

    /// The first fact of a new event, as a number.
    pub fn first(&mut self, event: &Event) -> Option<f64> {
        self.take(event)[0].0.map(f64::from_bits)
    }
}

/// The rows of each key, oldest first: time, id, all kept fields.
pub type Contents = BTreeMap<u128, Vec<(i64, u64, Registers)>>;

/// What a bank's ledgers hold.
pub fn contents(bank: &Bank) -> Contents {
    let mut contents = Contents::new();
    bank.ledgers.for_each_row(&mut Registers::new(bank.registers.len()), |row| {
        contents.entry(row.key).or_default().push((row.at.0, row.id, row.registers.clone()));
    });
    contents
}
