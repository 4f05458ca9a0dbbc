//! A snapshot of a shard that does not change meanwhile, written at once by `bootstrap`.

use super::catalogue::Catalogue;
use super::store::ObjectStoreError;
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::snapshot::{Listed, Manifest, Origin};

/// Rows written before full chunks are stored.
const ROWS_A_TURN: usize = 1 << 18;

/// The size of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Keys with rows.
    pub keys: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes in the store.
    pub bytes: u64,
}

impl Catalogue {
    /// Writes a snapshot of an engine as it is now. It becomes the shard's only one: earlier ones are
    /// not of the same history.
    ///
    /// # Errors
    /// When the store refuses the write.
    pub fn write_whole(
        &self,
        engine: &mut AccountShard,
        origin: Origin,
        begun_at: Timestamp,
    ) -> Result<Written, ObjectStoreError> {
        let shard = ShardId::account(origin.partition);
        let earlier = self.list(shard)?;
        let place = self.place(shard, origin.offset, begun_at);
        let mut listed: Vec<Listed> = Vec::new();
        let mut chunks = Vec::new();
        engine.begin_save(origin);
        let summary = loop {
            let summary = engine.save_some(ROWS_A_TURN, &mut chunks);
            for chunk in chunks.drain(..) {
                let (sealed, line) = chunk.seal();
                self.put_chunk(&place, listed.len(), sealed)?;
                listed.push(line);
            }
            if let Some(summary) = summary {
                break summary;
            }
        };
        let bytes = listed.iter().map(|line| line.bytes).sum();
        let manifest = Manifest::new(summary, listed, begun_at);
        self.put_manifest(&place, &manifest)?;
        earlier.iter().filter(|stored| **stored != place).try_for_each(|stored| self.delete(stored))?;
        let (keys, rows) = manifest.keys_and_rows();
        Ok(Written { keys, rows, bytes })
    }
}
