//! The rows of one lane value, and for every aggregate asked of them what its window comes to, moved along by two
//! cursors.

use super::answer::Gathered;
use super::bound::{BoundAggregate, BoundLane, BoundPlan};
use crate::row::mix;
use hashbrown::HashTable;
use std::collections::VecDeque;
use tripline_rules::aggregate::Op;

/// What one aggregate comes to over the rows `tail..head` of its lane.
#[derive(Clone, Debug, Default)]
pub(super) struct Running {
    /// What the first packed word of a row in the total is: it depends on the account's currency.
    pub(super) wanted: u64,
    pub(super) tail: u64,
    pub(super) head: u64,
    pub(super) gathered: Gathered,
    /// The extreme value has left the window.
    pub(super) is_stale: bool,
    /// How many rows hold each value.
    pub(super) values: HashTable<(u64, u32)>,
}

impl Running {
    /// Of no rows, before the one at a place.
    pub(super) fn before(place: u64, wanted: u64) -> Running {
        Running { wanted, tail: place, head: place, ..Running::default() }
    }

    pub(super) fn add(&mut self, fact: &BoundAggregate, row: &[u64]) {
        let Some(word) = fact.admitted(row, self.wanted) else { return };
        self.gathered.take(fact, row, word);
        if matches!(fact.op, Op::Distinct { .. }) {
            let same = |held: &(u64, u32)| held.0 == word;
            let entry = self.values.entry(mix(word), same, |held| mix(held.0));
            entry.or_insert((word, 0)).get_mut().1 += 1;
        }
    }

    pub(super) fn remove(&mut self, fact: &BoundAggregate, row: &[u64]) {
        let Some(word) = fact.admitted(row, self.wanted) else { return };
        self.is_stale |= !self.gathered.remove(fact, row, word);
        if matches!(fact.op, Op::Distinct { .. }) {
            let entry = self.values.find_entry(mix(word), |held| held.0 == word);
            let mut entry = entry.expect("a row that was counted");
            entry.get_mut().1 -= 1;
            if entry.get().1 == 0 {
                entry.remove();
            }
        }
    }
}

/// Numbers of the rows of one lane value, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupRows {
    numbers: VecDeque<u32>,
    /// Rows that have left at the front: places in the group are counted from the first that ever was in it.
    pub(super) left: u64,
}

impl GroupRows {
    pub(super) fn end(&self) -> u64 {
        self.left + self.numbers.len() as u64
    }

    /// The ledger's number of the row at a place.
    pub(super) fn number(&self, place: u64) -> u32 {
        let index = usize::try_from(place - self.left).expect("places lie among the rows held");
        self.numbers[index]
    }

    /// The number of the oldest row.
    pub(super) fn oldest(&self) -> Option<u32> {
        self.numbers.front().copied()
    }

    pub(super) fn push(&mut self, number: u32) {
        self.numbers.push_back(number);
    }

    pub(super) fn has_one(&self) -> bool {
        self.numbers.len() == 1
    }

    fn place_of(&self, number: u32) -> u64 {
        self.left + self.numbers.partition_point(|held| *held < number) as u64
    }
}

/// The rows of one lane value, and the totals over them.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) rows: GroupRows,
    /// One for each aggregate of the lane, once it was asked for.
    pub(super) running: Vec<Running>,
}

impl Group {
    /// The oldest row leaves the ledger.
    pub(super) fn pop_front(&mut self, plan: &BoundPlan, lane: &BoundLane, row: &[u64]) {
        let place = self.rows.left;
        for (running, index) in self.running.iter_mut().zip(&lane.each) {
            if running.tail == place {
                if running.head > place {
                    running.remove(&plan.facts[*index], row);
                }
                running.tail = place + 1;
                running.head = running.head.max(place + 1);
            }
        }
        self.rows.numbers.pop_front();
        self.rows.left += 1;
    }

    /// The newest row is taken out, to be put back after another.
    pub(super) fn pop_back(&mut self, plan: &BoundPlan, lane: &BoundLane, row: &[u64]) {
        self.rows.numbers.pop_back();
        let place = self.rows.end();
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
    pub(super) fn covering(
        &mut self,
        lane: &BoundLane,
        number: u32,
        mut call: impl FnMut(&mut Running, usize),
    ) {
        let place = self.rows.place_of(number);
        for (running, index) in self.running.iter_mut().zip(&lane.each) {
            if (running.tail..running.head).contains(&place) {
                call(running, *index);
            }
        }
    }

    pub(super) fn counted_bytes(&self) -> usize {
        let values: usize = self.running.iter().map(|running| running.values.allocation_size()).sum();
        self.rows.numbers.capacity() * size_of::<u32>()
            + self.running.capacity() * size_of::<Running>()
            + values
            + size_of::<Group>()
    }
}
