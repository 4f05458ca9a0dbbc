//! The core behind the worker's loop: one engine a shard.

use crate::json::JsonError;
use crate::runtime::note::Note;
use crate::runtime::processor::Processor;
use crate::runtime::recovery::{History, SnapshotPart};
use crate::runtime::report::Report;
use crate::runtime::share::{RecentShare, Threshold};
use crate::runtime::snapshots::{ShardSnapshots, Snapshots};
use crate::runtime::source::Position;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline_core::account_shard::{AccountShard, Loading};
use tripline_core::batch::{Batch, ShardId};
use tripline_core::counts::Counts;
use tripline_core::decode::Reason;
use tripline_core::installation::Installation;
use tripline_core::limits::FUTURE_MS_MAX;
use tripline_core::outputs::Outputs;
use tripline_core::signals::NoSignals;
use tripline_core::snapshot::{InputTopic, SnapshotError};
use tripline_core::suppress::Horizon;
use tripline_core::verdict::Recorded;

/// How often the size of a shard is reported: counting its caches takes a moment.
const SIZE_EVERY: Duration = Duration::from_secs(1);

/// Records in another partition than their account's from which on a shard stops. Fewer are counted by the metric.
const MISPLACED: Threshold = Threshold { records: 20, percent: 5 };
/// Dead letters and conflicts from which on a process is not ready.
const REFUSED: Threshold = Threshold { records: 100, percent: 10 };
/// The share below which it is ready again.
const REFUSED_OVER: Threshold = Threshold { records: 1, percent: 5 };

/// The processing of the shards that a worker owns.
pub struct Engines {
    installation: Arc<Installation>,
    report: Arc<dyn Report>,
    snapshots: Option<Snapshots>,
    input: InputTopic,
}

/// One shard's engine, and what was reported of it.
pub struct ShardEngine {
    shard: ShardId,
    engine: AccountShard,
    /// A snapshot is being loaded.
    loading: Option<Loading>,
    /// Cooldowns that may have been open when the shard was committed.
    horizon: Horizon,
    /// Changes of decision state that an earlier version recorded and that cannot be taken over.
    lost: usize,
    snapshots: Option<ShardSnapshots>,
    reported: Counts,
    /// Records that are in another partition than their account's.
    misplaced: RecentShare,
    /// Dead letters and conflicts.
    refused: RecentShare,
    size: ReportedSize,
}

impl ShardEngine {
    /// The engine.
    pub fn engine(&self) -> &AccountShard {
        &self.engine
    }

    /// The engine, to change it between two batches.
    pub fn engine_mut(&mut self) -> &mut AccountShard {
        &mut self.engine
    }
}

/// Keys and bytes of one shard as they were reported. Dropping it takes them back.
struct ReportedSize {
    report: Arc<dyn Report>,
    entity: String,
    keys: i64,
    bytes: i64,
    at: Instant,
}

impl ReportedSize {
    fn set(&mut self, keys: i64, bytes: i64) {
        self.report.ledgers(&self.entity, keys - self.keys, bytes - self.bytes);
        (self.keys, self.bytes, self.at) = (keys, bytes, Instant::now());
    }
}

impl Drop for ReportedSize {
    fn drop(&mut self) {
        self.report.ledgers(&self.entity, -self.keys, -self.bytes);
    }
}

impl Engines {
    /// No engine yet, for this input.
    pub fn new(
        installation: Arc<Installation>,
        report: Arc<dyn Report>,
        input: InputTopic,
        snapshots: Option<Snapshots>,
    ) -> Engines {
        Engines { installation, report, snapshots, input }
    }

    fn report(&self, of: &mut ShardEngine) {
        let counts = of.engine.counts();
        self.report.counts(counts, &of.reported);
        warn_dropped(of.shard, counts, &of.reported);
        of.reported.clone_from(counts);
        if of.size.at.elapsed() >= SIZE_EVERY {
            self.report_size(of);
        }
    }

    /// Looks at what became of the records since the last report.
    fn watch(&self, of: &mut ShardEngine) {
        let (now, before) = (of.engine.counts(), &of.reported);
        let refused = |counts: &Counts| counts.dead_letters + counts.conflicts + counts.late;
        of.misplaced.add(now.placed - before.placed, now.misplaced - before.misplaced);
        of.refused.add(now.records - before.records, refused(now) - refused(before));
        let partition = of.shard.partition;
        if of.refused.reaches(REFUSED) {
            let (refused, records) = of.refused.counts();
            let since = |(reason, count): (&Reason, &u64)| {
                (*count - before.reasons.get(reason).copied().unwrap_or_default(), reason.name())
            };
            let late = (now.late - before.late, "late");
            let newest = now.reasons.iter().map(since).chain([late]).max_by_key(|(count, _)| *count);
            let reason = newest.map_or("", |(_, reason)| reason);
            let text = format!(
                "{refused} of the last {records} records are dead letters or late, most of the newest ones: {reason}"
            );
            if self.report.refusing(of.shard, Some(text)) {
                tracing::warn!(
                    partition,
                    refused,
                    records,
                    reason,
                    "many records are dead letters or late: try the mapping on some of them with `tripline check --sample`; \
                     `time.lateness` says how late an event may be"
                );
            }
        } else if !of.refused.reaches(REFUSED_OVER) && self.report.refusing(of.shard, None) {
            tracing::info!(partition, "few records are dead letters or late again");
        }
    }

    /// Reports how much a shard holds, and how far back.
    fn report_size(&self, of: &mut ShardEngine) {
        let space = of.engine.shard();
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        of.size.set(whole(space.ledgers().keys()), whole(space.ledgers().counted_bytes()));
        if let Some(share) = space.coverage() {
            self.report.coverage(of.shard, share);
        }
    }
}

/// Says once of each kind of state that a shard has begun to drop it.
fn warn_dropped(shard: ShardId, now: &Counts, before: &Counts) {
    for ((kind, now), (_, before)) in now.dropped.by_kind().into_iter().zip(before.dropped.by_kind()) {
        let limit = match kind {
            "keys" => {
                "keys are evicted: raise `limits.keys_per_shard` or `limits.bytes_per_shard`, or add partitions"
            }
            "capped_rows" => {
                "the oldest rows of a key are dropped: raise `limits.rows_per_ledger` or shorten windows"
            }
            "cooldowns" => {
                "a rule has opened more than 8 cooldowns on one key within the lateness; late events may alert again"
            }
            "incidents" => {
                "a key has more than 8 incidents within the lateness; late alerts may open another"
            }
            "rank_values" => {
                "a rank over all accounts has more than 1,024 groups: group it by a field with fewer values"
            }
            _ => continue,
        };
        if now > 0 && before == 0 {
            let partition = shard.partition;
            tracing::warn!(
                partition,
                kind,
                "{limit}. What depends on dropped state has less coverage and is marked approximate"
            );
        }
    }
}

/// Why a shard stops, and what to do.
fn misplaced(share: &RecentShare) -> String {
    let (misplaced, records) = share.counts();
    format!(
        "{misplaced} of its last {records} records are in another partition than their `account.id` belongs to, so accounts \
         are split over partitions. Key the topic by `account.id`, with the murmur2 partitioner (librdkafka: \
         partitioner=murmur2_random). If partitions were added, re-key the topic (runbook). If the producers use another \
         partitioner, name it as `input.partitioner`; `none` if each account is in one partition for another reason"
    )
}

impl Processor for Engines {
    type Shard = ShardEngine;

    fn open(&mut self, at: &Position) -> ShardEngine {
        let (pack, note) = (self.installation.ruleset().hash(), Note::read(&at.note));
        if let Some(Note { pack: committed, .. }) = &note
            && committed != pack
        {
            let partition = at.shard.partition;
            tracing::info!(
                partition,
                committed,
                pack,
                "the shard was committed under another pack; further records are judged by this one"
            );
        }
        let engine = AccountShard::new(&self.installation);
        let entity = engine.shard().program().plan().space.entity.clone();
        let (report, at_once) = (Arc::clone(&self.report), Instant::now());
        ShardEngine {
            shard: at.shard,
            engine,
            loading: None,
            horizon: note.map(|note| note.horizon()).unwrap_or_default(),
            lost: 0,
            snapshots: None,
            reported: Counts::default(),
            misplaced: RecentShare::default(),
            refused: RecentShare::default(),
            size: ReportedSize { report, entity, keys: 0, bytes: 0, at: at_once },
        }
    }

    fn note(&self, of: &ShardEngine) -> String {
        let shard = of.engine.shard();
        let skew_ms = of.engine.installation().settings().lateness_ms + FUTURE_MS_MAX;
        let horizon = shard.horizon();
        let note = Note {
            pack: of.engine.installation().ruleset().hash().to_owned(),
            watermark_ms: Some(shard.watermark().0).filter(|at| *at > i64::MIN),
            verdicts_ms: horizon.longest_ms().map(|longest| longest.saturating_add(skew_ms)),
            open: horizon.lengths().iter().map(|(length_ms, until)| (*length_ms, until.0)).collect(),
        };
        note.write()
    }

    fn load(&mut self, of: &mut ShardEngine, part: SnapshotPart) -> Result<(), SnapshotError> {
        match part {
            SnapshotPart::Manifest(manifest) => {
                let engine = AccountShard::new(&self.installation);
                of.loading = Some(Loading::new(engine, &manifest, (of.shard.partition, &self.input))?);
            }
            SnapshotPart::Chunk(chunk) => {
                of.loading.as_mut().expect("its manifest came first").take(&chunk)?;
            }
            SnapshotPart::End => {
                of.engine = of.loading.take().expect("its manifest came first").finish()?;
            }
        }
        Ok(())
    }

    fn restore(&mut self, of: &mut ShardEngine, batch: &Batch) {
        of.engine.restore(batch);
    }

    fn fold_verdicts(&mut self, of: &mut ShardEngine, batch: &Batch) {
        for record in &batch.records {
            match serde_json::from_slice::<Recorded>(batch.value(record)) {
                Ok(recorded) => of.lost += of.engine.fold(recorded),
                // Tripline did not write it. A foreign record in the topic must not stop the shard.
                Err(error) => {
                    let error = JsonError::from(error);
                    let (partition, offset) = (batch.shard.partition, record.offset);
                    tracing::warn!(partition, offset, %error, "a record of the verdicts topic is not a valid verdict; it is skipped");
                }
            }
        }
    }

    fn live(&mut self, of: &mut ShardEngine, history: &History) {
        if let Some(since) = history.skipped_before {
            of.engine.skip_before(since);
        }
        of.engine.shard_mut().add_horizon(&of.horizon);
        let (partition, lost) = (of.shard.partition, std::mem::take(&mut of.lost));
        if lost > 0 {
            tracing::warn!(
                partition,
                lost,
                "cooldowns of cards and other parts of accounts that an earlier version opened cannot be taken over: alerts \
                 that they would have suppressed may be raised"
            );
        }
        of.reported = of.engine.counts().clone();
        self.report_size(of);
        of.snapshots = self.snapshots.as_ref().map(|all| all.of(of.shard, history.snapshot));
    }

    fn step(&mut self, of: &mut ShardEngine, batch: &Batch, out: &mut Outputs) {
        of.engine.step(batch, &NoSignals, out);
        self.watch(of);
        self.report(of);
    }

    fn obstacle(&self, of: &ShardEngine) -> Option<String> {
        of.misplaced.reaches(MISPLACED).then(|| misplaced(&of.misplaced))
    }

    fn idle(&mut self, of: &mut ShardEngine) {
        self.report_size(of);
    }

    fn snapshot_due(&self, of: &ShardEngine, at: &Position) -> Option<Instant> {
        // A shard without any record has nothing to keep.
        of.engine.last()?;
        self.snapshots.as_ref()?.due(of.snapshots.as_ref()?, at.next)
    }

    fn begin_snapshot(&mut self, of: &mut ShardEngine, at: &Position) {
        if let (Some(all), Some(own)) = (&self.snapshots, &mut of.snapshots) {
            all.begin(own, at, &mut of.engine);
        }
    }

    fn committed(&mut self, of: &mut ShardEngine, at: &Position) {
        if let Some(own) = &mut of.snapshots {
            own.committed(at);
        }
    }

    fn snapshot_under_way(&self) -> Option<ShardId> {
        self.snapshots.as_ref()?.under_way()
    }

    fn write_snapshot(&mut self, of: &mut ShardEngine) {
        if let (Some(all), Some(own)) = (&self.snapshots, &mut of.snapshots) {
            all.go_on(own, &mut of.engine);
        }
    }

    fn save(&mut self, of: &mut ShardEngine, at: &Position, until: Instant) {
        let has_records = of.engine.last().is_some();
        if let (Some(all), Some(own), true) = (&self.snapshots, &mut of.snapshots, has_records) {
            all.save(own, at, &mut of.engine, until);
        }
    }
}
