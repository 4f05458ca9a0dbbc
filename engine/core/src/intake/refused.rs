//! Records that do not become events, as they are published: late ones whole, dead letters without what may be a card
//! number.

use crate::batch::{Batch, Record};
use crate::decode::{Reason, Reject, holds_card_number};
use crate::installation::Installation;
use crate::limits::EVENT_BYTES_MAX;
use crate::outputs::{Outputs, Topic, header};
use tripline_rules::value::Slot;

/// Why a record is a dead letter.
#[derive(Clone, Copy)]
pub(crate) struct Rejection {
    pub(crate) reason: Reason,
    /// The field, if it is an error of one.
    pub(crate) field: Option<Slot>,
    /// The number of its place, if it has several.
    pub(crate) source: Option<u16>,
    /// Where in the record, bytes from its start.
    pub(crate) at: Option<usize>,
    /// Whether it holds something like a card number: nothing of it is published.
    pub(crate) has_card: bool,
}

impl Rejection {
    /// Of a record that could not be decoded.
    pub(crate) fn of(reject: Reject) -> Rejection {
        let Reject { reason, field, source, at, card_number } = reject;
        // What is missing is nowhere.
        Rejection {
            reason,
            field,
            source,
            at: Some(at).filter(|_| reason != Reason::MissingField),
            has_card: card_number,
        }
    }

    /// Of an event whose field does not fit what came before.
    pub(crate) fn of_event(reason: Reason, field: Slot) -> Rejection {
        Rejection { reason, field: Some(field), source: None, at: None, has_card: false }
    }
}

/// Publishes a late record as it came.
pub(crate) fn write_late(batch: &Batch, record: &Record, out: &mut Outputs) {
    write(out, Topic::Late, batch, record, (true, true), Vec::new());
}

/// Publishes a dead letter with its reason, the field, its place and the byte: never with content.
pub(crate) fn write_dead_letter(
    (batch, record): (&Batch, &Record),
    rejection: Rejection,
    installation: &Installation,
    out: &mut Outputs,
) {
    let Rejection { reason, field, source, at, has_card } = rejection;
    let mut headers = vec![(header::ERROR_REASON, reason.name().to_owned())];
    if let Some(field) = field {
        headers.push((header::ERROR_FIELD, installation.schema().field(field).name.clone()));
        headers.extend(installation.decode().place(field, source).map(|place| (header::ERROR_PLACE, place)));
    }
    headers.extend(at.map(|at| (header::ERROR_BYTE, at.to_string())));
    let is_read = reason != Reason::TooLarge;
    write(out, Topic::DeadLetters, batch, record, (!has_card, !has_card && is_read), headers);
}

/// Publishes key and value of a record, where they may be forwarded. A key that nothing has read yet is searched for
/// card numbers; one longer than an event may be is not forwarded at all.
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
