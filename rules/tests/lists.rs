//! Lists whose entries end: whether a value is in one depends on the event's time, and on nothing else.

use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{EVENT_TIME, Schema};
use tripline_rules::time::{DAY_MS, Ms, ms_as_f64};
use tripline_rules::value::{NoTexts, Registers, TextKey};

const SCHEMA: &str = "version: 1
fields: {merchant.mcc: text, my.n: number, my.c: one of red|green}
keep: [merchant.mcc]
";
/// 2026-03-31T00:00:00Z.
const LAST_DAY: Ms = 1_774_915_200_000;

fn compile(list: &str, pack: &str) -> (Ruleset, Schema) {
    let (schema, _) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let schema = schema.expect("a schema");
    let list = |_: &str| Ok(list.to_owned());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    let (ruleset, problems) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
    (ruleset.unwrap_or_else(|| panic!("{}", problems.render(Paint::Plain))), schema)
}

/// The features of an event at a time.
fn features(ruleset: &Ruleset, schema: &Schema, (mcc, n, at): (&str, f64, Ms)) -> Vec<f64> {
    let mut registers = Registers::new(ruleset.registers());
    registers.set_number(EVENT_TIME, ms_as_f64(at));
    registers.set(schema.slot("merchant.mcc").expect("a field"), TextKey::default().text(mcc.as_bytes()));
    registers.set_number(schema.slot("my.n").expect("a field"), n);
    registers.set(schema.slot("my.c").expect("a field"), 1);
    let mut row = vec![0.0; ruleset.features().len()];
    ruleset.features_row(&mut registers, &NoTexts, &mut row);
    row
}

#[test]
fn an_entry_ends_with_its_day_in_the_zone_of_the_pack() {
    let list = "code,expires\n5411,2026-03-31\n7995,\n5411,2026-03-30\n6011,2020-01-01\ngreen,2026-03-31\n";
    // The day ends at 22:00Z in Oslo, in summer time, and at 04:00Z of the next day in New York.
    for (zone, end) in [
        ("", LAST_DAY + DAY_MS),
        ("timezone: Europe/Oslo\n", LAST_DAY + 22 * DAY_MS / 24),
        ("timezone: America/New_York\n", LAST_DAY + 28 * DAY_MS / 24),
    ] {
        let (ruleset, schema) = compile(
            list,
            &format!(
                "version: 1\n{zone}lists: {{l: {{file: l.csv}}}}\nfeatures: {{within: merchant.mcc in @l, \
                 outside: merchant.mcc not in @l, colour: my.c in @l}}\n"
            ),
        );
        let at = |mcc: &str, at: Ms| features(&ruleset, &schema, (mcc, 0.0, at));
        assert_eq!(at("5411", end - 1), [1.0, 0.0, 1.0], "{zone}");
        assert_eq!(at("5411", end), [0.0, 1.0, 0.0], "{zone}");
        assert_eq!(at("7995", end + 10_000 * DAY_MS), [1.0, 0.0, 0.0], "{zone}");
        assert_eq!(at("6011", end - 1), [0.0, 1.0, 1.0], "{zone}");
        assert_eq!(at("4111", end - 1), [0.0, 1.0, 1.0], "{zone}");
    }
}

#[test]
fn numbers_end_like_texts_and_the_hash_of_a_pack_follows_the_days() {
    let pack = "version: 1\nlists: {l: {file: l.csv, of: number}}\nfeatures: {within: my.n in @l}\n";
    let (ruleset, schema) = compile("n,expires\n7.5,2026-03-31\n", pack);
    let at = |at: Ms| features(&ruleset, &schema, ("x", 7.5, at))[0];
    assert_eq!((at(LAST_DAY + DAY_MS - 1), at(LAST_DAY + DAY_MS)), (1.0, 0.0));
    let (later, _) = compile("n,expires\n7.5,2026-04-01\n", pack);
    let (same, _) = compile("n,expires\n7.5,2026-03-31\n", pack);
    assert_eq!(ruleset.hash(), same.hash());
    assert_ne!(ruleset.hash(), later.hash());
}

/// Two packs whose lists have the same file name.
#[test]
fn a_list_is_read_from_the_folder_of_its_own_pack() {
    let (schema, _) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let schema = schema.expect("a schema");
    let list = |path: &str| match path {
        "eu/risky.csv" => Ok("code\n5411\n".to_owned()),
        "us/risky.csv" => Ok("code\n7995\n".to_owned()),
        _ => Err("not found".to_owned()),
    };
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    let pack = |name: &str| {
        let text = format!(
            "version: 1\nlists: {{{name}: {{file: risky.csv}}}}\nfeatures: {{in_{name}: merchant.mcc in @{name}}}\n"
        );
        File::new(format!("{name}/pack.yaml"), text)
    };
    let (ruleset, problems) = Ruleset::compile(&[pack("eu"), pack("us")], &schema, &options);
    let ruleset = ruleset.unwrap_or_else(|| panic!("{}", problems.render(Paint::Plain)));
    assert_eq!(features(&ruleset, &schema, ("5411", 0.0, 0)), [1.0, 0.0]);
    assert_eq!(features(&ruleset, &schema, ("7995", 0.0, 0)), [0.0, 1.0]);
    let (refused, problems) = Ruleset::compile(&[pack("eu"), pack("uk")], &schema, &options);
    assert!(refused.is_none() && problems.list()[0].code.0 == "S030", "{problems:?}");
}
