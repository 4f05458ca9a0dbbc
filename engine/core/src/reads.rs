//! How far everything can be relied on that a rule or a signal reads at one event, in whichever key space it was
//! computed.

use crate::batch::{ACCOUNT_SPACE, Timestamp};
use crate::event::Event;
use crate::ingested::InsertedRow;
use crate::installation::Installation;
use crate::marks::{Marks, covered};
use tripline_rules::aggregate::{Aggregate, FactSet};
use tripline_rules::program::Program;
use tripline_rules::ruleset::StateReads;
use tripline_rules::value::Slot;

/// An event's rows in the two key spaces whose facts a rule or signal can read: the account's, and its own.
#[derive(Clone, Copy)]
pub(crate) struct EventRows<'a> {
    pub(crate) installation: &'a Installation,
    pub(crate) account: &'a InsertedRow,
    /// The program of the rule's or signal's key space, and the row there.
    pub(crate) own: (&'a Program, &'a InsertedRow),
}

impl EventRows<'_> {
    /// The marks of all values together.
    pub(crate) fn marks(&self, reads: &StateReads, event: &Event) -> Marks {
        let facts = reads.facts.iter().map(|(space, facts)| self.of_facts(*space, facts, event.at));
        let marks = facts.fold(Marks::WHOLE, Marks::and);
        if reads.others.is_empty() {
            return marks;
        }
        let is_read = |slot: &Slot| reads.others.contains(slot);
        let signals = event.signal_marks.iter().filter(|(slot, _)| is_read(slot)).map(|(_, marks)| *marks);
        let models = self.installation.model_slots().iter().filter(|(slot, _)| is_read(slot));
        let models = models.map(|(_, lookback)| self.of_model(*lookback, event.at));
        signals.chain(models).chain(self.of_ranks(is_read, event.at)).fold(marks, Marks::and)
    }

    /// Of facts of the account's or the own key space. What has no window reads as far back as rows are held.
    fn of_facts(&self, space: u8, facts: &FactSet, at: Timestamp) -> Marks {
        let (program, row) = match space {
            ACCOUNT_SPACE => (&*self.installation.ruleset().programs()[0], self.account),
            _ => self.own,
        };
        let (rows_from, held_ms) = (row.rows_from(), self.installation.held_ms());
        let share = |fact: usize| {
            let Aggregate { over, delay, .. } = program.plan().aggregates[fact];
            covered(over.unwrap_or(held_ms - delay), delay, at, rows_from)
        };
        Marks {
            coverage: facts.iter().map(share).fold(1.0, f64::min),
            approximate: !row.marks.approximate.of_both(facts).is_empty(),
        }
    }

    /// Of ranks over all accounts: they count events as they come, and lack those before the log alone.
    fn of_ranks(&self, is_read: impl Fn(&Slot) -> bool, at: Timestamp) -> impl Iterator<Item = Marks> {
        let plan = self.installation.ruleset().programs()[0].plan();
        let ranks = plan.populations.iter().enumerate();
        ranks.filter(move |(_, rank)| is_read(&rank.slot)).map(move |(number, rank)| Marks {
            coverage: covered(rank.over_ms(), 0, at, self.account.held_from),
            approximate: self.account.marks.approximate.has(plan.rank_position(number)),
        })
    }

    /// Of the score of a model, which reads the account's rows.
    fn of_model(&self, lookback: i64, at: Timestamp) -> Marks {
        Marks {
            coverage: covered(lookback, 0, at, self.account.rows_from()),
            approximate: at.0.saturating_sub(lookback) < self.account.gone_until.0,
        }
    }
}
