//! The condition of a population rank: histograms of a snapshot are found again by it under another pack.

use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::File;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase|login
  tx.amount: money in EUR
  merchant.mcc: text
keep: [tx.amount, tx.declined, merchant.mcc]
";

fn wording(condition: &str, before: &str) -> Option<String> {
    let (schema, _) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let pack = format!(
        "version: 1\npack: p\nowner: a\ntimezone: UTC\naggregates:\n{before}  r: {{rank: tx.amount, by: all, over: 2d, \
         where: '{condition}'}}\nfeatures:\n  f: r\n"
    );
    let no_list = |_: &str| Err(String::new());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &no_list };
    let (ruleset, problems) =
        Ruleset::compile(&[File::new("pack.yaml", pack)], &schema.expect("a schema"), &options);
    let ruleset = ruleset.unwrap_or_else(|| panic!("{problems:?}"));
    ruleset.programs()[0].plan().populations[0].condition.clone()
}

#[test]
fn a_condition_has_one_text_in_all_packs_and_differs_from_others() {
    let both = "tx.declined and tx.amount > 5";
    let own = wording(both, "").expect("it has words");
    let other =
        "  n: {count: events, by: account, over: 1h, where: tx.amount > 5 or merchant.mcc == \"1\"}\n";
    assert_eq!(wording("tx.amount > 5 and tx.declined", other).as_ref(), Some(&own));
    for different in ["tx.declined and tx.amount > 6", "tx.declined and tx.amount >= 5", "tx.declined"] {
        assert_ne!(wording(different, "").expect("it has words"), own, "{different}");
    }
    assert_ne!(wording("merchant.mcc in [\"1\", \"2\"]", ""), wording("merchant.mcc in [\"1\", \"3\"]", ""));
}

/// Snapshots hold this text: another one would lose the histograms of every installation.
#[test]
fn the_text_of_a_condition_does_not_change() {
    let both = wording("tx.declined and tx.amount > 5 or merchant.mcc in [\"1\", \"2\"]", "");
    let expected = "Or(NodeId(0), NodeId(0))(And(NodeId(0), NodeId(0))(Compare(Gt, NodeId(0), NodeId(0))(\
                    tx.amount Money(Fixed(42))(),Const(4647503709213818880)()),tx.declined Bool()),\
                    Within[1650697359935481789, 16357777506716860511](merchant.mcc Text()))";
    assert_eq!(both.as_deref(), Some(expected));
}
