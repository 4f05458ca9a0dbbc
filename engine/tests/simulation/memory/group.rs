//! Membership in memory: cooperative and sticky, a shard moves only after its owner has let it go.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tripline::runtime::source::{Generation, Polled};
use tripline_core::batch::ShardId;

/// Who a member is, as its commits say: shared with its sink.
#[derive(Clone, Debug, Default)]
pub struct Membership(Arc<Standing>);

#[derive(Debug, Default)]
struct Standing {
    member: AtomicU64,
    generation: AtomicU64,
    /// It lost its shards, and what was judged of them has not been given up yet.
    has_lost: AtomicBool,
}

impl Membership {
    /// Number of the member, which changes when it was expelled and joins again.
    pub fn member(&self) -> u64 {
        self.now().0
    }

    /// Number of the member, and the generation of the group that it knows.
    pub(super) fn now(&self) -> (u64, u64) {
        (self.0.member.load(Ordering::Relaxed), self.0.generation.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, (member, generation): (u64, u64)) {
        self.0.member.store(member, Ordering::Relaxed);
        self.0.generation.store(generation, Ordering::Relaxed);
    }

    pub(super) fn has_lost(&self) -> bool {
        self.0.has_lost.load(Ordering::Relaxed)
    }

    pub(super) fn set_lost(&self, has_lost: bool) {
        self.0.has_lost.store(has_lost, Ordering::Relaxed);
    }
}

/// Who owns what, and what each member has yet to learn.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) members: BTreeMap<u64, VecDeque<Polled>>,
    /// Members that are known by a name of their own.
    pub(super) instances: BTreeMap<String, u64>,
    /// Whose instance a newer member has taken over.
    pub(super) replaced: BTreeSet<u64>,
    pub(super) owners: BTreeMap<u32, Option<u64>>,
    /// Offered and not yet accepted.
    pub(super) offered: BTreeMap<u32, u64>,
    pub(super) generation: u64,
    pub(super) joined: u64,
}

impl Group {
    pub(super) fn open(&mut self, partitions: u32) {
        self.owners = (0..partitions).map(|partition| (partition, None)).collect();
    }

    pub(super) fn owns(&self, member: u64, partition: u32) -> bool {
        self.owners.get(&partition) == Some(&Some(member))
    }

    /// Whether positions may be committed by a member of a generation. Which shards it owns is not looked at.
    pub(super) fn accepts(&self, (member, generation): (u64, u64)) -> bool {
        self.members.contains_key(&member) && self.generation == generation
    }

    /// A new member; one whose instance is known takes over what that had, and nobody else is disturbed.
    pub(super) fn join(&mut self, instance: Option<&str>) -> u64 {
        self.joined += 1;
        let member = self.joined;
        self.members.insert(member, VecDeque::new());
        let before = instance.and_then(|name| self.instances.insert(name.to_owned(), member));
        match before.filter(|before| self.members.remove(before).is_some()) {
            Some(before) => self.replace(before, member),
            None => self.balance(),
        }
        self.replaced.extend(before);
        member
    }

    pub(super) fn replace(&mut self, before: u64, member: u64) {
        let owned = self.owners.iter().filter(|(_, owner)| **owner == Some(before));
        let offered = self.offered.iter().filter(|(_, to)| **to == before);
        let taken: BTreeSet<u32> = owned.map(|(p, _)| *p).chain(offered.map(|(p, _)| *p)).collect();
        for partition in &taken {
            self.owners.insert(*partition, None);
            self.offered.insert(*partition, member);
        }
        let is_fair = taken.len() <= self.owners.len().div_ceil(self.members.len());
        if let (false, Some(queue)) = (taken.is_empty(), self.members.get_mut(&member)) {
            let shards = taken.into_iter().map(ShardId::account).collect();
            queue.push_back(Polled::Assigned(Generation(self.generation), shards));
        }
        if !is_fair {
            self.balance();
        }
    }

    pub(super) fn expel(&mut self, member: u64) {
        if self.members.remove(&member).is_none() {
            return;
        }
        for owner in self.owners.values_mut().filter(|owner| **owner == Some(member)) {
            *owner = None;
        }
        self.offered.retain(|_, to| *to != member);
        self.balance();
    }

    /// Wants back what a member has too much of, and offers what nobody has.
    pub(super) fn balance(&mut self) {
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
            let owned: Vec<ShardId> =
                surplus.into_iter().filter(|p| self.owns(*member, *p)).map(ShardId::account).collect();
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
        let mut offers: BTreeMap<u64, Vec<ShardId>> = BTreeMap::new();
        for partition in free {
            let Some((member, partitions)) = held.iter_mut().min_by_key(|(_, held)| held.len()) else {
                continue;
            };
            partitions.push(partition);
            self.offered.insert(partition, *member);
            offers.entry(*member).or_default().push(ShardId::account(partition));
        }
        for (member, shards) in offers {
            if let Some(queue) = self.members.get_mut(&member) {
                queue.push_back(Polled::Assigned(generation, shards));
            }
        }
    }

    pub(super) fn release(&mut self, member: u64, shards: &[ShardId]) {
        for shard in shards {
            if self.owns(member, shard.partition) {
                self.owners.insert(shard.partition, None);
            }
        }
        self.balance();
    }
}
