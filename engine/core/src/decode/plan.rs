//! From a checked mapping to the steps of every record, for the fields that are wanted.

use super::capture::SourceId;
use super::checked::CheckedMapping;
use super::csv::CsvPlan;
use super::json::JsonPlan;
use super::mapping::Format;
use super::money::{CurrencyPlan, MoneyPlan};
use super::steps::{DirectField, FieldConversion, LabelPlan, REQUIRED, Required, Step, ValueSource};
use std::sync::Arc;
use tripline_rules::schema::{
    ACCOUNT_CURRENCY, ACCOUNT_ID, EVENT_ID, EVENT_REF, EVENT_TIME, EVENT_TYPE, TX_CURRENCY,
};
use tripline_rules::value::{Slot, TextKey};

/// How the records of one feed are read: compiled once from its mapping, and shared by all decoders of the feed.
#[derive(Clone, Debug)]
pub struct DecodePlan {
    /// The key of all hashes.
    pub(super) key: TextKey,
    pub(super) reader: ReaderPlan,
    pub(super) required: Vec<Required>,
    pub(super) steps: Vec<Step>,
    pub(super) label: Option<LabelPlan>,
    /// The account's currency of every record, where the mapping alone decides it.
    pub(super) account_currency: Option<u16>,
    /// By source: the first field that reads it.
    pub(super) slots: Vec<Option<Slot>>,
    /// By field: the pointers or columns that it is read from, in their order.
    places: Vec<(Slot, Option<SourceId>, String)>,
}

/// How records are checked and where their values are found.
#[derive(Clone, Debug)]
pub(super) enum ReaderPlan {
    Json(JsonPlan),
    Csv(Arc<CsvPlan>),
}

impl DecodePlan {
    /// A plan for the fields that are wanted.
    ///
    /// `wanted`: the fields that a rule reads or a row keeps. The id, type, time, account and reference of the event
    /// are always read, and currencies when an amount is. `texts`: the text fields whose text the event carries; those
    /// of its id and account are always carried. `key`: the key of all hashes.
    pub fn new(mapping: &CheckedMapping, wanted: &[Slot], texts: &[Slot], key: TextKey) -> DecodePlan {
        let CheckedMapping { format, names, paths, depth, exempt, slots, steps, label, account_currency } =
            mapping.clone();
        let mut steps = wanted_steps(steps, wanted, texts);
        let places = places(&steps, &names);
        let (reader, required) = match format {
            Format::Json => {
                let (required, direct) = direct_fields(&mut steps, label.as_ref());
                (ReaderPlan::Json(JsonPlan::new(&paths, depth, exempt, direct)), required)
            }
            Format::Csv { delimiter } => {
                (ReaderPlan::Csv(Arc::new(CsvPlan::new(delimiter, names, exempt))), Vec::new())
            }
        };
        DecodePlan { key, reader, required, steps, label, account_currency, slots, places }
    }

    /// The pointer or column that a field is read from, if the plan reads it from a record: that of one source, or
    /// all of them.
    pub fn place(&self, field: Slot, source: Option<SourceId>) -> Option<String> {
        let of_field = self.places.iter().filter(|(slot, ..)| *slot == field);
        let one = of_field.clone().find(|(_, from, _)| from.is_some() && *from == source);
        let all = || of_field.map(|(_, _, place)| place.as_str()).collect::<Vec<_>>().join(" or ");
        let place = one.map_or_else(all, |(_, _, place)| place.clone());
        (!place.is_empty()).then_some(place)
    }
}

fn places(steps: &[Step], names: &[String]) -> Vec<(Slot, Option<SourceId>, String)> {
    let place = |step: &Step| match step.source {
        ValueSource::Source(source) => Some((step.slot, Some(source), names[usize::from(source)].clone())),
        ValueSource::Pair(latitude, longitude) => {
            let [latitude, longitude] = [latitude, longitude].map(|source| &names[usize::from(source)]);
            Some((step.slot, None, format!("{latitude}, {longitude}")))
        }
        ValueSource::Constant(_) | ValueSource::RowNumber => None,
    };
    steps.iter().flat_map(Step::places).filter_map(place).collect()
}

/// The steps of the fields that are wanted, in the order of fields.
fn wanted_steps(mut steps: Vec<Step>, wanted: &[Slot], texts: &[Slot]) -> Vec<Step> {
    let money =
        |step: &Step| matches!(step.conversion, FieldConversion::Money(_)) && wanted.contains(&step.slot);
    let any_money = steps.iter().any(money);
    steps.retain(|step| {
        let currency = step.slot == ACCOUNT_CURRENCY || step.slot == TX_CURRENCY;
        let always = REQUIRED.contains(&step.slot) || step.slot == EVENT_REF;
        always || (any_money && currency) || wanted.contains(&step.slot)
    });
    steps.sort_by_key(|step| order(step.slot));
    for (order, step) in (0..).zip(&mut steps) {
        let carried = step.slot == EVENT_ID || step.slot == ACCOUNT_ID || texts.contains(&step.slot);
        let keep_text = carried && step.is_text();
        (step.order, step.keep_text) = (order, keep_text);
        for other in &mut step.others {
            (other.order, other.keep_text) = (order, keep_text);
        }
    }
    steps
}

/// Moves out of the steps the fields that a JSON reader converts where it finds them: no other field has their source,
/// and they depend on no other value. The required ones among them are also listed apart.
fn direct_fields(
    steps: &mut Vec<Step>,
    label: Option<&LabelPlan>,
) -> (Vec<Required>, Vec<(SourceId, DirectField)>) {
    let used = sources(steps, label);
    let only = |source: &SourceId| used.iter().filter(|used| *used == source).count() == 1;
    let (mut required, mut direct) = (Vec::new(), Vec::new());
    steps.retain(|step| {
        let Some((source, field)) = direct_field(step).filter(|(source, _)| only(source)) else {
            return true;
        };
        if step.required {
            required.push(Required { order: field.order, slot: field.slot, source });
        }
        direct.push((source, field));
        false
    });
    (required, direct)
}

/// The sources that are read, each as often as it is read.
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
    steps.iter().flat_map(Step::places).flat_map(of_step).chain(label.map(|label| label.source)).collect()
}

/// The field of a step that depends on nothing but its own value, with its source.
fn direct_field(step: &Step) -> Option<(SourceId, DirectField)> {
    match (&step.source, &step.conversion, &step.substitution) {
        (ValueSource::Source(source), FieldConversion::Value(conversion), None) if step.others.is_empty() => {
            let Step { order, slot, keep_text, .. } = *step;
            Some((*source, DirectField { order, slot, keep_text, conversion: conversion.clone() }))
        }
        _ => None,
    }
}

/// The order of fields, and so of the steps: what an event must have, what amounts depend on, the rest as in the
/// schema. A record with several errors is rejected for the first.
fn order(slot: Slot) -> (usize, Slot) {
    let first = [EVENT_TYPE, EVENT_ID, EVENT_TIME, ACCOUNT_ID, EVENT_REF, ACCOUNT_CURRENCY, TX_CURRENCY];
    (first.iter().position(|early| *early == slot).unwrap_or(first.len()), slot)
}
