//! The bytes of one record with zeros behind them, so that reading ahead needs no bounds check: no token contains a
//! zero byte. It does not depend on what the bytes mean.

use crate::limits::EVENT_BYTES_MAX;

/// A position in a record, bytes from its start.
pub(super) type BytePos = u16;

/// How many bytes are read ahead at most.
const AHEAD: usize = 16;
/// Size of the buffer: every [`BytePos`] has [`AHEAD`] bytes behind it.
const ROOM: usize = BytePos::MAX as usize + AHEAD;
const _: () = assert!(EVENT_BYTES_MAX + AHEAD <= BytePos::MAX as usize);

/// A position in a record, or its length.
#[inline]
pub(super) fn byte_pos(at: usize) -> BytePos {
    BytePos::try_from(at).expect("records are bounded to 16 KiB")
}

/// A record with zeros behind it.
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

    /// Copies the bytes of a record.
    ///
    /// # Panics
    /// When they are more than [`EVENT_BYTES_MAX`].
    #[inline]
    pub(super) fn fill(&mut self, record: &[u8]) {
        assert!(record.len() <= EVENT_BYTES_MAX, "the decoder rejects longer records first");
        self.end = byte_pos(record.len());
        let (bytes, ahead) = self.bytes.split_at_mut(record.len());
        bytes.copy_from_slice(record);
        ahead[..AHEAD].fill(0);
    }

    /// Its length.
    pub(super) fn end(&self) -> BytePos {
        self.end
    }

    /// The byte at a position; 0 behind the end.
    #[inline]
    pub(super) fn byte(&self, at: BytePos) -> u8 {
        self.bytes[usize::from(at)]
    }

    /// The bytes between two positions.
    #[inline]
    pub(super) fn text(&self, start: BytePos, end: BytePos) -> &[u8] {
        &self.bytes[usize::from(start)..][..usize::from(end.wrapping_sub(start))]
    }

    /// `N` bytes from a position on.
    #[inline]
    pub(super) fn ahead<const N: usize>(&self, at: BytePos) -> [u8; N] {
        const { assert!(N <= AHEAD) };
        let from = usize::from(at);
        self.bytes[from..from + N].try_into().expect("a range has its length")
    }

    /// Whether these bytes follow at a position.
    pub(super) fn follows(&self, at: BytePos, bytes: &[u8]) -> bool {
        self.bytes[usize::from(at)..].starts_with(bytes)
    }
}
