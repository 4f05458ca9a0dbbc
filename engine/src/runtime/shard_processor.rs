//! The core behind the worker's loop: one account shard for each shard that a worker owns.

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
pub struct ShardProcessor {
    installation: Arc<Installation>,
    report: Arc<dyn Report>,
    snapshots: Option<Snapshots>,
    input: InputTopic,
}

/// One owned shard: its state in the core, and what was reported of it.
pub struct ProcessedShard {
    id: ShardId,
    account_shard: AccountShard,
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

impl ProcessedShard {
    /// Its state in the core.
    pub fn account_shard(&self) -> &AccountShard {
        &self.account_shard
    }

    /// The same, to change it between two batches.
    pub fn account_shard_mut(&mut self) -> &mut AccountShard {
        &mut self.account_shard
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

impl ShardProcessor {
    /// A processor without shards, for this input.
    pub fn new(
        installation: Arc<Installation>,
        report: Arc<dyn Report>,
        input: InputTopic,
        snapshots: Option<Snapshots>,
    ) -> ShardProcessor {
        ShardProcessor { installation, report, snapshots, input }
    }

    fn report(&self, shard: &mut ProcessedShard) {
        let counts = shard.account_shard.counts();
        self.report.counts(counts, &shard.reported);
        warn_dropped(shard.id, counts, &shard.reported);
        shard.reported.clone_from(counts);
        if shard.size.at.elapsed() >= SIZE_EVERY {
            self.report_size(shard);
        }
    }

    /// Looks at what became of the records since the last report.
    fn watch(&self, shard: &mut ProcessedShard) {
        let (now, before) = (shard.account_shard.counts(), &shard.reported);
        let refused = |counts: &Counts| counts.dead_letters + counts.conflicts + counts.late;
        shard.misplaced.add(now.placed - before.placed, now.misplaced - before.misplaced);
        shard.refused.add(now.records - before.records, refused(now) - refused(before));
        let partition = shard.id.partition;
        if shard.refused.reaches(REFUSED) {
            let (refused, records) = shard.refused.counts();
            let since = |(reason, count): (&Reason, &u64)| {
                (*count - before.reasons.get(reason).copied().unwrap_or_default(), reason.name())
            };
            let late = (now.late - before.late, "late");
            let newest = now.reasons.iter().map(since).chain([late]).max_by_key(|(count, _)| *count);
            let reason = newest.map_or("", |(_, reason)| reason);
            let text = format!(
                "{refused} of the last {records} records are dead letters or late, most of the newest ones: {reason}"
            );
            if self.report.refusing(shard.id, Some(text)) {
                tracing::warn!(
                    partition,
                    refused,
                    records,
                    reason,
                    "many records are dead letters or late: try the mapping on some of them with `tripline check --sample`; \
                     `time.lateness` says how late an event may be"
                );
            }
        } else if !shard.refused.reaches(REFUSED_OVER) && self.report.refusing(shard.id, None) {
            tracing::info!(partition, "few records are dead letters or late again");
        }
    }

    /// Reports how much a shard holds, and how far back.
    fn report_size(&self, shard: &mut ProcessedShard) {
        let space = shard.account_shard.shard();
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        shard.size.set(whole(space.ledgers().keys()), whole(space.ledgers().counted_bytes()));
        if let Some(share) = space.coverage() {
            self.report.coverage(shard.id, share);
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
            "follow_ups" => {
                "the table of outcomes, reversals and clearings is full: raise `limits.bytes_per_shard`, shorten \
                 `time.lateness`, or add partitions"
            }
            "rank_values" => {
                "a rank over all accounts has more than 1,024 groups: group it by a field with fewer values"
            }
            _ => continue,
        };
        let effect = match kind {
            "follow_ups" => "A late one may overrule a newer one, and no alert is marked for it",
            _ => "What depends on dropped state has less coverage and is marked approximate",
        };
        if now > 0 && before == 0 {
            let partition = shard.partition;
            tracing::warn!(partition, kind, "{limit}. {effect}");
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

impl Processor for ShardProcessor {
    type Shard = ProcessedShard;

    fn open(&mut self, at: &Position) -> ProcessedShard {
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
        let account_shard = AccountShard::new(&self.installation);
        let entity = account_shard.shard().program().plan().space.entity.clone();
        let (report, at_once) = (Arc::clone(&self.report), Instant::now());
        ProcessedShard {
            id: at.shard,
            account_shard,
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

    fn note(&self, shard: &ProcessedShard) -> String {
        let space = shard.account_shard.shard();
        let skew_ms = shard.account_shard.installation().settings().lateness_ms + FUTURE_MS_MAX;
        let horizon = space.horizon();
        let note = Note {
            pack: shard.account_shard.installation().ruleset().hash().to_owned(),
            watermark_ms: Some(space.watermark().0).filter(|at| *at > i64::MIN),
            verdicts_ms: horizon.longest_ms().map(|longest| longest.saturating_add(skew_ms)),
            open: horizon.lengths().iter().map(|(length_ms, until)| (*length_ms, until.0)).collect(),
        };
        note.write()
    }

    fn load(&mut self, shard: &mut ProcessedShard, part: SnapshotPart) -> Result<(), SnapshotError> {
        match part {
            SnapshotPart::Manifest(manifest) => {
                let empty = AccountShard::new(&self.installation);
                shard.loading = Some(Loading::new(empty, &manifest, (shard.id.partition, &self.input))?);
            }
            SnapshotPart::Chunk(chunk) => {
                shard.loading.as_mut().expect("its manifest came first").take(&chunk)?;
            }
            SnapshotPart::End => {
                shard.account_shard = shard.loading.take().expect("its manifest came first").finish()?;
            }
        }
        Ok(())
    }

    fn restore(&mut self, shard: &mut ProcessedShard, batch: &Batch) {
        shard.account_shard.restore(batch);
    }

    fn fold_verdicts(&mut self, shard: &mut ProcessedShard, batch: &Batch) {
        for record in &batch.records {
            match serde_json::from_slice::<Recorded>(batch.value(record)) {
                Ok(recorded) => shard.lost += shard.account_shard.fold(recorded),
                // Tripline did not write it. A foreign record in the topic must not stop the shard.
                Err(error) => {
                    let error = JsonError::from(error);
                    let (partition, offset) = (batch.shard.partition, record.offset);
                    tracing::warn!(partition, offset, %error, "a record of the verdicts topic is not a valid verdict; it is skipped");
                }
            }
        }
    }

    fn live(&mut self, shard: &mut ProcessedShard, history: &History) {
        if let Some(since) = history.skipped_before {
            shard.account_shard.skip_before(since);
        }
        shard.account_shard.shard_mut().add_horizon(&shard.horizon);
        let (partition, lost) = (shard.id.partition, std::mem::take(&mut shard.lost));
        if lost > 0 {
            tracing::warn!(
                partition,
                lost,
                "cooldowns of cards and other parts of accounts that an earlier version opened cannot be taken over: alerts \
                 that they would have suppressed may be raised"
            );
        }
        shard.reported = shard.account_shard.counts().clone();
        self.report_size(shard);
        shard.snapshots = self.snapshots.as_ref().map(|all| all.of(shard.id, history.snapshot));
    }

    fn step(&mut self, shard: &mut ProcessedShard, batch: &Batch, out: &mut Outputs) {
        shard.account_shard.step(batch, &NoSignals, out);
        self.watch(shard);
        self.report(shard);
    }

    fn obstacle(&self, shard: &ProcessedShard) -> Option<String> {
        shard.misplaced.reaches(MISPLACED).then(|| misplaced(&shard.misplaced))
    }

    fn idle(&mut self, shard: &mut ProcessedShard) {
        self.report_size(shard);
    }

    fn snapshot_due(&self, shard: &ProcessedShard, at: &Position) -> Option<Instant> {
        // A shard without any record has nothing to keep.
        shard.account_shard.last()?;
        self.snapshots.as_ref()?.due(shard.snapshots.as_ref()?, at.next)
    }

    fn begin_snapshot(&mut self, shard: &mut ProcessedShard, at: &Position) {
        if let (Some(all), Some(own)) = (&self.snapshots, &mut shard.snapshots) {
            all.begin(own, at, &mut shard.account_shard);
        }
    }

    fn committed(&mut self, shard: &mut ProcessedShard, at: &Position) {
        if let Some(own) = &mut shard.snapshots {
            own.committed(at);
        }
    }

    fn snapshot_under_way(&self) -> Option<ShardId> {
        self.snapshots.as_ref()?.under_way()
    }

    fn write_snapshot(&mut self, shard: &mut ProcessedShard) {
        if let (Some(all), Some(own)) = (&self.snapshots, &mut shard.snapshots) {
            all.go_on(own, &mut shard.account_shard);
        }
    }

    fn save(&mut self, shard: &mut ProcessedShard, at: &Position, until: Instant) {
        let has_records = shard.account_shard.last().is_some();
        if let (Some(all), Some(own), true) = (&self.snapshots, &mut shard.snapshots, has_records) {
            all.save(own, at, &mut shard.account_shard, until);
        }
    }
}
