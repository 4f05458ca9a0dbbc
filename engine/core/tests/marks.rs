//! What alerts say of incomplete state that was computed in another key space: the account's facts in a rule of a
//! terminal, a terminal's signal in a rule of an account, ranks over all accounts.

#![expect(clippy::cast_precision_loss, reason = "the oracle computes with small numbers")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::decode::{
    AmountForm, CurrencySource, FieldMapping, FieldSource, Format, Mapping, MoneyForm, TimeFormat,
};
use tripline_core::installation::Installation;
use tripline_core::limits::FUTURE_MS_MAX;
use tripline_core::outputs::{Outputs, Topic};
use tripline_core::results::{Collect, EventResults};
use tripline_core::settings::Settings;
use tripline_core::spaces::Spaces;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

/// 2024-03-01T12:00:00Z.
const NOON: i64 = 1_709_294_400_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of own|busy|usual|known|seen|account|both|purchase|label
  tx.amount: money in EUR
  terminal.id: text
  merchant.id: text
keep: [tx.amount, terminal.id, merchant.id]
entities: [terminal]
";

/// On events of each type one rule fires.
const PACK: &str = "version: 1
pack: p
owner: a
timezone: UTC
defaults: {cooldown: none}
aggregates:
  acct_6h:   {count: events, by: account, over: 6h}
  acct_2d:   {count: events, by: account, over: 2d}
  term_6h:   {count: events, by: terminal, over: 6h}
  term_avg:  {avg: tx.amount, by: terminal, over: 3h, at_least: 3}
  shop_rank: {rank: tx.amount, by: [all, merchant.id], over: 2d}
signals:
  terminal.busy:  {value: term_6h, step: 2, valid_for: 4h}
  terminal.usual: {value: term_avg, step: 1, valid_for: 2h}
  terminal.known: {value: acct_2d, step: 1, valid_for: 1d}
rules:
  - {id: OWN, event: own, when: 'acct_6h >= 1 and coalesce(shop_rank, 0) >= 0', action: review, reason: x}
  - {id: BUSY, event: busy, when: 'coalesce(signal.terminal.busy, 0) >= 0', action: review, reason: x}
  - {id: USUAL, event: usual, when: 'coalesce(signal.terminal.usual, 0) >= 0', action: review, reason: x}
  - {id: KNOWN, event: known, when: 'coalesce(signal.terminal.known, 0) >= 0', action: review, reason: x}
  - {id: SEEN, event: seen, when: seen_before(merchant.id) or acct_6h >= 1, action: review, reason: x}
  - {id: ACCOUNT, by: terminal, event: account, when: acct_2d >= 1, action: review, reason: x}
  - {id: BOTH, by: terminal, event: both, when: acct_6h >= 1 and term_6h >= 1, action: review, reason: x}
  - {id: SCORE, by: terminal, event: purchase, when: model.profile.score >= 0, action: review, reason: x}
";

const RULES: [&str; 7] = ["own", "busy", "usual", "known", "seen", "account", "both"];

struct House {
    schema: Arc<Schema>,
    ruleset: Arc<Ruleset>,
}

fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let (schema, errors) = Schema::load(&File::new("schema.yaml", SCHEMA));
        let schema = schema.unwrap_or_else(|| panic!("{}", errors.render(Paint::Plain)));
        let list = |_: &str| Err(String::new());
        let options = CompileOptions {
            key: TextKey::default(),
            models: &["profile"],
            retention: None,
            lookback: 0,
            list: &list,
        };
        let (ruleset, errors) = Ruleset::compile(&[File::new("pack.yaml", PACK)], &schema, &options);
        let ruleset = ruleset.unwrap_or_else(|| panic!("{}", errors.render(Paint::Plain)));
        House { schema: Arc::new(schema), ruleset: Arc::new(ruleset) }
    })
}

fn settings() -> Settings {
    Settings { lateness_ms: 6 * HOUR, models: Vec::new(), ..Settings::new("marks") }
}

struct Bank {
    spaces: Spaces,
    next: i64,
}

/// What an alert says: coverage, 1 where it is left out, and whether it is approximate.
type Said = (f64, bool);

impl Bank {
    fn new(settings: Settings) -> Bank {
        let House { schema, ruleset } = house();
        let names =
            ["event.id", "event.type", "event.time", "account.id", "tx.amount", "terminal.id", "merchant.id"];
        let fields = names.map(|name| {
            let slot = schema.slot(name).expect("a field");
            let mut field = FieldMapping::new(slot, FieldSource::Pointer(format!("/{name}").into()));
            field.time = TimeFormat::EpochMillis;
            let currency = CurrencySource::Constant("EUR".into());
            field.money = MoneyForm { amount: AmountForm::Minor, currency, ..field.money };
            field
        });
        let mapping = Mapping::new(Format::Json, fields.to_vec());
        let installation = Installation::compile(schema, ruleset, &mapping, settings).expect("it fits");
        Bank { spaces: Spaces::new(&Arc::new(installation)), next: 0 }
    }

    /// Takes an event, appended at a time; what its alert says.
    fn take(&mut self, appended: i64, event: &Event) -> Option<Said> {
        let terminal =
            event.terminal.map_or(String::new(), |number| format!(r#","terminal.id":"t{number}""#));
        let line = format!(
            r#"{{"event.id":"{}","event.type":"{}","event.time":{},"account.id":"a{}","tx.amount":{},"merchant.id":"m{}"{terminal}}}"#,
            self.next, event.rule, event.at, event.account, event.amount, event.merchant,
        );
        let mut batch = Batch::new(ShardId::account(0));
        batch.push(self.next, Some(Timestamp(appended)), b"k", line.as_bytes());
        self.next += 1;
        let mut out = Outputs::default();
        self.spaces.step(&batch, &mut out, &mut EventResults::new(Collect::Verdicts));
        assert!(out.records.iter().all(|record| record.topic != Topic::DeadLetters), "{line}");
        let alert = out.records.iter().find(|record| record.topic == Topic::Alerts)?;
        let alert: serde_json::Value = serde_json::from_slice(out.value(alert)).expect("an alert is JSON");
        Some((alert["coverage"].as_f64().unwrap_or(1.0), alert["approximate"].as_bool().expect("yes or no")))
    }
}

#[derive(Clone, Debug)]
struct Event {
    rule: &'static str,
    at: i64,
    account: u8,
    terminal: Option<u8>,
    merchant: u32,
    amount: i64,
}

/// Rows of one key, as (time, amount), and the newest time that its cap dropped.
#[derive(Default)]
struct Held {
    rows: Vec<(i64, i64)>,
    dropped: Option<i64>,
}

impl Held {
    /// A full ledger gives up its oldest rows before the next takes its place.
    fn insert(&mut self, cap: usize, at: i64, amount: i64) {
        self.rows.sort_unstable();
        while self.rows.len() > cap {
            self.dropped = self.dropped.max(Some(self.rows.remove(0).0));
        }
        self.rows.push((at, amount));
    }

    fn marks(&self, over: i64, at: i64, began: i64) -> Said {
        let from = began.max(self.dropped.unwrap_or(began));
        (share(over, at, from), self.dropped.is_some_and(|dropped| dropped > at - over))
    }

    fn within(&self, over: i64, at: i64) -> impl Iterator<Item = i64> {
        self.rows.iter().filter(move |row| row.0 > at - over && row.0 <= at).map(|row| row.1)
    }
}

fn share(over: i64, at: i64, from: i64) -> f64 {
    (at - from).clamp(0, over) as f64 / over as f64
}

fn and(a: Said, b: Said) -> Said {
    (a.0.min(b.0), a.1 || b.1)
}

/// A published value, the marks of the event that found it so, its time, and until when it is valid.
type Published = (Option<f64>, Said, i64, i64);

/// Signals as a plain table.
#[derive(Default)]
struct Table(BTreeMap<(&'static str, u8), Published>);

impl Table {
    fn read(&self, (name, valid_for): (&'static str, i64), terminal: u8, at: i64, began: i64) -> Said {
        match self.0.get(&(name, terminal)) {
            Some((_, marks, _, until)) if at < *until => *marks,
            // No event of the last hours published one, as far as these hours came in.
            _ => (share(valid_for, at, began), false),
        }
    }

    fn tell(
        &mut self,
        (name, valid_for): (&'static str, i64),
        terminal: u8,
        step: f64,
        found: (i64, Option<f64>, Said),
    ) {
        let (at, value, marks) = found;
        let newer = (value, marks, at, at + valid_for);
        let Some(held) = self.0.get_mut(&(name, terminal)) else {
            self.0.insert((name, terminal), newer);
            return;
        };
        if at < held.2 {
            return;
        }
        match (held.0.filter(|_| at < held.3), value) {
            (Some(_), None) => held.1 = and(held.1, marks),
            (Some(old), Some(value)) if (old - value).abs() < step => *held = (Some(old), marks, at, newer.3),
            _ => *held = newer,
        }
    }
}

const BUSY: (&str, i64) = ("busy", 4 * HOUR);
const USUAL: (&str, i64) = ("usual", 2 * HOUR);
const KNOWN: (&str, i64) = ("known", DAY);

/// How long after the last record an event is appended, how long before that it happened; which rule it is for, its
/// account, terminal and amount.
type Next = (i64, i64, usize, u8, Option<u8>, i64);

fn next() -> impl Strategy<Value = Next> {
    let wait =
        prop_oneof![3 => Just(0), 6 => 0..20 * MINUTE, 2 => Just(HOUR), 1 => Just(9 * HOUR), 1 => Just(DAY)];
    let back = prop_oneof![6 => Just(0), 3 => 0..5 * HOUR];
    let terminal = prop_oneof![1 => Just(None), 9 => (0..2u8).prop_map(Some)];
    (wait, back, 0..RULES.len(), 0..2u8, terminal, 1..5i64)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn an_alert_carries_the_marks_of_all_that_it_read_wherever_that_was_computed(
        story in prop::collection::vec(next(), 1..70),
        cap in 2..20u16,
        totals in prop_oneof![Just(0), Just(7), Just(usize::MAX)],
    ) {
        let mut bank = Bank::new(Settings { rows_per_ledger: cap, totals_threshold: totals, ..settings() });
        let (mut now, began, cap) = (NOON, NOON + FUTURE_MS_MAX, usize::from(cap));
        let (mut accounts, mut terminals) = ([Held::default(), Held::default()], [Held::default(), Held::default()]);
        let (mut table, mut newest) = (Table::default(), i64::MIN);
        for (number, (wait, back, rule, account, terminal, amount)) in (0..).zip(story) {
            now += if number > 0 { wait } else { 0 };
            // No two events have one time, so that which of them a cap drops is known.
            let at = (now - back) / 1000 * 1000 + number;
            let event = Event { rule: RULES[rule], at, account, terminal, merchant: 0, amount: amount * 100 };
            let said = bank.take(now, &event);
            let own = &mut accounts[usize::from(account)];
            own.insert(cap, at, event.amount);
            let (acct_6h, acct_2d) = (own.marks(6 * HOUR, at, began), own.marks(2 * DAY, at, began));
            let acct_count = own.within(2 * DAY, at).count();
            // A fact without a window reads as far back as rows are held: two days. Any of them may be what it is
            // about, and of one that has expired since it was dropped nobody knows.
            newest = newest.max(at);
            let expired = newest - 2 * DAY - 6 * HOUR - FUTURE_MS_MAX;
            let is_certain = event.rule != "seen" || own.dropped.is_none_or(|dropped| dropped > expired);
            let seen = (acct_2d.0, own.dropped.is_some());
            let signal = |of| terminal.map_or((1.0, false), |terminal| table.read(of, terminal, at, began));
            let mut expected = match event.rule {
                // The rank counts all two days, and lacks what came before the log alone.
                "own" => Some(and(acct_6h, (share(2 * DAY, at, began), false))),
                "busy" => Some(signal(BUSY)),
                "usual" => Some(signal(USUAL)),
                "known" => Some(signal(KNOWN)),
                "seen" => Some(and(acct_6h, seen)),
                _ => None,
            };
            if let Some(terminal) = terminal {
                let held = &mut terminals[usize::from(terminal)];
                held.insert(cap, at, event.amount);
                let (term_6h, term_3h) = (held.marks(6 * HOUR, at, began), held.marks(3 * HOUR, at, began));
                match event.rule {
                    "account" => expected = Some(acct_2d),
                    "both" => expected = Some(and(acct_6h, term_6h)),
                    _ => {}
                }
                let count = |count: usize| f64::from(u32::try_from(count).expect("few"));
                let amounts: Vec<i64> = held.within(3 * HOUR, at).collect();
                let average = (amounts.len() >= 3).then(|| amounts.iter().sum::<i64>() as f64 / count(amounts.len()));
                table.tell(BUSY, terminal, 2.0, (at, Some(count(held.within(6 * HOUR, at).count())), term_6h));
                table.tell(USUAL, terminal, 100.0, (at, average, term_3h));
                table.tell(KNOWN, terminal, 1.0, (at, Some(count(acct_count)), acct_2d));
            }
            prop_assert_eq!(said.is_some(), expected.is_some(), "{:?}", event);
            if let (Some(said), Some(expected)) = (said, expected) {
                // Reading a number back may lose its last bit.
                prop_assert!((said.0 - expected.0).abs() < 1e-12, "{:?}: {:?}, expected {:?}", event, said, expected);
                prop_assert!(said.1 == expected.1 || !is_certain, "{:?}: {:?}, expected {:?}", event, said, expected);
            }
        }
    }
}

fn event(rule: &'static str, at: i64, terminal: Option<u8>) -> Event {
    Event { rule, at, account: 0, terminal, merchant: 0, amount: 100 }
}

/// The log began a day before. Terminal 0 is evicted after two uses: what it publishes next counts one use, and says
/// that the rows before the eviction may be gone.
#[test]
fn a_signal_of_an_evicted_terminal_is_approximate_where_it_is_read() {
    let mut bank = Bank::new(Settings { keys_per_shard: 2, ..settings() });
    bank.take(NOON - DAY, &event("own", NOON - DAY, None));
    let whole = bank.take(NOON, &event("busy", NOON, Some(0)));
    assert_eq!(whole, Some((1.0, false)), "4 hours without an event that published anything");
    assert_eq!(bank.take(NOON + 1, &event("busy", NOON + 1, Some(0))), Some((1.0, false)));
    for terminal in 1..6 {
        bank.take(
            NOON + i64::from(terminal) * MINUTE,
            &event("own", NOON + i64::from(terminal) * MINUTE, Some(terminal)),
        );
    }
    assert_eq!(
        bank.take(NOON + 6 * MINUTE, &event("busy", NOON + 6 * MINUTE, Some(0))),
        Some((1.0, false)),
        "the value was published while all rows were there"
    );
    let (coverage, approximate) =
        bank.take(NOON + 7 * MINUTE, &event("busy", NOON + 7 * MINUTE, Some(0))).expect("it fires");
    assert!(approximate && coverage < 7.0 / 360.0, "{coverage}");
    // A rule of the terminal that reads the account's facts alone lacks nothing.
    assert_eq!(
        bank.take(NOON + 8 * MINUTE, &event("account", NOON + 8 * MINUTE, Some(0))).map(|said| said.1),
        Some(false)
    );
    assert_eq!(
        bank.take(NOON + 9 * MINUTE, &event("both", NOON + 9 * MINUTE, Some(0))).map(|said| said.1),
        Some(true)
    );
}

/// The model reads the account's rows of 90 days, of which 9 are held.
#[test]
fn a_rule_of_a_terminal_that_reads_a_score_has_the_coverage_of_the_accounts_rows() {
    let mut bank = Bank::new(Settings { models: Settings::new("").models, ..settings() });
    bank.take(NOON, &event("own", NOON, None));
    let at = NOON + FUTURE_MS_MAX + 9 * DAY;
    assert_eq!(bank.take(at, &event("purchase", at, Some(0))), Some((0.1, false)));
}

/// More merchants than a rank has groups: from then on a rank of a merchant without a group, or with one that it got
/// later, is approximate, and what is not counted is counted as dropped.
#[test]
fn a_rank_over_more_groups_than_it_has_is_approximate_and_counted() {
    const GROUPS: u32 = 1024;
    let mut bank = Bank::new(settings());
    let of = |merchant: u32, at: i64| Event { merchant, ..event("own", at, None) };
    for merchant in 0..GROUPS {
        assert_eq!(bank.take(NOON, &of(merchant, NOON)).map(|said| said.1), Some(false));
    }
    assert_eq!(bank.spaces.counts().dropped.rank_values, 0);
    assert_eq!(
        bank.take(NOON, &of(GROUPS, NOON)).map(|said| said.1),
        Some(false),
        "it is the first of its merchant"
    );
    assert_eq!(bank.spaces.counts().dropped.rank_values, 1);
    assert_eq!(
        bank.take(NOON, &of(GROUPS, NOON)).map(|said| said.1),
        Some(true),
        "its first was not counted"
    );
    assert_eq!(bank.take(NOON, &of(0, NOON)).map(|said| said.1), Some(false), "all of this merchant's were");
    assert_eq!(bank.spaces.counts().dropped.rank_values, 2);
    // Two days later the others' groups are free again, and so is the day of what was not counted.
    assert_eq!(bank.take(NOON + DAY, &of(GROUPS, NOON + DAY)).map(|said| said.1), Some(true));
    assert_eq!(
        bank.take(NOON + 2 * DAY, &of(GROUPS, NOON + 2 * DAY)).map(|said| said.1),
        Some(true),
        "a day ago one was not"
    );
    assert_eq!(bank.take(NOON + 3 * DAY, &of(GROUPS, NOON + 3 * DAY)).map(|said| said.1), Some(false));
    assert_eq!(bank.spaces.counts().dropped.rank_values, 3);
}
