//! Wanted facts one by one, each over the rows of its lane, from the newest back to its window's start.
//!
//! The rows of a lane are found once an event, and only so far back as some fact asks.

use super::answer::{Gathered, answer};
use super::distinct::Distinct;
use super::lens::{Fact, LaneLens, Lens};
use super::{FactMarks, View};
use crate::batch::Timestamp;
use crate::ledger::layout;
use tripline_rules::aggregate::{AGGREGATES_MAX, FactSet, ORDER_ROWS_MAX, Op};
use tripline_rules::value::Registers;

const SET_WORDS: usize = AGGREGATES_MAX / 64;

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
        let wanted = in_lanes(lens, event, want, registers);
        for lane in &lens.lanes {
            let asked = both(&wanted, &lane.facts);
            if asked.is_empty() {
                continue;
            }
            self.lane.begin(view.rows.len());
            each(lens, &asked, |index| {
                let fact = &lens.facts[index];
                let (from, to) = fact.span.at(layout::at(event), view.held_after);
                let gathered = self.gather(fact, lane, view, event, (from, to));
                let own = fact.value.and_then(|place| place.number(event));
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
        self.values.clear();
        if matches!(fact.op, Op::Distinct { .. }) {
            self.distinct.clear();
        }
        let mut member = 0;
        loop {
            let known = self.lane.positions.get(member).copied();
            let Some(position) = known.or_else(|| self.lane.next(lane, view, event, from)) else { break };
            member += 1;
            let row = view.rows.row(position);
            let at = layout::at(row);
            if at <= from {
                break;
            }
            let is_left_out = position == view.event && !fact.include_current;
            if at > to || is_left_out {
                continue;
            }
            if let Some(word) = fact.admitted(row) {
                self.take(&mut gathered, fact, row, word);
            }
        }
        if matches!(fact.op, Op::Distinct { .. }) {
            gathered.hits = u32::try_from(self.distinct.len()).unwrap_or(u32::MAX);
        }
        gathered
    }

    /// Takes one matching row in; rows come newest first.
    #[inline]
    fn take(&mut self, gathered: &mut Gathered, fact: &Fact, row: &[u64], word: u64) {
        gathered.take(fact, row, word);
        match fact.op {
            Op::First => gathered.word = Some(word),
            Op::Last if gathered.rows == 1 => gathered.word = Some(word),
            Op::Nth(nth) if gathered.rows == nth => gathered.word = Some(word),
            Op::Distinct { max } if self.distinct.len() < max as usize => self.distinct.insert(word),
            Op::Median | Op::TrimmedMean | Op::Quantile(_) | Op::Rank
                if self.values.len() < ORDER_ROWS_MAX =>
            {
                self.values.push(word.cast_signed());
            }
            _ => {}
        }
    }
}

/// The wanted facts whose lane the event has; the others are missing.
pub(super) fn in_lanes(lens: &Lens, event: &[u64], want: &FactSet, registers: &mut Registers) -> FactSet {
    let mut wanted = *want;
    for lane in lens.lanes.iter().filter(|lane| !lane.likeness.is_known(event)) {
        each(lens, &both(&wanted, &lane.facts), |index| registers.unset(lens.facts[index].slot));
        wanted = wanted.without(&lane.facts);
    }
    wanted
}

#[inline]
pub(super) fn both(one: &FactSet, other: &FactSet) -> FactSet {
    FactSet(std::array::from_fn::<u64, SET_WORDS, _>(|word| one.0[word] & other.0[word]))
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
