//! A field with several places: the first one that has a value counts, with its own settings.

use crate::fixture::{Feed, column, json, pointer, slot, with};
use tripline_core::decode::{
    AmountForm, CurrencySource, Fallback, FieldMapping, FieldSource, Format, Mapping, MappingError, Reason,
    TimeFormat,
};
use tripline_rules::money::Currency;
use tripline_rules::value::Geo;

fn either(places: Vec<FieldMapping>) -> FieldMapping {
    let mut places = places.into_iter();
    let first = places.next().unwrap();
    FieldMapping { others: places.collect(), ..first }
}

fn money(place: &str, amount: AmountForm, currency: &str) -> FieldMapping {
    let mut field = pointer("tx.amount", place);
    field.money.amount = amount;
    field.money.currency = CurrencySource::From(currency.into());
    field
}

#[test]
fn an_amount_is_read_in_the_unit_and_the_currency_of_the_place_that_has_it() {
    let mut feed = Feed::new(&json(vec![either(vec![
        money("/auth/amt", AmountForm::Minor, "/auth/ccy"),
        money("/xfer/amt", AmountForm::Major, "/xfer/ccy"),
        money("/fee", AmountForm::MajorFloat, "/xfer/ccy"),
    ])]));
    let auth = r#""auth":{"amt":12500,"ccy":"SEK"}"#;
    let xfer = r#""xfer":{"amt":"250.00","ccy":"EUR"}"#;
    for (fields, minor, code) in [
        (format!(",{auth}"), Some(12_500.0), "SEK"),
        (format!(",{xfer}"), Some(25_000.0), "EUR"),
        (format!(",{auth},{xfer}"), Some(12_500.0), "SEK"),
        (format!(",{xfer},{auth}"), Some(12_500.0), "SEK"),
        (format!(r#","auth":{{"amt":null,"ccy":"SEK"}},{xfer}"#), Some(25_000.0), "EUR"),
        (format!(r#","auth":null,{xfer}"#), Some(25_000.0), "EUR"),
        (r#","fee":0.30000000000000004,"xfer":{"ccy":"EUR"}"#.to_owned(), Some(30.0), "EUR"),
        (String::new(), None, ""),
        (r#","auth":{"ccy":"SEK"},"xfer":{"amt":null},"fee":null"#.to_owned(), None, ""),
    ] {
        assert_eq!(feed.outcome(with(&fields)), Ok(()), "{fields}");
        assert_eq!(feed.number("tx.amount"), minor, "{fields}");
        let currency = Currency::by_code(code).map(|currency| u64::from(currency.number()));
        assert_eq!(feed.word("tx.currency"), currency, "{fields}");
    }
    // The currency of another place is not the amount's.
    let stranger = format!(r#","auth":{{"amt":12500}},{xfer}"#);
    assert_eq!(feed.outcome(with(&stranger)), Err(Reason::BadMoney));
}

/// A value that is there and wrong is not replaced by a later place, and the dead letter says where it is.
#[test]
fn a_wrong_value_in_an_earlier_place_is_not_skipped() {
    let places = |fallback: Fallback| {
        let first = FieldMapping { fallback, ..pointer("tx.risk", "/a") };
        Feed::new(&json(vec![either(vec![first, pointer("tx.risk", "/b")])]))
    };
    let mut feed = places(Fallback::Reject);
    for wrong in ["\"high\"", "true", "{}", "[]", "\"\""] {
        let record = with(&format!(",\"a\":{wrong},\"b\":0.5"));
        let reject = feed.decode(&record).unwrap_err();
        let at = record.find(wrong).unwrap();
        assert_eq!((reject.reason, reject.field, reject.at), (Reason::BadNumber, Some(slot("tx.risk")), at));
        assert_eq!(feed.place(reject), Some("/a".to_owned()), "{wrong}");
    }
    let reject = feed.decode(with(",\"b\":\"high\"")).unwrap_err();
    assert_eq!(feed.place(reject), Some("/b".to_owned()));
    let mut feed = places(Fallback::Missing);
    assert_eq!(feed.outcome(with(",\"a\":\"high\",\"b\":0.5")), Ok(()));
    assert_eq!(feed.number("tx.risk"), None);
    assert_eq!(feed.outcome(with(",\"a\":null,\"b\":0.5")), Ok(()));
    assert_eq!(feed.number("tx.risk"), Some(0.5));
}

#[test]
fn a_required_field_may_have_several_places_and_is_missing_without_all_of_them() {
    let mut mapping = json(vec![]);
    let at = |place: &str, time: TimeFormat| FieldMapping { time, ..pointer("event.time", place) };
    mapping.fields[2] = either(vec![at("/at", TimeFormat::EpochMicros), at("/booked", TimeFormat::Rfc3339)]);
    mapping.fields[3] = either(vec![pointer("account.id", "/holder"), pointer("account.id", "/account")]);
    let mut feed = Feed::new(&mapping);
    let with = |fields: &str| format!(r#"{{"id":"e1","type":"login",{fields}}}"#);
    let micros = r#""at":1705314600000999,"holder":"h1","account":"a1""#;
    assert_eq!(feed.outcome(with(micros)), Ok(()));
    assert_eq!((feed.event.at.0, feed.text("account.id")), (1_705_314_600_000, Some("h1")));
    assert_eq!(feed.outcome(with(r#""booked":"2024-01-15T10:30:00Z","account":"a1""#)), Ok(()));
    assert_eq!((feed.event.at.0, feed.text("account.id")), (1_705_314_600_000, Some("a1")));
    let reject = feed.decode(with(r#""booked":null,"account":"a1""#)).unwrap_err();
    assert_eq!((reject.reason, reject.field), (Reason::MissingField, Some(slot("event.time"))));
    assert_eq!(feed.place(reject), Some("/at or /booked".to_owned()));
}

#[test]
fn a_constant_and_the_row_number_stand_behind_places() {
    let mut mapping = json(vec![either(vec![
        pointer("tx.channel", "/ch"),
        FieldMapping::new(slot("tx.channel"), FieldSource::Constant("ecom".into())),
    ])]);
    let row = FieldMapping::new(slot("event.id"), FieldSource::RowNumber);
    mapping.fields[0] = either(vec![pointer("event.id", "/id"), row.clone()]);
    let mut feed = Feed::new(&mapping);
    assert_eq!(feed.outcome(with(",\"ch\":\"atm\"")), Ok(()));
    assert_eq!((feed.word("tx.channel"), feed.text("event.id")), (Some(2), Some("e1")));
    assert_eq!(feed.outcome(with("").replace("\"id\":\"e1\",", "")), Ok(()));
    assert_eq!((feed.word("tx.channel"), feed.text("event.id")), (Some(1), Some("3-42")));
    mapping.fields[0] = either(vec![row, pointer("event.id", "/id")]);
    let errors = Feed::try_new(&mapping).err().unwrap();
    assert_eq!(
        errors.iter().map(MappingError::to_string).collect::<Vec<_>>(),
        ["`event.id` is never read from here: the place before it always has a value"]
    );
}

#[test]
fn cells_are_places_and_an_empty_one_has_no_value() {
    let pair = |latitude: &str, longitude: &str| {
        let source = FieldSource::Pair { latitude: latitude.into(), longitude: longitude.into() };
        FieldMapping::new(slot("tx.geo"), source)
    };
    let amount = |name: &str, amount| {
        let mut field = column("account.balance", name);
        field.money.amount = amount;
        field.money.currency = CurrencySource::Constant("EUR".into());
        field
    };
    let fields = vec![
        column("event.id", "id"),
        column("event.type", "type"),
        column("event.time", "time"),
        column("account.id", "account"),
        either(vec![amount("cents", AmountForm::Minor), amount("euros", AmountForm::Major)]),
        either(vec![pair("lat", "lon"), pair("y", "x")]),
    ];
    let mut feed = Feed::new(&Mapping::new(Format::Csv { delimiter: b',' }, fields));
    feed.decoder.set_header(b"id,type,time,account,cents,euros,lat,lon,y,x").unwrap();
    let row = |cells: &str| format!("e1,login,2024-01-15T10:30:00Z,a1,{cells}");
    for (cells, minor, latitude) in [
        ("5716,1.00,1,2,3,4", Some(5_716.0), Some(1.0)),
        (",57.16,,2,3,4", Some(5_716.0), Some(3.0)),
        (",,,,,", None, None),
        ("0,57.16,1,,,4", Some(0.0), None),
    ] {
        assert_eq!(feed.outcome(row(cells)), Ok(()), "{cells}");
        assert_eq!(feed.number("account.balance"), minor, "{cells}");
        let found = feed.word("tx.geo").map(|word| Geo::unpack(word).latitude.round());
        assert_eq!(found, latitude, "{cells}");
    }
    assert_eq!(feed.outcome(row("57.16,1.00,,,,")), Err(Reason::BadMoney));
}

/// A money field that names the place of `account.currency` reads that place, not the account's other ones.
#[test]
fn an_amount_keeps_the_currency_of_its_own_place_where_the_account_has_several() {
    let mut amount = pointer("tx.amount", "/amount");
    amount.money.currency = CurrencySource::From("/currency".into());
    let mut feed = Feed::new(&json(vec![
        amount,
        either(vec![pointer("account.currency", "/home"), pointer("account.currency", "/currency")]),
    ]));
    let number = |code| Currency::by_code(code).map(|currency| u64::from(currency.number()));
    assert_eq!(feed.outcome(with(r#","amount":5,"currency":"EUR""#)), Ok(()));
    assert_eq!(feed.word("account.currency"), number("EUR"));
    let other = with(r#","amount":5,"currency":"EUR","home":"SEK""#);
    assert_eq!(feed.outcome(other), Err(Reason::CurrencyMismatch));
}
