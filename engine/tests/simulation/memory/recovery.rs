//! Reads a shard's past back from the log in memory, and from snapshots, a piece at a time.

use super::{Entry, Log, offset};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tripline::io::snapshot::Catalogue;
use tripline::names::{Topics, header};
use tripline::runtime::recovery::{Cancellation, Recovery, Restore, Restored, Ticket};
use tripline::runtime::restore::{LogRecord, RestoreError, ShardLog, ShardRestore, SideTopic};
use tripline::runtime::snapshot::SnapshotStore;
use tripline::runtime::source::Position;
use tripline_core::batch::ShardId;
use tripline_core::installation::Lookback;

/// Fills shards from a [`Log`].
pub struct MemoryRecovery {
    log: Log,
    topics: Topics,
    lookback: Lookback,
    snapshots: Option<Catalogue>,
    /// Records of a piece.
    pub records_max: usize,
    /// Off, the journal is read although a transaction holds a part of it back: for tests that show what that costs.
    pub awaits_ended: bool,
    tickets: u64,
    requests: VecDeque<Request>,
    restored: VecDeque<Restored>,
}

struct Request {
    ticket: Ticket,
    cancellation: Cancellation,
    shard: ShardId,
    /// Once it was asked for.
    at: Option<Position>,
    without: Vec<Arc<str>>,
}

impl MemoryRecovery {
    /// Reads so far back.
    pub fn new(log: &Log, prefix: &str, lookback: Lookback, snapshots: Option<Catalogue>) -> MemoryRecovery {
        MemoryRecovery {
            log: log.clone(),
            topics: Topics::under(prefix),
            lookback,
            snapshots,
            records_max: usize::MAX,
            awaits_ended: true,
            tickets: 0,
            requests: VecDeque::new(),
            restored: VecDeque::new(),
        }
    }

    /// Asks where a shard goes on, and at the next turn reads its past. A shard that a transaction is in the way of is
    /// passed over, and tried again later.
    fn restore(&mut self) {
        for _ in 0..self.requests.len() {
            let Some(mut request) = self.requests.pop_front() else { return };
            if self.go_on(&mut request) {
                if !self.restored.back().is_some_and(Restored::is_last) {
                    self.requests.push_front(request);
                }
                return;
            }
            self.requests.push_back(request);
        }
    }

    /// False when a transaction is in the way.
    fn go_on(&mut self, request: &mut Request) -> bool {
        let (awaits_ended, pieces) = (self.awaits_ended, RefCell::default());
        let partition = request.shard.partition;
        let logs = Logs { log: &self.log, topics: &self.topics, partition, awaits_ended, pieces };
        if awaits_ended && !logs.is_stable(SideTopic::Verdicts) {
            return false;
        }
        let Some(at) = &request.at else {
            request.at = self.log.position(request.shard);
            let answer = request.at.clone().map(|at| Restored::At(request.ticket, at));
            self.restored.extend(answer);
            return request.at.is_some();
        };
        let restore = ShardRestore {
            log: &logs,
            snapshots: self.snapshots.as_ref().map(|snapshots| snapshots as &dyn SnapshotStore),
            lookback: self.lookback,
            records_max: self.records_max,
            ticket: request.ticket,
            at,
            without: &request.without,
        };
        let last = restore.last(restore.run());
        self.restored.extend(logs.pieces.into_inner());
        self.restored.extend(last);
        true
    }
}

impl Recovery for MemoryRecovery {
    fn begin(&mut self, shard: ShardId, without: &[Arc<str>]) -> Restore {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let (restore, cancellation) = Restore::new(ticket);
        self.requests.push_back(Request { ticket, cancellation, shard, at: None, without: without.to_vec() });
        restore
    }

    fn next(&mut self, _wait: Duration) -> Option<Restored> {
        self.requests.retain(|request| !request.cancellation.is_cancelled());
        if self.restored.is_empty() {
            self.restore();
        }
        self.restored.pop_front()
    }
}

/// A shard's partitions, and what was found in them.
struct Logs<'a> {
    log: &'a Log,
    topics: &'a Topics,
    partition: u32,
    awaits_ended: bool,
    pieces: RefCell<Vec<Restored>>,
}

impl Logs<'_> {
    fn topic(&self, side: SideTopic) -> &str {
        match side {
            SideTopic::Input => &self.log.input,
            SideTopic::Verdicts => &self.topics.verdicts,
        }
    }

    fn is_stable(&self, side: SideTopic) -> bool {
        let inner = self.log.lock();
        let topic = self.topic(side);
        inner.stable_end(topic, self.partition) == offset(inner.entries(topic, self.partition).len())
    }
}

fn cause(entry: &Entry) -> Option<i64> {
    let found = entry.headers.iter().find(|(name, _)| name == header::SOURCE_OFFSET)?;
    found.1.parse().ok()
}

impl ShardLog for Logs<'_> {
    fn log_start_offset(&self) -> Result<i64, RestoreError> {
        Ok(self.log.lock().log_start_offset(&self.log.input, self.partition))
    }

    fn offset_at(&self, side: SideTopic, ms: i64) -> Result<Option<i64>, RestoreError> {
        let inner = self.log.lock();
        let topic = self.topic(side);
        let log_start = inner.log_start_offset(topic, self.partition);
        let later = inner.entries(topic, self.partition).iter().position(|entry| entry.appended_at.0 >= ms);
        Ok(later.map(|place| offset(place).max(log_start)))
    }

    fn read(
        &self,
        side: SideTopic,
        from: i64,
        each: &mut dyn FnMut(&LogRecord<'_>) -> Result<bool, RestoreError>,
    ) -> Result<(), RestoreError> {
        let entries = self.log.lock().visible(self.topic(side), self.partition, from, usize::MAX);
        for (offset, entry) in &entries {
            let found = LogRecord {
                offset: *offset,
                at: Some(entry.appended_at),
                key: &entry.key,
                value: &entry.value,
                cause: cause(entry),
            };
            if !each(&found)? {
                break;
            }
        }
        Ok(())
    }

    fn await_ended(&self) -> Result<i64, RestoreError> {
        if self.awaits_ended && !self.is_stable(SideTopic::Verdicts) {
            let place = self.topic(SideTopic::Verdicts).to_owned();
            return Err(RestoreError::Log { place, reason: "a transaction is under way".to_owned() });
        }
        Ok(self.log.lock().stable_end(self.topic(SideTopic::Verdicts), self.partition))
    }

    fn hand_over(&self, restored: Restored) -> Result<(), RestoreError> {
        self.pieces.borrow_mut().push(restored);
        Ok(())
    }
}
