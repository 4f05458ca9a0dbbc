//! Wanted facts one by one, each over the rows of its lane, from the newest back to its window's start.
//!
//! The rows of a lane are found once for all facts that look at it.

use super::answer::{Gathered, answer};
use super::bound::{BoundAggregate, BoundLane, BoundPlan};
use super::distinct::Distinct;
use super::{FactMarks, View};
use crate::batch::Timestamp;
use crate::row;
use tripline_rules::aggregate::{FactSet, ORDER_ROWS_MAX, Op};
use tripline_rules::value::Registers;

/// Room for what is gathered, reused from fact to fact and from event to event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scan {
    /// The rows that agree with the event in a lane's fields, newest first.
    members: Vec<Member>,
    /// Values of an order statistic, newest first.
    values: Vec<i64>,
    distinct: Distinct,
}

/// A row of a lane.
#[derive(Clone, Copy, Debug)]
struct Member {
    at: Timestamp,
    /// Its first word among the ledger's.
    from: usize,
    /// Its first packed word, which decides alone whether most facts count it.
    head: u64,
}

impl Scan {
    /// Writes every wanted fact into its register, or makes the register unknown.
    pub(crate) fn facts(
        &mut self,
        plan: &BoundPlan,
        view: &View<'_>,
        want: &FactSet,
        registers: &mut Registers,
        marks: &mut FactMarks,
    ) {
        let event = view.rows.row(view.event);
        for lane in &plan.lanes {
            let asked = want.of_both(&lane.facts);
            if asked.is_empty() {
                continue;
            }
            if !lane.key.is_known(event) {
                each(plan, &asked, |index| registers.unset(plan.facts[index].slot));
                continue;
            }
            self.members.clear();
            let mut older = view.rows.words();
            each(plan, &asked, |index| {
                let fact = &plan.facts[index];
                let window = view.window(fact);
                older = self.look_for(lane, older, event, window.0);
                let gathered = self.gather(fact, view, window);
                let own = if fact.op == Op::Rank { fact.value_of(event) } else { None };
                if answer(fact, &gathered, &mut self.values, own, registers) || view.lacks(fact, window.0) {
                    marks.approximate.insert(index);
                }
            });
        }
    }

    /// Finds the further rows of a lane after a time; gives back what is older.
    #[inline]
    fn look_for<'a>(
        &mut self,
        lane: &BoundLane,
        mut older: &'a [u64],
        event: &[u64],
        after: Timestamp,
    ) -> &'a [u64] {
        while let Some((before, row)) = older.split_at_checked(older.len().wrapping_sub(event.len())) {
            let at = row::at(row);
            if at <= after {
                break;
            }
            if lane.key.agrees(row, event) {
                self.members.push(Member { at, from: before.len(), head: row::head(row) });
            }
            older = before;
        }
        older
    }

    /// What the matching members of a window come to. Each operation has a loop of its own, which does nothing else and
    /// has all of the processor's registers.
    #[inline(never)]
    fn gather(&mut self, fact: &BoundAggregate, view: &View<'_>, window: (Timestamp, Timestamp)) -> Gathered {
        let Scan { members, values, distinct } = self;
        let mut gathered = Gathered::default();
        let left_out = if fact.include_current { usize::MAX } else { view.event * view.rows.width() };
        let (words, wanted) = (view.rows.words(), fact.wanted(view.currency));
        let matching = Matching { members, words, fact, wanted, window, left_out };
        match fact.op {
            Op::Count | Op::Rate => matching.each(|_| gathered.count()),
            Op::Sum | Op::Avg => matching.each(|row| gathered.add(fact.value.raw(row))),
            Op::Stddev => matching.each(|row| gathered.add_square(fact.value.raw(row))),
            Op::Ratio(_) => matching.each(|row| gathered.hit(fact.is_hit(row))),
            Op::Min => matching.each(|row| gathered.lesser(fact.value.raw(row))),
            Op::Max => matching.each(|row| gathered.greater(fact.value.raw(row))),
            Op::Last | Op::First | Op::Nth(_) => {
                matching.each(|row| gathered.next_older(fact.op, fact.value.raw(row)));
            }
            Op::Distinct { max } => {
                distinct.clear();
                matching.each(|row| {
                    gathered.count();
                    if gathered.hits < max {
                        gathered.hits += u32::from(distinct.insert(fact.value.raw(row)));
                    }
                });
            }
            Op::Median | Op::TrimmedMean | Op::Quantile(_) | Op::Rank => {
                values.clear();
                matching.each(|row| {
                    gathered.count();
                    if values.len() < ORDER_ROWS_MAX {
                        values.push(fact.value.raw(row).cast_signed());
                    }
                });
            }
        }
        gathered
    }
}

/// The members that a fact counts.
struct Matching<'a> {
    members: &'a [Member],
    /// The words of all rows.
    words: &'a [u64],
    fact: &'a BoundAggregate,
    /// What the first packed word of a matching row is.
    wanted: u64,
    window: (Timestamp, Timestamp),
    /// Where the row begins that does not count.
    left_out: usize,
}

impl Matching<'_> {
    /// Calls with each row, the newest first. Other rows follow it.
    #[inline]
    fn each(&self, mut call: impl FnMut(&[u64])) {
        let Matching { members, words, fact, wanted, window: (after, until), left_out } = *self;
        for member in members.iter().take_while(|member| member.at > after) {
            let row = || &words[member.from..];
            if member.at <= until && member.from != left_out && fact.admits(member.head, wanted, row) {
                call(row());
            }
        }
    }
}

/// Calls with the index of every fact in a set.
#[inline]
pub(super) fn each(plan: &BoundPlan, facts: &FactSet, mut call: impl FnMut(usize)) {
    for (word, bits) in facts.0.iter().take(plan.words).enumerate() {
        let mut bits = *bits;
        while bits != 0 {
            call(word * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}
