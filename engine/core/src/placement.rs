//! Which partition the records of an account belong to, by the partitioner of their producers. An account whose records
//! are spread over partitions is judged in parts, each of which looks harmless. It does not depend on a broker.

mod crc32;
mod murmur2;

/// How producers choose the partition of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partitioner {
    /// Java's default: murmur2.
    #[default]
    Murmur2,
    /// librdkafka's `consistent`: CRC-32.
    Consistent,
}

impl Partitioner {
    /// The partition of a key.
    ///
    /// # Panics
    /// When there are no partitions.
    pub fn partition(self, key: &[u8], partitions: u32) -> u32 {
        match self {
            Partitioner::Murmur2 => (murmur2::hash(key) & 0x7fff_ffff) % partitions,
            Partitioner::Consistent => crc32::hash(key) % partitions,
        }
    }
}

/// What a record's place is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Nothing.
    #[default]
    Unchecked,
    /// The number of partitions is not known: a record's key must be its account.
    ByKey,
    /// A record must be in its account's partition.
    ByPartition {
        /// The producers' partitioner.
        partitioner: Partitioner,
        /// Partitions of the input.
        partitions: u32,
    },
}

impl Placement {
    /// Whether a record of an account is where it belongs; `None` if that is not checked.
    #[inline]
    pub fn fits(self, account: &[u8], key: &[u8], partition: u32) -> Option<bool> {
        match self {
            Placement::Unchecked => None,
            // Records of files have no key.
            Placement::ByKey => (!key.is_empty()).then(|| key == account),
            Placement::ByPartition { partitioner, partitions } => {
                Some(partitioner.partition(account, partitions) == partition)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_hash_still_gives_a_partition() {
        let murmur2 = Partitioner::Murmur2;
        assert_eq!(murmur2.partition(b"foobar", 12), ((-790_332_482i32) & 0x7fff_ffff).cast_unsigned() % 12);
        assert!((0..1_000u32).all(|n| murmur2.partition(&n.to_le_bytes(), 7) < 7));
    }

    #[test]
    fn a_record_belongs_to_the_partition_of_its_account_whatever_its_key() {
        let placement = |partitioner| Placement::ByPartition { partitioner, partitions: 12 };
        for partitioner in [Partitioner::Murmur2, Partitioner::Consistent] {
            let own = partitioner.partition(b"A-17", 12);
            assert_eq!(placement(partitioner).fits(b"A-17", b"card-3", own), Some(true));
            assert_eq!(placement(partitioner).fits(b"A-17", b"A-17", (own + 1) % 12), Some(false));
        }
        assert_eq!(Placement::ByKey.fits(b"A-17", b"card-3", 0), Some(false));
        assert_eq!(Placement::ByKey.fits(b"A-17", b"A-17", 5), Some(true));
        assert_eq!(Placement::ByKey.fits(b"A-17", b"", 5), None, "a line of a file");
        assert_eq!(Placement::Unchecked.fits(b"A-17", b"card-3", 0), None);
    }
}
