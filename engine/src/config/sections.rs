//! The sections of a configuration that do not concern fields or rules: time, limits, broker, endpoints.

use super::client::{self, SecretFiles};
use crate::settings::{
    self, ClientSettings, Guarantee, HttpSettings, InputClock, LogFormat, SnapshotSettings, Start, owned_key,
};
use std::net::SocketAddr;
use std::time::Duration;
use tripline_core::placement::Partitioner;
use tripline_core::settings::Settings;
use tripline_rules::diagnostic::{Diagnostics, nearest};
use tripline_rules::yaml::{Keys, Node};

/// `input:` beside the mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The topic.
    pub topic: String,
    /// Which clock sets the time of its records.
    pub clock: InputClock,
    /// Where a new consumer group begins.
    pub start: Start,
    /// How producers choose the partition of an account; `None` if that is not checked.
    pub partitioner: Option<Partitioner>,
}

/// `time:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// How late an event may be, ms.
    pub lateness_ms: i64,
    /// In a file: how far an event may be ahead of all before it before the next records are consulted, ms; without it
    /// as far as `lateness_ms`.
    pub jump_ms: Option<i64>,
    /// How long rows are kept, ms; without it as long as the lookback of the packs.
    pub retention_ms: Option<i64>,
}

/// `limits:`, each per shard.
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
    /// `host:port`, separated by commas; without it there is no broker.
    pub brokers: Option<String>,
    /// The consumer group.
    pub group: String,
    /// Name of this process in the group.
    pub instance: String,
    /// Worker threads.
    pub workers: usize,
    /// Prefix of the output topics.
    pub prefix: String,
    /// Settings of the Kafka client, passed through.
    pub client: ClientSettings,
}

/// `delivery:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The delivery guarantee of the output topics.
    pub guarantee: Guarantee,
    /// Longest time between the judging of a record and its commit.
    pub commit_interval: Duration,
}

/// `http:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http {
    /// The listener.
    pub settings: HttpSettings,
}

/// `log:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Format of its lines.
    pub format: LogFormat,
    /// A level, or a list of levels by module.
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
    /// Reads every section; an absent one has its defaults.
    pub(super) fn read(keys: &mut Keys<'_>, files: SecretFiles<'_>, problems: &mut Diagnostics) -> Sections {
        let kafka = |kafka: &mut Kafka, keys: &mut Keys<'_>, problems: &mut Diagnostics| {
            kafka.read(keys, files, problems);
        };
        Sections {
            time: section(keys, "time", problems, Time::default(), Time::read),
            limits: section(keys, "limits", problems, Limits::default(), Limits::read),
            kafka: section(keys, "kafka", problems, Kafka::default(), kafka),
            delivery: section(keys, "delivery", problems, Delivery::default(), Delivery::read),
            snapshots: keys.optional("snapshots").and_then(|node| snapshots(node, problems)),
            http: section(keys, "http", problems, Http { settings: HttpSettings::default() }, Http::read),
            log: section(keys, "log", problems, Log::default(), Log::read),
        }
    }
}

fn section<T>(
    keys: &mut Keys<'_>,
    name: &'static str,
    problems: &mut Diagnostics,
    mut value: T,
    read: impl FnOnce(&mut T, &mut Keys<'_>, &mut Diagnostics),
) -> T {
    if let Some(mut keys) = keys.optional(name).and_then(|node| Keys::of(node, format!("`{name}`"), problems))
    {
        read(&mut value, &mut keys, problems);
        keys.finish(problems);
    }
    value
}

/// Sets `into` if the key is present and its value can be read.
fn set<T>(node: Option<&Node>, into: &mut T, read: impl FnOnce(&Node) -> Option<T>) {
    if let Some(value) = node.and_then(read) {
        *into = value;
    }
}

impl Input {
    pub(super) fn read(keys: &mut Keys<'_>, problems: &mut Diagnostics) -> Input {
        let mut input = Input {
            topic: "events".to_owned(),
            clock: InputClock::default(),
            start: Start::default(),
            partitioner: Some(Partitioner::default()),
        };
        set(keys.optional("topic"), &mut input.topic, |node| {
            node.text("`topic`", problems).map(str::to_owned)
        });
        let clocks =
            [("log_append_time", InputClock::LogAppendTime), ("create_time", InputClock::CreateTime)];
        set(keys.optional("clock"), &mut input.clock, |node| {
            node.word("the input's clock", &clocks, problems)
        });
        let starts = [("earliest", Start::Earliest), ("latest", Start::Latest), ("error", Start::Error)];
        set(keys.optional("start"), &mut input.start, |node| node.word("`start`", &starts, problems));
        let partitioners = [
            ("murmur2", Some(Partitioner::Murmur2)),
            ("consistent", Some(Partitioner::Consistent)),
            ("none", None),
        ];
        set(keys.optional("partitioner"), &mut input.partitioner, |node| {
            node.word("the partitioner", &partitioners, problems)
        });
        input
    }
}

impl Default for Time {
    fn default() -> Time {
        Time { lateness_ms: Settings::new("").lateness_ms, jump_ms: None, retention_ms: None }
    }
}

impl Time {
    fn read(&mut self, keys: &mut Keys<'_>, problems: &mut Diagnostics) {
        set(keys.optional("lateness"), &mut self.lateness_ms, |node| node.duration("`lateness`", problems));
        set(keys.optional("jump"), &mut self.jump_ms, |node| node.duration("`jump`", problems).map(Some));
        set(keys.optional("retention"), &mut self.retention_ms, |node| {
            node.duration("`retention`", problems).map(Some)
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
    fn read(&mut self, keys: &mut Keys<'_>, problems: &mut Diagnostics) {
        let rows_max = i64::from(tripline_core::ledger::ROWS_MAX);
        set(keys.optional("rows_per_ledger"), &mut self.rows_per_ledger, |node| {
            node.whole("`rows_per_ledger`", 1, rows_max, problems).and_then(|rows| u16::try_from(rows).ok())
        });
        set(keys.optional("keys_per_shard"), &mut self.keys_per_shard, |node| {
            node.whole("`keys_per_shard`", 1, 1 << 31, problems).and_then(|keys| usize::try_from(keys).ok())
        });
        set(keys.optional("bytes_per_shard"), &mut self.bytes_per_shard, |node| {
            node.whole("`bytes_per_shard`", 1 << 20, 1 << 46, problems)
                .and_then(|bytes| usize::try_from(bytes).ok())
        });
    }
}

impl Default for Kafka {
    fn default() -> Kafka {
        Kafka {
            brokers: None,
            group: "tripline".to_owned(),
            instance: settings::INSTANCE.to_owned(),
            workers: settings::workers(),
            prefix: "tripline".to_owned(),
            client: ClientSettings::default(),
        }
    }
}

impl Kafka {
    fn read(&mut self, keys: &mut Keys<'_>, files: SecretFiles<'_>, problems: &mut Diagnostics) {
        let text = |node: &Node, what: &str, problems: &mut Diagnostics| {
            node.text(what, problems).map(str::to_owned)
        };
        set(keys.optional("brokers"), &mut self.brokers, |node| text(node, "`brokers`", problems).map(Some));
        set(keys.optional("group"), &mut self.group, |node| text(node, "`group`", problems));
        set(keys.optional("instance"), &mut self.instance, |node| text(node, "`instance`", problems));
        set(keys.optional("prefix"), &mut self.prefix, |node| text(node, "`prefix`", problems));
        set(keys.optional("workers"), &mut self.workers, |node| {
            node.whole("`workers`", 1, 256, problems).and_then(|workers| usize::try_from(workers).ok())
        });
        let Some(node) = keys.optional("client") else { return };
        let Some(client) = Keys::of(node, "`client`", problems) else { return };
        for (key, value) in client.entries() {
            let Some(name) = key.scalar() else { continue };
            if let Some(reason) = owned_key(name) {
                problems.error("C030", format!("`{name}` cannot be set: {reason}"), key.span);
            }
            if let Some(value) = client::value(name, value, files, problems) {
                self.client.insert(name.to_owned(), value);
            }
        }
    }
}

impl Default for Delivery {
    fn default() -> Delivery {
        Delivery { guarantee: Guarantee::EXACTLY_ONCE, commit_interval: settings::COMMIT_INTERVAL }
    }
}

impl Delivery {
    fn read(&mut self, keys: &mut Keys<'_>, problems: &mut Diagnostics) {
        let guarantees =
            [("exactly_once", Guarantee::EXACTLY_ONCE), ("at_least_once", Guarantee::AtLeastOnce)];
        set(keys.optional("guarantee"), &mut self.guarantee, |node| {
            node.word("the guarantee", &guarantees, problems)
        });
        let timeout = keys.optional("transaction_timeout");
        let commit = keys.optional("commit");
        let mut commit = commit.and_then(|node| Keys::of(node, "`commit`", problems));
        if let Some(commit) = &mut commit {
            set(commit.optional("interval"), &mut self.commit_interval, |node| {
                duration(node, "`interval`", problems)
            });
        }
        let min_gap = commit.as_mut().and_then(|commit| commit.optional("min_gap"));
        match &mut self.guarantee {
            Guarantee::ExactlyOnce { timeout: longest, min_gap: gap } => {
                set(timeout, longest, |node| transaction_timeout(node, problems));
                set(min_gap, gap, |node| duration(node, "`min_gap`", problems));
            }
            Guarantee::AtLeastOnce => {
                for node in [timeout, min_gap].into_iter().flatten() {
                    problems
                        .error("C032", "only `guarantee: exactly_once` has transactions", node.span)
                        .help("remove it: with `at_least_once` an alert does not wait for a commit");
                }
            }
        }
        if let Some(commit) = commit {
            commit.finish(problems);
        }
    }
}

/// Minimum and maximum of `transaction_timeout`: the default maximum of a broker is 15 minutes.
const TRANSACTION_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(900));

fn duration(node: &Node, what: &str, problems: &mut Diagnostics) -> Option<Duration> {
    let ms = node.duration(what, problems)?;
    Some(Duration::from_millis(u64::try_from(ms).ok()?))
}

fn transaction_timeout(node: &Node, problems: &mut Diagnostics) -> Option<Duration> {
    let timeout = duration(node, "`transaction_timeout`", problems)?;
    let (least, most) = TRANSACTION_TIMEOUT;
    if !(least..=most).contains(&timeout) {
        problems.error("C033", "`transaction_timeout` must be from 1 second to 15 minutes", node.span);
        return None;
    }
    Some(timeout)
}

fn snapshots(node: &Node, problems: &mut Diagnostics) -> Option<SnapshotSettings> {
    let mut keys = Keys::of(node, "`snapshots`", problems)?;
    let store = keys.required("store", node.span, problems);
    let store = store.and_then(|node| node.text("`store`", problems)).map(str::to_owned);
    let mut every = SNAPSHOT_EVERY.0;
    set(keys.optional("every"), &mut every, |node| {
        let every = duration(node, "`every`", problems)?;
        if every < SNAPSHOT_EVERY.1 {
            problems.error("C034", "`every` must be at least 1 second", node.span);
            return None;
        }
        Some(every)
    });
    keys.finish(problems);
    Some(SnapshotSettings { store: store?, every })
}

/// Default and minimum of `snapshots.every`.
const SNAPSHOT_EVERY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1));

impl Http {
    fn read(&mut self, keys: &mut Keys<'_>, problems: &mut Diagnostics) {
        set(keys.optional("allow_remote"), &mut self.settings.allow_remote, |node| {
            node.boolean("`allow_remote`", problems)
        });
        set(keys.optional("listen"), &mut self.settings.listen, |node| {
            let address = node.text("`listen`", problems)?.parse::<SocketAddr>();
            if address.is_err() {
                problems
                    .error("C031", "`listen` must be an address and a port", node.span)
                    .help("e.g. `127.0.0.1:9464`");
            }
            address.ok()
        });
        let listen = self.settings.listen;
        if let Some(span) = keys.key_span("listen").filter(|_| !listen.ip().is_loopback())
            && !self.settings.allow_remote
        {
            problems
                .error("C041", format!("{listen} is reachable from other machines"), span)
                .label("refused by `run`")
                .help("listen on 127.0.0.1, or allow it with `allow_remote: true`");
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl Log {
    fn read(&mut self, keys: &mut Keys<'_>, problems: &mut Diagnostics) {
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        set(keys.optional("format"), &mut self.format, |node| {
            node.word("the log's format", &formats, problems)
        });
        set(keys.optional("level"), &mut self.level, |node| {
            let text = node.text("`level`", problems)?;
            let wrong = text.split(',').find_map(wrong_level);
            if let Some(wrong) = wrong {
                let near = nearest(wrong, LEVELS).map(|near| format!("did you mean `{near}`?"));
                problems
                    .error("C042", format!("`{wrong}` is not a level of the log"), node.span)
                    .label("unknown `level`")
                    .help(near.unwrap_or_else(|| {
                        format!("one of {}, or a list such as `info,tripline=debug`", LEVELS.join(", "))
                    }));
            }
            wrong.is_none().then(|| text.to_owned())
        });
    }
}

/// Levels of the log.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The level of a directive (`info`, or `module=debug`), if there is no such level.
fn wrong_level(directive: &str) -> Option<&str> {
    let level = directive.rsplit('=').next().unwrap_or_default().trim();
    (!LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level))).then_some(level)
}
