//! All wanted facts in one pass over a ledger, from the newest row back to the oldest that any of them reads.

use super::answer::{Gathered, answer};
use super::distinct::Distinct;
use super::lens::{Fact, Lens};
use super::{FactMarks, View};
use crate::batch::Timestamp;
use tripline_rules::aggregate::{AGGREGATES_MAX, FactSet, ORDER_ROWS_MAX, Op};
use tripline_rules::value::Registers;

const SET_WORDS: usize = AGGREGATES_MAX / 64;

/// Room for what is gathered, one place an aggregate; reused from event to event.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    gathered: Vec<Gathered>,
    /// Values of order statistics, newest first; empty for other operations.
    values: Vec<Vec<i64>>,
    distinct: Vec<Distinct>,
    windows: Vec<Active>,
}

/// A window at the event: the wanted aggregates that read rows after `from`, up to `to`.
#[derive(Clone, Copy, Debug)]
struct Active {
    from: Timestamp,
    to: Timestamp,
    facts: FactSet,
}

impl Scan {
    pub(crate) fn new(lens: &Lens) -> Scan {
        let values = lens.facts.iter().map(|fact| match fact.op {
            Op::Median | Op::TrimmedMean | Op::Quantile(_) | Op::Rank => Vec::with_capacity(ORDER_ROWS_MAX),
            _ => Vec::new(),
        });
        Scan {
            values: values.collect(),
            gathered: vec![Gathered::default(); lens.facts.len()],
            distinct: vec![Distinct::default(); lens.facts.len()],
            windows: Vec::with_capacity(lens.windows.len()),
        }
    }

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
        self.open(lens, view, &wanted, marks);
        self.pass(lens, view, &wanted);
        each(lens, &wanted, |index| {
            let fact = &lens.facts[index];
            let gathered = &mut self.gathered[index];
            if matches!(fact.op, Op::Distinct { .. }) {
                gathered.hits = u32::try_from(self.distinct[index].len()).unwrap_or(u32::MAX);
            }
            let own = fact.value.and_then(|place| place.number(event));
            if answer(fact, gathered, &mut self.values[index], own, registers) {
                marks.approximate.insert(index);
            }
        });
    }

    /// Empties the places of the wanted facts and opens their windows.
    fn open(&mut self, lens: &Lens, view: &View<'_>, wanted: &FactSet, marks: &mut FactMarks) {
        self.windows.clear();
        for window in &lens.windows {
            let facts = both(&window.facts, wanted);
            if facts.is_empty() {
                continue;
            }
            let (from, to) = window.span.at(view.at(), view.held_after);
            if view.dropped_at.is_some_and(|dropped_at| dropped_at > from) {
                marks.approximate.union(&facts);
            }
            self.windows.push(Active { from, to, facts });
        }
        each(lens, wanted, |index| self.gathered[index] = Gathered::default());
        each(lens, &both(wanted, &lens.collecting), |index| {
            self.values[index].clear();
            self.distinct[index].clear();
        });
    }

    fn pass(&mut self, lens: &Lens, view: &View<'_>, wanted: &FactSet) {
        let Some(from) = self.windows.iter().map(|window| window.from).min() else { return };
        let (rows, layout) = (view.rows, view.rows.layout());
        let event = rows.row(view.event);
        for position in (0..rows.len()).rev() {
            let (row, at) = (rows.row(position), rows.at(position));
            if at <= from {
                break;
            }
            let mut facts = FactSet::default();
            for window in self.windows.iter().filter(|window| at > window.from && at <= window.to) {
                facts.union(&window.facts);
            }
            facts = both(&facts, &admitted(lens, layout, row));
            if position == view.event {
                facts = without(&facts, &lens.without_event);
            } else {
                for lane in lens.lanes.iter().skip(1) {
                    if !both(&facts, &lane.facts).is_empty() && !lane.likeness.agrees(row, event) {
                        facts = without(&facts, &lane.facts);
                    }
                }
            }
            debug_assert_eq!(both(&facts, wanted), facts, "windows hold wanted facts alone");
            each(lens, &facts, |index| self.gather(&lens.facts[index], index, row, view));
        }
    }

    /// Takes one matching row into one fact; rows come newest first.
    #[inline]
    fn gather(&mut self, fact: &Fact, index: usize, row: &[u64], view: &View<'_>) {
        let gathered = &mut self.gathered[index];
        let Some(place) = fact.value else {
            gathered.rows += 1;
            gathered.hits += u32::from(fact.is_hit(view.rows.layout(), row));
            return;
        };
        let Some(word) = place.read(row) else { return };
        gathered.rows += 1;
        let number = word.cast_signed();
        match fact.op {
            Op::Sum | Op::Avg => gathered.sum += i128::from(number),
            Op::Stddev => {
                gathered.sum += i128::from(number);
                gathered.squares += i128::from(number) * i128::from(number);
            }
            Op::Min | Op::Max => gathered.word = Some(extreme(fact.op, gathered.word, word)),
            Op::First => gathered.word = Some(word),
            Op::Last if gathered.rows == 1 => gathered.word = Some(word),
            Op::Nth(nth) if gathered.rows == nth => gathered.word = Some(word),
            Op::Distinct { max } if self.distinct[index].len() < max as usize => {
                self.distinct[index].insert(word);
            }
            Op::Median | Op::TrimmedMean | Op::Quantile(_) | Op::Rank => {
                if self.values[index].len() < ORDER_ROWS_MAX {
                    self.values[index].push(number);
                }
            }
            Op::Ratio(_) => gathered.hits += u32::from(fact.is_hit(view.rows.layout(), row)),
            Op::Count | Op::Rate | Op::Last | Op::Nth(_) | Op::Distinct { .. } => {}
        }
    }
}

/// The wanted facts whose lane the event has; the others are missing.
pub(super) fn in_lanes(lens: &Lens, event: &[u64], want: &FactSet, registers: &mut Registers) -> FactSet {
    let mut wanted = *want;
    for lane in lens.lanes.iter().filter(|lane| !lane.likeness.is_known(event)) {
        each(lens, &both(&wanted, &lane.facts), |index| registers.unset(lens.facts[index].slot));
        wanted = without(&wanted, &lane.facts);
    }
    wanted
}

/// The smaller of two values for `Min`, the larger for `Max`.
#[inline]
pub(super) fn extreme(op: Op, held: Option<u64>, word: u64) -> u64 {
    let Some(held) = held else { return word };
    let (one, other) = (held.cast_signed(), word.cast_signed());
    if op == Op::Min { one.min(other) } else { one.max(other) }.cast_unsigned()
}

/// The aggregates whose condition the row satisfies.
#[inline]
fn admitted(lens: &Lens, layout: &crate::ledger::layout::Layout, row: &[u64]) -> FactSet {
    let mut facts = lens.unfiltered;
    for word in 0..layout.tag_words() {
        let mut tags = layout.tag_word(row, word);
        while tags != 0 {
            facts.union(&lens.filtered[word * 64 + tags.trailing_zeros() as usize]);
            tags &= tags - 1;
        }
    }
    facts
}

#[inline]
pub(super) fn both(one: &FactSet, other: &FactSet) -> FactSet {
    FactSet(std::array::from_fn::<u64, SET_WORDS, _>(|word| one.0[word] & other.0[word]))
}

#[inline]
pub(super) fn without(one: &FactSet, other: &FactSet) -> FactSet {
    FactSet(std::array::from_fn::<u64, SET_WORDS, _>(|word| one.0[word] & !other.0[word]))
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
