//! Signals: values about an entity that its key space publishes and other key spaces read.
//!
//! Inside one process they are a table. A value is published when it has moved by its step, and is valid for its time
//! after the last event that found it so. A reader meets what earlier events published, so the table is a function of
//! the events in their order. An event that is older than the last one changes nothing.

use crate::batch::Timestamp;
use crate::event::Event;
use std::collections::BTreeMap;
use tripline_rules::ruleset::{Ruleset, Signal};
use tripline_rules::schema::Kind;

/// Entries that are kept before expired ones are looked for.
const SWEEP_FROM: usize = 4096;

/// Published values, as an event meets them.
pub trait Signals {
    /// The value about an entity, given by the word of its id, if one is valid at this time: a word as the signal's
    /// kind is held in registers.
    fn value(&self, signal: &Signal, entity: u64, at: Timestamp) -> Option<u64>;
}

/// Nothing is published.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSignals;

impl Signals for NoSignals {
    fn value(&self, _: &Signal, _: u64, _: Timestamp) -> Option<u64> {
        None
    }
}

/// Sets the registers of all signals about the event's entities; those not published or no longer valid are missing.
#[inline]
pub(crate) fn read(signals: &impl Signals, ruleset: &Ruleset, event: &mut Event) {
    for signal in ruleset.signals() {
        let Some(slot) = signal.slot else { continue };
        let entity = event.registers.get(signal.key);
        let value = entity.and_then(|entity| signals.value(signal, entity, event.at));
        event.registers.put(slot, value);
    }
}

/// Whether a value differs enough from the published one to be published.
fn has_moved(signal: &Signal, held: u64, value: u64) -> bool {
    match signal.kind {
        Kind::Bool => value != held,
        _ => (f64::from_bits(value) - f64::from_bits(held)).abs() >= signal.step,
    }
}

/// A published value.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Published {
    /// As registers hold it.
    value: u64,
    /// Time of the last event that published it or found it so.
    at: Timestamp,
    valid_until: Timestamp,
}

/// A signal's identity in every pack: entity and name.
type SignalName = (String, String);

/// What is published now, by signal and by the word of the entity's id.
#[derive(Clone, Debug)]
pub(crate) struct SignalTable {
    signals: BTreeMap<SignalName, BTreeMap<u64, Published>>,
    entries: usize,
    sweep_at: usize,
    /// The greatest event time, and how much older an event may be that still comes.
    newest: Timestamp,
    skew_ms: i64,
}

impl Signals for SignalTable {
    fn value(&self, signal: &Signal, entity: u64, at: Timestamp) -> Option<u64> {
        let published = self.published(signal)?.get(&entity)?;
        (at < published.valid_until).then_some(published.value)
    }
}

impl SignalTable {
    /// Nothing is published yet. `skew_ms`: how much older an event may be than one that came before it.
    pub(crate) fn new(skew_ms: i64) -> SignalTable {
        let newest = Timestamp(i64::MIN);
        SignalTable { signals: BTreeMap::new(), entries: 0, sweep_at: 0, newest, skew_ms }
    }

    /// Publishes what the signals of a key space have come to with this event.
    pub(crate) fn publish(&mut self, ruleset: &Ruleset, space: u8, event: &mut Event) {
        self.newest = self.newest.max(event.at);
        for (number, signal) in
            ruleset.signals().iter().enumerate().filter(|(_, signal)| signal.space == space)
        {
            let Some(word) = event.registers.get(signal.key) else { continue };
            let Some(value) = ruleset.signal(number, &mut event.registers, &event.texts) else { continue };
            let valid_until = Timestamp(event.at.0.saturating_add(signal.valid_for));
            let Some(held) = self.published_mut(signal).and_then(|published| published.get_mut(&word)) else {
                self.insert(signal, word, Published { value, at: event.at, valid_until });
                self.sweep();
                continue;
            };
            if event.at < held.at {
                continue;
            }
            if event.at >= held.valid_until || has_moved(signal, held.value, value) {
                held.value = value;
            }
            (held.at, held.valid_until) = (event.at, valid_until);
        }
    }

    fn published(&self, signal: &Signal) -> Option<&BTreeMap<u64, Published>> {
        let is_it = |(entity, name): &SignalName| *entity == signal.entity && *name == signal.name;
        self.signals.iter().find(|(name, _)| is_it(name)).map(|(_, published)| published)
    }

    fn published_mut(&mut self, signal: &Signal) -> Option<&mut BTreeMap<u64, Published>> {
        let is_it = |(entity, name): &SignalName| *entity == signal.entity && *name == signal.name;
        self.signals.iter_mut().find(|(name, _)| is_it(name)).map(|(_, published)| published)
    }

    fn insert(&mut self, signal: &Signal, entity: u64, published: Published) {
        let name = (signal.entity.clone(), signal.name.clone());
        let replaced = self.signals.entry(name).or_default().insert(entity, published);
        self.entries += usize::from(replaced.is_none());
    }

    fn sweep(&mut self) {
        if self.entries > self.sweep_at.max(SWEEP_FROM) {
            let oldest = Timestamp(self.newest.0.saturating_sub(self.skew_ms));
            for published in self.signals.values_mut() {
                published.retain(|_, published| published.valid_until > oldest);
            }
            self.entries = self.signals.values().map(BTreeMap::len).sum();
            self.sweep_at = self.entries * 2;
        }
    }
}
