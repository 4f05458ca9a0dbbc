//! The first half of a step: labels and records of a piece take their rows, in order.

use crate::batch::{Piece, Timestamp};
use crate::counts::Counts;
use crate::decode::Reason;
use crate::derived::DerivedSpaces;
use crate::event::Event;
use crate::ingested::{Ingested, InsertedRow};
use crate::installation::Installation;
use crate::intake::{Admission, Decoded, Intake, Rejection, write_dead_letter, write_late};
use crate::limits::FUTURE_MS_MAX;
use crate::outputs::Outputs;
use crate::placement::Placement;
use crate::scores::Scores;
use crate::shard::Shard;
use crate::signals;
use tripline_rules::schema::{ACCOUNT_ID, EVENT_ID};

/// Labels that became known in this piece, as events.
#[derive(Default)]
pub(super) struct LabelEvents {
    pub(super) events: Vec<Event>,
    pub(super) used: usize,
}

/// An event that is inserted and will be judged.
pub(super) struct Pending {
    pub(super) event: EventPlace,
    /// Position of its record in the piece; of a label, that of the record it precedes.
    pub(super) record: usize,
    pub(super) inserted: InsertedRow,
}

/// Where an event of a piece is held.
#[derive(Clone, Copy)]
pub(super) enum EventPlace {
    Record(usize),
    Label(usize),
}

/// What the records of a piece are inserted into.
pub(super) struct Ingest<'a, D> {
    pub(super) installation: &'a Installation,
    pub(super) piece: Piece<'a>,
    pub(super) shard: &'a mut Shard,
    pub(super) scores: &'a mut Scores,
    pub(super) pending: &'a mut Vec<Pending>,
    pub(super) counts: &'a mut Counts,
    pub(super) derived: &'a mut D,
    /// Where refused records go; `None` restores.
    pub(super) out: Option<&'a mut Outputs>,
}

/// Where events come from: records, and labels that become known before them.
pub(super) struct RecordIntake<'a> {
    pub(super) intake: &'a mut Intake,
    pub(super) labels: &'a mut LabelEvents,
}

impl LabelEvents {
    /// Room for the next label.
    fn next(&mut self, registers: usize) -> &mut Event {
        if self.events.len() == self.used {
            self.events.push(Event::new(registers));
        }
        self.used += 1;
        &mut self.events[self.used - 1]
    }
}

impl<D: DerivedSpaces> Ingest<'_, D> {
    /// Takes the record with a number in the piece, after the labels that became known before it.
    #[inline]
    pub(super) fn record(&mut self, from: &mut RecordIntake<'_>, number: usize, decoded: &mut Decoded) {
        self.counts.records += 1;
        let (piece, record) = (self.piece, &self.piece.records[number]);
        if let Some(appended_at) = from.intake.begin(record) {
            // The log begins here, whatever becomes of the record.
            let begin = Timestamp(appended_at.0.saturating_add(FUTURE_MS_MAX));
            self.shard.begin_at(begin);
            self.derived.begin_at(piece.batch.shard.partition, begin);
        }
        if let Some(settled) = from.intake.settled_until(record) {
            self.take_labels(from, settled, number);
        }
        match from.intake.admit(piece, number, decoded) {
            Admission::Accepted => {
                self.note_place(number, &decoded.event);
                self.take_labels(from, decoded.event.at, number);
                self.take_record(from.intake, number, &mut decoded.event);
            }
            Admission::Late => {
                self.counts.late += 1;
                self.out.iter_mut().for_each(|out| write_late(piece.batch, record, out));
            }
            Admission::Rejected(rejection) => {
                self.counts.dead_letters += 1;
                self.refuse(number, rejection);
            }
        }
    }

    /// Inserts the labels that are due before the record with this number.
    #[inline]
    fn take_labels(&mut self, from: &mut RecordIntake<'_>, now: Timestamp, record: usize) {
        let RecordIntake { intake, labels } = from;
        while intake.has_label(now) {
            let place = EventPlace::Label(labels.used);
            let event = labels.next(self.installation.ruleset().registers());
            intake.next_label(now, event);
            if let Ingested::New(inserted) = self.event(event, place, record) {
                self.counts.labels += 1;
                self.note_reference(event, &inserted);
            }
        }
    }

    fn take_record(&mut self, intake: &mut Intake, number: usize, event: &mut Event) {
        match self.event(event, EventPlace::Record(number), number) {
            Ingested::New(inserted) => {
                self.counts.rows += 1;
                self.counts.ambiguous_times += u64::from(event.has_ambiguous_time);
                self.note_reference(event, &inserted);
                intake.keep_label(event);
            }
            Ingested::Duplicate => self.counts.duplicates += 1,
            Ingested::Conflict | Ingested::NoKey => {
                self.counts.conflicts += 1;
                self.refuse(number, Rejection::of_event(Reason::IdConflict, EVENT_ID));
            }
        }
    }

    /// Inserts one event into the account's shard and, with it, into the others.
    fn event(&mut self, event: &mut Event, place: EventPlace, record: usize) -> Ingested {
        let judge_from = self.installation.settings().judge_from;
        let is_judged = self.out.is_some() && judge_from.is_none_or(|from| event.at >= from);
        let ingested = self.shard.ingest(event, is_judged);
        if let Ingested::New(inserted) = ingested {
            self.scores.observe(self.shard.ledgers(), inserted.row, event, is_judged);
            signals::read(self.derived.signals(), self.installation.ruleset(), event);
            self.derived.ingest(event, &inserted, is_judged);
            if is_judged {
                self.pending.push(Pending { event: place, record, inserted });
            }
        }
        ingested
    }

    /// Counts whether a record is where the records of its account belong.
    #[inline]
    fn note_place(&mut self, number: usize, event: &Event) {
        let placement = self.installation.settings().placement;
        if placement == Placement::Unchecked {
            return;
        }
        let batch = self.piece.batch;
        let account = event.texts.get(ACCOUNT_ID).unwrap_or_default().as_bytes();
        let key = batch.key(&self.piece.records[number]);
        if let Some(fits) = placement.fits(account, key, batch.shard.partition) {
            self.counts.placed += 1;
            self.counts.misplaced += u64::from(!fits);
        }
    }

    fn note_reference(&mut self, event: &Event, inserted: &InsertedRow) {
        self.counts.unresolved_references += u64::from(event.reference.is_some() && !inserted.resolved);
    }

    fn refuse(&mut self, number: usize, rejection: Rejection) {
        *self.counts.reasons.entry(rejection.reason).or_default() += 1;
        if let Some(out) = &mut self.out {
            let record = (self.piece.batch, &self.piece.records[number]);
            write_dead_letter(record, rejection, self.installation, out);
        }
    }
}
