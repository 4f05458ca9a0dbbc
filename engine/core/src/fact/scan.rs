//! Wanted facts one by one, each over the rows of its lane, from the newest back to its window's start.
//!
//! The rows of a lane are found once for all facts that look at it.

use super::answer::{Gathered, answer};
use super::distinct::Distinct;
use super::lens::{Fact, LaneLens, Lens};
use super::{FactMarks, View};
use crate::batch::Timestamp;
use crate::ledger::layout;
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
    is_event: bool,
}

impl Scan {
    /// Writes every wanted fact into its register, or makes the register unknown.
    pub(crate) fn facts(
        &mut self,
        lens: &Lens,
        view: &View<'_>,
        want: &FactSet,
        registers: &mut Registers,
        marks: &mut FactMarks,
    ) {
        let event = view.rows.row(view.event);
        let window = |fact: &Fact| fact.span.at(layout::at(event), view.held_after);
        for lane in &lens.lanes {
            let asked = want.of_both(&lane.facts);
            if asked.is_empty() {
                continue;
            }
            if !lane.likeness.is_known(event) {
                each(lens, &asked, |index| registers.unset(lens.facts[index].slot));
                continue;
            }
            let mut oldest = Timestamp(i64::MAX);
            each(lens, &asked, |index| oldest = oldest.min(window(&lens.facts[index]).0));
            self.look_for(lane, view, event, oldest);
            each(lens, &asked, |index| {
                let fact = &lens.facts[index];
                let (from, to) = window(fact);
                let gathered = self.gather(fact, view.rows.words(), (from, to));
                let own = if fact.op == Op::Rank { fact.value_of(event) } else { None };
                if answer(fact, &gathered, &mut self.values, own, registers)
                    || view.dropped_at.is_some_and(|dropped_at| dropped_at > from)
                {
                    marks.approximate.insert(index);
                }
            });
        }
    }

    /// Finds the rows of a lane after a time.
    #[inline]
    fn look_for(&mut self, lane: &LaneLens, view: &View<'_>, event: &[u64], after: Timestamp) {
        self.members.clear();
        let width = event.len();
        for (position, row) in view.rows.words().chunks_exact(width).enumerate().rev() {
            let at = layout::at(row);
            if at <= after {
                break;
            }
            if lane.likeness.agrees(row, event) {
                self.members.push(Member { at, from: position * width, is_event: position == view.event });
            }
        }
    }

    /// What the matching members of the window after `from`, up to and including `to`, come to.
    #[inline]
    fn gather(&mut self, fact: &Fact, words: &[u64], (from, to): (Timestamp, Timestamp)) -> Gathered {
        let mut gathered = Gathered::default();
        let Scan { members, values, distinct } = self;
        values.clear();
        for member in members.iter().take_while(|member| member.at > from) {
            if member.at > to || (member.is_event && !fact.include_current) {
                continue;
            }
            let row = &words[member.from..];
            let Some(word) = fact.admitted(row) else { continue };
            gathered.take(fact, row, word);
            match fact.op {
                Op::Last if gathered.rows == 1 => gathered.word = Some(word),
                Op::First => gathered.word = Some(word),
                Op::Nth(nth) if gathered.rows == nth => gathered.word = Some(word),
                Op::Distinct { max } => {
                    if gathered.rows == 1 {
                        distinct.clear();
                    }
                    if gathered.hits < max {
                        gathered.hits += u32::from(distinct.insert(word));
                    }
                }
                Op::Median | Op::TrimmedMean | Op::Quantile(_) | Op::Rank
                    if values.len() < ORDER_ROWS_MAX =>
                {
                    values.push(word.cast_signed());
                }
                _ => {}
            }
        }
        gathered
    }
}

/// Calls with the index of every fact in a set.
#[inline]
pub(super) fn each(lens: &Lens, facts: &FactSet, mut call: impl FnMut(usize)) {
    for (word, bits) in facts.0.iter().take(lens.words).enumerate() {
        let mut bits = *bits;
        while bits != 0 {
            call(word * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}
