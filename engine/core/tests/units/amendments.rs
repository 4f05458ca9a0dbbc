//! Outcomes, reversals and clearings in any order of arrival, some before the payment that they are about: each field
//! of a payment is what the newest of them by event time says, in the account's rows and in the terminal's.

use crate::dice::{Dice, streams};
use crate::engine::{Record, Setup, Way};
use std::collections::BTreeMap;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase|login|outcome|reversal|clearing
  tx.amount: money in EUR
  terminal.id: text
keep: [tx.amount, tx.declined, tx.reversed, terminal.id]
entities: [terminal]
";
const PACK: &str = "version: 1
pack: accounts
owner: a
timezone: UTC
aggregates:
  spent: {sum: tx.amount, over: 2d}
  declined: {count: events, over: 2d, where: event.type == \"purchase\" and tx.declined}
  reversed: {count: events, over: 2d, where: event.type == \"purchase\" and tx.reversed}
  t_spent: {sum: tx.amount, by: terminal, over: 2d}
  t_declined: {count: events, by: terminal, over: 2d, where: event.type == \"purchase\" and tx.declined}
  t_reversed: {count: events, by: terminal, over: 2d, where: event.type == \"purchase\" and tx.reversed}
features: {f0: spent, f1: declined, f2: reversed, f3: t_spent, f4: t_declined, f5: t_reversed}
";
const NOON: i64 = 1_709_294_400_000;
const MINUTE: i64 = 60_000;
const LATENESS: i64 = 24 * 60 * MINUTE;
const FOLLOW_UPS: [&str; 6] = ["outcome", "outcome", "outcome", "reversal", "clearing", "clearing"];

/// An event as it is sent; amounts in cents.
#[derive(Clone, Debug)]
struct Sent {
    id: String,
    account: &'static str,
    kind: &'static str,
    at: i64,
    appended: i64,
    about: Option<String>,
    amount: Option<i64>,
    declined: Option<bool>,
    terminal: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Seen {
    streams: u64,
    events: u64,
    before_their_payment: u64,
    older_than_an_earlier_one: u64,
    at_one_time: u64,
    replaced: u64,
    values_of_terminals: u64,
}

impl Sent {
    fn json(&self) -> String {
        let mut json = format!(
            r#"{{"event_id":"{}","event_type":"{}","event_time":{},"account_id":"{}""#,
            self.id, self.kind, self.at, self.account
        );
        let mut put = |key: &str, value: &str| json.push_str(&format!(r#","{key}":{value}"#));
        self.about.iter().for_each(|about| put("event_ref", &format!("\"{about}\"")));
        self.amount.iter().for_each(|cents| {
            put("tx_amount", &format!("\"{}.{:02}\"", cents / 100, cents % 100));
        });
        self.declined.iter().for_each(|declined| put("tx_declined", &declined.to_string()));
        self.terminal.iter().for_each(|terminal| put("terminal_id", &format!("\"{terminal}\"")));
        json.push('}');
        json
    }

    /// Whether it says something about the payment it names.
    fn amends(&self, kind: &str) -> bool {
        self.kind == kind
            && match kind {
                "outcome" => self.declined.is_some(),
                "clearing" => self.amount.is_some(),
                _ => true,
            }
    }
}

/// Payments with what follows up on them, in order of arrival.
fn stream(dice: &mut Dice) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    for number in 0..3 + dice.below(8) {
        let payment = payment(dice, number);
        for (place, kind) in FOLLOW_UPS.iter().enumerate() {
            if dice.percent(45) {
                sent.push(follow_up(dice, &payment, kind, place));
            }
        }
        if dice.percent(30) {
            let at = payment.at + MINUTE;
            let (id, kind) = (format!("l{number}"), "login");
            let login =
                Sent { id, kind, at, amount: None, declined: None, terminal: None, ..payment.clone() };
            sent.push(Sent { appended: at + delay(dice), ..login });
        }
        sent.push(payment);
    }
    sent.sort_by_key(|event| event.appended);
    sent
}

fn payment(dice: &mut Dice, number: u64) -> Sent {
    let at = NOON + MINUTE * signed(dice.below(600));
    Sent {
        id: format!("p{number}"),
        account: dice.pick(&["A", "A", "B"]),
        kind: "purchase",
        at,
        appended: at + delay(dice),
        about: None,
        amount: dice.percent(95).then(|| 100 * signed(dice.below(9)) + 1),
        declined: dice.percent(20).then(|| dice.percent(50)),
        terminal: dice.percent(80).then(|| dice.pick(&["t0", "t1"])),
    }
}

fn follow_up(dice: &mut Dice, payment: &Sent, kind: &'static str, place: usize) -> Sent {
    let at = payment.at + MINUTE * dice.pick(&[-1, 0, 0, 1, 1, 2, 30]);
    let says = dice.percent(80);
    Sent {
        id: format!("{}-{place}", payment.id),
        account: payment.account,
        kind,
        at,
        appended: at + delay(dice),
        about: Some(payment.id.clone()),
        amount: (kind == "clearing" && says).then(|| 1_000 * signed(dice.below(9))),
        declined: (kind == "outcome" && says).then(|| dice.percent(50)),
        terminal: None,
    }
}

fn delay(dice: &mut Dice) -> i64 {
    if dice.percent(30) { MINUTE } else { MINUTE * signed(dice.below(700)) }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap()
}

/// What a payment's amount, decline and reversal are once these have arrived, in the order of arrival.
fn amended(payment: &Sent, arrived: &[Sent]) -> (Option<i64>, bool, bool) {
    let newest = |kind: &str| {
        let about = |sent: &&(usize, &Sent)| {
            sent.1.about.as_ref() == Some(&payment.id)
                && sent.1.account == payment.account
                && sent.1.amends(kind)
        };
        let arrived: Vec<(usize, &Sent)> = arrived.iter().enumerate().collect();
        arrived.iter().filter(about).max_by_key(|(place, sent)| (sent.at, *place)).map(|(_, sent)| *sent)
    };
    let amount = newest("clearing").map_or(payment.amount, |clearing| clearing.amount);
    let declined = newest("outcome").map_or(payment.declined, |outcome| outcome.declined);
    (amount, declined == Some(true), newest("reversal").is_some())
}

/// The features of the event that arrived last.
fn figures(arrived: &[Sent]) -> Vec<f64> {
    let own = arrived.last().unwrap();
    let over = |is_mine: &dyn Fn(&Sent) -> bool| {
        let payments =
            arrived.iter().filter(|sent| sent.kind == "purchase" && sent.at <= own.at && is_mine(sent));
        let payments: Vec<_> = payments.map(|payment| amended(payment, arrived)).collect();
        let cents: i64 = payments.iter().filter_map(|payment| payment.0).sum();
        let (declined, reversed) =
            (payments.iter().filter(|payment| payment.1), payments.iter().filter(|payment| payment.2));
        vec![cents as f64 / 100.0, declined.count() as f64, reversed.count() as f64]
    };
    let mut figures = over(&|sent| sent.account == own.account);
    figures.extend(match own.terminal {
        Some(terminal) => over(&|sent| sent.terminal == Some(terminal)),
        None => vec![f64::NAN; 3],
    });
    figures
}

fn note(arrived: &[Sent], seen: &mut Seen) {
    let own = arrived.last().unwrap();
    let before = &arrived[..arrived.len() - 1];
    let Some(about) = own.about.as_ref().filter(|_| own.amends(own.kind)) else { return };
    seen.before_their_payment += u64::from(before.iter().all(|sent| sent.id != *about));
    let same = |sent: &&Sent| sent.about.as_ref() == Some(about) && sent.amends(own.kind);
    seen.older_than_an_earlier_one += u64::from(before.iter().filter(same).any(|sent| sent.at > own.at));
    seen.at_one_time += u64::from(before.iter().filter(same).any(|sent| sent.at == own.at));
    seen.replaced += u64::from(before.iter().filter(same).any(|sent| sent.at < own.at));
}

fn check(setup: &Setup, seed: u64, seen: &mut Seen) {
    let mut dice = Dice::new(seed);
    let sent = stream(&mut dice);
    let mut expected: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for last in 0..sent.len() {
        let arrived = &sent[..=last];
        assert!(sent[last].appended - sent[last].at <= LATENESS, "in time");
        note(arrived, seen);
        expected.insert(&sent[last].id, figures(arrived));
    }
    let records: Vec<Record> = sent.iter().map(|event| (event.appended, event.json())).collect();
    let cut = usize::try_from(dice.below(records.len() as u64)).unwrap();
    for way in [Way::Live, dice.pick(&[Way::Restored, Way::Snapshot])] {
        // The terminals' shards are in no snapshot of an account's shard.
        let (cut, known) = if way == Way::Live { (0, 6) } else { (cut, 3) };
        let found = setup.run(&records, cut, way);
        assert!(found.reasons.is_empty(), "stream {seed}: {:?}", found.reasons);
        assert_eq!(found.features.len(), sent.len() - cut, "stream {seed}, {way:?}");
        for (id, figures) in &found.features {
            let event = sent.iter().find(|event| event.id == *id).unwrap();
            // What a follow-up takes over from its payment is another test's subject.
            let known = if event.about.is_some() { 3 } else { known };
            let (figures, expected) = (&figures[..known], &expected[id.as_str()][..known]);
            let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            let is_same = figures.iter().zip(expected).all(same);
            assert!(is_same, "stream {seed}, {way:?} from {cut}, {id}: {figures:?}, by hand {expected:?}");
            seen.values_of_terminals += u64::from(known == 6 && figures[3] > 0.0);
        }
    }
    (seen.streams, seen.events) = (seen.streams + 1, seen.events + sent.len() as u64);
}

#[test]
fn the_newest_follow_up_decides_in_whatever_order_they_arrive() {
    let fields = [
        "event.id",
        "event.type",
        "event.time",
        "event.ref",
        "account.id",
        "tx.amount",
        "tx.declined",
        "terminal.id",
    ];
    let setup = Setup::new(SCHEMA, PACK, &fields, |_, _| {});
    let mut seen = Seen::default();
    streams(1_500).into_iter().for_each(|seed| check(&setup, seed, &mut seen));
    println!("{seen:?}");
    for (what, count) in [
        ("follow-ups before their payment", seen.before_their_payment),
        ("follow-ups older than one that came before", seen.older_than_an_earlier_one),
        ("follow-ups at one time", seen.at_one_time),
        ("follow-ups that replace an older one", seen.replaced),
        ("values of terminals", seen.values_of_terminals),
    ] {
        assert!(count >= seen.streams / 10, "only {count} {what}");
    }
}
