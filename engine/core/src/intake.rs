//! What happens to a record on its way in: it is decoded, its time is checked against the log's, labels that it carries
//! are kept until they become known. It does not depend on rows: a record that is accepted is an event for the shard.

mod refused;

pub(crate) use refused::{Rejection, write_dead_letter, write_late};

use crate::batch::{Piece, Record, Timestamp};
use crate::clock::{IntakeClock, Timing};
use crate::decode::{Decoder, HeaderError, Reason, Reject};
use crate::event::Event;
use crate::installation::Installation;
use crate::labels::PendingLabels;
use crate::limits::BEGIN_APART_MS_MAX;
use crate::lookahead::Lookahead;
use crate::snapshot::SnapshotError;
use crate::snapshot::bytes::Reader;
use crate::snapshot::chunk::ChunkWriter;
use std::sync::Arc;
use tripline_rules::schema::EVENT_TIME;

/// The way in of one partition of the input.
pub(crate) struct Intake {
    installation: Arc<Installation>,
    decoder: Decoder,
    /// The present CSV header line.
    header: Option<Vec<u8>>,
    clock: IntakeClock,
    labels: PendingLabels,
    label_type: Option<u16>,
    lookahead: Lookahead,
    beginning: Beginning,
}

/// Whether it is known where the log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// No record was seen.
    Unseen,
    /// At this record, if the producer's time of the next one is not far from its own.
    Assumed(Timestamp),
    /// It is known, or the log is known to begin earlier.
    Known,
}

/// A record after decoding.
pub(crate) struct Decoded {
    pub(crate) event: Event,
    reject: Option<Reject>,
}

impl Decoded {
    /// Whether its event is whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.reject.is_none()
    }
}

/// Whether a record becomes an event of the shard.
pub(crate) enum Admission {
    /// It does.
    Accepted,
    /// It is older than the lateness allows.
    Late,
    /// It is a dead letter.
    Rejected(Rejection),
}

/// The clock of an installation's settings.
fn clock(installation: &Installation) -> IntakeClock {
    let settings = installation.settings();
    IntakeClock::new(settings.lateness_ms, settings.jump_ms)
}

impl Intake {
    /// An intake that has seen no record.
    pub(crate) fn new(installation: &Arc<Installation>) -> Intake {
        Intake {
            decoder: Decoder::new(Arc::clone(installation.decode())),
            header: None,
            clock: clock(installation),
            labels: PendingLabels::default(),
            label_type: installation.schema().event_types().code("label"),
            lookahead: Lookahead::default(),
            beginning: Beginning::Unseen,
            installation: Arc::clone(installation),
        }
    }

    /// A decoder of another installation, with the present CSV header.
    pub(crate) fn decoder_of(&self, new: &Installation) -> Result<Decoder, HeaderError> {
        let mut decoder = Decoder::new(Arc::clone(new.decode()));
        if let Some(line) = &self.header {
            decoder.set_header(line)?;
        }
        Ok(decoder)
    }

    /// Switches to another installation and its decoder; pending labels and the log's time stay.
    pub(crate) fn install(&mut self, new: &Arc<Installation>, decoder: Decoder) {
        let mut clock = clock(new);
        clock.resume(self.clock.greatest());
        self.clock = clock;
        self.decoder = decoder;
        self.lookahead = Lookahead::default();
        self.label_type = new.schema().event_types().code("label");
        self.installation = Arc::clone(new);
    }

    /// Takes the names of the columns from a CSV header line.
    pub(crate) fn set_header(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        self.decoder.set_header(line)?;
        self.header = Some(line.to_vec());
        Ok(())
    }

    /// Whether a record was seen, or the log is known to begin earlier.
    pub(crate) fn has_begun(&self) -> bool {
        self.beginning != Beginning::Unseen
    }

    /// Whether no further record changes where the log begins.
    pub(crate) fn knows_beginning(&self) -> bool {
        self.beginning == Beginning::Known
    }

    /// The first record is not where the log begins.
    pub(crate) fn set_partial_log(&mut self) {
        self.beginning = Beginning::Known;
    }

    /// Takes note of a record, whatever becomes of it. If the log begins at it: when it was appended.
    #[inline]
    pub(crate) fn begin(&mut self, record: &Record) -> Option<Timestamp> {
        if matches!(self.beginning, Beginning::Known) { None } else { self.begin_at(record) }
    }

    /// One wrong time of a producer must not set where the log begins: two records in a row agree on it.
    fn begin_at(&mut self, record: &Record) -> Option<Timestamp> {
        let appended_at = record.appended_at.filter(|_| self.installation.settings().has_producer_times);
        let Some(at) = appended_at else {
            let is_first = self.beginning == Beginning::Unseen;
            self.beginning = Beginning::Known;
            return record.appended_at.filter(|_| is_first);
        };
        let is_agreed = matches!(self.beginning, Beginning::Assumed(begun) if (at.0 - begun.0).abs() <= BEGIN_APART_MS_MAX);
        self.beginning = if is_agreed { Beginning::Known } else { Beginning::Assumed(at) };
        (!is_agreed).then_some(at)
    }

    /// Decodes records; `decoded` is reused from piece to piece.
    pub(crate) fn decode(&mut self, piece: Piece<'_>, decoded: &mut Vec<Decoded>) {
        let registers = self.installation.ruleset().registers();
        while decoded.len() < piece.records.len() {
            decoded.push(Decoded { event: Event::new(registers), reject: None });
        }
        for (record, decoded) in piece.records.iter().zip(decoded) {
            let value = piece.batch.value(record);
            let source = piece.batch.source(record);
            decoded.reject = self.decoder.decode(value, source, &mut decoded.event).err();
        }
    }

    /// Whether a decoded record becomes an event, by its content and its time.
    #[inline]
    pub(crate) fn admit(&mut self, piece: Piece<'_>, number: usize, decoded: &Decoded) -> Admission {
        if let Some(reject) = decoded.reject {
            return Admission::Rejected(Rejection::of(reject));
        }
        let rejected = |reason| Admission::Rejected(Rejection::of_event(reason, EVENT_TIME));
        let Intake { installation, decoder, clock, lookahead, .. } = self;
        let at = decoded.event.at;
        let place = (piece.batch, piece.first + number);
        let is_refused = |clock: &IntakeClock| {
            lookahead.contradicts(clock, place, at, decoder, installation.ruleset().registers())
        };
        match clock.place(at, piece.records[number].appended_at, is_refused) {
            Timing::InTime => Admission::Accepted,
            Timing::Late => Admission::Late,
            Timing::Future => rejected(Reason::FutureTime),
            Timing::Jump => rejected(Reason::TimeJump),
        }
    }

    /// No event from before this time can follow a record, whatever becomes of it; `None` without a log's time.
    #[inline]
    pub(crate) fn settled_until(&self, record: &Record) -> Option<Timestamp> {
        let lateness = self.installation.settings().lateness_ms;
        record.appended_at.map(|appended_at| Timestamp(appended_at.0.saturating_sub(lateness)))
    }

    /// Whether a label becomes known at or before `now`.
    #[inline]
    pub(crate) fn has_label(&self, now: Timestamp) -> bool {
        self.label_type.is_some() && self.labels.is_due(now)
    }

    /// Writes the next label that becomes known at or before `now` into `event`; false when there is none.
    pub(crate) fn next_label(&mut self, now: Timestamp, event: &mut Event) -> bool {
        self.label_type.is_some_and(|label_type| self.labels.take(now, label_type, event))
    }

    /// Keeps the label that the record of an inserted event carries.
    #[inline]
    pub(crate) fn keep_label(&mut self, event: &Event) {
        if let Some(label) = event.label {
            let installation = &*self.installation;
            self.labels.add(event, label, installation.schema().event_types(), &installation.settings().key);
        }
    }

    /// Writes the pending labels; returns how many there ever were.
    pub(crate) fn save(&self, labels: &mut ChunkWriter) -> u64 {
        self.labels.save(labels)
    }

    /// The greatest event time of a log without append times.
    pub(crate) fn greatest(&self) -> Option<Timestamp> {
        self.clock.greatest()
    }

    /// Goes on from a snapshot, of a log that begins there; the pending labels follow one by one.
    pub(crate) fn begin_load(
        &mut self,
        (knows_beginning, begun): (bool, Option<Timestamp>),
        greatest: Option<Timestamp>,
        labels: u64,
    ) -> Result<(), SnapshotError> {
        self.beginning = match begun {
            _ if knows_beginning => Beginning::Known,
            Some(begun) => Beginning::Assumed(begun),
            None => Beginning::Unseen,
        };
        self.clock.resume(greatest);
        self.labels.begin_load(labels)
    }

    /// Takes the next pending label of a snapshot; `outcomes`: how many the schema has.
    pub(crate) fn load_label(&mut self, outcomes: usize, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let types = self.installation.schema().event_types().values().len();
        self.labels.load((types, outcomes), from)
    }

    /// How many labels are pending.
    pub(crate) fn pending_labels(&self) -> u64 {
        self.labels.len() as u64
    }
}
