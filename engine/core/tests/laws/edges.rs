//! Edges that once were wrong or nearly so, each as a short story, judged by engine and oracle alike.

use crate::engine::Engine;
use crate::generator::{Case, Record};
use crate::laws::{beside_the_oracle, features};
use crate::oracle::{DAY, HOUR, MINUTE, Settings};

/// 2024-03-01T12:00:00Z.
const NOON: i64 = 1_709_294_400_000;

/// Records as (append time, JSON) of partition 0.
fn engine_after(settings: Settings, records: &[(i64, String)]) -> Engine {
    let records: Vec<Record> = (0..)
        .zip(records)
        .map(|(offset, (appended, json))| Record {
            partition: 0,
            offset,
            appended: Some(*appended),
            key: "a".to_owned(),
            value: json.clone().into_bytes(),
        })
        .collect();
    beside_the_oracle(&Case { seed: 0, settings, records: Vec::new() }, &records).0
}

fn settings() -> Settings {
    Settings { lateness: HOUR, retention: Some(2 * DAY), rows_max: 4_096, terminals: true, labels: false }
}

fn event(id: &str, kind: &str, at: i64, rest: &str) -> (i64, String) {
    (at, format!(r#"{{"id":"{id}","kind":"{kind}","t":{at},"account":"a","card":"c"{rest}}}"#))
}

/// A feature of the newest row; NaN is missing.
fn newest(engine: &Engine, name: &str) -> f64 {
    let at = features().iter().position(|feature| *feature == name).expect("a feature of this name");
    f64::from_bits(engine.rows.last().expect("a row").features[at])
}

#[test]
fn a_repeat_at_the_last_moment_is_known_even_when_another_clock_runs_ahead() {
    let first = event("1", "purchase", NOON, "");
    let (_, ahead) = event("2", "purchase", NOON + HOUR + 5 * MINUTE, "");
    let engine = engine_after(settings(), &[first.clone(), (NOON + HOUR, ahead), (NOON + HOUR, first.1)]);
    assert_eq!((engine.counts().rows, engine.counts().duplicates), (2, 1));
}

#[test]
fn a_reversal_under_the_payments_own_id_reverses_it() {
    let records =
        [event("1", "purchase", NOON, r#","amount":5"#), event("1", "reversal", NOON + 1, r#","ref":"1""#)];
    assert_eq!(newest(&engine_after(settings(), &records), "acct_reversed_1h"), 1.0);
}

#[test]
fn an_event_does_not_inherit_from_a_row_that_it_makes_pass() {
    let lifetime = 2 * DAY + HOUR + 5 * MINUTE;
    // An event in between: an account that was asleep for two days would keep its row.
    let amount_of = |later: i64| {
        let records = [
            event("1", "purchase", NOON, r#","amount":5"#),
            event("2", "login", NOON + DAY, ""),
            event("3", "p2p", NOON + later, r#","ref":"1""#),
        ];
        newest(&engine_after(settings(), &records), "acct_out_1h")
    };
    assert_eq!(amount_of(lifetime - 1), 5.0);
    assert_eq!(amount_of(lifetime), 0.0);
}

#[test]
fn at_midnight_a_rank_among_all_forgets_a_day_and_does_not_turn_back() {
    let spent = |id: &str, at, amount| {
        event(id, "purchase", at, &format!(r#","amount":{amount},"merchant":{{"mcc":"5411"}}"#))
    };
    let midnight = NOON + 12 * HOUR;
    let before = [spent("1", midnight - 2, 5), spent("2", midnight - 1, 10)];
    assert_eq!(newest(&engine_after(settings(), &before), "amount_rank_mcc_1d"), 1.0);
    let [first, second] = before.clone();
    assert!(
        newest(&engine_after(settings(), &[first, second, spent("3", midnight, 20)]), "amount_rank_mcc_1d")
            .is_nan()
    );
    let login = event("3", "login", midnight, "");
    let [first, (_, late)] = before;
    let engine = engine_after(settings(), &[first, login, (midnight, late)]);
    assert!(newest(&engine, "amount_rank_mcc_1d").is_nan(), "yesterday is over, even for what comes late");
}
