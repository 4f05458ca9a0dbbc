//! A broker that goes away, under a real process: what log, status and metrics say.

use crate::cluster::{Cluster, alter};
use crate::operations::{Running, bank, configuration, publish, tripline};
use crate::{all_committed, await_that};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tripline::io::kafka::KafkaSettings;

/// How often a log says something.
fn times(log: &Path, what: &str) -> usize {
    fs::read_to_string(log).unwrap_or_default().lines().filter(|line| line.contains(what)).count()
}

/// Where the process serves HTTP, once its log says it.
fn address(log: &Path) -> String {
    let found = || {
        let text = fs::read_to_string(log).unwrap_or_default();
        let (_, rest) = text.split_once("address=")?;
        Some(rest.split_whitespace().next()?.to_owned())
    };
    await_that("the process serves HTTP", || found().is_some());
    found().unwrap()
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The broker dies while records are judged. The process says so once, and once that it is back; meanwhile its figures
/// are marked as stale.
pub fn one_line_at_each_end(cluster: &Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let further = "http: {listen: 127.0.0.1:0}\n";
    let config = configuration(folder.path(), cluster, "outage", ("clock: create_time", further));
    // Nothing is assigned anew within so short an outage.
    let text =
        fs::read_to_string(&config).unwrap().replace("session.timeout.ms: 6000", "session.timeout.ms: 45000");
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    tripline(0, &["topics", "--config", config, "--create", "--partitions", "4"]);
    let settings = KafkaSettings::new(&cluster.brokers(), "outage.events", "outage", "outage");
    alter(&settings, "outage.events", "retention.ms", "-1");
    let lines = bank(folder.path());
    let log = folder.path().join("run.log");
    publish(&settings, &lines[..1_000]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(["run", "--config", config]);
    let running = Running::start(command, &log);
    await_that("all is committed", || all_committed(&settings));
    let url = address(&log);
    await_that("the brokers are reachable", || {
        get(&url, "/metrics").contains("tripline_brokers_reachable 1\n")
    });
    assert!(!tripline(0, &["status", "--url", &url]).contains("stale"));

    publish(&settings, &lines[1_000..]);
    let began = Instant::now();
    cluster.broker("kill");
    await_that("the log says so", || times(&log, "outage of the brokers") > 0);
    println!("  said after {:.1} s", began.elapsed().as_secs_f64());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let status = tripline(1, &["status", "--url", &url]);
    assert!(status.contains("no broker answers: ") && status.contains("lag is stale: "), "{status}");
    assert!(get(&url, "/metrics").contains("tripline_brokers_reachable 0\n"));
    assert!(get(&url, "/status").contains("\"stale_since\":\"20"), "{}", get(&url, "/status"));
    assert!(get(&url, "/readyz").contains("no broker answers: ") && get(&url, "/healthz").contains(" 200 "));
    sleep(Duration::from_secs(6));
    cluster.broker("start");
    await_that("all is committed", || all_committed(&settings));
    await_that("it is ready", || get(&url, "/readyz").contains(" 200 "));
    assert!(get(&url, "/status").contains("\"stale_since\":null"));
    running.stop();

    let text = fs::read_to_string(&log).unwrap();
    // The clients warn of the settings of the other kind of client when they are created.
    let (_, since) = text.split_once("shard is live").unwrap();
    let warned: Vec<&str> =
        since.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect();
    assert_eq!(times(&log, "outage of the brokers"), 1, "{text}");
    assert_eq!(times(&log, "the brokers answer again"), 1, "{text}");
    assert!(text.contains(&format!("brokers=\"{}\"", cluster.brokers())), "{text}");
    assert_eq!(warned.len(), 1, "{text}");
}
