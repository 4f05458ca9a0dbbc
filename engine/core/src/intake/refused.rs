//! Records that do not become events, as they are published: late ones whole, dead letters without what may be a card
//! number.

use crate::batch::{Batch, Record};
use crate::decode::{Reason, holds_card_number};
use crate::limits::EVENT_BYTES_MAX;
use crate::outputs::{Outputs, Topic, header};

/// Why a record is a dead letter.
#[derive(Clone, Copy)]
pub(crate) struct Rejection {
    pub(crate) reason: Reason,
    /// Whether it holds something like a card number: nothing of it is published.
    pub(crate) has_card: bool,
}

/// Publishes a late record as it came.
pub(crate) fn write_late(batch: &Batch, record: &Record, out: &mut Outputs) {
    write(out, Topic::Late, batch, record, (true, true), Vec::new());
}

/// Publishes a dead letter with its reason.
pub(crate) fn write_dead_letter(batch: &Batch, record: &Record, rejection: Rejection, out: &mut Outputs) {
    let Rejection { reason, has_card } = rejection;
    let headers = vec![(header::ERROR_REASON, reason.name().to_owned())];
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
