//! Which aggregates may read money, and which count follow-ups.

use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

const FIELDS: &str = "
  event.type: one of purchase|refund|label
  terminal.id: text
  merchant.mcc: text
  card.id: text
  tx.rate: number
keep: [tx.amount, tx.rate, tx.declined, terminal.id, merchant.mcc, card.id, account.currency, label.outcome]
entities: [terminal]
";

fn compile(amount: &str, pack: &str) -> Result<Ruleset, String> {
    let text = format!("version: 1\nfields:\n  tx.amount: money in {amount}{FIELDS}");
    let (schema, faults) = Schema::load(&File::new("schema.yaml", text));
    let schema = schema.unwrap_or_else(|| panic!("{}", faults.render(Paint::Plain)));
    let list = |_: &str| Err(String::new());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    let (ruleset, faults) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
    ruleset.ok_or_else(|| faults.render(Paint::Plain))
}

fn aggregate(amount: &str, written: &str) -> Result<Ruleset, String> {
    compile(amount, &format!("version: 1\naggregates:\n  a: {written}\nfeatures:\n  f: a\n"))
}

const OPERATIONS: [&str; 14] = [
    "sum: tx.amount",
    "avg: tx.amount",
    "min: tx.amount",
    "max: tx.amount",
    "stddev: tx.amount",
    "median: tx.amount",
    "trimmed_mean: tx.amount",
    "quantile: tx.amount, q: 50%",
    "distinct: tx.amount",
    "last: tx.amount",
    "first: tx.amount",
    "nth: tx.amount, n: 2",
    "rank: tx.amount",
    "sum: tx.rate",
];

#[test]
fn money_of_several_accounts_is_read_in_one_currency_or_not_at_all() {
    for operation in OPERATIONS {
        let at_terminals = |by: &str| format!("{{{operation}, by: {by}, over: 1d}}");
        let is_money = operation.contains("amount");
        let refused = |by: &str| {
            let fault = aggregate("account.currency", &at_terminals(by)).err().unwrap_or_default();
            assert_eq!(fault.contains("E410"), is_money, "{operation} {by}: {fault}");
        };
        refused("terminal");
        refused("[terminal, card]");
        for (amount, by) in [
            ("EUR", "terminal"),
            ("account.currency", "account"),
            ("account.currency", "card"),
            ("account.currency", "[terminal, account.currency]"),
        ] {
            let fault = aggregate(amount, &at_terminals(by)).err();
            assert_eq!(fault, None, "{operation} of money in {amount} by {by}");
        }
    }
    for (by, is_refused) in [("all", true), ("[all, merchant.mcc]", true), ("[all, account.currency]", false)]
    {
        let written = format!("{{rank: tx.amount, by: {by}, over: 30d}}");
        assert_eq!(aggregate("account.currency", &written).is_err(), is_refused, "{by}");
        assert!(aggregate("EUR", &written).is_ok(), "{by}");
        let hours = aggregate("EUR", &written.replace("30d", "36h")).expect_err("not whole days");
        assert!(hours.contains("E414"), "{hours}");
    }
}

#[test]
fn a_signal_carries_no_money_from_one_account_to_another() {
    let pack = |value: &str| {
        format!(
            "version: 1\naggregates:\n  uses: {{count: events, by: terminal, over: 1d}}\nsignals:\n  terminal.s: \
             {{value: {value}, step: 100, valid_for: 1d}}\nfeatures:\n  f: signal.terminal.s\n  g: uses\n"
        )
    };
    for (amount, value, step) in [
        ("account.currency", "tx.amount", None),
        ("account.currency", "2 * tx.amount", None),
        ("account.currency", "uses", Some(100.0)),
        ("EUR", "tx.amount", Some(10_000.0)),
        ("JPY", "tx.amount", Some(100.0)),
    ] {
        let compiled = compile(amount, &pack(value));
        match step {
            None => assert!(compiled.expect_err("it is refused").contains("E410"), "{amount} {value}"),
            Some(step) => {
                let ruleset = compiled.unwrap_or_else(|fault| panic!("{fault}"));
                assert_eq!(ruleset.signals()[0].step, step, "{amount} {value}");
            }
        }
    }
    let yes_or_no = pack("tx.amount / 2 > tx.amount");
    let error = compile("account.currency", &yes_or_no).expect_err("a step of a yes/no signal");
    assert!(error.contains("S023"), "{error}");
    compile("account.currency", &yes_or_no.replace("step: 100, ", "")).expect("it carries no money");
}

#[test]
fn follow_ups_count_where_a_label_is_read_or_every_counted_type_is_named() {
    for (written, expected) in [
        ("{count: events, over: 1h}", false),
        ("{sum: tx.amount, over: 1h, where: tx.amount >= 5}", false),
        ("{count: events, over: 1h, where: event.type != 'label'}", false),
        ("{count: events, over: 1h, where: not (event.type == 'label')}", false),
        ("{count: events, over: 1h, where: event.type == 'purchase' or tx.declined}", false),
        ("{count: events, over: 1h, where: tx.declined and event.type == 'purchase'}", true),
        ("{count: events, over: 1h, where: event.type == 'label' or event.type == 'refund'}", true),
        ("{count: events, over: 1h, where: 'event.type in [\"purchase\", \"refund\"]'}", true),
        ("{count: events, over: 1h, where: \"not (event.type not in ['purchase', 'refund'])\"}", true),
        ("{count: events, over: 1h, where: label.outcome == 'fraud'}", true),
        ("{ratio: label.outcome == 'fraud', over: 1h}", true),
        ("{last: label.outcome, over: 1h}", true),
        ("{ratio: tx.declined, over: 1h}", false),
        ("{last: event.time, over: 1h}", false),
        ("{count: events, over: 1h, where: named}", true),
        ("{count: events, over: 1h, where: not named}", false),
    ] {
        let pack = format!(
            "version: 1\nterms:\n  named: event.type in ['purchase', 'label']\naggregates:\n  a: {written}\n  \
             b: {{count: events, over: 1h, where: named}}\nfeatures:\n  f: if_number\n  g: b\n"
        );
        // What is no number is read as present or not.
        let pack = pack.replace("if_number", "a is missing");
        let ruleset = compile("EUR", &pack).unwrap_or_else(|fault| panic!("{written}: {fault}"));
        let found = &ruleset.programs()[0].plan().aggregates[0];
        assert_eq!(found.follow_ups, expected, "{written}");
    }
    let ruleset = aggregate("EUR", "{rank: tx.amount, by: all, over: 30d, where: event.type == 'purchase'}");
    assert!(ruleset.unwrap_or_else(|fault| panic!("{fault}")).programs()[0].plan().populations[0].follow_ups);
}
