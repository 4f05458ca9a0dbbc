//! The engine's answer to one record beside the oracle's.

use crate::engine::{Engine, Published, Row};
use crate::oracle::{Judged, Outcome, Taken};
use serde_json::Value;
use tripline_core::counts::Counts;
use tripline_core::outputs::Topic;

/// Two ways to the same number may differ in its last places where roots and quotients are drawn.
const RELATIVE: f64 = 1e-12;

fn near(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= RELATIVE * a.abs().max(b.abs())
}

/// What the engine made of the record it took last: its counts moved from `before` to `after`.
pub(crate) fn classified(before: &Counts, after: &Counts) -> &'static str {
    let moved = |count: fn(&Counts) -> u64| count(after) - count(before) == 1;
    match () {
        () if moved(|counts| counts.rows) => "row",
        () if moved(|counts| counts.duplicates) => "duplicate",
        () if moved(|counts| counts.conflicts) => "conflict",
        () if moved(|counts| counts.late) => "late",
        () if moved(|counts| counts.dead_letters) => "dead letter",
        () => "nothing",
    }
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::DeadLetter => "dead letter",
        Outcome::Late => "late",
        Outcome::Duplicate => "duplicate",
        Outcome::Conflict => "conflict",
        Outcome::Row(_) => "row",
    }
}

/// Everything in which engine and oracle differ over one record, in words; empty when they agree.
pub(crate) fn differences(
    engine: &Engine,
    first_published: usize,
    first_row: usize,
    class: &str,
    (known, expected): (&[Taken], &Outcome),
    features: &[&str],
) -> Vec<String> {
    let mut found = Vec::new();
    if class != name(expected) {
        return vec![format!("the engine says {class}, the oracle {}", name(expected))];
    }
    let published = &engine.published[first_published..];
    let count = |topic: Topic| published.iter().filter(|record| record.topic == topic).count();
    let refused = matches!(expected, Outcome::DeadLetter | Outcome::Conflict);
    differ(&mut found, "dead letters", &count(Topic::DeadLetters), &usize::from(refused));
    differ(&mut found, "late records", &count(Topic::Late), &usize::from(matches!(expected, Outcome::Late)));
    let rows = &engine.rows[first_row..];
    let taken = match expected {
        Outcome::Row(taken) => Some(taken),
        _ => None,
    };
    differ(&mut found, "lines", &rows.len(), &usize::from(taken.is_some()));
    for (row, taken) in rows.iter().zip(taken) {
        compare_row(&mut found, row, taken, features);
    }
    let all =
        || known.iter().chain(taken).flat_map(|taken| taken.judged.iter().map(move |judged| (judged, taken)));
    let of = |topic| published.iter().filter(move |record| record.topic == topic);
    differ(&mut found, "verdicts", &count(Topic::Verdicts), &all().count());
    for (verdict, (judged, _)) in of(Topic::Verdicts).zip(all()) {
        compare_verdict(&mut found, &json(verdict), judged);
    }
    let alerting = || all().filter(|(judged, _)| judged.alert);
    differ(&mut found, "alerts", &count(Topic::Alerts), &alerting().count());
    for (alert, (judged, taken)) in of(Topic::Alerts).zip(alerting()) {
        compare_alert(&mut found, &json(alert), judged, taken);
    }
    found
}

fn compare_row(found: &mut Vec<String>, row: &Row, taken: &Taken, features: &[&str]) {
    differ(found, "event", &row.event, &taken.id);
    differ(found, "number of features", &row.features.len(), &features.len());
    for ((name, bits), expected) in features.iter().zip(&row.features).zip(&taken.features) {
        let (got, expected) = (f64::from_bits(*bits), expected.unwrap_or(f64::NAN));
        if !(near(got, expected) || got.is_nan() && expected.is_nan()) {
            found.push(format!("{name} is {got}, the oracle says {expected}"));
        }
    }
}

fn json(record: &Published) -> Value {
    serde_json::from_slice(&record.value).expect("outputs are JSON")
}

fn differ<T: PartialEq + std::fmt::Debug>(found: &mut Vec<String>, what: &str, got: &T, expected: &T) {
    if got != expected {
        found.push(format!("{what}: {got:?}, the oracle says {expected:?}"));
    }
}

fn common(found: &mut Vec<String>, record: &Value, judged: &Judged) {
    differ(found, "event id", &record["event"]["id"], &judged.event.as_str().into());
    differ(found, "event type", &record["event"]["type"], &judged.kind.as_str().into());
    differ(found, "entity", &record["entity"]["kind"], &judged.space.into());
    if let Some(key) = &judged.key {
        differ(found, "entity id", &record["entity"]["id"], &key.as_str().into());
    }
    differ(found, "score", &record["score"].as_f64(), &Some(judged.score));
    differ(found, "action", &record["action"]["do"], &judged.action.into());
}

fn compare_verdict(found: &mut Vec<String>, verdict: &Value, judged: &Judged) {
    common(found, verdict, judged);
    differ(found, "rules", &verdict["rules"], &judged.rules.clone().into());
    differ(found, "shadow rules", &verdict["shadow"], &judged.shadow.clone().into());
    differ(found, "silenced rules", &verdict["silenced"], &judged.silenced.clone().into());
    differ(found, "unknown conditions", &verdict["unknown"], &judged.unknown.into());
    differ(found, "alert", &!verdict["alert"].is_null(), &judged.alert);
}

fn compare_alert(found: &mut Vec<String>, alert: &Value, judged: &Judged, taken: &Taken) {
    common(found, alert, judged);
    differ(found, "seq", &alert["seq"].as_u64(), &judged.seq.map(u64::from));
    let kind = if judged.seq == Some(1) { "new" } else { "update" };
    differ(found, "kind", &alert["kind"], &kind.into());
    differ(found, "out of order", &alert["out_of_order"], &judged.out_of_order.into());
    let rules = alert["rules"].as_array().cloned().unwrap_or_default();
    let ids: Vec<Value> = rules.iter().map(|rule| rule["id"].clone()).collect();
    differ(found, "rules of the alert", &ids, &judged.rules.iter().map(|id| Value::from(*id)).collect());
    for rule in &rules {
        for (fact, value) in rule["values"].as_object().into_iter().flatten() {
            // Money is written in whole minor units, whatever an average comes to.
            let minor = value.get("minor");
            let number = minor.unwrap_or(value).as_f64();
            let written = |expected: f64| if minor.is_some() { expected.round() } else { expected };
            if let (Some(expected), Some(got)) =
                (taken.facts.get(fact.as_str()).copied().map(written), number)
                && !near(got, expected)
            {
                found.push(format!("{fact} in {} is {got}, the oracle says {expected}", rule["id"]));
            }
        }
    }
}
