//! Why a snapshot is refused. In every case the shard is restored from an older one or from its log.

use thiserror::Error;

/// What is wrong with a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// The bytes differ from those that were sealed.
    #[error("the snapshot is damaged: {what}")]
    Damaged {
        /// Where it shows.
        what: &'static str,
    },
    /// Intact, but of a format version that this engine does not read.
    #[error(
        "the snapshot has format version {found} and this engine reads version {known}; the ledgers must be rebuilt \
         from the log or with `tripline bootstrap`"
    )]
    UnknownVersion {
        /// The snapshot's version.
        found: u16,
        /// The version of this engine.
        known: u16,
    },
    /// Intact, but not what a snapshot of this version can hold.
    #[error("the snapshot is malformed: {what}")]
    Malformed {
        /// Where it shows.
        what: &'static str,
    },
    /// A chunk that is not the one listed under its number.
    #[error("chunk {number} is not the one listed in the snapshot's manifest")]
    ForeignChunk {
        /// Its number.
        number: usize,
    },
    /// A chunk was given twice.
    #[error("chunk {number} was given twice")]
    RepeatedChunk {
        /// Its number.
        number: usize,
    },
    /// A chunk that the manifest lists was not given.
    #[error("chunk {number} of the snapshot is missing")]
    MissingChunk {
        /// Its number.
        number: usize,
    },
    /// All chunks are present but do not add up to what the manifest says.
    #[error("the snapshot holds {found} {what}, but its manifest says {expected}")]
    Incomplete {
        /// What was counted.
        what: &'static str,
        /// What the manifest says.
        expected: u64,
        /// What was there.
        found: u64,
    },
    /// Rows were kept under another schema.
    #[error(
        "the snapshot was written under another schema: its kept fields, their kinds or codes, or the event types differ"
    )]
    ForeignSchema,
    /// Ids were hashed under another secret.
    #[error("the snapshot was written under another secret, so that no account would be found in it")]
    ForeignSecret,
    /// Of another topic, or of a topic of another cluster.
    #[error("the snapshot is of the topic {found}, not of {expected}")]
    ForeignInput {
        /// The snapshot's topic and cluster.
        found: String,
        /// Those of the input.
        expected: String,
    },
    /// The log has another record where the snapshot's last one was.
    #[error(
        "the record at offset {offset} is not the one that was there when the snapshot was written: the topic has been \
         created again, and the snapshot is of the old one"
    )]
    ForeignLog {
        /// Offset of the snapshot's last record.
        offset: i64,
    },
    /// The input had another number of partitions: accounts are in other shards now.
    #[error(
        "the snapshot is of an input with {found} partitions, but the input has {expected}; its accounts are in other shards now"
    )]
    ForeignPartitions {
        /// The snapshot's.
        found: u32,
        /// The input's.
        expected: u32,
    },
    /// Another shard's.
    #[error("the snapshot is of partition {found}, not of partition {expected}")]
    ForeignPartition {
        /// The snapshot's.
        found: u32,
        /// The one asked for.
        expected: u32,
    },
    /// Another key space's.
    #[error("the snapshot is of key space `{found}`, not of `{expected}`")]
    ForeignSpace {
        /// The snapshot's.
        found: String,
        /// The one asked for.
        expected: String,
    },
    /// Rows that a duplicate of the lateness would repeat are not held.
    #[error(
        "the lateness needs rows of {needed_ms} ms, and the snapshot holds {held_ms} ms; the shard must be restored from \
         the log"
    )]
    ShortRetention {
        /// The lateness and how far a clock may be ahead, ms.
        needed_ms: i64,
        /// How far before its watermark the snapshot holds rows, ms.
        held_ms: i64,
    },
    /// The pack ranks by all accounts what the snapshot did not count.
    #[error("the snapshot has no histogram for the rank `{name}` (`by: all`)")]
    NoPopulation {
        /// Name of the rank.
        name: String,
    },
    /// A model with state runs now, and did not run when the snapshot was written.
    #[error("the snapshot has no state of the model `{name}`")]
    NoModel {
        /// Name of the model.
        name: String,
    },
}

impl SnapshotError {
    pub(crate) fn malformed(what: &'static str) -> SnapshotError {
        SnapshotError::Malformed { what }
    }
}
