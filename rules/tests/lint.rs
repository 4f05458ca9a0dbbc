//! Every check of the linter: one pack that it must report, and a similar one that it must not.

use std::time::Instant;
use tripline_rules::compile::{CompileOptions, Overrides};
use tripline_rules::diagnostic::{Diagnostics, File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::time::DAY_MS;
use tripline_rules::value::TextKey;

const SCHEMA: &str = include_str!("golden/schema.yaml");

fn compile_with(pack: &str, overrides: &Overrides) -> (Option<Ruleset>, Diagnostics) {
    let (schema, problems) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let schema = schema.unwrap_or_else(|| panic!("{}", problems.render(Paint::Plain)));
    let list = |path: &str| match path {
        "mcc.csv" => Ok("code,doc\n7995,Gambling\n6051,Crypto\n".to_owned()),
        "amounts.csv" => Ok("n\n5\n7.5\n".to_owned()),
        other => Err(format!("{other} does not exist")),
    };
    let options = CompileOptions {
        key: TextKey::default(),
        models: &["profile"],
        retention: Some(90 * DAY_MS),
        lookback: 0,
        list: &list,
    };
    Ruleset::compile_with(&[File::new("pack.yaml", pack)], &schema, &options, overrides)
}

/// Codes found in a pack, in the order of their places.
fn codes(pack: &str) -> Vec<&'static str> {
    let (ruleset, problems) = compile_with(pack, &Overrides::new());
    assert_eq!(ruleset.is_none(), problems.errors() > 0);
    problems.list().iter().map(|problem| problem.code.0).collect()
}

/// Codes found in a condition of a rule that judges purchases.
fn condition(when: &str) -> Vec<&'static str> {
    codes(&format!(
        "version: 1
lists: {{mcc: {{file: mcc.csv}}, amounts: {{file: amounts.csv, of: number}}}}
params: {{x: {{default: 5}}, share: {{default: 5%}}, long: {{default: 10m}}}}
terms: {{ecom: tx.channel == 'ecom'}}
aggregates:
  tries: {{count: events, by: card, over: 10m, where: tx.declined}}
  spent: {{sum: tx.amount, by: card, over: 1d}}
  usual: {{avg: tx.amount, by: card, over: 30d}}
  usual_before: {{avg: tx.amount, by: card, over: 30d, include_current: false}}
  place: {{last: tx.geo, by: card, include_current: false}}
  when_last: {{last: event.time, by: card, include_current: false}}
  shop: {{last: merchant.id, by: card, include_current: false}}
  terminal_tries: {{count: events, by: terminal, over: 1h}}
signals: {{terminal.tries: {{value: terminal_tries, valid_for: 1d}}}}
rules:
  - id: USES
    action: alert
    when: merchant.mcc in @mcc and spent > $x and ecom and usual_before > 0 and kmh(place, when_last) > 0 and shop == 'x'
      and usual > 0 and tries > $share and minutes_since(event.time) * 1m < $long and tries in @amounts
      and signal.terminal.tries > 0
  - id: R
    event: purchase
    action: alert
    when: |
      {when}
"
    ))
}

#[test]
fn names_that_do_not_exist() {
    for (when, code) in [
        ("tx.amout > 5", "E201"),
        ("$y > 5", "E202"),
        ("merchant.mcc in @mc", "E203"),
        ("lag(3) > 1", "E204"),
        ("signal.terminal.trie > 0", "E205"),
        ("model.profil.score > 0.5", "E206"),
        ("card.mark.exposed", "S005"),
        ("card.type == 'credit'", "E201"),
    ] {
        assert_eq!(condition(when), [code], "{when}");
    }
    assert_eq!(condition("model.profile.score > 0.5"), [""; 0]);
}

#[test]
fn types_that_do_not_fit() {
    for (when, code) in [
        ("tx.amount > '100'", "E301"),
        ("tx.amount > tries", "E301"),
        ("tx.amount > tx.fee", "E301"),
        ("minutes_since(event.time) > 10m", "E301"),
        ("merchant.id < 'x'", "E301"),
        ("place == tx.geo", "E301"),
        ("merchant.id == 5", "E301"),
        ("tx.channel == merchant.id", "E301"),
        ("tries in @mcc", "E301"),
        ("merchant.id in @amounts", "E301"),
        ("tx.amount + tries > 5", "E302"),
        ("tx.amount * tx.amount > 5", "E302"),
        ("-merchant.id == 'x'", "E302"),
        ("tx.channel == 'ecomm'", "E303"),
        ("tx.channel not in ['ecom', 'post']", "E303"),
        ("tx.amount == [1, 2]", "E304"),
        ("merchant.id in 'GB'", "E304"),
        ("kmh(place) > 5", "E305"),
        ("km_between(place, when_last) > 5", "E305"),
        ("coalesce(tx.amount, 'x') > 5", "E305"),
        ("coverage(tx.amount) > 5", "E305"),
        ("coverage(place) > 0.5", "E305"),
        ("tx.amount", "E306"),
        ("tx.declined and tx.amount", "E307"),
        ("not tx.amount", "E307"),
        ("local_hour('Mars/Olympus') > 5", "E309"),
        ("matches(merchant.id, '(')", "E313"),
        ("matches(merchant.id, '(a{1000}){1000}')", "E313"),
        ("starts_with(shop, 'x')", "E404"),
    ] {
        assert_eq!(condition(when), [code], "{when}");
    }
    for fine in [
        "tx.amount > 100 and tx.amount + 5 < $x * 100",
        "tx.amount / 2 > usual_before * 3 and tx.amount / spent > 5%",
        "tx.fee > 3.50 and coalesce(tx.fee, 0) < 100",
        "event.time - when_last < 10m and event.time - 1h > when_last",
        "tx.currency == account.currency and tx.currency != 'USD'",
        "merchant.mcc in ['1', account.home_country] and merchant.id == shop",
        "max(tries, 3) > min($x, 4) and abs(tries - 5) < 2 and log(tries) > 0",
        "coverage(tries) >= 90% and seen_before(merchant.country) == false",
        "km_between(place, tx.geo) > 5 and kmh(place, when_last) > 900",
        "local_hour(account.timezone) in [0, 1, 2] and local_weekday('UTC') >= 6",
        "starts_with(tx.description, 'rent') or matches(tx.description, '^loan [0-9]+')",
        "is_multiple_of(tx.amount, 10) and ratio(tries, 3) > 0.5",
        "tx.declined is missing or merchant.id is not missing",
    ] {
        assert_eq!(condition(fine), [""; 0], "{fine}");
    }
}

#[test]
fn expressions_that_cannot_be_read() {
    for (when, code) in [
        ("tx.amount = 5", "E100"),
        ("tx.declined || tx.declined", "E100"),
        ("tx.amount > 5 ;", "E100"),
        ("merchant.id == 'x", "E101"),
        ("(tx.declined", "E102"),
        ("tx.declined and", "E103"),
        ("tx.declined tx.declined", "E103"),
        ("1 < tries < 3", "E103"),
        ("tries is 5", "E103"),
        ("tries between 1", "E103"),
        ("tries > 10x", "E106"),
        ("tries > 12345678901234567890", "E106"),
    ] {
        assert_eq!(condition(when), [code], "{when}");
    }
    let deep = format!("{}tx.declined{}", "not (".repeat(20), ")".repeat(20));
    assert_eq!(condition(&deep), ["E104"]);
    let nested = format!("{}tx.declined{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(condition(&nested), ["E105"]);
    let nested = format!("{}tx.declined{}", "(".repeat(500), ")".repeat(500));
    assert_eq!(condition(&nested), ["E104"]);
    let wide = vec!["tries > 1 + $x"; 130].join(" and ");
    assert_eq!(condition(&wide), ["E105"]);
}

#[test]
fn conditions_that_never_change() {
    for (when, code) in [
        ("1 < 2", "E310"),
        ("tx.declined and false", "E310"),
        ("tries / 0 > 5", "E310"),
        ("event.type == 'p2p' and tx.declined", "E310"),
        ("event.type == 'p2p'", "E310"),
    ] {
        assert_eq!(condition(when), [code], "{when}");
    }
    assert_eq!(condition("event.type == 'purchase' and tx.declined"), [""; 0]);
}

/// Ranges that follow from what a value is: the greatest speed is half around the earth in a millisecond.
#[test]
fn comparisons_beyond_the_range_of_a_value_are_found() {
    for (when, code) in [
        ("kmh(place, when_last) > 72057600000", "E310"),
        ("kmh(place, when_last) < 0", "E310"),
        ("kmh(place, when_last) <= 100000000000", "W504"),
        ("tx.amount < 0", "E310"),
        ("tx.amount between -5 and -1", "E310"),
        ("tx.amount >= 0", "W504"),
        ("spent < 0", "E310"),
        ("usual_before < 0 or spent < 0", "E310"),
    ] {
        assert_eq!(condition(when), [code], "{when}");
    }
    for fine in [
        "kmh(place, when_last) >= 72057000000",
        "kmh(place, when_last) == 0",
        "tx.amount > 0",
        "tx.amount == 0",
        "tx.fee < 0",
        "spent == 0",
    ] {
        assert_eq!(condition(fine), [""; 0], "{fine}");
    }
}

#[test]
fn an_average_that_holds_the_amount_and_not_over_missing_are_warned_of() {
    assert_eq!(condition("tx.amount > usual * 3"), ["W502"]);
    assert_eq!(condition("usual + 5 < tx.amount"), ["W502"]);
    assert_eq!(condition("tx.amount > usual_before * 3"), [""; 0]);
    assert_eq!(condition("not tx.declined"), ["W501"]);
    assert_eq!(condition("not (tx.declined or tries > 3)"), ["W501"]);
    assert_eq!(condition("not (coalesce(tx.declined, false) or tries > 3)"), [""; 0]);
}

#[test]
fn a_time_that_reaches_beyond_the_rows_held_is_warned_of() {
    let warned = |aggregate: &str, when: &str| {
        codes(&format!(
            "version: 1\nparams:\n  n: {{default: 10, min: 1, max: 120}}\n\
             aggregates:\n  last_use: {aggregate}\n  tries_30d: {{count: events, by: account, over: 30d}}\n\
             rules:\n  - {{id: A, when: \"{when} and tries_30d > 1 and $n > 0\", action: review, reason: x}}\n"
        ))
    };
    let kept = "{last: event.time, by: account, include_current: false}";
    let filtered = "{last: event.time, by: account, include_current: false, where: event.type == 'purchase'}";
    let window = "{last: event.time, by: account, over: 48h, include_current: false}";
    let oldest = "{first: event.time, by: account}";
    assert_eq!(warned(kept, "days_since(last_use) >= $n"), [""; 0], "the newest row of a key is always held");
    assert_eq!(warned(filtered, "days_since(last_use) >= $n"), ["W510"]);
    assert_eq!(warned(filtered, "days_since(last_use) >= 90"), [""; 0]);
    assert_eq!(warned(filtered, "91 <= days_since(last_use)"), ["W510"]);
    assert_eq!(warned(filtered, "days_since(last_use) < 90"), [""; 0]);
    assert_eq!(warned(filtered, "days_since(last_use) < 91"), ["W510"], "a row of 90.5 days ago is not held");
    assert_eq!(warned(filtered, "coalesce(days_since(last_use), 999) >= 91"), ["W510"]);
    assert_eq!(warned(filtered, "coalesce(days_since(last_use), 999) >= 90"), [""; 0]);
    assert_eq!(warned(window, "hours_since(last_use) > 49"), ["W510"]);
    assert_eq!(warned(window, "hours_since(last_use) > 47"), [""; 0]);
    assert_eq!(warned(oldest, "days_since(last_use) >= 91"), ["W510"]);
    assert_eq!(warned(oldest, "91 > days_since(last_use)"), ["W510"], "it holds of every account");
}

#[test]
fn labels_and_other_key_spaces_are_not_seen_from_a_purchase() {
    assert_eq!(condition("label.outcome == 'fraud'"), ["E409"]);
    assert_eq!(condition("terminal_tries > 5"), ["E403"]);
    let rule = |rest: &str| {
        codes(&format!(
            "version: 1\naggregates:\n  t: {{count: events, by: terminal, over: 1h}}\n  m: {{count: events, by: merchant, over: 1h}}\n  \
             c: {{count: events, by: card, over: 1h}}\n{rest}"
        ))
    };
    let used = "  - {id: M, by: merchant, when: m > 1, action: alert}\n  - {id: T, by: terminal, when: t > 1 and c > 1, score: 5, action: alert}\n";
    let empty: [&str; 0] = [];
    assert_eq!(rule(&format!("rules:\n{used}")), empty);
    assert_eq!(
        rule(&format!("rules:\n{used}  - {{id: X, by: terminal, when: m > 1, action: alert}}\n")),
        ["E403"]
    );
    assert_eq!(rule(&format!("features: {{f: m + t}}\nrules:\n{used}")), ["E403"]);
    assert_eq!(rule(&format!("features: {{f: c + t}}\nrules:\n{used}")), empty);
    assert_eq!(
        rule(&format!(
            "rules:\n{used}  - {{id: X, action: alert, when: \"event.type == 'label' and label.outcome == 'fraud'\"}}\n"
        )),
        empty
    );
    assert_eq!(
        rule(&format!(
            "rules:\n{used}  - {{id: X, event: label, action: alert, when: label.outcome == 'fraud'}}\n"
        )),
        empty
    );
}

#[test]
fn aggregates_that_cannot_be_computed() {
    let aggregate = |written: &str| {
        codes(&format!("version: 1\naggregates:\n  a: {written}\nfeatures:\n  f: coalesce(a, a) == a\n"))
    };
    for (written, code) in [
        ("{by: card, over: 1h}", "S020"),
        ("{count: events, by: card}", "S021"),
        ("{count: events, sum: tx.amount, over: 1h}", "S022"),
        ("{count: event, over: 1h}", "S006"),
        ("{quantile: tx.amount, over: 1h}", "S002"),
        ("{quantile: tx.amount, q: 150%, over: 1h}", "S004"),
        ("{count: events, over: 1h, since: pin}", "S005"),
        ("{count: events, over: 1h, wher: tx.declined}", "S001"),
        ("{count: events, over: 91d}", "E411"),
        ("{count: events, over: 60d, delay: 31d}", "E411"),
        ("{sum: merchant.id, over: 1h}", "E302"),
        ("{sum: tx.amount * 2, over: 1h}", "E406"),
        ("{sum: tx.fee, over: 1h}", "E402"),
        ("{count: events, over: 1h, where: account.travel_notice}", "E402"),
        ("{count: events, by: [account, device], over: 1h}", "E402"),
        ("{count: events, over: 1h, where: model.profile.score > 1}", "E401"),
        ("{count: events, over: 1h, where: 'starts_with(tx.description, \"x\")'}", "E401"),
        ("{count: events, over: 1h, where: a > 1}", "E401"),
        ("{count: events, by: device, over: 1h}", "E405"),
        ("{count: events, by: crad, over: 1h}", "E405"),
        ("{sum: tx.amount, by: terminal, over: 1h}", "E410"),
        ("{rank: tx.amount, by: [all, merchant.mcc], over: 30d}", "E410"),
        ("{sum: tx.amount, by: all, over: 1d}", "E415"),
        ("{rank: tx.amount, by: all, over: 1d, delay: 1d}", "S023"),
        ("{rank: tx.amount, by: all, over: 1d, include_current: false}", "S023"),
        ("{count: events, over: 1d, delay: 1d, include_current: false}", "S023"),
        ("{count: events, over: 1d, max_distinct: 5}", "S023"),
        ("{count: events, over: 36501d}", "S004"),
        ("{count: events, by: [terminal, account], over: 1h}", "E402"),
    ] {
        assert_eq!(aggregate(written), [code], "{written}");
    }
    for fine in [
        "{count: events, over: 60d, delay: 30d}",
        "{quantile: tx.amount, q: 95%, over: 1h}",
        "{nth: tx.amount, n: 3}",
        "{ratio: tx.declined, over: 1h, at_least: 10}",
        "{rank: tx.amount, by: card, over: 30d}",
        "{distinct: card.id, by: terminal, over: 1h, max_distinct: 16}",
        "{first: event.time, by: [card, merchant.mcc]}",
        "{count: events, by: [terminal, card], over: 1h, where: 'event.type == \"label\" and label.outcome == \"fraud\"'}",
    ] {
        assert_eq!(aggregate(fine), [""; 0], "{fine}");
    }
}

#[test]
fn things_declared_twice_or_for_nothing() {
    let empty: [&str; 0] = [];
    let rule = "rules:\n  - {id: R, when: tx.declined, action: alert}\n";
    assert_eq!(codes(&format!("version: 1\n{rule}")), empty);
    assert_eq!(
        codes(&format!("version: 1\n{rule}  - {{id: R, when: tx.declined, score: 5, action: alert}}\n")),
        ["E412"]
    );
    assert_eq!(codes(&format!("version: 1\nparams: {{p: {{default: 1}}}}\n{rule}")), ["W402"]);
    assert_eq!(codes(&format!("version: 1\nlists: {{l: {{file: mcc.csv}}}}\n{rule}")), ["W403"]);
    assert_eq!(codes(&format!("version: 1\nterms: {{t: tx.declined}}\n{rule}")), ["W404"]);
    assert_eq!(
        codes(&format!("version: 1\naggregates: {{a: {{count: events, over: 1h}}}}\n{rule}")),
        ["W401"]
    );
    let both = "terms: {t: tx.declined}\naggregates: {t: {count: events, over: 1h}}\n";
    assert!(codes(&format!("version: 1\n{both}{rule}")).contains(&"E413"));
    assert_eq!(codes(&format!("version: 1\nterms: {{t: t or tx.declined}}\n{rule}")), ["W404", "E207"]);
    assert_eq!(codes(&format!("version: 1\nversion: 1\n{rule}")), ["Y003"]);
}

#[test]
fn values_outside_what_is_allowed() {
    let rule =
        |rest: &str| codes(&format!("version: 1\nrules:\n  - id: R\n    when: tx.declined\n    {rest}\n"));
    for (written, code) in [
        ("score: 101", "S004"),
        ("severity: sever", "S006"),
        ("action: {do: block, target: transaction}", "E407"),
        ("typology: [FRD.CARD.TESTIN]", "E408"),
        ("event: purchse", "E208"),
        ("by: device", "E405"),
        ("mode: of", "S006"),
        ("cooldown: {by: card, for: 1h}", "S006"),
        ("cooldown: {by: rule+crad, for: 1h}", "E201"),
        ("reason: '{tx.declined | money}'", "E311"),
        ("reason: '{tx.amount | mony}'", "E312"),
        ("reason: '{tx.amount'", "E102"),
        ("expect: {per_10k_accounts_day: 3}", "S005"),
    ] {
        assert_eq!(rule(written), [code], "{written}");
    }
    let range = "version: 1\nparams: {p: {default: 5, min: 1, max: 9}}\nfeatures: {f: $p}\n";
    let set = |value: &str| {
        let (ruleset, problems) = compile_with(range, &Overrides::from([("p".to_owned(), value.to_owned())]));
        (ruleset.is_some(), problems.list().iter().map(|problem| problem.code.0).collect::<Vec<_>>())
    };
    assert_eq!(set("9"), (true, vec![]));
    assert_eq!(set("10"), (false, vec!["S011"]));
    assert_eq!(set("many"), (false, vec!["S011"]));
}

/// Rewritten with `TRIPLINE_BLESS=1`; the difference is reviewed by people.
#[test]
fn a_pack_with_everything_wrong_shows_all_of_it_at_once() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/broken/expected.txt");
    let (ruleset, problems) = compile_with(include_str!("golden/broken/pack.yaml"), &Overrides::new());
    assert!(ruleset.is_none());
    let shown = format!("{}{}\n", problems.render(Paint::Plain), problems.summary());
    if std::env::var_os("TRIPLINE_BLESS").is_some() {
        std::fs::write(path, &shown).expect("the golden can be written");
    }
    let expected = std::fs::read_to_string(path).expect("the golden can be read");
    assert_eq!(shown, expected);
    let json = problems.json();
    assert_eq!(json.matches("\"code\":").count(), problems.list().len());
}

#[test]
fn five_hundred_rules_and_as_many_errors_are_linted_in_well_under_a_second() {
    let mut pack =
        "version: 1\naggregates:\n  tries: {count: events, by: card, over: 10m}\nrules:\n".to_owned();
    for at in 0..500 {
        pack.push_str(&format!(
            "  - id: R{at}\n    when: tries > {at} and tx.amount > {at} and merchant.mcc in ['{at}', 'x'] and tx.amout{at} > 1\n    \
             reason: \"{{tries}} tries of {{tx.amount}}\"\n"
        ));
    }
    let start = Instant::now();
    let (_, problems) = compile_with(&pack, &Overrides::new());
    assert_eq!(problems.errors(), 500);
    assert!(start.elapsed().as_millis() < 3_000, "{:?}", start.elapsed());
    let start = Instant::now();
    let fine = pack
        .lines()
        .map(|line| line.split(" and tx.amout").next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    let (ruleset, problems) = compile_with(&fine, &Overrides::new());
    assert!(ruleset.is_some(), "{}", problems.render(Paint::Plain));
    println!("compiled in {:?}", start.elapsed());
}
