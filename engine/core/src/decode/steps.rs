//! What fills the fields of an event from a record: one step per mapped field. It does not depend on how a mapping is
//! configured, nor how values are found in a record.

use super::capture::{Raw, SourceId};
use super::convert::Conversion;
use super::decimal::{Rounding, scaled};
use super::mapping::Fallback;
use super::money::MoneyPlan;
use crate::limits::NUMBER_MAX;
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
    /// Where the source has no value: the steps of the field's other places, in their order.
    pub(super) others: Vec<Step>,
}

impl Step {
    /// The step of each place of the field.
    pub(super) fn places(&self) -> impl Iterator<Item = &Step> {
        std::iter::once(self).chain(&self.others)
    }

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
    /// The same where it is a number: programs for statistics write 1 as `1.0`.
    number: Option<i64>,
    pub(super) outcome: u16,
    pub(super) after_ms: i64,
}

impl LabelPlan {
    /// The label of records whose source equals a text, or the number that the text is.
    pub(super) fn new(source: SourceId, equals: String, outcome: u16, after_ms: i64) -> LabelPlan {
        let number = whole(equals.as_bytes());
        LabelPlan { source, equals, number, outcome, after_ms }
    }

    /// Whether this value makes a label.
    pub(super) fn is(&self, raw: Raw<'_>) -> bool {
        let Some(written) = raw.written() else { return false };
        written == self.equals.as_bytes() || self.number.is_some() && whole(written) == self.number
    }
}

/// A whole number, however many zeros follow its point.
fn whole(text: &[u8]) -> Option<i64> {
    scaled(text, 0, Rounding::Exact(u8::MAX), NUMBER_MAX)
}
