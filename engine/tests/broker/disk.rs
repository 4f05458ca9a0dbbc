//! A disk that is full, under a real process.

use crate::cluster::{Cluster, alter, read_all};
use crate::operations::{Line, Running, bank, configuration, publish, replayed, tripline};
use crate::{all_committed, await_that};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use tripline::io::kafka::KafkaSettings;

/// Runs the service with no room for a file of more than 512 bytes, as if the disk were full: the write fails. A disk
/// that is really full cannot be had without the rights to mount one.
const WITHOUT_ROOM: [&str; 4] = ["sh", "-c", r#"trap "" XFSZ; ulimit -f 1; exec "$@""#, "sh"];

/// The lines are published in so many parts, each before a run.
const PARTS: usize = 3;

/// A bank's service that is run several times, on a host that changes.
struct Host {
    folder: tempfile::TempDir,
    config: String,
    settings: KafkaSettings,
    lines: Vec<Line>,
}

impl Host {
    fn new(cluster: &Cluster) -> Host {
        let folder = tempfile::tempdir().unwrap();
        let further = format!(
            "snapshots: {{store: {}, every: 2s}}\nhttp: {{listen: 127.0.0.1:0}}\n",
            folder.path().join("snapshots").display()
        );
        let config = configuration(folder.path(), cluster, "full", ("clock: create_time", &further));
        let config = config.to_str().unwrap().to_owned();
        let settings = KafkaSettings::new(&cluster.brokers(), "full.events", "full", "full");
        tripline(0, &["topics", "--config", &config, "--create", "--partitions", "4"]);
        // The story is older than retention allows, and stamped by its own time.
        alter(&settings, "full.events", "retention.ms", "-1");
        let lines = bank(folder.path());
        Host { folder, config, settings, lines }
    }

    /// Publishes a part of the lines and runs the service behind a command until all is committed and its log has said
    /// something so often. Gives the log.
    fn run(&self, part: usize, behind: &[&str], (what, times): (&str, usize)) -> PathBuf {
        publish(&self.settings, self.lines.chunks(self.lines.len().div_ceil(PARTS)).nth(part).unwrap());
        let log = self.folder.path().join(format!("run-{part}.log"));
        let program = [env!("CARGO_BIN_EXE_tripline"), "run", "--config", &self.config];
        let words = [behind, &program].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        let running = Running::start(command, &log);
        await_that("all is committed", || all_committed(&self.settings));
        // A shard is saved as something of it is committed.
        await_that(what, || {
            publish(&self.settings, &self.lines[..40]);
            sleep(Duration::from_millis(200));
            lines_with(&log, what) >= times
        });
        await_that("all is committed", || all_committed(&self.settings));
        running.stop();
        log
    }

    /// All alerts are those of a replay, byte for byte.
    fn alerts_fit(&self) {
        let alerts = read_all(&self.settings, &self.settings.topics().alerts);
        let mut alerts: Vec<String> = alerts.into_iter().map(|alert| alert.value).collect();
        alerts.sort();
        let dumped = tripline(0, &["dump", "--config", &self.config, "--topic", &self.settings.topic]);
        let all = dumped.lines().map(str::to_owned).collect();
        assert!(alerts.len() > 20, "there is something to compare");
        assert_eq!(alerts, replayed(self.folder.path(), &self.config, all, None));
    }

    /// Every file of its snapshots, by its path and length.
    fn kept(&self) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("snapshots")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push((entry.path().display().to_string(), entry.metadata().unwrap().len()));
                }
            }
        }
        found.sort();
        found
    }
}

fn lines_with(log: &Path, what: &str) -> usize {
    fs::read_to_string(log).unwrap().lines().filter(|line| line.contains(what)).count()
}

/// A full disk costs new snapshots alone: the old ones stay, nothing is left half written, records are judged on, and
/// it is said. With room again, snapshots are written again.
pub fn full(cluster: &Cluster) {
    let host = Host::new(cluster);
    host.run(0, &[], ("snapshot written", 4));
    let before = host.kept();
    let log = host.run(1, &WITHOUT_ROOM, ("could not be written; the previous one stays", 4));
    println!(
        "  {}",
        fs::read_to_string(&log).unwrap().lines().find(|line| line.contains("could not")).unwrap()
    );
    assert_eq!(lines_with(&log, "snapshot written"), 0);
    assert_eq!(lines_with(&log, "File too large"), lines_with(&log, "could not be written"));
    let kept = host.kept();
    assert!(before.iter().all(|file| kept.contains(file)), "the old ones stay");
    let manifests =
        |files: &[(String, u64)]| files.iter().filter(|(path, _)| path.ends_with("/manifest")).count();
    assert_eq!(manifests(&kept), manifests(&before), "of the new ones none counts");
    let log = host.run(2, &[], ("snapshot written", 4));
    assert!(lines_with(&log, " snapshot=") >= 4, "each shard is filled from what was kept");
    host.alerts_fit();
}
