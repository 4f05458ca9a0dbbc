//! Hostile records: card numbers, unusual strings, and a million mutations.

use crate::fixture::{FULL, Feed, column, full, json, pointer, required, slot, with};
use crate::mutation::mutate;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tripline_core::decode::{CurrencySource, FieldMapping, FieldSource, Format, Mapping, Reason};

const CARD: &str = "4111111111111111";

#[test]
fn a_card_number_is_refused_in_every_value_and_key_read_or_not() {
    let mut feed = Feed::new(&full());
    for record in [
        with(&format!(",\"x\":\"{CARD}\"")),
        with(&format!(",\"x\":{CARD}")),
        with(&format!(",\"x\":{CARD}.0")),
        with(",\"x\":4.111111111111111e15"),
        with(&format!(",\"x\":-{CARD}")),
        with(&format!(",\"{CARD}\":1")),
        with(&format!(",\"x\":[[{{\"{CARD}\":1}}]]")),
        with(&format!(",\"x\":[1,\"{CARD}\"]")),
        with(&format!(",\"x\":{{\"y\":{CARD}}}")),
        with(",\"x\":\"pay with 4111-1111-1111-1111 now\""),
        with(",\"x\":\"4111 1111 1111 1111\""),
        with(r#","x":"\u0034111\u200b111111111111""#),
        with(r#","x":"4111111\n111111111""#),
        FULL.replace("evt-1", CARD),
        FULL.replace("acc-7", CARD),
        FULL.replace("Café Zoë", &format!("Shop {CARD}")),
        FULL.replace("0.25", CARD),
        FULL.replace("\"pos\"", CARD),
        FULL.replace("\"note\"", &format!("\"{CARD}\"")),
    ] {
        for _ in 0..2 {
            let reject = feed.decode(&record).unwrap_err();
            assert_eq!((reject.reason, reject.card_number), (Reason::CardNumber, true), "{record}");
            let shown = format!("{reject} {reject:?}");
            assert!(!shown.contains("4111") && !shown.contains("111111"), "{shown}");
        }
    }
    let reject = feed.decode(FULL.replace("evt-1", CARD)).unwrap_err();
    assert_eq!(reject.field, Some(slot("event.id")));
}

#[test]
fn a_record_refused_for_another_reason_still_says_that_it_holds_one() {
    let mut feed = Feed::new(&full());
    for (record, reason, card_number) in [
        (format!("{{\"x\" \"{CARD}\""), Reason::BadJson, true),
        (with(&format!(",\"x\":{}{CARD}{}", "[".repeat(16), "]".repeat(16))), Reason::TooDeep, true),
        (with(&format!(",\"x\":1,\"x\":{CARD}")), Reason::DuplicateKey, true),
        (with(r#","x":nope,"y":"\u0034111111111111111""#), Reason::BadJson, true),
        (FULL.replace("57.16", CARD), Reason::BadMoney, true),
        // Not searched: what is too large is never forwarded.
        (with(&format!(",\"x\":\"{}{CARD}\"", " ".repeat(16_384))), Reason::TooLarge, false),
        (FULL.replace("57.16", "true"), Reason::BadMoney, false),
    ] {
        let reject = feed.decode(&record).unwrap_err();
        assert_eq!((reject.reason, reject.card_number), (reason, card_number), "{record:.60}");
    }
    let not_utf8 = [b"\xff", CARD.as_bytes()].concat();
    assert!(feed.decode(not_utf8).unwrap_err().card_number);
}

#[test]
fn times_money_and_exempt_fields_may_look_like_card_numbers() {
    // A time in milliseconds and an amount that both pass Luhn's test with an issuer's prefix.
    let mut opened = pointer("account.opened", "/opened");
    opened.time = tripline_core::decode::TimeFormat::EpochMillis;
    let mut balance = pointer("account.balance", "/balance");
    balance.money.currency = CurrencySource::Constant("EUR".into());
    balance.money.amount = tripline_core::decode::AmountForm::Minor;
    let mut mapping = json(vec![opened, balance, pointer("merchant.id", "/merchant")]);
    let record = with(&format!(",\"opened\":4222222222222,\"balance\":378282246310005,\"merchant\":{CARD}"));
    assert_eq!(Feed::new(&mapping).outcome(&record), Err(Reason::CardNumber));
    mapping.pan_exempt = vec![slot("merchant.id")];
    let mut feed = Feed::new(&mapping);
    assert_eq!(feed.outcome(&record), Ok(()));
    assert_eq!(
        (feed.number("account.opened"), feed.number("account.balance")),
        (Some(4_222_222_222_222.0), Some(378_282_246_310_005.0))
    );
    // Nothing reads it any more, so it is exempt no more.
    mapping.fields.retain(|field| field.slot != slot("account.balance"));
    assert_eq!(Feed::new(&mapping).outcome(&record), Err(Reason::CardNumber));
    // Luhn's digit is wrong.
    assert_eq!(feed.outcome(with(",\"x\":4111111111111112,\"y\":\"4111-1111-1111-1112\"")), Ok(()));
}

#[test]
fn card_numbers_are_found_in_cells_too() {
    let mut fields = required();
    for (field, name) in fields.iter_mut().zip(["id", "type", "time", "account"]) {
        field.source = FieldSource::Column(name.into());
    }
    fields.push(column("merchant.name", "merchant"));
    let mut mapping = Mapping::new(Format::Csv { delimiter: b';' }, fields);
    mapping.pan_exempt = vec![slot("event.id")];
    let mut feed = Feed::new(&mapping);
    feed.decoder.set_header(b"id;type;time;account;merchant;unread").unwrap();
    let row = |id: &str, merchant: &str, unread: &str| {
        format!("{id};login;2024-01-15T10:30:00Z;a;{merchant};{unread}")
    };
    assert_eq!(feed.outcome(row(CARD, "x", "y")), Ok(()));
    for record in [
        row("1", CARD, "y"),
        row("1", "x", CARD),
        row("1", "x", "\"4111-1111-1111-1111\""),
        row("1", "x", "4.111111111111111E+15"),
    ] {
        assert_eq!(feed.outcome(&record), Err(Reason::CardNumber), "{record}");
    }
}

/// In the spirit of the collections of such strings.
const NAUGHTY: &[&str] = &[
    "",
    " ",
    "undefined",
    "null",
    "NULL",
    "nil",
    "true",
    "NaN",
    "-1",
    "0x0",
    "1/0",
    "1E+02",
    "٠١٢",
    "１２３",
    "½",
    "Ω≈ç√∫˜µ",
    "<>?:\"{}|_+",
    "!@#$%^&*()`~",
    "\u{1}\u{2}\u{7f}\u{80}\u{9f}",
    "\t\u{b}\u{c}\u{85}\u{a0}\u{1680}\u{2028}\u{3000}",
    "\u{ad}\u{600}\u{61c}\u{200b}\u{200e}\u{202a}\u{2066}\u{feff}\u{fff9}",
    "\u{feff}",
    "\u{fffe}",
    "表ポあA鷗ŒéB逍Üßªąñ丂㐀𠀀",
    "ヽ༼ຈل͜ຈ༽ﾉ",
    "👾🙇💁",
    "👩‍👩‍👦",
    "🇺🇸🇷🇺",
    "ثم نفس سقطت",
    "\u{202a}test\u{202a}",
    "\u{2066}test\u{2067}",
    "Ṱ̺̺̕o͞ ̷i̲̬͇̪͙n̝̗͕v̟̜̘̦͟o̶̙̰̠kè͚̮̺̪̹̱̤",
    "˙ɐnbᴉlɐ",
    "<script>alert(1)</script>",
    "'; DROP TABLE users --",
    "$(touch /tmp/x)",
    "`ls`",
    "%s%n%x",
    "../../../etc/passwd",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "\\",
    "\"",
    "\\u0000",
    "\u{0}",
    "CON",
    "Null",
    "\r\nSet-Cookie: x",
    "\u{1b}[31mred",
    "If you're reading this",
    "a\u{301}\u{301}\u{301}",
    "ﷺ",
    "İıſK",
    "🏳\u{fe0f}\u{200d}🌈",
];

#[test]
fn naughty_strings_in_every_field_are_taken_or_refused_and_texts_stay_one_visible_line() {
    let mut feed = Feed::new(&full());
    for naughty in NAUGHTY {
        let quoted = serde_json::to_string(naughty).unwrap();
        for field in [
            "\"evt-1\"",
            "\"purchase\"",
            "\"2024-01-15T10:30:00Z\"",
            "\"acc-7\"",
            "57.16",
            "\"EUR\"",
            "0.25",
            "false",
            "\"pos\"",
            "59.3293",
        ] {
            let reject = feed.decode(FULL.replacen(field, &quoted, 1));
            // The few that a field can have: plain words are ids, some are numbers, one is a yes.
            let plain =
                naughty.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'+');
            assert!(reject.is_err() || plain, "{field} {naughty:?}");
        }
        assert_eq!(feed.outcome(FULL.replace("\"Café Zoë\"", &quoted)), Ok(()), "{naughty:?}");
        let text = feed.text("merchant.name").unwrap();
        assert!(text.chars().all(|c| !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c)), "{text:?}");
        assert_eq!(feed.outcome(FULL.replace("\"note\"", &quoted)), Ok(()), "{naughty:?}");
        assert_eq!(feed.outcome(FULL.replace("\"none\"", &quoted)), Ok(()), "{naughty:?}");
    }
}

/// A million mutated records, or as many as `TRIPLINE_MUTATIONS` sets. A decoder that has read them all gives the same
/// outcomes and events as a new one.
#[test]
fn mutated_records_never_panic_and_outcomes_do_not_depend_on_earlier_records() {
    let cases =
        std::env::var("TRIPLINE_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let fresh = Feed::new(&full()).decoder;
    let (mut feed, mut other) = (Feed::new(&full()), Feed::new(&full()));
    let (mut taken, mut refused) = (0u64, 0u64);
    let mut record = Vec::new();
    for case in 0..cases {
        record.clear();
        record.extend_from_slice(FULL.as_bytes());
        mutate(&mut record, &mut rng, 4);
        let outcome = feed.decode(&record);
        *(if outcome.is_ok() { &mut taken } else { &mut refused }) += 1;
        if case % 16 == 0 {
            other.decoder.clone_from(&fresh);
            assert_eq!(other.decode(&record), outcome);
            if outcome.is_ok() {
                assert_eq!(
                    (&other.event.registers, &other.event.texts),
                    (&feed.event.registers, &feed.event.texts)
                );
            }
        }
    }
    println!("{cases} mutated records: {taken} taken, {refused} refused");
    assert!(taken > cases / 20 && refused > cases / 2);
}

#[test]
fn many_mapped_places_and_fields_do_not_confuse_each_other() {
    let names = ["merchant.name", "merchant.id", "tx.risk", "tx.channel"];
    let mut fields: Vec<FieldMapping> = names.iter().map(|name| pointer(name, "/same")).collect();
    fields[2].fallback = tripline_core::decode::Fallback::Missing;
    let mut feed = Feed::new(&json(fields));
    feed.decode(with(r#","same":"pos""#)).unwrap();
    assert_eq!(
        (feed.text("merchant.name"), feed.text("merchant.id"), feed.word("tx.channel")),
        (Some("pos"), Some("pos"), Some(0))
    );
    assert_eq!(feed.number("tx.risk"), None);
}
