//! Reads a shard's past back from the log in memory, and from snapshots, a piece at a time.

use super::{Entry, Log, offset};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tripline::io::snapshot::Catalogue;
use tripline::names::{Topics, header};
use tripline::runtime::recovery::{Reach, Recovered, Recovery, Ticket};
use tripline::runtime::refill::{Broken, Found, Past, Refill, Side};
use tripline::runtime::source::Position;
use tripline_core::batch::ShardId;

/// Fills shards from a [`Log`].
pub struct MemoryRecovery {
    log: Log,
    topics: Topics,
    reach: Reach,
    snapshots: Option<Catalogue>,
    /// Records of a piece.
    pub records_max: usize,
    /// Off, the journal is read although a transaction holds a part of it back: for tests that show what that costs.
    pub awaits_ended: bool,
    tickets: u64,
    requests: VecDeque<Request>,
    pieces: VecDeque<Recovered>,
}

struct Request {
    ticket: Ticket,
    shard: ShardId,
    /// Once it was asked for.
    at: Option<Position>,
    without: Vec<Arc<str>>,
}

impl MemoryRecovery {
    /// Reads so far back.
    pub fn new(log: &Log, prefix: &str, reach: Reach, snapshots: Option<Catalogue>) -> MemoryRecovery {
        MemoryRecovery {
            log: log.clone(),
            topics: Topics::under(prefix),
            reach,
            snapshots,
            records_max: usize::MAX,
            awaits_ended: true,
            tickets: 0,
            requests: VecDeque::new(),
            pieces: VecDeque::new(),
        }
    }

    /// Asks where a shard goes on, and at the next turn reads its past. A shard that a transaction is in the way of is passed
    /// over, and tried again later.
    fn fill(&mut self) {
        for _ in 0..self.requests.len() {
            let Some(mut request) = self.requests.pop_front() else { return };
            if self.go_on(&mut request) {
                if !self.pieces.back().is_some_and(Recovered::is_last) {
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
        if awaits_ended && !logs.is_stable(Side::Verdicts) {
            return false;
        }
        let Some(at) = &request.at else {
            request.at = self.log.position(request.shard);
            let told = request.at.clone().map(|at| Recovered::At(request.ticket, at));
            self.pieces.extend(told);
            return request.at.is_some();
        };
        let refill = Refill {
            past: &logs,
            snapshots: self.snapshots.as_ref(),
            reach: self.reach,
            records_max: self.records_max,
            ticket: request.ticket,
            at,
            without: &request.without,
        };
        let last = refill.last(refill.run());
        self.pieces.extend(logs.pieces.into_inner());
        self.pieces.extend(last);
        true
    }
}

impl Recovery for MemoryRecovery {
    fn begin(&mut self, shard: ShardId, without: &[Arc<str>]) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.requests.push_back(Request { ticket, shard, at: None, without: without.to_vec() });
        ticket
    }

    fn next(&mut self, _wait: Duration) -> Option<Recovered> {
        if self.pieces.is_empty() {
            self.fill();
        }
        self.pieces.pop_front()
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.requests.retain(|request| request.ticket != ticket);
        self.pieces.retain(|piece| piece.of().0 != ticket);
    }
}

/// A shard's partitions, and what was found in them.
struct Logs<'a> {
    log: &'a Log,
    topics: &'a Topics,
    partition: u32,
    awaits_ended: bool,
    pieces: RefCell<Vec<Recovered>>,
}

impl Logs<'_> {
    fn topic(&self, side: Side) -> &str {
        match side {
            Side::Input => &self.log.input,
            Side::Verdicts => &self.topics.verdicts,
        }
    }

    fn is_stable(&self, side: Side) -> bool {
        let inner = self.log.lock();
        let topic = self.topic(side);
        inner.stable_end(topic, self.partition) == offset(inner.entries(topic, self.partition).len())
    }
}

fn cause(entry: &Entry) -> Option<i64> {
    let found = entry.headers.iter().find(|(name, _)| name == header::SOURCE_OFFSET)?;
    found.1.parse().ok()
}

impl Past for Logs<'_> {
    fn low(&self) -> Result<i64, Broken> {
        Ok(self.log.lock().low(&self.log.input, self.partition))
    }

    fn offset_at(&self, side: Side, ms: i64) -> Result<Option<i64>, Broken> {
        let inner = self.log.lock();
        let topic = self.topic(side);
        let low = inner.low(topic, self.partition);
        let later = inner.entries(topic, self.partition).iter().position(|entry| entry.appended_at.0 >= ms);
        Ok(later.map(|place| offset(place).max(low)))
    }

    fn read(
        &self,
        side: Side,
        from: i64,
        each: &mut dyn FnMut(&Found<'_>) -> Result<bool, Broken>,
    ) -> Result<(), Broken> {
        let entries = self.log.lock().visible(self.topic(side), self.partition, from, usize::MAX);
        for (offset, entry) in &entries {
            let found = Found {
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

    fn await_ended(&self) -> Result<i64, Broken> {
        if self.awaits_ended && !self.is_stable(Side::Verdicts) {
            return Err(Broken::Log("a transaction is under way".to_owned()));
        }
        Ok(self.log.lock().stable_end(self.topic(Side::Verdicts), self.partition))
    }

    fn hand_over(&self, piece: Recovered) -> Result<(), Broken> {
        self.pieces.borrow_mut().push(piece);
        Ok(())
    }
}
