//! Membership in memory: cooperative and sticky, a shard moves only after its owner has let it go.

use super::Log;
use crate::edge::source::{Generation, Polled, Position, Source, SourceError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tripline_core::batch::{Batch, Shard};

/// Who owns what, and what each member has yet to be told.
#[derive(Debug, Default)]
pub(super) struct Group {
    members: BTreeMap<u64, VecDeque<Polled>>,
    owners: BTreeMap<u32, Option<u64>>,
    /// Offered and not yet accepted.
    offered: BTreeMap<u32, u64>,
    generation: u64,
    joined: u64,
}

fn shard(partition: u32) -> Shard {
    Shard { space: 0, partition }
}

impl Group {
    pub(super) fn open(&mut self, partitions: u32) {
        self.owners = (0..partitions).map(|partition| (partition, None)).collect();
    }

    pub(super) fn owns(&self, member: u64, partition: u32) -> bool {
        self.owners.get(&partition) == Some(&Some(member))
    }

    fn join(&mut self) -> u64 {
        self.joined += 1;
        self.members.insert(self.joined, VecDeque::new());
        self.balance();
        self.joined
    }

    pub(super) fn expel(&mut self, member: u64) {
        self.members.remove(&member);
        for owner in self.owners.values_mut().filter(|owner| **owner == Some(member)) {
            *owner = None;
        }
        self.offered.retain(|_, to| *to != member);
        self.balance();
    }

    /// Wants back what a member has too much of, and offers what nobody has.
    fn balance(&mut self) {
        if self.members.is_empty() {
            return;
        }
        self.generation += 1;
        let generation = Generation(self.generation);
        let fair = self.owners.len().div_ceil(self.members.len());
        let mut held: BTreeMap<u64, Vec<u32>> =
            self.members.keys().map(|member| (*member, Vec::new())).collect();
        for (partition, owner) in &self.owners {
            if let Some(member) = owner.or(self.offered.get(partition).copied()) {
                held.entry(member).or_default().push(*partition);
            }
        }
        for (member, partitions) in &mut held {
            let surplus = partitions.split_off(partitions.len().min(fair));
            let owned: Vec<Shard> =
                surplus.into_iter().filter(|p| self.owns(*member, *p)).map(shard).collect();
            if let (false, Some(queue)) = (owned.is_empty(), self.members.get_mut(member)) {
                queue.push_back(Polled::Revoked(generation, owned));
            }
        }
        let free: Vec<u32> = self
            .owners
            .iter()
            .filter(|(partition, owner)| owner.is_none() && !self.offered.contains_key(partition))
            .map(|(partition, _)| *partition)
            .collect();
        let mut offers: BTreeMap<u64, Vec<Shard>> = BTreeMap::new();
        for partition in free {
            let Some((member, partitions)) = held.iter_mut().min_by_key(|(_, held)| held.len()) else {
                continue;
            };
            partitions.push(partition);
            self.offered.insert(partition, *member);
            offers.entry(*member).or_default().push(shard(partition));
        }
        for (member, shards) in offers {
            if let Some(queue) = self.members.get_mut(&member) {
                queue.push_back(Polled::Assigned(generation, shards));
            }
        }
    }

    fn release(&mut self, member: u64, shards: &[Shard]) {
        for shard in shards {
            if self.owns(member, shard.partition) {
                self.owners.insert(shard.partition, None);
            }
        }
        self.balance();
    }
}

/// A member of the group on the input topic.
#[derive(Debug)]
pub struct MemorySource {
    log: Log,
    member: u64,
    records_max: usize,
    /// Next offset to deliver of every live shard.
    live: BTreeMap<Shard, i64>,
    held: BTreeSet<Shard>,
    paused: bool,
    turn: usize,
}

impl MemorySource {
    /// Joins the group; a poll delivers at most so many records.
    pub fn join(log: &Log, records_max: usize) -> MemorySource {
        let member = log.lock().group.join();
        let (live, held) = (BTreeMap::new(), BTreeSet::new());
        MemorySource { log: log.clone(), member, records_max, live, held, paused: false, turn: 0 }
    }

    /// The member's number, for [`Log::expel`] and the sink.
    pub fn member(&self) -> u64 {
        self.member
    }

    fn positions(&self, shards: &[Shard]) -> Vec<Position> {
        let inner = self.log.lock();
        let position = |shard: &Shard| {
            let (next, note) = inner.committed.get(&shard.partition).cloned().unwrap_or_default();
            Position { shard: *shard, next, note }
        };
        shards.iter().map(position).collect()
    }

    fn change(&mut self) -> Option<Polled> {
        let mut inner = self.log.lock();
        let Some(queue) = inner.group.members.get_mut(&self.member) else {
            drop(inner);
            let mut all: Vec<Shard> = self.live.keys().copied().collect();
            all.extend(&self.held);
            self.live.clear();
            self.held.clear();
            return (!all.is_empty()).then_some(Polled::Lost(all));
        };
        queue.pop_front()
    }
}

impl Source for MemorySource {
    fn poll(&mut self, into: &mut Batch, _wait: Duration) -> Result<Polled, SourceError> {
        into.clear();
        if let Some(change) = self.change() {
            return Ok(change);
        }
        if self.paused {
            return Ok(Polled::Idle);
        }
        let shards: Vec<Shard> = self.live.keys().copied().collect();
        for step in 0..shards.len() {
            let shard = shards[(self.turn + step) % shards.len()];
            let from = self.live[&shard];
            let entries = self.log.lock().visible(&self.log.input, shard.partition, from);
            if entries.is_empty() {
                continue;
            }
            into.shard = shard;
            for (offset, entry) in entries.into_iter().take(self.records_max) {
                into.push(offset, Some(entry.appended_at), &entry.key, &entry.value);
                self.live.insert(shard, offset + 1);
            }
            self.turn += step + 1;
            return Ok(Polled::Batch);
        }
        Ok(Polled::Idle)
    }

    fn accept(&mut self, _: Generation, shards: &[Shard]) -> Result<Vec<Position>, SourceError> {
        let mut taken = Vec::new();
        let mut inner = self.log.lock();
        for shard in shards {
            if inner.group.offered.get(&shard.partition) == Some(&self.member) {
                inner.group.offered.remove(&shard.partition);
                inner.group.owners.insert(shard.partition, Some(self.member));
                taken.push(*shard);
            }
        }
        drop(inner);
        self.held.extend(&taken);
        Ok(self.positions(&taken))
    }

    fn hold(&mut self, shards: &[Shard]) -> Result<Vec<Position>, SourceError> {
        for shard in shards {
            self.live.remove(shard);
            self.held.insert(*shard);
        }
        Ok(self.positions(shards))
    }

    fn resume(&mut self, at: &Position) -> Result<(), SourceError> {
        if self.held.remove(&at.shard) {
            self.live.insert(at.shard, at.next);
        }
        Ok(())
    }

    fn release(&mut self, _: Generation, shards: &[Shard]) -> Result<(), SourceError> {
        for shard in shards {
            self.live.remove(shard);
            self.held.remove(shard);
        }
        self.log.lock().group.release(self.member, shards);
        Ok(())
    }

    fn pause(&mut self, paused: bool) -> Result<(), SourceError> {
        self.paused = paused;
        Ok(())
    }

    fn caught_up(&self, shard: Shard) -> bool {
        let end = self.log.lock().stable_end(&self.log.input, shard.partition);
        self.live.get(&shard).is_some_and(|next| *next >= end)
    }

    fn close(&mut self) {
        self.live.clear();
        self.held.clear();
        self.log.expel(self.member);
    }
}
