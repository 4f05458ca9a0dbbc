//! One partition of the input: `step` takes its records from bytes to outputs.
//!
//! It is a pure function of the records it was given. Derived key spaces, where they run in the same process, are handed
//! in; where time, files and brokers are is the edge's business.

mod wire;

pub use wire::Loading;

use crate::batch::{Batch, Piece, Record, Timestamp};
use crate::clock::{IntakeClock, Timing};
use crate::counts::Counts;
use crate::decision::EventOutcome;
use crate::decode::{Decoder, Reason, Reject, holds_card_number};
use crate::event::Event;
use crate::installation::Installation;
use crate::judge::{Judge, JudgeContext};
use crate::labels::PendingLabels;
use crate::limits::{EVENT_BYTES_MAX, FUTURE_MS_MAX};
use crate::lines::Lines;
use crate::outputs::{Outputs, Topic, header};
use crate::profile::ProfileReader;
use crate::render::{SourceRecord, render};
use crate::signals::Signals;
use crate::space::{Seated, Space, Taken};
use ndarray::{ArrayView2, ArrayViewMut1};
use std::sync::Arc;
use tripline_models::model::Model;
use tripline_models::profile::{INPUTS, Profile};

/// So many records go through each stage together: enough for their cache misses to overlap, few enough that what one stage
/// has read is still in the cache for the next.
const RECORDS_AT_ONCE: usize = 64;

/// One partition of the input.
pub struct Engine {
    installation: Arc<Installation>,
    decoder: Decoder,
    clock: IntakeClock,
    /// Whether a record was seen.
    has_begun: bool,
    space: Space,
    labels: PendingLabels,
    label_type: Option<u16>,
    profile: Option<ProfileReader>,
    records: Vec<Decoded>,
    derived: Vec<Event>,
    seats: Vec<Seat>,
    /// Seat by seat, what each space made of the event.
    seated: Vec<Option<Seated>>,
    inputs: Vec<f64>,
    scores: Vec<f64>,
    judge: Judge,
    counts: Counts,
    save: Option<wire::EngineSave>,
}

/// The other key spaces, where they run in this process.
#[derive(Default)]
pub struct Derived {
    /// In the order of the ruleset's programs, without the account's.
    pub spaces: Vec<Space>,
    /// What they publish.
    pub signals: Signals,
}

/// A record of the piece after decoding.
struct Decoded {
    event: Event,
    reject: Option<Reject>,
}

/// An event of the piece that has its rows.
struct Seat {
    event: Source,
    /// Place of its record in the piece.
    record: usize,
    /// Where in [`Engine::seated`] the account's space is; the others follow.
    spaces: usize,
    /// Row of the model's inputs.
    inputs: Option<usize>,
}

/// Where a seated event is held.
#[derive(Clone, Copy)]
enum Source {
    Record(usize),
    Label(usize),
}

impl Engine {
    /// An engine without any row.
    pub fn new(installation: &Arc<Installation>) -> Engine {
        let (schema, settings) = (installation.schema(), installation.settings());
        let space = Space::new(installation, 0);
        Engine {
            decoder: Decoder::new(Arc::clone(installation.decode())),
            clock: IntakeClock::new(settings.lateness_ms),
            has_begun: false,
            labels: PendingLabels::default(),
            label_type: schema.event_types().code("label"),
            profile: settings.profile.then(|| ProfileReader::new(schema, space.ledgers())).flatten(),
            space,
            records: Vec::new(),
            derived: Vec::new(),
            seats: Vec::new(),
            seated: Vec::new(),
            inputs: Vec::new(),
            scores: Vec::new(),
            judge: Judge::new(installation),
            counts: Counts { fired: vec![0; installation.ruleset().rules().len()], ..Counts::default() },
            save: None,
            installation: Arc::clone(installation),
        }
    }

    /// Takes the names of the columns from a CSV header line.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn set_header(&mut self, line: &[u8]) -> Result<(), crate::decode::HeaderError> {
        self.decoder.set_header(line)
    }

    /// Takes consecutive records of the partition from bytes to outputs, some at a time: decode them, touch their ledgers,
    /// seat in order, score, judge in order. `derived`: the other key spaces, where they run in this process.
    pub fn step(&mut self, batch: &Batch, derived: &mut Derived, out: &mut Outputs, lines: &mut Lines) {
        for piece in batch.pieces(RECORDS_AT_ONCE) {
            self.decode(piece);
            self.touch(piece, derived);
            self.seat_all(piece, derived, Some(out));
            self.score();
            self.judge_all(piece, derived, out, lines);
        }
        if let Some(last) = batch.records.last() {
            out.next = Some((batch.shard, last.offset + 1));
        }
    }

    /// Inserts rows without judging them: how a shard is filled again from its log.
    pub fn restore(&mut self, batch: &Batch, derived: &mut Derived) {
        for piece in batch.pieces(RECORDS_AT_ONCE) {
            self.decode(piece);
            self.touch(piece, derived);
            self.seat_all(piece, derived, None);
        }
    }

    /// Says of a shard that is filled again that its log has older records, and that all appended from `since` on are
    /// read: so far back what is held is whole, whether or not anything happened then.
    pub fn skip_before(&mut self, since: Timestamp) {
        self.space.hold_from(Timestamp(since.0.saturating_add(FUTURE_MS_MAX)));
    }

    /// Says of a new engine that its first record is not where the log begins: records of files, whose append times were
    /// made up from their events' own.
    pub fn set_partial_log(&mut self) {
        self.has_begun = true;
    }

    /// What became of the records so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The account's key space.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The account's key space, to fold decision state into.
    pub fn space_mut(&mut self) -> &mut Space {
        &mut self.space
    }

    fn decode(&mut self, piece: Piece<'_>) {
        let registers = self.installation.ruleset().registers();
        while self.records.len() < piece.records.len() {
            self.records.push(Decoded { event: Event::new(registers), reject: None });
        }
        for (record, decoded) in piece.records.iter().zip(&mut self.records) {
            decoded.reject =
                self.decoder.decode(piece.batch.value(record), record.offset, &mut decoded.event).err();
        }
    }

    fn touch(&mut self, piece: Piece<'_>, derived: &mut Derived) {
        let decoded = &self.records[..piece.records.len()];
        for space in std::iter::once(&mut self.space).chain(&mut derived.spaces) {
            let taken = decoded.iter().filter(|decoded| decoded.reject.is_none());
            space.touch(taken.map(|decoded| &decoded.event));
        }
    }

    /// Gives every event its rows, in order. Without outputs nothing is judged later: rows alone.
    fn seat_all(&mut self, piece: Piece<'_>, derived: &mut Derived, mut out: Option<&mut Outputs>) {
        self.seats.clear();
        self.seated.clear();
        self.inputs.clear();
        if let Some(first) = piece.records.first().filter(|_| !self.has_begun) {
            self.has_begun = true;
            // The log begins here, whatever became of its first records.
            first.appended_at.into_iter().for_each(|appended_at| self.skip_before(appended_at));
        }
        let mut labels_used = 0;
        let mut records = std::mem::take(&mut self.records);
        for (number, (record, decoded)) in piece.records.iter().zip(&mut records).enumerate() {
            self.counts.records += 1;
            if let Some(appended_at) = record.appended_at {
                // No event from before this time can follow, whatever becomes of this one.
                let known = Timestamp(appended_at.0.saturating_sub(self.installation.settings().lateness_ms));
                self.seat_labels(known, number, &mut labels_used, derived, out.is_some());
            }
            if let Some(reject) = decoded.reject {
                self.counts.dead_letters += 1;
                self.refuse(piece, record, reject.reason, reject.card_number, out.as_deref_mut());
                continue;
            }
            let at = decoded.event.at;
            match self.clock.place(at, record.appended_at) {
                Timing::InTime => {}
                Timing::Late => {
                    self.counts.late += 1;
                    if let Some(out) = out.as_deref_mut() {
                        write(out, Topic::Late, piece.batch, record, (true, true), Vec::new());
                    }
                    continue;
                }
                timing @ (Timing::Future | Timing::Jump) => {
                    self.counts.dead_letters += 1;
                    let reason = if timing == Timing::Future { Reason::FutureTime } else { Reason::TimeJump };
                    self.refuse(piece, record, reason, false, out.as_deref_mut());
                    continue;
                }
            }
            self.seat_labels(at, number, &mut labels_used, derived, out.is_some());
            self.seat_record(piece, number, &mut decoded.event, derived, out.as_deref_mut());
        }
        self.records = records;
    }

    /// Labels that became known before this record take their place first.
    fn seat_labels(
        &mut self,
        now: Timestamp,
        record: usize,
        used: &mut usize,
        derived: &mut Derived,
        judged: bool,
    ) {
        let Some(label_type) = self.label_type else { return };
        while self.labels.is_due(now) {
            if self.derived.len() == *used {
                self.derived.push(Event::new(self.installation.ruleset().registers()));
            }
            self.labels.take(now, label_type, &mut self.derived[*used]);
            let mut event = std::mem::replace(&mut self.derived[*used], Event::new(0));
            if let Taken::Row(seated) = self.seat(&mut event, Source::Label(*used), record, derived, judged) {
                self.counts.labels += 1;
                self.note_reference(&event, &seated);
            }
            self.derived[*used] = event;
            *used += 1;
        }
    }

    fn seat_record(
        &mut self,
        piece: Piece<'_>,
        number: usize,
        event: &mut Event,
        derived: &mut Derived,
        out: Option<&mut Outputs>,
    ) {
        match self.seat(event, Source::Record(number), number, derived, out.is_some()) {
            Taken::Row(seated) => {
                self.counts.rows += 1;
                self.note_reference(event, &seated);
                if let Some(label) = event.label {
                    self.labels.add(event, label);
                }
            }
            Taken::Duplicate => self.counts.duplicates += 1,
            Taken::Conflict | Taken::Elsewhere => {
                self.counts.conflicts += 1;
                self.refuse(piece, &piece.records[number], Reason::IdConflict, false, out);
            }
        }
    }

    fn note_reference(&mut self, event: &Event, seated: &Seated) {
        self.counts.unresolved_references += u64::from(event.reference.is_some() && !seated.resolved);
    }

    /// Gives one event its row in the account's space and, with it, in the others.
    fn seat(
        &mut self,
        event: &mut Event,
        source: Source,
        record: usize,
        derived: &mut Derived,
        judged: bool,
    ) -> Taken {
        let judged = judged && self.installation.settings().judge_from.is_none_or(|from| event.at >= from);
        let taken = self.space.take(event, judged);
        let Taken::Row(seated) = taken else { return taken };
        let spaces = self.seated.len();
        let mut inputs = None;
        if let Some(profile) = &mut self.profile {
            profile.begin_day(event.at);
            if judged && profile.reads(event) {
                let start = self.inputs.len();
                self.inputs.resize(start + INPUTS.len(), 0.0);
                profile.read(self.space.ledgers(), seated.row, event, &mut self.inputs[start..]);
                inputs = Some(start / INPUTS.len());
            }
            profile.observe(event);
        }
        derived.signals.read(self.installation.ruleset(), event);
        self.seated.push(Some(seated));
        for space in &mut derived.spaces {
            let there = match space.take(event, judged) {
                Taken::Row(seated) => Some(seated),
                _ => None,
            };
            if judged && there.is_some() {
                derived.signals.publish(self.installation.ruleset(), space.program().space_index(), event);
            }
            self.seated.push(there);
        }
        if judged {
            self.seats.push(Seat { event: source, record, spaces, inputs });
        }
        taken
    }

    fn score(&mut self) {
        self.scores.clear();
        let rows = self.inputs.len() / INPUTS.len();
        self.scores.resize(rows, f64::NAN);
        let x = ArrayView2::from_shape((rows, INPUTS.len()), &self.inputs)
            .expect("whole rows of inputs were pushed");
        Profile.score(x, ArrayViewMut1::from(&mut self.scores[..]));
    }

    fn judge_all(&mut self, piece: Piece<'_>, derived: &mut Derived, out: &mut Outputs, lines: &mut Lines) {
        let x = ArrayView2::from_shape((self.scores.len(), INPUTS.len()), &self.inputs)
            .expect("whole rows of inputs were pushed");
        for seat in &self.seats {
            let (event, is_label) = match seat.event {
                Source::Record(number) => (&mut self.records[number].event, false),
                Source::Label(number) => (&mut self.derived[number], true),
            };
            let score = seat.inputs.map_or(f64::NAN, |row| self.scores[row]);
            let context = JudgeContext { score, inputs: seat.inputs.map(|row| x.row(row)) };
            let source = SourceRecord {
                partition: piece.batch.shard.partition,
                offset: piece.records[seat.record].offset,
            };
            self.judge.prepare(event, score);
            let spaces = std::iter::once(&mut self.space).chain(&mut derived.spaces);
            let mut outcome = EventOutcome::default();
            for (space, seated) in spaces.zip(&self.seated[seat.spaces..]) {
                let Some(seated) = seated else { continue };
                let judged = self.judge.judge(space, seated, event, &context);
                self.counts.unknown += judged.unknown as u64;
                if let Some(decision) = judged.decision {
                    render(&decision, &self.installation, source, out);
                    self.counts.decided(&decision);
                    outcome.add(&decision);
                }
            }
            if !is_label {
                lines.add(self.installation.ruleset(), event, &outcome, score);
            }
        }
    }

    fn refuse(
        &mut self,
        piece: Piece<'_>,
        record: &Record,
        reason: Reason,
        hide: bool,
        out: Option<&mut Outputs>,
    ) {
        *self.counts.reasons.entry(reason).or_default() += 1;
        if let Some(out) = out {
            let headers = vec![(header::ERROR_REASON, reason.name().to_owned())];
            let is_read = reason != Reason::TooLarge;
            write(out, Topic::DeadLetters, piece.batch, record, (!hide, !hide && is_read), headers);
        }
    }
}

/// Publishes a record as it came: its key and its value, where they may be forwarded. A key that nothing has read yet is
/// searched for card numbers; one longer than an event may be is not forwarded at all.
fn write(
    out: &mut Outputs,
    topic: Topic,
    batch: &Batch,
    record: &Record,
    (key, value): (bool, bool),
    headers: Vec<(&'static str, String)>,
) {
    let is_clean = |key: &&[u8]| key.len() <= EVENT_BYTES_MAX && !holds_card_number(key);
    let key = Some(batch.key(record)).filter(|_| key).filter(is_clean);
    let value = Some(batch.value(record)).filter(|_| value);
    out.push(topic, record.offset, key.unwrap_or_default(), value.unwrap_or_default(), headers);
}
