//! What each key of the reference configuration changes. It does not depend on a test.

use tripline::config::Config;
use tripline_core::decode::FieldMapping;

/// What the example says, what it is changed to, and what of a configuration shows the change.
pub struct Effect {
    pub key: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub shown: fn(&Config) -> String,
    /// What is shown after the change; before it, something else.
    pub then: &'static str,
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
const LATER: &str =
    "{from: /time, format: local, pattern: \"%d.%m.%Y %H:%M:%S\", zone: Asia/Tokyo, ambiguous: later}";
const LABELS: &str = "# labels: {when: IS_FRAUD, is: \"1\", outcome: fraud, after: 7d}";

pub const EFFECTS: [Effect; 59] = [
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
        "input.depth",
        "format: json  ",
        "format: json\n  depth: 5  ",
        |c| c.mapping.depth.to_string(),
        "5",
    ),
    effect(
        "input.clock",
        "clock: log_append_time",
        "clock: create_time",
        |c| format!("{:?}", c.input.clock),
        "CreateTime",
    ),
    effect(
        "input.partitioner",
        "partitioner: murmur2",
        "partitioner: consistent",
        |c| format!("{:?}", c.input.partitioner),
        "Some(Consistent)",
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
        "input.fields.*.ambiguous",
        TIME,
        LATER,
        |c| format!("{:?}", field(c, "event.time").time).contains("ambiguous: Later").to_string(),
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
        "input.fields.*.sign",
        "sign: as_written",
        "sign: absolute",
        |c| format!("{:?}", field(c, "tx.amount").money.sign),
        "Absolute",
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
        "time.jump",
        "# jump: 24h",
        "jump: 48h",
        |c| format!("{:?}", c.settings().jump_ms),
        "Some(172800000)",
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
        |c| format!("{:?}", c.kafka.client.values().collect::<Vec<_>>()),
        "[(\"security.protocol\", \"ssl\")]",
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
        "snapshots: {store: s3://bucket/path, every: 5s}",
        |c| format!("{:?}", c.snapshots),
        "Some(SnapshotSettings { store: \"s3://bucket/path\", every: 5s })",
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
    effect("secret", SECRET, "secret: {file: key}", |c| format!("{:?}", c.secret), "File"),
    effect(
        "secret.file",
        SECRET,
        "secret: {file: key}",
        |c| format!("{:?}", c.settings().key == tripline_rules::value::TextKey::derive(b"0123456789abcdef")),
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
const SECRET: &str = "secret: built_in";
