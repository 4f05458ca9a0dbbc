//! What the process is doing now, for `/readyz`: shards and their phases, and troubles. Shared by all threads.

use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use tripline_core::batch::{ShardId, Timestamp};

/// How far a shard is from judging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its ledgers are being filled from the log.
    Restoring,
    /// Its records are judged as they come.
    Live,
}

/// One owned shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatus {
    /// Number of the worker that owns it.
    pub worker: usize,
    /// Filling or live.
    pub phase: Phase,
    /// Next offset to judge, once it is known where the shard goes on.
    pub next: Option<i64>,
    /// Records not yet judged, when the end of the log is known.
    pub lag: Option<u64>,
    /// Append time of the oldest record its ledgers were filled from.
    pub held_from: Option<Timestamp>,
    /// When its newest snapshot was cut.
    pub snapshot_at: Option<Timestamp>,
    /// How far its filling has come; none when it is live.
    pub filled: Option<Filled>,
}

/// How far the filling of a shard has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// Chunks taken of the snapshot it begins with.
    pub chunks: u64,
    /// Chunks of that snapshot; 0 without one.
    pub chunks_of: u64,
    /// Records of the logs passed, input and verdicts.
    pub records: u64,
    /// Records of the logs that are known to be ahead or passed: the verdicts' come when the input's are through.
    pub records_of: u64,
}

/// Something that keeps the process from doing its work, until it is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// No broker answers.
    Brokers,
    /// The producer's queue is full.
    Stalled,
    /// Commits do not succeed.
    Commit,
    /// Shards cannot be filled.
    Restore,
    /// It is not known where shards go on.
    Waiting,
}

/// The process's state, written by workers and read by the HTTP side.
#[derive(Debug, Default)]
pub struct Status {
    shards: DashMap<ShardId, ShardStatus>,
    troubles: DashMap<(usize, Trouble), String>,
    /// Shards that nothing more can be read of for now, and why.
    held_up: DashMap<ShardId, String>,
    started: AtomicBool,
    stopping: AtomicBool,
    failed: AtomicBool,
}

impl Status {
    /// Every worker has been given its first shards, or found that there are none for it.
    pub fn started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// The process is asked to end: each worker finishes its batch, commits and leaves.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether the process is asked to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A worker ended with an error: the process is no longer alive in any useful sense.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.stop();
    }

    /// Whether a worker ended with an error.
    pub fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Records a shard's state.
    pub fn shard(&self, shard: ShardId, status: ShardStatus) {
        self.shards.insert(shard, status);
    }

    /// A shard has come further.
    pub fn moved(&self, shard: ShardId, next: i64) {
        if let Some(mut held) = self.shards.get_mut(&shard) {
            held.next = Some(next);
        }
    }

    /// A shard's filling has come further.
    pub fn filled(&self, shard: ShardId, filled: Filled) {
        if let Some(mut held) = self.shards.get_mut(&shard) {
            held.filled = Some(filled);
        }
    }

    /// A shard has a new snapshot.
    pub fn snapshot(&self, shard: ShardId, cut_at: Timestamp) {
        if let Some(mut held) = self.shards.get_mut(&shard) {
            held.snapshot_at = Some(cut_at);
        }
    }

    /// Where the log of a shard ends: gives the lag.
    pub fn ends_at(&self, shard: ShardId, end: i64) -> Option<u64> {
        let mut held = self.shards.get_mut(&shard)?;
        let lag = u64::try_from(end - held.next?).unwrap_or(0);
        held.lag = Some(lag);
        Some(lag)
    }

    /// A shard is owned no more.
    pub fn gone(&self, shard: ShardId) {
        self.shards.remove(&shard);
        self.held_up.remove(&shard);
    }

    /// Records of a shard lie there that cannot be read, because of something outside this process; `None`: no more.
    /// Says whether that is new.
    pub fn held_up(&self, shard: ShardId, reason: Option<String>) -> bool {
        match reason {
            // It may have been given back while its end was asked for.
            Some(_) if !self.shards.contains_key(&shard) => false,
            Some(reason) => self.held_up.insert(shard, reason).is_none(),
            None => self.held_up.remove(&shard).is_some(),
        }
    }

    /// All owned shards, in order.
    pub fn shards(&self) -> Vec<(ShardId, ShardStatus)> {
        let mut all: Vec<_> = self.shards.iter().map(|held| (*held.key(), held.value().clone())).collect();
        all.sort_by_key(|(shard, _)| *shard);
        all
    }

    /// How many shards are being filled, and how many are live.
    pub fn phases(&self) -> (usize, usize) {
        // Other workers come and go meanwhile: each shard is looked at once.
        self.shards.iter().fold((0, 0), |(restoring, live), held| match held.phase {
            Phase::Restoring => (restoring + 1, live),
            Phase::Live => (restoring, live + 1),
        })
    }

    /// A trouble of a worker, with its reason. Says whether it is new.
    pub fn trouble(&self, worker: usize, trouble: Trouble, reason: impl Into<String>) -> bool {
        self.troubles.insert((worker, trouble), reason.into()).is_none()
    }

    /// A trouble is over. Says whether there was one.
    pub fn clear(&self, worker: usize, trouble: Trouble) -> bool {
        self.troubles.remove(&(worker, trouble)).is_some()
    }

    /// Why the process is not ready, one line each; none when it is.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.is_failed() {
            reasons.push("a worker has failed".to_owned());
        }
        if self.is_stopping() {
            reasons.push("stopping".to_owned());
        }
        if !self.started.load(Ordering::Acquire) {
            reasons.push("not assigned yet".to_owned());
        }
        for (shard, status) in self.shards().iter().filter(|(_, status)| status.phase != Phase::Live) {
            reasons
                .push(format!("partition {} is being filled by worker {}", shard.partition, status.worker));
        }
        let mut held_up: Vec<_> =
            self.held_up.iter().map(|held| (*held.key(), held.value().clone())).collect();
        held_up.retain(|(shard, _)| self.shards.contains_key(shard));
        held_up.sort();
        let told = |(shard, reason): (ShardId, String)| format!("partition {}: {reason}", shard.partition);
        reasons.extend(held_up.into_iter().map(told));
        let mut troubles: Vec<_> =
            self.troubles.iter().map(|held| (*held.key(), held.value().clone())).collect();
        troubles.sort();
        reasons
            .extend(troubles.into_iter().map(|((worker, _), reason)| format!("worker {worker}: {reason}")));
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(partition: u32) -> ShardId {
        ShardId { space: 0, partition }
    }

    fn at(phase: Phase, next: i64) -> ShardStatus {
        let next = Some(next);
        ShardStatus { worker: 1, phase, next, lag: None, held_from: None, snapshot_at: None, filled: None }
    }

    #[test]
    fn readiness_names_the_partition_that_is_being_filled() {
        let status = Status::default();
        assert_eq!(status.reasons(), ["not assigned yet"]);
        status.started();
        status.shard(shard(4), at(Phase::Restoring, 0));
        status.shard(shard(2), at(Phase::Live, 7));
        assert_eq!(status.reasons(), ["partition 4 is being filled by worker 1"]);
        status.shard(shard(4), at(Phase::Live, 0));
        assert!(status.reasons().is_empty());
        assert_eq!(status.phases(), (0, 2));
    }

    #[test]
    fn shards_are_counted_while_another_worker_gives_its_own_back() {
        let status = Status::default();
        status.shard(shard(0), at(Phase::Live, 0));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                for _ in 0..20_000 {
                    (1..9).for_each(|partition| status.shard(shard(partition), at(Phase::Live, 0)));
                    (1..9).for_each(|partition| status.gone(shard(partition)));
                }
            });
            while !other.is_finished() {
                let (restoring, live) = status.phases();
                assert!(restoring == 0 && (1..=9).contains(&live), "{restoring} restoring, {live} live");
            }
        });
    }

    #[test]
    fn a_trouble_keeps_the_process_from_being_ready_until_it_is_over() {
        let status = Status::default();
        status.started();
        assert!(status.trouble(0, Trouble::Brokers, "no broker answers"));
        assert!(!status.trouble(0, Trouble::Brokers, "no broker answers"), "it is not new");
        assert_eq!(status.reasons(), ["worker 0: no broker answers"]);
        assert!(status.clear(0, Trouble::Brokers));
        assert!(status.reasons().is_empty());
    }

    #[test]
    fn a_partition_that_is_held_up_from_outside_is_named_until_it_flows_or_leaves() {
        let status = Status::default();
        status.started();
        status.shard(shard(3), at(Phase::Live, 7));
        assert!(status.held_up(shard(3), Some("an upstream transaction is open".to_owned())));
        assert!(!status.held_up(shard(3), Some("an upstream transaction is still open".to_owned())));
        assert_eq!(status.reasons(), ["partition 3: an upstream transaction is still open"]);
        assert!(status.held_up(shard(3), None) && !status.held_up(shard(3), None));
        assert!(status.reasons().is_empty());
        status.held_up(shard(3), Some("again".to_owned()));
        status.gone(shard(3));
        assert!(status.reasons().is_empty(), "it is another process's business now");
    }

    #[test]
    fn lag_is_the_distance_to_the_end_and_never_negative() {
        let status = Status::default();
        status.shard(shard(0), at(Phase::Live, 10));
        assert_eq!(status.ends_at(shard(0), 25), Some(15));
        status.moved(shard(0), 30);
        assert_eq!(status.ends_at(shard(0), 25), Some(0), "the end was read before the shard moved on");
        assert_eq!(status.ends_at(shard(9), 25), None);
    }
}
