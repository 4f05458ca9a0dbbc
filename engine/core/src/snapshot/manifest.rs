//! The manifest: what belongs to one snapshot, and to which shard, schema and secret. Written last, so that a snapshot
//! without one is none.

use super::bytes;
use super::chunk::Chunk;
use super::error::SnapshotError;
use super::seal::{Content, checksum, open, seal};
use crate::batch::Timestamp;
use serde::{Deserialize, Serialize};
use tripline_rules::time::DAY_MS;

/// Chunks of one snapshot, at most.
pub const CHUNKS_MAX: usize = 1 << 20;

/// Where in the input a snapshot is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Partition of the input.
    pub partition: u32,
    /// How many partitions the input has.
    pub partitions: u32,
    /// The first record that is not in the snapshot.
    pub offset: i64,
}

/// The state at the cut, as far as it is small, and what the chunks add up to.
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

/// A key space at the cut. Times are `None` before the first event.
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

/// Ledgers at the cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LedgersSummary {
    pub(crate) watermark: Option<i64>,
    pub(crate) retention: i64,
    pub(crate) rows_per_ledger: u16,
    /// Whether rows tell the currency of their money.
    pub(crate) currency: bool,
    /// What the chunks hold.
    pub(crate) ledgers: u64,
    pub(crate) rows: u64,
    /// Rows and keys that the retention still counts.
    pub(crate) held_rows: u64,
    pub(crate) held_keys: u64,
}

/// One population at the cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PopulationSummary {
    /// What it counts: equal for ranks that count the same.
    pub(crate) meaning: u128,
    pub(crate) today: Option<i64>,
    pub(crate) days_held: u32,
    pub(crate) counts: u64,
}

/// What the profile knows beside the rows.
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

/// A chunk that was found to be the manifest's, unpacked.
#[derive(Clone, Debug)]
pub struct OpenedChunk {
    pub(crate) number: usize,
    pub(crate) listed: Listed,
    pub(crate) raw: Vec<u8>,
}

/// A snapshot's manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    cut: StateSummary,
    chunks: Vec<Listed>,
    engine_version: String,
    created_at_ms: i64,
}

impl Manifest {
    /// A manifest; `chunks`: the lines of the sealed chunks, by number. `created_at` is for people.
    ///
    /// # Panics
    /// When there are more than [`CHUNKS_MAX`] chunks.
    pub fn new(cut: StateSummary, chunks: Vec<Listed>, created_at: Timestamp) -> Manifest {
        assert!(chunks.len() <= CHUNKS_MAX, "a snapshot has at most {CHUNKS_MAX} chunks");
        Manifest {
            cut,
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
        let no_manifest = SnapshotError::malformed("the manifest does not read");
        let (manifest, rest): (Manifest, _) =
            postcard::take_from_bytes(&raw).map_err(|_| no_manifest.clone())?;
        if !rest.is_empty() || manifest.chunks.len() > CHUNKS_MAX {
            return Err(no_manifest);
        }
        manifest.cut.check_times()?;
        Ok(manifest)
    }

    /// Unpacks the chunk with a number.
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

    /// Where it was cut.
    pub fn origin(&self) -> Origin {
        self.cut.origin
    }

    /// The greatest event time at the cut; `None` before the first event.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.cut.space.watermark.map(Timestamp)
    }

    /// So far back, ms before the watermark, rows are held.
    pub fn retention_ms(&self) -> i64 {
        self.cut.space.ledgers.retention
    }

    /// Keys and rows.
    pub fn held(&self) -> (u64, u64) {
        (self.cut.space.ledgers.ledgers, self.cut.space.ledgers.rows)
    }

    /// Hash of the pack that ran, for people: any pack may take the snapshot up.
    pub fn pack(&self) -> &str {
        &self.cut.pack
    }

    /// Version of the engine that wrote it, for people.
    pub fn engine_version(&self) -> &str {
        &self.engine_version
    }

    /// When it was written, as the edge said.
    pub fn created_at(&self) -> Timestamp {
        Timestamp(self.created_at_ms)
    }

    pub(crate) fn cut(&self) -> &StateSummary {
        &self.cut
    }
}

impl StateSummary {
    /// Where it was cut.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Times that are read may be calculated with.
    fn check_times(&self) -> Result<(), SnapshotError> {
        let SpaceSummary { watermark, judged, held_from, ledgers, populations, .. } = &self.space;
        let days = populations.iter().map(|population| population.today);
        let profile = self.profile.iter().flat_map(|profile| [profile.today, profile.population.today]);
        let days = days.chain(profile).map(|day| day.map(|day| day.saturating_mul(DAY_MS)));
        let times = [self.clock, *watermark, *judged, *held_from, ledgers.watermark, Some(ledgers.retention)];
        times.into_iter().chain(days).flatten().try_for_each(|ms| bytes::time(ms).map(drop))
    }
}
