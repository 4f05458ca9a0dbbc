//! A disk that has no room for snapshots, under a real process.

use crate::cluster::{Cluster, alter, read_all};
use crate::operations::{Running, bank, configuration, publish, replayed, tripline};
use crate::{all_committed, await_that};
use std::fs;
use std::path::Path;
use std::process::Command;
use tripline::edge::kafka::KafkaSettings;

/// Runs the service with no room for a file of more than 512 bytes, as if the disk were full: the write fails. A disk that is
/// really full cannot be had without the rights to mount one.
const WITHOUT_ROOM: &str = r#"trap "" XFSZ; ulimit -f 1; exec "$@""#;

/// Every file below a folder, by its path and length.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path().display().to_string(), entry.metadata().unwrap().len()));
        }
    }
    found.sort();
    found
}

fn lines_with(log: &Path, what: &str) -> usize {
    fs::read_to_string(log).unwrap_or_default().lines().filter(|line| line.contains(what)).count()
}

/// A full disk costs new snapshots alone: the old ones stay, nothing is left half written, records are judged on, and it is said.
/// With room again, snapshots are written again, and all alerts are those of a replay.
pub fn full(cluster: &Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("snapshots");
    let further =
        format!("snapshots: {{store: {}, every: 2s}}\nhttp: {{listen: 127.0.0.1:0}}\n", store.display());
    let config = configuration(folder.path(), cluster, "full", ("clock: create_time", &further));
    let config = config.to_str().unwrap();
    let settings = KafkaSettings::new(&cluster.brokers(), "full.events", "full", "full");
    tripline(0, &["topics", "--config", config, "--create", "--partitions", "4"]);
    // The story is older than retention allows, and stamped by its own time.
    alter(&settings, "full.events", "retention.ms", "-1");
    let lines = bank(folder.path());
    let mut parts = lines.chunks(lines.len().div_ceil(3));
    let mut run = |name: &str, room: bool, what: &str, times: usize| {
        publish(&settings, parts.next().unwrap());
        let log = folder.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
        if !room {
            command = Command::new("sh");
            command.args(["-c", WITHOUT_ROOM, "sh", env!("CARGO_BIN_EXE_tripline")]);
        }
        command.args(["run", "--config", config]);
        let running = Running::start(command, &log);
        await_that("all is committed", || all_committed(&settings));
        // A shard is saved once something of it is committed.
        await_that(what, || {
            publish(&settings, &lines[..40]);
            std::thread::sleep(std::time::Duration::from_millis(200));
            lines_with(&log, what) >= times
        });
        await_that("all is committed", || all_committed(&settings));
        running.stop();
        log
    };
    run("room.log", true, "snapshot written", 4);
    let before = files(&store);
    let log = run("full.log", false, "the snapshot could not be written; the one before stays", 4);
    println!(
        "  {}",
        fs::read_to_string(&log).unwrap().lines().find(|line| line.contains("could not")).unwrap()
    );
    assert_eq!(lines_with(&log, "snapshot written"), 0);
    assert_eq!(lines_with(&log, "File too large"), lines_with(&log, "could not be written"));
    assert_eq!(files(&store), before, "the old ones stay, and nothing of the new ones");
    let log = run("again.log", true, "snapshot written", 4);
    assert!(lines_with(&log, " snapshot=") >= 4, "each shard is filled from what was kept");
    let mut alerts: Vec<String> =
        read_all(&settings, "full.alerts").into_iter().map(|alert| alert.value).collect();
    alerts.sort();
    let dumped = tripline(0, &["dump", "--config", config, "--topic", "full.events"]);
    let all = dumped.lines().map(str::to_owned).collect();
    assert!(alerts.len() > 20, "there is something to compare");
    assert_eq!(alerts, replayed(folder.path(), config, all, None));
}
