//! One partition of the input: intake and shard of the account's key space, and `step`, which takes a batch of records
//! from bytes to outputs.
//!
//! It is a pure function of the records it was given. Where time, files and brokers are is the runtime's business.

mod ingest;
mod install;
mod wire;

pub use install::InstallError;
pub use wire::Loading;

use crate::batch::{Batch, Piece, Timestamp};
use crate::counts::{Counts, FiredCounts};
use crate::decode::HeaderError;
use crate::derived::{AccountJudged, AccountOnly, DecisionSink, DerivedSpaces};
use crate::installation::Installation;
use crate::intake::{Decoded, Intake};
use crate::limits::FUTURE_MS_MAX;
use crate::outputs::Outputs;
use crate::scores::Scores;
use crate::shard::Shard;
use crate::signals::{NoSignals, Signals};
use crate::snapshot::{Chunk, LastRecord, StateSummary};
use crate::verdict::Recorded;
use ingest::{EventPlace, Ingest, LabelEvents, Pending, RecordIntake};
use std::sync::Arc;

/// So many records go through each stage together: enough for their cache misses to overlap, few enough that what one
/// stage has read is still in the cache for the next.
const RECORDS_AT_ONCE: usize = 64;
/// The account's program is the first of a ruleset.
const ACCOUNT_PROGRAM: usize = 0;

/// One partition of the input.
pub struct AccountShard {
    installation: Arc<Installation>,
    intake: Intake,
    shard: Shard,
    /// The models read the account's rows; what they make of an event is read by the rules of all key spaces.
    scores: Scores,
    scratch: Scratch,
    counts: Counts,
    /// The last record that was taken.
    last: Option<LastRecord>,
    save: Option<Save>,
}

/// A save of a shard that is under way.
struct Save {
    summary: StateSummary,
    chunks: Vec<Chunk>,
}

/// Room for the records of a piece, reused from piece to piece.
#[derive(Default)]
struct Scratch {
    records: Vec<Decoded>,
    labels: LabelEvents,
    /// Events that are judged, in their order: the rows of the scores' matrix.
    pending: Vec<Pending>,
}

impl AccountShard {
    /// A shard without any row.
    pub fn new(installation: &Arc<Installation>) -> AccountShard {
        let shard = Shard::new(installation, ACCOUNT_PROGRAM);
        AccountShard {
            intake: Intake::new(installation),
            scores: Scores::new(
                installation.models(),
                installation.schema(),
                installation.ruleset(),
                shard.ledgers(),
            ),
            shard,
            scratch: Scratch::default(),
            counts: Counts { fired: FiredCounts::new(installation.ruleset()), ..Counts::default() },
            last: None,
            save: None,
            installation: Arc::clone(installation),
        }
    }

    /// What the shard runs.
    pub fn installation(&self) -> &Arc<Installation> {
        &self.installation
    }

    /// Takes the names of the columns from a CSV header line.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn set_header(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        self.intake.set_header(line)
    }

    /// Takes consecutive records of the partition from bytes to outputs, some at a time: decode them, prefetch their
    /// ledgers, insert in order, score, judge in order.
    pub fn step(&mut self, batch: &Batch, signals: &impl Signals, out: &mut Outputs) {
        self.step_with(batch, &mut AccountOnly { signals }, out);
    }

    /// The same together with other key spaces that run in this process.
    pub fn step_with(&mut self, batch: &Batch, derived: &mut impl DerivedSpaces, out: &mut Outputs) {
        for piece in batch.pieces(RECORDS_AT_ONCE) {
            self.ingest(piece, derived, Some(out));
            self.scores.score();
            self.judge(piece, derived, out);
        }
        self.counts.dropped = self.shard.dropped();
        self.last = LastRecord::of(batch).or(self.last);
    }

    /// Inserts rows without judging them: how a shard is restored from its log.
    pub fn restore(&mut self, batch: &Batch) {
        for piece in batch.pieces(RECORDS_AT_ONCE) {
            self.ingest(piece, &mut AccountOnly { signals: &NoSignals }, None);
        }
        self.last = LastRecord::of(batch).or(self.last);
    }

    /// The last record that was taken, whatever became of it.
    pub fn last(&self) -> Option<LastRecord> {
        self.last
    }

    /// Takes a committed verdict of the partition back in: every change of decision state that it records. Gives how
    /// many cannot be taken over, because an earlier version hashed their keys otherwise.
    pub fn fold(&mut self, recorded: Recorded) -> usize {
        let at = recorded.at;
        let (changes, lost) = recorded.into_changes(&self.installation.settings().key);
        self.shard.fold(at, changes);
        lost
    }

    /// Marks a restored shard whose log has older records: all records appended from `since` on are read, so the rows
    /// are complete back to that time.
    pub fn skip_before(&mut self, since: Timestamp) {
        self.intake.set_partial_log();
        self.shard.hold_from(Timestamp(since.0.saturating_add(FUTURE_MS_MAX)));
    }

    /// Marks a new shard whose first record is not the beginning of the log: records of files, whose append times are
    /// derived from their event times.
    pub fn set_partial_log(&mut self) {
        self.intake.set_partial_log();
    }

    /// Labels that records carried and that are not known yet.
    pub fn pending_labels(&self) -> u64 {
        self.intake.pending_labels()
    }

    /// What became of the records so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The shard of the account's key space.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// The same, to fold decision state into.
    pub fn shard_mut(&mut self) -> &mut Shard {
        &mut self.shard
    }

    /// Decodes and inserts the records of a piece, in order. Without outputs nothing is judged later: rows alone.
    fn ingest(&mut self, piece: Piece<'_>, derived: &mut impl DerivedSpaces, out: Option<&mut Outputs>) {
        let AccountShard { installation, intake, shard, scores, scratch, counts, .. } = self;
        let Scratch { records, labels, pending } = scratch;
        intake.decode(piece, records);
        let records = &mut records[..piece.records.len()];
        let whole = records.iter().filter(|decoded| decoded.is_whole()).map(|decoded| &decoded.event);
        shard.prefetch(whole.clone());
        derived.prefetch(whole);
        pending.clear();
        scores.clear();
        labels.used = 0;
        let mut from = RecordIntake { intake, labels };
        let mut ingest = Ingest { installation, piece, shard, scores, pending, counts, derived, out };
        for (number, decoded) in records.iter_mut().enumerate() {
            ingest.record(&mut from, number, decoded);
        }
    }

    /// Judges the pending events, in order.
    fn judge(&mut self, piece: Piece<'_>, derived: &mut impl DerivedSpaces, out: &mut Outputs) {
        let AccountShard { installation, shard, scores, scratch, counts, .. } = self;
        for (number, pending) in scratch.pending.iter().enumerate() {
            let (event, is_label) = match pending.event {
                EventPlace::Record(number) => (&mut scratch.records[number].event, false),
                EventPlace::Label(number) => (&mut scratch.labels.events[number], true),
            };
            let source = piece.batch.source(&piece.records[pending.record]);
            let mut sink = DecisionSink { installation, source, out, counts };
            let scores = scores.of(number);
            scores.write(event);
            let inserted = &pending.inserted;
            let judged = shard.judge(event, inserted, inserted, scores);
            sink.take(&judged);
            let account = AccountJudged { inserted, decision: judged.decision.as_deref(), scores, is_label };
            derived.judge(event, &account, &mut sink);
        }
    }
}
