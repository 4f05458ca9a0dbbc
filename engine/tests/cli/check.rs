//! `tripline check`: every error of packs alone, for people and as JSON, and how much of a sample the mapping finds.

use crate::tripline::{DEMO, DEMO_SAMPLE, copy, root, tripline};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// The demo's folder with a pack in which one field and one aggregate are misspelt.
fn broken() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("deploy/examples/demo"), folder.path());
    let pack = folder.path().join("packs/cards.yaml");
    let text = fs::read_to_string(&pack).unwrap();
    let text = text.replacen("is_tiny:       tx.amount /", "is_tiny:       tx.amuont /", 1);
    let text = text.replacen("when: acct_resets_24h >= 3", "when: acct_reset_24h >= 3", 1);
    fs::write(&pack, text).unwrap();
    (folder, pack)
}

#[test]
fn the_shipped_configurations_and_packs_have_no_error() {
    for entry in fs::read_dir(root().join("deploy/examples")).unwrap().map(Result::unwrap) {
        let output = tripline(["check", entry.path().join("tripline.yaml").to_str().unwrap()]).fine();
        assert!(output.contains("no error") && !output.contains("warning"), "{output}");
        for pack in fs::read_dir(entry.path().join("packs")).unwrap().map(Result::unwrap) {
            let path = pack.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                tripline(["check", path.to_str().unwrap()]).fine();
            }
        }
    }
}

#[test]
fn the_retention_that_recovery_needs_is_shown() {
    let output = tripline(["check", DEMO]).fine();
    let line =
        |name: &str| output.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    // The demo looks back 90 days and its events refer to earlier ones: see `Lookback`.
    let input = line("input ");
    let days: i64 = input.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((90..=190).contains(&days) && input.contains(" d"), "{input}");
    assert!(input.contains("retention.ms=") && line("verdicts ").contains("retention.ms="), "{output}");
}

#[test]
fn a_broken_pack_ends_with_1_and_every_error_is_pointed_at() {
    let (_folder, pack) = broken();
    let output = tripline(["check", pack.to_str().unwrap()]).with(1).stdout;
    for (error, meant) in
        [("tx.amuont", "the field `tx.amount`"), ("acct_reset_24h", "the aggregate `acct_resets_24h`")]
    {
        assert!(output.contains(error) && output.contains(&format!("did you mean {meant}")), "{output}");
    }
    assert!(output.contains("cards.yaml:") && output.contains('^'), "{output}");
    assert!(!output.contains('\u{1b}'), "colours belong on a terminal");
}

#[test]
fn errors_as_json_have_their_place() {
    let (_folder, pack) = broken();
    let text = fs::read_to_string(&pack).unwrap();
    let output = tripline(["check", "--json", pack.to_str().unwrap()]).with(1).stdout;
    let errors: Vec<Value> = output
        .lines()
        .flat_map(|line| match serde_json::from_str(line).unwrap() {
            Value::Array(errors) => errors,
            one => vec![one],
        })
        .collect();
    for error in ["tx.amuont", "acct_reset_24h"] {
        let line = text.lines().position(|line| line.contains(error)).unwrap() + 1;
        let found = errors
            .iter()
            .any(|problem| problem["line"] == line && problem["message"].as_str().unwrap().contains(error));
        assert!(found, "{error} in line {line}: {output}");
    }
}

#[test]
fn a_sample_shows_what_the_mapping_finds() {
    let output = tripline(["check", DEMO, "--sample", DEMO_SAMPLE]).fine();
    assert!(output.contains("700 records"), "{output}");
    assert!(output.lines().any(|line| line.contains("tx.geo")), "{output}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.jsonl");
    fs::write(&path, "{\"id\": \"1\"}\n").unwrap();
    let output = tripline(["check", DEMO, "--sample", path.to_str().unwrap()]).with(1).stdout;
    assert!(output.contains("dead letters"), "{output}");
}

#[test]
fn the_fields_of_a_schema_are_listed() {
    let well_known = tripline(["schema", "fields"]).fine();
    let amount = well_known.lines().find(|line| line.starts_with("tx.amount ")).unwrap();
    assert!(amount.contains("DE 4"), "{amount}");
    assert!(!well_known.contains("account.money_unit"));
    let demo = tripline(["schema", "fields", "--config", DEMO]).fine();
    assert!(demo.lines().any(|line| line.starts_with("account.money_unit ")), "{demo}");
    tripline(["schema", "fields", "--config", "no/such.yaml"]).with(2);
}

#[test]
fn a_schema_alone_is_checked_as_one() {
    let output = tripline(["check", "deploy/examples/demo/schema.yaml"]).fine();
    assert!(output.contains("fields, no error"), "{output}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    fs::write(&path, "version: 2\nfields:\n  tx.geo: locaton\n").unwrap();
    let output = tripline(["check", path.to_str().unwrap()]).with(1).stdout;
    assert!(output.contains("did you mean `location`?"), "{output}");
    assert!(output.contains("this release supports `version: 1` of a schema only"), "{output}");
}

#[test]
fn a_file_that_is_not_there_ends_with_2() {
    let ended = tripline(["check", "no/such.yaml"]).with(2);
    assert!(ended.stderr.contains("no/such.yaml"), "{}", ended.stderr);
}
