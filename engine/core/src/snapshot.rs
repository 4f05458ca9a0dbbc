//! Snapshots of one shard of one key space: what is written, how it is sealed, and what is refused when it is read.
//!
//! A snapshot is a cut through the shard's state between two steps: rows, histograms, labels that are not known yet,
//! decision state, and how far time has come. It holds nothing that is found anew from them (tallies, totals, the truth
//! of a pack's conditions). Chunks come in any order; a manifest, written last, says which there are and what they add up
//! to. It knows no store, no clock and no thread: bytes go out, bytes come in.
//!
//! - `bytes`: numbers and texts, written and read with bounds
//! - `chunk`: items of one kind, gathered to a few MiB
//! - `seal`: the envelope of every object: magic, version, lengths, checksum
//! - `manifest`: what belongs together, and to which shard, schema and secret
//! - `fault`: why a snapshot is not taken

pub(crate) mod bytes;
pub(crate) mod chunk;
mod fault;
mod manifest;
mod seal;

pub use chunk::{CHUNK_BYTES, Chunk};
pub use fault::SnapshotFault;
pub use manifest::{CHUNKS_MAX, Cut, Listed, Manifest, OpenedChunk, Origin};
pub(crate) use manifest::{LedgersCut, PopulationCut, ProfileCut, SpaceCut};
pub use seal::{CONTENT_BYTES_MAX, Content, FORMAT_VERSION, open, seal};

use tripline_rules::schema::{CurrencyOf, Kind, LABEL_OUTCOME, Schema, TX_CURRENCY};
use tripline_rules::value::TextKey;

/// What must be the same for rows to mean the same: the codes of event types, outcomes and currencies, and every kept
/// field with its kind.
pub(crate) fn schema_fingerprint(schema: &Schema) -> u128 {
    let mut text = schema.event_types().values().join("|");
    let read = schema.keep().iter().chain(&[LABEL_OUTCOME, TX_CURRENCY]);
    for field in read.map(|slot| schema.field(*slot)) {
        text.push('\n');
        text.push_str(&field.name);
        text.push(':');
        text.push_str(&kind_text(&field.kind));
    }
    fingerprint(&text)
}

/// 128 bits that tell a text from all others.
pub(crate) fn fingerprint(text: &str) -> u128 {
    seal::checksum(text.as_bytes())
}

/// A kind in words that tell it from every other.
pub(crate) fn kind_text(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "yes/no".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Money(CurrencyOf::Account) => "money in account.currency".to_owned(),
        Kind::Money(CurrencyOf::Fixed(currency)) => format!("money in {}", currency.number()),
        Kind::OneOf(codes) => format!("one of {}", codes.values().join("|")),
        Kind::Text => "text".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Duration => "duration".to_owned(),
        Kind::Geo => "location".to_owned(),
    }
}

/// A value that two shards share if and only if their secret is the same, and that tells nothing of it.
pub(crate) fn key_check(key: &TextKey) -> u128 {
    // No account is named so: ids hold no control characters.
    key.entity(b"\0tripline snapshot")
}
