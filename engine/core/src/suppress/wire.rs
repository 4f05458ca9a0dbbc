//! Saving and loading decision state.

use super::{Cooldown, Decisions, INTERVALS_MAX, Incident, Interval, Intervals};
use crate::batch::Timestamp;
use crate::snapshot::SnapshotError;
use crate::snapshot::bytes::{Reader, put_key, put_number, put_signed, put_text};
use crate::snapshot::chunk::ChunkWriter;

/// Flag beside the number of intervals: some were dropped for want of room.
const DROPPED: u64 = 1;

impl Decisions {
    /// Writes all cooldowns and incidents; gives back how many changes there were since the last sweep.
    pub(crate) fn save(&self, cooldowns: &mut ChunkWriter, incidents: &mut ChunkWriter) -> u64 {
        for ((key, rule), intervals) in &self.cooldowns {
            cooldowns.put(|out| {
                put_key(out, *key);
                put_text(out, rule);
                put_head(out, intervals);
                for open in &intervals.held {
                    put_signed(out, open.opened.0);
                    put_signed(out, open.until.0);
                    put_signed(out, i64::from(open.score));
                }
            });
        }
        for (key, intervals) in &self.incidents {
            incidents.put(|out| {
                put_key(out, *key);
                put_head(out, intervals);
                for open in &intervals.held {
                    put_key(out, open.id);
                    put_number(out, u64::from(open.seq));
                    put_signed(out, open.from.0);
                    put_signed(out, open.to.0);
                }
            });
        }
        self.added as u64
    }

    /// The greatest event time on which a rule fired; `None` before the first.
    pub(crate) fn judged(&self) -> Option<Timestamp> {
        Some(self.judged).filter(|judged| judged.0 > i64::MIN)
    }

    /// Begins to load: how many changes there were since the last sweep, and [`Decisions::judged`].
    pub(crate) fn begin_load(&mut self, added: u64, judged: Option<Timestamp>) {
        self.added = usize::try_from(added).unwrap_or(usize::MAX / 2).min(usize::MAX / 2);
        self.judged = judged.unwrap_or(Timestamp(i64::MIN));
    }

    /// Loads the next cooldown.
    pub(crate) fn load_cooldown(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let (key, rule) = (from.key()?, from.text()?.to_owned());
        // Any time is valid: times of cooldowns are compared, never added to.
        let intervals = intervals(from, |from| {
            let (opened, until) = (Timestamp(from.signed()?), Timestamp(from.signed()?));
            let score = i32::try_from(from.signed()?)
                .map_err(|_| SnapshotError::malformed("a score out of range"))?;
            Ok(Cooldown { opened, until, score })
        })?;
        self.cooldowns.insert((key, rule), intervals);
        Ok(())
    }

    /// Loads the incidents of the next key.
    pub(crate) fn load_incident(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let key = from.key()?;
        let intervals = intervals(from, |from| {
            Ok(Incident { id: from.key()?, seq: from.small()?, from: from.time()?, to: from.time()? })
        })?;
        self.incidents.insert(key, intervals);
        Ok(())
    }

    /// Numbers of cooldowns and of keys with incidents.
    pub(crate) fn open(&self) -> (u64, u64) {
        (self.cooldowns.len() as u64, self.incidents.len() as u64)
    }
}

fn put_head<T>(out: &mut Vec<u8>, intervals: &Intervals<T>) {
    let flag = if intervals.dropped_until.is_some() { DROPPED } else { 0 };
    put_number(out, (intervals.held.len() as u64) << 1 | flag);
    intervals.dropped_until.into_iter().for_each(|until| put_signed(out, until.0));
}

fn intervals<T: Interval>(
    from: &mut Reader<'_>,
    mut one: impl FnMut(&mut Reader<'_>) -> Result<T, SnapshotError>,
) -> Result<Intervals<T>, SnapshotError> {
    let head = from.number()?;
    let dropped_until = if head & DROPPED == 0 { None } else { Some(Timestamp(from.signed()?)) };
    let count = usize::try_from(head >> 1).unwrap_or(usize::MAX);
    if count > INTERVALS_MAX {
        return Err(SnapshotError::malformed("too many intervals of one key"));
    }
    let held = (0..count).map(|_| one(from)).collect::<Result<Vec<T>, _>>()?;
    if !held.is_sorted_by_key(Interval::from) {
        return Err(SnapshotError::malformed("the intervals of a key are not in order"));
    }
    Ok(Intervals { held, dropped_until })
}
