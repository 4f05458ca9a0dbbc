//! What reads as far back as rows are held: `check` says how far that is where only other aggregates do.

use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{Diagnostics, File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::time::{DAY_MS, HOUR_MS};
use tripline_rules::value::TextKey;

const SCHEMA: &str = include_str!("golden/schema.yaml");

fn checked(pack: &str, retention: Option<i64>, lookback: i64) -> Diagnostics {
    let (schema, _) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let list = |path: &str| Err(format!("{path} does not exist"));
    let options = CompileOptions { key: TextKey::default(), models: &[], retention, lookback, list: &list };
    Ruleset::compile(&[File::new("pack.yaml", pack)], &schema.expect("it is right"), &options).1
}

/// A pack whose longest window is `over`; `aggregate` is named `fact`.
fn pack(over: &str, aggregate: &str, when: &str) -> String {
    let fact = if aggregate.is_empty() { String::new() } else { format!("  fact: {aggregate}\n") };
    format!(
        "version: 1\naggregates:\n  tries: {{count: events, by: account, over: {over}}}\n{fact}\
         rules:\n  - {{id: A, when: \"{when} and tries > 1\", action: review, reason: x}}\n"
    )
}

fn codes(problems: &Diagnostics) -> Vec<&'static str> {
    problems.list().iter().map(|problem| problem.code.0).collect()
}

const NEVER: &str = "seen_before(merchant.id) == false";

#[test]
fn a_never_that_is_as_long_as_another_aggregates_window_is_warned_of_with_that_length() {
    for (over, retention, lookback, said) in [
        ("24h", None, 0, Some("24 h")),
        ("36h", None, 0, Some("36 h")),
        ("60d", None, 0, Some("60 days")),
        // A model reads the rows of 90 days, so they are held.
        ("24h", None, 90 * DAY_MS, Some("90 days")),
        ("24h", Some(24 * HOUR_MS), 0, None),
    ] {
        let problems = checked(&pack(over, "", NEVER), retention, lookback);
        let Some(said) = said else {
            assert!(problems.list().is_empty(), "{}", problems.render(Paint::Plain));
            continue;
        };
        assert_eq!(codes(&problems), ["W511"]);
        let text = problems.render(Paint::Plain);
        let message =
            format!("`seen_before(merchant.id)` has no window: it knows the rows held, of at least {said}");
        assert!(text.contains(&message), "{text}");
        let window = "`{count: events, by: [account, merchant.id], over: 90d, include_current: false}`";
        assert!(text.contains(window), "{text}");
    }
}

#[test]
fn what_the_help_says_to_write_has_no_warning() {
    let fact = "{count: events, by: [account, merchant.id], over: 90d, include_current: false}";
    let problems = checked(&pack("24h", fact, "fact == 0"), None, 0);
    assert!(problems.list().is_empty(), "{}", problems.render(Paint::Plain));
}

#[test]
fn whether_and_when_something_first_happened_is_asked_in_several_ways() {
    let last = "{last: event.time, by: card, include_current: false}";
    let of_key = "{last: event.time, by: account, include_current: false}";
    let third = "{nth: event.time, n: 3, by: account}";
    let first = "{first: event.time, by: account}";
    for (aggregate, when, found) in [
        (last, "fact is missing", &["W511"][..]),
        (last, "fact is not missing", &["W511"]),
        (last, "hours_since(fact) >= 24", &[]),
        (last, "hours_since(fact) >= 25", &["W510"]),
        (last, "hours_since(fact) <= 25", &["W510"]),
        (last, "coalesce(hours_since(fact), 999) >= 25", &["W510"]),
        (of_key, "fact is missing", &[]),
        (of_key, "hours_since(fact) >= 25", &[]),
        (third, "fact is missing", &["W511"]),
        (first, "fact is not missing", &["W511", "W511"]),
        (first, "hours_since(fact) < 12", &["W511"]),
        (first, "days_since(fact) < 30", &["W511", "W510"]),
    ] {
        assert_eq!(codes(&checked(&pack("24h", aggregate, when), None, 0)), found, "{aggregate} {when}");
    }
    let windowed = "{last: event.time, by: card, over: 12h, include_current: false}";
    assert_eq!(codes(&checked(&pack("24h", windowed, "fact is missing"), None, 0)), [""; 0]);
}

#[test]
fn signals_features_terms_and_reasons_are_read_as_well() {
    let problems = checked(
        "version: 1\nterms: {new: seen_before(merchant.id) == false}\n\
         features: {f: seen_before(merchant.mcc)}\n\
         rules:\n  - {id: A, when: new and tx.declined, action: review, reason: '{seen_before(merchant.country)}'}\n",
        None,
        0,
    );
    assert_eq!(codes(&problems), ["W511"; 3], "{}", problems.render(Paint::Plain));
    assert!(problems.render(Paint::Plain).contains("of at least 0 h"));
}
