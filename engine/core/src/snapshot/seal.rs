//! The envelope of every object of a snapshot. It is the same in all versions of the format, so that a damaged object
//! and one of another version can be distinguished; the version says how the content is decoded.
//!
//! | bytes | |
//! |---|---|
//! | 8 | magic |
//! | 2 | format version, little endian, as all numbers |
//! | 1 | manifest or chunk |
//! | 8 | length of the content |
//! | 8 | length of the body |
//! | … | body: the content, compressed (zstd, level 1) |
//! | 16 | XXH3 (128 bits) of all bytes before |

use super::bytes::Reader;
use super::error::SnapshotError;
use xxhash_rust::xxh3::xxh3_128;

/// The format that this engine writes and reads.
pub const FORMAT_VERSION: u16 = 3;
/// Bytes of one object's content, at most: the largest ledger that can be configured fits.
pub const CONTENT_BYTES_MAX: usize = 512 << 20;

const MAGIC: [u8; 8] = *b"tripsnap";
const HEAD: usize = MAGIC.len() + 2 + 1 + 8 + 8;
const CHECKSUM: usize = 16;
const ZSTD_LEVEL: i32 = 1;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The manifest.
    Manifest = 1,
    /// A chunk.
    Chunk = 2,
}

/// Compresses a content and puts it into its envelope.
///
/// # Panics
/// When the content is longer than [`CONTENT_BYTES_MAX`].
pub fn seal(content: Content, raw: &[u8]) -> Vec<u8> {
    assert!(raw.len() <= CONTENT_BYTES_MAX, "an object holds at most {CONTENT_BYTES_MAX} bytes");
    let body = zstd::bulk::compress(raw, ZSTD_LEVEL).expect("compression into memory cannot fail");
    let mut sealed = Vec::with_capacity(HEAD + body.len() + CHECKSUM);
    sealed.extend_from_slice(&MAGIC);
    sealed.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    sealed.push(content as u8);
    sealed.extend_from_slice(&(raw.len() as u64).to_le_bytes());
    sealed.extend_from_slice(&(body.len() as u64).to_le_bytes());
    sealed.extend_from_slice(&body);
    let checksum = checksum(&sealed);
    sealed.extend_from_slice(&checksum.to_le_bytes());
    sealed
}

/// The content of an object, if it is whole.
///
/// # Errors
/// Damage first; then a version that is not known; then anything else that it should not be.
pub fn open(content: Content, sealed: &[u8]) -> Result<Vec<u8>, SnapshotError> {
    let damaged = |what| SnapshotError::Damaged { what };
    let body = sealed.len().checked_sub(HEAD + CHECKSUM).ok_or(damaged("it is too short"))?;
    let (bytes, held) = sealed.split_at(HEAD + body);
    if checksum(bytes).to_le_bytes() != held {
        return Err(damaged("its checksum does not match"));
    }
    let mut reader = Reader::new(bytes);
    if reader.slice(MAGIC.len())? != MAGIC {
        return Err(damaged("it is not an object of a snapshot"));
    }
    let version = u16::from_le_bytes([reader.byte()?, reader.byte()?]);
    if version != FORMAT_VERSION {
        return Err(SnapshotError::UnknownVersion { found: version, known: FORMAT_VERSION });
    }
    if reader.byte()? != content as u8 {
        return Err(SnapshotError::malformed("a chunk was given as a manifest, or a manifest as a chunk"));
    }
    let (length, body_length) = (reader.word()?, reader.word()?);
    let length = usize::try_from(length).ok().filter(|length| *length <= CONTENT_BYTES_MAX);
    let length = length.ok_or(SnapshotError::malformed("an object is longer than allowed"))?;
    if body_length != body as u64 {
        return Err(SnapshotError::malformed("the length of a body differs from its header"));
    }
    let raw = zstd::bulk::decompress(reader.slice(body)?, length);
    raw.ok()
        .filter(|raw| raw.len() == length)
        .ok_or(SnapshotError::malformed("a body does not decompress to its length"))
}

/// 128 bits that tell bytes from all others.
pub(super) fn checksum(bytes: &[u8]) -> u128 {
    xxh3_128(bytes)
}
