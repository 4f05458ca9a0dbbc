//! Every alert and every verdict is what its published JSON Schema says.

use crate::tripline::{
    DEMO, DEMO_SAMPLE, HANDBOOK, HANDBOOK_SAMPLE, Replayed, objects, replay, root, simulate, tripline,
};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::fs;

/// What `tripline schema NAME` prints, which is what is published.
pub fn schema(name: &str) -> Validator {
    let text = tripline(["schema", name]).fine();
    let published = fs::read_to_string(root().join(format!("deploy/schemas/{name}.schema.json"))).unwrap();
    assert_eq!(text, published, "`tripline schema {name}` prints the published schema");
    let schema: Value = serde_json::from_str(&text).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Validates all alerts and verdicts and returns their number.
fn validate(replayed: &Replayed) -> (usize, usize) {
    let counted = |name: &str, lines: &str| {
        let schema = schema(name);
        let objects = objects(lines);
        for object in &objects {
            let errors: Vec<String> = schema
                .iter_errors(object)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{name} {object}\n{}", errors.join("\n"));
        }
        objects.len()
    };
    (counted("alert", &replayed.alerts), counted("verdict", &replayed.journal))
}

#[test]
fn the_demos_alerts_and_verdicts_are_valid() {
    let (alerts, verdicts) = validate(&replay(DEMO, DEMO_SAMPLE, &[]));
    assert!(alerts >= 3 && verdicts > alerts, "{alerts} alerts, {verdicts} verdicts");
}

#[test]
fn the_handbooks_alerts_and_verdicts_are_valid() {
    let (_, verdicts) = validate(&replay(HANDBOOK, HANDBOOK_SAMPLE, &[]));
    assert!(verdicts > 0);
}

#[test]
fn alerts_and_verdicts_of_a_disorderly_bank_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    simulate(
        &path,
        "--events 50000 --accounts 800 --seed 11 --campaigns-per-day 20 --out-of-order 0.02 --duplicates 0.01 --bad 0.005 \
         --conflicts 0.005",
    );
    let replayed = replay(DEMO, &path, &[]);
    let (alerts, verdicts) = validate(&replayed);
    assert!(alerts > 300 && verdicts > alerts, "{alerts} alerts, {verdicts} verdicts");
    let about_terminals =
        objects(&replayed.alerts).iter().filter(|alert| alert["entity"]["kind"] == "terminal").count();
    assert!(about_terminals > 0, "none of {alerts} alerts is about a terminal");
}

#[test]
fn what_is_no_alert_is_not_valid() {
    let alerts = schema("alert");
    let alert = objects(&replay(DEMO, DEMO_SAMPLE, &[]).alerts).swap_remove(0);
    assert!(alerts.is_valid(&alert));
    let changed = |pointer: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = alert.clone();
        change(changed.pointer_mut(pointer).unwrap());
        changed
    };
    for pointer in ["", "/entity", "/event", "/action", "/rules/0", "/source"] {
        let more = changed(pointer, &|object| object["surplus"] = json!(1));
        assert!(!alerts.is_valid(&more), "a surplus key in {pointer:?} passes");
    }
    for key in schema_keys() {
        let less = changed("", &|object| drop(object.as_object_mut().unwrap().remove(&key)));
        assert!(!alerts.is_valid(&less), "an alert without {key} passes");
    }
    for (pointer, wrong) in
        [("/score", json!(101)), ("/score", json!("80")), ("/at", json!("yesterday")), ("/id", json!("1"))]
    {
        let other = changed(pointer, &|value| *value = wrong.clone());
        assert!(!alerts.is_valid(&other), "{pointer} may be {wrong}");
    }
    let verdicts = schema("verdict");
    assert!(!verdicts.is_valid(&alert), "an alert is no verdict");
}

/// What an alert must have.
fn schema_keys() -> Vec<String> {
    let schema: Value = serde_json::from_str(&tripline(["schema", "alert"]).fine()).unwrap();
    serde_json::from_value(schema["required"].clone()).unwrap()
}
