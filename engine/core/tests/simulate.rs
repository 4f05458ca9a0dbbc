//! The simulated bank seen from outside: its records, its distributions, its frauds and its faults, by checks that
//! share no code with the generator.

mod simulate {
    mod campaigns;
    mod faults;
    mod feed;
}

use serde_json::Value;
use std::collections::BTreeSet;
use tripline_core::batch::Timestamp;
use tripline_core::simulate::{SimulatedEvent, Simulation, SimulationSettings};

const DAY: i64 = 86_400_000;
/// 2026-03-02, a Monday, 00:00 UTC.
const START: Timestamp = Timestamp(1_772_409_600_000);

fn days(count: i64) -> Timestamp {
    Timestamp(START.0 + count * DAY)
}

/// The events that reach the log before a time.
fn simulated(settings: &SimulationSettings, until: Timestamp) -> Vec<SimulatedEvent> {
    let mut simulation = Simulation::new(settings);
    let mut event = SimulatedEvent::default();
    let mut events = Vec::new();
    while simulation.next_before(until, &mut event) {
        events.push(event.clone());
    }
    events
}

/// A record as any reader sees it.
struct Read(Value);

impl Read {
    fn new(event: &SimulatedEvent) -> Read {
        Read(serde_json::from_slice(&event.value).expect("a true record is JSON"))
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.0.pointer(pointer)?.as_str()
    }

    fn yes(&self, pointer: &str) -> bool {
        self.0.pointer(pointer).and_then(Value::as_bool) == Some(true)
    }

    fn amount(&self) -> Option<f64> {
        self.text("/tx/amount")?.parse().ok()
    }

    fn place(&self) -> Option<(f64, f64)> {
        Some((self.0.pointer("/tx/lat")?.as_f64()?, self.0.pointer("/tx/lon")?.as_f64()?))
    }

    fn keys(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for (key, value) in self.0.as_object().expect("a record is an object") {
            match value.as_object() {
                Some(inner) => keys.extend(inner.keys().map(|inner| format!("/{key}/{inner}"))),
                None => drop(keys.insert(format!("/{key}"))),
            }
        }
        keys
    }
}

/// Part of a whole.
fn share(part: usize, whole: usize) -> f64 {
    let real = |count: usize| f64::from(u32::try_from(count).expect("fewer than 2^32 events"));
    real(part) / real(whole)
}

/// Hours between two times in ms.
fn hours(from: i64, to: i64) -> f64 {
    f64::from(i32::try_from((to - from) / 1_000).expect("a few years")) / 3_600.0
}

/// Great-circle distance by the spherical law of cosines, km.
fn km((lat1, lon1): (f64, f64), (lat2, lon2): (f64, f64)) -> f64 {
    let (a, b) = (lat1.to_radians(), lat2.to_radians());
    let cosine = a.sin() * b.sin() + a.cos() * b.cos() * (lon2 - lon1).to_radians().cos();
    6371.0 * cosine.clamp(-1.0, 1.0).acos()
}
