//! The reference configuration, its defaults, and what is said about errors.

use crate::tripline::{DEMO_SAMPLE, copy, root, tripline};
use std::fs;
use std::path::PathBuf;
use tripline::config::{Config, Loaded, load};
use tripline_rules::diagnostic::Paint;

/// A copy of the reference example.
pub struct Example {
    folder: tempfile::TempDir,
}

impl Example {
    /// A fresh copy, with a key file and a schema of one field more.
    pub fn new() -> Example {
        let example = Example { folder: tempfile::tempdir().unwrap() };
        copy(&root().join("deploy/examples/reference"), example.folder.path());
        fs::write(example.folder.path().join("key"), "0123456789abcdef").unwrap();
        let schema = fs::read_to_string(example.folder.path().join("schema.yaml")).unwrap();
        let schema = schema.replace("  card.id: text\n", "  card.id: text\n  device.id: text\n");
        fs::write(example.folder.path().join("other.yaml"), schema).unwrap();
        example
    }

    /// The configuration's path.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("tripline.yaml")
    }

    /// Replaces what a file says, once, and it must say so.
    pub fn change(&self, file: &str, from: &str, to: &str) -> &Example {
        let path = self.folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{file} says once: {from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
        self
    }

    /// Reads it.
    pub fn load(&self) -> Loaded {
        load(&self.path()).unwrap()
    }

    /// What is wrong with it, as `check` shows it; it must be wrong.
    fn errors(&self) -> String {
        tripline(["check", self.path().to_str().unwrap()]).with(1).stdout
    }
}

#[test]
fn the_reference_has_no_error() {
    let loaded = load(&root().join("deploy/examples/reference/tripline.yaml")).unwrap();
    assert!(loaded.problems.list().is_empty(), "{}", loaded.problems.render(Paint::Plain));
    assert!(loaded.config.is_some());
}

/// What is displayed without its places in a file.
fn without_spans(text: &str) -> String {
    let mut parts = text.split("Span {");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |all, part| all + part.split_once('}').expect("a span ends").1)
}

/// The containers of `deploy/compose.yaml` run the installation of the local broker at other addresses.
#[test]
fn the_example_in_containers_is_the_local_one_at_other_addresses() {
    let loaded = |name: &str| {
        let loaded = load(&root().join("deploy/examples").join(name).join("tripline.yaml")).unwrap();
        assert!(loaded.problems.list().is_empty(), "{}", loaded.problems.render(Paint::Plain));
        loaded.config.unwrap()
    };
    let (local, contained) = (loaded("local"), loaded("compose"));
    let mapping = |config: &Config| without_spans(&format!("{:?}", config.mapping));
    assert_eq!(mapping(&local), mapping(&contained));
    assert_eq!(local.ruleset().hash(), contained.ruleset().hash());
    assert_eq!(local.input.topic, contained.input.topic);
    assert_eq!(local.kafka.prefix, contained.kafka.prefix);
    let brokers = |config: &Config| config.kafka.brokers.clone().unwrap();
    assert_eq!((brokers(&local).as_str(), brokers(&contained).as_str()), ("127.0.0.1:19092", "kafka:9092"));
    let listen = contained.http.settings;
    assert!(listen.allow_remote && listen.listen.ip().is_unspecified(), "the published port reaches it");
    let compose = fs::read_to_string(root().join("deploy/compose.yaml")).unwrap();
    for named in ["/etc/tripline/compose/tripline.yaml", "./examples:/etc/tripline:ro", "127.0.0.1:9464:9464"]
    {
        assert!(compose.contains(named), "{named}");
    }
    let store = contained.snapshots.unwrap().store;
    assert!(
        store.starts_with("/var/lib/tripline/") && compose.contains("snapshots:/var/lib/tripline\n"),
        "{store}"
    );
}

/// Everything beside names, fields and packs, as text.
fn beside(config: &Config) -> String {
    let Config { input, kafka, delivery, http, log, .. } = config;
    let settings = config.settings();
    let time = (settings.lateness_ms, settings.retention_ms);
    let limits = (settings.rows_per_ledger, settings.keys_per_shard, settings.bytes_per_shard);
    let is_builtin = settings.key == tripline_rules::value::TextKey::default();
    format!("{input:#?} {time:#?} {limits:#?} {kafka:#?} {delivery:#?} {http:#?} {log:#?} {is_builtin}")
}

#[test]
fn what_the_reference_calls_a_default_is_one() {
    let reference = Example::new();
    // Said to differ: the broker, which has no default, and the workers, one a processor.
    let processors = std::thread::available_parallelism().unwrap().get();
    reference.change("tripline.yaml", "  brokers: 127.0.0.1:9092", "  # brokers");
    reference.change("tripline.yaml", "workers: 2", &format!("workers: {processors}"));
    let minimal = Example::new();
    let least = "version: 1\nstream: reference\nschema: schema.yaml\ninput:\n  fields: \
                 {event.id: /id, event.type: /type, event.time: /time, account.id: /account}\n";
    fs::write(minimal.path(), least).unwrap();
    let [reference, minimal] = [reference, minimal].map(|example| {
        let loaded = example.load();
        loaded.config.unwrap_or_else(|| panic!("{}", loaded.problems.render(Paint::Plain)))
    });
    assert_eq!(beside(&reference), beside(&minimal));
    assert_eq!(minimal.mapping.format, reference.mapping.format);
    assert_eq!(minimal.mapping.pan_exempt, reference.mapping.pan_exempt);
    assert_eq!(minimal.mapping.depth, reference.mapping.depth);
    assert!(minimal.settings().models.is_empty() && minimal.ruleset().rules().is_empty());
}

#[test]
fn a_misspelt_key_is_pointed_at() {
    let example = Example::new();
    example.change("tripline.yaml", "lateness: 24h", "latenes: 24h");
    let text = fs::read_to_string(example.path()).unwrap();
    let line = text.lines().position(|line| line.contains("latenes:")).unwrap() + 1;
    let errors = example.errors();
    assert!(errors.contains(&format!("tripline.yaml:{line}:3")), "{errors}");
    assert!(errors.contains("^^^^^^^") && errors.contains("did you mean `lateness`?"), "{errors}");
}

#[test]
fn a_setting_without_effect_is_refused() {
    for (from, to, code) in [
        ("  format: json", "  format: json\n  delimiter: \";\"", "C018"),
        (
            "event.time: {from: /time, format: rfc3339}",
            "event.time: {from: /time, zone: Europe/Oslo}",
            "C016",
        ),
    ] {
        let example = Example::new();
        example.change("tripline.yaml", from, to);
        let errors = example.errors();
        assert!(errors.contains(&format!("error[{code}]")) && errors.contains("has no effect"), "{errors}");
    }
}

#[test]
fn each_of_several_places_is_checked_and_so_is_the_depth() {
    let deep = "/a".repeat(17);
    for (from, to, expected) in [
        ("[/merchant, {from: /shop/id}]", "[]", "the mapping of `merchant.id` has no place"),
        ("[/merchant, {from: /shop/id}]", "[/merchant, {from: /shop, units: minor}]", "units"),
        ("[/merchant, {from: /shop/id}]", "[{const: m1}, /shop]", "the place before it always has a value"),
        (
            "[/merchant, {from: /shop/id}]",
            "[/merchant, shop]",
            "`shop` is not a JSON pointer of 1 to 16 keys",
        ),
        ("[/merchant, {from: /shop/id}]", deep.as_str(), "is not a JSON pointer of 1 to 16 keys"),
        ("# depth: 16 ", "depth: 0 ", "`depth` must be a whole number from 1 to 64"),
        ("# depth: 16 ", "depth: 65 ", "`depth` must be a whole number from 1 to 64"),
        ("# depth: 16 ", "depth: 1 ", "`/shop/id` is not a JSON pointer of 1 to 1 keys"),
    ] {
        let example = Example::new();
        example.change("tripline.yaml", from, to);
        let errors = example.errors();
        assert!(errors.contains(expected), "{to}: {errors}");
    }
}

#[test]
fn check_refuses_what_run_would_refuse_without_a_broker_and_shows_no_value() {
    let example = Example::new();
    fs::write(example.folder.path().join("file"), "").unwrap();
    let file = example.folder.path().join("file").display().to_string();
    let text = fs::read_to_string(example.path()).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("listen:")).collect();
    let kept = kept.join("\n").replace("level: info", "level: inof");
    let kept = kept.replace("http:", "http:\n  listen: 0.0.0.0:9464");
    let kept =
        kept.replace("kafka:", "kafka:\n  client: {sasl.passwrod: hush-hush, security.protocol: hush-tls}");
    fs::write(example.path(), format!("{kept}\nsnapshots: {{store: {file}}}\n")).unwrap();
    let errors = example.errors();
    for part in [
        "no setting `sasl.passwrod`",
        "did you mean `sasl.password`?",
        "refuses the value of `security.protocol`",
        "0.0.0.0:9464 is reachable from other machines",
        "did you mean `info`?",
        "is not a folder",
    ] {
        assert!(errors.contains(part), "{part}\n{errors}");
    }
}

#[test]
fn a_folder_of_snapshots_is_relative_to_the_configuration() {
    let example = Example::new();
    let text = fs::read_to_string(example.path()).unwrap();
    let folder = example.folder.path();
    for (store, expected) in [
        ("snaps", folder.join("snaps").display().to_string()),
        ("file://snaps", format!("file://{}", folder.join("snaps").display())),
        ("/var/snaps", "/var/snaps".to_owned()),
        ("file:///var/snaps", "file:///var/snaps".to_owned()),
    ] {
        fs::write(example.path(), format!("{text}\nsnapshots: {{store: \"{store}\"}}\n")).unwrap();
        let found = example.load().config.unwrap().snapshots.unwrap().store;
        assert_eq!(found, expected);
    }
    for store in ["", "tripline.yaml/below"] {
        fs::write(example.path(), format!("{text}\nsnapshots: {{store: \"{store}\"}}\n")).unwrap();
        assert!(example.errors().contains("refused by `run`"), "{store}");
    }
}

#[test]
fn a_field_that_a_rule_reads_and_nothing_maps_is_warned_of() {
    let example = Example::new();
    let text = fs::read_to_string(example.path()).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("card.id:")).collect();
    fs::write(example.path(), kept.join("\n")).unwrap();
    let loaded = example.load();
    let [problem] = loaded.problems.list() else { panic!("{}", loaded.problems.render(Paint::Plain)) };
    assert_eq!(problem.code.0, "C017");
    assert!(problem.message.contains("`card.id` is read by"), "{}", problem.message);
}

#[test]
fn a_file_that_is_not_there_is_pointed_at() {
    for (from, to) in [
        ("schema: schema.yaml", "schema: nowhere.yaml"),
        ("packs: [packs/reference.yaml]", "packs: [packs/nowhere.yaml]"),
        ("secret: built_in", "secret: {file: nowhere.key}"),
    ] {
        let example = Example::new();
        example.change("tripline.yaml", from, to);
        let errors = example.errors();
        assert!(errors.contains("cannot be read") && errors.contains("tripline.yaml:"), "{errors}");
    }
}

#[test]
fn a_short_secret_is_refused_and_not_shown() {
    let example = Example::new();
    example.change("tripline.yaml", "secret: built_in", "secret: {file: key}");
    fs::write(example.folder.path().join("key"), "hush-hush").unwrap();
    let errors = example.errors();
    assert!(errors.contains("9 bytes") && errors.contains("16 are needed"), "{errors}");
    assert!(!errors.contains("hush"), "{errors}");
}

#[test]
fn a_service_without_a_secret_is_warned_of_and_does_not_start() {
    let example = Example::new();
    example.change("tripline.yaml", "secret: built_in", "");
    let path = example.path();
    let output = tripline(["check", path.to_str().unwrap()]).fine();
    assert!(output.contains("warning[C023]") && output.contains("secret: built_in"), "{output}");
    for command in ["run", "bootstrap"] {
        let mut arguments = vec![command, "--config", path.to_str().unwrap()];
        arguments.extend(["--history", DEMO_SAMPLE].iter().filter(|_| command == "bootstrap"));
        let refused = tripline(arguments).with(2).stderr;
        assert!(refused.contains("the configuration has no secret: set `secret: {file: …}`"), "{refused}");
    }
    let text = fs::read_to_string(&path).unwrap();
    let (before, kafka) = text.split_once("kafka:\n").unwrap();
    let after = kafka.split_once("\n\n").unwrap().1;
    fs::write(&path, format!("{before}{after}")).unwrap();
    let output = tripline(["check", path.to_str().unwrap()]).fine();
    assert!(!output.contains("C023"), "files alone need none: {output}");
}

#[test]
fn a_secret_is_a_file_or_the_built_in_one() {
    let example = Example::new();
    example.change("tripline.yaml", "secret: built_in", "secret: builtin");
    let errors = example.errors();
    assert!(errors.contains("built_in"), "{errors}");
}

#[test]
fn settings_of_transactions_are_refused_where_there_are_none() {
    let example = Example::new();
    example.change("tripline.yaml", "guarantee: exactly_once", "guarantee: at_least_once");
    let errors = example.errors();
    assert_eq!(errors.matches("only `guarantee: exactly_once` has transactions").count(), 2, "{errors}");
    assert!(errors.contains("transaction_timeout: 10s") && errors.contains("min_gap: 2ms"), "{errors}");
}

#[test]
fn a_transaction_timeout_that_no_broker_takes_is_refused() {
    let example = Example::new();
    example.change("tripline.yaml", "transaction_timeout: 10s", "transaction_timeout: 16m");
    assert!(example.errors().contains("1 second to 15 minutes"), "{}", example.errors());
}

#[test]
fn the_errors_of_all_files_are_reported_in_one_run() {
    let example = Example::new();
    example.change("tripline.yaml", "start: earliest", "start: erliest");
    example.change("tripline.yaml", "card.id: /card", "crad.id: /card");
    example.change("tripline.yaml", "kafka:\n", "kafka:\n  borkers: x\n");
    example.change(
        "packs/reference.yaml",
        "cooldown: {by: rule+card, for: 30m}",
        "cooldwn: {by: rule+card, for: 30m}",
    );
    example.change("packs/reference.yaml", "model.profile.score >= 0.8", "model.profil.score >= 0.8");
    let errors = example.errors();
    for said in ["erliest", "crad.id", "borkers", "cooldwn", "model.profil.score"] {
        assert!(errors.contains(said), "{said} is not said:\n{errors}");
    }
}

#[test]
fn a_schema_with_errors_hides_no_error_of_the_settings() {
    let example = Example::new();
    example.change("schema.yaml", "card.id: text", "card.id: txt");
    example.change("schema.yaml", "merchant.id: text", "merchant.id: test");
    example.change("tripline.yaml", "kafka:\n", "kafka:\n  borkers: x\n");
    let errors = example.errors();
    for said in ["txt", "test", "borkers"] {
        assert!(errors.contains(&format!("`{said}`")), "{said} is not said:\n{errors}");
    }
}

/// Errors of mapping and packs beside those of a schema, and fields that are declared but used wrongly everywhere.
fn errors_everywhere(schema: &[(&str, &str)]) -> String {
    let example = Example::new();
    for (from, to) in schema {
        example.change("schema.yaml", from, to);
    }
    example.change("tripline.yaml", "tx.geo: {", "tx.goe: {");
    example.change(
        "tripline.yaml",
        "packs: [packs/reference.yaml]",
        "packs: [packs/reference.yaml, packs/more.yaml]",
    );
    example.change("packs/reference.yaml", "model.profile.score >= 0.8", "model.profil.score >= 0.8");
    let more = "version: 1\npack: more\nowner: a\ntimezone: UTC\naggregates:\n  by_card_1d: {count: events, by: card, over: 1d, \
                where: merchant.id == \"M\"}\n  sum_1d: {sum: tx.amount, by: account, over: 1d}\nrules:\n  - {id: M-1, \
                title: Many, when: by_card_1d > 3 and card.id == \"c\" and sum_1d > 5 and nothing.here, score: 10, \
                severity: low, action: alert, cooldown: {by: rule+card, for: 1h}, reason: \"{by_card_1d}\"}\n";
    fs::write(example.folder.path().join("packs/more.yaml"), more).unwrap();
    let errors = example.errors();
    for said in ["tx.goe", "model.profil.score", "nothing.here"] {
        assert!(errors.contains(said), "{said} is not said:\n{errors}");
    }
    errors
}

#[test]
fn a_schema_with_errors_hides_no_error_of_mapping_and_packs_and_shows_none_that_only_follows() {
    let errors = errors_everywhere(&[
        ("  card.id: text\n", "  card.id: txt\n"),
        ("tx.amount: money in account.currency", "tx.amount: money in EUX"),
    ]);
    assert!(errors.contains("`txt`") && errors.contains("`EUX`"), "{errors}");
    assert_eq!(errors.matches("error[").count(), 5, "{errors}");
    let errors = errors_everywhere(&[("keep: [tx.amount,", "keep: [tx.amuont,")]);
    assert_eq!(errors.matches("error[").count(), 4, "{errors}");
}

#[test]
fn a_schema_that_cannot_be_read_at_all_hides_no_other_error() {
    for (from, to) in [("fields:\n", "feilds:\n"), ("version: 1\n", "version: 1\n\tx: [\n")] {
        let example = Example::new();
        example.change("schema.yaml", from, to);
        example.change("tripline.yaml", "unit: major, sign", "unit: mayor, sign");
        example.change("packs/reference.yaml", "model.profile.score >= 0.8", "model.profil.score >= 0.8");
        let errors = example.errors();
        assert!(errors.contains("mayor") && errors.contains("model.profil"), "{errors}");
        assert_eq!(errors.matches("error[").count(), 3, "{errors}");
    }
}

#[test]
fn what_does_not_fit_together_in_the_mapping_is_pointed_at_where_it_stands() {
    let event_type = "{from: /type, values: {PURCHASE: purchase, ATM: cash_withdrawal}, otherwise: reject}";
    let local = |pattern: &str, zone: &str| {
        format!("event.time: {{from: /time, format: local, pattern: \"{pattern}\", zone: {zone}}}")
    };
    for (from, to, at) in [
        ("card.id: /card\n", "card.id: card\n", "card\n"),
        ("    event.id: /id ", "    # none ", "fields:"),
        ("event.id: /id ", "event.id: {latitude: /a, longitude: /b} ", "event.id:"),
        (event_type, "{from: /type, values: {X: purchas}}", "purchas}"),
        (event_type, "{from: /type, otherwise: missing}", "event.type:"),
        (event_type, "{const: buy}", "buy}"),
        ("currency: /currency}", "currency: EUX}", "EUX}"),
        (
            "event.time: {from: /time, format: rfc3339}",
            &local("%Y-%m-%d %H:%M:%S", "Mars/Base"),
            "Mars/Base}",
        ),
        ("event.time: {from: /time, format: rfc3339}", &local("%Y", "UTC"), "\"%Y\""),
        ("    account.currency: {const: EUR} ", "    # none ", "fields:"),
        ("format: json  ", "format: csv\n  delimiter: \"0\"  ", "delimiter:"),
    ] {
        let example = Example::new();
        example.change("tripline.yaml", from, to);
        let mut needed = at;
        if from.contains("account.currency") {
            example.change("tripline.yaml", ", currency: /currency}", "}");
            needed = "tx.amount:";
        }
        let text = fs::read_to_string(example.path()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let errors = example.errors();
        let place = errors.lines().find_map(|line| line.trim().strip_prefix("--> ")).unwrap();
        let mut numbers = place.rsplit(':').map(|number| number.parse::<usize>().unwrap());
        let (column, line) = (numbers.next().unwrap(), numbers.next().unwrap());
        let pointed = &lines[line - 1][column - 1..];
        assert!(format!("{pointed}\n").starts_with(needed), "{to}: {pointed}\n{errors}");
        assert_eq!(errors.matches("error[").count(), 1, "{errors}");
    }
}

#[test]
fn an_invalid_format_hides_no_error_of_the_mapping() {
    let example = Example::new();
    example.change("tripline.yaml", "format: json  ", "format: jsno  ");
    example.change("tripline.yaml", "card.id: /card", "crad.id: /card");
    let errors = example.errors();
    assert!(errors.contains("jsno") && errors.contains("crad.id"), "{errors}");
    assert_eq!(errors.matches("error[").count(), 2, "{errors}");
}

#[test]
fn a_command_that_needs_a_configuration_ends_with_2_when_it_has_errors() {
    let example = Example::new();
    example.change("tripline.yaml", "lateness: 24h", "lateness: soon");
    let path = example.path();
    let ended = tripline(["replay", "--config", path.to_str().unwrap(), "--input", "x.jsonl"]).with(2);
    assert!(ended.stderr.contains("lateness") && ended.stderr.contains("has errors"), "{}", ended.stderr);
}
