//! The operator's commands on a real broker: what they make, find and leave behind.

use crate::cluster::{Cluster, alter};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tripline::edge::kafka::KafkaSettings;

/// Runs the binary. It must end with this status; gives standard output.
fn tripline(code: i32, arguments: &[&str]) -> String {
    let ended = Command::new(env!("CARGO_BIN_EXE_tripline")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&ended.stdout), text(&ended.stderr));
    assert_eq!(ended.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    stdout
}

/// The demo's configuration on this broker, with its own group and topics, and further sections.
fn configuration(folder: &Path, cluster: &Cluster, name: &str, further: &str) -> PathBuf {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/demo");
    let place = demo.canonicalize().unwrap();
    let text = fs::read_to_string(place.join("tripline.yaml")).unwrap();
    let mut kept = String::new();
    let mut is_skipped = false;
    for line in text.lines() {
        if !line.starts_with([' ', '#']) && !line.is_empty() {
            is_skipped =
                ["kafka:", "delivery:", "snapshots:", "http:"].iter().any(|key| line.starts_with(key));
        }
        if !is_skipped {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let place = place.display();
    let text = kept
        .replace("schema: schema.yaml", &format!("schema: {place}/schema.yaml"))
        .replace(
            "packs: [packs/cards.yaml, packs/terminals.yaml]",
            &format!("packs: [{place}/packs/cards.yaml]"),
        )
        .replace("topic: demo.events", &format!("topic: {name}.events"))
        .replace("clock: create_time", "clock: log_append_time");
    let brokers = cluster.brokers();
    let kafka = format!(
        "kafka: {{brokers: \"{brokers}\", group: {name}, prefix: {name}, workers: 2, client: {{session.timeout.ms: 6000}}}}\n"
    );
    let path = folder.join("tripline.yaml");
    fs::write(&path, text + &kafka + further).unwrap();
    path
}

/// `topics` makes what is missing so that it finds nothing wrong, and tells what somebody changed for the worse.
pub fn topics(cluster: &Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), cluster, "made", "");
    let config = config.to_str().unwrap();
    assert!(tripline(1, &["topics", "--config", config]).contains("wrong: it is not there"));
    let told =
        tripline(0, &["topics", "--config", config, "--create", "--partitions", "6", "--replication", "1"]);
    print!("{told}");
    assert!(told.contains("created made.events\n") && told.contains("created made.late\n"), "{told}");
    assert!(!told.contains("wrong") && !told.contains("warning"), "{told}");
    let again = tripline(0, &["topics", "--config", config, "--create"]);
    assert!(!again.contains("created"), "there is nothing left to make:\n{again}");
    tripline(2, &["topics", "--config", config, "--create", "--partitions", "12"]);
    let settings = KafkaSettings::new(&cluster.brokers(), "made.events", "made", "made");
    alter(&settings, "made.events", "retention.ms", "86400000");
    alter(&settings, "made.verdicts", "cleanup.policy", "compact");
    let told: Value = serde_json::from_str(&tripline(1, &["topics", "--config", config, "--json"])).unwrap();
    let flaws = |place: usize| told["topics"][place]["findings"].as_array().unwrap().clone();
    assert_eq!(flaws(0)[0]["flaw"], "retention", "{told}");
    assert!(flaws(0)[0]["needed_ms"].as_i64().unwrap() >= 90 * 86_400_000);
    let verdicts =
        told["topics"].as_array().unwrap().iter().find(|topic| topic["role"] == "verdicts").unwrap();
    let compacted = verdicts["findings"].as_array().unwrap().iter().any(|one| one["flaw"] == "compacted");
    assert!(compacted, "{verdicts}");
    let human = tripline(1, &["topics", "--config", config]);
    print!("{human}");
    assert!(human.contains("--entity-name made.events --alter --add-config retention.ms="), "{human}");
}
