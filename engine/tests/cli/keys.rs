//! Every key of a configuration, as the reference example writes it, and what it changes.
//!
//! A key of the example without an entry here fails, and so does a key that is read and does not stand in the example.

use crate::configuration::Example;
use crate::tripline::root;
use std::collections::BTreeSet;
use std::fs;
use tripline::config::Config;
use tripline_core::decode::FieldMapping;
use tripline_rules::diagnostic::Paint;

/// What the example says, what it is changed to, and what of a configuration shows the change.
struct Effect {
    key: &'static str,
    from: &'static str,
    to: &'static str,
    shown: fn(&Config) -> String,
    /// What is shown after the change; before it, something else.
    then: &'static str,
}

const fn effect(
    key: &'static str,
    from: &'static str,
    to: &'static str,
    shown: fn(&Config) -> String,
    then: &'static str,
) -> Effect {
    Effect { key, from, to, shown, then }
}

fn field(config: &Config, name: &str) -> FieldMapping {
    let slot = config.schema().slot(name).unwrap();
    config.mapping.fields.iter().find(|field| field.slot == slot).unwrap().clone()
}

const TIME: &str = "{from: /time, format: rfc3339}";
const LOCAL: &str = "{from: /time, format: local, pattern: \"%d.%m.%Y %H:%M:%S\", zone: Asia/Tokyo}";
const LABELS: &str = "# labels: {when: IS_FRAUD, is: \"1\", outcome: fraud, after: 7d}";

const EFFECTS: [Effect; 54] = [
    effect("stream", "stream: reference", "stream: other", |c| c.settings().stream.clone(), "other"),
    effect(
        "schema",
        "schema: schema.yaml",
        "schema: other.yaml",
        |c| c.schema().slot("device.id").is_some().to_string(),
        "true",
    ),
    effect(
        "packs",
        "packs: [packs/reference.yaml]",
        "packs: []",
        |c| c.ruleset().rules().len().to_string(),
        "0",
    ),
    effect(
        "models",
        "models: [profile]",
        "models: []",
        |c| format!("{:?}", c.settings().models),
        "no model provides `model.profile.score`",
    ),
    effect("input.topic", "topic: events", "topic: other", |c| c.settings().topic.clone(), "other"),
    effect(
        "input.format",
        "format: json  ",
        "format: csv  ",
        |c| format!("{:?}", c.mapping.format),
        "Csv { delimiter: 44 }",
    ),
    effect(
        "input.delimiter",
        "format: json  ",
        "format: csv\n  delimiter: tab  ",
        |c| format!("{:?}", c.mapping.format),
        "Csv { delimiter: 9 }",
    ),
    effect(
        "input.clock",
        "clock: log_append_time",
        "clock: create_time",
        |c| format!("{:?}", c.input.clock),
        "CreateTime",
    ),
    effect("input.start", "start: earliest", "start: latest", |c| format!("{:?}", c.input.start), "Latest"),
    effect(
        "input.fields",
        "card.id: /card\n",
        "card.id: /payment/card\n",
        |c| format!("{:?}", field(c, "card.id").source),
        "Pointer(\"/payment/card\")",
    ),
    effect(
        "input.fields.*.from",
        "{from: /type,",
        "{from: /kind,",
        |c| format!("{:?}", field(c, "event.type").source),
        "Pointer(\"/kind\")",
    ),
    effect(
        "input.fields.*.values",
        "PURCHASE: purchase",
        "SALE: purchase",
        |c| field(c, "event.type").values[0].0.value.clone(),
        "SALE",
    ),
    effect(
        "input.fields.*.otherwise",
        "otherwise: reject",
        "otherwise: purchase",
        |c| format!("{:?}", field(c, "event.type").fallback),
        "Constant(\"purchase\")",
    ),
    effect(
        "input.fields.*.format",
        TIME,
        "{from: /time, format: epoch_ms}",
        |c| format!("{:?}", field(c, "event.time").time),
        "EpochMillis",
    ),
    effect(
        "input.fields.*.pattern",
        TIME,
        LOCAL,
        |c| {
            format!("{:?}", field(c, "event.time").time)
                .contains("pattern: \"%d.%m.%Y %H:%M:%S\"")
                .to_string()
        },
        "true",
    ),
    effect(
        "input.fields.*.zone",
        TIME,
        LOCAL,
        |c| format!("{:?}", field(c, "event.time").time).contains("zone: \"Asia/Tokyo\"").to_string(),
        "true",
    ),
    effect(
        "input.fields.*.const",
        "{const: EUR}",
        "{const: USD}",
        |c| format!("{:?}", field(c, "account.currency").source),
        "Constant(\"USD\")",
    ),
    effect(
        "input.fields.*.unit",
        "unit: major,",
        "unit: minor,",
        |c| format!("{:?}", field(c, "tx.amount").money.amount),
        "Minor",
    ),
    effect(
        "input.fields.*.currency",
        "currency: /currency",
        "currency: USD",
        |c| format!("{:?}", field(c, "tx.amount").money.currency),
        "Constant(\"USD\")",
    ),
    effect(
        "input.fields.*.latitude",
        "latitude: /lat",
        "latitude: /north",
        |c| format!("{:?}", field(c, "tx.geo").source).contains("/north").to_string(),
        "true",
    ),
    effect(
        "input.fields.*.longitude",
        "longitude: /lon",
        "longitude: /east",
        |c| format!("{:?}", field(c, "tx.geo").source).contains("/east").to_string(),
        "true",
    ),
    effect(
        "input.labels",
        LABELS,
        "labels: {when: /fraud, is: \"1\", after: 7d}",
        |c| c.mapping.labels.is_some().to_string(),
        "true",
    ),
    effect(
        "input.labels.when",
        LABELS,
        "labels: {when: /fraud, is: \"1\", after: 7d}",
        |c| c.mapping.labels.clone().map_or_else(String::new, |labels| labels.source.value),
        "/fraud",
    ),
    effect(
        "input.labels.is",
        LABELS,
        "labels: {when: /fraud, is: \"yes\", after: 7d}",
        |c| c.mapping.labels.clone().map_or_else(String::new, |labels| labels.equals),
        "yes",
    ),
    effect(
        "input.labels.outcome",
        LABELS,
        "labels: {when: /fraud, is: \"1\", outcome: scam, after: 7d}",
        |c| c.mapping.labels.clone().map_or_else(String::new, |labels| labels.outcome.to_string()),
        "2",
    ),
    effect(
        "input.labels.after",
        LABELS,
        "labels: {when: /fraud, is: \"1\", after: 2h}",
        |c| c.mapping.labels.clone().map_or(0, |labels| labels.after_ms).to_string(),
        "7200000",
    ),
    effect(
        "input.pan",
        "pan: {exempt: []}",
        "pan: {exempt: [card.id, event.id]}",
        |c| c.mapping.pan_exempt.len().to_string(),
        "2",
    ),
    effect(
        "input.pan.exempt",
        "exempt: []",
        "exempt: [card.id]",
        |c| (c.mapping.pan_exempt.first().copied() == c.schema().slot("card.id")).to_string(),
        "true",
    ),
    effect(
        "time.lateness",
        "lateness: 24h",
        "lateness: 1h",
        |c| c.settings().lateness_ms.to_string(),
        "3600000",
    ),
    effect(
        "time.retention",
        "# retention: 90d",
        "retention: 100d",
        |c| format!("{:?}", c.settings().retention_ms),
        "Some(8640000000)",
    ),
    effect(
        "limits.rows_per_ledger",
        "rows_per_ledger: 4096",
        "rows_per_ledger: 7",
        |c| c.settings().rows_per_ledger.to_string(),
        "7",
    ),
    effect(
        "limits.keys_per_shard",
        "keys_per_shard: 10000000",
        "keys_per_shard: 7",
        |c| c.settings().keys_per_shard.to_string(),
        "7",
    ),
    effect(
        "limits.bytes_per_shard",
        "bytes_per_shard: 8589934592",
        "bytes_per_shard: 2097152",
        |c| c.settings().bytes_per_shard.to_string(),
        "2097152",
    ),
    effect(
        "kafka.brokers",
        "brokers: 127.0.0.1:9092",
        "brokers: other:9092",
        |c| format!("{:?}", c.kafka.brokers),
        "Some(\"other:9092\")",
    ),
    effect("kafka.group", "group: tripline", "group: other", |c| c.kafka.group.clone(), "other"),
    effect("kafka.instance", "instance: \"0\"", "instance: \"7\"", |c| c.kafka.instance.clone(), "7"),
    effect("kafka.workers", "workers: 2", "workers: 7", |c| c.kafka.workers.to_string(), "7"),
    effect("kafka.prefix", "prefix: tripline", "prefix: other", |c| c.kafka.prefix.clone(), "other"),
    effect(
        "kafka.client",
        "client: {}",
        "client: {security.protocol: ssl}",
        |c| format!("{:?}", c.kafka.client),
        "{\"security.protocol\": \"ssl\"}",
    ),
    effect(
        "delivery.guarantee",
        "guarantee: exactly_once ",
        "guarantee: at_least_once ",
        |c| format!("{:?}", c.delivery.guarantee),
        "only `guarantee: exactly_once` has transactions",
    ),
    effect(
        "delivery.transaction_timeout",
        "transaction_timeout: 10s",
        "transaction_timeout: 3s",
        |c| format!("{:?}", c.delivery.guarantee),
        "ExactlyOnce { timeout: 3s, min_gap: 2ms }",
    ),
    effect(
        "delivery.commit",
        "commit: {interval: 100ms, min_gap: 2ms}",
        "commit: {interval: 1s}",
        |c| format!("{:?}", c.delivery.commit_interval),
        "1s",
    ),
    effect(
        "delivery.commit.min_gap",
        "min_gap: 2ms",
        "min_gap: 7ms",
        |c| format!("{:?}", c.delivery.guarantee),
        "ExactlyOnce { timeout: 10s, min_gap: 7ms }",
    ),
    effect(
        "delivery.commit.interval",
        "interval: 100ms",
        "interval: 20ms",
        |c| format!("{:?}", c.delivery.commit_interval),
        "20ms",
    ),
    effect(
        "snapshots",
        SNAPSHOTS,
        "snapshots: {every: 5s}",
        |c| format!("{:?}", c.snapshots),
        "`snapshots` has no `store`",
    ),
    effect(
        "snapshots.store",
        SNAPSHOTS,
        "snapshots: {store: s3://bucket/path}",
        |c| format!("{:?}", c.snapshots),
        "Some(SnapshotSettings { store: \"s3://bucket/path\", every: 60s })",
    ),
    effect(
        "snapshots.every",
        SNAPSHOTS,
        "snapshots: {store: here, every: 5s}",
        |c| format!("{:?}", c.snapshots),
        "Some(SnapshotSettings { store: \"here\", every: 5s })",
    ),
    effect(
        "http.listen",
        "listen: 127.0.0.1:9464",
        "listen: 127.0.0.1:9999",
        |c| c.http.settings.listen.to_string(),
        "127.0.0.1:9999",
    ),
    effect(
        "http.allow_remote",
        "allow_remote: false",
        "allow_remote: true",
        |c| c.http.settings.allow_remote.to_string(),
        "true",
    ),
    effect("log.format", "format: text", "format: json", |c| format!("{:?}", c.log.format), "Json"),
    effect("log.level", "level: info  ", "level: debug  ", |c| c.log.level.clone(), "debug"),
    effect(
        "secret",
        SECRET,
        "secret: {file: key}",
        |c| format!("{:?}", c.settings().key == tripline_rules::value::TextKey::default()),
        "false",
    ),
    effect(
        "secret.file",
        SECRET,
        "secret: {file: key}",
        |c| format!("{:?}", c.settings().key == tripline_rules::value::TextKey::new(*b"0123456789abcdef")),
        "true",
    ),
    // It allows one value only: another one is refused.
    effect(
        "version",
        "version: 1",
        "version: 2",
        |_| String::new(),
        "this release supports `version: 1` of a configuration only",
    ),
];
const SNAPSHOTS: &str = "# snapshots: {store: /var/lib/tripline/snapshots, every: 60s}";
const SECRET: &str = "# secret: {file: /run/secrets/tripline.key}";

#[test]
fn every_key_has_an_effect() {
    for effect in EFFECTS {
        let example = Example::new();
        let before = example.load().config.map(|config| (effect.shown)(&config)).unwrap();
        example.change("tripline.yaml", effect.from, effect.to);
        let loaded = example.load();
        assert_ne!(before, effect.then, "{}: so it is without the change, too", effect.key);
        match &loaded.config {
            Some(config) => assert_eq!((effect.shown)(config), effect.then, "{}", effect.key),
            None => {
                let is_said = loaded.problems.list().iter().any(|fault| fault.message.contains(effect.then));
                assert!(is_said, "{}: {}", effect.key, loaded.problems.render(Paint::Plain));
            }
        }
    }
}

/// The example's keys, those that are commented out included; a field's name is `*`.
fn written_keys() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("deploy/examples/reference/tripline.yaml")).unwrap();
    let mut keys = BTreeSet::new();
    let mut section = String::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim_start();
        let code = line.strip_prefix("# ").filter(|rest| is_entry(rest)).unwrap_or(line);
        let code = code.split(" #").next().unwrap_or_default();
        let Some((key, value)) = code.split_once(':').filter(|_| !code.starts_with('#')) else { continue };
        let path = match indent {
            0 => key.to_owned(),
            2 => format!("{section}.{key}"),
            _ => format!("{section}.fields.*"),
        };
        if indent == 0 {
            section = key.to_owned();
        }
        let has_own_keys = key == "client" || !value.trim_start().starts_with('{');
        let inner = value.trim().trim_start_matches('{').replace("values: {", "values: ").replace("[]", "");
        for entry in inner.split(',').filter(|_| !has_own_keys) {
            let name = entry.split(':').next().unwrap_or_default().trim();
            // Of a value map, only the name is a key; its raw values are upper case.
            if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !name.is_empty() {
                keys.insert(format!("{path}.{name}"));
            }
        }
        let is_section = indent == 0 && value.trim().is_empty();
        if indent < 4 && !is_section {
            keys.insert(path);
        }
    }
    keys
}

/// `key: value` in a comment, not prose.
fn is_entry(text: &str) -> bool {
    let Some((key, _)) = text.split_once(": ") else { return false };
    key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn every_key_of_the_reference_stands_among_the_effects() {
    let mut known: BTreeSet<String> = EFFECTS.iter().map(|effect| effect.key.to_owned()).collect();
    // These two stand in a comment on `format`.
    assert!(known.remove("input.fields.*.pattern") && known.remove("input.fields.*.zone"));
    assert_eq!(known, written_keys());
}

#[test]
fn every_key_that_is_read_stands_in_the_reference() {
    let names: BTreeSet<String> = EFFECTS
        .iter()
        .map(|effect| effect.key.rsplit('.').next().unwrap().to_owned())
        .chain(["input", "time", "limits", "kafka", "delivery", "http", "log"].map(str::to_owned))
        .collect();
    let mut read = BTreeSet::new();
    for file in ["config.rs", "config/sections.rs", "config/mapping.rs"] {
        let source = fs::read_to_string(root().join("engine/src").join(file)).unwrap();
        for call in ["optional(\"", "required(\"", "section(keys, \""] {
            let keys = source.split(call).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
            read.extend(keys);
        }
    }
    assert_eq!(read, names);
}
