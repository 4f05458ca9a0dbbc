//! What the errors of a schema file leave open: errors of its readers that only follow from them are not reported.
//!
//! It does not say why something cannot be read: the schema's own errors do.

use crate::diagnostic::Diagnostic;
use std::collections::BTreeSet;

/// The parts of a schema that its errors leave open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaGaps {
    /// Declared fields whose kind cannot be read.
    pub(super) fields: BTreeSet<String>,
    /// Something of `keep:` cannot be read.
    pub(super) keep: bool,
    /// Something of `entities:` cannot be read.
    pub(super) entities: bool,
    /// The file as a whole cannot be read: any field may be declared.
    pub(super) all: bool,
}

impl SchemaGaps {
    /// The gaps of a schema that cannot be read at all.
    pub fn all() -> SchemaGaps {
        SchemaGaps { all: true, keep: true, entities: true, fields: BTreeSet::new() }
    }

    /// Whether a field may be declared, or be of another kind than the readable part of the schema says.
    pub fn field(&self, name: &str) -> bool {
        self.fields.contains(name) || self.all && name.contains('.')
    }

    /// Whether an error in a file that reads the schema only follows from the schema's own errors.
    pub fn explains(&self, problem: &Diagnostic) -> bool {
        match problem.code.0 {
            "E402" if self.keep => true,
            "E405" if self.entities => true,
            "E208" | "E303" if self.field("event.type") => true,
            "E201" | "E305" => problem.about.as_deref().is_some_and(|field| self.field(field)),
            _ => false,
        }
    }
}
