//! The edge in memory: a log with partitions, transactions and groups, for tests and simulated crashes.
//!
//! It behaves as a broker does where it matters (order within a partition, the last stable offset, fencing of an
//! older producer, commits that only the owner may make) and proves nothing about the real client.

mod group;
mod recovery;
mod sink;
#[cfg(test)]
mod tests;

pub use group::MemorySource;
pub use recovery::MemoryRecovery;
pub use sink::MemorySink;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tripline_core::batch::Timestamp;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Open,
    Committed,
    Aborted,
}

#[derive(Debug, Default)]
struct Inner {
    topics: BTreeMap<String, Vec<Vec<Entry>>>,
    committed: BTreeMap<u32, (i64, String)>,
    transactions: Vec<Outcome>,
    /// The newest epoch of each producer's name.
    epochs: BTreeMap<String, u64>,
    group: group::Group,
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
        self.lock().topics.insert(topic.to_owned(), vec![Vec::new(); partitions as usize]);
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
        self.lock().visible(topic, partition, 0)
    }

    /// The committed position of an input partition and its note.
    pub fn committed(&self, partition: u32) -> Option<(i64, String)> {
        self.lock().committed.get(&partition).cloned()
    }

    /// A member disappears without a word: its shards go to the others.
    pub fn expel(&self, member: u64) {
        self.lock().group.expel(member);
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
    fn partition(&self, topic: &str, partition: u32) -> &[Entry] {
        self.topics.get(topic).and_then(|all| all.get(partition as usize)).map_or(&[], Vec::as_slice)
    }

    fn append(&mut self, topic: &str, partition: u32, entry: Entry) -> i64 {
        let partitions = self.topics.entry(topic.to_owned()).or_default();
        let wanted = partition as usize + 1;
        if partitions.len() < wanted {
            partitions.resize(wanted, Vec::new());
        }
        let entries = &mut partitions[partition as usize];
        entries.push(entry);
        offset(entries.len() - 1)
    }

    fn outcome(&self, entry: &Entry) -> Outcome {
        entry.transaction.map_or(Outcome::Committed, |number| self.transactions[number])
    }

    /// Offset behind which a read_committed reader sees nothing yet.
    fn stable_end(&self, topic: &str, partition: u32) -> i64 {
        let entries = self.partition(topic, partition);
        let open = entries.iter().position(|entry| self.outcome(entry) == Outcome::Open);
        offset(open.unwrap_or(entries.len()))
    }

    fn visible(&self, topic: &str, partition: u32, from: i64) -> Vec<(i64, Entry)> {
        let end = place(self.stable_end(topic, partition));
        let entries = &self.partition(topic, partition)[..end];
        let seen = |(number, entry): (usize, &Entry)| {
            (self.outcome(entry) == Outcome::Committed).then(|| (offset(number), entry.clone()))
        };
        entries.iter().enumerate().skip(place(from)).filter_map(seen).collect()
    }
}
