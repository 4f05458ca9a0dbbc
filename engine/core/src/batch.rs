//! The input of the core: consecutive records of one shard.

use crate::limits::{TIME_MS_MAX, TIME_MS_MIN};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::Range;

/// Milliseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, to the millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            // Beyond the years that have names; decoded events never are.
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        Ok(Timestamp(time.as_millisecond()))
    }
}

/// Number of the account's key space; the schema's entities count from 1.
pub const ACCOUNT_SPACE: u8 = 0;

/// One partition of one key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId {
    /// Number of the key space.
    pub space: u8,
    /// Partition of its topic.
    pub partition: u32,
}

impl ShardId {
    /// A partition of the account's key space.
    pub const fn account(partition: u32) -> ShardId {
        ShardId { space: ACCOUNT_SPACE, partition }
    }
}

/// Position of a record in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceRecord {
    /// Partition of the input.
    pub partition: u32,
    /// Offset in it.
    pub offset: i64,
}

/// Where one record lies in its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Offset in the partition, or the record's number in a file.
    pub offset: i64,
    /// The log's trusted time; `None` for files without one.
    pub appended_at: Option<Timestamp>,
    /// Bytes of the key.
    pub key: Range<usize>,
    /// Bytes of the value.
    pub value: Range<usize>,
}

/// Consecutive records of one shard.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose records these are.
    pub shard: ShardId,
    /// All keys and values.
    pub bytes: Vec<u8>,
    /// In log order.
    pub records: Vec<Record>,
    /// Of a file: the records that follow, which belong to the next batch. `None` of a log, which is not read ahead.
    pub ahead: Option<Vec<Record>>,
}

impl Batch {
    /// Records of a file that are read ahead of a batch.
    pub const AHEAD_MAX: usize = 64;

    /// No records yet.
    pub fn new(shard: ShardId) -> Batch {
        Batch { shard, bytes: Vec::new(), records: Vec::new(), ahead: None }
    }

    /// Position of one of its records in the input.
    pub fn source(&self, record: &Record) -> SourceRecord {
        SourceRecord { partition: self.shard.partition, offset: record.offset }
    }

    /// Takes a record in. Its append time may be a producer's: one outside the years of events becomes the first or
    /// last moment of them, so that sums and differences of times are never out of range.
    pub fn push(&mut self, offset: i64, appended_at: Option<Timestamp>, key: &[u8], value: &[u8]) {
        let record = self.append(offset, appended_at, key, value);
        self.records.push(record);
    }

    /// Takes in a record of a file that belongs to the next batch.
    pub fn push_ahead(&mut self, offset: i64, value: &[u8]) {
        let record = self.append(offset, None, &[], value);
        self.ahead.get_or_insert_default().push(record);
    }

    fn append(&mut self, offset: i64, appended_at: Option<Timestamp>, key: &[u8], value: &[u8]) -> Record {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        let appended_at = appended_at.map(|at| Timestamp(at.0.clamp(TIME_MS_MIN, TIME_MS_MAX)));
        Record { offset, appended_at, key: start..middle, value: middle..self.bytes.len() }
    }

    /// Becomes a copy of another batch, in the memory that it has.
    pub fn copy_from(&mut self, other: &Batch) {
        self.shard = other.shard;
        self.bytes.clone_from(&other.bytes);
        self.records.clone_from(&other.records);
        self.ahead.clone_from(&other.ahead);
    }

    /// The records in order, at most so many at a time.
    pub(crate) fn pieces(&self, most: usize) -> impl Iterator<Item = Piece<'_>> {
        let begins = (0..).step_by(most);
        self.records.chunks(most).zip(begins).map(|(records, first)| Piece { batch: self, first, records })
    }

    /// Forgets the records; the memory stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.ahead = None;
    }

    /// Key of a record.
    pub fn key(&self, record: &Record) -> &[u8] {
        &self.bytes[record.key.clone()]
    }

    /// Value of a record.
    pub fn value(&self, record: &Record) -> &[u8] {
        &self.bytes[record.value.clone()]
    }
}

/// Some consecutive records of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) batch: &'a Batch,
    /// Position of the first one in the batch.
    pub(crate) first: usize,
    pub(crate) records: &'a [Record],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_becomes_a_copy_keeps_its_room() {
        let mut other = Batch::new(ShardId::account(3));
        other.push(8, None, b"k", b"first");
        other.push(9, Some(Timestamp(5)), b"", b"second");
        let mut batch = Batch::new(ShardId::account(1));
        (0..100).for_each(|offset| batch.push(offset, None, b"key", b"value"));
        let room = (batch.bytes.capacity(), batch.records.capacity());
        batch.copy_from(&other);
        assert_eq!((batch.shard, &batch.records, &batch.bytes), (other.shard, &other.records, &other.bytes));
        assert_eq!((batch.bytes.capacity(), batch.records.capacity()), room);
    }
}
