//! Chunks: items of one kind, gathered until they are worth an object of their own. An item never spans two chunks, so
//! chunks may be read in any order.

use super::bytes::Reader;
use super::error::SnapshotError;

/// A chunk is closed once it has so many bytes; its last item may take it beyond.
pub const CHUNK_BYTES: usize = 2 << 20;

/// What the items of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// A key with its rows.
    Ledgers = 1,
    /// An open cooldown.
    Cooldowns = 2,
    /// An open incident.
    Incidents = 3,
    /// A label that is not known yet.
    Labels = 4,
    /// How a key's id is written.
    Names = 5,
    /// A count of a rank among everybody.
    Populations = 6,
    /// A count of what the profile calls usual.
    Profile = 7,
}

impl ItemKind {
    const ALL: [ItemKind; 7] = [
        ItemKind::Ledgers,
        ItemKind::Cooldowns,
        ItemKind::Incidents,
        ItemKind::Labels,
        ItemKind::Names,
        ItemKind::Populations,
        ItemKind::Profile,
    ];

    fn code(self) -> u8 {
        self as u8
    }

    /// The kind of a chunk's items, and the items.
    pub(crate) fn read(bytes: &[u8]) -> Result<(ItemKind, Reader<'_>), SnapshotError> {
        let mut items = Reader::new(bytes);
        let code = items.byte()?;
        let kind = ItemKind::ALL.into_iter().find(|kind| kind.code() == code);
        kind.map(|kind| (kind, items)).ok_or(SnapshotError::malformed("a chunk of an unknown kind"))
    }
}

/// A finished chunk, before it is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub(crate) bytes: Vec<u8>,
}

impl Chunk {
    /// Its bytes before compression: how much memory it holds.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds nothing; no chunk that is handed out does.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Gathers items of one kind into chunks.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    kind: ItemKind,
    bytes: Vec<u8>,
    finished: Vec<Chunk>,
    items: u64,
}

impl ChunkWriter {
    pub(crate) fn new(kind: ItemKind) -> ChunkWriter {
        ChunkWriter { kind, bytes: Vec::new(), finished: Vec::new(), items: 0 }
    }

    /// Takes an item in.
    #[inline]
    pub(crate) fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.bytes.is_empty() {
            self.bytes.push(self.kind.code());
        }
        write(&mut self.bytes);
        self.items += 1;
        if self.bytes.len() >= CHUNK_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        if !self.bytes.is_empty() {
            self.finished.push(Chunk { bytes: std::mem::take(&mut self.bytes) });
        }
    }

    /// Hands out what is finished.
    pub(crate) fn drain(&mut self, chunks: &mut Vec<Chunk>) {
        chunks.append(&mut self.finished);
    }

    /// Hands out everything; says how many items there were.
    pub(crate) fn finish(mut self, chunks: &mut Vec<Chunk>) -> u64 {
        self.close();
        self.drain(chunks);
        self.items
    }
}
