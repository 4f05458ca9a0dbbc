//! Which log a snapshot is of, and where in it. A topic that is deleted and created again has the same name, the same
//! partitions and the same offsets, and is another log: its records tell.

use crate::batch::Batch;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// The input of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputTopic {
    /// Id of the cluster, as the brokers report it; empty where they report none.
    pub cluster: Arc<str>,
    /// Name of the topic.
    pub topic: Arc<str>,
    /// How many partitions it has.
    pub partitions: u32,
}

impl InputTopic {
    /// A topic of so many partitions.
    pub fn new(cluster: &str, topic: &str, partitions: u32) -> InputTopic {
        InputTopic { cluster: Arc::from(cluster), topic: Arc::from(topic), partitions }
    }
}

/// Where in the input a snapshot begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The input.
    pub input: InputTopic,
    /// Partition of the input.
    pub partition: u32,
    /// The first record that is not in the snapshot.
    pub offset: i64,
    /// The last record of the partition that is in the snapshot. None before the first record, and where the rows are
    /// of files.
    pub last: Option<LastRecord>,
}

/// A record that two logs share only if it is the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRecord {
    /// Its offset.
    pub offset: i64,
    /// 128 bits over key and value.
    mark: u128,
}

impl LastRecord {
    /// The mark of a record. Its append time is no part of it: a producer's time that is too far ahead is replaced by
    /// the time of reading.
    pub fn new(offset: i64, key: &[u8], value: &[u8]) -> LastRecord {
        let mut hash = Xxh3::new();
        hash.update(&(key.len() as u64).to_le_bytes());
        hash.update(key);
        hash.update(value);
        LastRecord { offset, mark: hash.digest128() }
    }

    /// The mark of a batch's last record.
    pub(crate) fn of(batch: &Batch) -> Option<LastRecord> {
        let record = batch.records.last()?;
        Some(LastRecord::new(record.offset, batch.key(record), batch.value(record)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{ShardId, Timestamp};

    fn mark(offset: i64, read_at: i64, key: &[u8], value: &[u8]) -> LastRecord {
        let mut batch = Batch::new(ShardId::account(0));
        batch.push(offset, Some(Timestamp(read_at)), key, value);
        LastRecord::of(&batch).unwrap()
    }

    #[test]
    fn a_record_has_one_mark_whenever_it_is_read() {
        let first = mark(7, 1_000, b"a", b"value");
        assert_eq!(mark(7, 2_000, b"a", b"value"), first);
        for other in
            [mark(8, 1_000, b"a", b"value"), mark(7, 1_000, b"av", b"alue"), mark(7, 1_000, b"a", b"")]
        {
            assert_ne!(other, first);
        }
    }
}
