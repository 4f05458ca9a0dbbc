//! Invalid mappings: all errors are reported at once, each with its place.

use crate::fixture::{Feed, column, full, json, pointer, slot};
use tripline_core::decode::{
    Ambiguous, CurrencySource, Fallback, FieldMapping, FieldSource, Format, LabelMapping, MappingError,
    MappingErrorKind, Spanned, TimeFormat,
};
use tripline_rules::diagnostic::Span;

fn errors(mapping: &tripline_core::decode::Mapping) -> Vec<String> {
    Feed::try_new(mapping).err().unwrap_or_default().iter().map(MappingError::to_string).collect()
}

/// Errors of a mapping with one field, after a change.
fn with(change: &dyn Fn(&mut FieldMapping), field: FieldMapping) -> Vec<String> {
    let mut field = field;
    change(&mut field);
    errors(&json(vec![field]))
}

#[test]
fn all_errors_of_a_mapping_are_reported_at_once() {
    let mut mapping = full();
    mapping.fields.remove(3);
    mapping.fields.push(pointer("tx.risk", "/other"));
    mapping.fields.push(pointer("tx.took", "/took"));
    let mut channel = pointer("tx.reversed", "x/y");
    channel.values = vec![("1".into(), "maybe".into()), ("1".into(), "yes".into())];
    mapping.fields.push(channel);
    mapping.labels =
        Some(LabelMapping { source: "fraud".into(), equals: "1".into(), outcome: 9, after_ms: 0 });
    assert_eq!(
        errors(&mapping),
        [
            "`tx.risk` is mapped twice",
            "`1` occurs twice in the values of `tx.reversed`",
            "`account.id` must be mapped",
            "`tx.took` is a duration: its time format must be seconds or milliseconds",
            "`x/y` is not a JSON pointer of 1 to 16 keys, such as `/merchant/mcc`",
            "`maybe` is not a value of `tx.reversed`",
            "a label needs an outcome of `label.outcome` and a delay of zero or more",
            "`fraud` is not a JSON pointer of 1 to 16 keys, such as `/merchant/mcc`",
        ]
    );
}

#[test]
fn each_error_has_its_message() {
    let amount = || pointer("tx.amount", "/v");
    assert_eq!(with(&|_| {}, amount()), ["`tx.amount` needs a currency: map one, or map `account.currency`"]);
    let constant = |code: &str| CurrencySource::Constant(code.into());
    assert_eq!(
        with(&|f| f.money.currency = constant("XTS"), amount()),
        ["`XTS` is not a currency in use (ISO 4217)"]
    );
    let limit = pointer("card.limit", "/v");
    let other = ["the currency of `card.limit` is not `EUR`"];
    assert_eq!(with(&|f| f.money.currency = constant("EUR"), limit), other);
    assert_eq!(with(&|_| {}, column("tx.risk", "v")), ["`tx.risk` cannot come from a column"]);
    assert_eq!(with(&|_| {}, pointer("tx.geo", "/v")), ["`tx.geo` cannot come from a pointer"]);
    let row = |f: &mut FieldMapping| f.source = FieldSource::RowNumber;
    assert_eq!(with(&row, pointer("merchant.id", "/v")), ["`merchant.id` cannot come from the row number"]);
    let fixed = |f: &mut FieldMapping| f.source = FieldSource::Constant("a b".into());
    assert_eq!(with(&fixed, pointer("merchant.id", "/v")), ["`a b` is not a value of `merchant.id`"]);
    let otherwise = |f: &mut FieldMapping| f.fallback = Fallback::Constant("tv".into());
    assert_eq!(with(&otherwise, pointer("tx.channel", "/v")), ["`tv` is not a value of `tx.channel`"]);
    let zone = |f: &mut FieldMapping| {
        f.time = TimeFormat::Local {
            pattern: "%Y-%m-%d".into(),
            zone: "Mars".into(),
            ambiguous: Ambiguous::Reject,
        };
    };
    let no_zone = ["`Mars` is neither a time zone of the tz database nor an offset such as +02:00"];
    assert_eq!(with(&zone, pointer("account.opened", "/v")), no_zone);
    for bad in ["", "v", "/a~2", "/~"] {
        let expected = format!("`{bad}` is not a JSON pointer of 1 to 16 keys, such as `/merchant/mcc`");
        assert_eq!(with(&|_| {}, pointer("tx.risk", bad)), [expected]);
    }
    let mut mapping = json(vec![]);
    mapping.fields[0].fallback = Fallback::Missing;
    assert_eq!(errors(&mapping), ["`event.id` is required, so no value can be mapped to missing"]);
    let mut mapping = json(vec![]);
    mapping.format = Format::Csv { delimiter: b'"' };
    assert_eq!(errors(&mapping).last().unwrap(), &MappingErrorKind::Delimiter.to_string());
    assert!(errors(&full()).is_empty());
}

#[test]
fn an_hour_has_its_half_of_the_day_if_it_needs_one() {
    let half = |pattern: &str| {
        let time =
            TimeFormat::Local { pattern: pattern.into(), zone: "UTC".into(), ambiguous: Ambiguous::Reject };
        with(&move |f: &mut FieldMapping| f.time = time.clone(), pointer("account.opened", "/v"))
    };
    assert_eq!(half("%d.%m.%Y %I:%M %p"), [""; 0]);
    for pattern in ["%d.%m.%Y %I:%M", "%d.%m.%Y %-l:%M"] {
        let message = format!(
            "`{pattern}` reads an hour of 1 to 12 without `%p`, its am or pm: `%H` is the hour of 0 to 23"
        );
        assert_eq!(half(pattern), [message]);
    }
    for pattern in ["%d.%m.%Y %H:%M %p", "%F %-k:%M %P", "%F %T %p"] {
        let message = format!(
            "`{pattern}` reads an hour of 0 to 23 and also `%p`, its am or pm, which can contradict it: read an hour of \
             1 to 12 with `%I`, or leave `%p` out"
        );
        assert_eq!(half(pattern), [message]);
    }
}

#[test]
fn a_constant_amount_can_be_accepted() {
    let amount = |text: &str, currency: &str| {
        let source = FieldSource::Constant(text.into());
        let currency = CurrencySource::Constant(currency.into());
        with(
            &move |f: &mut FieldMapping| {
                f.source = source.clone();
                f.money.currency = currency.clone();
            },
            pointer("tx.amount", "/v"),
        )
    };
    assert_eq!(amount("5.00", "EUR"), [""; 0]);
    for (text, currency) in
        [("-5", "EUR"), ("5.001", "EUR"), ("0.5", "JPY"), ("five", "EUR"), ("5,00", "EUR")]
    {
        assert_eq!(amount(text, currency), [format!("`{text}` is not a value of `tx.amount`")]);
    }
}

#[test]
fn an_error_carries_the_place_and_the_field_that_it_is_about() {
    let span = |start: usize| Span { file: 0, start, end: start + 1 };
    let mut mapping = json(vec![pointer("tx.amount", "/v"), pointer("tx.channel", "/channel")]);
    mapping.spans.fields = span(1);
    mapping.fields.remove(3);
    mapping.fields[3].span = span(2);
    let value = Spanned { value: "tv".to_owned(), span: span(3) };
    mapping.fields[4].values = vec![("1".into(), value)];
    mapping.fields[4].source = FieldSource::Pointer(Spanned { value: "channel".to_owned(), span: span(4) });
    let errors = Feed::try_new(&mapping).err().unwrap();
    let found: Vec<_> = errors.iter().map(|error| (error.span, error.field)).collect();
    let of = |name: &str| Some(slot(name));
    // Not mapped, without a currency, not a pointer, not a value.
    let expected = [(1, of("account.id")), (2, of("tx.amount")), (4, None), (3, of("tx.channel"))]
        .map(|(at, field)| (span(at), field));
    assert_eq!(found, expected);
    // A currency for the amount would come from a field that could not be read.
    assert!(errors[1].depends_on(slot("account.currency")) && !errors[1].depends_on(slot("tx.currency")));
}
