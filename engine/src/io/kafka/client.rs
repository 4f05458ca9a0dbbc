//! What all clients share: their log lines, their errors, and asking again while a broker is away.

use crate::runtime::report::{Condition, Report};
use crate::runtime::shutdown::Shutdown;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the clients of a worker report.
#[derive(Clone, Debug)]
pub(super) struct Health {
    pub(super) worker: usize,
    pub(super) report: Arc<dyn Report>,
    pub(super) shutdown: Shutdown,
}

impl Health {
    pub(super) fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        let worker = self.worker;
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(worker, facility, "{line}")
            }
            // What the library calls an error, such as a refused connection, it tries again by itself.
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::warn!(worker, facility, "{line}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(worker, facility, "{line}"),
            RDKafkaLogLevel::Debug => tracing::debug!(worker, facility, "{line}"),
        }
    }

    pub(super) fn error(&self, error: &KafkaError, reason: &str) {
        if matches!(error.rdkafka_error_code(), Some(Code::PartitionEOF)) {
            return;
        }
        self.report.broker_error();
        let worker = self.worker;
        if error.rdkafka_error_code() == Some(Code::AllBrokersDown) {
            self.unreachable(reason);
        } else {
            tracing::debug!(worker, reason, "the client reports: {error}");
        }
    }

    /// No broker answers.
    pub(super) fn unreachable(&self, reason: &str) {
        let worker = self.worker;
        if self.report.raise(worker, Condition::Brokers, "no broker answers".to_owned()) {
            tracing::warn!(worker, reason, "no broker answers; the client goes on trying");
        }
    }

    /// A broker answered.
    pub(super) fn answered(&self) {
        if self.report.clear(self.worker, Condition::Brokers) {
            tracing::info!(worker = self.worker, "brokers answer again");
        }
    }
}

/// The context of clients that only read or ask.
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

/// What passes by itself: a broker away, a partition without a leader (which the client calls unknown), a coordinator that
/// moves, a rebalance.
pub(super) fn passes(code: Code) -> bool {
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

/// What ends a producer but not its successor of the same name.
pub(super) fn fences(code: Code) -> bool {
    matches!(code, Code::Fatal | Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

/// Asks until there is an answer, with growing pauses, as long as `patience` lasts.
pub(super) fn ask<T>(
    patience: Duration,
    mut question: impl FnMut(Duration) -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        let left = patience.saturating_sub(began.elapsed());
        match question(left.clamp(Duration::from_millis(100), Duration::from_secs(5))) {
            Ok(answer) => return Ok(answer),
            Err(fault) if left.is_zero() || !fault.rdkafka_error_code().is_none_or(passes) => {
                return Err(fault);
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
    fn a_passing_trouble_is_asked_again_and_a_lasting_one_is_not() {
        let mut asked = 0;
        let answer = ask(Duration::from_secs(5), |_| {
            asked += 1;
            if asked < 3 { Err(KafkaError::MetadataFetch(Code::BrokerTransportFailure)) } else { Ok(asked) }
        });
        assert_eq!(answer, Ok(3));
        let mut asked = 0;
        let answer: Result<(), _> = ask(Duration::from_secs(5), |_| {
            asked += 1;
            Err(KafkaError::MetadataFetch(Code::TopicAuthorizationFailed))
        });
        assert!(answer.is_err());
        assert_eq!(asked, 1);
    }
}
