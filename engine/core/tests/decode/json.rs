//! Which texts are accepted as one JSON object within the bounds.

use crate::fixture::{FULL, Feed, full, json, pointer, slot, with};
use tripline_core::decode::{Mapping, Reason};
use tripline_core::limits::{DEPTH, DEPTH_MAX};
use tripline_rules::value::Slot;

#[test]
fn values_that_nothing_reads_are_taken_when_they_are_json() {
    let mut feed = Feed::new(&json(vec![]));
    for value in [
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "1.0",
        "0.5",
        "1e2",
        "1E+2",
        "1e-2",
        "0e0",
        "1e400",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        r#""""#,
        r#""a""#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u0000""#,
        r#""\ud83d\ude00""#,
        r#""\uD83D\uDE00x""#,
        "\"\u{7f}\"",
        "\"\u{ffff}\"",
        r#""é€😀""#,
        "[]",
        "[ ]",
        "[1]",
        "[1,2]",
        "[ 1 , 2 ]",
        r#"[null,true,"x",{}]"#,
        "{}",
        "{ }",
        r#"{"a":1}"#,
        r#"{ "a" : 1 , "b" : 2 }"#,
        r#"{"":1}"#,
        r#"{"a":{"a":1}}"#,
        r#"[{"a":1},{"a":2}]"#,
        r#"{"a":{"b":{}}}"#,
        "[[[]]]",
        r#"{"a":[[]]}"#,
        "\t1\r\n",
        r#"{"\u0061":1,"A":2}"#,
        r#""\u2028""#,
        r#""/""#,
        r#""[1]""#,
        "1.7976931348623157e308",
    ] {
        assert_eq!(feed.outcome(with(&format!(",\"x\":{value}"))), Ok(()), "{value}");
    }
}

const NOT_JSON: &[&str] = &[
    "",
    "01",
    "-",
    "-01",
    "+1",
    ".5",
    "5.",
    "1.e1",
    "1e",
    "1e+",
    "1.2.3",
    "0x1",
    "1_000",
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "tru",
    "True",
    "truex",
    "nul",
    "none",
    "undefined",
    "'a'",
    "a",
    "\"",
    "\"a",
    r#""\"#,
    r#""\""#,
    r#""\x""#,
    r#""\u12""#,
    r#""\u123g""#,
    r#""\u+123""#,
    r#""\ud800""#,
    r#""\udc00""#,
    r#""\ud800\ud800""#,
    r#""\ud800x""#,
    r#""\ud800\n""#,
    "\"\n\"",
    "\"\t\"",
    "\"\u{0}\"",
    "\"\u{1f}\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1:2]",
    "[1}",
    "{",
    "{1:2}",
    r#"{"a"}"#,
    r#"{"a":}"#,
    r#"{"a":1,}"#,
    r#"{,"a":1}"#,
    r#"{"a" 1}"#,
    r#"{"a":1 "b":2}"#,
    r#"{"a":1;"b":2}"#,
    r#"{"a":1]"#,
    r#"{a:1}"#,
    r#"{'a':1}"#,
    r#"{"a"::1}"#,
    r#"{null:1}"#,
    "1,",
    ",1",
    "1 1",
    "/**/1",
    "1//",
    "#1",
    "\u{b}1",
    "\u{a0}1",
    "\u{feff}1",
    "\u{c}1",
    "[1,\u{2028}2]",
    "1é",
];

#[test]
fn values_that_are_not_json_are_refused_even_when_nothing_reads_them() {
    let mut feed = Feed::new(&json(vec![]));
    for value in NOT_JSON {
        assert_eq!(feed.outcome(with(&format!(",\"x\":{value}"))), Err(Reason::BadJson), "{value}");
    }
}

#[test]
fn a_record_is_one_object_and_nothing_else() {
    let mut feed = Feed::new(&json(vec![]));
    let good = with("");
    for record in [good.clone(), format!(" \r\n\t{good} \n")] {
        assert_eq!(feed.outcome(record), Ok(()));
    }
    for record in [
        String::new(),
        " ".into(),
        "null".into(),
        "1".into(),
        "\"a\"".into(),
        "[]".into(),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("{good},"),
        format!("{good}x"),
        format!("{good}\0"),
        format!("\u{feff}{good}"),
        good[..good.len() - 1].into(),
        good[1..].into(),
        "}".into(),
        "{".into(),
        "{\"".into(),
        "{\"a\":".into(),
    ] {
        assert_eq!(feed.outcome(&record), Err(Reason::BadJson), "{record}");
    }
    assert_eq!(feed.outcome("{}"), Err(Reason::MissingField));
}

#[test]
fn every_truncation_of_a_record_is_refused() {
    let mut feed = Feed::new(&full());
    assert_eq!(feed.outcome(FULL), Ok(()));
    for end in 0..FULL.len() {
        let reason = feed.outcome(&FULL.as_bytes()[..end]).unwrap_err();
        assert!(matches!(reason, Reason::BadJson | Reason::NotUtf8), "{end}: {reason:?}");
    }
}

#[test]
fn a_key_may_stand_once_in_an_object_at_every_level_however_it_is_spelled() {
    let mut feed = Feed::new(&full());
    for more in [
        r#","id":"e1""#,
        r#","\u0069d":"e2""#,
        r#","x":1,"x":1"#,
        r#","x":1,"\u0078":1"#,
        r#","\u0078":1,"x":1"#,
        r#","x":{"a":1,"b":2,"a":3}"#,
        r#","x":[{"a":1,"a":1}]"#,
        r#","x":[[{"a":1,"\u0061":1}]]"#,
        r#","":1,"":2"#,
        r#","merchant":{"id":"m","id":"m"}"#,
        r#","merchant":{"id":"m"},"merchant":null"#,
        r#","é":1,"\u00e9":2"#,
        r#","😀":1,"\ud83d\ude00":2"#,
        r#","x":{"y":{"z":1,"z":2}}"#,
        r#","\"":1,"\"":2"#,
    ] {
        // Twice, because the second time the keys are known.
        for _ in 0..2 {
            assert_eq!(feed.outcome(with(more)), Err(Reason::DuplicateKey), "{more}");
        }
    }
    for more in [
        r#","x":{"id":1},"y":{"id":1}"#,
        r#","x":[{"a":1},{"a":1}]"#,
        r#","ID":1,"Id":2"#,
        r#","é":1,"e\u0301":2"#,
    ] {
        assert_eq!(feed.outcome(with(more)), Ok(()), "{more}");
    }
}

#[test]
fn repeated_keys_are_found_among_thousands() {
    let mut feed = Feed::new(&json(vec![]));
    let keys: String = (0..1500).map(|key| format!(",\"k{key}\":1")).collect();
    assert_eq!(feed.outcome(with(&keys)), Ok(()));
    for repeated in [3, 70, 1499] {
        assert_eq!(feed.outcome(with(&format!("{keys},\"k{repeated}\":1"))), Err(Reason::DuplicateKey));
        assert_eq!(
            feed.outcome(with(&format!("{keys},\"k\\u003{}\":1", repeated % 10))),
            Err(Reason::DuplicateKey)
        );
    }
    assert_eq!(feed.outcome(with(&keys)), Ok(()));
}

/// Paths, values that are mapped and values that nothing reads end at one limit; the record itself is the first level.
#[test]
fn as_many_levels_as_the_mapping_says_are_read_and_one_more_is_refused() {
    for depth in [1, 4, DEPTH, 17, DEPTH_MAX] {
        let path = |keys: usize| "/a".repeat(keys);
        let mapping = |keys| Mapping { depth, ..json(vec![pointer("merchant.name", &path(keys))]) };
        let pointer = format!(
            "`{}` is not a JSON pointer of 1 to {depth} keys, such as `/merchant/mcc`",
            path(depth + 1)
        );
        let errors = Feed::try_new(&mapping(depth + 1)).err().unwrap();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [pointer]);
        let mut feed = Feed::new(&mapping(depth));
        let nested = |open: &str, close: &str, levels: usize, inside: &str| {
            with(&format!(",\"a\":{}{inside}{}", open.repeat(levels), close.repeat(levels)))
        };
        assert_eq!(feed.outcome(nested("{\"a\":", "}", depth - 1, "\"deep\"")), Ok(()));
        assert_eq!(feed.text("merchant.name"), Some("deep"));
        for (open, close) in [("{\"a\":", "}"), ("{\"b\":", "}"), ("[", "]"), ("[1,", "]")] {
            // Each twice: the second time its keys are known.
            for _ in 0..2 {
                let outcome = feed.outcome(nested(open, close, depth - 1, "1"));
                assert_eq!(outcome, Ok(()), "{depth} levels of {open}");
                let outcome = feed.outcome(nested(open, close, depth, "1"));
                assert_eq!(outcome, Err(Reason::TooDeep), "{depth} levels of {open} and one more");
            }
        }
        assert_eq!(feed.outcome(nested("[", "]", depth - 1, "4111111111111111")), Err(Reason::CardNumber));
    }
    let mut feed = Feed::new(&json(vec![]));
    let bomb = "[".repeat(16_000);
    assert_eq!(feed.outcome(with(&format!(",\"a\":{bomb}"))), Err(Reason::TooDeep));
}

#[test]
fn a_record_of_16_kib_is_read_and_one_byte_more_is_refused_unread() {
    let mut feed = Feed::new(&json(vec![]));
    let empty = with(",\"x\":\"\"").len();
    let sized = |bytes: usize| with(&format!(",\"x\":\"{}\"", "y".repeat(bytes - empty)));
    assert_eq!(feed.outcome(sized(16 * 1024)), Ok(()));
    assert_eq!(feed.outcome(sized(16 * 1024 + 1)), Err(Reason::TooLarge));
    assert_eq!(feed.outcome(vec![0xff; 1 << 20]), Err(Reason::TooLarge));
}

#[test]
fn bytes_that_are_not_utf_8_are_refused_wherever_they_stand() {
    let mut feed = Feed::new(&full());
    for bad in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82", b"\xf5\x80\x80\x80", b"\x80"] {
        for at in [0, 3, 10, FULL.len() / 2, FULL.len()] {
            let record = [&FULL.as_bytes()[..at], bad, &FULL.as_bytes()[at..]].concat();
            let reject = feed.decode(record).unwrap_err();
            assert_eq!(reject.reason, Reason::NotUtf8);
        }
    }
}

#[test]
fn the_order_of_keys_and_blanks_between_them_change_nothing() {
    let mut feed = Feed::new(&full());
    feed.decode(FULL).unwrap();
    let first = feed.event.clone();
    let parsed: serde_json::Value = serde_json::from_str(FULL).unwrap();
    let spaced = serde_json::to_string_pretty(&parsed).unwrap();
    let keys: Vec<(String, String)> =
        parsed.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
    let reversed: Vec<String> =
        keys.iter().rev().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
    let escaped = FULL.replace("\"account\"", "\"\\u0061ccount\"").replace("acc-7", "acc\\u002d7");
    for record in [spaced, format!("{{{}}}", reversed.join(" ,")), escaped, FULL.to_owned()] {
        feed.decode(&record).unwrap();
        // Every field has the same text; their order in the buffer may be the record's.
        assert_eq!(feed.event.registers, first.registers);
        assert_eq!((feed.event.texts.clone(), feed.event.id), (first.texts.clone(), first.id));
    }
}

#[test]
fn places_are_json_pointers_also_into_arrays_and_odd_keys() {
    let mapping = json(vec![pointer("merchant.name", "/items/1/name"), pointer("merchant.id", "/a~1b/~0\"")]);
    let mut feed = Feed::new(&mapping);
    let record = with(r#","items":[{"name":"first"},{"name":"second"}],"a/b":{"~\"":"m-1"}"#);
    for _ in 0..2 {
        feed.decode(&record).unwrap();
        assert_eq!((feed.text("merchant.name"), feed.text("merchant.id")), (Some("second"), Some("m-1")));
    }
    // The quote of the mapped key needs its escape.
    assert_eq!(feed.outcome(with(r#","a/b":{"~"":"m-1"}"#)), Err(Reason::BadJson));
    feed.decode(with(r#","items":{"1":{"name":"by key"}}"#)).unwrap();
    assert_eq!(feed.text("merchant.name"), Some("by key"));
    feed.decode(with(r#","items":[{"name":"only"}]"#)).unwrap();
    assert_eq!(feed.text("merchant.name"), None);
}

#[test]
fn a_reject_says_where_and_which_field_and_shows_no_content() {
    let mut feed = Feed::new(&full());
    let reject = feed.decode(FULL.replace("57.16", "\"secret\"")).unwrap_err();
    assert_eq!((reject.reason, reject.field), (Reason::BadMoney, Some(slot("tx.amount"))));
    assert_eq!(reject.at, FULL.find("57.16").unwrap());
    assert_eq!(reject.to_string(), format!("bad_money at byte {}", reject.at));
    let reject = feed.decode(FULL.replace("\"id\":\"evt-1\",", "")).unwrap_err();
    assert_eq!((reject.reason, reject.field), (Reason::MissingField, Some(Slot(0))));
}
