//! `tripline replay`: the same records, however they come, give the same bytes; every record is accounted for.

use crate::tripline::{DEMO, DEMO_SAMPLE, HANDBOOK, objects, replay, root, simulate, tripline};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

/// The keys that `--json` promises, in the order in which they are written.
const SUMMARY_KEYS: [&str; 17] = [
    "records",
    "rows",
    "duplicates",
    "conflicts",
    "late",
    "dead_letters",
    "labels",
    "alerts",
    "suppressed",
    "unresolved_references",
    "dropped",
    "misplaced",
    "refused",
    "seconds",
    "cpu_seconds",
    "events_per_core_second",
    "peak_rss_bytes",
];

fn sample() -> String {
    fs::read_to_string(root().join(DEMO_SAMPLE)).unwrap()
}

fn count(summary: &Value, key: &str) -> usize {
    usize::try_from(summary[key].as_u64().unwrap()).unwrap()
}

#[test]
fn the_same_records_give_the_same_bytes() {
    let (first, second) = (replay(DEMO, DEMO_SAMPLE, &[]), replay(DEMO, DEMO_SAMPLE, &[]));
    assert!(first.alerts.lines().count() >= 3, "the sample raises alerts:\n{}", first.alerts);
    assert_eq!(first.alerts, second.alerts);
    assert_eq!(first.verdicts, second.verdicts);
    assert_eq!(first.journal, second.journal);
    assert_eq!(first.stderr, "", "progress belongs on a terminal");
}

#[test]
fn records_in_gzip_and_zstd_are_the_same_records() {
    let folder = tempfile::tempdir().unwrap();
    let plain = replay(DEMO, DEMO_SAMPLE, &[]);
    let gz = folder.path().join("sample.jsonl.gz");
    let mut writer =
        flate2::write::GzEncoder::new(fs::File::create(&gz).unwrap(), flate2::Compression::fast());
    writer.write_all(sample().as_bytes()).unwrap();
    writer.finish().unwrap();
    let zst = folder.path().join("sample.jsonl.zst");
    fs::write(&zst, zstd::encode_all(sample().as_bytes(), 1).unwrap()).unwrap();
    for packed in [gz, zst] {
        let unpacked = replay(DEMO, &packed, &[]);
        assert_eq!(plain.alerts, unpacked.alerts, "{}", packed.display());
        assert_eq!(plain.verdicts, unpacked.verdicts, "{}", packed.display());
    }
}

#[test]
fn records_in_two_files_are_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let text = sample();
    let lines: Vec<&str> = text.lines().collect();
    let (first, second) = (folder.path().join("1.jsonl"), folder.path().join("2.jsonl"));
    fs::write(&first, lines[..300].join("\n")).unwrap();
    fs::write(&second, lines[300..].join("\n")).unwrap();
    let halves = replay(DEMO, &first, &["--input", second.to_str().unwrap()]);
    assert_eq!(halves.alerts, replay(DEMO, DEMO_SAMPLE, &[]).alerts);
}

#[test]
fn a_dumped_topic_gives_the_alerts_of_its_plain_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.jsonl");
    let dumped: String = (0..)
        .zip(sample().lines())
        .map(|(offset, line): (u32, _)| {
            let record: Value = serde_json::from_str(line).unwrap();
            let at: jiff::Timestamp = record["time"].as_str().unwrap().parse().unwrap();
            let appended_at = at.to_string();
            let key = &record["account"]["id"];
            let value = Value::from(line);
            format!(
                "{{\"partition\":0,\"offset\":{offset},\"appended_at\":\"{appended_at}\",\"key\":{key},\"value\":{value}}}\n"
            )
        })
        .collect();
    fs::write(&path, dumped).unwrap();
    let (plain, dump) = (replay(DEMO, DEMO_SAMPLE, &[]), replay(DEMO, &path, &[]));
    // A file covers the time from its first event on. A topic covers it from the first append plus the time that a
    // clock may be ahead.
    let without_coverage = |alerts: &str| -> Vec<Value> {
        let mut alerts: Vec<Value> = alerts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        alerts.iter_mut().for_each(|alert| drop(alert.as_object_mut().unwrap().remove("coverage")));
        alerts
    };
    assert_eq!(without_coverage(&plain.alerts), without_coverage(&dump.alerts));
    assert_eq!(plain.verdicts, dump.verdicts);
}

#[test]
fn a_dumped_record_that_is_too_large_is_one_dead_letter_as_it_was_in_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.jsonl");
    let line = |offset: u32, value: &str| {
        format!(
            "{{\"partition\":0,\"offset\":{offset},\"appended_at\":null,\"value\":{}}}\n",
            Value::from(value)
        )
    };
    let event = sample().lines().next().unwrap().to_owned();
    // Control characters take six bytes each in JSON: as large a record as a broker takes by default.
    let huge = "\u{1}".repeat(1 << 20);
    fs::write(&path, line(0, &huge) + &line(1, &event) + &line(2, &huge)).unwrap();
    let summary = replay(DEMO, &path, &[]).summary;
    assert_eq!(
        (&summary["records"], &summary["rows"], &summary["dead_letters"]),
        (&3.into(), &1.into(), &2.into())
    );
}

#[test]
fn every_record_becomes_one_of_five_things() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    simulate(
        &path,
        "--events 6000 --accounts 300 --seed 5 --out-of-order 0.02 --duplicates 0.02 --bad 0.01 --conflicts 0.01",
    );
    let replayed = replay(DEMO, &path, &[]);
    let summary = &replayed.summary;
    let keys: Vec<&str> = summary.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = SUMMARY_KEYS;
    expected.sort_unstable();
    assert_eq!(keys, expected, "an object of exactly these keys");
    let parts = ["rows", "duplicates", "conflicts", "late", "dead_letters"].map(|key| count(summary, key));
    assert_eq!(parts.iter().sum::<usize>(), count(summary, "records"));
    assert_eq!(count(summary, "records"), 6000);
    for (key, part) in ["rows", "duplicates", "conflicts", "late", "dead_letters"].iter().zip(parts) {
        assert!(part > 0 || *key == "late", "no {key}: {summary}");
    }
    assert_eq!(count(summary, "alerts"), replayed.alerts.lines().count());
    assert_eq!(count(summary, "rows"), replayed.verdicts.lines().count(), "a line a row");
    let letters = count(summary, "dead_letters") + count(summary, "conflicts");
    assert_eq!(letters, replayed.dead_letters.lines().count());
}

#[test]
fn a_verdict_line_has_exactly_the_documented_keys() {
    let replayed = replay(DEMO, DEMO_SAMPLE, &[]);
    let first = replayed.verdicts.lines().next().unwrap();
    let mut at = 0;
    for key in ["event", "at", "account", "score", "action", "rules", "models", "shadow"] {
        let place = first.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key} in {first}"));
        assert!(place >= at, "{key} stands too early in {first}");
        at = place;
    }
    let records: BTreeMap<String, Value> = objects(&sample())
        .into_iter()
        .map(|record| (record["id"].as_str().unwrap().to_owned(), record))
        .collect();
    let mut scored = 0;
    for line in objects(&replayed.verdicts) {
        let line = line.as_object().unwrap();
        assert_eq!(line.len(), 8, "{line:?}");
        let record = &records[line["event"].as_str().unwrap()];
        assert_eq!(line["account"], record["account"]["id"]);
        assert_eq!(line["at"], record["time"]);
        assert!((0..=100).contains(&line["score"].as_i64().unwrap()));
        assert!(
            ["none", "alert", "review", "step_up", "hold", "block"]
                .contains(&line["action"].as_str().unwrap())
        );
        assert!(line["rules"].as_array().unwrap().iter().all(Value::is_string));
        let models = line["models"].as_object().unwrap();
        assert!(models.keys().all(|model| model == "profile"), "{models:?}");
        scored += usize::from(
            models.get("profile").is_some_and(|score| (0.0..1.0).contains(&score.as_f64().unwrap())),
        );
    }
    assert!(scored > 300, "only {scored} events have a profile score");
}

#[test]
fn events_before_judge_from_are_remembered_and_not_judged() {
    let whole = replay(DEMO, DEMO_SAMPLE, &[]);
    let alerts = objects(&whole.alerts);
    let from = alerts[1]["at"].as_str().unwrap();
    let late = replay(DEMO, DEMO_SAMPLE, &["--judge-from", from]);
    let ids = |alerts: &[Value]| -> Vec<(String, Value)> {
        let judged = alerts.iter().filter(|alert| alert["at"].as_str().unwrap() >= from);
        judged.map(|alert| (alert["event"]["id"].to_string(), alert["rules"].clone())).collect()
    };
    assert!(objects(&late.alerts).iter().all(|alert| alert["at"].as_str().unwrap() >= from));
    let (late_ids, whole_ids) = (ids(&objects(&late.alerts)), ids(&alerts));
    // Cooldowns that began before are not known: an alert of that time may be repeated, none is lost.
    assert!(
        !late_ids.is_empty()
            && whole_ids.iter().all(|alert| late_ids.iter().any(|(event, _)| *event == alert.0))
    );
    assert_eq!(late.summary["rows"], whole.summary["rows"], "what is older still takes its place");
}

#[test]
fn what_cannot_be_done_ends_with_2_and_says_why() {
    let missing = tripline(["replay", "--config", DEMO, "--input", "no/such.jsonl"]).with(2);
    assert!(missing.stderr.contains("no/such.jsonl"), "{}", missing.stderr);
    let missing = tripline(["replay", "--config", "no/such.yaml", "--input", DEMO_SAMPLE]).with(2);
    assert!(missing.stderr.contains("no/such.yaml"), "{}", missing.stderr);
    let unwritable = ["replay", "--config", DEMO, "--input", DEMO_SAMPLE, "--output", "no/such/alerts.jsonl"];
    assert!(tripline(unwritable).with(2).stderr.contains("no/such/alerts.jsonl"));
    let folder = tempfile::tempdir().unwrap();
    let folder_path = folder.path().to_str().unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    for (arguments, said) in [
        (["replay", "--config", folder_path, "--input", DEMO_SAMPLE], "Is a directory"),
        (["replay", "--config", empty, "--input", DEMO_SAMPLE], "the configuration is empty"),
        (["replay", "--config", DEMO, "--input", folder_path], "Is a directory"),
        (["replay", "--config", HANDBOOK, "--input", empty], "the file is empty"),
        (["replay", "--config", HANDBOOK, "--input", DEMO_SAMPLE], "sample.jsonl: the header is not"),
        (["evaluate", "--config", HANDBOOK, "--input", empty], "the file is empty"),
        (["dump", "--brokers", "", "--topic", "x"], "name at least one `host:port`"),
    ] {
        let output = tripline(arguments).with(2).stderr;
        assert_eq!(output.matches(said).count(), 1, "{arguments:?}: {output}");
    }
    let nothing = replay(DEMO, empty, &[]);
    assert_eq!((nothing.summary["records"].as_u64(), nothing.alerts.as_str()), (Some(0), ""));
    let full = ["replay", "--config", DEMO, "--input", DEMO_SAMPLE, "--output", "/dev/full"];
    let output = tripline(full).with(2).stderr;
    assert_eq!(output.matches("No space left").count(), 1, "{output}");
    tripline(["replay", "--config", DEMO]).with(2);
    tripline(["reply"]).with(2);
    assert!(!Path::new("no").exists());
}
