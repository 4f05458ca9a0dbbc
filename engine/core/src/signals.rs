//! Signals: values about an entity that its key space publishes and other key spaces read.
//!
//! Inside one process they are a table. A value is published when it has moved by its step, and holds for its time; a
//! reader meets what earlier events published, so the table is a function of the events in their order.

use crate::batch::Timestamp;
use crate::event::Event;
use std::collections::BTreeMap;
use tripline_rules::ruleset::{Ruleset, Signal};

/// Entries that are kept before expired ones are looked for.
const SWEEP_FROM: usize = 4096;

/// Published values, as an event meets them.
pub trait Signals {
    /// The value about an entity, given by the word of its id, if one is valid at this time.
    fn value(&self, signal: &Signal, entity: u64, at: Timestamp) -> Option<f64>;
}

/// Nothing is published.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSignals;

impl Signals for NoSignals {
    fn value(&self, _: &Signal, _: u64, _: Timestamp) -> Option<f64> {
        None
    }
}

/// Sets the registers of all signals about the event's entities; those not published or no longer valid are missing.
#[inline]
pub(crate) fn read(signals: &impl Signals, ruleset: &Ruleset, event: &mut Event) {
    for signal in ruleset.signals() {
        let Some(slot) = signal.slot else { continue };
        let entity = event.registers.get(signal.key);
        match entity.and_then(|entity| signals.value(signal, entity, event.at)) {
            Some(value) => event.registers.set_number(slot, value),
            None => event.registers.unset(slot),
        }
    }
}

/// A published value.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Published {
    value: f64,
    valid_until: Timestamp,
}

/// A signal's identity in every pack: entity and name.
type SignalName = (String, String);

/// What is published now, by signal and by the word of the entity's id.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignalTable {
    signals: BTreeMap<SignalName, BTreeMap<u64, Published>>,
    entries: usize,
    sweep_at: usize,
}

impl Signals for SignalTable {
    fn value(&self, signal: &Signal, entity: u64, at: Timestamp) -> Option<f64> {
        let published = self.published(signal)?.get(&entity)?;
        (at < published.valid_until).then_some(published.value)
    }
}

impl SignalTable {
    /// Publishes what the signals of a key space have come to with this event.
    pub(crate) fn publish(&mut self, ruleset: &Ruleset, space: u8, event: &mut Event) {
        for (number, signal) in
            ruleset.signals().iter().enumerate().filter(|(_, signal)| signal.space == space)
        {
            let Some(word) = event.registers.get(signal.key) else { continue };
            let Some(value) = ruleset.signal(number, &mut event.registers, &event.texts) else { continue };
            let held = self.value(signal, word, event.at);
            if held.is_none_or(|held| (value - held).abs() >= signal.step) {
                let valid_until = Timestamp(event.at.0.saturating_add(signal.valid_for));
                self.insert(signal, word, Published { value, valid_until });
                self.sweep(event.at);
            }
        }
    }

    fn published(&self, signal: &Signal) -> Option<&BTreeMap<u64, Published>> {
        let is_it = |(entity, name): &SignalName| *entity == signal.entity && *name == signal.name;
        self.signals.iter().find(|(name, _)| is_it(name)).map(|(_, published)| published)
    }

    fn insert(&mut self, signal: &Signal, entity: u64, published: Published) {
        let name = (signal.entity.clone(), signal.name.clone());
        let replaced = self.signals.entry(name).or_default().insert(entity, published);
        self.entries += usize::from(replaced.is_none());
    }

    fn sweep(&mut self, now: Timestamp) {
        if self.entries > self.sweep_at.max(SWEEP_FROM) {
            for published in self.signals.values_mut() {
                published.retain(|_, published| published.valid_until > now);
            }
            self.entries = self.signals.values().map(BTreeMap::len).sum();
            self.sweep_at = self.entries * 2;
        }
    }
}
