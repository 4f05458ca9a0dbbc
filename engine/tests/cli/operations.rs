//! What an operator asks of topics and running services.

use crate::tripline::tripline;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use tripline::edge::kafka::mock::MockBroker;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase
  tx.amount: money in EUR
keep: [tx.amount]
";

const PACK: &str = "version: 1
pack: operations
owner: a@bank.example
timezone: UTC
aggregates:
  acct_tries_2d: {count: events, by: account, over: 2d}
rules:
  - {id: O-1, title: First, when: acct_tries_2d >= 1, score: 10, severity: low, action: alert, reason: \"one\"}
";

const CONFIG: &str = "version: 1
stream: operations
schema: schema.yaml
packs: [pack.yaml]
input:
  fields: {event.id: /id, event.type: {const: purchase}, event.time: /time, account.id: /account, tx.amount: /amount}
kafka: {brokers: BROKERS, prefix: bank, workers: 1}
";

/// A configuration that names these brokers.
fn configuration(brokers: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("schema.yaml", SCHEMA), ("pack.yaml", PACK), ("tripline.yaml", CONFIG)] {
        fs::write(folder.path().join(name), text.replace("BROKERS", brokers)).unwrap();
    }
    let path = folder.path().join("tripline.yaml");
    (folder, path)
}

#[test]
fn missing_topics_and_a_journal_of_too_few_partitions_are_told_with_what_mends_them() {
    let broker = MockBroker::start().unwrap();
    broker.topic("events", 4).unwrap();
    broker.topic("bank.verdicts", 2).unwrap();
    let (_folder, config) = configuration(&broker.brokers());
    let config = config.to_str().unwrap();
    let told = tripline(["topics", "--config", config]).with(1).stdout;
    for line in [
        "wrong: it is not there",
        "wrong: the input has 4 partitions",
        "--alter --topic bank.verdicts --partitions 4",
    ] {
        assert!(told.contains(line), "{line} is missing in\n{told}");
    }
    let told = tripline(["topics", "--config", config, "--json"]).with(1).stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    let of = |name: &str| {
        let topics = told["topics"].as_array().unwrap();
        topics.iter().find(|topic| topic["topic"] == name).unwrap_or_else(|| panic!("{name} in {told}"))
    };
    assert_eq!(told["is_fine"], false);
    assert_eq!(of("bank.late")["findings"][0]["flaw"], "missing");
    assert_eq!(of("bank.verdicts")["findings"][0]["flaw"], "partitions");
    assert_eq!(of("events")["partitions"], 4);
    // Two days of look back, and what events may be late, for rows and for what they inherit.
    assert!(of("events")["needed_ms"].as_i64().unwrap() >= 2 * 86_400_000);
}

#[test]
fn brokers_that_are_not_there_are_told_as_such() {
    let (_folder, config) = configuration("127.0.0.1:1");
    let told = tripline(["topics", "--config", config.to_str().unwrap()]).with(2);
    assert!(told.stderr.contains("events") && told.stdout.is_empty(), "{}", told.stderr);
    let both = ["topics", "--config", config.to_str().unwrap(), "--partitions", "4"];
    assert!(tripline(both).with(2).stderr.contains("--create"));
}
