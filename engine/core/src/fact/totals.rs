//! Running totals of a large ledger: for every lane value the places of its rows, and for every aggregate asked of them
//! what its window comes to, moved along by two cursors.
//!
//! A cache: it follows every change of the rows, or is dropped and built again, and no answer depends on it. Everything
//! is kept exact, so that taking a row out undoes exactly what putting it in did.

use super::answer::{Gathered, answer};
use super::bound::{BoundAggregate, BoundLane, BoundPlan};
use super::scan::each;
use super::{FactMarks, View};
use crate::batch::Timestamp;
use crate::row::{Rows, mix};
use hashbrown::HashTable;
use std::collections::VecDeque;
use tripline_rules::aggregate::{FactSet, ORDER_ROWS_MAX, Op};
use tripline_rules::value::Registers;

/// A row that takes its place before at most so many others is woven in; further back the totals are built anew.
const WOVEN_ROWS_MAX: usize = 64;
/// Dropped totals are built again after so many events, which are answered by scans: each build is paid for by them.
const EVENTS_BEFORE_BUILD: u32 = 16;
/// Before numbers of rows run out, the totals are built anew.
const NUMBER_MAX: u32 = u32::MAX - 1_000_000;

/// What one aggregate comes to over the rows `tail..head` of its lane.
#[derive(Clone, Debug, Default)]
struct Running {
    tail: u64,
    head: u64,
    gathered: Gathered,
    /// The extreme value has left the window.
    is_stale: bool,
    /// How many rows hold each value.
    values: HashTable<(u64, u32)>,
}

impl Running {
    fn add(&mut self, fact: &BoundAggregate, row: &[u64]) {
        let Some(word) = fact.admitted(row) else { return };
        self.gathered.take(fact, row, word);
        if matches!(fact.op, Op::Distinct { .. }) {
            let same = |held: &(u64, u32)| held.0 == word;
            let entry = self.values.entry(mix(word), same, |held| mix(held.0));
            entry.or_insert((word, 0)).get_mut().1 += 1;
        }
    }

    fn remove(&mut self, fact: &BoundAggregate, row: &[u64]) {
        let Some(word) = fact.admitted(row) else { return };
        let (gathered, number) = (&mut self.gathered, i128::from(word.cast_signed()));
        gathered.rows -= 1;
        match fact.op {
            Op::Sum | Op::Avg => gathered.sum -= number,
            Op::Stddev => {
                gathered.sum -= number;
                gathered.squares -= number * number;
            }
            Op::Ratio(_) => gathered.hits -= u32::from(fact.is_hit(row)),
            Op::Min | Op::Max => self.is_stale |= gathered.word == Some(word),
            Op::Distinct { .. } => {
                let entry = self.values.find_entry(mix(word), |held| held.0 == word);
                let mut entry = entry.expect("a row that was counted");
                entry.get_mut().1 -= 1;
                if entry.get().1 == 0 {
                    entry.remove();
                }
            }
            _ => {}
        }
    }
}

/// The rows of one lane value, oldest first, and the totals over them.
#[derive(Clone, Debug)]
struct Group {
    /// Numbers of the rows; the row at the ledger's front has number [`Totals::first`].
    rows: VecDeque<u32>,
    /// Rows that have left at the front: places in the group are counted from the first that ever was in it.
    left: u64,
    /// One for each aggregate of the lane, once it was asked for.
    running: Vec<Running>,
}

impl Group {
    fn end(&self) -> u64 {
        self.left + self.rows.len() as u64
    }

    fn number(&self, place: u64) -> u32 {
        let index = usize::try_from(place - self.left).expect("places lie among the rows held");
        self.rows[index]
    }

    /// The oldest row leaves the ledger.
    fn pop_front(&mut self, plan: &BoundPlan, lane: &BoundLane, row: &[u64]) {
        let place = self.left;
        for (running, index) in self.running.iter_mut().zip(&lane.each) {
            if running.tail == place {
                if running.head > place {
                    running.remove(&plan.facts[*index], row);
                }
                running.tail = place + 1;
                running.head = running.head.max(place + 1);
            }
        }
        self.rows.pop_front();
        self.left += 1;
    }

    /// The newest row is taken out, to be put back after another.
    fn pop_back(&mut self, plan: &BoundPlan, lane: &BoundLane, row: &[u64]) {
        self.rows.pop_back();
        let place = self.end();
        for (running, index) in self.running.iter_mut().zip(&lane.each) {
            if running.head > place {
                if running.tail <= place {
                    running.remove(&plan.facts[*index], row);
                }
                running.head = place;
                running.tail = running.tail.min(place);
            }
        }
    }

    /// Calls for every total that covers a row.
    fn covering(&mut self, lane: &BoundLane, number: u32, mut call: impl FnMut(&mut Running, usize)) {
        let place = self.left + self.rows.partition_point(|held| *held < number) as u64;
        for (running, index) in self.running.iter_mut().zip(&lane.each) {
            if (running.tail..running.head).contains(&place) {
                call(running, *index);
            }
        }
    }
}

/// Groups of one lane.
#[derive(Clone, Debug, Default)]
struct Lane {
    groups: Vec<Group>,
    vacant: Vec<u32>,
    by_value: HashTable<u32>,
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

    fn group(&self, plan: &BoundPlan, lane: usize, rows: &Rows<'_>, row: &[u64]) -> Option<u32> {
        let (key, lane) = (&plan.lanes[lane].key, &self.lanes[lane]);
        let same = |group: &u32| {
            let number = lane.groups[*group as usize].rows.front();
            number.is_some_and(|number| key.agrees(rows.row((number - self.first) as usize), row))
        };
        lane.by_value.find(key.hash(row), same).copied()
    }

    /// Puts a row at the end of its lanes.
    fn push(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize) {
        let (row, number) = (rows.row(position), self.number(position));
        for lane in 0..self.lanes.len() {
            if !plan.lanes[lane].key.is_known(row) {
                continue;
            }
            let group = self.group(plan, lane, rows, row).unwrap_or_else(|| {
                let (key, lane) = (&plan.lanes[lane].key, &mut self.lanes[lane]);
                let group = lane.vacant.pop().unwrap_or_else(|| {
                    lane.groups.push(Group { rows: VecDeque::new(), left: 0, running: Vec::new() });
                    u32::try_from(lane.groups.len() - 1).expect("no more than rows")
                });
                let (groups, first) = (&lane.groups, self.first);
                // A group that is being made has no row yet, and its hash is known.
                let rehash = |held: &u32| {
                    let number = groups[*held as usize].rows.front();
                    number.map_or(0, |number| key.hash(rows.row((number - first) as usize)))
                };
                lane.by_value.insert_unique(key.hash(row), group, rehash);
                group
            });
            self.lanes[lane].groups[group as usize].rows.push_back(number);
        }
    }

    /// Takes a row out of its lanes, at the front or the end of them.
    fn pop(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize, at_front: bool) {
        let row = rows.row(position);
        for (lane, held) in plan.lanes.iter().enumerate() {
            if !held.key.is_known(row) {
                continue;
            }
            let group = self.group(plan, lane, rows, row).expect("every row is in its lanes");
            let lane = &mut self.lanes[lane];
            if lane.groups[group as usize].rows.len() == 1 {
                let hash = held.key.hash(row);
                if let Ok(entry) = lane.by_value.find_entry(hash, |other| *other == group) {
                    entry.remove();
                }
                lane.groups[group as usize] = Group { rows: VecDeque::new(), left: 0, running: Vec::new() };
                lane.vacant.push(group);
            } else if at_front {
                lane.groups[group as usize].pop_front(plan, held, row);
            } else {
                lane.groups[group as usize].pop_back(plan, held, row);
            }
        }
    }

    /// The oldest rows are about to leave.
    pub(crate) fn retire(&mut self, plan: &BoundPlan, rows: &Rows<'_>, count: usize) {
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
    pub(crate) fn make_way(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize) {
        if self.is_dropped || rows.len() - position > WOVEN_ROWS_MAX {
            return self.drop();
        }
        (position..rows.len()).rev().for_each(|position| self.pop(plan, rows, position, false));
    }

    /// A row has taken its place: it and those after it are put in.
    pub(crate) fn follow(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize) {
        if !self.is_dropped {
            (position..rows.len()).for_each(|position| self.push(plan, rows, position));
        }
    }

    /// A row is about to be amended.
    pub(crate) fn withdraw(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize) {
        self.each_covering(plan, rows, position, |fact, running, row| running.remove(fact, row));
    }

    /// A row was amended; `has_moved`: it may be in other lanes now.
    pub(crate) fn restore(&mut self, plan: &BoundPlan, rows: &Rows<'_>, position: usize, has_moved: bool) {
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
        for (lane, held) in plan.lanes.iter().enumerate() {
            if let Some(group) = self.group(plan, lane, rows, row).filter(|_| held.key.is_known(row)) {
                let group = &mut self.lanes[lane].groups[group as usize];
                group.covering(held, number, |running, index| call(&plan.facts[index], running, row));
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
        let mut values = std::mem::take(&mut self.values);
        for (lane, held) in plan.lanes.iter().enumerate() {
            let asked = want.of_both(&held.facts);
            if asked.is_empty() {
                continue;
            }
            if !held.key.is_known(event) {
                each(plan, &asked, |index| registers.unset(plan.facts[index].slot));
                continue;
            }
            let group = self.group(plan, lane, &view.rows, event).expect("the event is in its lanes");
            let own = self.number(view.event);
            let group = &mut self.lanes[lane].groups[group as usize];
            if group.running.is_empty() {
                let fresh = Running { tail: group.left, head: group.left, ..Running::default() };
                group.running.resize(held.each.len(), fresh);
            }
            let mut window = Asked { group, first: self.first, own, view };
            for (which, index) in held.each.iter().enumerate().filter(|(_, index)| asked.has(**index)) {
                let fact = &plan.facts[*index];
                let (from, to) = fact.span.at(view.at(), view.held_after);
                let gathered = window.gather(fact, which, from, to, &mut values);
                let own = fact.value_of(event);
                if answer(fact, &gathered, &mut values, own, registers)
                    || view.dropped_at.is_some_and(|dropped_at| dropped_at > from)
                {
                    marks.approximate.insert(*index);
                }
            }
        }
        self.values = values;
    }

    /// Bytes of memory.
    pub(crate) fn counted_bytes(&self) -> usize {
        let group = |group: &Group| {
            let values: usize = group.running.iter().map(|running| running.values.allocation_size()).sum();
            group.rows.capacity() * size_of::<u32>()
                + group.running.capacity() * size_of::<Running>()
                + values
                + size_of::<Group>()
        };
        let lane =
            |lane: &Lane| lane.by_value.allocation_size() + lane.groups.iter().map(group).sum::<usize>();
        self.lanes.iter().map(lane).sum()
    }
}

/// One lane's rows as asked for by an event.
struct Asked<'a> {
    group: &'a mut Group,
    first: u32,
    own: u32,
    view: &'a View<'a>,
}

impl Asked<'_> {
    fn row(&self, place: u64) -> &[u64] {
        self.view.rows.row((self.group.number(place) - self.first) as usize)
    }

    fn at(&self, place: u64) -> Timestamp {
        self.view.rows.at((self.group.number(place) - self.first) as usize)
    }

    /// The value of a row that matches in all respects but the window's start.
    fn matching(&self, fact: &BoundAggregate, place: u64, to: Timestamp) -> Option<u64> {
        let is_left_out = !fact.include_current && self.group.number(place) == self.own;
        if is_left_out || self.at(place) > to {
            return None;
        }
        fact.admitted(self.row(place))
    }

    /// Moves the total to the window: it holds the rows before the event's own.
    fn advance(&mut self, fact: &BoundAggregate, which: usize, from: Timestamp, to: Timestamp) -> Running {
        let mut running = std::mem::take(&mut self.group.running[which]);
        let left = self.group.left;
        if running.head > left && self.group.number(running.head - 1) >= self.own {
            // A later event asked before: its total is of no use.
            running = Running { tail: left, head: left, ..Running::default() };
        }
        while running.head < self.group.end()
            && self.group.number(running.head) < self.own
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
                if let Some(word) = fact.admitted(row) {
                    fresh.take(fact, row, word);
                }
            }
            running.gathered.word = fresh.word;
        }
        running
    }

    /// What the fact comes to: the total, and the event's own row and those of its time after it.
    fn gather(
        &mut self,
        fact: &BoundAggregate,
        which: usize,
        from: Timestamp,
        to: Timestamp,
        values: &mut Vec<i64>,
    ) -> Gathered {
        let running = self.advance(fact, which, from, to);
        let mut gathered = running.gathered;
        values.clear();
        for place in running.head..self.group.end() {
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
                let mut places = running.tail..self.group.end();
                gathered.word = (gathered.rows > 0)
                    .then(|| places.find_map(|place| self.matching(fact, place, to)))
                    .flatten();
            }
            Op::Median | Op::TrimmedMean | Op::Quantile(_) | Op::Rank => {
                let places = (self.group.left..self.group.end()).rev();
                let count = ORDER_ROWS_MAX.min(gathered.rows as usize);
                let newest = places.filter_map(|place| self.matching(fact, place, to)).take(count);
                values.extend(newest.map(u64::cast_signed));
            }
            _ => {}
        }
        self.group.running[which] = running;
        gathered
    }

    /// The value of the `nth`-newest of so many matching rows.
    fn newest(&self, fact: &BoundAggregate, nth: u32, rows: u32, to: Timestamp) -> Option<u64> {
        if nth == 0 || nth > rows {
            return None;
        }
        let places = (self.group.left..self.group.end()).rev();
        places.filter_map(|place| self.matching(fact, place, to)).nth(nth as usize - 1)
    }
}
