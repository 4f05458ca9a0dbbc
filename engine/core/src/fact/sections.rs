//! Sections of a large ledger, stretches of adjacent rows with partial totals: they answer events that are not the
//! newest, whose windows may begin and end anywhere.
//!
//! Of a section that lies wholly in a window the partial total is taken, of one at its edge the rows. A row that comes
//! or leaves changes the partial totals of its section; after an amendment they are read again. A cache like the
//! running totals: no answer depends on it.

use super::answer::{Gathered, answer};
use super::bound::{BoundAggregate, BoundLane, BoundPlan};
use super::scan::each;
use super::section::{Partial, Section};
use super::value_set::{ValueNumbers, ValueSet};
use super::{FactMarks, View};
use crate::batch::Timestamp;
use crate::row::{self, Rows};
use std::ops::Range;
use tripline_rules::aggregate::{FactSet, ORDER_ROWS_MAX, Op};
use tripline_rules::value::Registers;

/// Rows of a section; one with more is split. Of some thousand rows the sections inside a window and the rows of those
/// at its edges cost about the same.
const SECTION_ROWS_MAX: usize = 192;

/// After so many times its rows were inserted all is forgotten: most numbers of values are of rows that have left.
const TURNS_MAX: usize = 4;

/// The sections of one ledger; none until an event asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections {
    /// Oldest first.
    sections: Vec<Section>,
    /// Rows of all sections.
    rows: usize,
    /// Rows inserted since the sections were made, and until an event asked.
    inserted: usize,
    asked_at: usize,
    /// The event that asked, and the currency it has, as long as no row has changed.
    asker: Option<(usize, u64)>,
    /// What was found for it, by lane.
    found: Vec<FoundInLane>,
    /// Numbers of the values that are counted once.
    numbers: ValueNumbers,
    room: Room,
}

/// Room for values that are gathered.
#[derive(Clone, Debug, Default)]
struct Room {
    /// Of an order statistic, newest first.
    ordered: Vec<i64>,
    different: ValueSet,
}

/// The sections with rows of the event's value of a lane, the newest first, as far back as was looked.
#[derive(Clone, Debug, Default)]
struct FoundInLane {
    /// Sections that are older, and their rows.
    older: usize,
    end: usize,
    sections: Vec<Found>,
}

/// A section with rows of the event's lane.
#[derive(Clone, Debug)]
struct Found {
    section: usize,
    /// Position of its oldest row.
    from: usize,
    /// Times of its oldest and its newest row.
    oldest: Timestamp,
    newest: Timestamp,
    /// The lane's rows among its members.
    members: Range<usize>,
    /// All of them have the event's lane value, and not only its hash.
    is_certain: bool,
    /// Where the section holds their partial totals, if that is worth it.
    held: Option<usize>,
}

/// One fact as an event asks for it.
struct Asked<'a> {
    view: &'a View<'a>,
    bound: &'a BoundLane,
    fact: &'a BoundAggregate,
    /// What the first packed word of a matching row is.
    wanted: u64,
    lane: usize,
    /// Number of the fact in its lane.
    number: usize,
    window: (Timestamp, Timestamp),
}

impl Asked<'_> {
    /// Whether all rows of a section are inside the window and count.
    fn covers(&self, found: &Found, rows: usize) -> bool {
        let own = found.from..found.from + rows;
        found.oldest > self.window.0
            && found.newest <= self.window.1
            && (self.fact.include_current || !own.contains(&self.view.event))
    }

    /// Calls with each row of a section that counts, the newest first. Other rows follow it.
    #[inline]
    fn each(&self, section: &Section, found: &Found, mut call: impl FnMut(&[u64])) {
        let Asked { view: View { rows, event, .. }, bound, fact, wanted, lane, window, .. } = *self;
        let (length, width, words) = (section.rows(), rows.width(), rows.words());
        let until = |at: Timestamp| match at {
            at if at < found.oldest => 0,
            at if at >= found.newest => length,
            at => rows.until_in(found.from..found.from + length, at) - found.from,
        };
        // A window may lie wholly before the retention.
        let first = until(window.0);
        let members = section.members_at(lane, &found.members, &(first..until(window.1).max(first)));
        let left_out = if fact.include_current { usize::MAX } else { *event };
        for position in section.offsets(lane, &members).rev().map(|offset| found.from + offset) {
            let row = &words[position * width..];
            if fact.admits(row::head(row), wanted, || row)
                && position != left_out
                && (found.is_certain || bound.key.agrees(row, rows.row(*event)))
            {
                call(row);
            }
        }
    }
}

impl Sections {
    /// A row has taken its place at a position.
    pub(crate) fn insert(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize) {
        if self.rows == 0 {
            return;
        }
        self.asker = None;
        self.inserted += 1;
        if self.inserted - self.asked_at > self.rows || self.inserted > self.rows * TURNS_MAX {
            return self.forget();
        }
        let is_last_full = self.sections.last().is_none_or(|last| last.rows() >= SECTION_ROWS_MAX);
        if position == self.rows && is_last_full {
            self.sections.push(Section::new(0));
        }
        let (section, from) = self.section_of(position);
        self.rows += 1;
        let length = self.sections[section].rows() + 1;
        if length <= SECTION_ROWS_MAX {
            self.sections[section].insert(plan, rows, (from, position), &mut self.numbers);
        } else {
            // Rows that come at one end leave full sections behind.
            let left = match position - from {
                offset if offset < length / 8 => length / 8,
                offset if offset > length / 8 * 7 => length / 8 * 7,
                _ => length / 2,
            };
            self.sections[section] = Section::new(left);
            self.sections.insert(section + 1, Section::new(length - left));
        }
    }

    /// The oldest rows are about to leave.
    pub(crate) fn drop_oldest(&mut self, plan: &BoundPlan, rows: &Rows<'_>, count: usize) {
        if self.rows == 0 {
            return;
        }
        self.asker = None;
        let (mut left, mut emptied) = (count, 0);
        for section in &mut self.sections {
            if left < section.rows() {
                section.drop_oldest(plan, rows, count - left, left);
                break;
            }
            left -= section.rows();
            emptied += 1;
        }
        self.sections.drain(..emptied);
        self.rows -= count;
    }

    /// A row was amended.
    pub(crate) fn amend(&mut self, position: usize) {
        if self.rows > 0 {
            self.asker = None;
            let (section, _) = self.section_of(position);
            self.sections[section] = Section::new(self.sections[section].rows());
        }
    }

    fn forget(&mut self) {
        *self = Sections::default();
    }

    /// The section of a row that is there, or where one at the end belongs, and the position of its oldest row.
    fn section_of(&self, position: usize) -> (usize, usize) {
        let mut end = self.rows;
        for (number, section) in self.sections.iter().enumerate().rev() {
            end -= section.rows();
            if position >= end {
                return (number, end);
            }
        }
        (0, 0)
    }

    /// Writes every wanted fact into its register, or makes the register unknown.
    #[inline(never)]
    pub(crate) fn facts(
        &mut self,
        plan: &BoundPlan,
        view: &View<'_>,
        want: &FactSet,
        registers: &mut Registers,
        marks: &mut FactMarks,
    ) {
        if self.rows == 0 {
            self.rows = view.rows.len();
            self.sections.extend(lengths(self.rows).map(Section::new));
        }
        self.begin(plan, view);
        let event = view.rows.row(view.event);
        for (lane, bound) in plan.lanes.iter().enumerate() {
            let asked = want.of_both(&bound.facts);
            if asked.is_empty() {
                continue;
            }
            if !bound.key.is_known(event) {
                each(plan, &asked, |index| registers.unset(plan.facts[index].slot));
                continue;
            }
            for (number, index) in bound.each.iter().enumerate().filter(|(_, index)| asked.has(**index)) {
                let fact = &plan.facts[*index];
                let (window, wanted) = (view.window(fact), fact.wanted(view.currency));
                self.look_for(lane, bound, view, window.0);
                let gathered = self.gather(&Asked { view, bound, fact, wanted, lane, number, window });
                let own = if fact.op == Op::Rank { fact.value_of(event) } else { None };
                if answer(fact, &gathered, &mut self.room.ordered, own, registers)
                    || view.lacks(fact, window.0)
                {
                    marks.approximate.insert(*index);
                }
            }
        }
    }

    /// Another event asks: nothing is found for it yet.
    fn begin(&mut self, plan: &BoundPlan, view: &View<'_>) {
        self.asked_at = self.inserted;
        let asker = Some((view.event, view.currency));
        if self.asker == asker {
            return;
        }
        self.asker = asker;
        let (section, from) = self.section_of(view.rows.until(view.at) - 1);
        let end = from + self.sections[section].rows();
        self.found.resize_with(plan.lanes.len(), FoundInLane::default);
        for lane in &mut self.found {
            lane.sections.clear();
            (lane.older, lane.end) = (section + 1, end);
        }
    }

    /// Finds further sections with rows of a lane after a time.
    fn look_for(&mut self, lane: usize, bound: &BoundLane, view: &View<'_>, after: Timestamp) {
        let FoundInLane { older, end, sections } = &mut self.found[lane];
        let View { rows, currency, .. } = *view;
        if *older == 0 || rows.at(*end - 1) <= after {
            return;
        }
        let event = rows.row(view.event);
        let hash = bound.key.hash(event);
        while *older > 0 && rows.at(*end - 1) > after {
            *older -= 1;
            let section = &mut self.sections[*older];
            let (from, newest) = (*end - section.rows(), rows.at(*end - 1));
            section.read(lane, &bound.key, &rows, from);
            let members = section.members_of(lane, hash);
            let first = section.offsets(lane, &members).next();
            if let Some(first) = first {
                let is_certain = !section.is_mixed(lane) && bound.key.agrees(rows.row(from + first), event);
                let held = is_certain.then(|| section.hold(lane, &members, bound.each.len(), currency));
                let (section, oldest, held) = (*older, rows.at(from), held.flatten());
                sections.push(Found { section, from, oldest, newest, members, is_certain, held });
            }
            *end = from;
        }
    }

    /// What the matching rows of a window come to, from the newest back.
    fn gather(&mut self, asked: &Asked<'_>) -> Gathered {
        let Sections { sections, found, numbers, room, .. } = self;
        let mut gathered = Gathered::default();
        room.ordered.clear();
        room.different.clear();
        let found = found[asked.lane].sections.iter();
        for found in found.take_while(|found| found.newest > asked.window.0) {
            if found.oldest > asked.window.1 {
                continue;
            }
            let section = &mut sections[found.section];
            if asked.covers(found, section.rows())
                && let Some(partial) = partial(section, found, asked, numbers)
                && !needs_rows(asked.fact.op, &gathered, partial, room.ordered.len())
            {
                merge(asked.fact.op, &mut gathered, partial, room);
                continue;
            }
            gather_rows(section, found, asked, &mut gathered, (&mut *room, &mut *numbers));
        }
        if let Op::Distinct { max } = asked.fact.op {
            gathered.hits = room.different.len().min(max);
        }
        gathered
    }

    /// Bytes of memory.
    pub(crate) fn counted_bytes(&self) -> usize {
        let sections: usize = self.sections.iter().map(Section::counted_bytes).sum();
        sections + self.sections.capacity() * size_of::<Section>() + self.numbers.counted_bytes()
    }
}

/// Rows of each section when so many rows are divided for the first time.
fn lengths(rows: usize) -> impl Iterator<Item = usize> {
    const EACH: usize = SECTION_ROWS_MAX / 4 * 3;
    (0..rows).step_by(EACH).map(move |from| EACH.min(rows - from))
}

/// The partial total of a section that lies wholly in the window; none where it is not worth it.
fn partial<'a>(
    section: &'a mut Section,
    found: &Found,
    asked: &Asked<'_>,
    numbers: &mut ValueNumbers,
) -> Option<&'a Partial> {
    let held = found.held?;
    if section.partial_mut(asked.lane, held, asked.number).is_none() {
        let mut partial = Partial::default();
        asked.each(section, found, |row| {
            partial.add_older(asked.fact, row, asked.fact.value.raw(row), numbers);
        });
        *section.partial_mut(asked.lane, held, asked.number) = Some(partial);
    }
    section.partial_mut(asked.lane, held, asked.number).as_ref()
}

/// Takes in the matching rows of a section, which are older than all that was gathered. Each operation has a loop of
/// its own.
fn gather_rows(
    section: &Section,
    found: &Found,
    asked: &Asked<'_>,
    gathered: &mut Gathered,
    (room, numbers): (&mut Room, &mut ValueNumbers),
) {
    let fact = asked.fact;
    match fact.op {
        Op::Count | Op::Rate => asked.each(section, found, |_| gathered.count()),
        Op::Sum | Op::Avg => asked.each(section, found, |row| gathered.add(fact.value.raw(row))),
        Op::Last | Op::First | Op::Nth(_) => {
            asked.each(section, found, |row| gathered.next_older(fact.op, fact.value.raw(row)));
        }
        Op::Distinct { .. } => asked.each(section, found, |row| {
            gathered.count();
            room.different.insert(fact.value.raw(row), numbers);
        }),
        Op::Median | Op::TrimmedMean | Op::Quantile(_) | Op::Rank => asked.each(section, found, |row| {
            gathered.count();
            if room.ordered.len() < ORDER_ROWS_MAX {
                room.ordered.push(fact.value.raw(row).cast_signed());
            }
        }),
        _ => asked.each(section, found, |row| gathered.take(fact, row, fact.value.raw(row))),
    }
}

/// Whether the rows of a section must be read although its partial total is known.
fn needs_rows(op: Op, gathered: &Gathered, partial: &Partial, values: usize) -> bool {
    let rows = partial.gathered.rows;
    match op {
        Op::Nth(nth) => (gathered.rows + 1..=gathered.rows + rows).contains(&nth),
        Op::Median | Op::TrimmedMean | Op::Quantile(_) | Op::Rank => rows > 0 && values < ORDER_ROWS_MAX,
        _ => false,
    }
}

/// Takes in a partial total of rows that are older than all that was gathered.
fn merge(op: Op, gathered: &mut Gathered, partial: &Partial, room: &mut Room) {
    let theirs = &partial.gathered;
    match op {
        Op::Last => gathered.word = gathered.word.or(theirs.word),
        Op::First => gathered.word = theirs.word.or(gathered.word),
        Op::Distinct { .. } => room.different.insert_all(&partial.values),
        Op::Min | Op::Max => {
            let words = [gathered.word, theirs.word].into_iter().flatten().map(u64::cast_signed);
            let extreme = if op == Op::Min { words.min() } else { words.max() };
            gathered.word = extreme.map(i64::cast_unsigned);
        }
        Op::Sum | Op::Avg | Op::Ratio(_) => gathered.add_sums(theirs),
        Op::Stddev => gathered.add_squares(theirs),
        _ => {}
    }
    gathered.rows += theirs.rows;
}
