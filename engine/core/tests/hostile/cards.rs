//! Card numbers where none belong: dead letters without content, and no trace of one in anything that leaves the
//! engine.

use crate::bank::{Bank, CARD, DAY, MINUTE, NOON, Published, house, mapping, purchase, settings};
use tripline_core::decode::{Format, Reason, Reject};
use tripline_core::limits::{CARD_DIGITS_MAX, CARD_DIGITS_MIN};
use tripline_core::outputs::Topic;

/// Ways to hide a card number in a record of an otherwise good event.
fn hidden(id: usize) -> Vec<String> {
    let record = |more: &str| purchase("a", &format!("h{id}"), NOON, more);
    let grouped = "4111 1111 1111 1111";
    let escaped: String = CARD.bytes().map(|digit| format!("\\u{digit:04x}")).collect();
    vec![
        record(&format!(r#","name":"Shop {CARD}""#)),
        record(&format!(r#","merchant":"{CARD}""#)),
        record(&format!(r#","device":"d-{CARD}""#)),
        record(&format!(r#","ref":"{CARD}""#)),
        record(&format!(r#","points":{CARD}"#)),
        record(&format!(r#","unread":"{CARD}""#)),
        record(&format!(r#","unread":{CARD}"#)),
        record(r#","unread":4.111111111111111e15"#),
        record(&format!(r#","unread":[[{CARD}]]"#)),
        record(&format!(r#","{CARD}":1"#)),
        record(&format!(r#","unread":{{"{CARD}":1}}"#)),
        record(&format!(r#","unread":"{grouped}""#)),
        record(&format!(r#","name":"{}""#, grouped.replace(' ', "-"))),
        record(&format!(r#","unread":"{escaped}""#)),
        record(r#","name":"4111\u200b1111\u202e1111\u00001111""#),
        purchase(CARD, "h", NOON, ""),
        purchase("a", CARD, NOON, ""),
        record(r#","unread":"4111.1111.1111.1111""#),
        record(r#","name":"4111 - 1111 - 1111 - 1111""#),
        record(r#","name":"paid with 4111/1111/1111/1111 today""#),
        record(r#","name":"４１１１１１１１１１１１１１１１""#),
        record(r#","unread":"4\u200d1\u20e311111111111111""#),
        record(r#","unread":"\uff14\uff11\uff11\uff111111 1111 1111""#),
        // Refused for another reason, and all the same not to be forwarded.
        format!(r#"{{"broken" "{CARD}""#),
        record(&format!(r#","amount":"{CARD}x""#)),
        record(&format!(r#","unread":1,"unread":{CARD}"#)),
        record(&format!(r#","unread":[[[["{CARD}"]]]]"#)),
        record(&format!(r#","time":{CARD}"#)),
        record(r#","unread":01,"note":"4111\t1111\t1111\t1111""#),
        record(r#","unread":1,"unread":2,"note":4.111111111111111e15"#),
        format!("{} {CARD}", "x".repeat(17_000)),
    ]
}

/// Whether digits of the card number can be read in some bytes, whatever stands between them.
fn shows(bytes: &[u8]) -> bool {
    let digits: Vec<u8> = bytes.iter().copied().filter(u8::is_ascii_digit).collect();
    digits.windows(CARD.len()).any(|window| window == CARD.as_bytes())
}

fn assert_silent(published: &[Published], of: &str) {
    for record in published {
        assert!(!shows(&record.key) && !shows(&record.value), "{:?} after {of:.200}", record.topic);
        assert!(record.headers.iter().all(|(_, value)| !shows(value.as_bytes())), "{of:.200}");
    }
}

#[test]
fn a_card_number_anywhere_makes_a_dead_letter_without_content() {
    assert_eq!((CARD_DIGITS_MIN, CARD_DIGITS_MAX), (12, 19));
    let mut bank = Bank::new();
    for (number, record) in hidden(0).iter().enumerate() {
        let published = bank.take(NOON, b"account-7", record.as_bytes());
        assert_eq!((published.len(), published[0].topic), (1, Topic::DeadLetters), "{record:.200}");
        assert!(published[0].value.is_empty(), "{record:.200}");
        assert_silent(&published, record);
        assert_eq!(bank.counts().dead_letters, number as u64 + 1);
    }
    assert_eq!(bank.counts().rows, 0);
}

/// The key of a record is not part of what was decoded, and no less visible to whoever reads the topic.
#[test]
fn a_card_number_in_the_key_of_a_record_is_not_forwarded() {
    let mut bank = Bank::new();
    let keys = [CARD.to_owned(), format!("acc:{CARD}"), "4111-1111-1111-1111".to_owned()];
    for key in keys {
        let late = purchase("a", "late", NOON - 2 * DAY, "");
        let published = bank.take(NOON, key.as_bytes(), late.as_bytes());
        assert_eq!((published[0].topic, published[0].value.is_empty()), (Topic::Late, false));
        assert!(published[0].key.is_empty());
        for record in ["{}", "nonsense", &purchase("a", "future", NOON + DAY, "")] {
            let published = bank.take(NOON, key.as_bytes(), record.as_bytes());
            assert_eq!(published[0].topic, Topic::DeadLetters);
            assert!(published[0].key.is_empty() && published[0].value == record.as_bytes());
        }
        assert_silent(
            &bank.take(NOON, key.as_bytes(), purchase("a", &key.replace('1', "x"), NOON, "").as_bytes()),
            &key,
        );
    }
    let plain = bank.take(NOON, b"account-7", b"{}");
    assert_eq!((&*plain[0].key, &*plain[0].value), (&b"account-7"[..], &b"{}"[..]));
    let conflict = [purchase("a", "c", NOON, ""), purchase("a", "c", NOON - 1, "")];
    let published = conflict.map(|record| bank.take(NOON, CARD.as_bytes(), record.as_bytes()));
    assert_eq!(published[1][0].reason(), Some("id_conflict"));
    assert_silent(&published.concat(), "a conflict");
}

#[test]
fn a_card_number_in_a_cell_is_refused_like_any_other() {
    let mut bank = Bank::with(mapping(Format::Csv { delimiter: b',' }), settings());
    bank.set_header(b"id,type,time,ref,account,amount,points,opened,balance,device,merchant,name,unread");
    let row = |id: usize, merchant: &str, name: &str, unread: &str| {
        format!("c{id},purchase,{NOON},,a,5,,,,d,{merchant},{name},{unread}")
    };
    let rows = [
        row(1, "m", "x", ""),
        row(2, "m", CARD, ""),
        row(3, "m", "x", CARD),
        row(4, "m", "x", "\"4111 1111 1111 1111\""),
    ];
    let published = rows.map(|row| bank.take(NOON, b"a", row.as_bytes()));
    assert_eq!((bank.counts().rows, bank.counts().reasons[&Reason::CardNumber]), (1, 3));
    assert_silent(&published.concat(), "cells");
}

/// What is refused is named by its field and its kind.
#[test]
fn a_dead_letter_of_a_card_number_names_the_field() {
    let mut bank = Bank::new();
    let published =
        bank.take(NOON, b"a", purchase("a", "1", NOON, &format!(r#","name":"{CARD}""#)).as_bytes());
    let header =
        |name: &str| published[0].headers.iter().find(|(found, _)| *found == name).map(|(_, value)| &**value);
    assert_eq!(header("tripline.error.field"), Some("merchant.name"));
    assert_eq!(header("tripline.error.place"), Some("/name"));
}

/// An IBAN is an account, of whatever country; without its country its digits may be a card number.
#[test]
fn an_iban_is_an_account_and_no_card_number() {
    let mut bank = Bank::new();
    for (id, account) in ["BE62000000053012", "NO4600000098734", "FI5000000000006386"].into_iter().enumerate()
    {
        assert_eq!(bank.verdict(&purchase(account, &format!("i{id}"), NOON, "")), None, "{account}");
    }
    assert_eq!(bank.verdict(&purchase("4111111111111111", "x", NOON, "")).as_deref(), Some("card_number"));
}

#[test]
fn mapped_times_amounts_and_exempt_fields_may_look_like_card_numbers() {
    let lucky = r#","opened":4222222222222,"balance":378282246310005,"amount":378282246310005"#;
    let mut bank = Bank::new();
    assert_eq!(bank.verdict(&purchase("a", "1", NOON, lucky)), None);
    assert_eq!(
        bank.verdict(&purchase("a", "2", NOON, r#","elsewhere":4222222222222"#)).as_deref(),
        Some("card_number")
    );
    assert_eq!(bank.verdict(&purchase("a", CARD, NOON, "")).as_deref(), Some("card_number"));
    let mut exempt = mapping(Format::Json);
    exempt.pan_exempt = vec![house().schema.slot("event.id").expect("built in")];
    let mut bank = Bank::with(exempt, settings());
    assert_eq!(bank.verdict(&purchase("a", CARD, NOON, "")), None);
    assert_eq!(
        bank.verdict(&purchase("a", "3", NOON, &format!(r#","merchant":"{CARD}""#))).as_deref(),
        Some("card_number")
    );
}

/// Markers in every field, card numbers in many places, everything that can happen to a record: nothing that leaves the
/// engine, and no error's words, hold a card number; markers of fields that no rule prints leave only with the record
/// itself.
#[test]
fn canaries_sing_nowhere() {
    let mut bank = Bank::new();
    let (mut all, mut hidden_records) = (Vec::new(), 0);
    for round in 0..40 {
        let at = NOON + round as i64 * MINUTE;
        let more = format!(
            r#","device":"canary-device-{round}","merchant":"canary-merchant","name":"Canary Café","balance":77123477,"opened":{},"unread":"canary-unread""#,
            NOON - DAY
        );
        let good = purchase("canary-account", &format!("g{round}"), at, &more);
        all.extend(bank.take(at, b"canary-account", good.as_bytes()));
        all.extend(bank.take(at, CARD.as_bytes(), good.as_bytes()));
        all.extend(bank.take(
            at,
            CARD.as_bytes(),
            purchase("b", &format!("l{round}"), at - 3 * DAY, "").as_bytes(),
        ));
        for record in hidden(round) {
            hidden_records += 1;
            all.extend(bank.take(at, format!("k{CARD}").as_bytes(), record.as_bytes()));
        }
    }
    assert_silent(&all, "canaries");
    let counts = bank.counts();
    assert!(counts.add_up());
    assert_eq!(
        (counts.rows, counts.duplicates, counts.late, counts.dead_letters),
        (40, 40, 40, hidden_records)
    );
    for record in all.iter().filter(|record| matches!(record.topic, Topic::Alerts | Topic::Verdicts)) {
        let written = String::from_utf8_lossy(&record.value);
        assert!(!written.contains("canary-unread") && !written.contains("77123477"), "{written}");
    }
    let shown = format!("{counts:?} {}", serde_json::to_string(&counts).expect("counts are JSON"));
    assert!(!shows(shown.as_bytes()) && !shown.contains("canary"));
}

#[test]
fn no_error_says_what_stood_in_the_record() {
    for reason in Reason::ALL {
        let reject = Reject { reason: *reason, field: None, source: None, at: 7, card_number: true };
        let shown = format!("{reject} {reject:?}");
        assert!(!shows(shown.as_bytes()) && shown.starts_with(reason.name()), "{shown}");
    }
}
