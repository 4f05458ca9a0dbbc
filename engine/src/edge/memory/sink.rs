//! A producer in memory, with or without transactions, whose room can be limited and whose commits can be made to fail.

use super::{Entry, Log, Outcome};
use crate::edge::sink::{CommitError, Sink, SinkError};
use crate::edge::source::Position;
use crate::names::{Topics, header};
use std::collections::VecDeque;
use std::time::Duration;
use tripline_core::batch::{Shard, Timestamp};
use tripline_core::outputs::{Output, Outputs};

/// Publishes to the topics of a prefix in a [`Log`].
#[derive(Debug)]
pub struct MemorySink {
    log: Log,
    topics: Topics,
    member: u64,
    name: String,
    epoch: u64,
    transactional: bool,
    open: Option<usize>,
    /// Records that still find room before the next commit; `None`: no limit.
    pub room: Option<usize>,
    /// What the next commits answer instead of being carried out.
    pub refusals: VecDeque<CommitError>,
}

impl MemorySink {
    /// A producer of a member. A later one of the same name fences this one and aborts what it left open.
    pub fn new(log: &Log, prefix: &str, name: &str, member: u64, transactional: bool) -> MemorySink {
        let mut inner = log.lock();
        let epoch = inner.epochs.entry(name.to_owned()).or_default();
        *epoch += 1;
        let epoch = *epoch;
        drop(inner);
        MemorySink {
            log: log.clone(),
            topics: Topics::under(prefix),
            member,
            name: name.to_owned(),
            epoch,
            transactional,
            open: None,
            room: None,
            refusals: VecDeque::new(),
        }
    }

    fn fenced(&self) -> bool {
        self.log.lock().epochs.get(&self.name) != Some(&self.epoch)
    }

    fn transaction(&mut self) -> Option<usize> {
        if self.transactional && self.open.is_none() {
            let mut inner = self.log.lock();
            self.open = Some(inner.transactions.len());
            inner.transactions.push(Outcome::Open);
        }
        self.open
    }

    fn end(&mut self, outcome: Outcome) -> bool {
        let Some(number) = self.open.take() else { return false };
        self.log.lock().transactions[number] = outcome;
        true
    }

    fn entry(&mut self, shard: Shard, out: &Outputs, output: &Output) -> Entry {
        let mut headers: Vec<(String, String)> =
            out.headers(output).iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        headers.push((header::SOURCE_PARTITION.to_owned(), shard.partition.to_string()));
        headers.push((header::SOURCE_OFFSET.to_owned(), output.cause.to_string()));
        Entry {
            appended_at: Timestamp(0),
            key: out.key(output).to_vec(),
            value: out.value(output).to_vec(),
            headers,
            transaction: self.transaction(),
        }
    }
}

impl Drop for MemorySink {
    fn drop(&mut self) {
        // As the broker does when the same name returns or the transaction times out.
        self.end(Outcome::Aborted);
    }
}

impl Sink for MemorySink {
    fn send(&mut self, shard: Shard, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        if self.fenced() {
            return Err(SinkError::Fatal("a newer producer has this name".to_owned()));
        }
        for (number, output) in out.records.iter().enumerate().skip(from) {
            if let Some(room) = &mut self.room {
                if *room == 0 {
                    // The next try finds room again, as after a delivery.
                    self.room = Some(1);
                    return Ok(number);
                }
                *room -= 1;
            }
            let entry = self.entry(shard, out, output);
            let topic = self.topics.name(output.topic).to_owned();
            self.log.lock().append(&topic, shard.partition, entry);
        }
        Ok(out.records.len())
    }

    fn commit(&mut self, next: &[Position], _wait: Duration) -> Result<(), CommitError> {
        if let Some(refusal) = self.refusals.pop_front() {
            return Err(refusal);
        }
        if self.fenced() {
            return Err(CommitError::Fatal("a newer producer has this name".to_owned()));
        }
        let mut inner = self.log.lock();
        if next.iter().any(|at| !inner.group.owns(self.member, at.shard.partition)) {
            return Err(CommitError::Aborted("the group has moved on".to_owned()));
        }
        for at in next {
            inner.committed.insert(at.shard.partition, (at.next, at.note.clone()));
        }
        drop(inner);
        self.end(Outcome::Committed);
        Ok(())
    }

    fn abort(&mut self) -> Result<bool, SinkError> {
        Ok(self.end(Outcome::Aborted))
    }
}
