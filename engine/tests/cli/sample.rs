//! What `check --sample`, `replay` and `evaluate` show an analyst of records of his own.

use crate::tripline::{HANDBOOK_SAMPLE, root, tripline};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const PACK: &str = "version: 1\npack: case\nowner: desk@bank.example\ntimezone: Asia/Tokyo\nrules:
  - {id: BIG, severity: high, when: tx.amount >= 500, action: {do: hold, target: payee}, score: 60, cooldown: none, reason: \"{tx.amount | money}\"}
  - {id: SEEN, mode: shadow, when: tx.amount >= 20, action: review, cooldown: none, reason: \"{tx.amount | money} seen\"}\n";
const SCHEMA: &str =
    "version: 1\nfields:\n  event.type: one of purchase|transfer|label\n  tx.amount: money in EUR
  merchant.country: text\n  account.home_country: text\n  payee.id: text\nkeep: [tx.amount, label.outcome]\n";
const INPUT: &str =
    "version: 1\nstream: case\nschema: schema.yaml\npacks: [pack.yaml]\ninput:\n  format: json\n  fields:
    event.id: /id\n    event.type: /type\n    event.time: /time\n    event.ref: /ref\n    account.id: /account
    tx.amount: {from: /amount, currency: EUR}\n    merchant.country: /country\n    account.home_country: /home
    payee.id: /payee\n    label.outcome: /outcome\n";

/// A folder with the configuration and these records.
fn folder(records: &[String]) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, text) in [("pack.yaml", PACK), ("schema.yaml", SCHEMA), ("tripline.yaml", INPUT)] {
        fs::write(path(name), text).unwrap();
    }
    fs::write(path("input.jsonl"), records.join("\n") + "\n").unwrap();
    let (config, input) = (path("tripline.yaml"), path("input.jsonl"));
    (folder, config, input)
}

fn record(id: &str, event_type: &str, minute: u32, further: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"type\":\"{event_type}\",\"time\":\"2026-03-02T10:{minute:02}:00Z\",\"account\":\"A\"{further}}}"
    )
}

fn sample(records: &[String], code: i32) -> (String, Value) {
    let (_folder, config, input) = folder(records);
    let arguments = ["check", config.to_str().unwrap(), "--sample", input.to_str().unwrap()];
    let text = tripline(arguments).with(code).stdout;
    let json = tripline(arguments.into_iter().chain(["--json"])).with(code).stdout;
    let findings: Vec<Value> = serde_json::from_str(&json).unwrap();
    (text, findings.last().unwrap()["sample"].clone())
}

/// The line that begins with these words, with one blank between words.
fn line(text: &str, words: &str) -> String {
    let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = text.lines().map(plain).find(|line| line.starts_with(words));
    line.unwrap_or_else(|| panic!("no line {words} in\n{text}"))
}

#[test]
fn a_sample_shows_what_is_missing_where_and_what_nothing_maps() {
    let (text, json) = sample(
        &[
            record("1", "purchase", 1, ",\"amount\":\"5.10\",\"shop\":{\"name\":\"x\"}"),
            record(
                "2",
                "transfer",
                2,
                ",\"amount\":\"7.00\",\"payee\":\"P1\",\"legs\":[{\"a\":1},{\"a\":2}]",
            ),
            record("3", "purchase", 9, ",\"amount\":\"1.00\""),
        ],
        0,
    );
    assert_eq!(
        line(&text, "payee.id: missing"),
        "payee.id: missing in 66 % of 3 records (always in purchase)"
    );
    assert_eq!(line(&text, "no field"), "no field is mapped from: /legs/*/a, /shop/name");
    assert!(line(&text, "all in order").contains("largest gap 7 min"), "{text}");
    assert!(line(&text, "tx.amount ").ends_with("\"5.10\" 5.10 EUR"), "{text}");
    assert_eq!((&json["rows"], &json["unmapped"]["/shop/name"]), (&3.into(), &1.into()));
    assert_eq!(json["missing"][1]["by_type"]["purchase"], serde_json::json!([2, 2]), "{json}");
}

#[test]
fn a_sample_and_a_replay_agree_on_every_dead_letter() {
    let records = [
        record("1", "purchase", 1, ",\"amount\":\"5.10\""),
        record("2", "purchase", 2, ",\"amount\":\"many\""),
        record("3", "login", 3, ""),
        record("1", "purchase", 4, ",\"amount\":\"6.10\""),
        record("5", "purchase", 5, ",\"amount\":\"few\""),
    ];
    let (text, json) = sample(&records, 1);
    let (_folder, config, input) = folder(&records);
    let arguments =
        ["replay", "--config", config.to_str().unwrap(), "--input", input.to_str().unwrap(), "--json"];
    let replayed: Value = serde_json::from_str(&tripline(arguments).fine()).unwrap();
    assert_eq!(json["refused"], replayed["refused"]);
    for key in ["records", "rows", "conflicts", "dead_letters"] {
        assert_eq!(json[key], replayed[key], "{key}");
    }
    assert_eq!(replayed["refused"].as_array().unwrap().len(), 3, "{replayed}");
    let amounts = line(&text, "tx.amount /amount bad_money");
    assert!(amounts.contains(" 2 ") && amounts.contains("record 2, byte "), "{amounts}");
    // A built-in type that the schema does not list.
    assert!(line(&text, "event.type").contains("unknown_event_type"), "{text}");
    assert!(line(&text, "event.id ").contains("id_conflict"), "{text}");
}

#[test]
fn values_that_look_wrong_are_named_and_others_are_not() {
    let cents = |minute: u32| {
        record(&minute.to_string(), "purchase", minute, ",\"amount\":250000,\"country\":\"DE\"")
    };
    let (text, _) = sample(&[cents(1), cents(2), cents(3)], 0);
    assert!(line(&text, "looks wrong: tx.amount").contains("`unit: minor`"), "{text}");
    assert!(!text.contains("country codes"), "one alphabet alone: {text}");
    let mut mixed = vec![cents(1), cents(2).replace("250000", "25.00")];
    mixed.push(record("9", "purchase", 9, ",\"amount\":\"3.00\",\"country\":\"DEU\",\"home\":\"276\""));
    let (text, _) = sample(&mixed, 0);
    let found = line(&text, "looks wrong: ");
    for code in ["two letters (DE)", "three letters (DEU)", "account.home_country three digits (276)"] {
        assert!(found.contains(code), "{found}");
    }
    assert!(!text.contains("minor"), "some amounts have decimals: {text}");
}

#[test]
fn nothing_like_a_card_number_is_shown() {
    let (text, json) =
        sample(&[record("1", "purchase", 1, ",\"amount\":\"5.00\",\"payee\":\"4111-1111-1111-1111\"")], 1);
    assert!(!text.contains("1111") && !json.to_string().contains("1111"), "{text}");
}

#[test]
fn a_replay_lists_alerts_in_the_time_zone_of_the_pack_with_the_target() {
    let (_folder, config, input) =
        folder(&[record("1", "transfer", 1, ",\"amount\":\"900.00\",\"payee\":\"P7\\u001b[2J\"")]);
    let text = tripline([
        "replay",
        "--list",
        "--config",
        config.to_str().unwrap(),
        "--input",
        input.to_str().unwrap(),
    ])
    .fine();
    let refused = text.contains("bad_id");
    assert!(refused || !text.contains('\u{1b}'), "{text}");
    let (_folder, config, input) =
        folder(&[record("1", "transfer", 1, ",\"amount\":\"900.00\",\"payee\":\"P7\"")]);
    let verdicts = config.with_file_name("verdicts.jsonl");
    let arguments =
        ["replay", "--list", "--config", config.to_str().unwrap(), "--input", input.to_str().unwrap()];
    let text = tripline(arguments.into_iter().chain(["--verdicts", verdicts.to_str().unwrap()])).fine();
    assert_eq!(line(&text, "2026"), "2026-03-02 19:01:00 JST high score 60 900.00 EUR hold payee P7");
    assert_eq!(line(&text, "account"), "account A transfer 1");
    assert_eq!(line(&text, "BIG"), "BIG 900.00 EUR");
    let verdict: Value = serde_json::from_str(&fs::read_to_string(verdicts).unwrap()).unwrap();
    assert_eq!(verdict["shadow"][0]["reason"], "900.00 EUR seen");
    assert_eq!(verdict["shadow"][0]["values"]["tx.amount"]["minor"], 90_000);
}

#[test]
fn a_list_fits_eighty_columns_and_says_what_it_leaves_out() {
    let id = |letter: &str, number: u32| format!("{letter}-{number:062}");
    let payment = |number: u32| {
        record(
            &id("E", number),
            "transfer",
            number,
            &format!(",\"amount\":\"1234900.00\",\"payee\":\"{}\"", id("P", 7)),
        )
    };
    let (_folder, config, input) = folder(&(0..23).map(payment).collect::<Vec<_>>());
    let pack = PACK.replace(
        "{tx.amount | money}\"}",
        "{tx.amount | money} to {payee.id}, more than the rest of the month together\"}",
    );
    fs::write(config.with_file_name("pack.yaml"), pack).unwrap();
    let arguments =
        ["replay", "--list", "--config", config.to_str().unwrap(), "--input", input.to_str().unwrap()];
    let text = tripline(arguments).fine();
    assert!(
        text.contains("the first 20 of 23 alerts; 3 are not shown: `--output FILE` writes all"),
        "{text}"
    );
    assert_eq!(text.lines().filter(|line| line.starts_with("2026-")).count(), 20);
    let list = text.split("the first 20").next().unwrap();
    // A word that is longer than a line has one of its own.
    let long = |line: &&str| line.chars().count() > 80 && line.split_whitespace().count() > 2;
    let long: Vec<&str> = list.lines().filter(long).collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn every_column_of_evaluate_is_explained_in_help_and_guide() {
    let ended = tripline([
        "evaluate",
        "--config",
        "deploy/examples/handbook/tripline.yaml",
        "--input",
        HANDBOOK_SAMPLE,
        "--fold",
        "2018-07-11",
        "--fold",
        "2018-07-14",
    ])
    .with(0);
    let header = ended.stdout.lines().next().unwrap();
    let (columns, stream) = header.split_once("   in the stream").unwrap();
    let figures = ended
        .stdout
        .lines()
        .find(|line| line.contains("   recall "))
        .expect("a line with figures in the stream");
    let help = tripline(["evaluate", "--help"]).fine();
    let guide = fs::read_to_string(root().join("docs/rules.md")).unwrap();
    for column in columns.split_whitespace() {
        let is_row = |line: &str| line.trim_start().starts_with(&format!("{column} "));
        assert!(help.lines().any(is_row), "{column} is not in\n{help}");
        assert!(guide.contains(&format!("`{column}`")), "docs/rules.md lacks {column}");
    }
    assert_eq!(stream, " at 0.5 % alerts");
    assert!(help.contains("in the stream at 0.5 % alerts"), "{help}");
    for figure in ["recall", "precision", "accounts", "value detected", "saved"] {
        assert!(figures.contains(figure), "{figures}");
        assert!(help.contains(&format!("\n  {figure} ")), "{figure} is not in\n{help}");
        assert!(guide.contains(&format!("\n| {figure} |")), "docs/rules.md lacks {figure}");
    }
}

#[test]
fn a_later_label_event_replaces_an_earlier_one_and_no_label_is_a_warning() {
    let label = |id: &str, minute, of: &str, outcome: &str| {
        record(id, "label", minute, &format!(",\"ref\":\"{of}\",\"outcome\":\"{outcome}\""))
    };
    let payment = |id: &str, minute| record(id, "purchase", minute, ",\"amount\":\"900.00\"");
    let evaluated = |records: &[String]| {
        let (_folder, config, input) = folder(records);
        let ended = tripline([
            "evaluate",
            "--config",
            config.to_str().unwrap(),
            "--input",
            input.to_str().unwrap(),
            "--json",
        ]);
        let figures: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
        (figures["events"].clone(), figures["frauds"].clone(), ended.stderr)
    };
    let records = [
        payment("1", 1),
        payment("2", 2),
        payment("3", 3),
        label("l1", 4, "1", "fraud"),
        label("l2", 5, "2", "scam"),
    ];
    let (events, frauds, _) = evaluated(&records);
    assert_eq!((events, frauds), (3.into(), 2.into()), "labels are not events to judge; a scam is fraud");
    let mut cleared = records.to_vec();
    cleared.push(label("l3", 6, "1", "genuine"));
    assert_eq!(evaluated(&cleared).1, 1);
    // The label of minute 4 comes again behind that of minute 6: it is older, whatever the order of the file.
    let mut late = cleared.clone();
    late.push(label("l4", 4, "1", "fraud"));
    assert_eq!(evaluated(&late).1, 1);
    // A follow-up is no event to find, and a label means the payment with which it shares an id.
    let mut reversed = records.to_vec();
    reversed.insert(3, record("1", "transfer", 3, ",\"ref\":\"1\""));
    let (events, frauds, _) = evaluated(&reversed);
    assert_eq!((events, frauds), (3.into(), 2.into()));
    let (_, frauds, warning) = evaluated(&records[..3]);
    assert!(frauds == 0 && warning.contains("no record of the input has a label"), "{warning}");
}
