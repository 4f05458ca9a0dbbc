//! Metadata of a committed offset: the partition count that the state was built for, and the processor's note.

use super::consumer::number;
use crate::runtime::source::{NOTE_BYTES_MAX, Position, SourceError};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Stored<'a> {
    partitions: u32,
    #[serde(borrow)]
    note: std::borrow::Cow<'a, str>,
}

/// The offsets of a commit of these positions, with their metadata.
///
/// # Errors
/// When the client refuses a position.
pub(super) fn offsets(
    topic: &str,
    next: &[Position],
    partitions: u32,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(next.len());
    for at in next {
        let mut element = list.add_partition(topic, number(at.shard));
        element.set_offset(Offset::Offset(at.next))?;
        element.set_metadata(write(&at.note, partitions));
    }
    Ok(list)
}

/// The metadata of a commit. A note that is too long is left out, because the position must be committed.
pub(super) fn write(note: &str, partitions: u32) -> String {
    let note = if note.len() <= NOTE_BYTES_MAX { note } else { "" };
    serde_json::to_string(&Stored { partitions, note: note.into() })
        .expect("a string and a number are valid JSON")
}

/// The processor's note in a commit's metadata. Metadata of another writer (an offset reset by hand) has none.
///
/// # Errors
/// When the state was committed for another number of partitions.
pub(super) fn read(stored: &str, topic: &str, partitions: u32) -> Result<String, SourceError> {
    match serde_json::from_str::<Stored<'_>>(stored) {
        Ok(stored) if stored.partitions != partitions => Err(SourceError::Repartitioned {
            topic: topic.to_owned(),
            stored: stored.partitions,
            found: partitions,
        }),
        Ok(stored) => Ok(stored.note.into_owned()),
        Err(_) => Ok(String::new()),
    }
}

/// The number of partitions that the state was built for, where the metadata says it.
pub(super) fn partitions(stored: &str) -> Option<u32> {
    serde_json::from_str::<Stored<'_>>(stored).ok().map(|stored| stored.partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_and_another_partition_count_is_refused() {
        let stored = write("watermark=\"17\"", 12);
        assert_eq!(read(&stored, "events", 12).unwrap(), "watermark=\"17\"");
        let error = read(&stored, "events", 24).unwrap_err().to_string();
        assert!(error.contains("has 24 partitions") && error.contains("12 partitions were added"), "{error}");
        let fewer = read(&stored, "events", 6).unwrap_err().to_string();
        assert!(fewer.contains("has 6 partitions") && fewer.contains("created anew with fewer"), "{fewer}");
        assert_eq!(read("", "events", 24).unwrap(), "");
        assert_eq!(read("by hand", "events", 24).unwrap(), "");
        assert_eq!((partitions(&stored), partitions("by hand")), (Some(12), None));
    }

    #[test]
    fn metadata_stays_below_what_brokers_take() {
        assert!(write(&"n".repeat(NOTE_BYTES_MAX), 64).len() < 4_096);
        assert_eq!(read(&write(&"n".repeat(NOTE_BYTES_MAX + 1), 64), "events", 64).unwrap(), "");
    }
}
