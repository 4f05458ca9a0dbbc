//! Canaries: a unique marker in every field of a record, mapped or not, readable or broken, and in keys. None of them
//! may appear in a log line, on standard error, in a metric or in the reason of a dead letter; a card number nowhere.
//!
//! The dead letter of a record without a card number carries the record as it came, key and value: that is its purpose,
//! and the topic is the bank's own.

use crate::service::Bank;
use crate::tripline::{DEMO, DEMO_SAMPLE, root, tripline};
use std::fs;

/// Every marker begins so.
const MARK: &str = "zq7";
/// Card numbers, valid and of different issuers.
const CARDS: [&str; 3] = ["4111111111111111", "5500005555555559", "378282246310005"];

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase
  account.currency: text
  tx.amount: money in account.currency
  card.id: text
  merchant.id: text
  device.id: text
keep: [tx.amount, card.id, merchant.id]
";

const PACK: &str = "version: 1
pack: canary
owner: a@bank.example
timezone: UTC
rules:
  - id: CANARY-1
    title: Every purchase of a device
    when: not (device.id is missing)
    score: 40
    severity: low
    action: alert
    reason: \"now {tx.amount | money}\"
";

const CONFIG: &str = "version: 1
stream: canary
schema: schema.yaml
packs: [pack.yaml]
input:
  topic: events
  clock: create_time
  fields:
    event.id: /id
    event.type: /type
    event.time: /time
    account.id: /account
    account.currency: {const: EUR}
    tx.amount: /amount
    card.id: /card
    merchant.id: /merchant
    device.id: /device
secret: built_in
kafka: {brokers: BROKERS, prefix: bank, workers: 1, client: {debug: all, session.timeout.ms: 6000}}
# The broker of these tests has no transactions.
delivery: {guarantee: at_least_once}
http: {listen: 127.0.0.1:0}
log: {format: FORMAT, level: trace}
";

/// Records and their keys: with markers in every field, good, refused for every kind of reason, late, repeated.
struct Records {
    /// What becomes rows.
    rows: Vec<String>,
    /// What becomes dead letters that carry their content.
    refused: Vec<String>,
    /// What holds a card number.
    secret: Vec<String>,
    late: String,
}

fn record(id: &str, time: &str, amount: &str, more: &str) -> String {
    format!(
        r#"{{"id":"{MARK}-id-{id}","type":"purchase","time":"{time}","account":"{MARK}-account","amount":{amount},"card":"{MARK}-card","merchant":"{MARK}-shop","device":"{MARK}-device","holder":{{"name":"{MARK} Name","mail":"{MARK}@mail.example"}}{more}}}"#
    )
}

fn records() -> Records {
    let now = jiff::Timestamp::now();
    let hours = |hours: i64| (now - jiff::SignedDuration::from_hours(hours)).to_string();
    let now = hours(0);
    let rows = (0..20).map(|id| record(&id.to_string(), &now, "\"12.50\"", "")).collect();
    let refused = vec![
        record("amount", &now, &format!("\"{MARK}-amount\""), ""),
        record("money", &now, "1e400", ""),
        record("time", &format!("{MARK}-time"), "1", ""),
        record("future", &hours(-48), "1", ""),
        record("0", &hours(1), "1", ""),
        record("twice", &now, "1", &format!(r#","device":"{MARK}-second""#)),
        record("long", &now, "1", &format!(r#","account":"{}""#, MARK.repeat(40))),
        record("type", &now, "1", "").replace("\"purchase\"", &format!("\"{MARK}-type\"")),
        format!("{{\"id\":\"{MARK}-broken\",\"holder\":\"{MARK}-na"),
        format!("{MARK} is no JSON"),
        format!("[\"{MARK}\"]"),
    ];
    let secret = vec![
        record("pan1", &now, "1", &format!(r#","pan":"{}""#, CARDS[0])),
        record("pan2", &now, "1", &format!(r#","note":"{MARK} said {} again""#, CARDS[1])),
        record("pan3", &now, "1", "").replace(&format!("{MARK}-card"), CARDS[2]),
        record("pan4", &now, "1", "").replace(&format!("{MARK}-account"), CARDS[0]),
        format!("{{\"broken\":\"{MARK}-na {}", CARDS[1]),
    ];
    Records { rows, refused, secret, late: record("late", &hours(30), "1", "") }
}

/// Asserts that no marker and no card number stands in a text, also not in pieces of hexadecimal.
fn assert_silent(text: &str, place: &str) {
    let hex: String = MARK.bytes().map(|byte| format!("{byte:02x}")).collect();
    for marker in [MARK, &hex].into_iter().chain(CARDS) {
        if let Some(line) = text.lines().find(|line| line.contains(marker)) {
            panic!("{marker} stands in {place}: {line}");
        }
    }
}

fn assert_no_card(bytes: &[u8], place: &str) {
    let text = String::from_utf8_lossy(bytes);
    assert!(CARDS.iter().all(|card| !text.contains(card)), "a card number stands in {place}: {text}");
}

#[test]
fn the_services_text_log_and_endpoints_say_nothing_about_an_account() {
    assert_silent_service("text");
}

#[test]
fn the_services_json_log_says_nothing_about_an_account() {
    assert_silent_service("json");
}

fn assert_silent_service(format: &str) {
    let config = CONFIG.replace("FORMAT", format);
    let bank = Bank::open(&[("schema.yaml", SCHEMA), ("pack.yaml", PACK), ("tripline.yaml", &config)]);
    let records = records();
    let key = format!("{MARK}-account");
    let all = || records.rows.iter().chain(&records.refused).chain(&records.secret);
    let all = || all().chain([&records.rows[0], &records.late]);
    let written = all().map(|record| (key.as_bytes(), record.as_bytes()));
    bank.write("events", written, &[]);
    bank.write("events", [(CARDS[0].as_bytes(), records.refused[0].as_bytes())], &[]);
    #[expect(clippy::cast_precision_loss, reason = "some dozens")]
    let count = (all().count() + 1) as f64;

    let service = bank.run("tripline.yaml");
    service.until("judging", |service| service.metric("tripline_events_total") == Some(count));
    service.until("being ready", |service| service.is_ready());
    std::thread::sleep(std::time::Duration::from_millis(500));
    let shown = ["/metrics", "/readyz", "/healthz"].map(|path| service.get(path)).concat();
    let mut log = service.stop();
    // Again, so that the ledgers are filled from the log.
    let service = bank.run("tripline.yaml");
    service.until("being ready", |service| service.is_ready());
    log.push_str(&service.stop());
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "nothing but {log}");
    assert_silent(&log, "the log");
    assert_silent(&shown, "what HTTP shows");

    let letters = bank.read("bank.dead-letters");
    assert_eq!(letters.len(), records.refused.len() + records.secret.len() + 1);
    for letter in letters.iter().chain(&bank.read("bank.late")) {
        for (name, value) in &letter.headers {
            assert_silent(&String::from_utf8_lossy(value), name);
        }
        assert_no_card(&letter.key, "a key");
        assert_no_card(&letter.value, "a dead letter");
    }
    let empty = letters.iter().filter(|letter| letter.value.is_empty() && letter.key.is_empty()).count();
    assert_eq!(empty, records.secret.len(), "of a record with a card number nothing is forwarded");
    let carried = letters
        .iter()
        .filter(|letter| records.refused.iter().any(|record| record.as_bytes() == letter.value));
    assert_eq!(carried.count(), records.refused.len() + 1, "the others come as they were");
    assert_eq!(bank.read("bank.alerts").len(), records.rows.len());
    for record in bank.read("bank.alerts").iter().chain(&bank.read("bank.verdicts")) {
        assert_no_card(&record.value, "an alert");
    }
}

/// A folder with the configuration and the records in a file.
fn on_files(records: &Records) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = CONFIG.replace("FORMAT", "text").replace("BROKERS", "127.0.0.1:1");
    for (name, text) in [("schema.yaml", SCHEMA), ("pack.yaml", PACK), ("tripline.yaml", &config)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let all = records.rows.iter().chain(&records.refused).chain(&records.secret);
    let lines: String = all.flat_map(|record| [record, "\n"]).collect();
    fs::write(folder.path().join("events.jsonl"), lines).unwrap();
    folder
}

#[test]
fn nothing_about_an_account_is_said_beside_the_files_of_a_replay() {
    let records = records();
    let folder = on_files(&records);
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (config, events, letters) = (file("tripline.yaml"), file("events.jsonl"), file("letters.jsonl"));
    for further in [&["--json"][..], &[]] {
        let replay = ["replay", "--config", &config, "--input", &events, "--dead-letters", &letters];
        let ended = tripline(replay.iter().chain(further)).with(0);
        assert_silent(&ended.stdout, "standard output");
        assert_silent(&ended.stderr, "standard error");
    }
    let letters = fs::read(letters).unwrap();
    assert_no_card(&letters, "the dead letters");
    let empty = String::from_utf8(letters).unwrap().matches("\"value\":\"\"").count();
    assert_eq!(empty, records.secret.len(), "of a record with a card number nothing is forwarded");
    for further in [&["--json"][..], &[]] {
        // It shows the values of three records, which is what it is for.
        let ended = tripline(["check", &config, "--sample", &events].iter().chain(further)).with(1);
        assert_no_card(ended.stdout.as_bytes(), "standard output");
        assert_silent(&ended.stderr, "standard error");
    }
}

#[test]
fn a_broken_line_of_a_dump_is_refused_without_its_content() {
    let records = records();
    let folder = on_files(&records);
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let line = |partition: &str, value: &str| {
        let value = serde_json::Value::from(value);
        format!(
            "{{\"partition\":{partition},\"offset\":0,\"appended_at\":null,\"key\":\"{MARK}\",\"value\":{value}}}\n"
        )
    };
    let (config, dump) = (file("tripline.yaml"), file("dump.jsonl"));
    for broken in [
        line(&format!("\"{MARK} {}\"", CARDS[0]), "{}"),
        line("0", "{}").replace("null", &format!("\"{} {MARK}\"", CARDS[0])),
        line("0", "{}").replace(&format!("\"{MARK}\""), CARDS[0]),
        format!("{MARK} {}\n", CARDS[0]),
        line("0", "{}").replace("value\"", &format!("value_hex\":\"{MARK}\",\"x\"")),
    ] {
        fs::write(&dump, line("0", &records.rows[0]) + &broken).unwrap();
        let ended = tripline(["replay", "--config", &config, "--input", &dump]).with(2);
        assert!(ended.stderr.contains("record 1"), "{}", ended.stderr);
        assert_silent(&ended.stderr, "standard error");
        let ended = tripline(["compare", &dump, &dump]).with(2);
        assert_silent(&ended.stderr, "standard error");
    }
}

#[test]
fn a_table_without_its_header_is_refused_without_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, format!("{MARK}-1,{MARK}-account,{}\n", CARDS[0])).unwrap();
    let config = root().join("deploy/examples/handbook/tripline.yaml");
    let ended = tripline(["replay", "--config", config.to_str().unwrap(), "--input", path.to_str().unwrap()]);
    assert!(ended.code == 2 && ended.stderr.contains("the header has no column"), "{}", ended.stderr);
    assert_silent(&ended.stderr, "standard error");
    // The demo's own sample holds none, so the markers of this test are what is found.
    assert_silent(&tripline(["check", DEMO, "--sample", DEMO_SAMPLE]).fine(), "standard output");
}
