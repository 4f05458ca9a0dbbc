//! Operations over registers: THE evaluator of conditions, features, signals and reasons.
//!
//! It does not know names; explain, tests and coverage listen to it through [`Trace`].

mod emit;
mod op;
mod run;

pub(crate) use emit::{Emitter, JudgedRule, ProgramBuilder, Types};
pub use op::Pattern;
pub(crate) use op::{Amounts, Block};
pub(crate) use op::{Shared, currency as event_currency};

use crate::aggregate::{FactSet, Plan, TagId, Tags};
use crate::schema::EVENT_TYPE;
use crate::value::{Registers, Slot};
use op::Op;
use std::sync::Arc;

/// The event's own texts: registers hold only their hashes.
pub trait TextSource {
    /// The text of a field, if the event has it.
    fn text(&self, slot: Slot) -> Option<&str>;
}

/// No texts: rows and tests without text conditions.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTexts;

impl TextSource for NoTexts {
    fn text(&self, _: Slot) -> Option<&str> {
        None
    }
}

/// Listens to an evaluation.
pub trait Trace {
    /// A register was computed; `None` is missing.
    fn computed(&mut self, slot: Slot, word: Option<u64>);
    /// A rule's condition was judged; `None` is unknown. Rules that cannot hold for the event's type are not judged.
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

/// What is done for events of one type: conditions are specialised, so rules about other types cost nothing.
#[derive(Debug, Default)]
struct ForType {
    /// Computes the guards.
    guards: Vec<Op>,
    /// A guard (a condition over fields alone; none: always) and the facts that are wanted unless it is false.
    wants: Vec<(Option<Slot>, FactSet)>,
    judge: Vec<Op>,
    tags: Vec<Op>,
    tag_slots: Vec<(TagId, Slot)>,
}

/// Everything one key space evaluates.
#[derive(Debug)]
pub struct Program {
    plan: Plan,
    space_index: u8,
    shared: Arc<Shared>,
    types: Types,
}

impl Program {
    pub(crate) fn new(plan: Plan, space_index: u8, shared: &Arc<Shared>, types: Types) -> Program {
        Program { plan, space_index, shared: Arc::clone(shared), types }
    }

    /// What the key space must look back at.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Number of the key space: 0 is the account's, the schema's entities count from 1.
    pub fn space_index(&self) -> u8 {
        self.space_index
    }

    fn for_type(&self, event_type: Option<u64>) -> &ForType {
        self.types.of(event_type)
    }

    /// Truth of every distinct `where` of the plan for the row in the registers.
    pub fn tags(&self, registers: &mut Registers) -> Tags {
        let program = self.for_type(registers.get(EVENT_TYPE));
        run::run(&program.tags, &self.shared, registers, &NoTexts, &mut Fired::default(), &mut ());
        let mut tags = Tags::default();
        for (tag, slot) in &program.tag_slots {
            if registers.word(*slot) == 1 {
                tags.set(*tag);
            }
        }
        tags
    }

    /// The facts that judging this event may read: those of rules that its fields alone do not rule out.
    pub fn demand(&self, event_type: u16, registers: &mut Registers) -> FactSet {
        let program = self.for_type(Some(u64::from(event_type)));
        run::run(&program.guards, &self.shared, registers, &NoTexts, &mut Fired::default(), &mut ());
        let mut wanted = FactSet::default();
        for (guard, facts) in &program.wants {
            let ruled_out = guard.is_some_and(|guard| registers.get(guard) == Some(0));
            if !ruled_out {
                wanted.union(facts);
            }
        }
        wanted
    }

    /// Judges the rules of this key space; adds to `out`.
    pub fn judge<T: Trace>(
        &self,
        event_type: u16,
        registers: &mut Registers,
        texts: &dyn TextSource,
        out: &mut Fired,
        trace: &mut T,
    ) {
        let program = self.for_type(Some(u64::from(event_type)));
        run::run(&program.judge, &self.shared, registers, texts, out, trace);
    }
}
