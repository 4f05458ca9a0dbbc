//! `tripline compare`: equal sets end with 0, different ones with 1, what cannot be compared with 2.

use crate::tripline::{DEMO, DEMO_SAMPLE, objects, replay, tripline};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn compare(folder: &Path, first: &str, second: &str) -> (i32, Value) {
    let paths = ["first", "second"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    fs::write(&paths[0], first).unwrap();
    fs::write(&paths[1], second).unwrap();
    let ended = tripline(["compare", "--json", &paths[0], &paths[1]]);
    (ended.code, serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr)))
}

#[test]
fn the_order_of_alerts_does_not_matter_and_every_byte_does() {
    let folder = tempfile::tempdir().unwrap();
    for lines in [replay(DEMO, DEMO_SAMPLE, &[]).alerts, replay(DEMO, DEMO_SAMPLE, &[]).journal] {
        let count = lines.lines().count();
        let mut reversed: Vec<&str> = lines.lines().collect();
        reversed.reverse();
        let (code, output) = compare(folder.path(), &lines, &reversed.join("\n"));
        assert_eq!((code, output), (0, json!({"equal": true, "first": count, "second": count})));

        let (code, output) = compare(folder.path(), &lines, &reversed[1..].join("\n"));
        assert_eq!((code, &output["equal"], &output["second"]), (1, &json!(false), &json!(count - 1)));
        assert_eq!(output["difference"]["second"], Value::Null);

        let changed = lines.replacen("\"score\":", "\"score\":1", 1);
        let (code, output) = compare(folder.path(), &lines, &changed);
        assert_eq!((code, &output["equal"]), (1, &json!(false)));
        assert_ne!(output["difference"]["first"], output["difference"]["second"]);
    }
}

#[test]
fn a_dump_is_compared_by_what_was_published() {
    let folder = tempfile::tempdir().unwrap();
    let alerts = replay(DEMO, DEMO_SAMPLE, &[]).alerts;
    let dump: String = (0..)
        .zip(alerts.lines())
        .map(|(offset, line): (u32, _)| {
            let (partition, value) = (offset % 3, Value::from(line));
            format!("{{\"partition\":{partition},\"offset\":{offset},\"appended_at\":null,\"key\":\"A1\",\"value\":{value}}}\n")
        })
        .collect();
    let (code, output) = compare(folder.path(), &dump, &alerts);
    assert_eq!((code, &output["equal"]), (0, &json!(true)));
    // As another tool writes the same objects: its keys in another order, blanks between them.
    let rewritten: String = objects(&dump)
        .iter()
        .map(|line| {
            let of = |key: &str| &line[key];
            let (value, offset, partition) = (of("value"), of("offset"), of("partition"));
            format!("{{ \"value\": {value}, \"key\": \"A1\", \"offset\": {offset}, \"partition\": {partition} }}\n")
        })
        .collect();
    let (code, output) = compare(folder.path(), &rewritten, &alerts);
    assert_eq!((code, &output["equal"]), (0, &json!(true)));
}

#[test]
fn what_is_no_set_of_alerts_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no.jsonl");
    fs::write(&path, "this is no alert\n").unwrap();
    let path = path.to_str().unwrap();
    let ended = tripline(["compare", path, path]).with(2);
    assert!(ended.stderr.contains("line 1"), "{}", ended.stderr);
    tripline(["compare", path, "no/such.jsonl"]).with(2);
    fs::write(path, "{\"sum\": 1}\n").unwrap();
    let ended = tripline(["compare", path, path]).with(2);
    assert!(ended.stderr.contains("neither an alert nor a verdict"), "{}", ended.stderr);
    fs::write(path, "").unwrap();
    let ended = tripline(["compare", path, path]).with(2);
    assert!(ended.stderr.contains("nothing to compare: neither"), "{}", ended.stderr);
    let alert = folder.path().join("one.jsonl");
    fs::write(&alert, "{\"id\": \"a\"}\n").unwrap();
    let ended = tripline(["compare", path, alert.to_str().unwrap()]).with(1);
    assert!(ended.stdout.contains("different: 0 records in the first, 1 in the second"), "{}", ended.stdout);
}
