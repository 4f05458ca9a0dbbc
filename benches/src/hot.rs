//! Records of one account that has more events within an hour than its ledger holds rows, in several orders.

use crate::records::START;
use clap::ValueEnum;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tripline_core::batch::Timestamp;

/// From one event to the next, ms: 5,120 events lie within the load pack's lateness of an hour.
const STEP_MS: i64 = 500;
/// Events that change places with one another where they are shuffled among their neighbours.
const NEIGHBOURS: usize = 256;
const CARDS: u64 = 3;
const MERCHANTS: u64 = 40;
const AMOUNT_MINOR_MAX: u64 = 20_000;

/// The order in which an account's events come.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Order {
    /// By their times, which all differ.
    Ordinary,
    /// All of one time.
    OneTime,
    /// All of one time, after one that is a millisecond newer.
    OneTimeBehind,
    /// The newest first.
    Reversed,
    /// In any order.
    Shuffled,
    /// By their times, but shuffled among neighbours.
    ShuffledNearby,
}

/// When each of so many events happened, in the order in which they come.
fn times(order: Order, events: usize) -> Vec<i64> {
    let mut times: Vec<i64> = (0..).map(|number| START.0 + number * STEP_MS).take(events).collect();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    match order {
        Order::Ordinary => {}
        Order::OneTime => times.fill(START.0),
        Order::OneTimeBehind => times.iter_mut().skip(1).for_each(|at| *at = START.0 - 1),
        Order::Reversed => times.reverse(),
        Order::Shuffled => shuffle(&mut times, &mut random),
        Order::ShuffledNearby => times.chunks_mut(NEIGHBOURS).for_each(|near| shuffle(near, &mut random)),
    }
    times
}

fn shuffle(times: &mut [i64], random: &mut ChaCha8Rng) {
    for last in (1..times.len()).rev() {
        times.swap(last, random.next_u32() as usize % (last + 1));
    }
}

/// The account's records in an order: when each was appended, and its JSON. The contents are the same in every order.
pub fn records(order: Order, events: usize) -> impl Iterator<Item = (Timestamp, String)> {
    let times = times(order, events);
    let appended_at = times.iter().max().map_or(START, |newest| Timestamp(*newest));
    let mut random = ChaCha8Rng::seed_from_u64(8);
    times.into_iter().enumerate().map(move |(number, at)| {
        (appended_at, record(number, Timestamp(at), |below| random.next_u64() % below))
    })
}

/// One in twenty is a login, one a payment, the others are purchases.
fn record(number: usize, at: Timestamp, mut below: impl FnMut(u64) -> u64) -> String {
    let account = r#""account":{"id":"hot","segment":"retail","home":"US","zone":"America/Phoenix","currency":"USD","balance":"3314.59","travel":false}"#;
    let (kind, card, merchant, minor) = (below(20), below(CARDS), below(MERCHANTS), below(AMOUNT_MINOR_MAX));
    let amount = format!("{}.{:02}", minor / 100, minor % 100);
    let begin = |name: &str| format!(r#"{{"id":"H{number}","type":"{name}","time":"{at}",{account}"#);
    match kind {
        0 => format!(r#"{},"device":{{"id":"D{card}","ip":"US"}}}}"#, begin("login")),
        1 => format!(
            r#"{},"tx":{{"amount":"{amount}","direction":"out","channel":"app","declined":false}}}}"#,
            begin("p2p")
        ),
        _ => format!(
            r#"{},"tx":{{"amount":"{amount}","channel":"{}","entry":"chip","present":{},"cvv_ok":true,"declined":{}}},"card":{{"id":"C{card}"}},"merchant":{{"id":"M{merchant}","mcc":"5968","country":"US"}}}}"#,
            begin("purchase"),
            if kind < 8 { "ecom" } else { "pos" },
            kind >= 8,
            kind == 9
        ),
    }
}
