//! How values are read, field by field.

use crate::fixture::{FULL, Feed, full, json, pointer, slot, with};
use std::sync::Arc;
use tripline_core::batch::SourceRecord;
use tripline_core::decode::{
    Ambiguous, AmountForm, CheckedMapping, CurrencySource, DecodePlan, Decoder, Fallback, FieldMapping,
    FieldSource, LabelMapping, Reason, Sign, TimeFormat,
};
use tripline_core::event::Reference;
use tripline_rules::money::Currency;
use tripline_rules::value::{Geo, TextKey};

/// The word of a currency.
fn currency(code: &str) -> u64 {
    u64::from(Currency::by_code(code).unwrap().number())
}

/// The outcome for one raw value of one field, and its number.
fn numbers(mapping: FieldMapping, name: &str, cases: &[(&str, Result<Option<f64>, Reason>)]) {
    let mut feed = Feed::new(&json(vec![mapping]));
    for (value, expected) in cases {
        let outcome = feed.outcome(with(&format!(",\"v\":{value}")));
        assert_eq!(outcome.map(|()| feed.number(name)), *expected, "{value}");
    }
}

#[test]
fn the_whole_event_is_filled() {
    let mut feed = Feed::new(&full());
    feed.decode(FULL).unwrap();
    let key = TextKey::default();
    let event = &feed.event;
    assert_eq!((event.at.0, event.event_type), (1_705_314_600_000, 0));
    assert_eq!((event.id, event.account), (key.text(b"evt-1"), key.entity(b"acc-7")));
    assert_eq!((event.reference, event.label), (None, None));
    assert_eq!(feed.number("event.time"), Some(1_705_314_600_000.0));
    assert_eq!(feed.number("tx.amount"), Some(5716.0));
    assert_eq!(feed.word("tx.currency"), Some(currency("EUR")));
    assert_eq!(feed.word("account.currency"), Some(currency("EUR")));
    assert_eq!(
        (feed.number("tx.risk"), feed.word("tx.declined"), feed.word("tx.channel")),
        (Some(0.25), Some(0), Some(0))
    );
    assert_eq!(Geo::unpack(feed.word("tx.geo").unwrap()), Geo { latitude: 59.3293, longitude: 18.0686 });
    assert_eq!(feed.word("merchant.name"), Some(key.text("Café Zoë".as_bytes())));
    let texts =
        ["event.id", "account.id", "merchant.name", "merchant.id"].map(|name| feed.text(name).unwrap());
    assert_eq!(texts, ["evt-1", "acc-7", "Café Zoë", "m-1"]);
}

#[test]
fn only_wanted_fields_are_converted_and_only_wanted_texts_kept() {
    let schema = crate::fixture::schema();
    let mapping = full();
    let checked = CheckedMapping::new(&mapping, &schema).unwrap();
    let plan = DecodePlan::new(&checked, &[], &[], TextKey::default());
    let mut decoder = Decoder::new(Arc::new(plan));
    let mut event = tripline_core::event::Event::new(schema.fields().len());
    let odd = FULL.replace("57.16", "\"odd\"").replace("\"pos\"", "[1]");
    decoder.decode(odd.as_bytes(), SourceRecord { partition: 0, offset: 0 }, &mut event).unwrap();
    assert_eq!(event.registers.get(slot("tx.amount")), None);
    assert_eq!(event.texts.get(slot("merchant.name")), None);
    assert_eq!(event.texts.get(slot("event.id")), Some("evt-1"));
    assert_eq!(event.texts.get(slot("account.id")), Some("acc-7"));
}

/// A balance in one form and currency.
fn money(form: AmountForm, code: &str) -> FieldMapping {
    let mut mapping = pointer("account.balance", "/v");
    mapping.money.amount = form;
    mapping.money.currency = CurrencySource::Constant(code.into());
    mapping
}

#[test]
fn amounts_in_major_units_are_exact_decimals_of_their_currency() {
    let bad = Err(Reason::BadMoney);
    numbers(
        money(AmountForm::Major, "EUR"),
        "account.balance",
        &[
            ("57.16", Ok(Some(5716.0))),
            ("\"57.16\"", Ok(Some(5716.0))),
            ("\"0057.16\"", Ok(Some(5716.0))),
            ("0.1", Ok(Some(10.0))),
            ("1.0", Ok(Some(100.0))),
            ("1.00", Ok(Some(100.0))),
            ("1.000", bad),
            ("\"25.000\"", bad),
            ("1000e-3", bad),
            ("1e2", Ok(Some(10_000.0))),
            ("-0", Ok(Some(0.0))),
            ("-0.01", Ok(Some(-1.0))),
            ("10000000000000", Ok(Some(1e15))),
            ("9007199254740.99", Ok(Some(900_719_925_474_099.0))),
            ("10000000000000.01", bad),
            ("-10000000000000.01", bad),
            ("57.161", bad),
            ("0.30000000000000004", bad),
            ("1e400", bad),
            ("1e-3", bad),
            ("\"NaN\"", bad),
            ("\"1,50\"", Err(Reason::DecimalComma)),
            ("\"€1\"", bad),
            ("\" 1\"", bad),
            ("\"\"", bad),
            ("true", bad),
            ("[1]", bad),
            ("{}", bad),
            ("null", Ok(None)),
        ],
    );
}

#[test]
fn amounts_of_other_forms_and_currencies_are_exact_decimals_too() {
    let bad = Err(Reason::BadMoney);
    numbers(
        money(AmountForm::MajorFloat, "EUR"),
        "account.balance",
        &[
            ("57.16", Ok(Some(5716.0))),
            ("85.64999999999999", Ok(Some(8565.0))),
            ("0.30000000000000004", Ok(Some(30.0))),
            ("-85.64999999999999", Ok(Some(-8565.0))),
            ("85.649994", bad),
            ("85.649996", Ok(Some(8565.0))),
            ("85.649", bad),
            ("10000000000000", Ok(Some(1e15))),
            ("10000000000000.01", bad),
        ],
    );
    numbers(
        money(AmountForm::Major, "JPY"),
        "account.balance",
        &[("57", Ok(Some(57.0))), ("57.0", bad), ("57.1", bad)],
    );
    numbers(money(AmountForm::Major, "KWD"), "account.balance", &[("57.161", Ok(Some(57161.0)))]);
    numbers(
        money(AmountForm::Minor, "EUR"),
        "account.balance",
        &[
            ("5716", Ok(Some(5716.0))),
            ("\"000000005716\"", Ok(Some(5716.0))),
            ("5716.0", Ok(Some(5716.0))),
            ("5716.00", Ok(Some(5716.0))),
            ("5716.000", bad),
            ("1e2", Ok(Some(100.0))),
            ("57.16", bad),
            ("1000000000000000", Ok(Some(1e15))),
            ("1000000000000001", bad),
        ],
    );
}

#[test]
fn an_amount_in_another_currency_than_its_field_is_refused() {
    let mut amount = pointer("tx.amount", "/v");
    amount.money.currency = CurrencySource::From("/c".into());
    let mut account = pointer("account.currency", "/ac");
    account.values = vec![("978".into(), "EUR".into())];
    let mut feed = Feed::new(&json(vec![amount.clone(), account.clone(), pointer("card.limit", "/limit")]));
    let mut outcome = |more: &str| feed.outcome(with(more)).map(|()| feed.word("tx.currency"));
    let code = |name| Some(currency(name));
    assert_eq!(outcome(r#","v":1,"c":"EUR","ac":"EUR""#), Ok(code("EUR")));
    assert_eq!(outcome(r#","v":1,"c":"EUR","ac":978"#), Ok(code("EUR")));
    assert_eq!(outcome(r#","v":1,"c":"USD""#), Ok(code("USD")));
    assert_eq!(outcome(r#","v":1,"c":"USD","ac":"EUR""#), Err(Reason::CurrencyMismatch));
    assert_eq!(outcome(r#","v":1,"c":"usd""#), Ok(code("USD")));
    assert_eq!(outcome(r#","v":1,"c":"usd","ac":"Usd""#), Err(Reason::BadValue));
    assert_eq!(outcome(r#","v":1,"c":"usx""#), Err(Reason::BadMoney));
    assert_eq!(outcome(r#","v":1"#), Err(Reason::BadMoney));
    assert_eq!(outcome(r#","c":"USD","ac":"EUR""#), Ok(None));
    // The currency of the transaction is that of its amount, whatever else is in the record.
    assert_eq!(outcome(r#","limit":500"#), Ok(None));
    // A field in its account's currency needs nothing else.
    amount.money.currency = CurrencySource::OfField;
    let mut feed = Feed::new(&json(vec![amount, account]));
    assert_eq!(feed.outcome(with(r#","v":1.25,"ac":"KWD""#)), Ok(()));
    assert_eq!(feed.number("tx.amount"), Some(1250.0));
    assert_eq!(feed.outcome(with(r#","v":1.25"#)), Err(Reason::BadMoney));
}

#[test]
fn numbers_are_rounded_to_six_places_and_bounded() {
    let bad = Err(Reason::BadNumber);
    numbers(
        pointer("tx.risk", "/v"),
        "tx.risk",
        &[
            ("0.1", Ok(Some(0.1))),
            ("\"0.1\"", Ok(Some(0.1))),
            ("0.1234565", Ok(Some(0.123457))),
            ("-0.1234565", Ok(Some(-0.123457))),
            ("0.30000000000000004", Ok(Some(0.3))),
            ("0.0000004", Ok(Some(0.0))),
            ("-0.0", Ok(Some(0.0))),
            ("1e2", Ok(Some(100.0))),
            ("1E-6", Ok(Some(0.000001))),
            ("1000000000000", Ok(Some(1e12))),
            ("-1e12", Ok(Some(-1e12))),
            ("12345678901.123456", Ok(Some(12_345_678_901.123_456))),
            ("999999999999.999999", Ok(Some(999_999_999_999.999_999))),
            ("1000000000000.000001", bad),
            ("1e400", bad),
            ("\"NaN\"", bad),
            ("\"Infinity\"", bad),
            ("\"\"", bad),
            ("\"1 \"", bad),
            ("\"1,234\"", bad),
            ("\"0,5\"", Err(Reason::DecimalComma)),
            ("\"1.234,56\"", Err(Reason::DecimalComma)),
            ("false", bad),
            ("[]", bad),
            ("null", Ok(None)),
        ],
    );
    let mut took = pointer("tx.took", "/v");
    took.time = TimeFormat::EpochSeconds;
    numbers(took, "tx.took", &[("1.5", Ok(Some(1500.0))), ("-1", Ok(Some(-1000.0))), ("\"PT1S\"", bad)]);
}

#[test]
fn times_in_other_fields_follow_their_own_format() {
    let mut opened = pointer("account.opened", "/v");
    opened.time = TimeFormat::EpochMillis;
    let bad = Err(Reason::BadTime);
    numbers(
        opened,
        "account.opened",
        &[
            ("1705314600123", Ok(Some(1_705_314_600_123.0))),
            ("\"1705314600123\"", Ok(Some(1_705_314_600_123.0))),
            ("-86400000", Ok(Some(-86_400_000.0))),
            ("1705314600123456", bad),
            ("\"2024-01-15\"", bad),
            ("true", bad),
        ],
    );
    let date = TimeFormat::Local {
        pattern: "%Y%m%d".into(),
        zone: "Asia/Tokyo".into(),
        ambiguous: Ambiguous::Reject,
    };
    numbers(
        FieldMapping { time: date, ..pointer("account.opened", "/v") },
        "account.opened",
        &[
            ("20240115", Ok(Some(1_705_244_400_000.0))),
            ("\"20240115\"", Ok(Some(1_705_244_400_000.0))),
            ("20240132", bad),
        ],
    );
    numbers(pointer("account.opened", "/v"), "account.opened", &[("1705314600123", bad)]);
}

#[test]
fn ids_have_a_small_alphabet_and_integers_are_ids() {
    let mut feed = Feed::new(&json(vec![pointer("merchant.id", "/v")]));
    let long = format!("\"{}\"", "x".repeat(64));
    for (value, id) in [
        ("\"a_B.c:9-\"", "a_B.c:9-"),
        ("12", "12"),
        ("-5", "-5"),
        ("0", "0"),
        ("\"007\"", "007"),
        ("12345678901234567890123", "12345678901234567890123"),
        (r#""\u0061""#, "a"),
        (&long, &long[1..65]),
    ] {
        assert_eq!(feed.outcome(with(&format!(",\"v\":{value}"))), Ok(()), "{value}");
        assert_eq!(feed.text("merchant.id"), Some(id));
        assert_eq!(feed.word("merchant.id"), Some(TextKey::default().text(id.as_bytes())));
    }
    let longer = format!("\"{}\"", "x".repeat(65));
    for value in
        ["\"\"", "\"a b\"", "\"ä\"", "\"a\\n\"", "\"a/b\"", "1.0", "1e2", "-0", "true", "[]", &longer]
    {
        assert_eq!(feed.outcome(with(&format!(",\"v\":{value}"))), Err(Reason::BadId), "{value}");
    }
}

#[test]
fn free_text_is_stripped_and_bounded() {
    let mut feed = Feed::new(&json(vec![pointer("merchant.name", "/v")]));
    for (value, text) in [
        (r#""Zoë's \u202eevil\u0000 shop\n""#, "Zoë's evil shop"),
        (r#""""#, ""),
        ("12.50", "12.50"),
        ("true", "true"),
        (r#""<script>'; DROP TABLE""#, "<script>'; DROP TABLE"),
    ] {
        feed.decode(with(&format!(",\"v\":{value}"))).unwrap();
        assert_eq!(feed.text("merchant.name"), Some(text), "{value}");
    }
    assert_eq!(feed.outcome(with(&format!(",\"v\":\"{}\"", "é".repeat(128)))), Ok(()));
    assert_eq!(feed.outcome(with(&format!(",\"v\":\"{}\"", "é".repeat(129)))), Err(Reason::TextTooLong));
    assert_eq!(feed.outcome(with(",\"v\":{}")), Err(Reason::BadValue));
}

#[test]
fn value_maps_translate_and_say_what_the_rest_means() {
    let mut channel = pointer("tx.channel", "/v");
    channel.values =
        vec![("05".into(), "pos".into()), ("81".into(), "ecom".into()), ("true".into(), "atm".into())];
    let code = |feed: &Feed| feed.word("tx.channel");
    let mut feed = Feed::new(&json(vec![channel.clone()]));
    for (value, expected) in
        [("\"05\"", Some(0)), ("81", Some(1)), ("true", Some(2)), ("\"atm\"", Some(2)), ("null", None)]
    {
        feed.decode(with(&format!(",\"v\":{value}"))).unwrap();
        assert_eq!(code(&feed), expected, "{value}");
    }
    for value in ["\"99\"", "\"ATM\"", "5", "[]", "\"\""] {
        assert_eq!(feed.outcome(with(&format!(",\"v\":{value}"))), Err(Reason::BadValue), "{value}");
    }
    for (fallback, expected) in [(Fallback::Missing, None), (Fallback::Constant("ecom".into()), Some(1))] {
        let mut feed = Feed::new(&json(vec![FieldMapping { fallback, ..channel.clone() }]));
        feed.decode(with(",\"v\":\"99\"")).unwrap();
        assert_eq!(code(&feed), expected);
    }
    let mut declined = pointer("tx.declined", "/v");
    declined.values = vec![("00".into(), "no".into())];
    declined.fallback = Fallback::Constant("yes".into());
    let mut feed = Feed::new(&json(vec![declined]));
    for (value, expected) in [("\"00\"", Some(0)), ("\"51\"", Some(1)), ("false", Some(0)), ("null", None)] {
        feed.decode(with(&format!(",\"v\":{value}"))).unwrap();
        assert_eq!(feed.word("tx.declined"), expected, "{value}");
    }
}

#[test]
fn event_types_locations_and_required_fields_have_reasons_of_their_own() {
    let mut feed = Feed::new(&full());
    for (from, to, reason) in [
        ("\"purchase\"", "\"purchases\"", Reason::UnknownEventType),
        ("\"evt-1\"", "null", Reason::MissingField),
        ("\"purchase\"", "null", Reason::MissingField),
        ("\"acc-7\"", "\"\"", Reason::BadId),
        ("\"2024-01-15T10:30:00Z\"", "null", Reason::MissingField),
        ("2024-01-15T10:30:00Z", "2024-01-15", Reason::BadTime),
        ("59.3293", "90.1", Reason::BadLocation),
        ("18.0686", "-180.1", Reason::BadLocation),
        ("18.0686", "\"north\"", Reason::BadLocation),
        ("false", "\"maybe\"", Reason::BadValue),
    ] {
        assert_eq!(feed.outcome(FULL.replace(from, to)), Err(reason), "{from} to {to}");
    }
    feed.decode(FULL.replace("59.3293", "null")).unwrap();
    assert_eq!(feed.word("tx.geo"), None);
    feed.decode(FULL.replace("59.3293", "\"-59.32930004\"")).unwrap();
    assert_eq!(Geo::unpack(feed.word("tx.geo").unwrap()).latitude, -59.3293);
}

#[test]
fn references_rows_constants_and_labels_are_filled() {
    let mut mapping = json(vec![pointer("event.ref", "/ref")]);
    mapping.fields[0] = FieldMapping::new(slot("event.id"), FieldSource::RowNumber);
    mapping.fields[1] = FieldMapping::new(slot("event.type"), FieldSource::Constant("refund".into()));
    mapping.labels =
        Some(LabelMapping { source: "/fraud".into(), equals: "true".into(), outcome: 1, after_ms: 5 });
    let mut feed = Feed::new(&mapping);
    feed.decode(with(r#","ref":"e0","fraud":true"#)).unwrap();
    assert_eq!((feed.text("event.id"), feed.event.event_type), (Some("3-42"), 1));
    let meant = Reference { id: TextKey::default().text(b"e0"), event_type: None };
    assert_eq!(feed.event.reference, Some(meant));
    assert_eq!(feed.event.label.map(|label| (label.outcome, label.after)), Some((1, 5)));
    feed.decode(with(r#","fraud":false"#)).unwrap();
    assert_eq!((feed.event.reference, feed.event.label), (None, None));
}

#[test]
fn an_amount_below_zero_is_refused_unless_the_mapping_says_what_its_sign_means() {
    let outcome = |sign: Sign, name: &str, value: &str| {
        let mut mapping = money(AmountForm::Major, "EUR");
        mapping.slot = pointer(name, "/v").slot;
        mapping.money.sign = sign;
        let mut feed = Feed::new(&json(vec![mapping]));
        feed.outcome(with(&format!(",\"v\":{value}"))).map(|()| feed.number(name))
    };
    let refused = Err(Reason::NegativeAmount);
    for (sign, value, expected) in [
        (Sign::AsWritten, "-9.00", refused),
        (Sign::AsWritten, "-0.00", Ok(Some(0.0))),
        (Sign::AsWritten, "9.00", Ok(Some(900.0))),
        (Sign::Absolute, "-9.00", Ok(Some(900.0))),
        (Sign::Absolute, "9.00", Ok(Some(900.0))),
        (Sign::Negate, "-9.00", Ok(Some(900.0))),
        (Sign::Negate, "9.00", refused),
    ] {
        assert_eq!(outcome(sign, "tx.amount", value), expected, "{sign:?} {value}");
    }
    assert_eq!(outcome(Sign::AsWritten, "account.balance", "-9.00"), Ok(Some(-900.0)));
    assert_eq!(outcome(Sign::Negate, "account.balance", "9.00"), Ok(Some(-900.0)));
}
