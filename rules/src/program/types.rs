//! The operations of one key space, by event type.

use super::op::Op;
use crate::aggregate::{FactSet, TagId, Tags};
use crate::value::Slot;

/// The facts that some rules need. Guard and check are nodes while a program is built, then registers.
#[derive(Debug)]
pub(crate) struct Want<At> {
    /// A condition over fields only; `None`: always.
    pub(crate) guard: Option<At>,
    /// A condition over the first facts; `None`: always.
    pub(crate) check: Option<At>,
    /// Requested unless the guard is false.
    pub(crate) first: FactSet,
    /// Requested unless guard or check is false.
    pub(crate) then: FactSet,
}

/// The operations for events of one type. Conditions are specialised, so rules for other types cost nothing.
#[derive(Debug, Default)]
pub(crate) struct ForType {
    /// Computes the guards.
    pub(crate) guards: Vec<Op>,
    /// Computes the checks.
    pub(crate) checks: Vec<Op>,
    pub(crate) wants: Vec<Want<Slot>>,
    pub(crate) judge: Vec<Op>,
    pub(crate) tags: Vec<Op>,
    /// The conditions that are true for every row of the type.
    pub(crate) tags_held: Tags,
    /// The registers of the conditions that depend on the row.
    pub(crate) tag_slots: Vec<(TagId, Slot)>,
}

/// Operations by event type. Types with the same conditions share them.
#[derive(Debug)]
pub(crate) struct Types {
    pub(crate) distinct: Vec<ForType>,
    /// By code, position in `distinct`; the last one is for any type.
    pub(crate) by_code: Vec<usize>,
}

impl Types {
    #[inline]
    pub(super) fn of(&self, code: Option<u64>) -> &ForType {
        let any = self.by_code.len() - 1;
        let at = code.and_then(|code| usize::try_from(code).ok()).map_or(any, |code| code.min(any));
        &self.distinct[self.by_code[at]]
    }
}
