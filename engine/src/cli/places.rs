//! Where the fields of a mapping come from, by name and place. It reads no record.

use crate::config::Config;
use std::collections::BTreeSet;
use tripline_core::decode::{CurrencySource, FieldMapping, FieldSource};
use tripline_rules::value::Slot;

/// A mapped field.
pub struct MappedField {
    pub slot: Slot,
    pub name: String,
    /// Pointers or columns in the order in which they are tried; empty for a constant and a row number.
    pub places: Vec<String>,
}

/// The mapped fields, in the order of the mapping.
pub fn fields(config: &Config) -> Vec<MappedField> {
    let field = |field: &FieldMapping| MappedField {
        slot: field.slot,
        name: config.schema().field(field.slot).name.clone(),
        places: field.places().flat_map(|place| of_source(&place.source)).collect(),
    };
    config.mapping.fields.iter().map(field).collect()
}

/// Every place that the mapping reads.
pub fn all(config: &Config) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for field in config.mapping.fields.iter().flat_map(FieldMapping::places) {
        places.extend(of_source(&field.source));
        if let CurrencySource::From(place) = &field.money.currency {
            places.insert(place.value.clone());
        }
    }
    places.extend(config.mapping.labels.iter().map(|labels| labels.source.value.clone()));
    places
}

fn of_source(source: &FieldSource) -> Vec<String> {
    match source {
        FieldSource::Pointer(place) | FieldSource::Column(place) => vec![place.value.clone()],
        FieldSource::Pair { latitude, longitude } => vec![latitude.value.clone(), longitude.value.clone()],
        FieldSource::Constant(_) | FieldSource::RowNumber => Vec::new(),
    }
}
