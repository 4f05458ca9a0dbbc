//! What the linter says: the likely cause, what to write, and why a condition cannot change.

use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{Diagnostics, File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

const SCHEMA: &str = include_str!("golden/schema.yaml");

fn compile(pack: &str) -> (Option<Ruleset>, Diagnostics) {
    let (schema, problems) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let schema = schema.unwrap_or_else(|| panic!("{}", problems.render(Paint::Plain)));
    let list = |path: &str| match path {
        "mcc.csv" => Ok("code\n7995\n".to_owned()),
        other => Err(format!("{other} does not exist")),
    };
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options)
}

/// Codes found in a pack, in the order of their places.
fn codes(pack: &str) -> Vec<&'static str> {
    let (_, problems) = compile(pack);
    problems.list().iter().map(|problem| problem.code.0).collect()
}

/// A pack with one rule for purchases.
fn with_rule(when: &str) -> String {
    format!(
        "version: 1\naggregates:\n  tries: {{count: events, by: card, over: 10m}}\n  part: {{ratio: tx.declined, over: 1d}}\n\
         \x20 outlets: {{distinct: merchant.id, over: 1d, max_distinct: 2}}\n\
         params: {{share: {{default: 60, min: 1, max: 90}}}}\n\
         features: {{f: tries + part + outlets + $share}}\nrules:\n  - {{id: R, event: purchase, action: alert, when: '{when}'}}\n"
    )
}

/// Message, label and help of the one problem of a condition.
fn message(when: &str) -> String {
    let (_, problems) = compile(&with_rule(when));
    let [problem] = problems.list() else { panic!("{when}\n{}", problems.render(Paint::Plain)) };
    let parts = [Some(&problem.message), problem.label.as_ref(), problem.help.as_ref()];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    format!("{} {}", problem.code.0, parts.join("; "))
}

#[test]
fn habits_of_other_languages_are_answered_with_what_to_write() {
    for (when, parts) in [
        ("tries > 1 AND tx.declined", &["write `and` instead of `AND`"][..]),
        ("tries <> 1", &["write `!=` instead of `<>`"]),
        ("tries ≥ 1", &["write `>=`"]),
        ("merchant.id == null", &["`null` is not a value", "write `merchant.id is missing`"]),
        ("merchant.id != NULL", &["write `merchant.id is not missing`"]),
        ("merchant.id == “x”", &["straight", "write \"x\""]),
        ("tx.amount > 0,5", &["decimals are written with a point"]),
        ("tx.channel == ecom", &["write \"ecom\""]),
        ("tx.channel in [atm, \"ecom\"]", &["write \"atm\""]),
        ("tx.channel == ecmo", &["did you mean \"ecom\""]),
        ("merchant.id == shop1", &["texts stand in quotes: \"shop1\""]),
        ("merchant.mcc in (\"1\", \"2\")", &["square brackets", "write `[\"1\", \"2\"]`"]),
        ("merchant.id is null", &["write `x is missing`"]),
        ("local_hour(\"Europe/Berln\") > 5", &["did you mean \"Europe/Berlin\""]),
    ] {
        let message = message(when);
        assert!(parts.iter().all(|part| message.contains(part)), "{when}: {message}");
    }
}

#[test]
fn operators_that_are_words_and_amounts_with_a_currency_are_answered() {
    let amount = "an amount is written without its currency";
    for (when, parts) in [
        (
            "merchant.id contains \"x\"",
            &["E103", "`contains` is not expected", "write `matches(x, \"text\")`"][..],
        ),
        ("merchant.id like \"x%\"", &["write `matches(x, \"pattern\")`"]),
        ("merchant.id starts_with \"x\"", &["is a function: write `starts_with(x, \"text\")`"]),
        ("merchant.id STARTSWITH \"x\"", &["write `starts_with(x, \"text\")`"]),
        ("tries gt 5", &["write `>`"]),
        ("tx.amount >= 50% of tx.amount", &["write `*`"]),
        ("tx.amount > 3000 EUR", &["E103", amount, "`3000`"]),
        ("tx.amount > 3000EUR", &["E106", amount, "`3000`"]),
        ("tx.amount > EUR 3000", &["E103", amount, "`3000`"]),
        ("tx.amount > €3000", &["E100", amount, "`3000`"]),
        ("tx.amount > 3000 €", &["E100", amount]),
        ("tx.amount > $3000", &["E100", amount, "`3000`"]),
        ("tx.amount > \"3000 EUR\"", &["E301", amount, "`3000`"]),
        ("tx.amount > 3.000.000", &["E106", "more than one point", "`3000000`"]),
        ("tx.amount > 3 000", &["E103", "thousands are written without a sign"]),
        ("tx.amount > 10m5", &["E106", "durations are written"]),
        ("tx.amount >= 50%", &["E301", "a percentage is a share of something", "`50% * x`"]),
        ("tx.amount between 5% and 70", &["E301", "a percentage is a share of something"]),
        ("count(card, 10m) > 5", &["E204", "`card_count_10m: {count: events, by: card, over: 10m}`"]),
        ("sum(tx.amount, 24h) > 5", &["E204", "`account_sum_24h: {sum: tx.amount, by: account, over: 24h}`"]),
        ("max(tx.amount, card, 30d) > 5", &["E201"]),
        ("max(tx.amount, 30d) > 5", &["E305", "`account_max_30d: {max: tx.amount, by: account, over: 30d}`"]),
    ] {
        let message = message(when);
        assert!(parts.iter().all(|part| message.contains(part)), "{when}: {message}");
    }
    // In YAML such an apostrophe is no quote.
    let pack = with_rule("x").replace("when: 'x'", "when: tx.amount > 1'000");
    let (_, problems) = compile(&pack);
    let shown = problems.render(Paint::Plain);
    assert!(shown.contains("an apostrophe inside a number") && shown.contains("`1_000`"), "{shown}");
}

#[test]
fn three_decimals_beside_money_are_a_warning_where_they_may_be_thousands() {
    let found = |when: &str| codes(&with_rule(when)).contains(&"W512");
    for when in ["tx.amount >= 10.000", "tx.amount between 1.500 and 20000", "max(tx.amount, 2.500) > 3"] {
        assert!(found(when), "{when}");
    }
    for when in [
        "tx.amount >= 10",
        "tx.amount >= 10.00",
        "tx.amount >= 0.125",
        "tries + 10.000 > 3",
        "tx.amount > 1000.000",
    ] {
        assert!(!found(when), "{when}");
    }
    let message = message("tx.amount >= 10.000");
    for part in ["`10.000` beside money", "read as 10;", "write `10000`, or `10`"] {
        assert!(message.contains(part), "{message}");
    }
    // A parameter is written elsewhere: there the warning points.
    let pack =
        with_rule("tx.amount >= $share and tx.amount >= $share").replace("default: 60", "default: 10.000");
    let (_, problems) = compile(&pack);
    let warned: Vec<_> = problems.list().iter().filter(|problem| problem.code.0 == "W512").collect();
    assert_eq!(warned.len(), 1, "{}", problems.render(Paint::Plain));
    assert_eq!(&pack[warned[0].span.start..warned[0].span.end], "10.000");
}

#[test]
fn entities_modes_and_typologies_in_other_words_are_answered() {
    let rule = |keys: &str| {
        let rule = format!("version: 1\nrules:\n  - {{id: R, action: alert, when: tx.declined, {keys}}}\n");
        let (_, problems) = compile(&rule);
        let [problem] = problems.list() else { panic!("{keys}\n{}", problems.render(Paint::Plain)) };
        format!("{} {}; {}", problem.code.0, problem.message, problem.help.clone().unwrap_or_default())
    };
    for (keys, parts) in [
        ("mode: on", &["S006", "`mode` cannot be `on`", "did you mean `live`?"][..]),
        ("mode: enabled", &["S006", "did you mean `live`?"]),
        ("mode: disabled", &["S006", "did you mean `\"off\"`?"]),
        ("mode: off", &["Y004", "quote it: \"off\""]),
        ("by: card.id", &["E405", "write `card`"]),
        ("by: merchant.mcc", &["E405", "write `[account, merchant.mcc]`"]),
        ("cooldown: {by: rule+card.id, for: 1h}", &["E201", "write `rule+card`"]),
        ("typology: card_testing", &["E408", "did you mean `FRD.CARD.TESTING`?"]),
        ("typology: phishing", &["E408", "one of AML.LAYERING,", "FRD.REFUND"]),
    ] {
        let message = rule(keys);
        assert!(parts.iter().all(|part| message.contains(part)), "{keys}: {message}");
    }
    let pack = with_rule("tx.declined").replace("by: card, over: 10m", "by: card.id, over: 10m");
    let (_, problems) = compile(&pack);
    assert!(problems.render(Paint::Plain).contains("write `card`"), "{}", problems.render(Paint::Plain));
    let pack = with_rule("tx.declined").replace("over: 10m", "over: 10m, include_current: no");
    let (_, problems) = compile(&pack);
    let shown = problems.render(Paint::Plain);
    assert!(shown.contains("did you mean `false`?") && !shown.contains("Y004"), "{shown}");
}

#[test]
fn numbers_with_a_comma_are_answered() {
    for (written, help) in [("\"0,5\"", "`0.5`"), ("\"1.234,56\"", "`1234.56`"), ("\"10,000\"", "`10000`")] {
        let pack = with_rule("tx.declined").replace("default: 60", &format!("default: {written}"));
        let (_, problems) = compile(&pack);
        let shown = problems.render(Paint::Plain);
        assert!(shown.contains("S004") && shown.contains(help), "{written}: {shown}");
    }
}

#[test]
fn a_condition_that_cannot_change_says_why() {
    for (when, parts) in [
        ("part > 50", &["E310", "`part` is a share, 0 to 1", "`50%`"][..]),
        ("part < 2", &["W504", "`part` is a share, 0 to 1", "`2%`"]),
        ("coverage(tries) >= 90", &["E310", "a share", "`90%`"]),
        (
            "local_hour(\"UTC\") between 22 and 5",
            &["E310", "(local_hour(\"UTC\") >= 22 or local_hour(\"UTC\") <= 5)"],
        ),
        ("tx.amount between 50 and 10", &["E310", "between 10 and 50"]),
        ("local_weekday(\"UTC\") == 0", &["E310", "1 (Monday) to 7 (Sunday)"]),
        ("outlets >= 3", &["E310", "0 to 2 by its `max_distinct`"]),
        ("tries < 0 or tx.declined", &["W503", "`tries < 0` never holds", "never negative"]),
        ("tries > 5 and tries < 6", &["E310", "at least 6", "`tries < 6`"]),
        ("tx.amount > 500 and tx.amount < 100", &["E310", "more than 500", "`tx.amount < 100`"]),
        ("tx.amount < 500 or tx.amount > 100", &["W504"]),
        ("tx.channel == \"ecom\" and tx.channel == \"atm\"", &["E310", "is \"ecom\" here"]),
        (
            "event.type == \"transfer\" and tx.amount > 5",
            &["E310", "`event.type == \"transfer\"`", "is \"purchase\" here"],
        ),
        ("tx.geo is missing and tx.amount is missing and tx.amount > 5", &["E310", "missing in one part"]),
        ("part >= $share", &["W503", "with the present value of `$share`"]),
    ] {
        let message = message(when);
        assert!(parts.iter().all(|part| message.contains(part)), "{when}: {message}");
    }
    for fine in [
        "part > 50%",
        "local_hour(\"UTC\") >= 22 or local_hour(\"UTC\") <= 5",
        "tx.amount > 100 and tx.amount < 500",
        "tries > 5 and tries < 7",
        "outlets >= 2",
        "$share > 3 and tx.declined",
        "tx.declined == false and tx.amount > $share",
    ] {
        let codes = codes(&with_rule(fine));
        assert!(!codes.iter().any(|code| ["E310", "W503", "W504"].contains(code)), "{fine}: {codes:?}");
    }
}

#[test]
fn what_an_unreadable_part_refers_to_is_not_unused() {
    let declared = "version: 1\nparams: {p: {default: 1}}\nlists: {l: {file: mcc.csv}}\nterms: {t: tx.declined}\n\
                    aggregates: {a: {count: events, over: 1h}}\n";
    for (rules, code) in [
        ("rules:\n  - {id: R, action: alert, when: 'a > $p AND t and merchant.mcc in @l'}\n", "E100"),
        (
            "rules:\n  - {id: R, action: alert, when: 'kmh(a + $p) > 1 and t and merchant.mcc in @l'}\n",
            "E305",
        ),
        ("rules:\n  - {action: alert, when: 'a > $p and t and merchant.mcc in @l'}\n", "S002"),
    ] {
        assert_eq!(codes(&format!("{declared}{rules}")), [code], "{rules}");
    }
    let broken = format!("{declared}rules:\n  - {{id: R, when: a > $p and t and merchant.mcc in @l\n");
    assert_eq!(codes(&broken), ["Y000"]);
}

#[test]
fn a_list_that_nothing_reads_is_read() {
    let rule = "rules:\n  - {id: R, when: tx.declined, action: alert}\n";
    assert_eq!(codes(&format!("version: 1\nlists: {{l: {{file: gone.csv}}}}\n{rule}")), ["W403", "S030"]);
}

#[test]
fn a_term_is_checked_in_every_context() {
    for when in ["hit and hits >= 2", "hits >= 2 and hit"] {
        let pack = format!(
            "version: 1\nterms: {{hit: 'starts_with(tx.description, \"x\")'}}\n\
             aggregates: {{hits: {{count: events, over: 1d, where: hit}}}}\nrules:\n  - {{id: R, action: alert, when: {when}}}\n"
        );
        assert_eq!(codes(&pack), ["E401"], "{when}");
    }
    // An error that does not depend on the context is reported once.
    let pack = "version: 1\nterms: {hit: tx.amout > 5}\naggregates: {hits: {count: events, over: 1d, where: hit}}\n\
                rules:\n  - {id: R, action: alert, when: hits >= 2 and hit}\n";
    assert_eq!(codes(pack), ["E201"]);
}

#[test]
fn rules_and_lines_of_decide_without_effect() {
    let pack = |decide: &str, rule: &str| {
        codes(&format!("version: 1\n{decide}rules:\n  - {{id: R, when: tx.declined{rule}}}\n"))
    };
    let decide = "decide:\n  - {score: 90, action: hold}\n  - {score: 75, action: review}\n";
    let empty: [&str; 0] = [];
    assert_eq!(pack("", ", action: alert"), empty);
    assert_eq!(pack("", ""), ["W506"]);
    assert_eq!(pack("", ", score: 50"), ["W507"]);
    assert_eq!(pack("", ", score: 50, action: alert"), empty);
    assert_eq!(pack(decide, ", score: 90"), empty);
    let hidden = "decide:\n  - {score: 75, action: review}\n  - {score: 90, action: hold}\n";
    assert_eq!(pack(hidden, ", score: 90"), ["W505"]);
}

#[test]
fn lines_of_decide_that_no_score_reaches() {
    let pack = |rules: &[&str]| {
        let rules: String = rules
            .iter()
            .enumerate()
            .map(|(at, rule)| format!("  - {{id: R{at}, {rule}, reason: x}}\n"))
            .collect();
        codes(&format!(
            "version: 1\nterms:\n  paid: event.type == 'purchase'\n\
             decide:\n  - {{score: 80, action: hold}}\n  - {{score: 50, action: review}}\nrules:\n{rules}"
        ))
    };
    let empty: [&str; 0] = [];
    let [forty, more] = ["when: tx.declined or paid, score: 40", "when: tx.amount > 5, score: 40"];
    assert_eq!(pack(&[forty, more]), empty);
    assert_eq!(pack(&[forty]), ["W508", "W508"]);
    assert_eq!(pack(&[forty, "when: tx.amount > 5, score: 39"]), ["W508"]);
    // What lowers a score reaches nothing, nor does a rule that is off; one in shadow may be live next.
    assert_eq!(pack(&[forty, "when: tx.amount > 5, score: -40"]), ["W508", "W508"]);
    assert_eq!(pack(&[forty, "when: tx.amount > 5, score: 40, mode: \"off\""]), ["W508", "W508"]);
    assert_eq!(pack(&[forty, "when: tx.amount > 5, score: 40, mode: shadow"]), empty);
    // No event has two types, whether `event` or the condition says which.
    let [login, purchase] =
        ["event: login, when: tx.declined, score: 40", "when: paid and tx.declined, score: 40"];
    assert_eq!(pack(&[login, purchase]), ["W508", "W508"]);
    assert_eq!(pack(&[login, purchase, forty]), empty);
    // An event is judged in each key space by itself.
    let [terminal, other] =
        ["by: terminal, when: paid, score: 40", "by: terminal, when: tx.declined, score: 40"];
    assert_eq!(pack(&[forty, terminal]), ["W508", "W508"]);
    assert_eq!(pack(&[terminal, other]), empty);
    // A rule that has an error may be the one that reaches a line.
    assert_eq!(pack(&[forty, "when: tx.amout > 5, score: 40"]), ["E201"]);
}
