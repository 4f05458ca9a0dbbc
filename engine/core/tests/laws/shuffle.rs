//! The same events in two orders of arrival, both within the lateness.
//!
//! Identities are unique and references come after their targets. The events that refer to one target keep their order,
//! for each sees what the one before made of it; so do events of one time, whose order is that of the log.

use crate::generator::{Case, Dice, Draft, Record, fill};
use crate::oracle::{DAY, HOUR, MINUTE, Settings};
use std::collections::BTreeMap;

const START: i64 = 1_709_283_600_000;
const ACCOUNTS: [(u32, &str); 3] = [(0, "a00"), (0, "a01"), (1, "a10")];

/// One set of events in two orders, and questions to ask of the ledgers afterwards.
pub(crate) struct Shuffled {
    pub one: Case,
    pub other: Case,
    pub probes: Vec<Record>,
    /// Records that changed places.
    pub moved: usize,
}

/// The events and orders of a seed.
pub(crate) fn shuffled(seed: u64) -> Shuffled {
    let mut dice = Dice::new(seed);
    let lateness = dice.pick(&[30 * MINUTE, HOUR, 6 * HOUR]);
    let settings =
        Settings { lateness, retention: Some(5 * DAY), rows_max: 4_096, terminals: true, labels: false };
    let events = events(&mut dice);
    let one = order(&events, lateness, &mut dice);
    let other = order(&events, lateness, &mut dice);
    let moved = one.iter().zip(&other).filter(|(a, b)| a.0 != b.0).count();
    let end = events.iter().map(|event| event.at).max().unwrap_or(START);
    Shuffled {
        one: Case { seed, settings, records: records(&events, &one) },
        other: Case { seed, settings, records: records(&events, &other) },
        probes: probes(end, lateness),
        moved,
    }
}

/// In order of their times.
fn events(dice: &mut Dice) -> Vec<Draft> {
    let mut now = START;
    let mut events: Vec<Draft> = Vec::new();
    for number in 0..8 + dice.below(40) {
        now += dice.pick(&[0, 0, 5 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, 1]);
        let (partition, account) = dice.pick(&ACCOUNTS);
        let own: Vec<&Draft> = events.iter().filter(|event| event.account == account).collect();
        let kind = match (dice.below(10), own.len()) {
            (0..3, 1..) => dice.pick(&["outcome", "reversal", "clearing", "label", "label"]),
            (3..5, _) => dice.pick(&["p2p", "transfer", "login"]),
            _ => "purchase",
        };
        let refers = matches!(kind, "outcome" | "reversal" | "clearing" | "label");
        let reference = refers.then(|| own[dice.below(own.len())].id.clone());
        let mut draft = Draft {
            partition,
            account: account.to_owned(),
            id: format!("{account}-{number}"),
            kind,
            at: now,
            reference,
            rest: Vec::new(),
        };
        fill(&mut draft, dice);
        events.push(draft);
    }
    events
}

/// Positions and times of arrival, in order of arrival.
fn order(events: &[Draft], lateness: i64, dice: &mut Dice) -> Vec<(usize, i64)> {
    let mut arrivals: Vec<(usize, i64)> = Vec::new();
    let mut after: BTreeMap<String, i64> = BTreeMap::new();
    for (number, event) in events.iter().enumerate() {
        let delay = match dice.below(10) {
            0..4 => 0,
            4..9 => 5 * MINUTE * dice.below(12) as i64,
            _ => lateness,
        };
        let mut arrival = event.at + delay.min(lateness);
        // What must have arrived before: the target and all that refers to it, and the earlier ones of its time.
        let chains = [Some(event.id.clone()), event.reference.clone(), Some(format!("at {}", event.at))];
        for chain in chains.iter().flatten() {
            arrival = arrival.max(after.get(chain).copied().unwrap_or(arrival));
        }
        for chain in chains.into_iter().flatten() {
            after.insert(chain, arrival);
        }
        arrivals.push((number, arrival));
    }
    arrivals.sort_by_key(|(number, arrival)| (*arrival, *number));
    arrivals
}

fn records(events: &[Draft], order: &[(usize, i64)]) -> Vec<Record> {
    let mut offsets = [0i64; 2];
    order
        .iter()
        .map(|(number, arrival)| {
            let event = &events[*number];
            let offset = &mut offsets[usize::from(event.partition > 0)];
            *offset += 1;
            event.record(*offset - 1, Some(*arrival))
        })
        .collect()
}

/// Questions to every account, card, device and terminal, from several times.
fn probes(end: i64, lateness: i64) -> Vec<Record> {
    let mut probes = Vec::new();
    for back in [0, 5 * MINUTE, lateness] {
        for (partition, account) in ACCOUNTS {
            for which in 0..3 {
                let number = probes.len();
                let card = format!("\"{account}c{}\"", which % 2);
                let mcc = ["5411", "6051", "7995"][which];
                let probe = Draft {
                    partition,
                    account: account.to_owned(),
                    id: format!("probe-{number}"),
                    kind: "purchase",
                    at: end - back,
                    reference: None,
                    rest: vec![
                        ("card", card),
                        ("amount", "20".to_owned()),
                        ("device", format!("\"d{}\"", which % 2)),
                        ("terminal", format!("\"t{which}\"")),
                        ("merchant", format!(r#"{{"id":"m{which}","mcc":"{mcc}","country":"DE"}}"#)),
                    ],
                };
                probes.push(probe.record(1_000 + number as i64, Some(end)));
            }
        }
    }
    probes
}
