//! The evaluator against an independent one: a walk over a tree that also prints itself as an expression.
//!
//! It does not depend on the compiled form. Conditions and events are random, and values are often missing.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use tripline_rules::aggregate::FactSet;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::money::Currency;
use tripline_rules::program::Fired;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{ACCOUNT_CURRENCY, EVENT_TYPE, Schema, TX_AMOUNT, TX_CURRENCY};
use tripline_rules::value::{NoTexts, Registers, Slot, TextKey};

const SCHEMA: &str = "version: 1
fields:
  my.n0: number
  my.n1: number
  my.n2: number
  my.b0: yes/no
  my.b1: yes/no
  my.b2: yes/no
  my.t0: text
  my.t1: text
  my.c0: one of red|green|blue
  my.fee: money in account.currency
";

/// A number.
#[derive(Clone, Debug)]
enum Number {
    Field(usize),
    /// What one of the pack's aggregates comes to.
    Fact(usize),
    /// Hundredths, so that texts are exact.
    Literal(i32),
    Add(Box<Number>, Box<Number>),
    Sub(Box<Number>, Box<Number>),
    Mul(Box<Number>, Box<Number>),
    Div(Box<Number>, Box<Number>),
    Negative(Box<Number>),
    Abs(Box<Number>),
    Min(Box<Number>, Box<Number>),
    Coalesce(Box<Number>, Box<Number>),
    /// Amount over fee.
    Share,
}

/// A condition.
#[derive(Clone, Debug)]
enum Condition {
    Field(usize),
    Literal(bool),
    Compare(usize, Number, Number),
    /// Of `tx.amount` with so many hundredths of a major unit.
    Money(usize, i32),
    /// `tx.amount` with `my.fee` times a number.
    Fee(usize, Number),
    Text(usize, bool, usize),
    Colour(bool, usize),
    ColourIn(bool, Vec<usize>),
    Texts,
    Type(bool, usize),
    Between(Number, Number, Number),
    Missing(bool, Number),
    MissingFlag(bool, usize),
    In(Number, Vec<i32>),
    Multiple(Number, i32),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Coalesce(usize, Box<Condition>),
}

const SIGNS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
const WORDS: [&str; 3] = ["x", "Zürich", "a b"];
const COLOURS: [&str; 3] = ["red", "green", "blue"];
const TYPES: [&str; 3] = ["purchase", "p2p", "label"];
const CURRENCIES: [&str; 3] = ["USD", "JPY", "KWD"];

/// Aggregates of every pack: their values are what an event says they are, once they are asked for.
const FACTS: [&str; 4] = ["10m", "1h", "6h", "24h"];

#[derive(Clone, Debug)]
struct Event {
    numbers: [Option<i32>; 3],
    facts: [Option<i32>; FACTS.len()],
    flags: [Option<bool>; 3],
    texts: [Option<usize>; 2],
    colour: Option<usize>,
    amount: Option<i64>,
    fee: Option<i64>,
    currency: Option<usize>,
    account_currency: Option<usize>,
    kind: usize,
}

fn literal(hundredths: i32) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100)
}

impl Number {
    fn text(&self) -> String {
        match self {
            Number::Field(at) => format!("my.n{at}"),
            Number::Fact(at) => format!("a{at}"),
            Number::Literal(hundredths) => literal(*hundredths),
            Number::Add(a, b) => format!("({} + {})", a.text(), b.text()),
            Number::Sub(a, b) => format!("({} - {})", a.text(), b.text()),
            Number::Mul(a, b) => format!("({} * {})", a.text(), b.text()),
            Number::Div(a, b) => format!("({} / {})", a.text(), b.text()),
            Number::Negative(a) => format!("-({})", a.text()),
            Number::Abs(a) => format!("abs({})", a.text()),
            Number::Min(a, b) => format!("min({}, {})", a.text(), b.text()),
            Number::Coalesce(a, b) => format!("coalesce({}, {})", a.text(), b.text()),
            Number::Share => "(tx.amount / my.fee)".to_owned(),
        }
    }

    /// Digits and how many of them stand after the point, of sums, differences and products of literals: the
    /// language promises that these lose no digit while the digits fit 64 bits and 22 stand after the point.
    fn exact(&self) -> Option<(i64, u32)> {
        let sum = |a: &Number, b: &Number, sign: i64| {
            let ((a, places), (b, others)) = (a.exact()?, b.exact()?);
            let most = places.max(others);
            let aligned = |digits: i64, held: u32| digits.checked_mul(10i64.checked_pow(most - held)?);
            Some((aligned(a, places)?.checked_add(aligned(b, others)?.checked_mul(sign)?)?, most))
        };
        match self {
            Number::Literal(hundredths) => {
                let shortest = |by: i32| (hundredths % by == 0).then(|| i64::from(hundredths / by));
                [(100, 0), (10, 1), (1, 2)].into_iter().find_map(|(by, places)| Some((shortest(by)?, places)))
            }
            Number::Add(a, b) => sum(a, b, 1),
            Number::Sub(a, b) => sum(a, b, -1),
            Number::Mul(a, b) => {
                let ((a, places), (b, others)) = (a.exact()?, b.exact()?);
                Some((a.checked_mul(b)?, places + others)).filter(|(_, places)| *places <= 22)
            }
            Number::Negative(a) => a.exact().map(|(digits, places)| (-digits, places)),
            _ => None,
        }
    }

    fn value(&self, event: &Event) -> Option<f64> {
        if let Some((digits, places)) = self.exact() {
            return Some(whole(digits) / f64::powi(10.0, i32::try_from(places).expect("places are few")));
        }
        let both = |a: &Number, b: &Number| Some((a.value(event)?, b.value(event)?));
        let result = match self {
            Number::Field(at) => f64::from(event.numbers[*at]?),
            Number::Fact(at) => f64::from(event.facts[*at]?),
            Number::Literal(hundredths) => f64::from(*hundredths) / 100.0,
            Number::Add(a, b) => both(a, b).map(|(a, b)| a + b)?,
            Number::Sub(a, b) => both(a, b).map(|(a, b)| a - b)?,
            Number::Mul(a, b) => both(a, b).map(|(a, b)| a * b)?,
            Number::Div(a, b) => both(a, b).map(|(a, b)| a / b)?,
            Number::Negative(a) => -a.value(event)?,
            Number::Abs(a) => a.value(event)?.abs(),
            Number::Min(a, b) => both(a, b).map(|(a, b)| if b < a { b } else { a })?,
            Number::Coalesce(a, b) => a.value(event).or_else(|| b.value(event))?,
            Number::Share => whole(event.amount?) / whole(event.fee?),
        };
        result.is_finite().then_some(result)
    }
}

#[expect(clippy::cast_precision_loss, reason = "rounded once, as any literal is")]
fn whole(number: i64) -> f64 {
    number as f64
}

fn compares(sign: usize, a: f64, b: f64) -> bool {
    [a == b, a != b, a < b, a <= b, a > b, a >= b][sign]
}

impl Condition {
    fn text(&self) -> String {
        let not = |not: &bool| if *not { "not " } else { "" };
        let equals = |not: &bool| if *not { "!=" } else { "==" };
        match self {
            Condition::Field(at) => format!("my.b{at}"),
            Condition::Literal(truth) => truth.to_string(),
            Condition::Compare(sign, a, b) => format!("({} {} {})", a.text(), SIGNS[*sign], b.text()),
            Condition::Money(sign, amount) => format!("(tx.amount {} {})", SIGNS[*sign], literal(*amount)),
            Condition::Fee(sign, n) => format!("(tx.amount {} my.fee * {})", SIGNS[*sign], n.text()),
            Condition::Text(at, not, word) => format!("(my.t{at} {} '{}')", equals(not), WORDS[*word]),
            Condition::Colour(not, colour) => format!("(my.c0 {} \"{}\")", equals(not), COLOURS[*colour]),
            Condition::ColourIn(n, colours) => {
                let colours: Vec<String> = colours.iter().map(|at| format!("'{}'", COLOURS[*at])).collect();
                format!("(my.c0 {}in [{}])", not(n), colours.join(", "))
            }
            Condition::Texts => "my.t0 == my.t1".to_owned(),
            Condition::Type(not, kind) => format!("(event.type {} '{}')", equals(not), TYPES[*kind]),
            Condition::Between(x, a, b) => format!("({} between {} and {})", x.text(), a.text(), b.text()),
            Condition::Missing(n, x) => format!("({} is {}missing)", x.text(), not(n)),
            Condition::MissingFlag(n, at) => format!("(my.b{at} is {}missing)", not(n)),
            Condition::In(x, list) => {
                let list: Vec<String> = list.iter().map(|number| literal(*number)).collect();
                format!("({} in [{}])", x.text(), list.join(", "))
            }
            Condition::Multiple(x, of) => format!("is_multiple_of({}, {of})", x.text()),
            Condition::Not(a) => format!("(not {})", a.text()),
            Condition::And(a, b) => format!("({} and {})", a.text(), b.text()),
            Condition::Or(a, b) => format!("({} or {})", a.text(), b.text()),
            Condition::Coalesce(at, b) => format!("coalesce(my.b{at}, {})", b.text()),
        }
    }

    fn holds(&self, event: &Event) -> Option<bool> {
        Some(match self {
            Condition::Field(at) => event.flags[*at]?,
            Condition::Literal(truth) => *truth,
            Condition::Compare(sign, a, b) => compares(*sign, a.value(event)?, b.value(event)?),
            Condition::Money(sign, amount) => {
                let currency = event.account_currency;
                let minor_of_a_hundredth = [1.0, 0.01, 10.0][currency.unwrap_or(0)];
                // Hundredths of a yen are no whole number: scale both sides to hundredths instead.
                let amount = f64::from(*amount);
                match minor_of_a_hundredth {
                    0.01 => compares(*sign, whole(event.amount?) * 100.0, amount),
                    factor => compares(*sign, whole(event.amount?), amount * factor),
                }
            }
            Condition::Fee(sign, n) => {
                compares(*sign, whole(event.amount?), whole(event.fee?) * n.value(event)?)
            }
            Condition::Text(at, not, word) => (event.texts[*at]? == *word) != *not,
            Condition::Colour(not, colour) => (event.colour? == *colour) != *not,
            Condition::ColourIn(not, colours) => colours.contains(&event.colour?) != *not,
            Condition::Texts => event.texts[0]? == event.texts[1]?,
            Condition::Type(not, kind) => (event.kind == *kind) != *not,
            Condition::Between(x, a, b) => {
                let x = x.value(event);
                let above = x.zip(a.value(event)).map(|(x, a)| x >= a);
                let below = x.zip(b.value(event)).map(|(x, b)| x <= b);
                return kleene_and(above, below);
            }
            Condition::Missing(not, x) => x.value(event).is_none() != *not,
            Condition::MissingFlag(not, at) => event.flags[*at].is_none() != *not,
            Condition::In(x, list) => {
                let x = x.value(event)?;
                list.iter().any(|number| f64::from(*number) / 100.0 == x)
            }
            Condition::Multiple(x, of) => x.value(event)? % f64::from(*of) == 0.0,
            Condition::Not(a) => !a.holds(event)?,
            Condition::And(a, b) => return kleene_and(a.holds(event), b.holds(event)),
            Condition::Or(a, b) => {
                let opposite = |truth: Option<bool>| truth.map(|truth| !truth);
                return opposite(kleene_and(opposite(a.holds(event)), opposite(b.holds(event))));
            }
            Condition::Coalesce(at, b) => event.flags[*at].or_else(|| b.holds(event))?,
        })
    }
}

fn kleene_and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    if a == Some(false) || b == Some(false) { Some(false) } else { a.zip(b).map(|(a, b)| a && b) }
}

fn numbers() -> impl Strategy<Value = Number> {
    let leaf = prop_oneof![
        3 => (0usize..3).prop_map(Number::Field),
        3 => (0..FACTS.len()).prop_map(Number::Fact),
        2 => (-300i32..500).prop_map(Number::Literal),
        1 => (0i32..4).prop_map(|whole| Number::Literal(whole * 100)),
        1 => Just(Number::Share),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let two = (inner.clone(), inner.clone()).prop_map(|(a, b)| (Box::new(a), Box::new(b)));
        prop_oneof![
            two.clone().prop_map(|(a, b)| Number::Add(a, b)),
            two.clone().prop_map(|(a, b)| Number::Sub(a, b)),
            two.clone().prop_map(|(a, b)| Number::Mul(a, b)),
            two.clone().prop_map(|(a, b)| Number::Div(a, b)),
            two.clone().prop_map(|(a, b)| Number::Min(a, b)),
            two.prop_map(|(a, b)| Number::Coalesce(a, b)),
            inner.clone().prop_map(|a| Number::Negative(Box::new(a))),
            inner.prop_map(|a| Number::Abs(Box::new(a))),
        ]
    })
}

fn conditions() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        3 => (0usize..3).prop_map(Condition::Field),
        1 => any::<bool>().prop_map(Condition::Literal),
        3 => (0usize..6, numbers(), numbers()).prop_map(|(sign, a, b)| Condition::Compare(sign, a, b)),
        2 => (0usize..6, -100i32..400).prop_map(|(sign, amount)| Condition::Money(sign, amount)),
        1 => (0usize..6, numbers()).prop_map(|(sign, n)| Condition::Fee(sign, n)),
        2 => (0usize..2, any::<bool>(), 0usize..3).prop_map(|(at, not, word)| Condition::Text(at, not, word)),
        1 => (any::<bool>(), 0usize..3).prop_map(|(not, colour)| Condition::Colour(not, colour)),
        1 => (any::<bool>(), prop::collection::vec(0usize..3, 1..3))
            .prop_map(|(not, colours)| Condition::ColourIn(not, colours)),
        1 => Just(Condition::Texts),
        2 => (any::<bool>(), 0usize..3).prop_map(|(not, kind)| Condition::Type(not, kind)),
        1 => (numbers(), numbers(), numbers()).prop_map(|(x, a, b)| Condition::Between(x, a, b)),
        1 => (any::<bool>(), numbers()).prop_map(|(not, x)| Condition::Missing(not, x)),
        1 => (any::<bool>(), 0usize..3).prop_map(|(not, at)| Condition::MissingFlag(not, at)),
        1 => (numbers(), prop::collection::vec((-2i32..4).prop_map(|n| n * 100), 1..4))
            .prop_map(|(x, list)| Condition::In(x, list)),
        1 => (numbers(), 1i32..4).prop_map(|(x, of)| Condition::Multiple(x, of)),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let two = (inner.clone(), inner.clone()).prop_map(|(a, b)| (Box::new(a), Box::new(b)));
        prop_oneof![
            two.clone().prop_map(|(a, b)| Condition::And(a, b)),
            two.prop_map(|(a, b)| Condition::Or(a, b)),
            inner.clone().prop_map(|a| Condition::Not(Box::new(a))),
            (0usize..3, inner).prop_map(|(at, b)| Condition::Coalesce(at, Box::new(b))),
        ]
    })
}

fn events() -> impl Strategy<Value = Event> {
    let number = || prop::option::weighted(0.7, -2i32..4);
    let flag = || prop::option::weighted(0.7, any::<bool>());
    let money = || prop::option::weighted(0.8, prop_oneof![-100i64..400, Just(0), Just(100), Just(3000)]);
    let some = |most: usize| prop::option::weighted(0.7, 0..most);
    (
        ([number(), number(), number()], [number(), number(), number(), number()]),
        [flag(), flag(), flag()],
        [some(3), some(3)],
        (some(3), money(), money(), some(3), some(3), 0usize..3),
    )
        .prop_map(
            |((numbers, facts), flags, texts, (colour, amount, fee, currency, account_currency, kind))| {
                Event { numbers, facts, flags, texts, colour, amount, fee, currency, account_currency, kind }
            },
        )
}

fn registers(event: &Event, schema: &Schema, count: usize) -> Registers {
    let mut registers = Registers::new(count);
    let slot = |name: &str| schema.slot(name).unwrap_or(Slot(0));
    let key = TextKey::default();
    for at in 0..3 {
        if let Some(number) = event.numbers[at] {
            registers.set_number(slot(&format!("my.n{at}")), f64::from(number));
        }
        registers.put(slot(&format!("my.b{at}")), event.flags[at].map(u64::from));
    }
    for at in 0..2 {
        registers
            .put(slot(&format!("my.t{at}")), event.texts[at].map(|word| key.text(WORDS[word].as_bytes())));
    }
    registers.put(slot("my.c0"), event.colour.map(|at| u64::try_from(at).unwrap_or(0)));
    for (slot, value) in [(TX_AMOUNT, event.amount), (slot("my.fee"), event.fee)] {
        if let Some(minor) = value {
            registers.set_number(slot, whole(minor));
        }
    }
    let number = |at: usize| Currency::by_code(CURRENCIES[at]).map(|currency| u64::from(currency.number()));
    registers.put(TX_CURRENCY, event.currency.and_then(number));
    registers.put(ACCOUNT_CURRENCY, event.account_currency.and_then(number));
    registers.put(EVENT_TYPE, schema.event_types().code(TYPES[event.kind]).map(u64::from));
    registers
}

/// A pack whose features and rules are these conditions.
fn pack(conditions: &[Condition]) -> String {
    let mut pack = "version: 1\naggregates:\n".to_owned();
    for (at, over) in FACTS.iter().enumerate() {
        pack.push_str(&format!("  a{at}: {{count: events, by: account, over: {over}}}\n"));
    }
    pack.push_str("features:\n");
    for (at, condition) in conditions.iter().enumerate() {
        pack.push_str(&format!("  f{at}: \"{}\"\n", condition.text().replace('"', "\\\"")));
    }
    pack.push_str("rules:\n");
    for (at, condition) in conditions.iter().enumerate() {
        pack.push_str(&format!("  - id: R{at}\n    when: >-\n      {}\n", condition.text()));
    }
    pack
}

#[test]
fn ten_thousand_random_packs_are_judged_as_a_tree_walk_judges_them() {
    let (schema, problems) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let schema = schema.unwrap_or_else(|| panic!("{}", problems.render(Paint::Plain)));
    let list = |_: &str| Err(String::new());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    let (held, failed, unknown, constant) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
    let cases = (prop::collection::vec(conditions(), 3), prop::collection::vec(events(), 4));
    let mut runner =
        TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
    let result = runner.run(&cases, |(conditions, events)| {
        let (ruleset, problems) =
            Ruleset::compile(&[File::new("p.yaml", pack(&conditions))], &schema, &options);
        let Some(ruleset) = ruleset else {
            // A condition that never changes is refused; nothing else may be wrong.
            let only = problems
                .list()
                .iter()
                .all(|problem| problem.code.0 == "E310" || problem.code.0.starts_with('W'));
            prop_assert!(only, "{}", problems.render(Paint::Plain));
            constant.set(constant.get() + 1);
            return Ok(());
        };
        for event in &events {
            let mut registers = registers(event, &schema, ruleset.registers());
            let mut fired = Fired::default();
            let code = schema.event_types().code(TYPES[event.kind]).unwrap_or(0);
            let program = &ruleset.programs()[0];
            let compute = |asked: &FactSet, registers: &mut Registers| {
                let plan = program.plan().aggregates.iter().enumerate();
                for (_, aggregate) in plan.filter(|(index, _)| asked.has(*index)) {
                    let at = (0..FACTS.len()).find(|at| aggregate.name == format!("a{at}"));
                    let value = event.facts[at.unwrap_or(usize::MAX)];
                    registers.put(aggregate.slot, value.map(|value| f64::from(value).to_bits()));
                }
            };
            program.tags(&mut registers);
            program.demand(code, &mut registers, &FactSet::default(), compute);
            program.judge(code, &mut registers, &NoTexts, &mut fired, &mut ());
            compute(&ruleset.feature_demand(0), &mut registers);
            let mut row = [0.0; 3];
            ruleset.features_row(&mut registers, &NoTexts, &mut row);
            for (at, condition) in conditions.iter().enumerate() {
                let wanted = condition.holds(event);
                let got = (fired.rules.contains(&at), fired.unknown.contains(&at));
                let text = condition.text();
                prop_assert_eq!(got, (wanted == Some(true), wanted.is_none()), "{} on {:?}", text, event);
                let feature = (!row[at].is_nan()).then_some(row[at] == 1.0);
                prop_assert_eq!(feature, wanted, "feature {} on {:?}", text, event);
                let count = match wanted {
                    Some(true) => &held,
                    Some(false) => &failed,
                    None => &unknown,
                };
                count.set(count.get() + 1);
            }
        }
        Ok(())
    });
    println!(
        "held {}, failed {}, unknown {}; packs refused as constant {}",
        held.get(),
        failed.get(),
        unknown.get(),
        constant.get()
    );
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(held.get() > 10_000 && failed.get() > 10_000 && unknown.get() > 10_000);
    assert!(constant.get() < 5_000, "most packs must be judged");
}
