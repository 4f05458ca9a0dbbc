//! What judging one event gives, and who may listen.

use crate::value::Slot;

/// Listens to an evaluation.
pub trait Trace {
    /// A register was computed; `None` is missing.
    fn computed(&mut self, slot: Slot, word: Option<u64>);
    /// A rule's condition was judged; `None` is unknown. Of rules that cannot hold for the event's type, and of those that one
    /// part of their condition rules out, nothing is heard.
    fn judged(&mut self, rule: usize, holds: Option<bool>);
}

/// Nobody listens.
impl Trace for () {
    #[inline]
    fn computed(&mut self, _: Slot, _: Option<u64>) {}
    #[inline]
    fn judged(&mut self, _: usize, _: Option<bool>) {}
}

/// What judging one event gave. Rules by their position in [`Ruleset::rules`](crate::ruleset::Ruleset::rules).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// Rules whose condition holds, ascending.
    pub rules: Vec<usize>,
    /// Rules whose condition is unknown, ascending.
    pub unknown: Vec<usize>,
}

impl Fired {
    /// Forgets all; the memory stays.
    pub fn clear(&mut self) {
        self.rules.clear();
        self.unknown.clear();
    }
}
