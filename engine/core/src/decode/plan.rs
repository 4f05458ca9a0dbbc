//! From a mapping as configured to the steps that every record takes. All faults of a mapping are found at once.

use super::capture::{Raw, SourceId};
use super::convert::{Conversion, Table};
use super::csv::CsvPlan;
use super::json::JsonPlan;
use super::mapping::{
    CurrencySource, Fallback, FieldMapping, FieldSource, Format, Mapping, MappingError, TimeFormat,
};
use super::money::{CurrencyPlan, MoneyPlan, is_amount};
use super::time::TimeReader;
use crate::limits::{DEPTH_MAX, SOURCES_MAX};
use std::collections::BTreeSet;
use std::sync::Arc;
use tripline_rules::money::{CURRENCIES, currency};
use tripline_rules::schema::{
    ACCOUNT_CURRENCY, ACCOUNT_ID, CurrencyOf, EVENT_ID, EVENT_REF, EVENT_TIME, EVENT_TYPE, Kind,
    LABEL_OUTCOME, Schema, TX_CURRENCY,
};
use tripline_rules::value::{Slot, TextKey};

/// What every event must have; its steps come first.
pub(super) const REQUIRED: [Slot; 4] = [EVENT_TYPE, EVENT_ID, EVENT_TIME, ACCOUNT_ID];

/// A field that is read where its value is found: it is the only one to read that place, and needs nothing else.
#[derive(Clone, Debug)]
pub(super) struct DirectField {
    /// The place of the field in the order in which faults count.
    pub(super) order: usize,
    pub(super) slot: Slot,
    /// Whether the event keeps the text.
    pub(super) keep_text: bool,
    pub(super) conversion: Conversion,
}

impl DirectField {
    /// Whether it is a yes/no.
    #[inline]
    pub(super) fn is_bool(&self) -> bool {
        matches!(self.conversion, Conversion::Bool)
    }
}

/// A field that is read where its value is found, and without which a record is refused.
#[derive(Clone, Debug)]
pub(super) struct Required {
    pub(super) order: usize,
    pub(super) slot: Slot,
    pub(super) source: SourceId,
}

/// A field that is read once the record has been seen whole.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The place of the field in the order in which faults count.
    pub(super) order: usize,
    pub(super) slot: Slot,
    pub(super) source: ValueSource,
    pub(super) conversion: FieldConversion,
    /// Whether a record without it is refused.
    pub(super) required: bool,
    /// What is read instead of some values. Most fields have none of it.
    pub(super) substitution: Option<Box<Substitution>>,
    /// Whether the event keeps the text.
    pub(super) keep_text: bool,
}

/// What is read instead of some values of a field.
#[derive(Clone, Debug)]
pub(super) struct Substitution {
    /// Raw values and what they stand for; those of a one-of are in its table.
    pub(super) values: Vec<(String, String)>,
    /// What a value means that the field cannot have.
    pub(super) fallback: Fallback,
}

/// Where a step's value is from.
#[derive(Clone, Debug)]
pub(super) enum ValueSource {
    Source(SourceId),
    Constant(String),
    RowNumber,
    Pair(SourceId, SourceId),
}

/// How a step's value is read.
#[derive(Clone, Debug)]
pub(super) enum FieldConversion {
    Value(Conversion),
    Money(MoneyPlan),
    Location,
}

/// A record's own label.
#[derive(Clone, Debug)]
pub(super) struct LabelPlan {
    pub(super) source: SourceId,
    pub(super) equals: String,
    pub(super) outcome: u16,
    pub(super) after_ms: i64,
}

/// How records are checked and where their values are.
#[derive(Clone, Debug)]
pub(super) enum ReaderPlan {
    Json(JsonPlan),
    Csv(Arc<CsvPlan>),
}

/// How the records of one feed are read: compiled once from its mapping, and shared by all decoders of the feed.
#[derive(Clone, Debug)]
pub struct DecodePlan {
    /// The key of all hashes.
    pub(super) key: TextKey,
    pub(super) reader: ReaderPlan,
    pub(super) required: Vec<Required>,
    pub(super) steps: Vec<Step>,
    pub(super) label: Option<LabelPlan>,
    /// By source: the first field that reads it.
    pub(super) slots: Vec<Option<Slot>>,
}

/// A mapping on its way to a plan.
struct Planner<'a> {
    mapping: &'a Mapping,
    schema: &'a Schema,
    places: Vec<String>,
    paths: Vec<Vec<String>>,
    slots: Vec<Option<Slot>>,
    faults: Vec<MappingError>,
}

impl DecodePlan {
    /// Compiles a mapping.
    ///
    /// `wanted`: the fields that something reads or keeps; the id, type, time, account and reference of the event are
    /// read always, currencies wherever an amount is. `texts`: the text fields whose text the event carries; its id and
    /// account always do. `key`: the key of all hashes.
    ///
    /// # Errors
    /// Everything that is wrong with the mapping.
    pub fn compile(
        mapping: &Mapping,
        schema: &Schema,
        wanted: &[Slot],
        texts: &[Slot],
        key: TextKey,
    ) -> Result<DecodePlan, Vec<MappingError>> {
        let faults = Vec::new();
        let mut planner =
            Planner { mapping, schema, places: Vec::new(), paths: Vec::new(), slots: Vec::new(), faults };
        planner.check_fields();
        let steps: Vec<Step> = mapping.fields.iter().filter_map(|field| planner.step(field, texts)).collect();
        let label = planner.label();
        planner.check_delimiter();
        if !planner.faults.is_empty() {
            return Err(planner.faults);
        }
        let exempt = planner.exempt(&steps);
        let mut steps = wanted_steps(steps, wanted);
        let (reader, required) = match mapping.format {
            Format::Json => {
                let (required, at_once) = read_at_once(&mut steps, label.as_ref());
                (ReaderPlan::Json(JsonPlan::new(&planner.paths, exempt, at_once)), required)
            }
            Format::Csv { delimiter } => {
                let plan = CsvPlan::new(delimiter, planner.places, exempt);
                (ReaderPlan::Csv(Arc::new(plan)), Vec::new())
            }
        };
        Ok(DecodePlan { key, reader, required, steps, label, slots: planner.slots })
    }
}

/// The steps of the fields that are wanted, in the order in which they are taken.
fn wanted_steps(mut steps: Vec<Step>, wanted: &[Slot]) -> Vec<Step> {
    let money =
        |step: &Step| matches!(step.conversion, FieldConversion::Money(_)) && wanted.contains(&step.slot);
    let any_money = steps.iter().any(money);
    steps.retain(|step| {
        let currency = step.slot == ACCOUNT_CURRENCY || step.slot == TX_CURRENCY;
        let always = REQUIRED.contains(&step.slot) || step.slot == EVENT_REF;
        always || (any_money && currency) || wanted.contains(&step.slot)
    });
    steps.sort_by_key(|step| order(step.slot));
    (0..).zip(&mut steps).for_each(|(order, step)| step.order = order);
    steps
}

/// Takes from the steps those that a JSON reader takes itself: whose place nothing else reads, and which need nothing
/// but their value. Of these, those that a record must have are also given by themselves.
fn read_at_once(
    steps: &mut Vec<Step>,
    label: Option<&LabelPlan>,
) -> (Vec<Required>, Vec<(SourceId, DirectField)>) {
    let used = sources(steps, label);
    let only = |source: &SourceId| used.iter().filter(|used| *used == source).count() == 1;
    let (mut required, mut at_once) = (Vec::new(), Vec::new());
    steps.retain(|step| {
        let Some((source, plain)) = plain(step).filter(|(source, _)| only(source)) else { return true };
        if step.required {
            required.push(Required { order: plain.order, slot: plain.slot, source });
        }
        at_once.push((source, plain));
        false
    });
    (required, at_once)
}

/// The places that are read, each as often as it is.
fn sources(steps: &[Step], label: Option<&LabelPlan>) -> Vec<SourceId> {
    let of_step = |step: &Step| {
        let (first, second) = match step.source {
            ValueSource::Source(source) => (Some(source), None),
            ValueSource::Pair(latitude, longitude) => (Some(latitude), Some(longitude)),
            ValueSource::Constant(_) | ValueSource::RowNumber => (None, None),
        };
        let currency = match &step.conversion {
            FieldConversion::Money(MoneyPlan { currency: CurrencyPlan::Source(source, _), .. }) => {
                Some(*source)
            }
            _ => None,
        };
        [first, second, currency].into_iter().flatten()
    };
    steps.iter().flat_map(of_step).chain(label.map(|label| label.source)).collect()
}

/// A step that needs nothing but its value as it stands, and the value's place.
fn plain(step: &Step) -> Option<(SourceId, DirectField)> {
    match (&step.source, &step.conversion, &step.substitution) {
        (ValueSource::Source(source), FieldConversion::Value(conversion), None) => {
            let Step { order, slot, keep_text, .. } = *step;
            Some((*source, DirectField { order, slot, keep_text, conversion: conversion.clone() }))
        }
        _ => None,
    }
}

/// The order of the steps, and so which of several faults a record is refused for: what an event must have, what
/// amounts depend on, the rest as the schema has it.
fn order(slot: Slot) -> (usize, Slot) {
    let first = [EVENT_TYPE, EVENT_ID, EVENT_TIME, ACCOUNT_ID, EVENT_REF, ACCOUNT_CURRENCY, TX_CURRENCY];
    (first.iter().position(|early| *early == slot).unwrap_or(first.len()), slot)
}

impl Planner<'_> {
    fn name(&self, slot: Slot) -> String {
        self.schema.field(slot).name.clone()
    }

    fn fault(&mut self, fault: MappingError) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn check_fields(&mut self) {
        let mut mapped = BTreeSet::new();
        for field in &self.mapping.fields {
            if !mapped.insert(field.slot) {
                self.fault(MappingError::Twice(self.name(field.slot)));
            }
            let unreadable = field.fallback == Fallback::Missing;
            if unreadable && REQUIRED.contains(&field.slot) {
                self.fault(MappingError::Required(self.name(field.slot)));
            }
            let mut raws = BTreeSet::new();
            for (raw, _) in &field.values {
                if !raws.insert(raw) {
                    self.fault(MappingError::Repeated { field: self.name(field.slot), raw: raw.clone() });
                }
            }
        }
        for slot in REQUIRED.into_iter().filter(|slot| !mapped.contains(slot)) {
            self.fault(MappingError::Unmapped(self.name(slot)));
        }
    }

    /// The number of a place in the record.
    fn source(&mut self, place: &str, slot: Option<Slot>) -> SourceId {
        let at = self.places.iter().position(|known| known == place).unwrap_or_else(|| {
            if matches!(self.mapping.format, Format::Json) {
                let path = pointer(place);
                if path.is_none() {
                    self.fault(MappingError::Pointer(place.to_owned()));
                }
                self.paths.push(path.unwrap_or_default());
            }
            self.places.push(place.to_owned());
            self.slots.push(None);
            self.places.len() - 1
        });
        self.slots[at] = self.slots[at].or(slot);
        if at >= SOURCES_MAX {
            self.fault(MappingError::TooMany);
        }
        SourceId::try_from(at.min(SOURCES_MAX)).expect("far fewer than 65,536 sources")
    }

    fn value_source(&mut self, field: &FieldMapping) -> Option<ValueSource> {
        let is_geo = self.schema.field(field.slot).kind == Kind::Geo;
        let json = self.mapping.format == Format::Json;
        let fits = match &field.source {
            FieldSource::Pointer(_) => json && !is_geo,
            FieldSource::Column(_) => !json && !is_geo,
            FieldSource::Constant(_) => !is_geo,
            FieldSource::RowNumber => field.slot == EVENT_ID,
            FieldSource::Pair { .. } => is_geo,
        };
        if !fits {
            let from = match &field.source {
                FieldSource::Pointer(_) => "a pointer",
                FieldSource::Column(_) => "a column",
                FieldSource::Constant(_) => "a constant",
                FieldSource::RowNumber => "the row number",
                FieldSource::Pair { .. } => "a pair of latitude and longitude",
            };
            self.fault(MappingError::Source { field: self.name(field.slot), from });
            return None;
        }
        Some(match &field.source {
            FieldSource::Pointer(place) | FieldSource::Column(place) => {
                ValueSource::Source(self.source(place, Some(field.slot)))
            }
            FieldSource::Constant(text) => ValueSource::Constant(text.clone()),
            FieldSource::RowNumber => ValueSource::RowNumber,
            FieldSource::Pair { latitude, longitude } => ValueSource::Pair(
                self.source(latitude, Some(field.slot)),
                self.source(longitude, Some(field.slot)),
            ),
        })
    }

    fn step(&mut self, field: &FieldMapping, texts: &[Slot]) -> Option<Step> {
        let source = self.value_source(field)?;
        let conversion = self.conversion(field)?;
        self.check_values(field, &conversion);
        let in_table = matches!(conversion, FieldConversion::Value(Conversion::OneOf(_)));
        let printed = field.slot == EVENT_ID || field.slot == ACCOUNT_ID || texts.contains(&field.slot);
        let values = if in_table { Vec::new() } else { field.values.clone() };
        let fallback = field.fallback.clone();
        let substitution = (!values.is_empty() || fallback != Fallback::Reject)
            .then(|| Box::new(Substitution { values, fallback }));
        Some(Step {
            order: 0,
            slot: field.slot,
            source,
            conversion,
            required: REQUIRED.contains(&field.slot),
            substitution,
            keep_text: printed && self.schema.field(field.slot).kind == Kind::Text,
        })
    }

    fn conversion(&mut self, field: &FieldMapping) -> Option<FieldConversion> {
        let name = self.name(field.slot);
        let kind = self.schema.field(field.slot).kind.clone();
        let is_id = field.slot == EVENT_ID || field.slot == EVENT_REF || name.ends_with(".id");
        Some(match kind {
            Kind::Text if is_id => FieldConversion::Value(Conversion::Id),
            Kind::Text => FieldConversion::Value(Conversion::Text),
            Kind::Bool => FieldConversion::Value(Conversion::Bool),
            Kind::Number => FieldConversion::Value(Conversion::Number),
            Kind::Geo => FieldConversion::Location,
            Kind::Time => match TimeReader::new(&field.time) {
                Ok(reader) => FieldConversion::Value(Conversion::Time(reader)),
                Err(fault) => {
                    self.fault(fault);
                    return None;
                }
            },
            Kind::Duration => match field.time {
                TimeFormat::EpochSeconds => FieldConversion::Value(Conversion::Duration { places: 3 }),
                TimeFormat::EpochMillis => FieldConversion::Value(Conversion::Duration { places: 0 }),
                _ => {
                    self.fault(MappingError::Duration(name));
                    return None;
                }
            },
            Kind::OneOf(codes) => {
                let mapped =
                    field.values.iter().filter_map(|(raw, value)| Some((raw.clone(), codes.code(value)?)));
                let own = codes.values().iter().cloned().zip(0u16..);
                FieldConversion::Value(Conversion::OneOf(Table::new(mapped.chain(own))))
            }
            Kind::Money(of) => FieldConversion::Money(self.money(field, &of)?),
        })
    }

    fn money(&mut self, field: &FieldMapping, of: &CurrencyOf) -> Option<MoneyPlan> {
        let own = match of {
            CurrencyOf::Fixed(code) => Some(*code),
            CurrencyOf::Account => None,
        };
        let currency = match (&field.money.currency, own) {
            (CurrencySource::From(place), _) if self.is_account_currency(place) => CurrencyPlan::Account,
            (CurrencySource::From(place), _) => {
                let source = self.source(place, None);
                CurrencyPlan::Source(source, self.currencies(place))
            }
            (CurrencySource::Constant(code), _) => {
                let Some(number) = currency(code) else {
                    self.fault(MappingError::Currency(code.clone()));
                    return None;
                };
                if own.is_some_and(|own| own != number) {
                    let (field, currency) = (self.name(field.slot), code.clone());
                    self.fault(MappingError::OtherCurrency { field, currency });
                }
                CurrencyPlan::Fixed(number)
            }
            (CurrencySource::OfField, Some(own)) => CurrencyPlan::Fixed(own),
            (CurrencySource::OfField, None) => {
                if !self.mapping.fields.iter().any(|other| other.slot == ACCOUNT_CURRENCY) {
                    self.fault(MappingError::NoCurrency(self.name(field.slot)));
                }
                CurrencyPlan::Account
            }
        };
        Some(MoneyPlan { form: field.money.amount, currency, own })
    }

    /// Whether a currency from this place is the one that `account.currency` has been read as before.
    fn is_account_currency(&self, place: &str) -> bool {
        let from = |field: &FieldMapping| matches!(&field.source, FieldSource::Pointer(from) | FieldSource::Column(from) if from == place);
        let account =
            |field: &FieldMapping| field.slot == ACCOUNT_CURRENCY && field.fallback == Fallback::Reject;
        let fields = &self.mapping.fields;
        fields.iter().any(|field| from(field) && account(field))
            && !fields.iter().any(|field| from(field) && field.slot == TX_CURRENCY)
    }

    /// The currencies, and what the value maps of currency fields from the same place add.
    fn currencies(&self, place: &str) -> Table {
        let same = |field: &&FieldMapping| {
            let from = matches!(&field.source, FieldSource::Pointer(from) | FieldSource::Column(from) if from == place);
            from && (field.slot == TX_CURRENCY || field.slot == ACCOUNT_CURRENCY)
        };
        let values = self.mapping.fields.iter().filter(same).flat_map(|field| &field.values);
        let mapped = values.filter_map(|(raw, value)| Some((raw.clone(), currency(value)?)));
        Table::new(mapped.chain(CURRENCIES.iter().map(|known| known.code.to_owned()).zip(0u16..)))
    }

    /// Constants and mapped values must be values of the field.
    fn check_values(&mut self, field: &FieldMapping, conversion: &FieldConversion) {
        let mut written: Vec<&String> = field.values.iter().map(|(_, value)| value).collect();
        if let FieldSource::Constant(text) = &field.source {
            written.push(text);
        }
        if let Fallback::Constant(text) = &field.fallback {
            written.push(text);
        }
        for text in written {
            let valid = match (conversion, &self.schema.field(field.slot).kind) {
                // A raw value of the map is no value of the field.
                (_, Kind::OneOf(codes)) => codes.code(text).is_some(),
                (FieldConversion::Value(conversion), _) => {
                    conversion.read(Raw::constant(text), &mut String::new()).is_ok()
                }
                (FieldConversion::Money(_), _) => is_amount(text),
                (FieldConversion::Location, _) => false,
            };
            if !valid {
                self.fault(MappingError::Value { field: self.name(field.slot), value: text.clone() });
            }
        }
    }

    fn label(&mut self) -> Option<LabelPlan> {
        let label = self.mapping.labels.as_ref()?;
        let known = match &self.schema.field(LABEL_OUTCOME).kind {
            Kind::OneOf(codes) => codes.value(label.outcome).is_some(),
            _ => false,
        };
        if !known || label.after_ms < 0 {
            self.fault(MappingError::Label);
        }
        let source = self.source(&label.source, None);
        Some(LabelPlan {
            source,
            equals: label.equals.clone(),
            outcome: label.outcome,
            after_ms: label.after_ms,
        })
    }

    /// By source: times, money and the configured fields are exempt from the search for card numbers, unless another
    /// field reads the same place.
    fn exempt(&self, steps: &[Step]) -> Vec<bool> {
        let exempt = |step: &Step| {
            let kind = &self.schema.field(step.slot).kind;
            matches!(kind, Kind::Time | Kind::Money(_)) || self.mapping.pan_exempt.contains(&step.slot)
        };
        let reads = |step: &Step, source: usize| match step.source {
            ValueSource::Source(at) => usize::from(at) == source,
            ValueSource::Pair(a, b) => usize::from(a) == source || usize::from(b) == source,
            ValueSource::Constant(_) | ValueSource::RowNumber => false,
        };
        (0..self.places.len())
            .map(|source| {
                let mut readers = steps.iter().filter(|step| reads(step, source)).peekable();
                readers.peek().is_some() && readers.all(exempt)
            })
            .collect()
    }

    fn check_delimiter(&mut self) {
        let Format::Csv { delimiter } = self.mapping.format else { return };
        let is_end = matches!(delimiter, b'"' | b'\r' | b'\n');
        if !delimiter.is_ascii() || delimiter.is_ascii_digit() || is_end {
            self.fault(MappingError::Delimiter);
        }
    }
}

/// The keys of a JSON pointer (RFC 6901) of one to four.
fn pointer(text: &str) -> Option<Vec<String>> {
    let keys: Option<Vec<String>> = text.strip_prefix('/')?.split('/').map(unescaped).collect();
    keys.filter(|keys| keys.len() <= DEPTH_MAX)
}

fn unescaped(key: &str) -> Option<String> {
    let valid = key.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    valid.then(|| key.replace("~1", "/").replace("~0", "~"))
}
