//! Reads one JSON object (RFC 8259): checks every byte, and converts or captures the mapped values.
//!
//! No value tree is built. Values that are not mapped are checked like the others: strings, escapes, numbers, nesting,
//! repeated keys (decoded, at every level), card numbers. It does not depend on what the values mean.

mod walk;

use super::capture::{Captures, SourceId};
use super::fields::Fields;
use super::record::Record;
use super::reject::{ReadError, Reason};
use super::shape::{Shape, TargetId};
use super::steps::DirectField;
use std::sync::Arc;
use walk::{Stop, Target, UnknownKey, Walk};

/// The mapped values of a feed's objects.
#[derive(Clone, Debug)]
pub(super) struct JsonPlan {
    /// The mapped keys.
    shape: Shape,
    /// What happens to values: the target of values that are not mapped, then by source.
    targets: Arc<[Target]>,
    /// How deep objects and arrays may be nested.
    depth: usize,
}

/// Reads the objects of a feed, and learns their other keys and the order of all keys.
#[derive(Clone, Debug)]
pub(super) struct JsonReader {
    record: Box<Record>,
    shape: Shape,
    /// Those of the plan.
    targets: Arc<[Target]>,
    depth: usize,
    /// Unknown keys of the open objects.
    unknown: Vec<UnknownKey>,
}

fn target(source: SourceId) -> TargetId {
    source + 1
}

impl JsonPlan {
    /// A plan of mapped paths, by source. `direct`: the fields that are converted where their values are found.
    pub(super) fn new(
        paths: &[Vec<String>],
        depth: usize,
        exempt: Vec<bool>,
        direct: Vec<(SourceId, DirectField)>,
    ) -> JsonPlan {
        let mut shape = Shape::new();
        for (path, source) in paths.iter().zip(0u16..) {
            shape.map(path, target(source));
        }
        let not_mapped = Target { source: None, exempt: false, direct: None };
        let mapped =
            (0..).zip(exempt).map(|(source, exempt)| Target { source: Some(source), exempt, direct: None });
        let mut targets: Vec<Target> = std::iter::once(not_mapped).chain(mapped).collect();
        for (source, field) in direct {
            targets[usize::from(target(source))].direct = Some(field);
        }
        JsonPlan { shape, targets: targets.into(), depth }
    }
}

impl JsonReader {
    /// A reader that has learned nothing yet.
    pub(super) fn new(plan: &JsonPlan) -> JsonReader {
        let JsonPlan { shape, targets, depth } = plan;
        let (shape, targets, depth) = (shape.clone(), Arc::clone(targets), *depth);
        JsonReader { record: Record::new(), shape, targets, depth, unknown: Vec::new() }
    }

    /// Checks a record, and converts or captures its mapped values.
    pub(super) fn read(
        &mut self,
        text: &[u8],
        into: &mut Captures,
        fields: &mut Fields<'_>,
    ) -> Result<(), ReadError> {
        self.shape.begin();
        self.unknown.clear();
        self.record.fill(text);
        let JsonReader { record, shape, targets, depth, unknown } = self;
        let error = ReadError::new(Reason::BadJson, 0);
        let mut walk = Walk { text, record, shape, targets, depth: *depth, unknown, into, fields, error };
        walk.record().map_err(|Stop| walk.error)
    }
}
