//! Labels that a record itself carries, kept until they become known.
//!
//! A label is an event of its own, later than the event it is about: nothing known later is ever seen earlier.

mod wire;

use crate::batch::Timestamp;
use crate::event::{DerivedLabel, Event};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tripline_rules::schema::{
    ACCOUNT_CURRENCY, ACCOUNT_ID, EVENT_ID, EVENT_REF, EVENT_TIME, EVENT_TYPE, LABEL_OUTCOME, TX_CURRENCY,
};

/// A label that is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Timestamp,
    /// Labels due at the same time come in the order of their events.
    number: u64,
    outcome: u16,
    id: u64,
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
    /// Keeps the label of an event that was taken.
    pub fn add(&mut self, event: &Event, label: DerivedLabel) {
        let text = |slot| event.texts.get(slot).unwrap_or_default().to_owned();
        self.number += 1;
        self.heap.push(Reverse(Due {
            at: Timestamp(event.at.0 + label.after),
            number: self.number,
            outcome: label.outcome,
            id: event.id,
            account: event.account,
            id_text: text(EVENT_ID),
            account_text: text(ACCOUNT_ID),
            account_word: event.registers.get(ACCOUNT_ID),
            currencies: [event.registers.get(TX_CURRENCY), event.registers.get(ACCOUNT_CURRENCY)],
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
        event.reference = Some(due.id);
        event.account = due.account;
        let registers = &mut event.registers;
        registers.set(EVENT_ID, due.id);
        registers.set(EVENT_REF, due.id);
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

    #[test]
    fn labels_come_when_they_are_due_in_the_order_of_their_events() {
        let mut pending = PendingLabels::default();
        let mut event = Event::new(16);
        for (id, at, after) in [(1, 100, 50), (2, 120, 30), (3, 0, 149)] {
            event.clear();
            (event.id, event.at) = (id, Timestamp(at));
            pending.add(&event, DerivedLabel { outcome: 0, after });
        }
        let mut known = |now| {
            let mut ids = Vec::new();
            while pending.take(Timestamp(now), 9, &mut event) {
                ids.push((event.id, event.at.0, event.reference));
            }
            ids
        };
        assert_eq!(known(148), []);
        assert_eq!(known(150), [(3, 149, Some(3)), (1, 150, Some(1)), (2, 150, Some(2))]);
    }
}
