//! The manifest: what belongs to one snapshot, and to which shard, schema and secret. Written last, so that a snapshot
//! without one is none.

use super::bytes;
use super::chunk::Chunk;
use super::error::SnapshotError;
use super::origin::Origin;
use super::seal::{Content, checksum, open, seal};
use crate::batch::Timestamp;
use serde::{Deserialize, Serialize};
use tripline_rules::time::DAY_MS;

/// Chunks of one snapshot, at most.
pub const CHUNKS_MAX: usize = 1 << 20;

/// The small parts of a shard's state when its snapshot began, and what the chunks add up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateSummary {
    pub(crate) origin: Origin,
    pub(crate) schema: u128,
    pub(crate) key_check: u128,
    pub(crate) pack: String,
    pub(crate) has_begun: bool,
    pub(crate) clock: Option<i64>,
    pub(crate) labels_numbered: u64,
    pub(crate) labels: u64,
    pub(crate) space: SpaceSummary,
    pub(crate) profile: Option<ProfileSummary>,
}

/// The same of a key space. Times are `None` before the first event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpaceSummary {
    pub(crate) entity: String,
    pub(crate) watermark: Option<i64>,
    pub(crate) judged: Option<i64>,
    pub(crate) held_from: Option<i64>,
    pub(crate) ledgers: LedgersSummary,
    pub(crate) decisions_added: u64,
    pub(crate) cooldowns: u64,
    pub(crate) incidents: u64,
    pub(crate) names: u64,
    pub(crate) populations: Vec<PopulationSummary>,
    pub(crate) counts: u64,
}

/// The same of its ledgers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LedgersSummary {
    pub(crate) watermark: Option<i64>,
    pub(crate) retention: i64,
    /// Rows at or before this time left under an earlier, shorter retention.
    pub(crate) gone_until: Option<i64>,
    /// The greatest time of a row that left with an evicted key.
    pub(crate) evicted_until: Option<i64>,
    pub(crate) rows_per_ledger: u16,
    /// What the chunks hold.
    pub(crate) ledgers: u64,
    pub(crate) rows: u64,
    /// Rows and keys within the retention, by [`ExpiryCounts`](crate::ledger).
    pub(crate) held_rows: u64,
    pub(crate) held_keys: u64,
}

impl LedgersSummary {
    /// How far before the watermark rows are held, ms: less than the retention after a shorter one.
    pub(crate) fn held_ms(&self) -> i64 {
        match (self.watermark, self.gone_until) {
            (Some(watermark), Some(gone_until)) => self.retention.min(watermark.saturating_sub(gone_until)),
            _ => self.retention,
        }
    }
}

/// The same of one population.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PopulationSummary {
    /// What it counts: equal for ranks that count the same.
    pub(crate) meaning: u128,
    pub(crate) today: Option<i64>,
    pub(crate) days_held: u32,
    pub(crate) counts: u64,
    /// The newest day of which a value was not counted because its group was one too many.
    pub(crate) lacking: Option<i64>,
    /// Groups with counts of which values may not have been counted, and the newest day of one.
    pub(crate) lacking_groups: Vec<(u64, i64)>,
}

/// The same of the profile's population.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProfileSummary {
    pub(crate) today: Option<i64>,
    /// Median, upper quartile and 99th percentile by group, as they were when the day began.
    pub(crate) usual: Vec<Option<[f64; 3]>>,
    pub(crate) population: PopulationSummary,
}

/// A chunk as the manifest lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Bytes of the sealed object.
    pub bytes: u64,
    /// 128 bits over the sealed object.
    pub checksum: u128,
}

impl Chunk {
    /// Compresses the chunk: its object, and its line for the manifest.
    pub fn seal(&self) -> (Vec<u8>, Listed) {
        let sealed = seal(Content::Chunk, &self.bytes);
        let listed = Listed::of(&sealed);
        (sealed, listed)
    }
}

impl Listed {
    /// The line of a sealed object.
    pub fn of(sealed: &[u8]) -> Listed {
        Listed { bytes: sealed.len() as u64, checksum: checksum(sealed) }
    }
}

/// A chunk that the manifest lists, verified and decompressed.
#[derive(Clone, Debug)]
pub struct OpenedChunk {
    pub(crate) number: usize,
    pub(crate) listed: Listed,
    pub(crate) raw: Vec<u8>,
}

/// A snapshot's manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    summary: StateSummary,
    chunks: Vec<Listed>,
    engine_version: String,
    created_at_ms: i64,
}

impl Manifest {
    /// A manifest; `chunks`: the lines of the sealed chunks, by number. `created_at` is for information only.
    ///
    /// # Panics
    /// When there are more than [`CHUNKS_MAX`] chunks.
    pub fn new(summary: StateSummary, chunks: Vec<Listed>, created_at: Timestamp) -> Manifest {
        assert!(chunks.len() <= CHUNKS_MAX, "a snapshot has at most {CHUNKS_MAX} chunks");
        Manifest {
            summary,
            chunks,
            engine_version: env!("CARGO_PKG_VERSION").to_owned(),
            created_at_ms: created_at.0,
        }
    }

    /// Its object.
    ///
    /// # Panics
    /// Never: every manifest fits an object.
    pub fn seal(&self) -> Vec<u8> {
        let raw = postcard::to_stdvec(self).expect("plain values into memory");
        seal(Content::Manifest, &raw)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// Damage, a version that is not known, or bytes that are no manifest.
    pub fn open(sealed: &[u8]) -> Result<Manifest, SnapshotError> {
        let raw = open(Content::Manifest, sealed)?;
        let no_manifest = SnapshotError::malformed("the manifest cannot be decoded");
        let (manifest, rest): (Manifest, _) =
            postcard::take_from_bytes(&raw).map_err(|_| no_manifest.clone())?;
        if !rest.is_empty() || manifest.chunks.len() > CHUNKS_MAX {
            return Err(no_manifest);
        }
        manifest.summary.check_times()?;
        Ok(manifest)
    }

    /// Verifies and decompresses the chunk with a number.
    ///
    /// # Errors
    /// When it is damaged, or not the one that is listed.
    pub fn open_chunk(&self, number: usize, sealed: &[u8]) -> Result<OpenedChunk, SnapshotError> {
        let listed = self.chunks.get(number).copied();
        let raw = open(Content::Chunk, sealed)?;
        match listed.filter(|listed| *listed == Listed::of(sealed)) {
            Some(listed) => Ok(OpenedChunk { number, listed, raw }),
            None => Err(SnapshotError::ForeignChunk { number }),
        }
    }

    /// Its chunks, by number.
    pub fn chunks(&self) -> &[Listed] {
        &self.chunks
    }

    /// Where in the input it begins.
    pub fn origin(&self) -> &Origin {
        &self.summary.origin
    }

    /// The watermark when it began; `None` before the first event.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.summary.space.watermark.map(Timestamp)
    }

    /// How far before the watermark it holds rows, ms.
    pub fn retention_ms(&self) -> i64 {
        self.summary.space.ledgers.held_ms()
    }

    /// Keys and rows.
    pub fn keys_and_rows(&self) -> (u64, u64) {
        (self.summary.space.ledgers.ledgers, self.summary.space.ledgers.rows)
    }

    /// Hash of the pack that ran, for information: any pack may load the snapshot.
    pub fn pack(&self) -> &str {
        &self.summary.pack
    }

    /// Version of the engine that wrote it, for information.
    pub fn engine_version(&self) -> &str {
        &self.engine_version
    }

    /// When it was written, by the clock of its host.
    pub fn created_at(&self) -> Timestamp {
        Timestamp(self.created_at_ms)
    }

    pub(crate) fn summary(&self) -> &StateSummary {
        &self.summary
    }
}

impl StateSummary {
    /// Where in the input it begins.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Refuses times that are out of range, so that later arithmetic cannot overflow.
    fn check_times(&self) -> Result<(), SnapshotError> {
        let SpaceSummary { watermark, judged, held_from, ledgers, populations, .. } = &self.space;
        let days = populations.iter().map(|population| population.today);
        let profile = self.profile.iter().flat_map(|profile| [profile.today, profile.population.today]);
        let days = days.chain(profile).map(|day| day.map(|day| day.saturating_mul(DAY_MS)));
        let LedgersSummary { watermark: newest, retention, gone_until, evicted_until, .. } = *ledgers;
        let ledgers = [newest, Some(retention), gone_until, evicted_until];
        let times = [self.clock, *watermark, *judged, *held_from].into_iter().chain(ledgers);
        times.chain(days).flatten().try_for_each(|ms| bytes::time(ms).map(drop))
    }
}
