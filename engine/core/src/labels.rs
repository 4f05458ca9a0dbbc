//! Labels that a record itself carries, kept until they become known.
//!
//! A label is an event of its own, later than the event it is about: nothing known later is ever seen earlier.

mod wire;

use crate::batch::Timestamp;
use crate::event::{DerivedLabel, Event, Reference};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tripline_rules::schema::{
    ACCOUNT_CURRENCY, ACCOUNT_ID, Codes, EVENT_ID, EVENT_REF, EVENT_TIME, EVENT_TYPE, LABEL_OUTCOME,
    TX_CURRENCY,
};
use tripline_rules::value::TextKey;

/// A label that is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Timestamp,
    /// Labels due at the same time come in the order of their events.
    number: u64,
    outcome: u16,
    /// Its own id, of which `id_text` is the text.
    id: u64,
    /// The event that it is about.
    event_type: u16,
    reference: u64,
    account: u128,
    id_text: String,
    account_text: String,
    account_word: Option<u64>,
    currencies: [Option<u64>; 2],
}

/// Labels of one log that are not known yet.
#[derive(Clone, Debug, Default)]
pub struct PendingLabels {
    heap: BinaryHeap<Reverse<Due>>,
    number: u64,
}

impl PendingLabels {
    /// Keeps the label of an event that was taken. The label's own id is `<type>/<id>` of the event: an id is unique
    /// within its type only. No record has such an id.
    pub fn add(&mut self, event: &Event, label: DerivedLabel, types: &Codes, key: &TextKey) {
        let event_type = types.value(event.event_type).unwrap_or_default();
        let id_text = format!("{event_type}/{}", event.texts.get(EVENT_ID).unwrap_or_default());
        let text = |slot| event.texts.get(slot).unwrap_or_default().to_owned();
        self.number += 1;
        self.heap.push(Reverse(Due {
            at: Timestamp(event.at.0 + label.after),
            number: self.number,
            outcome: label.outcome,
            id: key.text(id_text.as_bytes()),
            event_type: event.event_type,
            reference: event.id,
            account: event.account,
            id_text,
            account_text: text(ACCOUNT_ID),
            account_word: event.registers.get(ACCOUNT_ID),
            currencies: [
                event.registers.get(TX_CURRENCY),
                event.registers.get(ACCOUNT_CURRENCY).filter(|_| event.lent_currency.is_none()),
            ],
        }));
    }

    /// Whether a label becomes known at or before `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.heap.peek().is_some_and(|Reverse(due)| due.at <= now)
    }

    /// Writes the next label that is due at or before `now` into `event`; `label_type` is the code of that event type.
    pub fn take(&mut self, now: Timestamp, label_type: u16, event: &mut Event) -> bool {
        if !self.is_due(now) {
            return false;
        }
        let Some(Reverse(due)) = self.heap.pop() else { return false };
        event.clear();
        event.at = due.at;
        event.event_type = label_type;
        event.id = due.id;
        event.reference = Some(Reference { id: due.reference, event_type: Some(due.event_type) });
        event.account = due.account;
        let registers = &mut event.registers;
        registers.set(EVENT_ID, due.id);
        registers.set(EVENT_REF, due.reference);
        registers.set(EVENT_TYPE, u64::from(label_type));
        #[expect(clippy::cast_precision_loss, reason = "decoded times are far below 2^53 ms")]
        registers.set_number(EVENT_TIME, due.at.0 as f64);
        registers.set(LABEL_OUTCOME, u64::from(due.outcome));
        registers.put(ACCOUNT_ID, due.account_word);
        registers.put(TX_CURRENCY, due.currencies[0]);
        registers.put(ACCOUNT_CURRENCY, due.currencies[1]);
        event.texts.set(EVENT_ID, &due.id_text);
        event.texts.set(ACCOUNT_ID, &due.account_text);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(pending: &mut PendingLabels, now: i64) -> Vec<(String, i64, Option<Reference>)> {
        let (mut event, mut known) = (Event::new(16), Vec::new());
        while pending.take(Timestamp(now), 9, &mut event) {
            let id = event.texts.get(EVENT_ID).unwrap_or_default().to_owned();
            known.push((id, event.at.0, event.reference));
        }
        known
    }

    fn labelled(events: &[(&str, u16, i64, i64)]) -> PendingLabels {
        let (types, key) = (Codes::new(["purchase", "p2p"]), TextKey::default());
        let (mut pending, mut event) = (PendingLabels::default(), Event::new(16));
        for (id, event_type, at, after) in events {
            event.clear();
            event.texts.set(EVENT_ID, id);
            (event.id, event.event_type, event.at) = (key.text(id.as_bytes()), *event_type, Timestamp(*at));
            pending.add(&event, DerivedLabel { outcome: 0, after: *after }, &types, &key);
        }
        pending
    }

    fn label(id: &str, at: i64) -> (String, i64, Option<Reference>) {
        let (event_type, of) = id.split_once('/').unwrap();
        let event_type = Some(u16::from(event_type == "p2p"));
        (id.to_owned(), at, Some(Reference { id: TextKey::default().text(of.as_bytes()), event_type }))
    }

    #[test]
    fn labels_come_when_they_are_due_in_the_order_of_their_events() {
        let mut pending = labelled(&[("1", 0, 100, 50), ("2", 0, 120, 30), ("3", 0, 0, 149)]);
        assert_eq!(known(&mut pending, 148), []);
        let all = [label("purchase/3", 149), label("purchase/1", 150), label("purchase/2", 150)];
        assert_eq!(known(&mut pending, 150), all);
    }

    #[test]
    fn a_label_names_the_type_and_the_id_of_its_event() {
        let mut pending = labelled(&[("1", 0, 100, 50), ("1", 1, 100, 50)]);
        assert_eq!(known(&mut pending, 150), [label("purchase/1", 150), label("p2p/1", 150)]);
    }
}
