//! The demo as somebody outside sees it: its broker serves any Kafka client while it runs, and it ends by itself.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Kills the demo when a test fails half-way.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn demo(arguments: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.arg("demo").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running(command.spawn().expect("the demo can be started"))
}

/// The word after another one.
fn word_after<'l>(line: &'l str, before: &str) -> &'l str {
    let rest = line.split_once(before).unwrap_or_else(|| panic!("`{before}` is not in `{line}`")).1;
    rest.split_whitespace().next().expect("a word follows")
}

/// The page at an address with its path.
fn get(address: &str) -> String {
    let (host, path) = address.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("the demo listens");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the metrics listen");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn any_kafka_client_reads_the_alerts_while_the_demo_runs() {
    let mut running = demo(&["--for", "12s", "--accounts", "1000"]);
    let mut shown = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("kcat") {
        line.clear();
        assert!(shown.read_line(&mut line).unwrap() > 0, "the demo ended before it said how to watch");
    }
    let (address, topic) = (word_after(&line, "-b ").to_owned(), word_after(&line, "-t ").to_owned());
    line.clear();
    shown.read_line(&mut line).unwrap();
    let metrics = word_after(&line, "Metrics: http://").to_owned();
    assert_eq!(topic, "demo.alerts");
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &address)
        .set("group.id", "somebody-outside")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let (began, mut alerts) = (Instant::now(), Vec::new());
    while alerts.len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(120), "only {} alerts", alerts.len());
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let alert: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            let headers = message.headers().unwrap();
            let id = headers.iter().find(|header| header.key == "ce_id").unwrap();
            assert_eq!(
                id.value,
                alert["id"].as_str().map(str::as_bytes),
                "CloudEvents headers name the alert"
            );
            assert!(!alert["rules"][0]["reason"].as_str().unwrap().is_empty(), "{alert}");
            alerts.push(alert);
        }
    }
    assert!(running.0.try_wait().unwrap().is_none(), "the demo still runs while its alerts are read");
    drop(consumer);
    let page = get(&metrics);
    let counted = |name: &str| {
        let lines = page.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    assert!(counted("tripline_events_total") > 0.0 && counted("tripline_alerts_total") >= 2.0, "{page}");
    assert!(counted("tripline_rules_fired_total{") >= 2.0, "{page}");
    let mut text = String::new();
    shown.read_to_string(&mut text).unwrap();
    assert!(running.0.wait().unwrap().success());
    for alert in &alerts {
        let account = alert["account"].as_str().unwrap();
        assert!(text.contains(account), "the screen showed the alert on {account}:\n{text}");
    }
    assert!(text.contains("caught: "), "{text}");
    assert!(text.contains("false alarms: "), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour where nobody sees it");
    let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "wider than a terminal: {wide:?}");
}

#[test]
fn the_summary_is_one_json_object_on_standard_output() {
    let mut running = demo(&["--for", "3s", "--accounts", "600", "--json"]);
    let mut text = String::new();
    running.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(running.0.wait().unwrap().success());
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["seed"], 1);
    assert_eq!(summary["campaigns"].as_array().unwrap().len(), 5);
    assert!(summary["events"].as_u64().unwrap() > 0, "{summary}");
    let alarms = &summary["false_alarms"];
    assert!(
        alarms["account_days"].as_f64().unwrap() >= 20_000.0,
        "a share of fewer means nothing: {summary}"
    );
    assert!(alarms["total"].as_u64().unwrap() > 0, "{summary}");
}
