//! Arbitrary and damaged files: errors are reported and nothing panics.

use proptest::prelude::*;
use std::time::Instant;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{Diagnostics, File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;
use tripline_rules::yaml;

const SCHEMA: &str = include_str!("golden/schema.yaml");
const PACK: &str = include_str!("golden/broken/pack.yaml");
const FINE: &str = "version: 1
params: {p: {default: 5%, min: 1%}}
terms: {t: \"tx.channel in ['ecom', \\\"pos\\\"] and not tx.declined\"}
aggregates:
  a: {count: events, by: card, over: 10m, where: t}
features: {f: a * $p}
rules:
  - id: R
    when: >
      a > 3 and (tx.amount between 1 and 2.50
      or 'it''s' == merchant.id)
    reason: 'ü {a} of {tx.amount | money}'
    action: {do: block, target: card, for: 1h}
";

/// Pieces of text that cause errors in the wrong place.
const SHARDS: [&str; 24] = [
    "&a ", "*a", "!!str ", "<<: ", "|\n", ">-\n  ", "\"", "'", "{", "}", "[", "]", "\\u00e9", "\\x4", "\\",
    "é", "\u{feff}", "\t", "\r\n", "\n\n", ": ", "- ", "#", "\0",
];

fn survives(schema: &str, pack: &str) {
    let (loaded, problems) = Schema::load(&File::new("schema.yaml", schema));
    let shown = problems.render(Paint::Plain) + &problems.json();
    assert_eq!(loaded.is_none(), problems.errors() > 0, "{shown}");
    let (fallback, _) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let Some(schema) = loaded.or(fallback) else { panic!("the schema loads") };
    let list = |_: &str| Ok("code\nx\n".to_owned());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    let (ruleset, problems) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
    let shown = problems.render(Paint::Plain)
        + &problems.render(Paint::Colour)
        + &problems.json()
        + &problems.summary();
    assert_eq!(ruleset.is_none(), problems.errors() > 0, "{shown}");
}

/// Cuts, repetitions and inserted pieces at random places.
fn mangled(text: &str, cuts: &[(usize, usize, usize, u8)]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (at, length, shard, what) in cuts {
        let at = at % (text.len() + 1);
        let end = (at + length).min(text.len());
        match what % 3 {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, SHARDS[shard % SHARDS.len()].chars())),
            _ => {
                let piece: Vec<char> = text[at..end].to_vec();
                drop(text.splice(at..at, piece));
            }
        }
    }
    text.into_iter().collect()
}

/// Sixteen times the keys take about sixteen times as long, not 256 times.
#[test]
fn many_keys_take_linear_time() {
    let seconds = |keys: usize| {
        let text: String = (0..keys).map(|key| format!("key_{key}: 1\n")).collect();
        let once = || {
            let mut problems = Diagnostics::new(&[File::new("pack.yaml", text.as_str())]);
            let began = Instant::now();
            assert!(yaml::parse(0, &mut problems).is_some() && problems.list().is_empty());
            began.elapsed().as_secs_f64()
        };
        (0..3).map(|_| once()).fold(f64::INFINITY, f64::min)
    };
    let (few, many) = (seconds(2_500), seconds(40_000));
    assert!(many < 80.0 * few, "2,500 keys take {few} s, 40,000 take {many} s");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mangled_files_give_errors_and_no_panic(
        cuts in prop::collection::vec((any::<usize>(), 0usize..40, any::<usize>(), any::<u8>()), 1..6),
        which in 0usize..3,
    ) {
        match which {
            0 => survives(&mangled(SCHEMA, &cuts), FINE),
            1 => survives(SCHEMA, &mangled(PACK, &cuts)),
            _ => survives(SCHEMA, &mangled(FINE, &cuts)),
        }
    }

    #[test]
    fn any_text_in_a_condition_gives_errors_and_no_panic(condition in "\\PC{0,60}", style in 0usize..5) {
        let quoted = condition.replace('\\', "\\\\").replace('"', "\\\"");
        let written = match style {
            0 => condition.clone(),
            1 => format!("'{}'", condition.replace('\'', "''")),
            2 => format!("\"{quoted}\""),
            3 => format!("|\n      {condition}"),
            _ => format!(">\n      {condition}"),
        };
        survives(SCHEMA, &format!("version: 1\nrules:\n  - id: R\n    when: {written}\n    reason: \"{{{quoted}}}\"\n"));
    }
}
