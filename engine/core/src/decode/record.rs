//! The bytes of one record with zeros behind them, so that looking ahead needs no bound: a zero is no part of any token,
//! and ends all of them. It does not know what the bytes mean.

use crate::limits::EVENT_BYTES_MAX;

/// A place in a record.
pub(super) type BytePos = u16;

/// The bytes that are looked at together at most.
const AHEAD: usize = 16;
/// Every place that a [`BytePos`] can name has so many bytes behind it.
const ROOM: usize = BytePos::MAX as usize + AHEAD;
const _: () = assert!(EVENT_BYTES_MAX + AHEAD <= BytePos::MAX as usize);

/// A place in a record, or the length of one.
#[inline]
pub(super) fn byte_pos(at: usize) -> BytePos {
    BytePos::try_from(at).expect("records are bounded to 16 KiB")
}

/// A record to look ahead in.
#[derive(Clone, Debug)]
pub(super) struct Record {
    bytes: [u8; ROOM],
    end: BytePos,
}

impl Record {
    /// An empty record.
    pub(super) fn new() -> Box<Record> {
        Box::new(Record { bytes: [0; ROOM], end: 0 })
    }

    /// Takes the bytes of a record over.
    ///
    /// # Panics
    /// When they are more than [`EVENT_BYTES_MAX`].
    #[inline]
    pub(super) fn fill(&mut self, record: &[u8]) {
        assert!(record.len() <= EVENT_BYTES_MAX, "longer records are refused before");
        self.end = byte_pos(record.len());
        let (bytes, ahead) = self.bytes.split_at_mut(record.len());
        bytes.copy_from_slice(record);
        ahead[..AHEAD].fill(0);
    }

    /// Where it ends.
    pub(super) fn end(&self) -> BytePos {
        self.end
    }

    /// The byte at a place, 0 at the end.
    #[inline]
    pub(super) fn byte(&self, at: BytePos) -> u8 {
        self.bytes[usize::from(at)]
    }

    /// What stands between two places.
    #[inline]
    pub(super) fn text(&self, start: BytePos, end: BytePos) -> &[u8] {
        &self.bytes[usize::from(start)..][..usize::from(end.wrapping_sub(start))]
    }

    /// So many bytes from a place on.
    #[inline]
    pub(super) fn ahead<const N: usize>(&self, at: BytePos) -> [u8; N] {
        const { assert!(N <= AHEAD) };
        let from = usize::from(at);
        self.bytes[from..from + N].try_into().expect("a range has its length")
    }

    /// Whether these bytes follow at a place.
    pub(super) fn follows(&self, at: BytePos, bytes: &[u8]) -> bool {
        self.bytes[usize::from(at)..].starts_with(bytes)
    }
}
