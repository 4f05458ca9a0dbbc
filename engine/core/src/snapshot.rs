//! Snapshots of one shard of one key space: what is written, how it is sealed, and what is refused when it is read.
//!
//! A snapshot is the shard's state between two steps: rows, histograms, labels that are not known yet, decision state,
//! and the watermark. It holds nothing that is computed again from them (counts, totals, the truth of a pack's
//! conditions). Chunks come in any order; a manifest, written last, lists them and what they add up to. It does
//! not depend on a store, a clock or a thread: bytes go out, bytes come in.
//!
//! - `bytes`: numbers and texts, written and read with bounds
//! - `chunk`: items of one kind, gathered to a few MiB
//! - `seal`: the envelope of every object: magic, version, lengths, checksum
//! - `manifest`: what belongs together, and to which shard, schema and secret
//! - `fingerprint`: what must be the same for a snapshot to mean the same
//! - `error`: why a snapshot is refused

pub(crate) mod bytes;
pub(crate) mod chunk;
mod error;
mod fingerprint;
mod manifest;
mod origin;
mod seal;

pub use chunk::{CHUNK_BYTES, Chunk};
pub use error::SnapshotError;
pub(crate) use fingerprint::{fingerprint, key_check, kind_text, schema_fingerprint};
pub use manifest::{CHUNKS_MAX, Listed, Manifest, OpenedChunk, StateSummary};
pub(crate) use manifest::{LedgersSummary, PopulationSummary, ProfileSummary, SpaceSummary};
pub use origin::{InputTopic, LastRecord, Origin};
pub use seal::{CONTENT_BYTES_MAX, Content, FORMAT_VERSION, open, seal};
