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
        // The example in containers uses the packs of the local one.
        let Ok(packs) = fs::read_dir(entry.path().join("packs")) else { continue };
        for pack in packs.map(Result::unwrap) {
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

/// The README's formula: the longest lookback, twice with references, and four times the lateness and 5 minutes.
#[test]
fn the_retention_of_the_readme_is_the_one_that_check_prints() {
    const HOUR: i64 = 3_600_000;
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(readme.contains(
        "must then be the longest lookback (90 days with the profile model) + 4 × (lateness + 5 minutes)"
    ));
    assert!(
        readme.contains("twice the longest lookback + 4 × (lateness + 5 minutes) + the delay of the labels")
    );
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "schema.yaml",
        "version: 1\nfields: {event.type: one of purchase|label, tx.amount: money in EUR}\n",
    );
    write(
        "pack.yaml",
        "version: 1\npack: p\nowner: o\naggregates: {uses: {count: events, over: 20h, delay: 4h}}\n\
         rules: [{id: R, event: purchase, when: uses >= 2, action: review, reason: x}]\n",
    );
    for (lateness, more, input, lookbacks, delay) in [
        (24, "", "", 1, 0),
        (1, "", "", 1, 0),
        (24, ", event.ref: /ref", "", 2, 0),
        (6, "", "  labels: {when: /fraud, is: \"1\", after: 30h}\n", 2, 30),
    ] {
        write(
            "tripline.yaml",
            &format!(
                "version: 1\nstream: s\nschema: schema.yaml\npacks: [pack.yaml]\ntime: {{lateness: {lateness}h}}\n\
                 input:\n  fields: {{event.id: /id, event.type: /type, event.time: /time, account.id: /account{more}}}\n{input}"
            ),
        );
        let output = tripline(["check", folder.path().join("tripline.yaml").to_str().unwrap()]).fine();
        let expected = lookbacks * delay.max(24) * HOUR + 4 * (lateness * HOUR + HOUR / 12) + delay * HOUR;
        let shown =
            output.split("input ").nth(1).and_then(|rest| rest.split("retention.ms=").nth(1)).unwrap();
        let shown: i64 = shown.split(')').next().unwrap().parse().unwrap();
        // One millisecond: a window's end is open.
        assert!(
            (expected..=expected + 1).contains(&shown),
            "{lateness} h{more}: {shown}, {expected} by the README"
        );
    }
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
    let errors: Vec<Value> = serde_json::from_str(&output).unwrap();
    for error in ["tx.amuont", "acct_reset_24h"] {
        let line = text.lines().position(|line| line.contains(error)).unwrap() + 1;
        let found = errors
            .iter()
            .any(|problem| problem["line"] == line && problem["message"].as_str().unwrap().contains(error));
        assert!(found, "{error} in line {line}: {output}");
    }
}

/// One array for all files. Each finding has its place; what the text shows beside it is there as well.
#[test]
fn findings_as_json_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    write(
        "schema.yaml",
        "version: 1\nfields: {event.type: one of purchase|login, tx.amount: money in EUR}\n",
    );
    let pack = "version: 1\npack: p\nowner: o\ndecide:\n  - {score: 10, action: review}\n  - {score: 20, action: hold}\n\
                rules:\n  - {id: R, event: purchase, when: tx.amuont > 5 and tx.amount > 9 and tx.amount < 3, score: 30}\n";
    let packs = [write("a.yaml", pack), write("b.yaml", "version: 1\nrules: 5\n")];
    let config = write(
        "tripline.yaml",
        "version: 1\nstream: s\nschema: schema.yaml\ninput:\n  fields: {event.ids: /id}\n",
    );
    let arguments: Vec<&str> = [config.as_str(), &packs[0], &packs[1]].to_vec();
    let text = tripline(["check"].iter().copied().chain(arguments.iter().copied())).with(1).stdout;
    let json = tripline(["check", "--json"].iter().copied().chain(arguments)).with(1).stdout;
    let findings: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(findings.len(), text.matches("error[").count() + text.matches("warning[").count(), "{text}");
    assert!(findings.len() >= 6, "{text}");
    for finding in &findings {
        for key in ["code", "severity", "message", "file"] {
            assert!(finding[key].is_string(), "{key} of {finding}");
        }
        for key in ["line", "column", "end_line", "end_column"] {
            assert!(finding[key].as_u64().is_some_and(|number| number > 0), "{key} of {finding}");
        }
        let [code, severity] = ["code", "severity"].map(|key| finding[key].as_str().unwrap());
        assert!(
            text.contains(&format!("{severity}[{code}]: {}", finding["message"].as_str().unwrap())),
            "{text}"
        );
        let place = |of: &Value| format!("{}:{}:{}", of["file"].as_str().unwrap(), of["line"], of["column"]);
        assert!(text.contains(&place(finding)), "{text}");
        for key in ["label", "help"] {
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let shown = finding[key].as_str().is_none_or(|shown| words(&text).contains(&words(shown)));
            assert!(shown, "{key} of {finding}\n{text}");
        }
    }
    let helps = findings.iter().filter(|finding| finding["help"].is_string()).count();
    assert_eq!(helps, text.matches("= help: ").count(), "{text}");
    let hidden =
        findings.iter().find(|finding| finding["code"] == "W505").expect("a line of decide is hidden");
    let related = &hidden["related"][0];
    assert_eq!((&related["message"], &related["line"]), (&"applies first".into(), &5.into()), "{hidden}");
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
