//! The sections of a configuration that say nothing about fields or rules: time, limits, broker, endpoints.

use crate::io::kafka::{Guarantee, InputClock, KafkaSettings, Start, owned_key};
use crate::io::snapshot::SnapshotSettings;
use crate::ops::http::HttpSettings;
use crate::ops::log::LogFormat;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tripline_core::settings::Settings;
use tripline_rules::diagnostic::Diagnostics;
use tripline_rules::yaml::{Keys, Node};

/// `input:` beside the mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The topic.
    pub topic: String,
    /// Whose clock stamps it.
    pub clock: InputClock,
    /// Where a new group begins.
    pub start: Start,
}

/// `time:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// How late an event may come, ms.
    pub lateness_ms: i64,
    /// How long rows are kept, ms; without it as long as the packs look back.
    pub retention_ms: Option<i64>,
}

/// `limits:`, all per shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of one ledger.
    pub rows_per_ledger: u16,
    /// Keys with a row.
    pub keys_per_shard: usize,
    /// Bytes of rows and keys.
    pub bytes_per_shard: usize,
}

/// `kafka:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// `host:port`, separated by commas; none configured, no broker.
    pub brokers: Option<String>,
    /// The consumer group.
    pub group: String,
    /// This process among those of the group.
    pub instance: String,
    /// Worker threads.
    pub workers: usize,
    /// The output topics' prefix.
    pub prefix: String,
    /// Client settings passed through.
    pub client: BTreeMap<String, String>,
}

/// `delivery:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What readers of the output topics may rely on.
    pub guarantee: Guarantee,
    /// How long judged records may wait for their commit.
    pub commit_interval: Duration,
}

/// `http:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where to listen.
    pub settings: HttpSettings,
}

/// `log:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// Level, or a list of levels by module.
    pub level: String,
}

/// All of them.
pub(super) struct Sections {
    pub(super) time: Time,
    pub(super) limits: Limits,
    pub(super) kafka: Kafka,
    pub(super) delivery: Delivery,
    pub(super) snapshots: Option<SnapshotSettings>,
    pub(super) http: Http,
    pub(super) log: Log,
}

impl Sections {
    /// Reads every section, absent ones by their defaults.
    pub(super) fn read(keys: &mut Keys<'_>, faults: &mut Diagnostics) -> Sections {
        Sections {
            time: section(keys, "time", faults, Time::default(), Time::read),
            limits: section(keys, "limits", faults, Limits::default(), Limits::read),
            kafka: section(keys, "kafka", faults, Kafka::default(), Kafka::read),
            delivery: section(keys, "delivery", faults, Delivery::default(), Delivery::read),
            snapshots: keys.optional("snapshots").and_then(|node| snapshots(node, faults)),
            http: section(keys, "http", faults, Http { settings: HttpSettings::default() }, Http::read),
            log: section(keys, "log", faults, Log::default(), Log::read),
        }
    }
}

fn section<T>(
    keys: &mut Keys<'_>,
    name: &'static str,
    faults: &mut Diagnostics,
    mut value: T,
    read: impl FnOnce(&mut T, &mut Keys<'_>, &mut Diagnostics),
) -> T {
    if let Some(mut keys) = keys.optional(name).and_then(|node| Keys::of(node, format!("`{name}`"), faults)) {
        read(&mut value, &mut keys, faults);
        keys.finish(faults);
    }
    value
}

/// Sets `into` when the key is there and its value can be read.
fn set<T>(node: Option<&Node>, into: &mut T, read: impl FnOnce(&Node) -> Option<T>) {
    if let Some(value) = node.and_then(read) {
        *into = value;
    }
}

impl Input {
    pub(super) fn read(keys: &mut Keys<'_>, faults: &mut Diagnostics) -> Input {
        let mut input =
            Input { topic: "events".to_owned(), clock: InputClock::default(), start: Start::default() };
        set(keys.optional("topic"), &mut input.topic, |node| node.text("`topic`", faults).map(str::to_owned));
        let clocks =
            [("log_append_time", InputClock::LogAppendTime), ("create_time", InputClock::CreateTime)];
        set(keys.optional("clock"), &mut input.clock, |node| node.word("the input's clock", &clocks, faults));
        let starts = [("earliest", Start::Earliest), ("latest", Start::Latest), ("error", Start::Error)];
        set(keys.optional("start"), &mut input.start, |node| node.word("`start`", &starts, faults));
        input
    }
}

impl Default for Time {
    fn default() -> Time {
        Time { lateness_ms: Settings::new("").lateness_ms, retention_ms: None }
    }
}

impl Time {
    fn read(&mut self, keys: &mut Keys<'_>, faults: &mut Diagnostics) {
        set(keys.optional("lateness"), &mut self.lateness_ms, |node| node.duration("`lateness`", faults));
        set(keys.optional("retention"), &mut self.retention_ms, |node| {
            node.duration("`retention`", faults).map(Some)
        });
    }
}

impl Default for Limits {
    fn default() -> Limits {
        let Settings { rows_per_ledger, keys_per_shard, bytes_per_shard, .. } = Settings::new("");
        Limits { rows_per_ledger, keys_per_shard, bytes_per_shard }
    }
}

impl Limits {
    fn read(&mut self, keys: &mut Keys<'_>, faults: &mut Diagnostics) {
        let rows_max = i64::from(tripline_core::ledger::ROWS_MAX);
        set(keys.optional("rows_per_ledger"), &mut self.rows_per_ledger, |node| {
            node.whole("`rows_per_ledger`", 1, rows_max, faults).and_then(|rows| u16::try_from(rows).ok())
        });
        set(keys.optional("keys_per_shard"), &mut self.keys_per_shard, |node| {
            node.whole("`keys_per_shard`", 1, 1 << 31, faults).and_then(|keys| usize::try_from(keys).ok())
        });
        set(keys.optional("bytes_per_shard"), &mut self.bytes_per_shard, |node| {
            node.whole("`bytes_per_shard`", 1 << 20, 1 << 46, faults)
                .and_then(|bytes| usize::try_from(bytes).ok())
        });
    }
}

impl Default for Kafka {
    fn default() -> Kafka {
        let settings = KafkaSettings::new("", "", "tripline", "tripline");
        Kafka {
            brokers: None,
            group: settings.group,
            instance: settings.instance,
            workers: settings.workers,
            prefix: settings.prefix,
            client: settings.client,
        }
    }
}

impl Kafka {
    fn read(&mut self, keys: &mut Keys<'_>, faults: &mut Diagnostics) {
        let text =
            |node: &Node, what: &str, faults: &mut Diagnostics| node.text(what, faults).map(str::to_owned);
        set(keys.optional("brokers"), &mut self.brokers, |node| text(node, "`brokers`", faults).map(Some));
        set(keys.optional("group"), &mut self.group, |node| text(node, "`group`", faults));
        set(keys.optional("instance"), &mut self.instance, |node| text(node, "`instance`", faults));
        set(keys.optional("prefix"), &mut self.prefix, |node| text(node, "`prefix`", faults));
        set(keys.optional("workers"), &mut self.workers, |node| {
            node.whole("`workers`", 1, 256, faults).and_then(|workers| usize::try_from(workers).ok())
        });
        let Some(node) = keys.optional("client") else { return };
        let Some(client) = Keys::of(node, "`client`", faults) else { return };
        for (key, value) in client.entries() {
            let (Some(name), Some(value)) = (key.scalar(), value.text("a client setting", faults)) else {
                continue;
            };
            if let Some(reason) = owned_key(name) {
                faults.error("C030", format!("`{name}` cannot be set: {reason}"), key.span);
            }
            self.client.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Default for Delivery {
    fn default() -> Delivery {
        Delivery { guarantee: Guarantee::EXACTLY_ONCE, commit_interval: Duration::from_millis(100) }
    }
}

impl Delivery {
    fn read(&mut self, keys: &mut Keys<'_>, faults: &mut Diagnostics) {
        let guarantees =
            [("exactly_once", Guarantee::EXACTLY_ONCE), ("at_least_once", Guarantee::AtLeastOnce)];
        set(keys.optional("guarantee"), &mut self.guarantee, |node| {
            node.word("the guarantee", &guarantees, faults)
        });
        let timeout = keys.optional("transaction_timeout");
        let commit = keys.optional("commit");
        let mut commit = commit.and_then(|node| Keys::of(node, "`commit`", faults));
        if let Some(commit) = &mut commit {
            set(commit.optional("interval"), &mut self.commit_interval, |node| {
                duration(node, "`interval`", faults)
            });
        }
        let min_gap = commit.as_mut().and_then(|commit| commit.optional("min_gap"));
        match &mut self.guarantee {
            Guarantee::ExactlyOnce { timeout: held, min_gap: gap } => {
                set(timeout, held, |node| transaction_timeout(node, faults));
                set(min_gap, gap, |node| duration(node, "`min_gap`", faults));
            }
            Guarantee::AtLeastOnce => {
                for node in [timeout, min_gap].into_iter().flatten() {
                    faults
                        .error("C032", "only `guarantee: exactly_once` has transactions", node.span)
                        .help("leave it out: at least once, an alert waits for no commit");
                }
            }
        }
        if let Some(commit) = commit {
            commit.finish(faults);
        }
    }
}

/// Least and most of `transaction_timeout`: a broker takes 15 minutes unless it is told otherwise.
const TRANSACTION_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(900));

fn duration(node: &Node, what: &str, faults: &mut Diagnostics) -> Option<Duration> {
    let ms = node.duration(what, faults)?;
    Some(Duration::from_millis(u64::try_from(ms).ok()?))
}

fn transaction_timeout(node: &Node, faults: &mut Diagnostics) -> Option<Duration> {
    let timeout = duration(node, "`transaction_timeout`", faults)?;
    let (least, most) = TRANSACTION_TIMEOUT;
    if !(least..=most).contains(&timeout) {
        faults.error("C033", "`transaction_timeout` is 1 second to 15 minutes", node.span);
        return None;
    }
    Some(timeout)
}

fn snapshots(node: &Node, faults: &mut Diagnostics) -> Option<SnapshotSettings> {
    let mut keys = Keys::of(node, "`snapshots`", faults)?;
    let store = keys.required("store", node.span, faults);
    let store = store.and_then(|node| node.text("`store`", faults)).map(str::to_owned);
    let mut every = SNAPSHOT_EVERY.0;
    set(keys.optional("every"), &mut every, |node| {
        let every = duration(node, "`every`", faults)?;
        if every < SNAPSHOT_EVERY.1 {
            faults.error("C034", "`every` is a second at least", node.span);
            return None;
        }
        Some(every)
    });
    keys.finish(faults);
    Some(SnapshotSettings { store: store?, every })
}

/// Default and least of `snapshots.every`.
const SNAPSHOT_EVERY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1));

impl Http {
    fn read(&mut self, keys: &mut Keys<'_>, faults: &mut Diagnostics) {
        set(keys.optional("allow_remote"), &mut self.settings.allow_remote, |node| {
            node.boolean("`allow_remote`", faults)
        });
        set(keys.optional("listen"), &mut self.settings.listen, |node| {
            let address = node.text("`listen`", faults)?.parse::<SocketAddr>();
            if address.is_err() {
                faults
                    .error("C031", "`listen` is an address and a port", node.span)
                    .help("e.g. `127.0.0.1:9464`");
            }
            address.ok()
        });
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl Log {
    fn read(&mut self, keys: &mut Keys<'_>, faults: &mut Diagnostics) {
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        set(keys.optional("format"), &mut self.format, |node| {
            node.word("the log's format", &formats, faults)
        });
        set(keys.optional("level"), &mut self.level, |node| node.text("`level`", faults).map(str::to_owned));
    }
}
