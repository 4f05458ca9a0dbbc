//! Operations that compute some values at once: features, signals, what a reason prints.

use super::op::Op;
use super::run::run;
use super::shared::Shared;
use super::trace::Fired;
use crate::value::{Registers, Slot, TextSource};

/// Some operations, and where their results are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    pub(crate) ops: Vec<Op>,
    pub(crate) results: Vec<Slot>,
}

impl Block {
    /// Computes the results.
    pub(crate) fn run(&self, shared: &Shared, registers: &mut Registers, texts: &dyn TextSource) {
        run(&self.ops, shared, registers, texts, &mut Fired::default(), &mut ());
    }
}
