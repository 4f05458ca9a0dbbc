//! Settings of the Kafka clients, and the librdkafka configurations derived from them.

use super::client_setting::ClientKind;
use crate::names::{OUTPUT_TOPICS, Topics};
use crate::runtime::recovery::Retention;
use crate::settings::{self, ClientSettings, Guarantee, InputClock, Start, owned_key};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use std::time::Duration;
use tripline_core::installation::Lookback;

/// How often a consumer looks for changes of its topics.
const METADATA_REFRESH: &str = "topic.metadata.refresh.interval.ms";

/// Settings of Kafka input and output.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// The input topic, keyed by account.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// This process among those of the group: a stable ordinal, the same after a restart.
    pub instance: String,
    /// The output topics' prefix.
    pub prefix: String,
    /// Threads, each with a consumer and a producer.
    pub workers: usize,
    /// Settings of the client passed through, such as TLS and SASL; see [`owned_key`].
    pub client: ClientSettings,
    /// Whose clock stamps the input.
    pub clock: InputClock,
    /// Where a new group begins.
    pub start: Start,
    /// Delivery guarantee of the output topics.
    pub guarantee: Guarantee,
    /// How long judged records may wait for their commit.
    pub commit_interval: Duration,
    /// Records of a batch at most, within [`BATCH_MAX_BOUNDS`].
    pub batch_max: usize,
    /// How far back a new shard is restored.
    pub lookback: Lookback,
    /// How long a request to the brokers (positions, metadata) is retried before the process ends.
    pub patience: Duration,
    /// How long the last commit may take after a shutdown request.
    pub stop_within: Duration,
}

/// What a topic's name is.
const TOPIC_FORM: &str = "names of topics have up to 249 letters, digits, `.`, `_` and `-`";
const TOPIC_CHARS_MAX: usize = 249;

/// Least and most of [`KafkaSettings::batch_max`].
pub const BATCH_MAX_BOUNDS: (usize, usize) = (1, 4_096);

impl KafkaSettings {
    /// Settings with every default, for these brokers, input topic, group and prefix.
    pub fn new(brokers: &str, topic: &str, group: &str, prefix: &str) -> KafkaSettings {
        KafkaSettings {
            brokers: brokers.to_owned(),
            topic: topic.to_owned(),
            group: group.to_owned(),
            instance: settings::INSTANCE.to_owned(),
            prefix: prefix.to_owned(),
            workers: settings::workers(),
            client: ClientSettings::default(),
            clock: InputClock::default(),
            start: Start::default(),
            guarantee: Guarantee::EXACTLY_ONCE,
            commit_interval: settings::COMMIT_INTERVAL,
            batch_max: 1_024,
            lookback: Lookback { input_ms: 0, verdicts_ms: 0, row_retention_ms: 0 },
            patience: Duration::from_secs(60),
            stop_within: Duration::from_secs(10),
        }
    }

    /// All errors; empty if the settings are valid.
    pub fn errors(&self) -> Vec<String> {
        let found = self.unusable().into_iter();
        let mut errors: Vec<String> = found.map(|(place, reason)| format!("`{place}` {reason}")).collect();
        if self.workers == 0 {
            errors.push("workers must be at least 1".to_owned());
        }
        let (least, most) = BATCH_MAX_BOUNDS;
        if !(least..=most).contains(&self.batch_max) {
            errors.push(format!("batch_max must be {least} to {most}, not {}", self.batch_max));
        }
        for (key, value) in self.client.values() {
            let refused = owned_key(key).map(str::to_owned).or_else(|| client_error(key, value));
            errors.extend(refused.map(|reason| format!("client.{key} cannot be set: {reason}")));
        }
        errors
    }

    /// What cannot work, by the place of the setting in the configuration.
    pub fn unusable(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for (place, value) in [("kafka.group", &self.group), ("kafka.instance", &self.instance)] {
            found.extend(value.is_empty().then(|| (place, "is empty".to_owned())));
        }
        let wrong = self.brokers.split(',').map(str::trim).find(|broker| !is_broker(broker));
        found.extend(
            wrong.map(|wrong| ("kafka.brokers", format!("names a broker `{wrong}`, not `host:port`"))),
        );
        if !is_topic(&self.topic) {
            found.push(("input.topic", format!("is `{}`: {TOPIC_FORM}", self.topic)));
        }
        let (names, prefix) = (self.topics(), &self.prefix);
        if prefix.is_empty() || OUTPUT_TOPICS.iter().any(|topic| !is_topic(names.name(*topic))) {
            found.push(("kafka.prefix", format!("is `{prefix}`: {TOPIC_FORM}")));
        }
        if OUTPUT_TOPICS.iter().any(|topic| names.name(*topic) == self.topic) {
            let reason = "is an output topic of `kafka.prefix`: what is written there would be read again, without end";
            found.push(("input.topic", reason.to_owned()));
        }
        if let Guarantee::ExactlyOnce { timeout, min_gap } = self.guarantee {
            let waits =
                [("delivery.commit.interval", self.commit_interval), ("delivery.commit.min_gap", min_gap)];
            for (place, wait) in waits.into_iter().filter(|(_, wait)| *wait >= timeout / 2) {
                let reason = format!(
                    "is {wait:?}, but `transaction_timeout` is {timeout:?}: it must be less than half of that, or the \
                     brokers abort transactions before they are committed"
                );
                found.push((place, reason));
            }
        }
        found
    }

    /// How soon after a commit the next may follow because an alert waits; none where alerts wait for no commit.
    pub(super) fn alert_gap(&self) -> Option<Duration> {
        match self.guarantee {
            Guarantee::AtLeastOnce => None,
            Guarantee::ExactlyOnce { min_gap, .. } => Some(min_gap),
        }
    }

    /// Retention that the input needs, with snapshots at this interval or without any.
    pub fn input_retention(&self, snapshots_every: Option<Duration>) -> Retention {
        Retention::of(self.lookback.input_ms, snapshots_every)
    }

    /// As [`KafkaSettings::input_retention`], for the verdicts.
    pub fn verdicts_retention(&self, snapshots_every: Option<Duration>) -> Retention {
        Retention::of(self.lookback.verdicts_ms, snapshots_every)
    }

    /// The output topics.
    pub fn topics(&self) -> Topics {
        Topics::under(&self.prefix)
    }

    fn with_defaults(&self, kind: ClientKind, role: &str, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", format!("tripline-{}-{role}", self.instance));
        config.set("socket.keepalive.enable", "true");
        config.set("reconnect.backoff.max.ms", "5000");
        for (key, value) in defaults {
            config.set(*key, *value);
        }
        // Those that the other kind of client has are not passed: librdkafka would warn of each.
        for (key, value) in self.client.values().filter(|(key, _)| owned_key(key).is_none() && kind.has(key))
        {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config.set("statistics.interval.ms", "0");
        config.set("allow.auto.create.topics", "false");
        config
    }

    /// The consumer of a worker. Public so that a benchmark's bare consumer has the same settings.
    pub fn consumer(&self, worker: usize) -> ClientConfig {
        let mut config = self.with_defaults(
            ClientKind::Consumer,
            &format!("consumer-{worker}"),
            &[
                // A quick restart must not move a shard: within this time the same instance may return.
                ("session.timeout.ms", "30000"),
                ("max.poll.interval.ms", "300000"),
                // At the default of 1 s a full queue leaves the engine waiting for that long.
                ("fetch.queue.backoff.ms", "20"),
                ("queued.min.messages", "200000"),
                ("queued.max.messages.kbytes", "65536"),
            ],
        );
        config.set("group.id", &self.group);
        config.set("group.instance.id", format!("{}-{worker}", self.instance));
        config.set("partition.assignment.strategy", "cooperative-sticky");
        if !self.client.names().any(|name| name == METADATA_REFRESH) {
            // Partitions that are added move accounts: the process must notice it within seconds, not minutes.
            config.set(METADATA_REFRESH, "5000");
        }
        // The end of a partition is reported, so that an idle shard is known to be idle.
        config.set("enable.partition.eof", "true");
        reading(&mut config);
        config
    }

    /// A consumer outside the group, which fetches positions and restores shards. It assigns partitions to itself: it
    /// never joins, and commits nothing but the first positions of a new group.
    pub(super) fn reader(&self, worker: usize) -> ClientConfig {
        let mut config = self.with_defaults(
            ClientKind::Consumer,
            &format!("reader-{worker}"),
            &[
                ("fetch.wait.max.ms", "20"),
                ("fetch.queue.backoff.ms", "20"),
                ("queued.max.messages.kbytes", "65536"),
            ],
        );
        config.set("group.id", &self.group);
        config.set("enable.partition.eof", "true");
        reading(&mut config);
        config
    }

    /// The producer of a worker.
    pub(super) fn producer(&self, worker: usize) -> ClientConfig {
        // What waits behind five records of its partition that are under way keeps the client's thread spinning, unless
        // it lingers. In a transaction there is time: the positions are on their way meanwhile.
        let linger_ms = if self.guarantee == Guarantee::AtLeastOnce { "0" } else { "1" };
        let mut config = self.with_defaults(
            ClientKind::Producer,
            &format!("producer-{worker}"),
            &[
                ("linger.ms", linger_ms),
                ("queue.buffering.max.messages", "100000"),
                ("queue.buffering.max.kbytes", "65536"),
            ],
        );
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("partitioner", "murmur2_random");
        match self.guarantee {
            Guarantee::AtLeastOnce => {
                config.set("message.timeout.ms", "120000");
            }
            Guarantee::ExactlyOnce { timeout, .. } => {
                // The same after a restart: a random one would leave the dead one's transaction to its time-out.
                config.set("transactional.id", self.transactional_id(worker));
                let ms = timeout.as_millis().to_string();
                config.set("transaction.timeout.ms", &ms);
                config.set("message.timeout.ms", &ms);
                // A transaction that follows at once meets the end of the one before, and asks again after this time.
                config.set("retry.backoff.ms", "1");
                config.set("retry.backoff.max.ms", "2");
                // Every connection that breaks is reported: what was under way on it may still arrive at the broker.
                let asked = config.get("debug").map(|asked| format!("{asked},broker"));
                config.set("debug", asked.as_deref().unwrap_or("broker"));
                config.set_log_level(RDKafkaLogLevel::Debug);
            }
        }
        config
    }

    /// The id of a worker's transactions, which are the cluster's: two groups or instances never have the same,
    /// whatever their names. It begins with the group's name, unless that contains `/` or `%`.
    fn transactional_id(&self, worker: usize) -> String {
        let part = |name: &str| name.replace('%', "%25").replace('/', "%2F");
        format!("{}/{}/{worker}", part(&self.group), part(&self.instance))
    }

    /// A client without settings of its own, in no group.
    pub(super) fn plain_client(&self, kind: ClientKind, role: &str) -> ClientConfig {
        self.with_defaults(kind, role, &[])
    }
}

/// Why the client refuses a setting of its own, without the value: it may be a secret, and the client's messages quote
/// it.
fn client_error(name: &str, value: &str) -> Option<String> {
    let refused = ClientConfig::new().set(name, value).create_native_config().err()?;
    Some(match refused {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..) => {
            "the Kafka client has no such setting".to_owned()
        }
        _ => "the Kafka client does not accept this value".to_owned(),
    })
}

/// Whether a text is `host:port`, `host` or either with a protocol, as the client takes it.
fn is_broker(text: &str) -> bool {
    let address = text.split_once("://").map_or(text, |(_, address)| address);
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (address, "0"),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]%".contains(c);
    !host.is_empty() && host.chars().all(is_host) && port.parse::<u16>().is_ok()
}

/// Whether a topic can have this name.
fn is_topic(name: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=TOPIC_CHARS_MAX).contains(&name.len()) && name.chars().all(is_legal) && name != "." && name != ".."
}

fn reading(config: &mut ClientConfig) {
    config.set("enable.auto.commit", "false");
    config.set("enable.auto.offset.store", "false");
    config.set("auto.offset.reset", "error");
    config.set("isolation.level", "read_committed");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> KafkaSettings {
        KafkaSettings::new("127.0.0.1:9092", "events", "tripline", "bank")
    }

    #[test]
    fn tls_and_scram_are_built_in() {
        let features = ClientConfig::new().create_native_config().unwrap().get("builtin.features").unwrap();
        for feature in ["ssl", "sasl_scram", "sasl_plain", "gzip", "zstd"] {
            assert!(features.split(',').any(|built| built == feature), "{feature} is missing in {features}");
        }
    }

    #[test]
    fn outputs_linger_in_transactions_only_unless_the_configuration_says_how_long() {
        let mut settings = settings();
        assert_eq!(settings.producer(0).get("linger.ms"), Some("1"));
        settings.guarantee = Guarantee::AtLeastOnce;
        assert_eq!(settings.producer(0).get("linger.ms"), Some("0"));
        settings.client.insert("linger.ms".to_owned(), "5".to_owned());
        assert_eq!(settings.producer(0).get("linger.ms"), Some("5"));
    }

    #[test]
    fn groups_and_instances_never_share_a_transactional_id() {
        let names =
            ["a", "b", "a-b", "b-a", "a/b", "b/a", "a/", "/b", "a%2Fb", "a%", "%2F", "2F", "a/b/0", "0"];
        let mut ids = std::collections::BTreeMap::new();
        for (group, instance) in names.iter().flat_map(|group| names.map(|instance| (group, instance))) {
            for worker in [0, 1, 10] {
                let mut settings = settings();
                (settings.group, settings.instance) = ((*group).to_owned(), instance.to_owned());
                let config = settings.producer(worker);
                let id = config.get("transactional.id").unwrap().to_owned();
                let other = ids.insert(id.clone(), (*group, instance, worker));
                assert_eq!(other, None, "{id} is also that of {group}, {instance}, {worker}");
            }
        }
        assert_eq!(settings().producer(0).get("transactional.id"), Some("tripline/0/0"));
    }

    #[test]
    fn tls_and_scram_settings_reach_both_clients() {
        let mut settings = settings();
        for (key, value) in [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanisms", "SCRAM-SHA-512"),
            ("sasl.username", "tripline"),
            ("session.timeout.ms", "6000"),
        ] {
            settings.client.insert(key.to_owned(), value.to_owned());
        }
        assert_eq!(settings.errors(), Vec::<String>::new());
        for config in [settings.consumer(1), settings.producer(1), settings.reader(1)] {
            assert_eq!(config.get("security.protocol"), Some("SASL_SSL"));
            assert_eq!(config.get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
        }
        assert_eq!(settings.consumer(1).get("session.timeout.ms"), Some("6000"));
        assert_eq!(settings.consumer(1).get("group.instance.id"), Some("0-1"));
    }

    #[test]
    fn what_cannot_work_is_named_by_its_place() {
        let found = |change: &dyn Fn(&mut KafkaSettings)| {
            let mut settings = settings();
            change(&mut settings);
            settings.unusable().into_iter().map(|(place, _)| place).collect::<Vec<_>>()
        };
        for brokers in ["a:9092", "a", "[::1]:9092, b.example:1", "SSL://a:9092"] {
            assert!(found(&|settings| settings.brokers = brokers.to_owned()).is_empty(), "{brokers}");
        }
        for brokers in ["", "not a broker", "a:9092,", "a:kafka", ":9092", "a:99999"] {
            let found = found(&|settings| settings.brokers = brokers.to_owned());
            assert_eq!(found, ["kafka.brokers"], "{brokers}");
        }
        for prefix in ["", "a b/c", "ü", &"p".repeat(240)] {
            assert_eq!(found(&|settings| settings.prefix = prefix.to_owned()), ["kafka.prefix"], "{prefix}");
        }
        for topic in ["bank.alerts", "bank.verdicts", "bank.dead-letters", "bank.late", "", "a b"] {
            assert_eq!(found(&|settings| settings.topic = topic.to_owned()), ["input.topic"], "{topic}");
        }
        // At half of the time-out a commit may come too late.
        let wait = |ms, gap_ms| {
            found(&|settings| {
                let [interval, min_gap, timeout] = [ms, gap_ms, 10_000].map(Duration::from_millis);
                settings.commit_interval = interval;
                settings.guarantee = Guarantee::ExactlyOnce { timeout, min_gap };
            })
        };
        assert!(wait(4_999, 4_999).is_empty());
        assert_eq!(wait(5_000, 1), ["delivery.commit.interval"]);
        assert_eq!(wait(1, 5_000), ["delivery.commit.min_gap"]);
    }

    #[test]
    fn what_the_guarantee_rests_on_cannot_be_passed_through() {
        let mut settings = settings();
        settings.workers = 0;
        settings.client.insert("enable.auto.commit".to_owned(), "true".to_owned());
        settings.client.insert("isolation.level".to_owned(), "read_uncommitted".to_owned());
        let errors = settings.errors();
        assert_eq!(errors.len(), 3, "all at once: {errors:?}");
        assert!(errors[1].starts_with("client.enable.auto.commit cannot be set"), "{errors:?}");
        assert_eq!(settings.consumer(0).get("isolation.level"), Some("read_committed"));
    }

    #[test]
    fn a_setting_unknown_to_the_client_is_an_error() {
        let mut settings = settings();
        for (name, value) in
            [("sasl.passwrod", "hunter2"), ("ssl.endpoint.identification.algorithm", "hunter3")]
        {
            settings.client.insert(name.to_owned(), value.to_owned());
        }
        let errors = settings.errors();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].contains("sasl.passwrod"), "{errors:?}");
        let shown = format!("{errors:?} {settings:?}");
        assert!(!shown.contains("hunter") && shown.contains("ssl.endpoint"), "no value is shown: {shown}");
    }
}
