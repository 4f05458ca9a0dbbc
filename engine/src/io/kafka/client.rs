//! What all clients share: their log lines, their errors, and retries while a broker is unavailable.

use crate::runtime::report::Report;
use crate::runtime::shutdown::Shutdown;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the clients of a worker report their state.
#[derive(Clone, Debug)]
pub(super) struct Health {
    pub(super) worker: usize,
    pub(super) report: Arc<dyn Report>,
    pub(super) shutdown: Shutdown,
}

/// Facilities of log lines about single connections, which the client opens again. Every client of a process repeats
/// them; the watch of the brokers reports an outage once.
const CONNECTIONS: [&str; 4] = ["FAIL", "ERROR", "REQTMOUT", "GETPID"];

impl Health {
    pub(super) fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        let worker = self.worker;
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(worker, facility, "{line}")
            }
            // The library retries what it logs as an error.
            _ if CONNECTIONS.contains(&facility) || self.report.has_outage() => {
                tracing::debug!(worker, facility, "{line}")
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::warn!(worker, facility, "{line}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(worker, facility, "{line}"),
            RDKafkaLogLevel::Debug => tracing::debug!(worker, facility, "{line}"),
        }
    }

    /// An error of one client: counted. Whether brokers answer is for the watch to find out.
    pub(super) fn error(&self, error: &KafkaError, reason: &str) {
        if matches!(error.rdkafka_error_code(), Some(Code::PartitionEOF)) {
            return;
        }
        self.report.broker_error();
        tracing::debug!(worker = self.worker, reason, "client error: {error}");
    }
}

/// The context of clients that are in no group.
pub(super) struct PlainContext(pub(super) Health);

impl ClientContext for PlainContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(&error, reason);
    }
}

impl ConsumerContext for PlainContext {}

/// Whether an error is retriable: a broker is unavailable, a partition has no leader (which the client reports as
/// unknown), a coordinator moves, a rebalance runs.
pub(super) fn is_retriable(code: Code) -> bool {
    !matches!(
        code,
        Code::Fatal
            | Code::Fenced
            | Code::FencedInstanceId
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::AutoOffsetReset
            | Code::OffsetOutOfRange
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::InvalidTopic
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::MessageSizeTooLarge
            | Code::InvalidRecord
            | Code::InvalidConfig
            | Code::InvalidArgument
    )
}

/// Whether an error ends a producer but not its successor with the same id.
pub(super) fn fences(code: Code) -> bool {
    matches!(code, Code::Fatal | Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

/// Repeats a request until it succeeds or fails permanently, with growing pauses, within `patience`.
pub(super) fn retry<T>(
    patience: Duration,
    mut request: impl FnMut(Duration) -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        let left = patience.saturating_sub(began.elapsed());
        match request(left.clamp(Duration::from_millis(100), Duration::from_secs(5))) {
            Ok(answer) => return Ok(answer),
            Err(error) if left.is_zero() || !error.rdkafka_error_code().is_none_or(is_retriable) => {
                return Err(error);
            }
            Err(_) => std::thread::sleep(pause.min(left)),
        }
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retriable_error_is_retried_and_a_permanent_one_is_not() {
        let mut requests = 0;
        let answer = retry(Duration::from_secs(5), |_| {
            requests += 1;
            if requests < 3 {
                Err(KafkaError::MetadataFetch(Code::BrokerTransportFailure))
            } else {
                Ok(requests)
            }
        });
        assert_eq!(answer, Ok(3));
        let mut requests = 0;
        let answer: Result<(), _> = retry(Duration::from_secs(5), |_| {
            requests += 1;
            Err(KafkaError::MetadataFetch(Code::TopicAuthorizationFailed))
        });
        assert!(answer.is_err());
        assert_eq!(requests, 1);
    }
}
