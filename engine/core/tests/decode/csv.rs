//! CSV records: quoting, cells, headers. The `csv` crate reads every accepted record in the same way.

use crate::fixture::{Feed, column, full, slot};
use proptest::prelude::*;
use tripline_core::decode::{
    Ambiguous, CurrencySource, FieldMapping, FieldSource, Format, HeaderError, LabelMapping, Mapping, Reason,
    TimeFormat,
};

/// The columns of a public simulated data set.
const HEADER: &str = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD";

fn mapping() -> Mapping {
    let constant = |name, text: &str| FieldMapping::new(slot(name), FieldSource::Constant(text.into()));
    let mut time = column("event.time", "TX_DATETIME");
    time.time = TimeFormat::Local {
        pattern: "%Y-%m-%d %H:%M:%S".into(),
        zone: "UTC".into(),
        ambiguous: Ambiguous::Reject,
    };
    let mut amount = column("tx.amount", "TX_AMOUNT");
    amount.money.currency = CurrencySource::Constant("EUR".into());
    let fields = vec![
        column("event.id", "TRANSACTION_ID"),
        constant("event.type", "purchase"),
        time,
        column("account.id", "CUSTOMER_ID"),
        column("merchant.name", "TERMINAL_ID"),
        amount,
    ];
    let labels =
        LabelMapping { source: "TX_FRAUD".into(), equals: "1".into(), outcome: 0, after_ms: 604_800_000 };
    Mapping { labels: Some(labels), ..Mapping::new(Format::Csv { delimiter: b',' }, fields) }
}

fn feed() -> Feed {
    let mut feed = Feed::new(&mapping());
    feed.decoder.set_header(HEADER.as_bytes()).unwrap();
    feed
}

#[test]
fn a_row_of_a_data_set_becomes_an_event_with_its_label() {
    let mut feed = feed();
    feed.decode("0,2018-04-01 00:00:31,596,3156,57.16,0").unwrap();
    assert_eq!(feed.event.at.0, 1_522_540_831_000);
    assert_eq!(feed.number("tx.amount"), Some(5716.0));
    assert_eq!((feed.text("event.id"), feed.text("account.id")), (Some("0"), Some("596")));
    assert_eq!(feed.event.label, None);
    feed.decode("1,2018-04-01 00:02:10,4961,3412,146.0,1\r\n").unwrap();
    assert_eq!(feed.number("tx.amount"), Some(14600.0));
    let label = feed.event.label.unwrap();
    assert_eq!((label.outcome, label.after), (0, 604_800_000));
}

#[test]
fn quotes_are_those_of_rfc_4180_and_no_others() {
    let mut feed = feed();
    for (cell, text) in [
        ("shop", Some("shop")),
        (r#""shop""#, Some("shop")),
        (r#""a,b""#, Some("a,b")),
        (r#""say ""hi""""#, Some(r#"say "hi""#)),
        ("\"a\nb\"", Some("ab")),
        (r#""""#, None),
        ("", None),
        (" x ", Some(" x ")),
    ] {
        feed.decode(format!("1,2018-04-01 00:00:31,596,{cell},57.16,0")).unwrap();
        assert_eq!(feed.text("merchant.name"), text, "{cell}");
    }
    for cell in [r#"a"b"#, r#"a""#, r#""a"b"#, r#""a" "#, r#" "a""#, r#""a"#, "a\rb", "a\nb"] {
        let record = format!("1,2018-04-01 00:00:31,596,{cell},57.16,0");
        assert_eq!(feed.outcome(&record), Err(Reason::BadCsv), "{cell}");
    }
}

#[test]
fn a_record_has_as_many_cells_as_the_header_has_columns() {
    let mut feed = feed();
    for record in
        ["", "1", "1,2018-04-01 00:00:31,596,3,57.16", "1,2018-04-01 00:00:31,596,3,57.16,0,", "\n", ",,,,,,"]
    {
        assert_eq!(feed.outcome(record), Err(Reason::WrongCellCount), "{record}");
    }
    assert_eq!(feed.outcome(",,,,,"), Err(Reason::MissingField));
    let mut headless = Feed::new(&mapping());
    assert_eq!(headless.outcome("1"), Err(Reason::WrongCellCount));
}

#[test]
fn a_header_names_every_mapped_column_once_in_any_order() {
    let mut feed = Feed::new(&mapping());
    let missing = HeaderError::Missing(vec!["TERMINAL_ID".into(), "TX_FRAUD".into()]);
    assert_eq!(
        feed.decoder.set_header(b"TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TX_AMOUNT"),
        Err(missing.clone())
    );
    assert_eq!(missing.to_string(), "the header has no column `TERMINAL_ID`, `TX_FRAUD`");
    let twice = format!("{HEADER},TX_AMOUNT");
    assert_eq!(feed.decoder.set_header(twice.as_bytes()), Err(HeaderError::Twice(vec!["TX_AMOUNT".into()])));
    assert_eq!(feed.decoder.set_header(b"\"a"), Err(HeaderError::Malformed));
    assert_eq!(feed.decoder.set_header(b"\xff"), Err(HeaderError::NotUtf8));
    let shuffled =
        "\u{feff}TX_FRAUD,\"TX_AMOUNT\",x,TERMINAL_ID,x,CUSTOMER_ID,TX_DATETIME,TRANSACTION_ID\r\n";
    feed.decoder.set_header(shuffled.as_bytes()).unwrap();
    feed.decode("1,2.5,,t,,c,2018-04-01 00:00:31,e").unwrap();
    assert_eq!((feed.text("merchant.name"), feed.number("tx.amount")), (Some("t"), Some(250.0)));
    assert_eq!(Feed::new(&full()).decoder.set_header(b"a"), Err(HeaderError::NotCsv));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    /// What the `csv` crate writes is read back; what is accepted, the `csv` crate reads in the same way.
    #[test]
    fn cells_are_those_of_the_csv_crate(cells in prop::collection::vec("[a\", \n\r;é]{0,5}", 6), raw in "[a\",é]{0,8},[a\",]{0,4},,,,") {
        let mut mapping = mapping();
        mapping.labels = None;
        let constant = |name, text: &str| FieldMapping::new(slot(name), FieldSource::Constant(text.into()));
        mapping.fields = vec![
            FieldMapping::new(slot("event.id"), FieldSource::RowNumber),
            constant("event.type", "purchase"),
            constant("event.time", "2024-01-01T00:00:00Z"),
            constant("account.id", "a"),
            column("merchant.name", "TX_DATETIME"),
        ];
        let mut feed = Feed::new(&mapping);
        feed.decoder.set_header(HEADER.as_bytes()).unwrap();
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&cells).unwrap();
        let line = writer.into_inner().unwrap();
        prop_assert_eq!(feed.outcome(&line), Ok(()));
        let visible = |cell: &str| Some(cell.replace(['\n', '\r'], "")).filter(|_| !cell.is_empty());
        prop_assert_eq!(feed.text("merchant.name").map(str::to_owned), visible(&cells[1]));
        if feed.outcome(&raw).is_ok() {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(raw.as_bytes());
            let theirs = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(theirs.len(), 6);
            prop_assert_eq!(feed.text("merchant.name").unwrap_or(""), &theirs[1]);
        }
    }
}
