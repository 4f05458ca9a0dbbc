//! Signals: values about an entity that its key space publishes and other key spaces read.
//!
//! Inside one process they are a table. A value is published when it has moved by its step, and is valid for its time
//! after the last event that found it so. A reader meets what earlier events published, so the table is a function of
//! the events in their order. An event that is older than the last one with a value changes nothing. A value carries
//! how far it can be relied on, and so does that there is none.

use crate::batch::Timestamp;
use crate::event::Event;
use crate::marks::{Marks, covered};
use crate::reads::EventRows;
use crate::settings::Settings;
use std::collections::BTreeMap;
use tripline_rules::ruleset::{Ruleset, Signal};
use tripline_rules::schema::Kind;

/// Entries that are kept before expired ones are looked for.
const SWEEP_FROM: usize = 4096;

/// Published values, as an event meets them.
pub trait Signals {
    /// What is published about an entity, given by the word of its id, at this time.
    fn read(&self, signal: &Signal, entity: u64, at: Timestamp) -> ReadSignal;
}

/// A signal as an event meets it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadSignal {
    /// A word as the signal's kind is held in registers; `None` when none is valid.
    pub value: Option<u64>,
    /// How far it can be relied on, or that there is none.
    pub marks: Marks,
}

/// Nothing is published.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSignals;

impl Signals for NoSignals {
    fn read(&self, _: &Signal, _: u64, _: Timestamp) -> ReadSignal {
        ReadSignal { value: None, marks: Marks::WHOLE }
    }
}

/// Sets the registers of all signals about the event's entities; those not published or no longer valid are missing.
#[inline]
pub(crate) fn read(signals: &impl Signals, ruleset: &Ruleset, event: &mut Event) {
    event.signal_marks.clear();
    for signal in ruleset.signals() {
        let Some(slot) = signal.slot else { continue };
        let entity = event.registers.get(signal.key);
        let read = entity.map(|entity| signals.read(signal, entity, event.at));
        event.registers.put(slot, read.and_then(|read| read.value));
        let marks = read.map(|read| read.marks).filter(|marks| *marks != Marks::WHOLE);
        event.signal_marks.extend(marks.map(|marks| (slot, marks)));
    }
}

/// Whether a value differs enough from the published one to be published.
fn has_moved(signal: &Signal, held: u64, value: u64) -> bool {
    match signal.kind {
        Kind::Bool => value != held,
        _ => (f64::from_bits(value) - f64::from_bits(held)).abs() >= signal.step,
    }
}

/// What an event has found a signal to be.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Found {
    /// As registers hold it; `None` is unknown.
    value: Option<u64>,
    /// How far the event could rely on what it read.
    marks: Marks,
    at: Timestamp,
    valid_until: Timestamp,
}

/// What is known of one entity's signal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Published {
    /// The value, with time and marks of the last event that published it or found it so.
    known: Option<Found>,
    /// The last event that found none, after the value had lapsed.
    unknown: Option<Found>,
}

impl Published {
    /// Takes over what an event has found, unless a newer one came before.
    fn follow(&mut self, signal: &Signal, found: Found) {
        if self.known.is_some_and(|known| found.at < known.at) {
            return;
        }
        let held = self.known.as_mut().filter(|known| found.at < known.valid_until);
        match (held, found.value) {
            // What is unknown leaves the published value as it is, until that lapses. With all rows it might be known.
            (Some(held), None) => held.marks = held.marks.and(found.marks),
            (None, None) => {
                let is_newest = self.unknown.is_none_or(|unknown| unknown.at <= found.at);
                self.unknown = if is_newest { Some(found) } else { self.unknown };
            }
            (held, Some(value)) => {
                let published = held.and_then(|held| held.value);
                let value = published.filter(|held| !has_moved(signal, *held, value)).unwrap_or(value);
                self.known = Some(Found { value: Some(value), ..found });
                self.unknown = self.unknown.filter(|unknown| unknown.at > found.at);
            }
        }
    }

    fn both(&self) -> impl Iterator<Item = Found> {
        [self.known, self.unknown].into_iter().flatten()
    }
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
    /// What all events after this time found was published; `None` before the first event.
    from: Option<Timestamp>,
    /// Events before this time publish nothing.
    judge_from: Option<Timestamp>,
}

impl Signals for SignalTable {
    fn read(&self, signal: &Signal, entity: u64, at: Timestamp) -> ReadSignal {
        let published = self.published(signal).and_then(|published| published.get(&entity));
        let found = published.and_then(|published| published.both().find(|found| at < found.valid_until));
        if let Some(found) = found {
            return ReadSignal { value: found.value, marks: found.marks };
        }
        // There is none, unless an event published it that did not come in.
        let share = covered(signal.valid_for, 0, at, self.from.unwrap_or(at));
        ReadSignal { value: None, marks: Marks::covering(share) }
    }
}

impl SignalTable {
    /// Nothing is published yet.
    pub(crate) fn new(settings: &Settings) -> SignalTable {
        SignalTable {
            signals: BTreeMap::new(),
            entries: 0,
            sweep_at: 0,
            newest: Timestamp(i64::MIN),
            skew_ms: settings.skew_ms(),
            from: None,
            judge_from: settings.judge_from,
        }
    }

    /// All events after this time come in.
    pub(crate) fn begin_at(&mut self, from: Timestamp) {
        self.from = Some(self.judge_from.map_or(from, |judge_from| from.max(judge_from)));
    }

    /// A log without append times begins with its first event.
    #[inline]
    pub(crate) fn begin_with(&mut self, event: &Event) {
        if self.from.is_none() {
            self.begin_at(event.at);
        }
    }

    /// Publishes what the signals of a key space have come to with the event that has these rows.
    pub(crate) fn publish(&mut self, rows: &EventRows<'_>, event: &mut Event) {
        let (ruleset, space) = (rows.installation.ruleset(), rows.own.0.space_index());
        self.newest = self.newest.max(event.at);
        for (number, signal) in
            ruleset.signals().iter().enumerate().filter(|(_, signal)| signal.space == space)
        {
            let Some(word) = event.registers.get(signal.key) else { continue };
            let found = Found {
                value: ruleset.signal(number, &mut event.registers, &event.texts),
                marks: rows.marks(&signal.state, event),
                at: event.at,
                valid_until: Timestamp(event.at.0.saturating_add(signal.valid_for)),
            };
            if let Some(published) = self.published_mut(signal).and_then(|published| published.get_mut(&word))
            {
                published.follow(signal, found);
            } else {
                let mut published = Published::default();
                published.follow(signal, found);
                self.insert(signal, word, published);
                self.sweep();
            }
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
                published.retain(|_, published| published.both().any(|found| found.valid_until > oldest));
            }
            self.entries = self.signals.values().map(BTreeMap::len).sum();
            self.sweep_at = self.entries * 2;
        }
    }
}
