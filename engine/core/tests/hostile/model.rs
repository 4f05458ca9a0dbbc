//! What an alert says of the rows that a model's score rests on.

use crate::bank::{DAY, HOUR, NOON, batch, mapping, published, purchase, settings};
use std::sync::Arc;
use tripline_core::account_shard::AccountShard;
use tripline_core::decode::Format;
use tripline_core::installation::Installation;
use tripline_core::limits::FUTURE_MS_MAX;
use tripline_core::outputs::{Outputs, Topic};
use tripline_core::settings::Settings;
use tripline_core::signals::NoSignals;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::File;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

const PACK: &str = "version: 1
pack: model
owner: a@bank.example
rules:
  - {id: ODD, when: model.profile.score >= 0, action: review, cooldown: none, reason: \"unusual\"}
";

/// Coverage of the alert on the last of a purchase a day, for so many days, and whether it is approximate.
fn last_of(days: i64, retention_ms: Option<i64>) -> (f64, bool) {
    let schema = Schema::load(&File::new("schema.yaml", include_str!("schema.yaml"))).0.expect("a schema");
    let no_list = |_: &str| Err(String::new());
    let options = CompileOptions {
        key: TextKey::default(),
        models: &["profile"],
        retention: retention_ms,
        lookback: 0,
        list: &no_list,
    };
    let (ruleset, problems) = Ruleset::compile(&[File::new("pack.yaml", PACK)], &schema, &options);
    let ruleset = ruleset.unwrap_or_else(|| panic!("{problems:?}"));
    let settings =
        Settings { retention_ms, lateness_ms: HOUR, models: vec!["profile".to_owned()], ..settings() };
    let mapping = mapping(Format::Json);
    let installation = Installation::compile(&Arc::new(schema), &Arc::new(ruleset), &mapping, settings);
    let mut shard = AccountShard::new(&Arc::new(installation.expect("the mapping fits")));
    let mut last = None;
    for day in 0..=days {
        let at = NOON + day * DAY;
        let record = purchase("a", &format!("e{day}"), at, r#","amount":1000"#);
        let mut out = Outputs::default();
        shard.step(&batch(&[(day, at, record)]), &NoSignals, &mut out);
        let alert = published(&out).into_iter().find(|record| record.topic == Topic::Alerts);
        last = alert.map(|alert| alert.json());
    }
    let alert = last.expect("every purchase has a score");
    let approximate = alert["approximate"].as_bool().expect("yes or no");
    (alert["coverage"].as_f64().unwrap_or(1.0), approximate)
}

#[test]
fn a_score_that_rests_on_fewer_rows_than_its_model_reads_says_so() {
    let near = |got: f64, expected: i64| (got - expected as f64 / (90 * DAY) as f64).abs() < 1e-9;
    let (coverage, approximate) = last_of(10, None);
    assert!(near(coverage, 10 * DAY - FUTURE_MS_MAX) && !approximate, "a young log: {coverage}");
    let (coverage, approximate) = last_of(100, None);
    assert!(coverage >= 1.0 && !approximate, "all that the model reads: {coverage}");
    let (coverage, approximate) = last_of(100, Some(HOUR));
    assert!(
        near(coverage, 2 * HOUR + FUTURE_MS_MAX) && approximate,
        "the retention is too short: {coverage}"
    );
}
