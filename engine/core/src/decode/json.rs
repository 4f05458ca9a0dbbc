//! Walks one JSON object (RFC 8259): checks every byte of it and notes the values at mapped places.
//!
//! No value is built. What nothing reads is checked like the rest: strings, escapes, numbers, nesting, repeated keys
//! (compared as decoded, at every level), card numbers. It does not know what the values mean.

mod walk;

use super::capture::{Captures, SourceId};
use super::fields::Fields;
use super::record::Record;
use super::reject::{ReadError, Reason};
use super::shape::{Shape, TargetId};
use super::steps::DirectField;
use std::sync::Arc;
use walk::{Stop, Target, UnknownKey, Walk};

/// What is read of the objects of one mapping.
#[derive(Clone, Debug)]
pub(super) struct JsonPlan {
    /// The mapped keys.
    shape: Shape,
    /// What is done with values: nothing, then by source.
    targets: Arc<[Target]>,
}

/// Reads objects of one mapping, and learns their other keys and the order of all keys.
#[derive(Clone, Debug)]
pub(super) struct JsonReader {
    record: Box<Record>,
    shape: Shape,
    /// Those of the plan.
    targets: Arc<[Target]>,
    /// Keys of open objects that the shape has no room for: ranges in the record or the scratch text.
    strays: Vec<UnknownKey>,
}

fn target(source: SourceId) -> TargetId {
    source + 1
}

impl JsonPlan {
    /// A plan of mapped paths, by source. `at_once`: the fields that are read where their values are found.
    pub(super) fn new(
        paths: &[Vec<String>],
        exempt: Vec<bool>,
        at_once: Vec<(SourceId, DirectField)>,
    ) -> JsonPlan {
        let mut shape = Shape::new();
        for (path, source) in paths.iter().zip(0u16..) {
            shape.map(path, target(source));
        }
        let unread = Target { source: None, exempt: false, plain: None };
        let read =
            (0..).zip(exempt).map(|(source, exempt)| Target { source: Some(source), exempt, plain: None });
        let mut targets: Vec<Target> = std::iter::once(unread).chain(read).collect();
        for (source, plain) in at_once {
            targets[usize::from(target(source))].plain = Some(plain);
        }
        JsonPlan { shape, targets: targets.into() }
    }
}

impl JsonReader {
    /// A reader that has learned nothing yet.
    pub(super) fn new(plan: &JsonPlan) -> JsonReader {
        let JsonPlan { shape, targets } = plan;
        let (shape, targets) = (shape.clone(), Arc::clone(targets));
        JsonReader { record: Record::new(), shape, targets, strays: Vec::new() }
    }

    /// Checks a record; reads the mapped values, or notes them.
    pub(super) fn read(
        &mut self,
        text: &[u8],
        into: &mut Captures,
        fields: &mut Fields<'_>,
    ) -> Result<(), ReadError> {
        self.shape.begin();
        self.strays.clear();
        self.record.fill(text);
        let JsonReader { record, shape, targets, strays } = self;
        let fault = ReadError::new(Reason::BadJson, 0);
        let mut walk = Walk { text, record, shape, targets, strays, into, fields, fault };
        walk.record().map_err(|Stop| walk.fault)
    }
}
