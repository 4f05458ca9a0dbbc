//! Wanted facts one by one, each over the rows of its lane, from the newest back to its window's start.
//!
//! The rows of a lane are found once an event, and only so far back as some fact asks.

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
    lane: Members,
    /// Values of an order statistic, newest first.
    values: Vec<i64>,
    distinct: Distinct,
}

/// The rows that agree with the event in a lane's fields, newest first, as far as they were looked for.
#[derive(Clone, Debug, Default)]
struct Members {
    positions: Vec<usize>,
    /// Rows before this position were not looked at.
    unseen: usize,
}

impl Members {
    fn begin(&mut self, rows: usize) {
        self.positions.clear();
        self.unseen = rows;
    }

    /// Looks for the next older member after a time.
    fn next(&mut self, lane: &LaneLens, view: &View<'_>, event: &[u64], from: Timestamp) -> Option<usize> {
        while self.unseen > 0 {
            let row = view.rows.row(self.unseen - 1);
            if layout::at(row) <= from {
                return None;
            }
            self.unseen -= 1;
            if lane.likeness.agrees(row, event) {
                self.positions.push(self.unseen);
                return Some(self.unseen);
            }
        }
        None
    }
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
        for lane in &lens.lanes {
            let asked = want.of_both(&lane.facts);
            if asked.is_empty() {
                continue;
            }
            if !lane.likeness.is_known(event) {
                each(lens, &asked, |index| registers.unset(lens.facts[index].slot));
                continue;
            }
            self.lane.begin(view.rows.len());
            each(lens, &asked, |index| {
                let fact = &lens.facts[index];
                let (from, to) = fact.span.at(layout::at(event), view.held_after);
                let gathered = self.gather(fact, lane, view, event, (from, to));
                let own = if fact.op == Op::Rank { fact.value_of(event) } else { None };
                if answer(fact, &gathered, &mut self.values, own, registers)
                    || view.dropped_at.is_some_and(|dropped_at| dropped_at > from)
                {
                    marks.approximate.insert(index);
                }
            });
        }
    }

    /// What the matching rows of the window after `from`, up to and including `to`, come to.
    #[inline]
    fn gather(
        &mut self,
        fact: &Fact,
        lane: &LaneLens,
        view: &View<'_>,
        event: &[u64],
        (from, to): (Timestamp, Timestamp),
    ) -> Gathered {
        let mut gathered = Gathered::default();
        let Scan { lane: members, values, distinct } = self;
        values.clear();
        let mut member = 0;
        loop {
            let position = match members.positions.get(member) {
                Some(position) => *position,
                None => match members.next(lane, view, event, from) {
                    Some(position) => position,
                    None => break,
                },
            };
            member += 1;
            let row = view.rows.row(position);
            let at = layout::at(row);
            if at <= from {
                break;
            }
            if at > to || (position == view.event && !fact.include_current) {
                continue;
            }
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
