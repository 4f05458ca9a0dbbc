//! What is done to a record to fill the fields of its event: one step a mapped field. It does not know how a mapping is
//! configured, nor how records are searched.

use super::capture::SourceId;
use super::convert::Conversion;
use super::mapping::Fallback;
use super::money::MoneyPlan;
use tripline_rules::schema::{ACCOUNT_ID, EVENT_ID, EVENT_TIME, EVENT_TYPE};
use tripline_rules::value::Slot;

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

impl Step {
    /// Whether its field is a text.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.conversion, FieldConversion::Value(Conversion::Id | Conversion::Text))
    }
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
