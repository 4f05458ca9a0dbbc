//! How often each mapped field was missing in a sample, in all and by event type. It does not depend on how events were
//! decoded.

use crate::cli::places::MappedField;
use crate::cli::text::grouped;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use tripline_core::event::Event;
use tripline_rules::schema::Codes;

/// Event types that are named as always without a field.
const TYPES_MAX: usize = 4;

/// Counts over the events of a sample.
pub struct Missing {
    /// Events by the code of their type.
    events: BTreeMap<u16, u64>,
    /// By field, in the order of the mapping: events without it by the code of their type.
    fields: Vec<BTreeMap<u16, u64>>,
}

/// A field that some events lack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingField {
    pub field: String,
    pub events: u64,
    pub missing: u64,
    /// Events of each type: those without the field, and all.
    pub by_type: BTreeMap<String, (u64, u64)>,
}

impl Missing {
    pub fn new(fields: &[MappedField]) -> Missing {
        Missing { events: BTreeMap::new(), fields: vec![BTreeMap::new(); fields.len()] }
    }

    /// Counts an event that was decoded with all mapped fields wanted.
    pub fn add(&mut self, fields: &[MappedField], event: &Event) {
        *self.events.entry(event.event_type).or_default() += 1;
        for (field, missing) in fields.iter().zip(&mut self.fields) {
            if !event.registers.is_known(field.slot) {
                *missing.entry(event.event_type).or_default() += 1;
            }
        }
    }

    /// The fields that were missing anywhere.
    pub fn found(self, fields: &[MappedField], types: &Codes) -> Vec<MissingField> {
        let events = self.events.values().sum();
        let field = |(field, missing): (&MappedField, BTreeMap<u16, u64>)| MissingField {
            field: field.name.clone(),
            events,
            missing: missing.values().sum(),
            by_type: missing
                .iter()
                .map(|(code, missing)| {
                    (types.value(*code).unwrap_or_default().to_owned(), (*missing, self.events[code]))
                })
                .collect(),
        };
        fields.iter().zip(self.fields).map(field).filter(|field| field.missing > 0).collect()
    }
}

impl MissingField {
    /// `tx.geo: missing in 83 % of 10,000 records (always in login; purchase 5 %)`. Whole per cent, rounded down, but
    /// at least `under 1 %`. A field that all events lack has no list.
    pub fn line(&self) -> String {
        let MissingField { field, missing, events, by_type } = self;
        let mut line =
            format!("{field}: missing in {} of {} records", percent(*missing, *events), grouped(*events));
        if missing < events {
            let (always, partly): (Vec<_>, Vec<_>) =
                by_type.iter().partition(|(_, (missing, all))| missing == all);
            let mut parts = Vec::new();
            if !always.is_empty() {
                let names: Vec<&str> = always.iter().map(|(name, _)| name.as_str()).take(TYPES_MAX).collect();
                let more = always.len().saturating_sub(TYPES_MAX);
                let more = match more {
                    0 => String::new(),
                    1 => " and 1 more type".to_owned(),
                    more => format!(" and {more} more types"),
                };
                parts.push(format!("always in {}{more}", names.join(", ")));
            }
            parts.extend(
                partly.iter().map(|(name, (missing, all))| format!("{name} {}", percent(*missing, *all))),
            );
            let _ = write!(line, " ({})", parts.join("; "));
        }
        line
    }
}

fn percent(part: u64, of: u64) -> String {
    match part * 100 / of.max(1) {
        0 if part > 0 => "under 1 %".to_owned(),
        percent => format!("{percent} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_per_cent_and_by_type() {
        let by_type = [("login".to_owned(), (300, 300)), ("purchase".to_owned(), (1, 700))].into();
        let field = MissingField { field: "tx.geo".to_owned(), events: 1_000, missing: 301, by_type };
        assert_eq!(
            field.line(),
            "tx.geo: missing in 30 % of 1,000 records (always in login; purchase under 1 %)"
        );
        let never =
            MissingField { field: "tx.fee".to_owned(), events: 5, missing: 5, by_type: BTreeMap::new() };
        assert_eq!(never.line(), "tx.fee: missing in 100 % of 5 records");
    }
}
