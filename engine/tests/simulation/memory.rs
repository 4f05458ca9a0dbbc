//! A broker's log in memory: partitions, transactions and groups, for tests and simulated crashes.
//!
//! It behaves as a broker does where it matters (order within a partition, the last stable offset, fencing of an
//! older producer, positions that only a member of the group's generation may commit, an end of a transaction that
//! comes late and falls into the next one) and proves nothing about the real client.

mod group;
mod recovery;
mod sink;
mod source;
mod transactions;

pub use group::Membership;
pub use recovery::MemoryRecovery;
pub use sink::{Doubt, MemorySink};
pub use source::MemorySource;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use transactions::{Outcome, Transactions};
use tripline::runtime::source::Position;
use tripline_core::batch::{ShardId, Timestamp};

/// One record of the log. Its offset is its place in the partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was appended.
    pub appended_at: Timestamp,
    /// Key.
    pub key: Vec<u8>,
    /// Value.
    pub value: Vec<u8>,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    transaction: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Partition {
    /// Older records are gone, as if retention had removed them.
    log_start_offset: i64,
    entries: Vec<Entry>,
}

#[derive(Debug, Default)]
struct Inner {
    topics: BTreeMap<String, Vec<Partition>>,
    committed: BTreeMap<u32, (i64, String)>,
    transactions: Transactions,
    group: group::Group,
    now: Timestamp,
}

/// A log with one consumer group on its input topic. Clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Mutex<Inner>>,
    input: String,
}

impl Log {
    /// An empty log whose input topic has so many partitions.
    pub fn new(input: &str, partitions: u32) -> Log {
        let log = Log { inner: Arc::default(), input: input.to_owned() };
        log.create(input, partitions);
        log.lock().group.open(partitions);
        log
    }

    /// Adds a topic.
    pub fn create(&self, topic: &str, partitions: u32) {
        self.lock().topics.insert(topic.to_owned(), vec![Partition::default(); partitions as usize]);
    }

    /// The broker's time, that of outputs from now on.
    pub fn set_now(&self, now: Timestamp) {
        self.lock().now = now;
    }

    /// Appends to the input, outside any transaction. Gives the offset.
    pub fn append(&self, partition: u32, appended_at: Timestamp, key: &[u8], value: &[u8]) -> i64 {
        let entry = Entry {
            appended_at,
            key: key.to_vec(),
            value: value.to_vec(),
            headers: Vec::new(),
            transaction: None,
        };
        self.lock().append(&self.input, partition, entry)
    }

    /// What a read_committed reader of a partition sees: nothing aborted, nothing behind an open transaction.
    pub fn read(&self, topic: &str, partition: u32) -> Vec<(i64, Entry)> {
        self.lock().visible(topic, partition, 0, usize::MAX)
    }

    /// How many records a partition holds that no read_committed reader will see.
    pub fn aborted(&self, topic: &str, partition: u32) -> usize {
        let inner = self.lock();
        let entries = inner.entries(topic, partition);
        entries.iter().filter(|entry| inner.transactions.of(entry.transaction) == Outcome::Aborted).count()
    }

    /// The committed position of an input partition and its note.
    pub fn committed(&self, partition: u32) -> Option<(i64, String)> {
        self.lock().committed.get(&partition).cloned()
    }

    /// Where a shard goes on; nobody may learn it while a transaction may still move it.
    fn position(&self, shard: ShardId) -> Option<Position> {
        let inner = self.lock();
        let (next, note) = inner.committed.get(&shard.partition).cloned().unwrap_or_default();
        (!inner.transactions.may_move(shard.partition)).then_some(Position { shard, next, note })
    }

    /// Retention removes the input's records before an offset.
    pub fn remove_before(&self, partition: u32, offset: i64) {
        let mut inner = self.lock();
        if let Some(partition) =
            inner.topics.get_mut(&self.input).and_then(|all| all.get_mut(partition as usize))
        {
            partition.log_start_offset = partition.log_start_offset.max(offset);
        }
    }

    /// The broker's session time-out: a member that gave no sign of life loses its shards to the others.
    pub fn expel(&self, member: u64) {
        self.lock().group.expel(member);
    }

    /// The transaction time-out of a producer's name: what it left open is aborted, and it is fenced.
    pub fn time_out(&self, producer: &str) {
        self.lock().transactions.begin(producer);
    }

    /// The oldest end of a transaction that is still on its way arrives. Says whether one did, and ended anything.
    pub fn deliver(&self) -> Option<bool> {
        let Inner { transactions, committed, .. } = &mut *self.lock();
        transactions.deliver(committed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no thread panics while it holds the log")
    }
}

fn offset(place: usize) -> i64 {
    i64::try_from(place).expect("a log in memory is short")
}

fn place(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

impl Inner {
    fn partition(&self, topic: &str, partition: u32) -> Option<&Partition> {
        self.topics.get(topic)?.get(partition as usize)
    }

    fn entries(&self, topic: &str, partition: u32) -> &[Entry] {
        self.partition(topic, partition).map_or(&[], |partition| &partition.entries)
    }

    fn log_start_offset(&self, topic: &str, partition: u32) -> i64 {
        self.partition(topic, partition).map_or(0, |partition| partition.log_start_offset)
    }

    fn append(&mut self, topic: &str, partition: u32, entry: Entry) -> i64 {
        let partitions = self.topics.entry(topic.to_owned()).or_default();
        let wanted = partition as usize + 1;
        if partitions.len() < wanted {
            partitions.resize(wanted, Partition::default());
        }
        let entries = &mut partitions[partition as usize].entries;
        entries.push(entry);
        offset(entries.len() - 1)
    }

    /// Offset behind which a read_committed reader sees nothing yet.
    fn stable_end(&self, topic: &str, partition: u32) -> i64 {
        let entries = self.entries(topic, partition);
        let is_open = |entry: &Entry| self.transactions.of(entry.transaction) == Outcome::Open;
        let open = if self.transactions.is_any_open() { entries.iter().position(is_open) } else { None };
        offset(open.unwrap_or(entries.len()))
    }

    fn visible(&self, topic: &str, partition: u32, from: i64, records_max: usize) -> Vec<(i64, Entry)> {
        let end = place(self.stable_end(topic, partition));
        let from = place(from.max(self.log_start_offset(topic, partition)));
        let entries = &self.entries(topic, partition)[..end];
        let seen = |(number, entry): (usize, &Entry)| {
            let is_committed = self.transactions.of(entry.transaction) == Outcome::Committed;
            is_committed.then(|| (offset(number), entry.clone()))
        };
        entries.iter().enumerate().skip(from).filter_map(seen).take(records_max).collect()
    }
}
