//! What can be set of the process beside its installation: plain values with their defaults. It does not depend on how
//! they are written in a configuration, nor what is done with them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The clock that sets the time of the input's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputClock {
    /// The broker's. No producer can change it.
    #[default]
    LogAppendTime,
    /// The producers', chosen explicitly.
    CreateTime,
}

/// Where a group without committed offsets begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    #[default]
    Earliest,
    /// Behind the newest record.
    Latest,
    /// Nowhere: offsets must be committed first.
    Error,
}

/// The delivery guarantee of the output topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Every alert at least once. After a crash it may be repeated, with the same id. It is readable as soon as it is
    /// written.
    AtLeastOnce,
    /// Every alert once, for consumers that read committed records.
    ExactlyOnce {
        /// After how long the broker ends the transaction of a process that does not respond. Until then consumers that
        /// read committed records wait on the partitions of the transaction.
        timeout: Duration,
        /// Shortest time between two commits. An alert waits for it, but not for the commit interval.
        min_gap: Duration,
    },
}

impl Guarantee {
    /// Exactly once, with its defaults.
    pub const EXACTLY_ONCE: Guarantee =
        Guarantee::ExactlyOnce { timeout: Duration::from_secs(10), min_gap: Duration::from_millis(2) };
}

/// Longest time between the judging of a record and its commit, unless it is configured.
pub const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

/// Name of a process in its group, unless it is configured.
pub const INSTANCE: &str = "0";

/// Worker threads, unless they are configured: one per processor.
pub fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Settings of the Kafka client that are passed through, by name. A value may be a password or a key: it is given to
/// the client and to nothing else, and no format shows it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientSettings(BTreeMap<String, String>);

impl ClientSettings {
    /// Sets a value.
    pub fn insert(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Names and values, for the client.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Whether a setting of the Kafka client is a secret, which does not belong into a configuration itself.
pub fn is_secret_key(name: &str) -> bool {
    name.contains("password") || name.ends_with(".pem") || name.ends_with("client.secret")
}

/// Why a setting of the Kafka client is controlled by Tripline and cannot be passed through; `None` when it can.
pub fn owned_key(key: &str) -> Option<&'static str> {
    let reason = match key {
        "bootstrap.servers" | "metadata.broker.list" => "use `brokers`",
        "group.id" => "use `group`",
        "group.instance.id" => "use `instance`",
        "group.protocol" | "group.remote.assignor" | "partition.assignment.strategy" => {
            "the group uses cooperative assignment with static members"
        }
        "enable.auto.commit"
        | "auto.commit.enable"
        | "auto.commit.interval.ms"
        | "enable.auto.offset.store" => "offsets are committed together with their outputs",
        "auto.offset.reset" => "use `start`; a group with committed offsets never skips input",
        "enable.partition.eof" => "idle shards are detected by it",
        "isolation.level" => "aborted records must not be judged",
        "transactional.id" | "transaction.timeout.ms" => "set by the delivery guarantee",
        "enable.idempotence" | "acks" | "request.required.acks" | "enable.gapless.guarantee" => {
            "alerts must neither be lost nor reordered"
        }
        "max.in.flight" | "max.in.flight.requests.per.connection" => {
            "alerts must neither be lost nor reordered"
        }
        "message.timeout.ms" | "delivery.timeout.ms" | "request.timeout.ms" => {
            "set by the delivery guarantee"
        }
        "partitioner" => "every topic is partitioned by murmur2, as Java clients do",
        "statistics.interval.ms" => "Tripline has its own metrics",
        "allow.auto.create.topics" => "topics are created explicitly, with their settings",
        "plugin.library.paths" => "no external code is loaded",
        _ if key.starts_with("test.") => "it is for tests",
        _ => return None,
    };
    Some(reason)
}

/// `snapshots:` of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// A folder, or the URL of an object store.
    pub store: String,
    /// How old the newest snapshot of a shard may become before the next one begins.
    pub every: Duration,
}

/// The listener of the HTTP endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether the address may be reachable from other machines: the endpoint shows how much the bank processes.
    pub allow_remote: bool,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings { listen: SocketAddr::from(([127, 0, 0, 1], 9_464)), allow_remote: false }
    }
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}
