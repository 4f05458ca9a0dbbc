//! Saving and loading decision state.

use super::{Cooldown, Decisions, Incident};
use crate::batch::Timestamp;
use crate::snapshot::SnapshotError;
use crate::snapshot::bytes::{Reader, put_key, put_number, put_signed, put_text};
use crate::snapshot::chunk::ChunkWriter;

impl Decisions {
    /// Writes all open cooldowns and incidents; gives back how many changes there were since the last sweep.
    pub(crate) fn save(&self, cooldowns: &mut ChunkWriter, incidents: &mut ChunkWriter) -> u64 {
        for ((key, rule), open) in &self.cooldowns {
            cooldowns.put(|out| {
                put_key(out, *key);
                put_text(out, rule);
                put_signed(out, open.until.0);
                put_signed(out, i64::from(open.score));
            });
        }
        for (key, open) in &self.incidents {
            incidents.put(|out| {
                put_key(out, *key);
                put_key(out, open.id);
                put_number(out, u64::from(open.seq));
                put_signed(out, open.at.0);
            });
        }
        self.added as u64
    }

    /// Begins to load: how many changes there were since the last sweep.
    pub(crate) fn begin_load(&mut self, added: u64) {
        self.added = usize::try_from(added).unwrap_or(usize::MAX / 2).min(usize::MAX / 2);
    }

    /// Loads the next cooldown.
    pub(crate) fn load_cooldown(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let (key, rule) = (from.key()?, from.text()?.to_owned());
        // Any value is valid: times of cooldowns are compared, never added to.
        let until = Timestamp(from.signed()?);
        let score =
            i32::try_from(from.signed()?).map_err(|_| SnapshotError::malformed("a score out of range"))?;
        self.cooldowns.insert((key, rule), Cooldown { until, score });
        Ok(())
    }

    /// Loads the next incident.
    pub(crate) fn load_incident(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let key = from.key()?;
        let incident = Incident { id: from.key()?, seq: from.small()?, at: from.time()? };
        self.incidents.insert(key, incident);
        Ok(())
    }

    /// Numbers of open cooldowns and incidents.
    pub(crate) fn open(&self) -> (u64, u64) {
        (self.cooldowns.len() as u64, self.incidents.len() as u64)
    }
}
