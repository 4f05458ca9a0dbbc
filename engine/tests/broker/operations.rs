//! The operator's commands on a real broker: what they make, find and leave behind.

use crate::cluster::{Cluster, alter, committed, read_all};
use crate::{all_committed, await_that};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use tripline::io::kafka::KafkaSettings;
use tripline::io::kafka::transfer::TopicWriter;
use tripline_core::batch::Timestamp;
use tripline_core::placement::Partitioner;

/// Runs the binary. It must end with this status; gives standard output.
pub fn tripline(code: i32, arguments: &[&str]) -> String {
    let ended = Command::new(env!("CARGO_BIN_EXE_tripline")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&ended.stdout), text(&ended.stderr));
    assert_eq!(ended.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    stdout
}

/// Runs the example of a command's help where the configuration lies. Gives standard output.
fn example(folder: &Path, command: &str) -> String {
    let help = tripline(0, &[command, "--help"]);
    let (_, example) = help.split_once("\nExample:\n").unwrap();
    let binaries = Path::new(env!("CARGO_BIN_EXE_tripline")).parent().unwrap().display().to_string();
    let path = format!("{binaries}:{}", std::env::var("PATH").unwrap());
    let ended =
        Command::new("sh").args(["-ec", example]).current_dir(folder).env("PATH", path).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ended.status.success(), "{example}\n{}{}", text(&ended.stdout), text(&ended.stderr));
    text(&ended.stdout)
}

/// The demo's configuration on this broker, with its own group and topics, and further sections.
pub fn configuration(
    folder: &Path,
    cluster: &Cluster,
    name: &str,
    (clock, further): (&str, &str),
) -> PathBuf {
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
        .replace("clock: create_time", clock);
    let brokers = cluster.brokers();
    let kafka = format!(
        "secret: built_in\nkafka: {{brokers: \"{brokers}\", group: {name}, prefix: {name}, workers: 2, client: {{session.timeout.ms: 6000}}}}\n"
    );
    let path = folder.join("tripline.yaml");
    fs::write(&path, text + &kafka + further).unwrap();
    path
}

/// `topics` makes what is missing so that it finds nothing wrong, and tells what somebody changed for the worse.
pub fn topics(cluster: &Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), cluster, "made", ("clock: log_append_time", ""));
    let config = config.to_str().unwrap();
    assert!(tripline(1, &["topics", "--config", config]).contains("error: topic does not exist"));
    let printed = example(folder.path(), "topics");
    print!("{printed}");
    assert!(
        printed.contains("created made.events\n") && printed.contains("created made.late\n"),
        "{printed}"
    );
    assert!(!printed.contains("wrong") && !printed.contains("warning"), "{printed}");
    assert!(
        printed.lines().any(|line| line.starts_with("made.verdicts ") && line.contains(" 12 ")),
        "{printed}"
    );
    let again = tripline(0, &["topics", "--config", config, "--create"]);
    assert!(!again.contains("created"), "there is nothing left to make:\n{again}");
    tripline(2, &["topics", "--config", config, "--create", "--partitions", "24"]);
    let settings = KafkaSettings::new(&cluster.brokers(), "made.events", "made", "made");
    alter(&settings, "made.events", "retention.ms", "86400000");
    alter(&settings, "made.verdicts", "cleanup.policy", "compact");
    let printed: Value =
        serde_json::from_str(&tripline(1, &["topics", "--config", config, "--json"])).unwrap();
    let flaws = |place: usize| printed["topics"][place]["findings"].as_array().unwrap().clone();
    assert_eq!(flaws(0)[0]["flaw"], "retention", "{printed}");
    assert!(flaws(0)[0]["needed_ms"].as_i64().unwrap() >= 90 * 86_400_000);
    let verdicts =
        printed["topics"].as_array().unwrap().iter().find(|topic| topic["role"] == "verdicts").unwrap();
    let compacted = verdicts["findings"].as_array().unwrap().iter().any(|one| one["flaw"] == "compacted");
    assert!(compacted, "{verdicts}");
    let human = tripline(1, &["topics", "--config", config]);
    print!("{human}");
    assert!(human.contains("--entity-name made.events --alter --add-config retention.ms="), "{human}");
}

/// How large a bank is: events, and accounts that make three a day each. `BANK=1280000,3700` runs them with 90 days of
/// history.
fn size() -> (usize, usize) {
    let Ok(asked) = std::env::var("BANK") else { return (20_000, 300) };
    let (events, accounts) = asked.split_once(',').expect("BANK=events,accounts");
    (events.parse().expect("a number"), accounts.parse().expect("a number"))
}

/// A line of the simulated bank.
pub struct Line {
    pub text: String,
    pub account: String,
    pub time: String,
}

pub fn bank(folder: &Path) -> Vec<Line> {
    let file = folder.join("bank.jsonl");
    let (events, accounts) = size();
    let (events, accounts, file) = (events.to_string(), accounts.to_string(), file.to_str().unwrap());
    let size = ["--events", &events, "--accounts", &accounts];
    tripline(0, &[&["simulate"], &size[..], &["--seed", "7", "--output", file]].concat());
    let text = fs::read_to_string(file).unwrap();
    let line = |text: &str| {
        let record: Value = serde_json::from_str(text).unwrap();
        let word = |at: &str| record.pointer(at).unwrap().as_str().unwrap().to_owned();
        Line { text: text.to_owned(), account: word("/account/id"), time: word("/time") }
    };
    text.lines().map(line).collect()
}

pub fn publish(settings: &KafkaSettings, lines: &[Line]) {
    let writer = TopicWriter::new(settings, &settings.topic).unwrap();
    for line in lines {
        let at: jiff::Timestamp = line.time.parse().unwrap();
        let at = Timestamp(at.as_millisecond());
        writer.send(at, line.account.as_bytes(), line.text.as_bytes(), &[]).unwrap();
    }
    writer.finish().unwrap();
}

/// `tripline run`, killed when a case fails.
pub struct Running {
    child: Child,
    /// Writes its log.
    writing: Option<JoinHandle<io::Result<u64>>>,
}

impl Running {
    /// Its log is written by this program, whatever limits it has itself.
    pub fn start(mut command: Command, log: &Path) -> Running {
        let mut log = fs::File::create(log).unwrap();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        Running { child, writing: Some(thread::spawn(move || io::copy(&mut stderr, &mut log))) }
    }

    pub fn stop(mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        self.writing.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_lines(path: &Path, lines: impl IntoIterator<Item = String>) -> String {
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    fs::write(path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The alerts of a replay of what `dump` writes, judged from a time on if one is given.
pub fn replayed(folder: &Path, config: &str, lines: Vec<String>, from: Option<&str>) -> Vec<String> {
    let input = write_lines(&folder.join("all.dump.jsonl"), lines);
    let output = folder.join("replayed.jsonl");
    let output = output.to_str().unwrap();
    let mut replay = vec!["replay", "--config", config, "--input", &input, "--output", output];
    replay.extend(from.into_iter().flat_map(|from| ["--judge-from", from]));
    tripline(0, &replay);
    let mut alerts: Vec<String> = fs::read_to_string(output).unwrap().lines().map(str::to_owned).collect();
    alerts.sort();
    alerts
}

/// A bank's installation with history in files, the last of it in the topic already, and live records after it.
struct Installation {
    folder: tempfile::TempDir,
    config: String,
    settings: KafkaSettings,
    history: Vec<Line>,
    live: Vec<Line>,
}

const PARTITIONS: u32 = 6;
/// So many records of the history lie in the topic, too.
const IN_BOTH: usize = 500;

impl Installation {
    fn new(cluster: &Cluster) -> Installation {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("snapshots");
        let further = format!(
            "snapshots: {{store: {}, every: 600s}}\nhttp: {{listen: 127.0.0.1:0}}\n",
            store.display()
        );
        let config = configuration(folder.path(), cluster, "boot", ("clock: create_time", &further));
        let config = config.to_str().unwrap().to_owned();
        let settings = KafkaSettings::new(&cluster.brokers(), "boot.events", "boot", "boot");
        let partitions = PARTITIONS.to_string();
        tripline(0, &["topics", "--config", &config, "--create", "--partitions", &partitions]);
        // The story is older than retention allows, and stamped by its own time.
        alter(&settings, "boot.events", "retention.ms", "-1");
        let mut history = bank(folder.path());
        let live = history.split_off(history.len() / 5 * 4);
        fs::create_dir(folder.path().join("history")).unwrap();
        let installation = Installation { folder, config, settings, history, live };
        let (first, second) = installation.history.split_at(installation.history.len() / 2);
        installation.keep("2026-01.jsonl", first);
        installation.keep("2026-02.jsonl", second);
        let (_, in_both) = installation.history.split_at(installation.history.len() - IN_BOTH);
        publish(&installation.settings, in_both);
        installation
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of history.
    fn keep(&self, name: &str, lines: &[Line]) {
        write_lines(&self.path().join("history").join(name), lines.iter().map(|line| line.text.clone()));
    }

    /// Runs `bootstrap` on all files of history.
    fn bootstrap(&self, code: i32, further: &[&str]) -> String {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.path().join("history")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let files: Vec<&str> = files.iter().map(|path| path.to_str().unwrap()).collect();
        let command = ["bootstrap", "--config", &self.config, "--json"];
        tripline(code, &[&command, further, &["--history"], &files].concat())
    }

    /// Publishes records and runs the service until they are committed. Gives its log.
    fn run(&self, lines: &[Line]) -> String {
        publish(&self.settings, lines);
        let log = self.path().join("run.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
        command.args(["run", "--config", &self.config]);
        let running = Running::start(command, &log);
        await_that("all live records are committed", || all_committed(&self.settings));
        running.stop();
        fs::read_to_string(&log).unwrap()
    }

    fn positions(&self) -> Vec<i64> {
        committed(&self.settings).into_iter().map(|(next, _)| next).collect()
    }

    /// The history as `dump` would have written it.
    fn past(&self) -> Vec<String> {
        let dumped = |(number, line): (usize, &Line)| {
            let partition = Partitioner::Murmur2.partition(line.account.as_bytes(), PARTITIONS);
            let (key, value) = (&line.account, &line.text);
            json!({"partition": partition, "offset": number, "appended_at": null, "key": key, "value": value})
                .to_string()
        };
        self.history.iter().enumerate().map(dumped).collect()
    }

    /// What the topic holds from these positions on, as `dump` writes it.
    fn dumped(&self, from: &[i64]) -> Vec<String> {
        let topic = tripline(0, &["dump", "--config", &self.config, "--topic", "boot.events"]);
        let is_behind = |line: &&str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["offset"].as_i64()
                >= from.get(usize::try_from(line["partition"].as_u64().unwrap()).unwrap()).copied()
        };
        topic.lines().filter(is_behind).map(str::to_owned).collect()
    }
}

/// History in files, then live records; then the snapshots are lost and history is read again. The alerts are those of
/// a replay of all, byte for byte.
pub fn bootstrap(cluster: &Cluster) {
    let bank = Installation::new(cluster);
    print!("{}", example(bank.path(), "bootstrap"));
    let begun = bank.positions();
    assert_eq!(
        usize::try_from(begun.iter().sum::<i64>()),
        Ok(IN_BOTH),
        "the group begins at the topic's end"
    );
    bank.bootstrap(2, &[]);
    let printed: Value = serde_json::from_str(&bank.bootstrap(0, &["--force"])).unwrap();
    let counts = ["records", "rows", "duplicates", "late", "dead_letters"].map(|name| printed[name].as_i64());
    let past = bank.history.len();
    let expected = [past + IN_BOTH, past, IN_BOTH, 0, 0];
    assert_eq!(json!(counts), json!(expected), "what lies in both counts once");
    assert_eq!(printed["positions"], json!(begun));
    let (first, second) = bank.live.split_at(bank.live.len() / 2);
    let log = bank.run(first);
    for next in &begun {
        assert!(log.contains(&format!("snapshot={next}")), "filled from the snapshot at {next}:\n{log}");
    }
    // Static members that left are waited for; then the snapshots are lost, with cooldowns open.
    bank.bootstrap(2, &["--offsets", "committed"]);
    fs::remove_dir_all(bank.path().join("snapshots")).unwrap();
    let stands = bank.positions();
    await_that("the group has no member", || {
        let files = bank.path().join("history/2026-02.jsonl");
        let command = ["bootstrap", "--config", &bank.config, "--history", files.to_str().unwrap()];
        let ended = Command::new(env!("CARGO_BIN_EXE_tripline")).args(command).output().unwrap();
        !String::from_utf8_lossy(&ended.stderr).contains(" members: ")
    });
    let printed: Value = serde_json::from_str(&bank.bootstrap(0, &["--offsets", "committed"])).unwrap();
    assert_eq!(
        (&printed["records"], &printed["positions"]),
        (&json!(past + IN_BOTH + first.len()), &json!(stands))
    );
    bank.run(second);
    let mut alerts: Vec<String> =
        read_all(&bank.settings, "boot.alerts").into_iter().map(|alert| alert.value).collect();
    alerts.sort();
    let live = bank.dumped(&begun);
    assert_eq!(live.len(), bank.live.len());
    let from = Some(bank.live[0].time.as_str());
    let all = bank.past().into_iter().chain(live.iter().cloned()).collect();
    let expected = replayed(bank.path(), &bank.config, all, from);
    println!("  {} alerts", alerts.len());
    assert!(alerts.len() > 20, "there is something to compare");
    assert_eq!(alerts, expected);
    assert_ne!(alerts, replayed(bank.path(), &bank.config, live, from), "history matters");
}
