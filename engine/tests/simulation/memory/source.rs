//! A member's source on the log in memory: what it polls is its shards' records and the changes of its assignment.

use super::Log;
use super::group::Membership;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tripline::runtime::source::{Generation, Polled, Position, Source, SourceError};
use tripline_core::batch::{Batch, ShardId};

/// A member of the group on the input topic.
#[derive(Debug)]
pub struct MemorySource {
    log: Log,
    member: u64,
    instance: Option<String>,
    membership: Membership,
    /// Off, the member does not hear of a new generation that changes nothing for it.
    pub hears: bool,
    records_max: usize,
    /// Next offset to deliver of every live shard.
    live: BTreeMap<ShardId, i64>,
    held: BTreeSet<ShardId>,
    paused: bool,
    turn: usize,
}

impl MemorySource {
    /// Joins the group, perhaps as an instance that keeps its shards over a restart. A poll delivers at most so many
    /// records.
    pub fn join(log: &Log, records_max: usize, instance: Option<&str>) -> MemorySource {
        let mut source = MemorySource {
            log: log.clone(),
            member: 0,
            instance: instance.map(str::to_owned),
            membership: Membership::default(),
            hears: true,
            records_max,
            live: BTreeMap::new(),
            held: BTreeSet::new(),
            paused: false,
            turn: 0,
        };
        source.enter();
        source
    }

    fn enter(&mut self) {
        let mut inner = self.log.lock();
        self.member = inner.group.join(self.instance.as_deref());
        self.membership.set((self.member, inner.group.generation));
    }

    /// What its sink says at a commit.
    pub fn membership(&self) -> Membership {
        self.membership.clone()
    }

    /// The next change. A member that was expelled has lost everything; as a client does, it joins again before anybody
    /// has heard of that.
    fn change(&mut self) -> Result<Option<Polled>, SourceError> {
        let mut inner = self.log.lock();
        if inner.group.replaced.contains(&self.member) {
            let (place, reason) = (self.log.input.clone(), "another process has this instance".to_owned());
            return Err(SourceError::Stopped { place, reason });
        }
        let generation = inner.group.generation;
        let Some(queue) = inner.group.members.get_mut(&self.member) else {
            drop(inner);
            let mut all: Vec<ShardId> = self.live.keys().copied().collect();
            all.extend(&self.held);
            self.live.clear();
            self.held.clear();
            self.enter();
            if all.is_empty() {
                return Ok(None);
            }
            self.membership.set_lost(true);
            return Ok(Some(Polled::Lost(all)));
        };
        let change = queue.pop_front();
        if self.hears || change.is_some() {
            self.membership.set((self.member, generation));
        }
        Ok(change)
    }
}

impl Source for MemorySource {
    fn poll(&mut self, into: &mut Batch, _wait: Duration) -> Result<Polled, SourceError> {
        into.clear();
        if let Some(change) = self.change()? {
            return Ok(change);
        }
        if self.paused {
            return Ok(Polled::Idle);
        }
        let shards: Vec<ShardId> = self.live.keys().copied().collect();
        for step in 0..shards.len() {
            let shard = shards[(self.turn + step) % shards.len()];
            let from = self.live[&shard];
            let entries = self.log.lock().visible(&self.log.input, shard.partition, from, self.records_max);
            if entries.is_empty() {
                continue;
            }
            into.shard = shard;
            for (offset, entry) in entries {
                into.push(offset, Some(entry.appended_at), &entry.key, &entry.value);
                self.live.insert(shard, offset + 1);
            }
            self.turn += step + 1;
            return Ok(Polled::Batch);
        }
        Ok(Polled::Idle)
    }

    fn accept(&mut self, _: Generation, shards: &[ShardId]) -> Result<Vec<ShardId>, SourceError> {
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
        Ok(taken)
    }

    fn suspend(&mut self, shards: &[ShardId]) -> Result<(), SourceError> {
        for shard in shards {
            self.live.remove(shard);
            self.held.insert(*shard);
        }
        Ok(())
    }

    fn resume(&mut self, at: &Position) -> Result<(), SourceError> {
        if self.held.remove(&at.shard) {
            self.live.insert(at.shard, at.next);
        }
        Ok(())
    }

    fn release(&mut self, _: Generation, shards: &[ShardId]) -> Result<(), SourceError> {
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

    fn caught_up(&self, shard: ShardId) -> bool {
        let end = self.log.lock().stable_end(&self.log.input, shard.partition);
        self.live.get(&shard).is_some_and(|next| *next >= end)
    }

    fn close(&mut self) {
        self.live.clear();
        self.held.clear();
        self.log.expel(self.member);
    }
}
