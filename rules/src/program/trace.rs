//! The result of judging one event, and observers of an evaluation.

use crate::value::Slot;

/// Observes an evaluation.
pub trait Trace {
    /// A register was computed; `None` is missing.
    fn computed(&mut self, slot: Slot, word: Option<u64>);
    /// The condition of a rule was judged; `None` is unknown. Rules that cannot fire for the event type, and rules of
    /// which one part of the condition is false, are not reported.
    fn judged(&mut self, rule: usize, holds: Option<bool>);
}

/// No observer.
impl Trace for () {
    #[inline]
    fn computed(&mut self, _: Slot, _: Option<u64>) {}
    #[inline]
    fn judged(&mut self, _: usize, _: Option<bool>) {}
}

/// The result of judging one event. Rules are positions in [`Ruleset::rules`](crate::ruleset::Ruleset::rules).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// Rules whose condition is true, ascending.
    pub rules: Vec<usize>,
    /// Rules whose condition is unknown, ascending.
    pub unknown: Vec<usize>,
}

impl Fired {
    /// Removes all rules and keeps the memory.
    pub fn clear(&mut self) {
        self.rules.clear();
        self.unknown.clear();
    }
}
