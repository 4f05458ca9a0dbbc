//! Bounds of one record: size, nesting, keys, numbers, texts, times.

use crate::bank::{Bank, DAY, MINUTE, NOON, mapping, purchase, settings};
use tripline_core::decode::Format;
use tripline_core::limits::{
    DEPTH, EVENT_BYTES_MAX, FUTURE_MS_MAX, ID_BYTES_MAX, MONEY_MINOR_MAX, NUMBER_MAX, TEXT_CHARS_MAX,
};
use tripline_core::outputs::Topic;
use tripline_core::settings::Settings;

/// A record with more keys behind; each with an id of its own, so that none is a repeat.
fn with(number: usize, more: &str) -> String {
    purchase("a", &format!("e{number}"), NOON, more)
}

fn refused(reason: &str) -> Option<String> {
    Some(reason.to_owned())
}

#[test]
fn a_record_of_sixteen_kibibytes_is_taken_and_one_byte_more_is_refused() {
    let mut bank = Bank::new();
    let padded = |id: usize, bytes: usize| {
        let bare = with(id, r#","pad":"""#).len();
        with(id, &format!(r#","pad":"{}""#, "x".repeat(bytes - bare)))
    };
    assert_eq!(EVENT_BYTES_MAX, 16 * 1024);
    assert_eq!(bank.verdict(&padded(1, EVENT_BYTES_MAX)), None);
    let too_large = padded(2, EVENT_BYTES_MAX + 1);
    let published = bank.take(NOON, b"acc", too_large.as_bytes());
    assert_eq!(published[0].reason(), Some("too_large"));
    assert_eq!((&*published[0].key, &*published[0].value), (&b"acc"[..], &b""[..]));
}

/// A parser once swallowed such a string whole. Here nothing of it is read, and nothing of it is copied into an output;
/// a thousand refusals of 50 MB would read 50 GB if anything looked at the bytes.
#[test]
fn a_string_of_fifty_megabytes_is_refused_unread_and_uncopied() {
    let mut bank = Bank::new();
    let huge = with(1, &format!(r#","ignored":"{}""#, "4111111111111111 ".repeat(50_000_000 / 17)));
    let published = bank.take(NOON, b"acc", huge.as_bytes());
    assert_eq!((published.len(), published[0].reason()), (1, Some("too_large")));
    assert!(published[0].value.is_empty());
    let published = bank.take(NOON, huge.as_bytes(), b"{}");
    assert_eq!((published[0].reason(), published[0].key.len()), (Some("missing_field"), 0), "a key so large");
}

#[test]
fn nesting_ends_at_sixteen_levels_also_where_nothing_reads() {
    let mut bank = Bank::new();
    // The record itself is the first level.
    let nested =
        |id, levels: usize| with(id, &format!(r#","x":{}1{}"#, "[".repeat(levels), "]".repeat(levels)));
    assert_eq!(bank.verdict(&nested(1, DEPTH - 1)), None);
    assert_eq!(bank.verdict(&nested(2, DEPTH)), refused("too_deep"));
    let objects = |id, levels: usize| {
        with(id, &format!(r#","x":{}1{}"#, r#"{"x":"#.repeat(levels), "}".repeat(levels)))
    };
    assert_eq!(bank.verdict(&objects(3, DEPTH - 1)), None);
    assert_eq!(bank.verdict(&objects(5, DEPTH)), refused("too_deep"));
    assert_eq!(bank.verdict(&nested(4, 8_000)), refused("too_deep"));
}

#[test]
fn a_key_twice_is_refused_so_that_two_readers_cannot_see_two_values() {
    let mut bank = Bank::new();
    for (id, more) in [
        (1, r#","amount":1,"amount":2"#),
        (2, r#","amount":1,"\u0061mount":1"#),
        (3, r#","unread":1,"unread":1"#),
        (4, r#","unread":{"x":1,"y":{"z":1,"z":2}}"#),
        (5, r#","unread":[{"x":1,"x":1}]"#),
        (6, r#","account":"b""#),
    ] {
        assert_eq!(bank.verdict(&with(id, more)), refused("duplicate_key"), "{more}");
    }
    assert_eq!(bank.verdict(&with(7, r#","unread":{"x":1},"x":{"unread":1}"#)), None);
}

#[test]
fn bytes_that_nothing_reads_are_checked_like_the_others() {
    let mut bank = Bank::new();
    for (id, more) in [
        (1, r#","x":01"#),
        (2, r#","x":nul"#),
        (3, r#","x":"\q""#),
        (4, r#","x":"\ud800""#),
        (5, ",\"x\":\"\u{1}\""),
        (6, r#","x":[1,]"#),
        (7, r#","x":NaN"#),
        (8, r#","x":1e"#),
        (9, r#",}"#),
    ] {
        assert_eq!(bank.verdict(&with(id, more)), refused("bad_json"), "{more}");
    }
    let published = bank.take(NOON, b"a", &[with(10, r#","x":""#).as_bytes(), b"\xff\"}"].concat());
    assert_eq!(published[0].reason(), Some("not_utf8"));
}

#[test]
fn every_odd_number_has_its_written_verdict() {
    let mut bank = Bank::new();
    let (money, number) = (MONEY_MINOR_MAX, NUMBER_MAX);
    let cases: Vec<(String, &str, Option<&str>)> = vec![
        ("1.0".into(), "amount", None),
        ("1e2".into(), "amount", None),
        ("-0".into(), "amount", None),
        ("NaN".into(), "amount", Some("bad_json")),
        ("\"NaN\"".into(), "amount", Some("bad_money")),
        ("1e400".into(), "amount", Some("bad_money")),
        ("\"1e400\"".into(), "points", Some("bad_number")),
        ("\"Infinity\"".into(), "points", Some("bad_number")),
        ("1.5".into(), "amount", Some("bad_money")),
        (format!("{money}"), "amount", None),
        (format!("-{money}"), "amount", Some("negative_amount")),
        (format!("{}", money + 1), "amount", Some("bad_money")),
        (format!("-{}", money + 1), "amount", Some("bad_money")),
        (format!("{number}"), "points", None),
        (format!("{}", number + 1), "points", Some("bad_number")),
        ("9".repeat(400), "points", Some("bad_number")),
        ("0x10".into(), "points", Some("bad_json")),
        ("true".into(), "points", Some("bad_number")),
    ];
    for (id, (value, field, reason)) in cases.into_iter().enumerate() {
        let verdict = bank.verdict(&with(id, &format!(r#","{field}":{value}"#)));
        assert_eq!(verdict.as_deref(), reason, "{field}: {value:.40}");
        if reason.is_none() {
            let all = ["spent", "points", "spread", "median"].map(|name| bank.feature(name));
            assert!(all.iter().all(|fact| !fact.is_infinite()), "{value}: {all:?}");
        }
    }
}

#[test]
fn ids_are_short_and_plain() {
    let mut bank = Bank::new();
    let device = |id: usize, device: &str| with(id, &format!(r#","device":"{device}""#));
    assert_eq!(bank.verdict(&device(1, &"d".repeat(ID_BYTES_MAX))), None);
    assert_eq!(bank.verdict(&device(2, &"d".repeat(ID_BYTES_MAX + 1))), refused("bad_id"));
    for (id, bad) in ["", "a b", "a/b", "ä", "a\\n", "\\u202ea", "$(x)", "a\\u0000"].iter().enumerate() {
        assert_eq!(bank.verdict(&device(10 + id, bad)), refused("bad_id"), "{bad}");
    }
}

#[test]
fn a_free_text_is_bounded_and_stays_one_visible_line_in_alerts() {
    let mut bank = Bank::new();
    let name = |id: usize, name: &str| with(id, &format!(r#","amount":5,"name":"{name}""#));
    assert_eq!(bank.verdict(&name(1, &"ü".repeat(TEXT_CHARS_MAX))), None);
    assert_eq!(bank.verdict(&name(2, &"ü".repeat(TEXT_CHARS_MAX + 1))), refused("text_too_long"));
    let disguised = r"Caf\u00e9\u202egnp\u2066\r\nINFO all is well\u0000\u001b[31m\u2028\u200b\ufeff";
    let published = bank.take(NOON, b"a", name(3, disguised).as_bytes());
    let alert = published.iter().find(|record| record.topic == Topic::Alerts).expect("SEEN fires");
    let reason = alert.json()["rules"][0]["reason"].as_str().expect("a text").to_owned();
    assert!(reason.starts_with("CafégnpINFO all is well[31m "), "{reason:?}");
    for record in &published {
        let written = String::from_utf8(record.value.clone()).expect("UTF-8");
        let is_visible =
            |c: char| !c.is_control() && !('\u{2028}'..='\u{202e}').contains(&c) && c != '\u{2066}';
        assert!(written.chars().all(is_visible), "{written:?}");
    }
}

#[test]
fn one_bad_clock_evicts_nobodys_history() {
    let mut bank = Bank::new();
    assert_eq!(bank.verdict(&with(1, "")), None);
    let at = |id: &str, ahead: i64| purchase("a", id, NOON + MINUTE + ahead, "");
    let reason = |published: Vec<crate::bank::Published>| published[0].reason().map(str::to_owned);
    assert_eq!(
        reason(bank.take(NOON + MINUTE, b"a", at("2", FUTURE_MS_MAX + 1).as_bytes())),
        refused("future_time")
    );
    assert_eq!(
        reason(bank.take(NOON + MINUTE, b"a", at("3", 50 * 365 * DAY).as_bytes())),
        refused("future_time")
    );
    bank.take(NOON + MINUTE, b"a", at("4", FUTURE_MS_MAX).as_bytes());
    assert_eq!((bank.counts().rows, bank.feature("events")), (2, 2.0));
}

/// A producer's time, or one in a file, may be anything; the event's own time is right.
#[test]
fn an_append_time_outside_the_years_of_events_stops_nothing() {
    for foreign in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
        for has_producer_times in [false, true] {
            let settings = Settings { has_producer_times, models: Vec::new(), ..settings() };
            let mut bank = Bank::with(mapping(Format::Json), settings);
            for (number, appended) in
                [foreign, NOON, foreign, NOON, foreign, foreign, NOON].into_iter().enumerate()
            {
                let record = with(number, "");
                let published = bank.take(appended, b"a", record.as_bytes());
                let refused = if foreign > NOON { Topic::Late } else { Topic::DeadLetters };
                let is_refused = published.iter().any(|record| record.topic == refused);
                assert_eq!(is_refused, appended == foreign, "record {number} appended at {appended}");
            }
            assert_eq!((bank.counts().rows, bank.feature("events")), (3, 3.0), "{foreign}");
        }
    }
}
