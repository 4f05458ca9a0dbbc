//! An in-process broker for the demo and tests: librdkafka's mock cluster, which any Kafka client can reach.
//!
//! It keeps 5 MiB or 100,000 message sets per partition, has no transactions, retention or restart, and stamps
//! records with their producer's time ([`InputClock::CreateTime`](crate::settings::InputClock::CreateTime)).

use crate::names::Topics;
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// A cluster of one broker on loopback. It ends when it is dropped.
pub struct MockBroker(pub(super) MockCluster<'static, DefaultProducerContext>);

/// The in-process broker could not be started, or a topic not be made.
#[derive(Debug, thiserror::Error)]
#[error("in-process broker: {0}")]
pub struct MockError(#[from] KafkaError);

impl MockBroker {
    /// Starts the broker.
    ///
    /// # Errors
    /// When it cannot listen on loopback.
    pub fn start() -> Result<MockBroker, MockError> {
        Ok(MockBroker(MockCluster::new(1)?))
    }

    /// `host:port` for any Kafka client.
    pub fn brokers(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// When it exists with other settings.
    pub fn topic(&self, name: &str, partitions: u32) -> Result<(), MockError> {
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        Ok(self.0.create_topic(name, partitions, 1)?)
    }

    /// Makes the input topic and those under a prefix, all with so many partitions.
    ///
    /// # Errors
    /// As [`MockBroker::topic`].
    pub fn topics(&self, input: &str, prefix: &str, partitions: u32) -> Result<(), MockError> {
        let names = Topics::under(prefix);
        self.topic(input, partitions)?;
        crate::names::OUTPUT_TOPICS.iter().try_for_each(|topic| self.topic(names.name(*topic), partitions))
    }
}
