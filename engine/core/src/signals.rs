//! Signals: values about an entity that its key space publishes and other key spaces read.
//!
//! Inside one process they are a table. A value is published when it has moved by its step, and holds for its time; a reader
//! meets what earlier events published, so the table is a function of the events in their order.

use crate::batch::Timestamp;
use crate::event::Event;
use std::collections::BTreeMap;
use tripline_rules::ruleset::Ruleset;

/// Entries that are kept before expired ones are looked for.
const SWEEP_FROM: usize = 4096;

/// A published value.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Published {
    value: f64,
    valid_until: Timestamp,
}

/// What is published now.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    table: BTreeMap<(usize, u64), Published>,
    sweep_at: usize,
}

impl Signals {
    /// Sets the registers of all signals about the event's entities; those not published or no longer valid are missing.
    pub fn read(&self, ruleset: &Ruleset, event: &mut Event) {
        for (number, signal) in ruleset.signals().iter().enumerate() {
            let Some(slot) = signal.slot else { continue };
            let published = event.registers.get(signal.key).and_then(|word| self.table.get(&(number, word)));
            match published.filter(|published| event.at < published.valid_until) {
                Some(published) => event.registers.set_number(slot, published.value),
                None => event.registers.unset(slot),
            }
        }
    }

    /// Publishes what a key space's signals have come to with this event.
    pub fn publish(&mut self, ruleset: &Ruleset, space: u8, event: &mut Event) {
        for (number, signal) in
            ruleset.signals().iter().enumerate().filter(|(_, signal)| signal.space == space)
        {
            let Some(word) = event.registers.get(signal.key) else { continue };
            let Some(value) = ruleset.signal(number, &mut event.registers, &event.texts) else { continue };
            let held = self.table.get(&(number, word)).filter(|held| event.at < held.valid_until);
            if held.is_none_or(|held| (value - held.value).abs() >= signal.step) {
                let valid_until = Timestamp(event.at.0.saturating_add(signal.valid_for));
                self.table.insert((number, word), Published { value, valid_until });
                self.sweep(event.at);
            }
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        if self.table.len() > self.sweep_at.max(SWEEP_FROM) {
            self.table.retain(|_, published| published.valid_until > now);
            self.sweep_at = self.table.len() * 2;
        }
    }
}
