//! serde_json as the oracle: what it reads is accepted and has the same value, apart from the documented stricter
//! rules.

use crate::fixture::{FULL, Feed, full, json, pointer, with};
use crate::seen::Seen;
use proptest::prelude::*;
use tripline_core::decode::Reason;
use tripline_core::limits::DEPTH;

/// Whether a number has as many digits as card numbers have: `171437.965e9` is one.
fn has_card_length(number: &str) -> bool {
    number.parse::<f64>().is_ok_and(|number| (1e11..1e20).contains(&number.abs()))
}

/// Any JSON, of few keys so that some repeat, with unusual spellings.
fn any_json() -> impl Strategy<Value = String> {
    let blank = prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\n\t")];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?"
            .prop_filter("written out, it can be a card number", |number| !has_card_length(number)),
        "\"[ -!#-\\[\\]-~é😀]{0,6}\"",
        "\"(\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-fA-F]{2}|\\\\ud83d\\\\ude0[0-9]){0,3}\"",
    ];
    leaf.prop_recursive(5, 24, 4, move |inner| {
        let key = prop_oneof![
            Just("a"),
            Just("b"),
            Just("\\u0061"),
            Just("c"),
            Just("id"),
            Just(""),
            Just("é"),
            Just("\\u00e9")
        ];
        let entry = (key, blank.clone(), inner.clone())
            .prop_map(|(key, blank, value)| format!("\"{key}\"{blank}:{blank}{value}"));
        prop_oneof![
            (prop::collection::vec(inner, 0..4), blank.clone())
                .prop_map(|(items, blank)| format!("[{blank}{}]", items.join(&format!("{blank},{blank}")))),
            (prop::collection::vec(entry, 0..4), blank.clone())
                .prop_map(|(items, blank)| format!("{{{blank}{}{blank}}}", items.join(&format!(",{blank}")))),
        ]
    })
}

/// The documented result for a document that is the value of one key.
fn expected(record: &str) -> Result<(), Reason> {
    match serde_json::from_str::<Seen>(record) {
        Err(_) => Err(Reason::BadJson),
        Ok(seen) if !seen.object => Err(Reason::BadJson),
        Ok(seen) if seen.depth > DEPTH => Err(Reason::TooDeep),
        Ok(seen) if seen.repeated => Err(Reason::DuplicateKey),
        Ok(_) => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5000) })]

    #[test]
    fn random_json_is_taken_exactly_when_serde_json_and_the_bounds_take_it(value in any_json(), again in any_json()) {
        let mut feed = Feed::new(&json(vec![]));
        for value in [&value, &again, &value] {
            let record = with(&format!(",\"x\":{value}"));
            match (feed.outcome(&record), expected(&record)) {
                // Of two errors, either may be found first.
                (Err(Reason::TooDeep | Reason::DuplicateKey), Err(Reason::TooDeep | Reason::DuplicateKey)) => {}
                (ours, theirs) => prop_assert_eq!(ours, theirs, "{}", record),
            }
        }
    }

    #[test]
    fn broken_json_is_refused_exactly_when_serde_json_refuses_it(value in any_json(), at in any::<prop::sample::Index>(), byte in prop_oneof![Just(b'"'), Just(b'\\'), Just(b','), Just(b':'), Just(b'}'), Just(b']'), Just(b'0'), Just(b'-'), Just(b'.'), Just(b'e'), Just(b' '), 0u8..128]) {
        let mut record = with(&format!(",\"x\":{value}")).into_bytes();
        let at = record.len() - 1 - at.index(value.len() + 1);
        record[at] = byte;
        let text = String::from_utf8_lossy(&record);
        prop_assume!(!text.contains('\u{fffd}'));
        // As documented: 1e400 is JSON, though not an f64.
        let error = serde_json::from_str::<serde_json::Value>(&text).err();
        prop_assume!(!error.is_some_and(|error| error.to_string().contains("number out of range")));
        let mut feed = Feed::new(&json(vec![]));
        prop_assert_eq!(feed.outcome(&record).is_ok(), expected(&text).is_ok(), "{}", text);
    }

    #[test]
    fn values_mean_what_serde_json_says(
        (cents, micros, lat, lon) in (0i64..100_000_000, -999_999_999_999i64..=999_999_999_999, -90_000_000i32..=90_000_000, -180_000_000i32..=180_000_000),
        (name, id, declined) in ("[ -~é😀ß]{0,60}", "[A-Za-z0-9_.:-]{1,20}", any::<bool>()),
    ) {
        prop_assume!(name.bytes().filter(u8::is_ascii_digit).count() < 13 && id.bytes().filter(u8::is_ascii_digit).count() < 13);
        let mut value: serde_json::Value = serde_json::from_str(FULL).unwrap();
        value["amount"]["value"] = format!("{}.{:02}", cents / 100, cents % 100).into();
        value["risk"] = serde_json::from_str(&format!("{micros}e-6")).unwrap();
        value["geo"]["lat"] = (f64::from(lat) / 1e6).into();
        value["geo"]["lon"] = (f64::from(lon) / 1e6).into();
        value["merchant"]["name"] = name.clone().into();
        value["merchant"]["id"] = id.clone().into();
        value["declined"] = declined.into();
        let mut feed = Feed::new(&full());
        feed.decode(value.to_string()).unwrap();
        prop_assert_eq!(feed.number("tx.amount").map(|minor| format!("{minor:.0}")), Some(cents.to_string()));
        prop_assert_eq!(feed.number("tx.risk"), value["risk"].as_f64().map(|risk| risk + 0.0));
        let geo = tripline_rules::value::Geo::unpack(feed.word("tx.geo").unwrap());
        prop_assert_eq!(Some(geo.latitude), value["geo"]["lat"].as_f64().map(|degrees| degrees + 0.0));
        prop_assert_eq!(Some(geo.longitude), value["geo"]["lon"].as_f64().map(|degrees| degrees + 0.0));
        prop_assert_eq!(feed.text("merchant.name"), Some(name.as_str()));
        prop_assert_eq!(feed.text("merchant.id"), Some(id.as_str()));
        prop_assert_eq!(feed.word("tx.declined"), Some(u64::from(declined)));
    }

    /// The nearest `f64` of six exact places, as the standard library parses it.
    #[test]
    fn numbers_are_the_nearest_f64(micros in -1_000_000_000_000_000_000i64..=1_000_000_000_000_000_000) {
        let text = format!("{}{}.{:06}", if micros < 0 { "-" } else { "" }, micros.abs() / 1_000_000, micros.abs() % 1_000_000);
        let mut feed = Feed::new(&json(vec![pointer("tx.risk", "/v")]));
        let outcome = feed.outcome(with(&format!(",\"v\":{text}")));
        prop_assume!(outcome != Err(Reason::CardNumber));
        prop_assert_eq!(outcome, Ok(()));
        prop_assert_eq!(feed.number("tx.risk"), text.parse::<f64>().ok());
    }
}
