//! What goes wrong between the bank's systems and the log: events late, twice, changed or broken.
//!
//! It works on finished records and does not depend on their meaning. A fault that adds a record leaves the true one in
//! place, so the story stays whole: `duplicates`, `conflicts`, `bad` and `future` add one; `out_of_order` and `late`
//! only delay.

use super::event::{Fault, SimulatedEvent};
use super::random::{Random, Stream};
use crate::batch::Timestamp;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use tripline_rules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Shares of all true events, each in [0, 1], together at most 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// Appended later than their turn, by at most `out_of_order_ms_max`.
    pub out_of_order: f64,
    /// Bound of the above, ms.
    pub out_of_order_ms_max: i64,
    /// Repeated, byte for byte, within five minutes.
    pub duplicates: f64,
    /// Repeated with the same id and another amount; of events that have an amount.
    pub conflicts: f64,
    /// Followed by a record that nobody can take: broken JSON, missing fields, absurd numbers, a card number.
    pub bad: f64,
    /// Appended more than `lateness_ms` after they happened.
    pub late: f64,
    /// What the engine calls late, ms.
    pub lateness_ms: i64,
    /// Followed by a record from the future: more than five minutes ahead of its append time.
    pub future: f64,
}

impl Faults {
    /// A perfect world.
    pub fn none() -> Faults {
        Faults {
            out_of_order: 0.0,
            out_of_order_ms_max: 10 * MINUTE_MS,
            duplicates: 0.0,
            conflicts: 0.0,
            bad: 0.0,
            late: 0.0,
            lateness_ms: DAY_MS,
            future: 0.0,
        }
    }

    /// A bad day: 2 % out of order, 1.5 % twice, 0.3 % broken, and a little of everything else.
    pub fn rough() -> Faults {
        Faults {
            out_of_order: 0.02,
            duplicates: 0.015,
            conflicts: 0.001,
            bad: 0.003,
            late: 0.001,
            future: 0.001,
            ..Faults::none()
        }
    }

    fn sum(&self) -> f64 {
        self.out_of_order + self.duplicates + self.conflicts + self.bad + self.late + self.future
    }
}

/// A well-known card number for tests; no card has it.
const TEST_CARD_NUMBER: &str = "4111111111111111";
/// Records are repeated within this time.
const REPEAT_MS_MAX: i64 = 5 * MINUTE_MS;

/// A record on its way.
#[derive(Debug)]
struct Held {
    order: u64,
    event: SimulatedEvent,
}

impl Held {
    fn turn(&self) -> (Timestamp, u64) {
        (self.event.appended_at, self.order)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Held) -> bool {
        self.turn() == other.turn()
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Held) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, other: &Held) -> Ordering {
        other.turn().cmp(&self.turn())
    }
}

/// The way from the bank to the log.
pub(super) struct Way {
    faults: Faults,
    random: Random,
    held: BinaryHeap<Held>,
    passed: u64,
    spoiled: u64,
}

impl Way {
    /// A way with faults.
    ///
    /// # Panics
    /// When the shares are negative or more than 1 together.
    pub fn new(faults: &Faults, seed: u64) -> Way {
        let shares = [
            faults.out_of_order,
            faults.duplicates,
            faults.conflicts,
            faults.bad,
            faults.late,
            faults.future,
        ];
        assert!(
            shares.iter().all(|share| *share >= 0.0) && faults.sum() <= 1.0,
            "shares of faults: {faults:?}"
        );
        Way {
            faults: faults.clone(),
            random: Random::new(seed, Stream::Faults, 0),
            held: BinaryHeap::new(),
            passed: 0,
            spoiled: 0,
        }
    }

    /// When the next held record arrives.
    pub fn next_arrival(&self) -> Option<Timestamp> {
        self.held.peek().map(|held| held.event.appended_at)
    }

    /// The next held record.
    pub fn arrive(&mut self) -> Option<SimulatedEvent> {
        self.held.pop().map(|held| held.event)
    }

    /// Sends a true record on its way. `false`: it is held and arrives later.
    pub fn pass(&mut self, event: &mut SimulatedEvent) -> bool {
        self.passed += 1;
        let mut chance = self.random.unit();
        let mut is = |share: f64| {
            let hit = chance >= 0.0 && chance < share;
            chance -= share;
            hit
        };
        let faults = &self.faults;
        if is(faults.out_of_order) {
            let by = self.random.between(2 * SECOND_MS, self.faults.out_of_order_ms_max.max(2 * SECOND_MS));
            return self.delay(event, Fault::OutOfOrder, by);
        }
        if is(faults.late) {
            let by = self.faults.lateness_ms + self.random.between(MINUTE_MS, 6 * HOUR_MS);
            return self.delay(event, Fault::Late, by);
        }
        if is(faults.duplicates) {
            self.add(event.clone(), Fault::Duplicate);
        } else if is(faults.conflicts) {
            if let Some(changed) = changed_amount(event) {
                self.add(changed, Fault::Conflict);
            }
        } else if is(faults.bad) {
            let spoiled = self.spoil(event);
            self.add(spoiled, Fault::Bad);
        } else if is(faults.future) {
            let ahead = self.random.between(6 * MINUTE_MS, 3 * DAY_MS) + REPEAT_MS_MAX;
            let mut early = self.renamed(event);
            early.at.0 += ahead;
            let mut clock = Vec::new();
            super::render::Renderer::new(0).time(&mut clock, early.at);
            replace_value(&mut early.value, b"\"time\":\"", &clock);
            self.add(early, Fault::Future);
        }
        true
    }

    fn delay(&mut self, event: &mut SimulatedEvent, fault: Fault, by_ms: i64) -> bool {
        let mut held = event.clone();
        held.fault = Some(fault);
        held.appended_at.0 += by_ms;
        self.held.push(Held { order: self.passed, event: held });
        false
    }

    fn add(&mut self, mut event: SimulatedEvent, fault: Fault) {
        event.fault = Some(fault);
        event.lost_cents = 0;
        event.appended_at.0 += self.random.between(1, REPEAT_MS_MAX);
        self.held.push(Held { order: self.passed, event });
    }

    /// The same under an id of its own.
    fn renamed(&mut self, event: &SimulatedEvent) -> SimulatedEvent {
        self.spoiled += 1;
        let mut renamed = event.clone();
        renamed.id = format!("{}x{}", event.id, self.spoiled);
        replace_value(&mut renamed.value, b"{\"id\":\"", renamed.id.as_bytes());
        renamed
    }

    fn spoil(&mut self, event: &SimulatedEvent) -> SimulatedEvent {
        let mut bad = self.renamed(event);
        let value = &mut bad.value;
        match self.random.below(12) {
            0 => value.truncate(value.len() * 2 / 3),
            1 => {
                value.pop();
            }
            2 => value.iter_mut().filter(|byte| **byte == b'"').for_each(|byte| *byte = b'\''),
            3 => replace(value, b"{\"id\":", b"{\"no\":"),
            4 => replace(value, b"\"time\":", b"\"tine\":"),
            5 => replace(value, b"\"account\":", b"\"acount\":"),
            6 => replace_value(value, b"\"type\":\"", b"purchse"),
            7 => replace_value(value, b"\"time\":\"", b"2026-13-45T99:99:99.000Z"),
            8 => replace(value, b"{\"id\"", b"{\"ratio\":NaN,\"id\""),
            9 => replace(value, b"{\"id\"", b"{\"type\":\"login\",\"id\""),
            10 if event.has_amount() => replace_value(value, b"\"amount\":\"", b"1e400"),
            10 => value.insert(0, b','),
            _ => {
                value.pop();
                value.extend_from_slice(format!(",\"memo\":\"{TEST_CARD_NUMBER}\"}}").as_bytes());
            }
        }
        bad
    }
}

impl SimulatedEvent {
    fn has_amount(&self) -> bool {
        find(&self.value, b"\"amount\":\"").is_some()
    }
}

fn changed_amount(event: &SimulatedEvent) -> Option<SimulatedEvent> {
    const BEFORE: &[u8] = b"\"amount\":\"";
    let first = find(&event.value, BEFORE)? + BEFORE.len();
    let mut changed = event.clone();
    let digit = changed.value[first] - b'0';
    changed.value[first] = b'0' + digit % 9 + 1;
    Some(changed)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}

/// Replaces the first occurrence, if there is one.
fn replace(bytes: &mut Vec<u8>, what: &[u8], by: &[u8]) {
    if let Some(at) = find(bytes, what) {
        bytes.splice(at..at + what.len(), by.iter().copied());
    }
}

/// Replaces the rest of the string that begins with `before`.
fn replace_value(bytes: &mut Vec<u8>, before: &[u8], by: &[u8]) {
    if let Some(at) = find(bytes, before) {
        let from = at + before.len();
        let to = from + memchr::memchr(b'"', &bytes[from..]).expect("strings of whole records end");
        bytes.splice(from..to, by.iter().copied());
    }
}
