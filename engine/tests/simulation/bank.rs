//! The input of a seed: accounts that overlap in cards, merchants and payees, with repeats, conflicts, late, reordered
//! and spoiled records. No event refers to one that refers to a third: a shard filled from its log does not trace such
//! chains. No account sleeps for two days: such a shard does not know the last row before the sleep. Where packs
//! change, none refers to one that only the pack with the longest reach still holds: it keeps what it took over when a
//! snapshot brings it under another pack, and would not have taken it over there.

use crate::dice::Dice;
use std::collections::BTreeSet;

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// 2024-03-01T21:00:00Z: three hours before a day ends.
pub const START: i64 = 1_709_326_800_000;
/// How late an event may be, as configured.
pub const LATENESS: i64 = HOUR;
/// Every pack holds what was appended no longer ago.
pub const HELD_BY_EVERY_PACK: i64 = DAY;

/// One record of the input.
#[derive(Clone, Debug)]
pub struct Record {
    pub partition: u32,
    pub at: i64,
    pub key: String,
    pub value: Vec<u8>,
}

#[derive(Clone)]
struct Event {
    partition: u32,
    /// When it was first appended.
    appended: i64,
    account: String,
    refers: bool,
    /// Whether it happened when it was appended.
    is_prompt: bool,
    id: String,
    json: String,
}

const KINDS: [&str; 20] = [
    "purchase", "purchase", "purchase", "purchase", "purchase", "purchase", "purchase", "cash", "cash",
    "p2p", "p2p", "p2p", "transfer", "login", "login", "login", "outcome", "reversal", "clearing", "label",
];
const AMOUNTS: [&str; 10] = ["\"1.00\"", "1.5", "2", "10", "20.00", "90", "100.00", "250", "400", "1000.5"];

/// The records of a seed, in the order in which they are appended; none refers further back than `reach`, in
/// milliseconds.
pub fn records(dice: &mut Dice, partitions: u32, count: usize, reach: i64) -> Vec<Record> {
    let steps: &[i64] = match dice.below(4) {
        0 => &[0, 0, MINUTE, HOUR, 6 * HOUR, 12 * HOUR, 20 * HOUR, 20 * HOUR - 5 * MINUTE],
        1 => &[0, 0, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, 5 * MINUTE - 1, 12 * HOUR],
        _ => &[0, 0, 1, MINUTE, 5 * MINUTE, 5 * MINUTE, 7 * SECOND, 10 * MINUTE],
    };
    let mut now = START;
    let mut sent: Vec<Event> = Vec::new();
    let mut records = Vec::with_capacity(count);
    for number in 0..count {
        let step = dice.pick(steps);
        if let Some(account) = overdue(&sent, now + step) {
            let event = event(dice, (now, reach), Some(account), partitions, number, &sent);
            sent.push(event.clone());
            records.push(record(event.clone(), now, event.json.into_bytes()));
            continue;
        }
        now += step;
        let (event, is_spoiled) = match (dice.below(100), sent.len()) {
            (0..9, 1..) => (sent[dice.below(sent.len())].clone(), false),
            (9..11, 1..) => {
                let mut event = sent[dice.below(sent.len())].clone();
                event.json = event.json.replacen("\"account\"", "\"note\":1,\"account\"", 1);
                event.json = event.json.replacen("\"t\":1", "\"points\":3,\"t\":1", 1);
                (event, false)
            }
            (11..14, _) => (event(dice, (now, reach), None, partitions, number, &sent), true),
            _ => {
                let event = event(dice, (now, reach), None, partitions, number, &sent);
                sent.push(event.clone());
                (event, false)
            }
        };
        let value = if is_spoiled { spoiled(dice, &event.json) } else { event.json.clone().into_bytes() };
        records.push(record(event, now, value));
    }
    records
}

fn record(event: Event, at: i64, value: Vec<u8>) -> Record {
    Record { partition: event.partition, at, key: event.account, value }
}

/// The account whose newest event that is surely accepted would be more than 40 hours old.
fn overdue(sent: &[Event], now: i64) -> Option<(u32, String)> {
    let accounts: BTreeSet<(u32, &str)> =
        sent.iter().map(|event| (event.partition, event.account.as_str())).collect();
    let newest = |(_, account): &(u32, &str)| {
        sent.iter()
            .filter(|event| event.account == *account && event.is_prompt)
            .map(|event| event.appended)
            .max()
    };
    let late = accounts.into_iter().find(|account| newest(account).is_none_or(|at| now - at > 40 * HOUR));
    late.map(|(partition, account)| (partition, account.to_owned()))
}

fn event(
    dice: &mut Dice,
    (now, reach): (i64, i64),
    of: Option<(u32, String)>,
    partitions: u32,
    number: usize,
    sent: &[Event],
) -> Event {
    let is_given = of.is_some();
    let (partition, account) = of.unwrap_or_else(|| {
        let partition = u32::try_from(dice.below(partitions as usize)).expect("few partitions");
        (partition, format!("a{partition}{}", dice.below(2)))
    });
    let back = match dice.below(100) {
        _ if is_given => 0,
        0..70 => 0,
        70..90 => 5 * MINUTE * i64::try_from(dice.below(12)).expect("small"),
        90..93 => LATENESS,
        93..96 => LATENESS + 1,
        96..98 => -5 * MINUTE,
        _ => -5 * MINUTE - 1,
    };
    let kind = dice.pick(&KINDS);
    let (id, at) = (format!("{account}-{number}"), now - back);
    let mut json = format!(r#"{{"id":"{id}","kind":"{kind}","t":{at},"account":"{account}""#);
    let refers = matches!(kind, "outcome" | "reversal" | "clearing" | "label");
    let mut put = |name: &str, value: &str| json.push_str(&format!(r#","{name}":{value}"#));
    if refers {
        let near = |sent: &&Event| sent.account == account && !sent.refers && now - sent.appended <= reach;
        let own: Vec<&Event> = sent.iter().filter(near).collect();
        if !own.is_empty() {
            put("ref", &format!("\"{}\"", own[dice.below(own.len())].id));
        }
    }
    let card = format!("\"{account}c{}\"", dice.below(2));
    match kind {
        "purchase" | "cash" => {
            put("card", &card);
            put("amount", dice.pick(&AMOUNTS));
            put("channel", dice.pick(&["\"ecom\"", "\"ecom\"", "\"pos\"", "\"atm\""]));
            put("declined", dice.pick(&["true", "false", "false", "null"]));
            put("device", &format!("\"d{}\"", dice.below(2)));
            put("points", dice.pick(&["0.25", "\"1.5\"", "2", "null"]));
            let (mcc, country) = (dice.pick(&["5411", "6051", "7995"]), dice.pick(&["DE", "DE", "FR"]));
            let merchant = dice.below(4);
            put("merchant", &format!(r#"{{"id":"m{merchant}","mcc":"{mcc}","country":"{country}"}}"#));
        }
        "p2p" | "transfer" => {
            put("amount", dice.pick(&AMOUNTS));
            put("payee", &format!("\"p{}\"", dice.below(4)));
            put("device", &format!("\"d{}\"", dice.below(2)));
        }
        "login" => put("card", &card),
        "outcome" => put("declined", "true"),
        "clearing" => put("amount", "21.37"),
        "label" => put("outcome", dice.pick(&["\"fraud\"", "\"fraud\"", "\"genuine\""])),
        _ => {}
    }
    json.push('}');
    Event { partition, appended: now, account, refers, is_prompt: back == 0, id, json }
}

/// A record that cannot be taken.
fn spoiled(dice: &mut Dice, json: &str) -> Vec<u8> {
    match dice.below(3) {
        0 => json.as_bytes()[..json.len() - 1].to_vec(),
        1 => json.replacen("\"kind\":\"", "\"kind\":\"un", 1).into_bytes(),
        _ => Vec::new(),
    }
}
