//! Reads a shard's past back from the log in memory, in small pieces.

use super::Log;
use crate::edge::recovery::{History, Journal, Reach, Recovered, Recovery, Ticket};
use crate::edge::source::Position;
use crate::names::{Topics, header};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tripline_core::batch::{Batch, Timestamp};

/// Fills shards from a [`Log`].
#[derive(Debug)]
pub struct MemoryRecovery {
    log: Log,
    topics: Topics,
    reach: Reach,
    tickets: u64,
    pieces: VecDeque<Recovered>,
}

impl MemoryRecovery {
    /// Reads so far back.
    pub fn new(log: &Log, prefix: &str, reach: Reach) -> MemoryRecovery {
        let topics = Topics::under(prefix);
        MemoryRecovery { log: log.clone(), topics, reach, tickets: 0, pieces: VecDeque::new() }
    }
}

impl Recovery for MemoryRecovery {
    fn begin(&mut self, at: &Position, _without: &[Arc<str>]) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let mut past = self.log.read(&self.log.input, at.shard.partition);
        past.retain(|(offset, _)| *offset < at.next);
        let wanted = past.last().map(|(_, entry)| Timestamp(entry.appended_at.0 - self.reach.rows_ms));
        let mut history = History { wanted_from: wanted, ..History::default() };
        let is_skipped = past.first().is_some_and(|(_, entry)| Some(entry.appended_at) < wanted);
        history.skipped_before = wanted.filter(|_| is_skipped);
        let mut rows = Batch::new(at.shard);
        for (offset, entry) in past.iter().filter(|(_, entry)| Some(entry.appended_at) >= wanted) {
            history.held_from = history.held_from.or(Some(entry.appended_at));
            history.rows += 1;
            rows.push(*offset, Some(entry.appended_at), &entry.key, &entry.value);
        }
        let mut verdicts = Batch::new(at.shard);
        let mut journal = Journal::between(0, at.next);
        for (offset, entry) in self.log.read(&self.topics.verdicts, at.shard.partition) {
            let cause = entry.headers.iter().find(|(name, _)| name == header::SOURCE_OFFSET);
            let cause = cause.and_then(|(_, cause)| cause.parse().ok());
            if cause.is_some_and(|cause| journal.takes(cause, &entry.value)) {
                history.verdicts += 1;
                verdicts.push(offset, Some(entry.appended_at), &entry.key, &entry.value);
            }
        }
        self.pieces.push_back(Recovered::Rows(ticket, rows));
        self.pieces.push_back(Recovered::Verdicts(ticket, verdicts));
        self.pieces.push_back(Recovered::Ready(ticket, at.shard, history));
        ticket
    }

    fn next(&mut self, _wait: Duration) -> Option<Recovered> {
        self.pieces.pop_front()
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.pieces.retain(|piece| piece.of().0 != ticket);
    }
}
