//! What an operator asks of topics and running services.

use crate::configuration::Example;
use crate::help::example;
use crate::service::Bank;
use crate::tripline::{BINARY, DEMO_SAMPLE, ended, tripline};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use tripline::io::kafka::mock::MockBroker;

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
secret: built_in
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
fn missing_topics_and_a_journal_of_too_few_partitions_are_reported_with_their_solution() {
    let broker = MockBroker::start().unwrap();
    broker.topic("events", 4).unwrap();
    broker.topic("bank.verdicts", 2).unwrap();
    let (_folder, config) = configuration(&broker.brokers());
    let config = config.to_str().unwrap();
    let output = tripline(["topics", "--config", config]).with(1).stdout;
    for line in [
        "error: topic does not exist",
        "error: the input has 4 partitions",
        "--alter --topic bank.verdicts --partitions 4",
    ] {
        assert!(output.contains(line), "{line} is missing in\n{output}");
    }
    let output = tripline(["topics", "--config", config, "--json"]).with(1).stdout;
    let output: Value = serde_json::from_str(&output).unwrap();
    let of = |name: &str| {
        let topics = output["topics"].as_array().unwrap();
        topics.iter().find(|topic| topic["topic"] == name).unwrap_or_else(|| panic!("{name} in {output}"))
    };
    assert_eq!(output["is_fine"], false);
    assert_eq!(of("bank.late")["findings"][0]["flaw"], "missing");
    assert_eq!(of("bank.verdicts")["findings"][0]["flaw"], "partitions");
    assert_eq!(of("events")["partitions"], 4);
    // Two days of look back, and what events may be late, for rows and for what they inherit.
    assert!(of("events")["needed_ms"].as_i64().unwrap() >= 2 * 86_400_000);
}

#[test]
fn partitions_that_were_added_since_state_was_built_are_reported() {
    let broker = MockBroker::start().unwrap();
    broker.topics("events", "bank", 4).unwrap();
    let (_folder, config) = configuration(&broker.brokers());
    let topics = || {
        let output = tripline(["topics", "--config", config.to_str().unwrap(), "--json"]).with(1).stdout;
        let output: Value = serde_json::from_str(&output).unwrap();
        let findings = output["topics"][0]["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["flaw"] == "repartitioned")
    };
    let commit = |partitions: u32| {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", broker.brokers())
            .set("group.id", "tripline")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition("events", 0);
        element.set_offset(Offset::Offset(0)).unwrap();
        element.set_metadata(format!("{{\"partitions\":{partitions},\"note\":\"\"}}"));
        consumer.commit(&list, CommitMode::Sync).unwrap();
    };
    assert_eq!(topics(), None, "the group has not begun");
    commit(4);
    assert_eq!(topics(), None);
    commit(3);
    let finding = topics().unwrap();
    assert_eq!((&finding["is_fault"], &finding["built_for"]), (&true.into(), &3.into()));
    let output = tripline(["topics", "--config", config.to_str().unwrap()]).with(1).stdout;
    for part in ["built for 3 partitions, and 1 were added", "(runbook: Re-key to more partitions)"] {
        assert!(output.contains(part), "{output}");
    }
}

#[test]
fn a_snapshot_store_that_cannot_be_created_is_refused_by_check() {
    let (folder, config) = configuration("127.0.0.1:1");
    let text = fs::read_to_string(&config).unwrap();
    let check = |store: &str, exit: i32| {
        fs::write(&config, format!("{text}snapshots: {{store: {store}}}\n")).unwrap();
        tripline(["check", config.to_str().unwrap()]).with(exit).stdout
    };
    // To another user than root it is a warning: the service may run as root.
    let denied = fs::create_dir("/proc/tripline").unwrap_err().kind() == std::io::ErrorKind::PermissionDenied;
    for (store, exit) in [("/proc/tripline", if denied { 0 } else { 1 }), ("pack.yaml/below", 1)] {
        let output = check(store, exit);
        assert!(output.contains("C039") && output.contains(store), "{output}");
    }
    check("made/here", 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is created");
}

#[test]
fn brokers_that_do_not_answer_are_reported() {
    let (_folder, config) = configuration("127.0.0.1:1");
    let output = tripline(["topics", "--config", config.to_str().unwrap()]).with(2);
    assert!(output.stderr.contains("events") && output.stdout.is_empty(), "{}", output.stderr);
    let both = ["topics", "--config", config.to_str().unwrap(), "--partitions", "4"];
    assert!(tripline(both).with(2).stderr.contains("--create"));
}

/// What a process needs to run on the tests' broker, which has no transactions and leaves stamps to producers.
const RUNNING: &str = "delivery: {guarantee: at_least_once}
http: {listen: 127.0.0.1:PORT}
snapshots: {store: STORE, every: 1s}
";

#[test]
fn an_operator_sees_shards_lag_and_the_age_of_snapshots() {
    let config = CONFIG.replace("input:\n", "input:\n  clock: create_time\n");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let store = tempfile::tempdir().unwrap();
    let running = RUNNING.replace("STORE", store.path().to_str().unwrap());
    let config = config + &running.replace("PORT", &port.to_string());
    let bank = Bank::open(&[("schema.yaml", SCHEMA), ("pack.yaml", PACK), ("tripline.yaml", &config)]);
    let service = bank.run("tripline.yaml");
    service.until("being ready", |service| service.is_ready());
    let url = format!("http://{}", service.address().unwrap());
    let asked =
        || -> Value { serde_json::from_str(&tripline(["status", "--url", &url, "--json"]).fine()).unwrap() };
    // A snapshot is taken of what was just committed, once it is due: so records come until there is one.
    let mut sent = 0;
    service.until("a snapshot", |_| {
        let value = format!(
            r#"{{"id":"{sent}","time":"{}","account":"a-secret-name","amount":"5.00"}}"#,
            jiff::Timestamp::now()
        );
        bank.write("events", [(&b"a-secret-name"[..], value.as_bytes())], &[]);
        sent += 1;
        asked()["shards"][0]["snapshot_at"].is_string()
    });
    service.until("judging", |service| service.metric("tripline_events_total") == Some(f64::from(sent)));
    let output = asked();
    let shard = &output["shards"][0];
    assert_eq!((&output["is_ready"], &output["guarantee"]), (&true.into(), &"at_least_once".into()));
    assert_eq!((&output["group"], output["packs"].as_str().is_some()), (&"tripline".into(), true));
    assert_eq!((&shard["partition"], &shard["phase"]), (&0.into(), &"live".into()));
    assert_eq!((&shard["next"], &shard["filled"]), (&sent.into(), &Value::Null));
    let age = service.metric("tripline_snapshot_age_seconds{partition=\"0\"}").unwrap();
    assert!((0.0..60.0).contains(&age), "{age}");
    let human = tripline(["status", "--url", &url]).fine();
    assert!(
        human.contains(": ready\n") && human.contains("at least once") && human.contains(" ago"),
        "{human}"
    );
    // The example of `status --help`, where the configuration lies.
    let mut shell = Command::new("sh");
    let binaries = Path::new(BINARY).parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap();
    shell.args(["-ec", &example(&["status"]).unwrap()]).env("PATH", format!("{binaries}:{path}"));
    shell.current_dir(bank.path("tripline.yaml").parent().unwrap());
    assert!(ended(&mut shell).fine().contains(": ready\n"));
    assert!(!service.get("/status").contains("secret"), "an account is nobody's status");
    service.stop();
    let output = tripline(["status", "--url", &url]).with(2);
    assert!(output.stderr.contains("no answer from 127.0.0.1:"), "{}", output.stderr);
}

/// A process that says the same to everybody, as often as it is asked.
fn standing_in(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let _ = stream.read(&mut [0; 1_024]);
            let _ = write!(stream, "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{body}");
        }
    });
    url
}

#[test]
fn a_process_that_is_not_ready_is_shown_with_its_reasons_and_how_far_its_restore_has_come() {
    let url = standing_in(
        r#"{"instance":"1","group":"bank","version":"0.1.0","packs":"0123456789abcdef","guarantee":"exactly_once",
        "snapshots_every_ms":60000,"is_ready":false,"reasons":["partition 7 is being filled by worker 0"],
        "shards":[{"partition":7,"worker":0,"phase":"restoring","next":90000,"lag":null,"held_from":null,"snapshot_at":null,
        "snapshot_age_ms":null,"filled":{"chunks":3,"chunks_of":17,"records":1200,"records_of":54000}}]}"#,
    );
    let output = tripline(["status", "--url", &url]).with(1).stdout;
    for part in ["not ready", "partition 7 is being filled", "3 of 17 chunks, 1200 of 54000 records"] {
        assert!(output.contains(part), "{part} is missing in\n{output}");
    }
    // One of two does not answer: exit 1, and the status of the other is shown.
    let both = tripline(["status", "--json", "--url", &url, "--url", "http://127.0.0.1:1"]).with(1).stdout;
    let lines: Vec<Value> = both.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["shards"][0]["filled"]["records"], 1_200);
    assert!(lines[1]["fault"].as_str().unwrap().contains("no answer"), "{both}");
    tripline(["status", "--url", &standing_in("[]")]).with(2);
}

#[test]
fn figures_of_brokers_that_do_not_answer_are_marked_as_stale() {
    let url = standing_in(
        r#"{"instance":"1","group":"bank","version":"0.1.0","packs":"0123456789abcdef","guarantee":"exactly_once",
        "snapshots_every_ms":null,"is_ready":false,"reasons":["no broker answers: connection refused"],
        "stale_since":"2026-03-13T10:00:00Z",
        "shards":[{"partition":7,"worker":0,"phase":"live","next":90000,"lag":15,"held_from":null,"snapshot_at":null,
        "snapshot_age_ms":null,"filled":null}]}"#,
    );
    let output = tripline(["status", "--url", &url]).with(1).stdout;
    for part in [
        "no broker answers: connection refused",
        "lag is stale: the brokers last answered at 2026-03-13T10:00:00Z",
        "15 (stale)",
    ] {
        assert!(output.contains(part), "{part} is missing in\n{output}");
    }
}

#[test]
fn dump_needs_no_pack_keeps_what_it_cannot_replace_and_ends_quietly() {
    let bank = Bank::open(&[("schema.yaml", SCHEMA), ("pack.yaml", "rules: ["), ("tripline.yaml", CONFIG)]);
    let value = "x".repeat(200);
    bank.write("events", (0..2_000).map(|_| (&b"a"[..], value.as_bytes())), &[]);
    let (config, kept) = (bank.path("tripline.yaml"), bank.path("kept.jsonl"));
    fs::write(&kept, "earlier records").unwrap();
    let dump = |topic: &str, output: &Path| {
        let mut command = Command::new(BINARY);
        command.args(["dump", "--topic", topic, "--config"]).arg(&config).arg("--output").arg(output);
        ended(&mut command)
    };
    dump("no-such-topic", &kept).with(2);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "earlier records");
    for read in [&config, &bank.path("schema.yaml"), &bank.path("pack.yaml")] {
        let before = fs::read_to_string(read).unwrap();
        assert!(dump("events", read).with(2).stderr.contains("is also an input"));
        assert_eq!(fs::read_to_string(read).unwrap(), before);
    }
    dump("events", &kept).with(0);
    assert_eq!(fs::read_to_string(&kept).unwrap().lines().count(), 2_000);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(BINARY);
    let output = command.args(["dump", "--topic", "events", "--config"]).arg(&config).stdout(writer).output();
    let output = output.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(141), ""));
    // Nobody listens there, but the address is known.
    let status = tripline(["status", "--config", config.to_str().unwrap()]).with(2).stderr;
    assert!(status.contains("no answer from 127.0.0.1:"), "{status}");
}

#[test]
fn check_refuses_settings_with_which_the_service_could_not_work() {
    for (from, to, said) in [
        ("brokers: 127.0.0.1:9092", "brokers: not a broker", "names a broker `not a broker`"),
        ("brokers: 127.0.0.1:9092", "brokers: \"\"", "not `host:port`"),
        ("  topic: events", "  topic: tripline.late", "is an output topic"),
        ("  prefix: tripline", "  prefix: my bank", "`kafka.prefix` is `my bank`"),
        ("interval: 100ms", "interval: 5s", "it must be less than half"),
        ("min_gap: 2ms", "min_gap: 30s", "it must be less than half"),
        ("level: info", "level: a=b=debug", "`log.level` cannot be used"),
    ] {
        let example = Example::new();
        example.change("tripline.yaml", from, to);
        let text = fs::read_to_string(example.path()).unwrap();
        let line = text.lines().position(|line| line.contains(to.trim())).unwrap() + 1;
        let errors = tripline(["check", example.path().to_str().unwrap()]).with(1).stdout;
        assert!(
            errors.contains(said) && errors.contains(&format!("tripline.yaml:{line}:")),
            "{to}: {errors}"
        );
    }
}

#[test]
fn a_topic_of_csv_is_refused() {
    let (_folder, config) = configuration("127.0.0.1:1");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace(": /", ": ").replace("input:\n", "input:\n  format: csv\n")).unwrap();
    let config = config.to_str().unwrap();
    assert!(tripline(["run", "--config", config]).with(2).stderr.contains("no header line"));
    assert!(tripline(["check", config]).with(1).stdout.contains("refused by `run`"));
}

#[test]
fn history_without_unique_ids_or_a_snapshot_store_is_refused() {
    let (_folder, config) = configuration("127.0.0.1:1");
    let bootstrap =
        || tripline(["bootstrap", "--config", config.to_str().unwrap(), "--history", DEMO_SAMPLE]).with(2);
    assert!(bootstrap().stderr.contains("set `snapshots: {store: …}`"));
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("event.id: /id", "event.id: $row")).unwrap();
    let output = bootstrap().stderr;
    assert!(output.contains("not unique across history and topic"), "{output}");
}
