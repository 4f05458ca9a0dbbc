//! Running totals of a large ledger: for every lane value the places of its rows, and for every aggregate asked of them
//! what its window comes to, moved along by two cursors.
//!
//! A cache: it follows every change of the rows, or is dropped and built again, and no answer depends on it. Everything
//! is kept exact, so that taking a row out undoes exactly what putting it in did.

use super::answer::{Gathered, answer};
use super::bound::{BoundAggregate, BoundPlan};
use super::group::{Group, GroupRows, Running};
use super::scan::each;
use super::{FactMarks, View};
use crate::batch::Timestamp;
use crate::row::{GroupKey, Rows, mix};
use hashbrown::HashTable;
use tripline_rules::aggregate::{FactSet, ORDER_ROWS_MAX, Op};
use tripline_rules::value::Registers;

/// A row that takes its place before at most so many others is inserted in place; further back the totals are built
/// anew.
const INSERTED_BEFORE_MAX: usize = 64;
/// Dropped totals are built again after so many events, which sections answer: each build is paid for by them.
const EVENTS_BEFORE_BUILD: u32 = 16;
/// Before numbers of rows run out, the totals are built anew.
const NUMBER_MAX: u32 = u32::MAX - 1_000_000;

/// Groups of one lane.
#[derive(Clone, Debug, Default)]
struct Lane {
    groups: Vec<Group>,
    vacant: Vec<u32>,
    by_value: HashTable<u32>,
}

impl Lane {
    /// The group of a row's value; `first`: number of the ledger's oldest row.
    fn find(&self, key: &GroupKey, first: u32, rows: &Rows<'_>, row: &[u64]) -> Option<u32> {
        let same = |group: &u32| {
            let oldest = self.groups[*group as usize].rows.oldest();
            oldest.is_some_and(|number| key.agrees(rows.row((number - first) as usize), row))
        };
        self.by_value.find(key.hash(row), same).copied()
    }

    /// A new group for a row's value.
    fn insert(&mut self, key: &GroupKey, first: u32, rows: &Rows<'_>, row: &[u64]) -> u32 {
        let group = self.vacant.pop().unwrap_or_else(|| {
            self.groups.push(Group::default());
            u32::try_from(self.groups.len() - 1).expect("no more than rows")
        });
        let groups = &self.groups;
        // A group that is being made has no row yet, and its hash is known.
        let rehash = |held: &u32| {
            let oldest = groups[*held as usize].rows.oldest();
            oldest.map_or(0, |number| key.hash(rows.row((number - first) as usize)))
        };
        self.by_value.insert_unique(key.hash(row), group, rehash);
        group
    }

    /// Forgets a group whose last row is this one.
    fn remove(&mut self, key: &GroupKey, row: &[u64], group: u32) {
        if let Ok(entry) = self.by_value.find_entry(key.hash(row), |other| *other == group) {
            entry.remove();
        }
        self.groups[group as usize] = Group::default();
        self.vacant.push(group);
    }
}

/// The totals of one ledger.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    /// Number of the ledger's oldest row.
    first: u32,
    lanes: Vec<Lane>,
    is_dropped: bool,
    /// Events to come before dropped totals are built again.
    waits: u32,
    /// Room for the values of an order statistic, and for values that no total holds yet.
    values: Vec<i64>,
}

impl Totals {
    /// Totals of a ledger's rows.
    pub(crate) fn new(plan: &BoundPlan, rows: &Rows<'_>) -> Totals {
        let mut totals =
            Totals { first: 0, lanes: Vec::new(), is_dropped: true, waits: 0, values: Vec::new() };
        totals.build(plan, rows);
        totals
    }

    fn build(&mut self, plan: &BoundPlan, rows: &Rows<'_>) {
        self.first = 0;
        self.is_dropped = false;
        self.lanes.clear();
        self.lanes.resize_with(plan.lanes.len(), Lane::default);
        (0..rows.len()).for_each(|position| self.push(plan, rows, position));
    }

    fn drop(&mut self) {
        self.is_dropped = true;
        self.waits = EVENTS_BEFORE_BUILD;
        self.lanes.clear();
    }

    fn number(&self, position: usize) -> u32 {
        self.first + u32::try_from(position).expect("at most 32,001 rows")
    }

    /// Puts a row at the end of its lanes.
    fn push(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize) {
        let (row, number) = (rows.row(position), self.number(position));
        for (lane, bound) in self.lanes.iter_mut().zip(&plan.lanes) {
            if !bound.key.is_known(row) {
                continue;
            }
            let found = lane.find(&bound.key, self.first, rows, row);
            let group = found.unwrap_or_else(|| lane.insert(&bound.key, self.first, rows, row));
            lane.groups[group as usize].rows.push(number);
        }
    }

    /// Takes a row out of its lanes, at the front or the end of them.
    fn pop(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize, at_front: bool) {
        let row = rows.row(position);
        for (lane, bound) in self.lanes.iter_mut().zip(&plan.lanes) {
            if !bound.key.is_known(row) {
                continue;
            }
            let number = lane.find(&bound.key, self.first, rows, row).expect("every row is in its lanes");
            let group = &mut lane.groups[number as usize];
            if group.rows.has_one() {
                lane.remove(&bound.key, row, number);
            } else if at_front {
                group.pop_front(plan, bound, row);
            } else {
                group.pop_back(plan, bound, row);
            }
        }
    }

    /// The oldest rows are about to leave.
    pub(crate) fn drop_oldest(&mut self, plan: &BoundPlan, rows: &Rows<'_>, count: usize) {
        if self.is_dropped || self.first > NUMBER_MAX {
            return self.drop();
        }
        for position in 0..count {
            // Numbers are counted from the front, which moves only when all have left.
            self.pop(plan, rows, position, true);
        }
        self.first += u32::try_from(count).expect("at most 32,001 rows");
    }

    /// A row is about to take its place before the row at a position: those after it are taken out.
    pub(crate) fn take_out_from(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize) {
        if self.is_dropped || rows.len() - position > INSERTED_BEFORE_MAX {
            return self.drop();
        }
        (position..rows.len()).rev().for_each(|position| self.pop(plan, rows, position, false));
    }

    /// A row has taken its place: it and those after it are put in.
    pub(crate) fn put_back_from(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize) {
        if !self.is_dropped {
            (position..rows.len()).for_each(|position| self.push(plan, rows, position));
        }
    }

    /// A row is about to be amended.
    pub(crate) fn subtract(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize) {
        self.each_covering(plan, rows, position, |fact, running, row| running.remove(fact, row));
    }

    /// A row was amended; `has_moved`: it may be in other lanes now.
    pub(crate) fn add_back(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize, has_moved: bool) {
        if has_moved {
            return self.drop();
        }
        self.each_covering(plan, rows, position, |fact, running, row| running.add(fact, row));
    }

    fn each_covering(
        &mut self,
        plan: &BoundPlan,
        rows: &Rows<'_>,
        position: usize,
        mut call: impl FnMut(&BoundAggregate, &mut Running, &[u64]),
    ) {
        if self.is_dropped {
            return;
        }
        let (row, number) = (rows.row(position), self.number(position));
        for (lane, bound) in
            self.lanes.iter_mut().zip(&plan.lanes).filter(|(_, bound)| bound.key.is_known(row))
        {
            if let Some(group) = lane.find(&bound.key, self.first, rows, row) {
                let group = &mut lane.groups[group as usize];
                group.covering(bound, number, |running, index| call(&plan.facts[index], running, row));
            }
        }
    }

    /// Whether an event can be answered, or should be by a scan.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.waits = self.waits.saturating_sub(1);
        !self.is_dropped || self.waits == 0
    }

    /// Writes every wanted fact into its register, or makes the register unknown. The event has no newer row.
    pub(crate) fn facts(
        &mut self,
        plan: &BoundPlan,
        view: &View<'_>,
        want: &FactSet,
        registers: &mut Registers,
        marks: &mut FactMarks,
    ) {
        if self.is_dropped {
            self.build(plan, &view.rows);
        }
        let event = view.rows.row(view.event);
        let own = self.number(view.event);
        let Totals { first, lanes, values, .. } = self;
        for (lane, bound) in lanes.iter_mut().zip(&plan.lanes) {
            let asked = want.of_both(&bound.facts);
            if asked.is_empty() {
                continue;
            }
            if !bound.key.is_known(event) {
                each(plan, &asked, |index| registers.unset(plan.facts[index].slot));
                continue;
            }
            let group = lane.find(&bound.key, *first, &view.rows, event).expect("the event is in its lanes");
            let Group { rows, running } = &mut lane.groups[group as usize];
            if running.is_empty() {
                running.resize(bound.each.len(), Running::before(rows.left, 0));
            }
            let window = LaneRows { rows, first: *first, own, view };
            for (running, index) in
                running.iter_mut().zip(&bound.each).filter(|(_, index)| asked.has(**index))
            {
                let fact = &plan.facts[*index];
                let (from, to) = view.window(fact);
                let gathered = window.gather(fact, running, from, to, values);
                let own = fact.value_of(event);
                if answer(fact, &gathered, values, own, registers) || view.lacks(fact, from) {
                    marks.approximate.insert(*index);
                }
            }
        }
    }

    /// Bytes of memory.
    pub(crate) fn counted_bytes(&self) -> usize {
        let lane = |lane: &Lane| {
            lane.by_value.allocation_size() + lane.groups.iter().map(Group::counted_bytes).sum::<usize>()
        };
        self.lanes.iter().map(lane).sum()
    }
}

/// One lane's rows as an event asks for them.
struct LaneRows<'a> {
    rows: &'a GroupRows,
    first: u32,
    own: u32,
    view: &'a View<'a>,
}

impl LaneRows<'_> {
    fn row(&self, place: u64) -> &[u64] {
        self.view.rows.row((self.rows.number(place) - self.first) as usize)
    }

    fn at(&self, place: u64) -> Timestamp {
        self.view.rows.at((self.rows.number(place) - self.first) as usize)
    }

    /// The value of a row that matches in all respects but the window's start.
    fn matching(&self, fact: &BoundAggregate, place: u64, to: Timestamp) -> Option<u64> {
        let is_left_out = !fact.include_current && self.rows.number(place) == self.own;
        if is_left_out || self.at(place) > to {
            return None;
        }
        fact.admitted(self.row(place), fact.wanted(self.view.currency))
    }

    /// Moves the total to the window: it holds the rows before the event's own.
    fn advance(&self, fact: &BoundAggregate, running: &mut Running, from: Timestamp, to: Timestamp) {
        let (left, wanted) = (self.rows.left, fact.wanted(self.view.currency));
        let is_beyond = running.head > left && self.rows.number(running.head - 1) >= self.own;
        if is_beyond || running.wanted != wanted {
            // A later event was computed before, or one in another currency: its total is of no use.
            *running = Running::before(left, wanted);
        }
        while running.head < self.rows.end()
            && self.rows.number(running.head) < self.own
            && self.at(running.head) <= to
        {
            running.add(fact, self.row(running.head));
            running.head += 1;
        }
        while running.tail < running.head && self.at(running.tail) <= from {
            running.remove(fact, self.row(running.tail));
            running.tail += 1;
        }
        if running.is_stale {
            running.is_stale = false;
            let mut fresh = Gathered::default();
            for row in (running.tail..running.head).map(|place| self.row(place)) {
                if let Some(word) = fact.admitted(row, wanted) {
                    fresh.take(fact, row, word);
                }
            }
            running.gathered.word = fresh.word;
        }
    }

    /// What the fact comes to: the total, and the event's own row and those of its time after it.
    fn gather(
        &self,
        fact: &BoundAggregate,
        running: &mut Running,
        from: Timestamp,
        to: Timestamp,
        values: &mut Vec<i64>,
    ) -> Gathered {
        self.advance(fact, running, from, to);
        let mut gathered = running.gathered;
        values.clear();
        for place in running.head..self.rows.end() {
            let is_inside = self.at(place) > from;
            let Some(word) = self.matching(fact, place, to).filter(|_| is_inside) else { continue };
            gathered.take(fact, self.row(place), word);
            let is_new = running.values.find(mix(word), |held| held.0 == word).is_none();
            if matches!(fact.op, Op::Distinct { .. }) && is_new && !values.contains(&word.cast_signed()) {
                values.push(word.cast_signed());
            }
        }
        match fact.op {
            Op::Distinct { .. } => {
                gathered.hits = u32::try_from(running.values.len() + values.len()).unwrap_or(u32::MAX);
            }
            Op::Last => gathered.word = self.newest(fact, 1, gathered.rows, to),
            Op::Nth(nth) => gathered.word = self.newest(fact, nth, gathered.rows, to),
            Op::First => {
                let mut places = running.tail..self.rows.end();
                gathered.word = (gathered.rows > 0)
                    .then(|| places.find_map(|place| self.matching(fact, place, to)))
                    .flatten();
            }
            Op::Median | Op::TrimmedMean | Op::Quantile(_) | Op::Rank => {
                let places = (self.rows.left..self.rows.end()).rev();
                let count = ORDER_ROWS_MAX.min(gathered.rows as usize);
                let newest = places.filter_map(|place| self.matching(fact, place, to)).take(count);
                values.extend(newest.map(u64::cast_signed));
            }
            _ => {}
        }
        gathered
    }

    /// The value of the `nth`-newest of so many matching rows.
    fn newest(&self, fact: &BoundAggregate, nth: u32, rows: u32, to: Timestamp) -> Option<u64> {
        if nth == 0 || nth > rows {
            return None;
        }
        let places = (self.rows.left..self.rows.end()).rev();
        places.filter_map(|place| self.matching(fact, place, to)).nth(nth as usize - 1)
    }
}
