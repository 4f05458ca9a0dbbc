//! The fields that rules can read: their kinds, and which of them rows keep.
//!
//! It does not depend on where a field is in a record: the mapping of the decoder defines that.

mod file;
mod gaps;

pub use file::{CODES_MAX, ENTITIES_MAX, FIELDS_MAX, Partial};
pub use gaps::SchemaGaps;

use crate::money::Currency;
use crate::value::Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Id of the event, unique within its type.
pub const EVENT_ID: Slot = Slot(0);
/// Type of the event: a one-of.
pub const EVENT_TYPE: Slot = Slot(1);
/// When the event happened.
pub const EVENT_TIME: Slot = Slot(2);
/// Id of the earlier event that this one amends or reports.
pub const EVENT_REF: Slot = Slot(3);
/// The account: the input's key.
pub const ACCOUNT_ID: Slot = Slot(4);
/// Currency of [`TX_AMOUNT`]: a one-of over [`Currency::all`].
pub const TX_CURRENCY: Slot = Slot(5);
/// Amount of the transaction.
pub const TX_AMOUNT: Slot = Slot(6);
/// Whether the transaction was declined.
pub const TX_DECLINED: Slot = Slot(7);
/// Whether the transaction was reversed.
pub const TX_REVERSED: Slot = Slot(8);
/// What a label says the referenced event turned out to be.
pub const LABEL_OUTCOME: Slot = Slot(9);
/// The account's own currency: a one-of like [`TX_CURRENCY`]. All money of an event in the account's currency is in it.
pub const ACCOUNT_CURRENCY: Slot = Slot(10);
/// Every schema holds the fields above, in this order.
pub const BUILT_IN_FIELDS: usize = 11;

/// A closed set of values.
#[derive(Debug, PartialEq, Eq)]
pub struct Codes {
    values: Vec<String>,
    index: BTreeMap<String, u16>,
    /// Codes of the values that records may have; `None` for all.
    listed: Option<BTreeSet<u16>>,
}

impl Codes {
    /// A closed set; a value's code is its position. Repeated values keep their first position.
    pub fn new<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Codes {
        let mut codes = Codes { values: Vec::new(), index: BTreeMap::new(), listed: None };
        for value in values {
            let value: String = value.into();
            if !codes.index.contains_key(&value) {
                let code = u16::try_from(codes.values.len())
                    .expect("schemas bound closed sets to far below 65,536 values");
                codes.index.insert(value.clone(), code);
                codes.values.push(value);
            }
        }
        codes
    }

    /// The code of a value.
    pub fn code(&self, value: &str) -> Option<u16> {
        self.index.get(value).copied()
    }

    /// The value of a code.
    pub fn value(&self, code: u16) -> Option<&str> {
        self.values.get(usize::from(code)).map(String::as_str)
    }

    /// The same set, of which records may have these values only. Codes stay.
    #[must_use]
    pub(crate) fn listing(mut self, values: &[String]) -> Codes {
        self.listed = Some(values.iter().filter_map(|value| self.code(value)).collect());
        self
    }

    /// The values that records may have, with their codes.
    pub fn listed(&self) -> impl Iterator<Item = (&str, u16)> {
        let is_listed = |code: &u16| self.listed.as_ref().is_none_or(|listed| listed.contains(code));
        self.values.iter().map(String::as_str).zip(0u16..).filter(move |(_, code)| is_listed(code))
    }

    /// All values in the order of their codes.
    pub fn values(&self) -> &[String] {
        &self.values
    }
}

/// The currency of a money field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CurrencyOf {
    /// The account's: `money in account.currency`. A record with another currency is a dead letter.
    Account,
    /// A fixed one: `money in EUR`.
    Fixed(Currency),
}

/// The kind of a value, which defines what its word means (see [`crate::value`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// yes/no.
    Bool,
    /// A number.
    Number,
    /// Money, in minor units.
    Money(CurrencyOf),
    /// One of a closed set.
    OneOf(Arc<Codes>),
    /// Open text, by its keyed hash.
    Text,
    /// A point in time.
    Time,
    /// A duration.
    Duration,
    /// A location.
    Geo,
}

/// One field of the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Dotted name, such as `tx.amount`.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// What it means, one line.
    pub doc: String,
    /// ISO 8583 data element, where there is one.
    pub iso8583: Option<&'static str>,
}

/// All fields of an installation.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    fields: Vec<Field>,
    names: BTreeMap<String, Slot>,
    keep: Vec<Slot>,
    entities: Vec<String>,
}

impl Schema {
    /// A schema from its fields: the built-in ones first, in their order, then the others.
    /// `keep`: the fields that every row holds, beside `event.type` and `event.time`.
    ///
    /// # Panics
    /// When a built-in field is not at its place or a name occurs twice.
    pub fn new(fields: Vec<Field>, keep: Vec<Slot>, entities: Vec<String>) -> Schema {
        const BUILT_IN: [&str; BUILT_IN_FIELDS] = [
            "event.id",
            "event.type",
            "event.time",
            "event.ref",
            "account.id",
            "tx.currency",
            "tx.amount",
            "tx.declined",
            "tx.reversed",
            "label.outcome",
            "account.currency",
        ];
        for (at, name) in BUILT_IN.iter().enumerate() {
            assert_eq!(fields[at].name, *name, "built-in field {at}");
        }
        let names: BTreeMap<String, Slot> =
            (0u16..).zip(&fields).map(|(at, field)| (field.name.clone(), Slot(at))).collect();
        assert_eq!(names.len(), fields.len(), "field names are unique");
        let keep = keep.into_iter().filter(|slot| *slot != EVENT_TYPE && *slot != EVENT_TIME).collect();
        Schema { fields, names, keep, entities }
    }

    /// All fields; a field's slot is its position.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The field in a slot.
    pub fn field(&self, slot: Slot) -> &Field {
        &self.fields[slot.index()]
    }

    /// The slot of a name.
    pub fn slot(&self, name: &str) -> Option<Slot> {
        self.names.get(name).copied()
    }

    /// The fields that rows hold beside type and time, in row order.
    pub fn keep(&self) -> &[Slot] {
        &self.keep
    }

    /// Entities with a key space of their own, beside the account.
    pub fn entities(&self) -> &[String] {
        &self.entities
    }

    /// The closed set of event types.
    pub fn event_types(&self) -> &Arc<Codes> {
        match &self.field(EVENT_TYPE).kind {
            Kind::OneOf(codes) => codes,
            other => unreachable!("event.type is a one-of, not {other:?}"),
        }
    }

    /// The event types that amend the row of the event they refer to, each with the field that it amends.
    pub fn amending(&self) -> impl Iterator<Item = (u16, Slot)> {
        let types = [("outcome", TX_DECLINED), ("reversal", TX_REVERSED), ("clearing", TX_AMOUNT)];
        types.into_iter().filter_map(|(name, slot)| Some((self.event_types().code(name)?, slot)))
    }
}
