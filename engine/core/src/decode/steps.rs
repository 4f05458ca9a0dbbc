//! What fills the fields of an event from a record: one step per mapped field. It does not know how a mapping is
//! configured, nor how values are found in a record.

use super::capture::SourceId;
use super::convert::Conversion;
use super::mapping::Fallback;
use super::money::MoneyPlan;
use tripline_rules::schema::{ACCOUNT_ID, EVENT_ID, EVENT_TIME, EVENT_TYPE};
use tripline_rules::value::Slot;

/// The fields that every event must have; their steps come first.
pub(super) const REQUIRED: [Slot; 4] = [EVENT_TYPE, EVENT_ID, EVENT_TIME, ACCOUNT_ID];

/// A field whose value is converted where it is found: no other field has the same source, and it depends on no other
/// value.
#[derive(Clone, Debug)]
pub(super) struct DirectField {
    /// Position in the order of fields.
    pub(super) order: usize,
    pub(super) slot: Slot,
    /// Whether the event keeps the text.
    pub(super) keep_text: bool,
    pub(super) conversion: Conversion,
}

impl DirectField {
    /// Whether it is a yes/no field.
    #[inline]
    pub(super) fn is_bool(&self) -> bool {
        matches!(self.conversion, Conversion::Bool)
    }
}

/// A [`DirectField`] without which a record is rejected.
#[derive(Clone, Debug)]
pub(super) struct Required {
    pub(super) order: usize,
    pub(super) slot: Slot,
    pub(super) source: SourceId,
}

/// A field whose value is converted once the whole record has been read.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Position in the order of fields.
    pub(super) order: usize,
    pub(super) slot: Slot,
    pub(super) source: ValueSource,
    pub(super) conversion: FieldConversion,
    /// Whether a record without it is rejected.
    pub(super) required: bool,
    /// Which values are replaced; most fields have none.
    pub(super) substitution: Option<Box<Substitution>>,
    /// Whether the event keeps the text.
    pub(super) keep_text: bool,
}

impl Step {
    /// Whether its field is text.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.conversion, FieldConversion::Value(Conversion::Id | Conversion::Text))
    }
}

/// Which values of a field are replaced by others.
#[derive(Clone, Debug)]
pub(super) struct Substitution {
    /// Raw values and their replacements; those of a one-of are in its table.
    pub(super) values: Vec<(String, String)>,
    /// What happens to a value that is not valid for the field.
    pub(super) fallback: Fallback,
}

/// Where the value of a step comes from.
#[derive(Clone, Debug)]
pub(super) enum ValueSource {
    Source(SourceId),
    Constant(String),
    RowNumber,
    Pair(SourceId, SourceId),
}

/// How the value of a step is converted.
#[derive(Clone, Debug)]
pub(super) enum FieldConversion {
    Value(Conversion),
    Money(MoneyPlan),
    Location,
}

/// How the label of a record is found.
#[derive(Clone, Debug)]
pub(super) struct LabelPlan {
    pub(super) source: SourceId,
    pub(super) equals: String,
    pub(super) outcome: u16,
    pub(super) after_ms: i64,
}
