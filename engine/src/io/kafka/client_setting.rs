//! Settings that are passed through to librdkafka: whether it has them, and which clients do. It needs no broker, and
//! shows no value.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// Why librdkafka refuses a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingError {
    /// It has no setting of this name.
    Unknown,
    /// The value is none of this setting, or the setting is not part of this build.
    Value,
}

/// Settings for TLS and SASL, which configurations pass through most often.
pub const FREQUENT_SETTINGS: [&str; 24] = [
    "client.rack",
    "enable.ssl.certificate.verification",
    "sasl.kerberos.keytab",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.keystore.location",
];

/// What a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientKind {
    /// It reads.
    Consumer,
    /// It writes, or sends requests of an administrator.
    Producer,
}

/// Settings that only a consumer has (`C` in librdkafka's CONFIGURATION.md).
const OF_CONSUMERS: [&str; 22] = [
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol.type",
    "heartbeat.interval.ms",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "offset.store.method",
    "offset.store.path",
    "offset.store.sync.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

/// Settings that only a producer has (`P` there).
const OF_PRODUCERS: [&str; 17] = [
    "batch.num.messages",
    "batch.size",
    "compression.codec",
    "compression.level",
    "compression.type",
    "delivery.report.only.error",
    "linger.ms",
    "message.send.max.retries",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queuing.strategy",
    "retries",
    "sticky.partitioning.linger.ms",
    "transactional.id",
];

impl ClientKind {
    /// Whether such a client has a setting: of one that it does not have it warns, and ignores it.
    pub(super) fn has(self, name: &str) -> bool {
        match self {
            ClientKind::Consumer => !OF_PRODUCERS.contains(&name),
            ClientKind::Producer => !OF_CONSUMERS.contains(&name),
        }
    }
}

/// What librdkafka refuses about a setting by itself.
pub fn setting_error(name: &str, value: &str) -> Option<SettingError> {
    match ClientConfig::new().set(name, value).create_native_config() {
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Some(SettingError::Unknown)
        }
        Err(_) => Some(SettingError::Value),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::KafkaSettings;
    use super::*;
    use rdkafka::ClientContext;
    use rdkafka::config::RDKafkaLogLevel;
    use rdkafka::consumer::{BaseConsumer, ConsumerContext};
    use rdkafka::message::DeliveryResult;
    use rdkafka::producer::{BaseProducer, ProducerContext};
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    /// Keeps what a client warns of in its configuration.
    #[derive(Clone, Default)]
    struct Warnings(Arc<Mutex<Vec<String>>>);

    impl ClientContext for Warnings {
        fn log(&self, _: RDKafkaLogLevel, facility: &str, line: &str) {
            if facility == "CONFWARN" {
                self.0.lock().unwrap().push(line.to_owned());
            }
        }
    }

    impl ConsumerContext for Warnings {}

    impl ProducerContext for Warnings {
        type DeliveryOpaque = ();

        fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
    }

    /// How many settings a client of this configuration ignores. Its log lines come with the first polls.
    fn ignored(config: &ClientConfig, kind: ClientKind) -> usize {
        let (warnings, began) = (Warnings::default(), Instant::now());
        let wait = Duration::from_millis(20);
        let poll: Box<dyn Fn()> = match kind {
            ClientKind::Consumer => {
                let client: BaseConsumer<Warnings> = config.create_with_context(warnings.clone()).unwrap();
                Box::new(move || drop(client.poll(wait)))
            }
            ClientKind::Producer => {
                let client: BaseProducer<Warnings> = config.create_with_context(warnings.clone()).unwrap();
                Box::new(move || client.poll(wait))
            }
        };
        while began.elapsed() < Duration::from_millis(300) {
            poll();
        }
        let lines = warnings.0.lock().unwrap();
        lines.iter().filter(|line| line.contains("will be ignored by this")).count()
    }

    #[test]
    fn a_client_is_given_the_settings_that_it_has() {
        let mut settings = KafkaSettings::new("127.0.0.1:1", "events", "tripline", "bank");
        let mut all = ClientConfig::new();
        for (name, value) in [
            ("client.rack", "a"),
            ("session.timeout.ms", "6000"),
            ("fetch.min.bytes", "1"),
            ("queue.buffering.max.ms", "5"),
            ("compression.codec", "zstd"),
        ] {
            settings.client.insert(name.to_owned(), value.to_owned());
            all.set(name, value);
        }
        let (consumer, producer) = (ClientKind::Consumer, ClientKind::Producer);
        assert!(ignored(&all, consumer) >= 2 && ignored(&all, producer) >= 2, "that is what it would ignore");
        assert_eq!(ignored(&settings.consumer(0), consumer), 0);
        assert_eq!(ignored(&settings.reader(0), consumer), 0);
        assert_eq!(ignored(&settings.plain_client(consumer, "test"), consumer), 0);
        assert_eq!(ignored(&settings.producer(0), producer), 0);
        assert_eq!(ignored(&settings.plain_client(producer, "test"), producer), 0);
        for (name, value) in [("client.rack", "a"), ("fetch.min.bytes", "1")] {
            assert_eq!(settings.consumer(0).get(name), Some(value));
        }
        assert_eq!(settings.producer(0).get("compression.codec"), Some("zstd"));
    }

    #[test]
    fn librdkafka_knows_its_settings_without_a_broker() {
        assert_eq!(setting_error("sasl.passwrod", "x"), Some(SettingError::Unknown));
        assert_eq!(setting_error("security.protocol", "tls"), Some(SettingError::Value));
        assert_eq!(setting_error("session.timeout.ms", "6000"), None);
        for name in FREQUENT_SETTINGS.into_iter().chain(OF_CONSUMERS).chain(OF_PRODUCERS) {
            assert_ne!(setting_error(name, ""), Some(SettingError::Unknown), "{name}");
        }
    }
}
