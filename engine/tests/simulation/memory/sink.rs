//! A producer in memory, with or without transactions, whose room can be limited and whose commits can be made to fail.

use super::group::Membership;
use super::{Entry, Inner, Log};
use std::collections::VecDeque;
use std::time::Duration;
use tripline::names::{Topics, header};
use tripline::runtime::sink::{CommitError, Sink, SinkError};
use tripline::runtime::source::Position;
use tripline_core::batch::ShardId;
use tripline_core::outputs::{Output, Outputs};

/// What becomes of a commit whose answer does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It took effect.
    Done,
    /// It never arrived.
    Lost,
    /// It arrives later, when [`Log::deliver`] is called.
    Late,
}

/// Publishes to the topics of a prefix in a [`Log`].
#[derive(Debug)]
pub struct MemorySink {
    log: Log,
    topics: Topics,
    member: Membership,
    name: String,
    epoch: u64,
    transactional: bool,
    /// Something was sent since the last commit.
    is_open: bool,
    /// Nobody knows how the last transaction ended.
    is_in_doubt: bool,
    /// Records that still find room before the next commit; `None`: no limit.
    pub room: Option<usize>,
    /// What the next commits answer instead of being carried out.
    pub refusals: VecDeque<CommitError>,
    /// The next commit gets no answer, and this becomes of it.
    pub doubt: Option<Doubt>,
    /// Off, what is in doubt is aborted by the same producer, as if that were safe: for tests that show that it is not.
    pub is_crash_only: bool,
    /// Off, positions are committed whatever the group's generation is: for the same kind of tests.
    pub is_fenced_by_group: bool,
    /// Off, a member that joined again commits for the shards that it has lost: for the same kind of tests.
    pub heeds_loss: bool,
}

impl MemorySink {
    /// A producer of a member. A later one of the same name fences this one and aborts what it left open.
    pub fn new(log: &Log, prefix: &str, name: &str, member: Membership, transactional: bool) -> MemorySink {
        MemorySink {
            epoch: log.lock().transactions.begin(name),
            log: log.clone(),
            topics: Topics::under(prefix),
            member,
            name: name.to_owned(),
            transactional,
            is_open: false,
            is_in_doubt: false,
            room: None,
            refusals: VecDeque::new(),
            doubt: None,
            is_crash_only: true,
            is_fenced_by_group: true,
            heeds_loss: true,
        }
    }

    fn entry(&self, shard: ShardId, out: &Outputs, output: &Output) -> Entry {
        let mut headers: Vec<(String, String)> =
            out.headers(output).iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        headers.push((header::SOURCE_PARTITION.to_owned(), shard.partition.to_string()));
        headers.push((header::SOURCE_OFFSET.to_owned(), output.cause.to_string()));
        let appended_at = self.log.lock().now;
        Entry {
            appended_at,
            key: out.key(output).to_vec(),
            value: out.value(output).to_vec(),
            headers,
            transaction: None,
        }
    }

    /// Appends to the transaction under way. A fenced producer finds out at the commit.
    fn write(&mut self, shard: ShardId, out: &Outputs, output: &Output) {
        let mut entry = self.entry(shard, out, output);
        let mut inner = self.log.lock();
        if self.transactional {
            self.is_open = true;
            let Ok(number) = inner.transactions.open(&self.name, self.epoch) else {
                self.is_in_doubt = true;
                return;
            };
            entry.transaction = Some(number);
        }
        inner.append(self.topics.name(output.topic), shard.partition, entry);
    }

    fn fenced(&mut self) -> CommitError {
        self.is_in_doubt = true;
        CommitError::Unknown("a newer producer has this name".to_owned())
    }

    fn ended(&mut self, doubt: Option<Doubt>) -> Result<(), CommitError> {
        let Inner { transactions, committed, .. } = &mut *self.log.lock();
        let by = (self.name.as_str(), self.epoch);
        match doubt {
            None if transactions.end(by, true, committed).is_ok() => {
                self.is_open = false;
                return Ok(());
            }
            None => {}
            Some(Doubt::Done) => {
                let _ = transactions.end(by, true, committed);
            }
            Some(Doubt::Lost) => {}
            Some(Doubt::Late) => transactions.delay(by.0, by.1),
        }
        self.is_in_doubt = true;
        Err(CommitError::Unknown("no answer".to_owned()))
    }
}

impl Sink for MemorySink {
    fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        for (number, output) in out.records.iter().enumerate().skip(from) {
            if let Some(room) = &mut self.room {
                if *room == 0 {
                    // The next try finds room again, as after a delivery.
                    self.room = Some(1);
                    return Ok(number);
                }
                *room -= 1;
            }
            self.write(shard, out, output);
        }
        Ok(out.records.len())
    }

    fn commit(&mut self, next: &[Position], _wait: Duration) -> Result<(), CommitError> {
        if next.is_empty() {
            return Ok(());
        }
        if let Some(refusal) = self.refusals.pop_front() {
            self.is_in_doubt |= matches!(refusal, CommitError::Unknown(_));
            return Err(refusal);
        }
        if self.is_in_doubt {
            return Err(self.fenced());
        }
        if self.heeds_loss && self.member.has_lost() {
            return Err(CommitError::Again("the assignment is lost".to_owned()));
        }
        let mut inner = self.log.lock();
        if self.is_fenced_by_group && !inner.group.accepts(self.member.now()) {
            return Err(CommitError::Aborted("the group has moved on".to_owned()));
        }
        let positions = next.iter().map(|at| (at.shard.partition, (at.next, at.note.clone()))).collect();
        if !self.transactional {
            inner.committed.extend(positions);
            return Ok(());
        }
        let Ok(number) = inner.transactions.open(&self.name, self.epoch) else {
            drop(inner);
            return Err(self.fenced());
        };
        inner.transactions.add(number, positions);
        drop(inner);
        self.is_open = true;
        let doubt = self.doubt.take();
        self.ended(doubt)
    }

    fn abort(&mut self) -> Result<bool, SinkError> {
        self.member.set_lost(false);
        let was_open = std::mem::take(&mut self.is_open);
        let was_in_doubt = std::mem::take(&mut self.is_in_doubt);
        if !was_open && !was_in_doubt {
            return Ok(false);
        }
        let Inner { transactions, committed, .. } = &mut *self.log.lock();
        let may_abort =
            !was_in_doubt || (!self.is_crash_only && transactions.is_current(&self.name, self.epoch));
        if !may_abort || transactions.end((&self.name, self.epoch), false, committed).is_err() {
            self.epoch = transactions.begin(&self.name);
        }
        Ok(true)
    }
}
