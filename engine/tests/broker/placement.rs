//! A topic whose records are not where their accounts belong: keyed by something else than the account.

use crate::cluster::{Cluster, alter, read_all};
use crate::operations::{Line, bank, configuration, publish, tripline};
use std::process::Command;
use tripline::io::kafka::KafkaSettings;

/// The process stops by itself, names the cause, and publishes next to nothing.
pub fn keyed_by_card(cluster: &Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let further = "http: {listen: 127.0.0.1:0}\n";
    let config = configuration(folder.path(), cluster, "cards", ("clock: create_time", further));
    let config = config.to_str().unwrap();
    tripline(0, &["topics", "--config", config, "--create", "--partitions", "6"]);
    let settings = KafkaSettings::new(&cluster.brokers(), "cards.events", "cards", "cards");
    alter(&settings, "cards.events", "retention.ms", "-1");
    let own = bank(folder.path());
    let as_if_a_card = |(number, line): (usize, &Line)| Line {
        account: format!("card-{}-{}", line.account, number % 4),
        text: line.text.clone(),
        time: line.time.clone(),
    };
    let lines: Vec<Line> = own.iter().enumerate().map(as_if_a_card).collect();
    publish(&settings, &lines);
    let ended =
        Command::new(env!("CARGO_BIN_EXE_tripline")).args(["run", "--config", config]).output().unwrap();
    let log = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && log.contains("cannot continue"), "{log}");
    assert!(log.contains("`account.id`") && log.contains("murmur2"), "{log}");
    let verdicts = read_all(&settings, &settings.topics().verdicts).len();
    println!("  stopped after {verdicts} verdicts for {} records", lines.len());
    assert!(verdicts * 4 < lines.len(), "{verdicts} verdicts");
}
