//! Values that were mapped without an error and still look wrong: amounts in another unit, ids that do not tell events
//! apart, country codes of two alphabets, labels that never match. Each finding is a guess, with the figures it rests
//! on.

use super::record::Written;
use super::shown;
use crate::cli::text;
use crate::config::Config;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tripline_core::decode::{AmountForm, FieldMapping, FieldSource};
use tripline_core::event::Event;
use tripline_rules::money::Currency;
use tripline_rules::ruleset::{Described, describe_field};
use tripline_rules::schema::Kind;
use tripline_rules::value::Slot;

/// Records with a value from which on a field is looked at.
const VALUES_MIN: usize = 3;
/// The median of whole amounts, in major units, from which on they look like minor units.
const WHOLE_MEDIAN_MIN: f64 = 1_000.0;
/// Per cent of records that repeat another event's id.
const REPEATED_PERCENT_MIN: u64 = 5;
/// Values of a label column that are shown.
const LABEL_VALUES: usize = 4;

/// A field whose values look wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suspicion {
    pub field: String,
    pub message: String,
}

/// Observations of the accepted records of a sample.
pub struct Suspicions<'a> {
    config: &'a Config,
    amounts: BTreeMap<Slot, Amounts>,
    countries: BTreeMap<Slot, BTreeMap<Alphabet, String>>,
    labels: Labels,
}

#[derive(Default)]
struct Amounts {
    minor: Vec<f64>,
    currency: Option<Currency>,
    has_decimals: bool,
}

#[derive(Default)]
struct Labels {
    records: u64,
    matched: u64,
    values: BTreeSet<String>,
}

/// The pointer or column of one place.
fn place(field: &FieldMapping) -> Option<&String> {
    match &field.source {
        FieldSource::Pointer(place) | FieldSource::Column(place) => Some(&place.value),
        _ => None,
    }
}

/// How a country is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alphabet {
    Two,
    Three,
    Number,
    Other,
}

impl Alphabet {
    fn of(code: &str) -> Alphabet {
        let is = |length: usize, is_part: fn(&u8) -> bool| {
            code.len() == length && code.bytes().all(|b| is_part(&b))
        };
        match code {
            _ if is(2, u8::is_ascii_uppercase) => Alphabet::Two,
            _ if is(3, u8::is_ascii_uppercase) => Alphabet::Three,
            _ if is(3, u8::is_ascii_digit) => Alphabet::Number,
            _ => Alphabet::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Alphabet::Two => "two letters",
            Alphabet::Three => "three letters",
            Alphabet::Number => "three digits",
            Alphabet::Other => "in another way",
        }
    }
}

impl<'a> Suspicions<'a> {
    pub fn new(config: &'a Config) -> Suspicions<'a> {
        let (amounts, countries) = (BTreeMap::new(), BTreeMap::new());
        Suspicions { config, amounts, countries, labels: Labels::default() }
    }

    /// Looks at a record that was accepted, and at the event that it became.
    pub fn add(&mut self, written: &Written, event: &Event) {
        for field in &self.config.mapping.fields {
            // The place that has this record's value.
            let has_value = |field: &&FieldMapping| {
                place(field).and_then(|place| written.get(place)).is_some_and(|text| !text.is_empty())
            };
            let Some(field) = field.places().find(has_value) else { continue };
            match &self.config.schema().field(field.slot).kind {
                Kind::Money(_) if field.money.amount == AmountForm::Major => {
                    self.amount(field, written, event);
                }
                Kind::Text if self.config.schema().field(field.slot).name.ends_with("country") => {
                    if let Some(code) = event.texts.get(field.slot) {
                        let alphabets = self.countries.entry(field.slot).or_default();
                        alphabets.entry(Alphabet::of(code)).or_insert_with(|| shown::cut(code));
                    }
                }
                _ => {}
            }
        }
        if let Some(labels) = &self.config.mapping.labels {
            self.labels.records += 1;
            self.labels.matched += u64::from(event.label.is_some());
            let value = written.get(&labels.source.value).map_or("", String::as_str);
            if self.labels.values.len() < LABEL_VALUES {
                self.labels.values.insert(shown::cut(value));
            }
        }
    }

    fn amount(&mut self, field: &FieldMapping, written: &Written, event: &Event) {
        let kind = &self.config.schema().field(field.slot).kind;
        let value = describe_field(kind, field.slot, &event.registers, &event.texts);
        let Described::Money(minor, currency) = value else { return };
        let Some(place) = place(field) else { return };
        let amounts = self.amounts.entry(field.slot).or_default();
        amounts.has_decimals |= written.get(place).is_none_or(|text| text.contains(['.', ',']));
        amounts.currency = currency;
        amounts.minor.push(minor.abs());
    }

    /// What looks wrong; `conflicts` of the records repeat the id of an earlier event.
    pub fn found(mut self, records: u64, conflicts: u64) -> Vec<Suspicion> {
        let mut found = Vec::new();
        let name = |slot: Slot| self.config.schema().field(slot).name.clone();
        if records > 0 && conflicts * 100 >= records * REPEATED_PERCENT_MIN {
            let message = format!(
                "{conflicts} of {records} records repeat the id of an earlier event with other content: the place that \
                 is mapped does not tell events apart"
            );
            found.push(Suspicion { field: "event.id".to_owned(), message });
        }
        for (slot, amounts) in &mut self.amounts {
            let message = amounts.in_minor_units();
            found.extend(message.map(|message| Suspicion { field: name(*slot), message }));
        }
        found.extend(self.mixed_countries());
        found.extend(self.labels.never().map(|message| Suspicion { field: "labels".to_owned(), message }));
        found
    }

    /// Fields with country codes of two alphabets, and fields of one alphabet beside fields of another.
    fn mixed_countries(&self) -> Option<Suspicion> {
        let used: BTreeSet<Alphabet> =
            self.countries.values().flat_map(|codes| codes.keys().copied()).collect();
        if used.len() < 2 {
            return None;
        }
        let field = |slot: &Slot| self.config.schema().field(*slot).name.clone();
        let parts = self.countries.iter().flat_map(|(slot, codes)| {
            codes.iter().map(move |(alphabet, code)| format!("{} {} ({code})", field(slot), alphabet.name()))
        });
        let parts: Vec<String> = parts.collect();
        let message = format!(
            "country codes are written differently: {}. Such codes are never equal: map them to one alphabet with `values:`",
            parts.join(", ")
        );
        self.countries.keys().next().map(|slot| Suspicion { field: field(slot), message })
    }
}

impl Amounts {
    fn in_minor_units(&mut self) -> Option<String> {
        let currency = self.currency.filter(|currency| currency.exponent() > 0)?;
        if self.has_decimals || self.minor.len() < VALUES_MIN {
            return None;
        }
        self.minor.sort_unstable_by(f64::total_cmp);
        let median = self.minor[self.minor.len() / 2];
        let major = median / 10f64.powi(i32::from(currency.exponent()));
        (major >= WHOLE_MEDIAN_MIN).then(|| {
            format!(
                "no amount has decimals, and half of them are {} or more: if the feed sends minor units (cents), add \
                 `unit: minor`",
                text::money(shown::whole(median), currency.code())
            )
        })
    }
}

impl Labels {
    fn never(&self) -> Option<String> {
        if self.records == 0 || self.matched > 0 {
            return None;
        }
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        Some(format!(
            "no record has the value of `is:`, so no event gets a label; the column holds {}",
            values.join(", ")
        ))
    }
}
