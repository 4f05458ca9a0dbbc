//! The state of the process, for `/readyz` and `/status`: shards, their phases, and why it is not ready. Shared by all
//! threads.

use crate::runtime::report::{Condition, Outage, Phase, RestoreProgress, ShardStatus};
use crate::runtime::shutdown::Shutdown;
use dashmap::DashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use tripline_core::batch::{ShardId, Timestamp};

/// Brokers are asked every second; figures that are older are stale, ms.
const FRESH_MS_MAX: i64 = 10_000;

/// When the brokers last answered, and the outage since then.
#[derive(Debug, Default)]
struct Brokers {
    answered_at: Option<Timestamp>,
    outage: Option<Outage>,
}

/// The process's state, written by workers and read by the HTTP side.
#[derive(Debug, Default)]
pub struct Status {
    shards: DashMap<ShardId, ShardStatus>,
    conditions: DashMap<(usize, Condition), String>,
    /// Shards whose records cannot be read, and why.
    blocked: DashMap<ShardId, String>,
    /// Shards of which too many records are dead letters, and why.
    refusing: DashMap<ShardId, String>,
    brokers: Mutex<Brokers>,
    is_assigned: AtomicBool,
    shutdown: Shutdown,
}

impl Status {
    /// The shutdown request of the process.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// A worker has received its first assignment, which may be empty.
    pub fn assigned(&self) {
        self.is_assigned.store(true, Ordering::Release);
    }

    /// Records a shard's state.
    pub fn shard(&self, shard: ShardId, status: ShardStatus) {
        self.shards.insert(shard, status);
    }

    /// The next offset of a shard.
    pub fn position(&self, shard: ShardId, next: i64) {
        if let Some(mut owned) = self.shards.get_mut(&shard) {
            owned.next = Some(next);
        }
    }

    /// How far a shard's restore has come.
    pub fn progress(&self, shard: ShardId, progress: RestoreProgress) {
        if let Some(mut owned) = self.shards.get_mut(&shard) {
            owned.restore = Some(progress);
        }
    }

    /// A shard has a new snapshot, begun at this time.
    pub fn snapshot(&self, shard: ShardId, begun_at: Timestamp) {
        if let Some(mut owned) = self.shards.get_mut(&shard) {
            owned.snapshot_at = Some(begun_at);
        }
    }

    /// The end of a shard's log. Returns the lag.
    pub fn log_end(&self, shard: ShardId, end: i64) -> Option<u64> {
        let mut owned = self.shards.get_mut(&shard)?;
        let lag = u64::try_from(end - owned.next?).unwrap_or(0);
        owned.lag = Some(lag);
        Some(lag)
    }

    /// The brokers were asked now: they answered, or there is an outage.
    pub fn brokers(&self, now: Timestamp, outage: Option<Outage>) {
        let mut brokers = self.known();
        if outage.is_none() {
            brokers.answered_at = Some(now);
        }
        brokers.outage = outage;
    }

    /// Whether there is an outage of the brokers.
    pub fn has_outage(&self) -> bool {
        self.known().outage.is_some()
    }

    /// Since when the figures that come from the brokers are stale; `None` while they are current.
    pub fn stale_since(&self, now: Timestamp) -> Option<Timestamp> {
        let brokers = self.known();
        match (&brokers.outage, brokers.answered_at) {
            (Some(outage), answered_at) => Some(answered_at.unwrap_or(outage.since)),
            (None, answered_at) => answered_at.filter(|at| now.0.saturating_sub(at.0) > FRESH_MS_MAX),
        }
    }

    fn known(&self) -> MutexGuard<'_, Brokers> {
        self.brokers.lock().expect("no thread panics while it holds what is known of the brokers")
    }

    /// A shard is no longer owned.
    pub fn released(&self, shard: ShardId) {
        self.shards.remove(&shard);
        self.blocked.remove(&shard);
        self.refusing.remove(&shard);
    }

    /// Too many recent records of a shard are dead letters; `None`: no longer. True if that is a change.
    pub fn refusing(&self, shard: ShardId, reason: Option<String>) -> bool {
        match reason {
            Some(reason) => self.refusing.insert(shard, reason).is_none(),
            None => self.refusing.remove(&shard).is_some(),
        }
    }

    /// Records of a shard cannot be read for a reason outside this process; `None`: they can be read again. True if
    /// that is a change.
    pub fn blocked(&self, shard: ShardId, reason: Option<String>) -> bool {
        match reason {
            // It may have been released while its end was fetched.
            Some(_) if !self.shards.contains_key(&shard) => false,
            Some(reason) => self.blocked.insert(shard, reason).is_none(),
            None => self.blocked.remove(&shard).is_some(),
        }
    }

    /// All owned shards, in order.
    pub fn shards(&self) -> Vec<(ShardId, ShardStatus)> {
        let mut all: Vec<_> = self.shards.iter().map(|owned| (*owned.key(), owned.value().clone())).collect();
        all.sort_by_key(|(shard, _)| *shard);
        all
    }

    /// How many shards are being restored, and how many are live.
    pub fn phases(&self) -> (usize, usize) {
        // Other workers change shards meanwhile: each shard is visited once.
        self.shards.iter().fold((0, 0), |(restoring, live), owned| match owned.phase {
            Phase::Restoring => (restoring + 1, live),
            Phase::Live => (restoring, live + 1),
        })
    }

    /// Raises a worker's condition, with its reason. True if it is new.
    pub fn raise(&self, worker: usize, condition: Condition, reason: String) -> bool {
        self.conditions.insert((worker, condition), reason).is_none()
    }

    /// Clears a worker's condition. True if there was one.
    pub fn clear(&self, worker: usize, condition: Condition) -> bool {
        self.conditions.remove(&(worker, condition)).is_some()
    }

    /// Why the process is not ready, one line each; empty if it is ready.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.shutdown.has_failed() {
            reasons.push("a worker has failed".to_owned());
        }
        if self.shutdown.is_requested() {
            reasons.push("stopping".to_owned());
        }
        if let Some(outage) = &self.known().outage {
            reasons.push(outage.reason.clone());
        }
        if !self.is_assigned.load(Ordering::Acquire) {
            reasons.push("no partition assignment received yet".to_owned());
        }
        for (shard, status) in self.shards().iter().filter(|(_, status)| status.phase != Phase::Live) {
            reasons
                .push(format!("partition {} is being restored by worker {}", shard.partition, status.worker));
        }
        let of_shards = self.blocked.iter().chain(self.refusing.iter());
        let mut blocked: Vec<_> = of_shards.map(|one| (*one.key(), one.value().clone())).collect();
        blocked.retain(|(shard, _)| self.shards.contains_key(shard));
        blocked.sort();
        let line = |(shard, reason): (ShardId, String)| format!("partition {}: {reason}", shard.partition);
        reasons.extend(blocked.into_iter().map(line));
        let mut raised: Vec<_> =
            self.conditions.iter().map(|one| (*one.key(), one.value().clone())).collect();
        raised.sort();
        reasons.extend(raised.into_iter().map(|((worker, _), reason)| format!("worker {worker}: {reason}")));
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(partition: u32) -> ShardId {
        ShardId::account(partition)
    }

    fn at(phase: Phase, next: i64) -> ShardStatus {
        let next = Some(next);
        ShardStatus { worker: 1, phase, next, lag: None, log_from: None, snapshot_at: None, restore: None }
    }

    #[test]
    fn readiness_names_the_partition_that_is_being_restored() {
        let status = Status::default();
        assert_eq!(status.reasons(), ["no partition assignment received yet"]);
        status.assigned();
        status.shard(shard(4), at(Phase::Restoring, 0));
        status.shard(shard(2), at(Phase::Live, 7));
        assert_eq!(status.reasons(), ["partition 4 is being restored by worker 1"]);
        status.shard(shard(4), at(Phase::Live, 0));
        assert!(status.reasons().is_empty());
        assert_eq!(status.phases(), (0, 2));
    }

    #[test]
    fn shards_are_counted_while_another_worker_releases_its_own() {
        let status = Status::default();
        status.shard(shard(0), at(Phase::Live, 0));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                for _ in 0..20_000 {
                    (1..9).for_each(|partition| status.shard(shard(partition), at(Phase::Live, 0)));
                    (1..9).for_each(|partition| status.released(shard(partition)));
                }
            });
            while !other.is_finished() {
                let (restoring, live) = status.phases();
                assert!(restoring == 0 && (1..=9).contains(&live), "{restoring} restoring, {live} live");
            }
        });
    }

    #[test]
    fn a_condition_keeps_the_process_from_being_ready_until_it_is_cleared() {
        let status = Status::default();
        status.assigned();
        assert!(status.raise(0, Condition::Stalled, "the queue is full".to_owned()));
        assert!(!status.raise(0, Condition::Stalled, "the queue is full".to_owned()), "it is not new");
        assert_eq!(status.reasons(), ["worker 0: the queue is full"]);
        assert!(status.clear(0, Condition::Stalled));
        assert!(status.reasons().is_empty());
    }

    #[test]
    fn in_an_outage_the_process_is_not_ready_and_figures_of_the_brokers_are_stale() {
        let status = Status::default();
        status.assigned();
        let outage =
            |since| Some(Outage { since: Timestamp(since), reason: "no broker answers: refused".to_owned() });
        status.brokers(Timestamp(1_000), outage(1_000));
        assert_eq!(status.stale_since(Timestamp(2_000)), Some(Timestamp(1_000)), "nothing was ever read");
        status.brokers(Timestamp(5_000), None);
        assert!(!status.has_outage() && status.reasons().is_empty());
        assert_eq!(status.stale_since(Timestamp(6_000)), None);
        status.brokers(Timestamp(9_000), outage(7_000));
        assert_eq!(status.reasons(), ["no broker answers: refused"]);
        assert_eq!(status.stale_since(Timestamp(9_000)), Some(Timestamp(5_000)), "they were last read then");
        status.brokers(Timestamp(20_000), None);
        assert_eq!(status.stale_since(Timestamp(30_000)), None);
        assert_eq!(status.stale_since(Timestamp(30_001)), Some(Timestamp(20_000)), "whatever the cause");
    }

    #[test]
    fn a_partition_that_is_blocked_from_outside_is_named_until_it_is_readable_or_released() {
        let status = Status::default();
        status.assigned();
        status.shard(shard(3), at(Phase::Live, 7));
        assert!(status.blocked(shard(3), Some("an upstream transaction is open".to_owned())));
        assert!(!status.blocked(shard(3), Some("an upstream transaction is still open".to_owned())));
        assert_eq!(status.reasons(), ["partition 3: an upstream transaction is still open"]);
        assert!(status.blocked(shard(3), None) && !status.blocked(shard(3), None));
        assert!(status.reasons().is_empty());
        status.blocked(shard(3), Some("again".to_owned()));
        status.released(shard(3));
        assert!(status.reasons().is_empty(), "another process owns it now");
    }

    #[test]
    fn lag_is_the_distance_to_the_end_and_never_negative() {
        let status = Status::default();
        status.shard(shard(0), at(Phase::Live, 10));
        assert_eq!(status.log_end(shard(0), 25), Some(15));
        status.position(shard(0), 30);
        assert_eq!(status.log_end(shard(0), 25), Some(0), "the end was read before the shard moved on");
        assert_eq!(status.log_end(shard(9), 25), None);
    }
}
