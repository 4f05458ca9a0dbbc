//! Findings that a condition, or a part of one, never or always holds: they are true of every event that is tried.
//!
//! Conditions are random, over a few fields, functions and facts. Each finding marks a text, which is evaluated by
//! itself as a feature. The evaluator is checked against an independent one in `oracle`.

use std::fmt::Write as _;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{Diagnostics, File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{EVENT_TIME, EVENT_TYPE, Schema};
use tripline_rules::value::{NoTexts, Registers, TextKey};

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase|login|transfer
  my.n: number
  my.k: number
  my.m: money in EUR
  my.b: yes/no
  my.c: one of red|green|blue
  my.t: text
";
const HEAD: &str = "version: 1
params:
  p: {default: 5, min: 0, max: 10}
  fixed: {default: 3}
aggregates:
  uses: {count: events, over: 1d}
  part: {ratio: event.type == 'login', over: 1d}
";
/// Numbers in conditions, and their neighbours in events.
const NUMBERS: [&str; 10] = ["-1", "0", "0.5", "1", "2", "5", "7.5", "23", "24", "50"];

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % count
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// A number: a field, a fact, a function or arithmetic over them.
    fn number(&mut self, depth: usize) -> String {
        let simple = [
            "my.n",
            "my.n",
            "my.k",
            "uses",
            "part",
            "local_hour('UTC')",
            "local_weekday('UTC')",
            "coalesce(my.n, 2)",
            "coverage(uses)",
            "abs(my.k)",
        ];
        match self.below(if depth == 0 { 8 } else { 12 }) {
            0..8 => self.of(&simple).to_owned(),
            8 => format!("({} {} {})", self.number(0), self.of(&["+", "-", "*", "/"]), self.operand()),
            9 => format!("min({}, {})", self.number(0), self.operand()),
            10 => format!("ratio({}, {})", self.number(0), self.operand()),
            _ => format!("-{}", self.of(&simple[..4])),
        }
    }

    fn operand(&mut self) -> String {
        match self.below(8) {
            0 => "$p".to_owned(),
            1 => "$fixed".to_owned(),
            2 => self.number(1),
            _ => self.of(&NUMBERS).to_owned(),
        }
    }

    fn comparison(&mut self) -> String {
        let sign = |random: &mut Random| random.of(&["==", "!=", "<", "<=", ">", ">="]);
        match self.below(14) {
            0..5 => format!("{} {} {}", self.number(1), sign(self), self.operand()),
            5 => format!("{} {} {}", self.of(&NUMBERS), sign(self), self.number(0)),
            6 => format!("{} between {} and {}", self.number(1), self.operand(), self.operand()),
            7 => format!("{} in [{}, {}]", self.number(0), self.of(&NUMBERS), self.of(&NUMBERS)),
            8 => format!("my.m {} {}", sign(self), self.of(&NUMBERS)),
            9 => format!("my.c {} '{}'", self.of(&["==", "!="]), self.of(&["red", "green", "blue"])),
            10 => format!("my.c {} ['red', 'blue']", self.of(&["in", "not in"])),
            11 => format!("my.t {} '{}'", self.of(&["==", "!="]), self.of(&["a", "b"])),
            12 => format!("event.type == '{}'", self.of(&["purchase", "login"])),
            _ => self
                .of(&["my.b", "my.b == true", "my.n is missing", "my.k is not missing", "my.b is missing"])
                .to_owned(),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 1 } else { 7 }) {
            0 => self.comparison(),
            1..4 => format!("({} and {})", self.condition(depth - 1), self.condition(depth - 1)),
            4 | 5 => format!("({} or {})", self.condition(depth - 1), self.condition(depth - 1)),
            _ => format!("not ({})", self.condition(depth - 1)),
        }
    }

    /// An event: values at and around the numbers of conditions, some of them missing.
    fn event(&mut self, schema: &Schema, ruleset: &Ruleset) -> Registers {
        let mut registers = Registers::new(ruleset.registers());
        let code = schema.event_types().code(self.of(&["purchase", "login", "transfer"])).expect("a type");
        registers.set(EVENT_TYPE, u64::from(code));
        let hours = i32::try_from(self.below(24 * 14)).expect("small");
        registers.set_number(EVENT_TIME, 1_772_000_000_000.0 + f64::from(hours) * 3_600_000.0);
        let key = TextKey::default();
        let text = key.text(self.of(&["a", "b", "c"]).as_bytes());
        let words = [("my.b", self.below(2) as u64), ("my.c", self.below(3) as u64), ("my.t", text)];
        for (name, word) in words.into_iter().filter(|_| self.below(8) > 0) {
            registers.set(schema.slot(name).expect("a field"), word);
        }
        for (name, scale) in [("my.n", 1.0), ("my.k", 1.0), ("my.m", 100.0)] {
            if self.below(8) > 0 {
                let near = [0.0, 0.0, 0.01, -0.01, 0.5, 1.0, -1.0][self.below(7)];
                let number = self.of(&NUMBERS).parse::<f64>().expect("a number") + near;
                registers.set_number(
                    schema.slot(name).expect("a field"),
                    if scale > 1.0 { (number * scale).round() } else { number },
                );
            }
        }
        let plan = ruleset.programs()[0].plan();
        for aggregate in &plan.aggregates {
            let value = match aggregate.name.as_str() {
                "uses" => f64::from(u8::try_from(self.below(30)).expect("small")),
                _ => [0.0, 0.25, 0.5, 0.9, 1.0][self.below(5)],
            };
            if self.below(8) > 0 {
                registers.set_number(aggregate.slot, value);
            }
        }
        for coverage in &plan.coverages {
            registers.set_number(coverage.slot, [0.0, 0.5, 1.0][self.below(3)]);
        }
        registers
    }
}

fn compile(pack: &str, schema: &Schema) -> (Option<Ruleset>, Diagnostics) {
    let no_list = |_: &str| Err(String::new());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &no_list };
    Ruleset::compile(&[File::new("p.yaml", pack)], schema, &options)
}

/// What a finding claims of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Claim {
    /// Of the whole condition, for the rule's event types.
    RuleNever,
    Never,
    Always,
}

fn claims(pack: &str, condition: &str, schema: &Schema) -> Vec<(Claim, String)> {
    let (_, problems) = compile(pack, schema);
    let mut claims = Vec::new();
    for problem in problems.list() {
        let text = pack[problem.span.start..problem.span.end].to_owned();
        match problem.code.0 {
            "E310" if problem.message.contains("always true") => {}
            "E310" => claims.push((Claim::RuleNever, condition.to_owned())),
            "W503" => claims.push((Claim::Never, text)),
            "W504" => claims.push((Claim::Always, text)),
            _ => assert!(problem.code.0.starts_with('W'), "{}", problems.render(Paint::Plain)),
        }
    }
    claims
}

#[test]
fn what_is_said_of_a_condition_is_true_of_every_event() {
    let conditions: u32 = match std::env::var("TRIPLINE_CONDITIONS") {
        Ok(text) => text.parse().expect("TRIPLINE_CONDITIONS is a number"),
        Err(_) if cfg!(debug_assertions) => 10_000,
        Err(_) => 50_000,
    };
    let (schema, problems) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let schema = schema.unwrap_or_else(|| panic!("{}", problems.render(Paint::Plain)));
    let mut random = Random(0x7072_6976_6174_6521);
    let mut counts = [0u64; 3];
    for _ in 0..conditions {
        let condition = random.condition(3);
        let pack = format!(
            "{HEAD}rules:\n  - id: R\n    event: purchase\n    action: alert\n    when: \"{condition}\"\n"
        );
        let claims = claims(&pack, &condition, &schema);
        if claims.is_empty() {
            continue;
        }
        let mut features = format!("{HEAD}features:\n");
        for (at, (claim, text)) in claims.iter().enumerate() {
            counts[*claim as usize] += 1;
            writeln!(features, "  f{at}: \"{text}\"").unwrap();
        }
        let (ruleset, problems) = compile(&features, &schema);
        let ruleset = ruleset.unwrap_or_else(|| panic!("{features}{}", problems.render(Paint::Plain)));
        let purchase = schema.event_types().code("purchase").map(u64::from);
        for _ in 0..300 {
            let mut registers = random.event(&schema, &ruleset);
            let of_rule = registers.get(EVENT_TYPE) == purchase;
            let mut row = vec![0.0; claims.len()];
            ruleset.features_row(&mut registers, &NoTexts, &mut row);
            for (held, (claim, text)) in row.into_iter().zip(&claims) {
                let refuted = match claim {
                    Claim::RuleNever => of_rule && held == 1.0,
                    Claim::Never => held == 1.0,
                    Claim::Always => held == 0.0,
                };
                assert!(!refuted, "{claim:?}: {text}\nin {condition}\nfor {registers:?}");
            }
        }
    }
    let [rules, never, always] = counts;
    println!("{conditions} conditions: {rules} rules and {never} parts never hold, {always} parts always");
    let least = u64::from(conditions / 100);
    assert!(rules > least && never > least && always > least, "the interesting cases occur");
}
