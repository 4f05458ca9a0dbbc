//! How often each mapped field was present in a sample of events. It does not know how they were decoded.

use crate::event::Event;
use std::fmt;
use tripline_rules::schema::Schema;
use tripline_rules::value::Slot;

/// Counts over a sample of decoded events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Number of events.
    pub events: u64,
    /// The mapped fields, in the order of the mapping.
    pub fields: Vec<FieldCoverage>,
}

/// How often one field was present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldCoverage {
    /// The field.
    pub slot: Slot,
    /// Its name.
    pub name: String,
    /// Events that had it.
    pub seen: u64,
    /// Events that did not.
    pub missing: u64,
}

impl Coverage {
    /// No events yet.
    pub fn new(fields: impl IntoIterator<Item = Slot>, schema: &Schema) -> Coverage {
        let field = |slot| FieldCoverage { slot, name: schema.field(slot).name.clone(), seen: 0, missing: 0 };
        Coverage { events: 0, fields: fields.into_iter().map(field).collect() }
    }

    /// Counts an event that was decoded with all mapped fields wanted.
    pub fn add(&mut self, event: &Event) {
        self.events += 1;
        for field in &mut self.fields {
            let seen = event.registers.is_known(field.slot);
            *(if seen { &mut field.seen } else { &mut field.missing }) += 1;
        }
    }
}

impl fmt::Display for Coverage {
    /// A line for each field that was missing anywhere: `tx.geo: missing in 83 % of 10,000 records`. Whole per cent,
    /// rounded down, but at least `under 1 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for field in self.fields.iter().filter(|field| field.missing > 0) {
            let percent = match field.missing * 100 / self.events {
                0 => "under 1".to_owned(),
                percent => percent.to_string(),
            };
            writeln!(f, "{}: missing in {percent} % of {} records", field.name, grouped(self.events))?;
        }
        Ok(())
    }
}

/// `10,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
