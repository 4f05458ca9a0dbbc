//! One section of a large ledger: which of its rows belong to which value of a lane, and what they come to for an
//! aggregate, once that was asked.

use super::answer::Gathered;
use super::bound::{BoundAggregate, BoundPlan};
use super::value_set::{ValueNumbers, ValueSet};
use crate::row::{GroupKey, Rows};
use std::ops::Range;
use tripline_rules::aggregate::Op;

/// So many rows of one lane value are read one by one rather than held as a partial total.
const READ_MAX: usize = 4;

/// What all matching rows of one lane value in a section come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Partial {
    pub(super) gathered: Gathered,
    /// The different values, where the operation counts them.
    pub(super) values: ValueSet,
}

impl Partial {
    /// Takes in a matching row that is older than all before.
    pub(super) fn add_older(
        &mut self,
        fact: &BoundAggregate,
        row: &[u64],
        word: u64,
        numbers: &mut ValueNumbers,
    ) {
        if fact.op == Op::First || fact.op == Op::Last && self.gathered.rows == 0 {
            self.gathered.word = Some(word);
        }
        self.add(fact, row, word, numbers);
    }

    /// Takes in a matching row, wherever it is among the others; the first and the last value are not known after it.
    fn add(&mut self, fact: &BoundAggregate, row: &[u64], word: u64, numbers: &mut ValueNumbers) {
        self.gathered.take(fact, row, word);
        if matches!(fact.op, Op::Distinct { .. }) {
            self.values.insert(word, numbers);
        }
    }
}

/// A row of a section in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    /// Of its lane value.
    hash: u64,
    /// Its place among the section's rows.
    offset: u32,
}

/// Partial totals of one lane value in one currency, those of the aggregates that were asked for.
#[derive(Clone, Debug)]
struct Held {
    /// Of the lane value.
    hash: u64,
    /// The bits of the account's currency: another counts other rows.
    currency: u64,
    /// By the aggregate's number in its lane.
    partials: Vec<Option<Partial>>,
}

impl Held {
    /// A row of the lane value has come; `each`: the lane's aggregates.
    fn add(&mut self, plan: &BoundPlan, each: &[usize], row: &[u64], numbers: &mut ValueNumbers) {
        self.update(plan, each, row, |partial, fact, word| {
            partial.add(fact, row, word, numbers);
            !matches!(fact.op, Op::First | Op::Last)
        });
    }

    /// A row of the lane value leaves.
    fn remove(&mut self, plan: &BoundPlan, each: &[usize], row: &[u64]) {
        self.update(plan, each, row, |partial, fact, word| {
            let is_known = partial.gathered.remove(fact, row, word);
            is_known && !matches!(fact.op, Op::First | Op::Last | Op::Distinct { .. })
        });
    }

    /// Updates every partial total that counts a row. Those of which the call says false are read again.
    fn update(
        &mut self,
        plan: &BoundPlan,
        each: &[usize],
        row: &[u64],
        mut call: impl FnMut(&mut Partial, &BoundAggregate, u64) -> bool,
    ) {
        for (partial, index) in self.partials.iter_mut().zip(each) {
            let (Some(held), fact) = (&mut *partial, &plan.facts[*index]) else { continue };
            let word = fact.admitted(row, fact.wanted(self.currency));
            if word.is_some_and(|word| !call(held, fact, word)) {
                *partial = None;
            }
        }
    }
}

/// What was read of a section for one lane.
#[derive(Clone, Debug)]
struct Members {
    /// By lane value, then oldest first; rows without one are missing.
    sorted: Vec<Member>,
    /// Two lane values have one hash.
    is_mixed: bool,
    held: Vec<Held>,
}

/// So many adjacent rows.
#[derive(Clone, Debug)]
pub(super) struct Section {
    rows: usize,
    /// By lane, as far as it was read.
    lanes: Vec<Option<Members>>,
}

impl Section {
    /// A section of which nothing was read.
    pub(super) fn new(rows: usize) -> Section {
        Section { rows, lanes: Vec::new() }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// A row has taken its place; `from`: the position of the section's oldest row.
    pub(super) fn insert(
        &mut self,
        plan: &BoundPlan,
        rows: &Rows<'_>,
        (from, position): (usize, usize),
        numbers: &mut ValueNumbers,
    ) {
        self.rows += 1;
        let (row, offset) = (rows.row(position), place(position - from));
        for (members, bound) in self.lanes.iter_mut().zip(&plan.lanes) {
            let Some(Members { sorted, is_mixed, held }) = members else { continue };
            sorted.iter_mut().for_each(|member| member.offset += u32::from(member.offset >= offset));
            if !bound.key.is_known(row) {
                continue;
            }
            let own = Member { hash: bound.key.hash(row), offset };
            let at = sorted.partition_point(|member| *member < own);
            sorted.insert(at, own);
            let beside = [at.wrapping_sub(1), at + 1].map(|beside| sorted.get(beside));
            *is_mixed |= beside.into_iter().flatten().any(|beside| {
                beside.hash == own.hash && !bound.key.agrees(rows.row(from + beside.offset as usize), row)
            });
            let known = held.iter_mut().filter(|held| held.hash == own.hash);
            known.for_each(|held| held.add(plan, &bound.each, row, numbers));
        }
    }

    /// The oldest rows are about to leave; `from`: the position of the section's oldest row.
    pub(super) fn drop_oldest(&mut self, plan: &BoundPlan, rows: &Rows<'_>, from: usize, count: usize) {
        self.rows -= count;
        let gone = place(count);
        for (members, bound) in self.lanes.iter_mut().zip(&plan.lanes) {
            let Some(Members { sorted, held, .. }) = members else { continue };
            for row in (from..from + count).map(|position| rows.row(position)) {
                let hash = bound.key.hash(row);
                let known = held.iter_mut().filter(|held| held.hash == hash && bound.key.is_known(row));
                known.for_each(|held| held.remove(plan, &bound.each, row));
            }
            sorted.retain(|member| member.offset >= gone);
            sorted.iter_mut().for_each(|member| member.offset -= gone);
        }
    }

    /// Reads which rows have which value of a lane, unless that is known; `from`: the position of the oldest row.
    pub(super) fn read(&mut self, lane: usize, key: &GroupKey, rows: &Rows<'_>, from: usize) {
        if lane >= self.lanes.len() {
            self.lanes.resize(lane + 1, None);
        }
        self.lanes[lane].get_or_insert_with(|| {
            let all = (0u32..).zip(from..from + self.rows).map(|(offset, at)| (offset, rows.row(at)));
            let known = all.filter(|(_, row)| key.is_known(row));
            let mut sorted = Vec::with_capacity(self.rows + 1);
            sorted.extend(known.map(|(offset, row)| Member { hash: key.hash(row), offset }));
            sorted.sort_unstable();
            let row = |member: &Member| rows.row(from + member.offset as usize);
            let is_pure =
                sorted.is_sorted_by(|one, other| one.hash != other.hash || key.agrees(row(one), row(other)));
            Members { sorted, is_mixed: !is_pure, held: Vec::new() }
        });
    }

    /// The members with a lane value, in a lane that was read.
    pub(super) fn members_of(&self, lane: usize, hash: u64) -> Range<usize> {
        let sorted = self.lanes[lane].as_ref().map_or(&[][..], |members| &members.sorted);
        let first = sorted.partition_point(|member| member.hash < hash);
        if sorted.last().is_some_and(|last| last.hash == hash) {
            return first..sorted.len();
        }
        first..first + sorted[first..].partition_point(|member| member.hash == hash)
    }

    /// Where the partial totals of members are held, for so many aggregates of the lane. None where they are not worth
    /// it.
    pub(super) fn hold(
        &mut self,
        lane: usize,
        members: &Range<usize>,
        aggregates: usize,
        currency: u64,
    ) -> Option<usize> {
        let Members { sorted, held, .. } = self.lanes[lane].as_mut()?;
        if members.len() <= READ_MAX {
            return None;
        }
        let hash = sorted[members.start].hash;
        let known = held.iter().position(|held| held.hash == hash && held.currency == currency);
        Some(known.unwrap_or_else(|| {
            held.push(Held { hash, currency, partials: vec![None; aggregates] });
            held.len() - 1
        }))
    }

    /// A partial total: where it is held, and the aggregate's number in its lane.
    #[inline]
    pub(super) fn partial_mut(&mut self, lane: usize, held: usize, number: usize) -> &mut Option<Partial> {
        let members = self.lanes[lane].as_mut().expect("a lane that was read");
        &mut members.held[held].partials[number]
    }

    /// Places of members among the section's rows, oldest first.
    pub(super) fn offsets(
        &self,
        lane: usize,
        members: &Range<usize>,
    ) -> impl DoubleEndedIterator<Item = usize> {
        self.sorted(lane, members).iter().map(|member| member.offset as usize)
    }

    /// Of some members those at places of the section.
    pub(super) fn members_at(
        &self,
        lane: usize,
        members: &Range<usize>,
        places: &Range<usize>,
    ) -> Range<usize> {
        let sorted = self.sorted(lane, members);
        let before = |place: usize| sorted.partition_point(|member| (member.offset as usize) < place);
        members.start + before(places.start)..members.start + before(places.end)
    }

    /// Whether members that have a row's lane value by their hash have it.
    pub(super) fn is_mixed(&self, lane: usize) -> bool {
        self.lanes[lane].as_ref().is_some_and(|members| members.is_mixed)
    }

    fn sorted(&self, lane: usize, members: &Range<usize>) -> &[Member] {
        self.lanes[lane].as_ref().map_or(&[][..], |held| &held.sorted[members.clone()])
    }

    /// Bytes of memory.
    pub(super) fn counted_bytes(&self) -> usize {
        let held = |held: &Held| {
            let values = held.partials.iter().flatten().map(|partial| partial.values.counted_bytes());
            held.partials.capacity() * size_of::<Option<Partial>>() + values.sum::<usize>()
        };
        let lane = |members: &Members| {
            members.sorted.capacity() * size_of::<Member>()
                + members.held.capacity() * size_of::<Held>()
                + members.held.iter().map(held).sum::<usize>()
        };
        self.lanes.capacity() * size_of::<Option<Members>>()
            + self.lanes.iter().flatten().map(lane).sum::<usize>()
    }
}

fn place(offset: usize) -> u32 {
    u32::try_from(offset).expect("a section is small")
}
