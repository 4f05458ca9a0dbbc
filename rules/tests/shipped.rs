//! The shipped example packs and the examples of the guides compile without errors and warnings.
//!
//! It does not depend on what the rules detect; other tests show that on events.

use std::fs;
use std::path::{Path, PathBuf};
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{Diagnostics, File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::typology::TYPOLOGIES;
use tripline_rules::value::TextKey;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn file(path: &str) -> File {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    File::new(path, text)
}

fn spotless(problems: &Diagnostics) {
    assert!(problems.list().is_empty(), "{}", problems.render(Paint::Plain));
}

fn schema(file: &File) -> Schema {
    let (schema, problems) = Schema::load(file);
    spotless(&problems);
    schema.expect("a schema without problems")
}

/// Compiles the packs of an example, and texts beside them.
fn compiled(example: &str, packs: &[&str], more: &[File]) -> Ruleset {
    let folder = format!("deploy/examples/{example}");
    let schema = schema(&file(&format!("{folder}/schema.yaml")));
    let mut files: Vec<File> = packs.iter().map(|pack| file(&format!("{folder}/packs/{pack}"))).collect();
    files.extend_from_slice(more);
    let list = |path: &str| fs::read_to_string(root().join(path)).map_err(|error| error.to_string());
    let options = CompileOptions {
        key: TextKey::default(),
        models: &["profile"],
        retention: None,
        lookback: 0,
        list: &list,
    };
    let (ruleset, problems) = Ruleset::compile(&files, &schema, &options);
    spotless(&problems);
    ruleset.expect("packs without problems")
}

/// The fenced blocks of a guide in one language.
fn blocks(guide: &str, language: &str) -> Vec<String> {
    let text = file(guide).text;
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_demo_packs_compile_alone_and_together() {
    let cards = compiled("demo", &["cards.yaml"], &[]);
    let both = compiled("demo", &["cards.yaml", "terminals.yaml"], &[]);
    assert_eq!(cards.programs().len(), 1, "cards and payments need no key space but the account's");
    assert_eq!(both.programs().len(), 3, "accounts, terminals, merchants");
    assert!(cards.rules().len() >= 20);
    assert!(cards.programs()[0].plan().aggregates.len() >= 40);
}

#[test]
fn every_shipped_rule_tells_what_it_found() {
    let examples: [(&str, &[&str]); 4] = [
        ("demo", &["cards.yaml", "terminals.yaml"]),
        ("local", &["cards.yaml"]),
        ("handbook", &["book.yaml", "terminals.yaml"]),
        ("sparkov", &["cards.yaml"]),
    ];
    for (example, packs) in examples {
        let ruleset = compiled(example, packs, &[]);
        for rule in ruleset.rules() {
            assert!(!rule.title.is_empty(), "{example} {}: no title", rule.id);
            assert!(rule.score != 0, "{example} {}: no score", rule.id);
            // A rule that speaks for the customer accuses of nothing.
            assert!(rule.score < 0 || !rule.typology.is_empty(), "{example} {}: no typology", rule.id);
            assert!(!rule.values.is_empty(), "{example} {}: reads nothing", rule.id);
        }
    }
}

#[test]
fn the_handbook_has_its_fifteen_features_in_their_order() {
    let ruleset = compiled("handbook", &["book.yaml", "terminals.yaml"], &[]);
    let names: Vec<&str> = ruleset.features().iter().map(|feature| feature.name.as_str()).collect();
    let mut expected = vec!["amount".to_owned(), "weekend".to_owned(), "night".to_owned()];
    for days in [1, 7, 30] {
        expected.extend([format!("customer_count_{days}d"), format!("customer_mean_{days}d")]);
    }
    for days in [1, 7, 30] {
        expected.extend([format!("terminal_count_{days}d"), format!("terminal_risk_{days}d")]);
    }
    assert_eq!(names, expected);
}

#[test]
fn the_examples_of_the_guide_for_analysts_compile() {
    let whole: Vec<String> =
        blocks("docs/rules.md", "yaml").into_iter().filter(|block| block.starts_with("version:")).collect();
    assert!(!whole.is_empty());
    for block in whole {
        compiled("demo", &[], &[File::new("docs/rules.md", block)]);
    }

    // Expressions stand for themselves; they use the shipped packs' names.
    let mut pack = String::from("version: 1\npack: guide\nrules:\n");
    let expressions = blocks("docs/rules.md", "expr");
    assert!(!expressions.is_empty());
    for (at, line) in expressions.iter().flat_map(|block| block.lines()).enumerate() {
        pack += &format!("  - {{id: GUIDE-{at}, score: 1, when: '{line}'}}\n");
    }
    compiled("demo", &["cards.yaml"], &[File::new("docs/rules.md", pack)]);
}

#[test]
fn the_schema_of_the_guide_for_engineers_loads() {
    let schemas: Vec<String> =
        blocks("docs/mapping.md", "yaml").into_iter().filter(|block| block.contains("\nfields:\n")).collect();
    assert_eq!(schemas.len(), 1);
    schema(&File::new("docs/mapping.md", schemas[0].as_str()));
}

#[test]
fn the_guide_lists_every_typology() {
    let guide = file("docs/rules.md").text;
    for typology in TYPOLOGIES {
        let row = format!("| `{}` | {} |\n", typology.id, typology.doc);
        assert!(guide.contains(&row), "docs/rules.md lacks {row}");
    }
}
