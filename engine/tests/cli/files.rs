//! Files as commands read and write them: their order, their form, and streams that end early.

use crate::tripline::{
    BINARY, DEMO, DEMO_SAMPLE, HANDBOOK, HANDBOOK_SAMPLE, objects, replay, root, tripline,
};
use std::fs;
use std::process::{Command, Stdio};

/// Every command that reports on standard output, with a reader that has left: it ends as a shell expects, and does not
/// panic.
#[test]
fn a_command_ends_quietly_when_the_reader_of_its_output_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (features, verdicts) = (file("features.csv"), file("verdicts.jsonl"));
    let config = root().join("deploy/examples/handbook/tripline.yaml");
    fs::write(&verdicts, replay(HANDBOOK, HANDBOOK_SAMPLE, &[]).verdicts).unwrap();
    for line in [
        format!("check {DEMO}"),
        format!("check {DEMO} --json"),
        format!("check {DEMO} --sample {DEMO_SAMPLE}"),
        "check --schema deploy/examples/demo/schema.yaml deploy/examples/demo/packs/cards.yaml".to_owned(),
        "schema alert".to_owned(),
        "schema fields".to_owned(),
        "completions bash".to_owned(),
        format!("replay --config {DEMO} --input {DEMO_SAMPLE}"),
        format!("replay --config {DEMO} --input {DEMO_SAMPLE} --json"),
        format!("features --config {} --input {HANDBOOK_SAMPLE} --output {features}", config.display()),
        format!("evaluate --config {HANDBOOK} --input {HANDBOOK_SAMPLE}"),
        format!("compare {verdicts} {verdicts}"),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(BINARY);
        let output = command.args(line.split(' ')).current_dir(root()).stdout(writer).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked") && !stderr.contains("tripline:"), "{line}: {stderr}");
        assert_eq!(output.status.code(), Some(141), "{line}: {stderr}");
    }
    // A note on standard error is no result.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let line = format!("simulate --events 10 --accounts 5 --output {}", file("events.jsonl"));
    let status =
        Command::new(BINARY).args(line.split(' ')).stdout(Stdio::null()).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_simulation_that_cannot_be_is_refused_in_words() {
    for (argument, said) in [
        ("--rate=0", "--rate"),
        ("--rate=-1", "--rate"),
        ("--rate=NaN", "--rate"),
        ("--rate=inf", "--rate"),
        ("--rate=1e-300", "--rate"),
        ("--events-per-account-day=0", "--events-per-account-day"),
        ("--events-per-account-day=inf", "--events-per-account-day"),
        ("--campaigns-per-day=-1", "--campaigns-per-day"),
        ("--campaigns-per-day=NaN", "--campaigns-per-day"),
        ("--start=9999-12-31T00:00:00Z", "--start"),
        ("--start=-009999-01-02T01:59:59Z", "--start"),
    ] {
        let line = ["simulate", "--events", "5", "--brokers", "127.0.0.1:1", "--topic", "t", argument];
        let ended = tripline(line).with(2);
        assert!(
            ended.stderr.contains(said) && !ended.stderr.contains("panicked"),
            "{argument}: {}",
            ended.stderr
        );
    }
}

/// In whatever order the records lie: sorted, they give what the file in order gives.
#[test]
fn sorted_records_give_the_alerts_of_the_file_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let sample = fs::read_to_string(root().join(DEMO_SAMPLE)).unwrap();
    let mut lines: Vec<(String, &str)> = sample
        .lines()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            (record["time"].to_string(), line)
        })
        .collect();
    // Equal times keep the order of the file, in both.
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines.dedup_by(|a, b| a.0 == b.0);
    let write = |name: &str, lines: &[(String, &str)]| {
        let path = folder.path().join(name);
        fs::write(&path, lines.iter().map(|(_, line)| format!("{line}\n")).collect::<String>()).unwrap();
        path
    };
    let ordered = write("ordered.jsonl", &lines);
    lines.reverse();
    let newest_first = write("newest.jsonl", &lines);
    let middle = lines.len() / 2;
    lines.rotate_left(middle);
    let rotated = write("rotated.jsonl", &lines);
    let expected = replay(DEMO, &ordered, &[]);
    // Alerts name the position of their record, which is that in the file.
    let alerts = |text: &str| {
        let mut alerts = objects(text);
        alerts.iter_mut().for_each(|alert| alert["source"]["offset"] = 0.into());
        alerts
    };
    assert!(!alerts(&expected.alerts).is_empty());
    for path in [&ordered, &newest_first, &rotated] {
        let sorted = replay(DEMO, path, &["--sort"]);
        assert_eq!(alerts(&sorted.alerts), alerts(&expected.alerts), "{}", path.display());
        assert_eq!(sorted.summary["late"], 0);
    }
}

#[test]
fn an_output_that_is_an_input_is_refused_and_the_input_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let sample = fs::read(root().join(DEMO_SAMPLE)).unwrap();
    fs::write(path("in.jsonl"), &sample).unwrap();
    std::os::unix::fs::symlink(path("in.jsonl"), path("link.jsonl")).unwrap();
    for (input, further) in [
        ("in.jsonl", vec!["--output".to_owned(), path("in.jsonl")]),
        ("in.jsonl", vec!["--dead-letters".to_owned(), path("link.jsonl")]),
        ("link.jsonl", vec!["--verdicts".to_owned(), path("in.jsonl")]),
        ("in.jsonl", vec!["--output".to_owned(), path("a"), "--journal".to_owned(), path("a")]),
    ] {
        let mut line = ["replay", "--config", DEMO, "--input"].map(str::to_owned).to_vec();
        line.push(path(input));
        line.extend(further);
        let ended = tripline(&line).with(2);
        assert!(ended.stderr.contains("output"), "{}", ended.stderr);
        assert_eq!(fs::read(path("in.jsonl")).unwrap(), sample);
    }
}
