//! The table of aggregates in `docs/rules.md`, read from there: every cell of it is compared with a slow computation
//! over random streams, or with what the compiler accepts.

use crate::dice::Dice;
use crate::engine::{Record, Setup, Way};
use std::collections::BTreeSet;
use tripline_core::decode::CurrencySource;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::File;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

const DOCS: &str = include_str!("../../../../docs/rules.md");
const NOON: i64 = 1_709_294_400_000;
const HOUR: i64 = 3_600_000;
const STREAMS: u64 = 100;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase|login|label
  tx.amount: money in EUR
  my.number: number
  my.yes: yes/no
  my.text: text
  my.one: one of red|green|blue
  my.time: time
  my.span: duration
  my.place: location
  card.id: text
keep: [tx.amount, my.number, my.yes, my.text, my.one, my.time, my.span, my.place, card.id]
";

/// Fields of every kind, and an expression that holds only what is of that kind, `{}`.
const KINDS: [(&str, &str, &str); 8] = [
    ("money", "tx.amount", "{} == tx.amount"),
    ("number", "my.number", "{} + my.number > 0"),
    ("yes/no", "my.yes", "{}"),
    ("one of", "my.one", "{} == 'red'"),
    ("text", "my.text", "{} == my.text"),
    ("time", "my.time", "hours_since({}) > 0"),
    ("duration", "my.span", "{} > 1h"),
    ("location", "my.place", "km_between({}, my.place) > 0"),
];

/// A line of the table.
struct Line {
    operation: &'static str,
    fields: &'static str,
    kind: &'static str,
    without_rows: &'static str,
    result: &'static str,
}

fn table() -> Vec<Line> {
    let after = DOCS.split_once("| operation | fields | kind of the result |").expect("the table").1;
    let lines = after.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    };
    let line = |line| match cells(line)[..] {
        [operation, fields, kind, without_rows, result] => {
            Line { operation, fields, kind, without_rows, result }
        }
        _ => panic!("five cells: {line}"),
    };
    lines.map(line).collect()
}

impl Line {
    /// The name of the operation.
    fn name(&self) -> &'static str {
        self.operation.trim_start_matches('`').split(['`', ':']).next().expect("a name")
    }

    /// The declaration over a field, or over none.
    fn declared(&self, field: &str, more: &str) -> String {
        let operation = match self.name() {
            name @ ("count" | "rate") => format!("{name}: events"),
            "ratio" => "ratio: my.yes".to_owned(),
            "quantile" => format!("quantile: {field}, q: 30%"),
            "nth" => format!("nth: {field}, n: 3"),
            "distinct" => format!("distinct: {field}, max_distinct: 6"),
            name => format!("{name}: {field}"),
        };
        format!("{{{operation}, over: 1h{more}}}")
    }

    fn reads_a_field(&self) -> bool {
        self.fields != "none"
    }
}

/// Whether a pack with a rule over an aggregate is compiled.
fn compiles(aggregate: &str, condition: &str) -> bool {
    let (schema, _) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let pack = format!(
        "version: 1\npack: p\nowner: a\naggregates:\n  f: {aggregate}\nrules:\n  - {{id: R, action: review, when: \"{condition}\", reason: x}}\n"
    );
    let no_list = |_: &str| Err(String::new());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &no_list };
    Ruleset::compile(&[File::new("pack.yaml", pack)], &schema.unwrap(), &options).0.is_some()
}

/// The operations of the language and those of the table are the same, and their fields and results of those kinds.
#[test]
fn the_table_names_every_operation_with_its_fields_and_its_result() {
    let table = table();
    let names: BTreeSet<&str> = table.iter().map(Line::name).collect();
    assert_eq!(names.len(), 16);
    for line in &table {
        let number = "f + my.number > 0";
        if !line.reads_a_field() {
            assert_eq!(line.kind, "number");
            assert!(compiles(&line.declared("", ""), number), "{}", line.operation);
            continue;
        }
        for (kind, field, holds) in KINDS {
            let allowed = match line.fields {
                "money, number" => kind == "money" || kind == "number",
                "all but location" => kind != "location",
                "all" => true,
                other => panic!("{other}"),
            };
            let aggregate = line.declared(field, "");
            let of_field = compiles(&aggregate, &holds.replace("{}", "f"));
            let as_number = compiles(&aggregate, number);
            let (expected_of_field, expected_number) = match line.kind {
                "of the field" => (allowed, allowed && kind == "number"),
                "number" => (allowed && kind == "number", allowed),
                other => panic!("{other}"),
            };
            assert_eq!((of_field, as_number), (expected_of_field, expected_number), "{aggregate}");
        }
    }
}

/// An event of a stream: its fields in minor units and millionths.
#[derive(Clone, Debug)]
struct Sent {
    id: u64,
    at: i64,
    is_label: bool,
    amount: Option<i64>,
    number: Option<i64>,
    yes: Option<bool>,
    card: Option<&'static str>,
}

impl Sent {
    fn json(&self) -> String {
        let kind = if self.is_label { "label" } else { "purchase" };
        let mut json = format!(
            r#"{{"event_id":"e{}","event_type":"{kind}","event_time":{},"account_id":"A""#,
            self.id, self.at
        );
        let mut put = |key: &str, value: String| json.push_str(&format!(r#","{key}":{value}"#));
        self.amount.iter().for_each(|minor| put("tx_amount", minor.to_string()));
        self.number.iter().for_each(|millionths| put("my_number", format!("{millionths}e-6")));
        self.yes.iter().for_each(|yes| put("my_yes", yes.to_string()));
        self.card.iter().for_each(|card| put("card_id", format!("\"{card}\"")));
        json.push('}');
        json
    }

    fn value(&self, field: &str) -> Option<i64> {
        if field == "tx.amount" { self.amount } else { self.number }
    }
}

/// Times at and beside the ends of windows, in any order of arrival; about a fifth of the values is missing.
fn stream(dice: &mut Dice, length: u64) -> Vec<Sent> {
    let mut now = NOON;
    (0..length)
        .map(|id| {
            now += dice.pick(&[0, 0, 1, 1, 60_000, HOUR / 2 - 1, HOUR / 2, HOUR / 2 + 1])
                / if length > 100 { 60 } else { 1 };
            let back = if dice.percent(20) { dice.pick(&[0, 1, HOUR / 2, HOUR]) } else { 0 };
            let number = |dice: &mut Dice| {
                dice.percent(80).then(|| dice.below(12).cast_signed() * 1_234_567 - 5_000_000)
            };
            Sent {
                id,
                at: now - back,
                is_label: dice.percent(10),
                amount: dice.percent(80).then(|| dice.below(9).cast_signed() * 125 + 1),
                number: number(dice),
                yes: dice.percent(80).then(|| dice.percent(40)),
                card: dice.percent(80).then(|| dice.pick(&["c1", "c2"])),
            }
        })
        .collect()
}

/// What a declaration adds to operation and window, and what it means by the text above the table.
struct Form {
    more: &'static str,
    delay: i64,
    over: i64,
    counts: fn(&Sent, &Sent) -> bool,
    at_least: usize,
    needs_card: bool,
}

const FORMS: [Form; 5] = [
    Form { more: "", delay: 0, over: HOUR, counts: |_, _| true, at_least: 0, needs_card: false },
    Form {
        more: ", include_current: false, at_least: 2",
        delay: 0,
        over: HOUR,
        counts: |row, own| row.id != own.id,
        at_least: 2,
        needs_card: false,
    },
    Form {
        more: ", delay: 30m",
        delay: HOUR / 2,
        over: HOUR,
        counts: |_, _| true,
        at_least: 0,
        needs_card: false,
    },
    Form {
        more: ", where: not my.yes",
        delay: 0,
        over: HOUR,
        counts: |row, _| row.yes == Some(false),
        at_least: 0,
        needs_card: false,
    },
    Form {
        more: ", by: card",
        delay: 0,
        over: HOUR,
        counts: |row, own| row.card == own.card,
        at_least: 0,
        needs_card: true,
    },
];

/// The rows of an aggregate, oldest first; `before`: the log up to the event and with it.
fn rows<'s>(before: &'s [Sent], own: &Sent, form: &Form, field: Option<&str>) -> Vec<&'s Sent> {
    let to = own.at - form.delay;
    let mut rows: Vec<&Sent> = before
        .iter()
        .filter(|row| to - form.over < row.at && row.at <= to && !row.is_label)
        .filter(|row| (form.counts)(row, own) && field.is_none_or(|field| row.value(field).is_some()))
        .collect();
    rows.sort_by_key(|row| row.at);
    rows
}

/// The result as its cell says, in units of the field; `None` is missing.
fn by_hand(line: &Line, rows: &[&Sent], own: &Sent, field: &str, over: i64) -> Option<f64> {
    let unit = if field == "tx.amount" { 100.0 } else { 1e6 };
    let n = rows.len();
    let all: Vec<i64> = rows.iter().filter_map(|row| row.value(field)).collect();
    let newest: Vec<i64> = all[all.len().saturating_sub(128)..].to_vec();
    let mut sorted = newest.clone();
    sorted.sort_unstable();
    let total = |of: &[i64]| of.iter().sum::<i64>() as f64;
    let of_field = |minor: Option<i64>| minor.map(|minor| minor as f64 / unit);
    let zero = (n == 0).then_some(match line.without_rows {
        "0" => Some(0.0),
        "missing" => None,
        other => panic!("{other}"),
    });
    if let Some(without_rows) = zero {
        return without_rows;
    }
    match line.result {
        "*n*" => Some(n as f64),
        "*n* · 24 h / `over`" => Some(n as f64 * 24.0 / (over / HOUR) as f64),
        "the share of rows for which the condition is true" => {
            Some(rows.iter().filter(|row| row.yes == Some(true)).count() as f64 / n as f64)
        }
        "Σ *x*; missing if money exceeds 2⁵³ minor units" => Some(total(&all) / unit),
        "Σ *x* / *n*" => Some(total(&all) / n as f64 / unit),
        "the smallest *x*" => of_field(all.iter().min().copied()),
        "the largest *x*" => of_field(all.iter().max().copied()),
        "√(Σ (*x* − average)² / (*n* − 1)); missing below two rows" => {
            let average = total(&all) / n as f64;
            let squares: f64 = all.iter().map(|x| (*x as f64 - average).powi(2)).sum();
            (n >= 2).then(|| (squares / (n - 1) as f64).sqrt() / unit)
        }
        "the middle *x*, or the average of the middle two" => {
            let middle = sorted.len() / 2;
            let two = sorted.len().is_multiple_of(2);
            let (low, high) = (sorted[middle - usize::from(two)], sorted[middle]);
            Some((low + high) as f64 / 2.0 / unit)
        }
        "the average without ⌊*n* / 10⌋ values at each end" => {
            let cut = sorted.len() / 10;
            let kept = &sorted[cut..sorted.len() - cut];
            Some(total(kept) / kept.len() as f64 / unit)
        }
        "linear between the values around rank `q` · (*n* − 1)" => {
            // The rank in tenths: q is 30 %.
            let rank = 3 * (sorted.len() - 1);
            let (low, high) = (sorted[rank / 10] as f64, sorted[rank.div_ceil(10)] as f64);
            Some((low + (high - low) * (rank % 10) as f64 / 10.0) / unit)
        }
        "the share of *x* below the event's own; missing if it has none" => {
            let own = own.value(field)?;
            Some(newest.iter().filter(|x| **x < own).count() as f64 / newest.len() as f64)
        }
        "the number of different *x*, at most `max_distinct` (1,024)" => {
            Some(all.iter().collect::<BTreeSet<_>>().len().min(6) as f64)
        }
        "*x* of the newest row" => of_field(all.last().copied()),
        "*x* of the oldest row" => of_field(all.first().copied()),
        "*x* of the `n`-th newest row; 1 is the newest" => of_field(all.iter().rev().nth(2).copied()),
        other => panic!("no computation by hand of: {other}"),
    }
}

/// Every operation over money and over numbers in every form.
struct Case<'t> {
    line: &'t Line,
    field: &'static str,
    form: &'static Form,
}

fn cases(table: &[Line]) -> Vec<Case<'_>> {
    let fields =
        |line: &Line| if line.reads_a_field() { vec!["tx.amount", "my.number"] } else { vec!["tx.amount"] };
    let of_line = |line| {
        fields(line)
            .into_iter()
            .flat_map(move |field| FORMS.iter().map(move |form| Case { line, field, form }))
    };
    table.iter().flat_map(of_line).collect()
}

fn setup(cases: &[Case<'_>]) -> Setup {
    let declared = |(at, case): (usize, &Case<'_>)| {
        format!("  a{at}: {}\n", case.line.declared(case.field, case.form.more))
    };
    let aggregates: String = cases.iter().enumerate().map(declared).collect();
    let features: String = (0..cases.len()).map(|at| format!("  f{at}: a{at}\n")).collect();
    let pack = format!("version: 1\npack: p\nowner: a\naggregates:\n{aggregates}features:\n{features}");
    let fields =
        ["event.id", "event.type", "event.time", "account.id", "tx.amount", "my.number", "my.yes", "card.id"];
    Setup::new(SCHEMA, &pack, &fields, |name, field| {
        if name == "tx.amount" {
            field.money.amount = tripline_core::decode::AmountForm::Minor;
            field.money.currency = CurrencySource::Constant("EUR".into());
        }
    })
}

#[test]
fn every_line_of_the_table_is_what_is_computed() {
    let table = table();
    let cases = cases(&table);
    let setup = setup(&cases);
    let (mut compared, mut missing, mut late) = (0, 0, 0);
    for seed in 0..STREAMS {
        let mut dice = Dice::new(seed);
        // A stream in twenty has more rows in a window than an order statistic reads.
        let sent = stream(&mut dice, if seed % 20 == 0 { 300 } else { 40 });
        let records: Vec<Record> = sent.iter().map(|event| (event.at + 2 * HOUR, event.json())).collect();
        let found = setup.run(&records, 0, Way::Live);
        assert!(found.reasons.is_empty(), "{:?}", found.reasons);
        for (number, own) in sent.iter().enumerate() {
            late += u64::from(sent[..number].iter().any(|row| row.at > own.at));
            let Some(figures) = found.features.get(&format!("e{}", own.id)) else { continue };
            for (case, figure) in cases.iter().zip(figures) {
                let Case { line, field, form } = case;
                let value = line.reads_a_field().then_some(*field);
                let rows = rows(&sent[..=number], own, form, value);
                let has_rows = rows.len() >= form.at_least && (!form.needs_card || own.card.is_some());
                let expected = has_rows.then(|| by_hand(line, &rows, own, field, form.over)).flatten();
                let same = match expected {
                    None => figure.is_nan(),
                    Some(expected) => (figure - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                };
                let declared = line.declared(field, form.more);
                assert!(same, "stream {seed}, e{}: {declared} is {figure}, by hand {expected:?}", own.id);
                (compared, missing) = (compared + 1, missing + u64::from(expected.is_none()));
            }
        }
    }
    println!("{} aggregates, {compared} figures, {missing} of them missing, {late} late events", cases.len());
    assert!(missing > compared / 20 && late > 300);
}

/// One purchase of an account.
fn paid(id: u64, account: &str, at: i64, minor: i64) -> Record {
    let sent = Sent { id, at, is_label: false, amount: Some(minor), number: None, yes: None, card: None };
    (at, sent.json().replace(r#""account_id":"A""#, &format!(r#""account_id":"{account}""#)))
}

fn figures(aggregate: &str, records: &[Record]) -> Vec<f64> {
    let pack = format!("version: 1\npack: p\nowner: a\naggregates:\n  a: {aggregate}\nfeatures: {{f: a}}\n");
    let fields = ["event.id", "event.type", "event.time", "account.id", "tx.amount"];
    let setup = Setup::new(SCHEMA, &pack, &fields, |_, field| {
        field.money.amount = tripline_core::decode::AmountForm::Minor;
    });
    let found = setup.run(records, 0, Way::Live);
    (0..records.len()).map(|id| found.features[&format!("e{id}")][0]).collect()
}

#[test]
fn a_sum_of_money_beyond_what_a_double_holds_is_missing_and_distinct_stops_at_its_limit() {
    const MOST: i64 = 1_000_000_000_000_000;
    let records: Vec<Record> = (0..11).map(|id| paid(id, "A", NOON + id.cast_signed(), MOST)).collect();
    let sums = figures("{sum: tx.amount, over: 1h}", &records);
    assert_eq!(sums[8], 9.0 * 1e13);
    assert!(sums[9].is_nan() && sums[10].is_nan(), "10^16 minor units are above 2^53");
    let records: Vec<Record> =
        (0..1_030).map(|id| paid(id, "A", NOON + id.cast_signed(), 1 + id.cast_signed())).collect();
    let distinct = figures("{distinct: tx.amount, over: 1h}", &records);
    assert_eq!((distinct[1_022], distinct[1_023], distinct[1_029]), (1_023.0, 1_024.0, 1_024.0));
}

#[test]
fn a_rank_among_all_accounts_counts_whole_days_and_bins_and_not_the_event_itself() {
    const MIDNIGHT: i64 = NOON + 12 * HOUR;
    let records = [
        paid(0, "A", NOON, 10_000),
        paid(1, "B", NOON + 1, 20_000),
        paid(2, "C", NOON + 2, 30_000),
        paid(3, "A", NOON + 3, 25_000),
        // Less than 1 % apart may be equal, more never is.
        paid(4, "A", NOON + 4, 25_600),
        // The last millisecond of the day, and the first of the next.
        paid(5, "B", MIDNIGHT - 1, 90_000),
        paid(6, "B", MIDNIGHT, 90_000),
        paid(7, "C", MIDNIGHT + 1, 95_000),
    ];
    let ranks = figures("{rank: tx.amount, by: all, over: 1d}", &records);
    assert!(ranks[0].is_nan(), "nothing before it");
    assert_eq!(ranks[1..6], [1.0, 1.0, 2.0 / 3.0, 3.0 / 4.0, 1.0]);
    assert!(ranks[6].is_nan(), "a new day");
    assert_eq!(ranks[7], 1.0);
    let two_days = figures("{rank: tx.amount, by: all, over: 2d}", &records);
    assert_eq!(two_days[6..], [5.0 / 6.0, 1.0]);
}
