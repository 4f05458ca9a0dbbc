//! Operations over registers: THE evaluator of conditions, features, signals and reasons.
//!
//! It does not depend on names. A [`Trace`] observes an evaluation.

mod block;
mod op;
mod run;
mod shared;
mod trace;
mod types;

pub(crate) use block::Block;
pub(crate) use op::Op;
pub(crate) use shared::{Amounts, Shared, currency as event_currency};
pub use trace::{Fired, Trace};
pub(crate) use types::{ForType, Types, Want};

use crate::aggregate::{AggregatePlan, FactSet, Tags};
use crate::schema::EVENT_TYPE;
use crate::value::{NoTexts, Registers, Slot, TextSource};
use std::sync::Arc;

/// Everything that one key space evaluates.
#[derive(Debug)]
pub struct Program {
    plan: AggregatePlan,
    space_index: u8,
    shared: Arc<Shared>,
    types: Types,
}

impl Program {
    pub(crate) fn new(plan: AggregatePlan, space_index: u8, shared: &Arc<Shared>, types: Types) -> Program {
        Program { plan, space_index, shared: Arc::clone(shared), types }
    }

    /// The aggregates of the key space.
    pub fn plan(&self) -> &AggregatePlan {
        &self.plan
    }

    /// Number of the key space: 0 is the account's, the schema's entities count from 1.
    pub fn space_index(&self) -> u8 {
        self.space_index
    }

    fn for_type(&self, event_type: Option<u64>) -> &ForType {
        self.types.of(event_type)
    }

    /// The result of every distinct `where` condition of the plan, for the row in the registers.
    pub fn tags(&self, registers: &mut Registers) -> Tags {
        let program = self.for_type(registers.get(EVENT_TYPE));
        run::run(&program.tags, &self.shared, registers, &NoTexts, &mut Fired::default(), &mut ());
        let mut tags = program.tags_held;
        for (tag, slot) in &program.tag_slots {
            if registers.word(*slot) == 1 {
                tags.set(*tag);
            }
        }
        tags
    }

    /// Requests the facts that judging this event can read: first `extra` and those that decide most rules, then those
    /// of the rules that are still undecided. `compute` writes facts into the registers.
    ///
    /// Call it after [`Program::tags`] with the same event and registers, whose results it reads.
    pub fn demand(
        &self,
        event_type: u16,
        registers: &mut Registers,
        extra: &FactSet,
        mut compute: impl FnMut(&FactSet, &mut Registers),
    ) {
        let program = self.for_type(Some(u64::from(event_type)));
        let mut ask = |facts: &FactSet, registers: &mut Registers| {
            if !facts.is_empty() {
                compute(facts, registers);
            }
        };
        run::run(&program.guards, &self.shared, registers, &NoTexts, &mut Fired::default(), &mut ());
        let is_open = |condition: Option<Slot>, registers: &Registers| {
            condition.is_none_or(|condition| registers.get(condition) != Some(0))
        };
        let mut first = *extra;
        for want in program.wants.iter().filter(|want| is_open(want.guard, registers)) {
            first.union(&want.first);
        }
        ask(&first, registers);
        run::run(&program.checks, &self.shared, registers, &NoTexts, &mut Fired::default(), &mut ());
        let mut then = FactSet::default();
        for want in &program.wants {
            if is_open(want.guard, registers) && is_open(want.check, registers) {
                then.union(&want.then);
            }
        }
        ask(&then.without(&first), registers);
    }

    /// Judges the rules of this key space, after [`Program::demand`] over the same registers; adds to `out`.
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
