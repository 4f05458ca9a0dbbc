//! The topics of an installation: checks before the first record is read (existence, partitions, timestamp type of the
//! input), and their creation.

use super::client::{PlainContext, retry};
use super::client_setting::ClientKind;
use super::settings::KafkaSettings;
use crate::names::OUTPUT_TOPICS;
use crate::runtime::recovery::Retention;
use crate::runtime::source::SourceError;
use crate::settings::InputClock;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::time::Duration;
use tripline_core::outputs::Topic;
use tripline_rules::time::DAY_MS;

pub(super) const STAMP: &str = "message.timestamp.type";
pub(super) const RETENTION: &str = "retention.ms";
pub(super) const CLEANUP: &str = "cleanup.policy";
/// Least retention of a topic that is created here, longer than a process is usually down.
const RETENTION_MIN_MS: i64 = 7 * DAY_MS;

/// Checks topics and clock. Returns the input's number of partitions.
///
/// # Errors
/// When a topic is missing, partition counts do not fit, or the clock is not the one configured.
pub(super) fn check(
    settings: &KafkaSettings,
    consumer: &BaseConsumer<PlainContext>,
) -> Result<u32, SourceError> {
    let count = |topic: &str| partitions(settings, consumer, topic);
    let input = count(&settings.topic)?;
    let names = settings.topics();
    for topic in OUTPUT_TOPICS {
        let name = names.name(topic);
        let found = count(name)?;
        if topic == Topic::Verdicts && found != input {
            let reason =
                format!("the verdicts topic has {found} partitions; it needs as many as the input, {input}");
            return Err(stopped(name, reason));
        }
    }
    if settings.clock == InputClock::LogAppendTime {
        check_clock(settings)?;
    }
    Ok(input)
}

pub(super) fn stopped(place: &str, reason: impl ToString) -> SourceError {
    SourceError::Stopped { place: place.to_owned(), reason: reason.to_string() }
}

fn partitions(
    settings: &KafkaSettings,
    consumer: &BaseConsumer<PlainContext>,
    topic: &str,
) -> Result<u32, SourceError> {
    match count(settings.patience, consumer, topic)? {
        Some(found) => Ok(found),
        None => Err(stopped(topic, "the topic does not exist; `tripline topics --create` creates it")),
    }
}

/// Number of partitions of a topic; `None` if it does not exist.
pub(super) fn count<C: ConsumerContext>(
    patience: Duration,
    consumer: &BaseConsumer<C>,
    topic: &str,
) -> Result<Option<u32>, SourceError> {
    let found = retry(patience, |wait| {
        // Serves the client's log lines, too.
        let _ = consumer.poll(Duration::ZERO);
        let metadata = consumer.fetch_metadata(Some(topic), wait)?;
        Ok(metadata.topics().first().map_or(0, |topic| topic.partitions().len()))
    })
    .map_err(|error| stopped(topic, error))?;
    Ok(u32::try_from(found).ok().filter(|found| *found > 0))
}

/// Refuses a topic whose timestamps are set by producers. If the broker does not report the type, each message is
/// checked when it is read.
fn check_clock(settings: &KafkaSettings) -> Result<(), SourceError> {
    let admin = admin(settings).map_err(|error| stopped(&settings.topic, error))?;
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
    let described = wait_for(admin.describe_configs(&[ResourceSpecifier::Topic(&settings.topic)], &options));
    let answer = described.ok().and_then(|all| all.into_iter().next()).and_then(Result::ok);
    let stamp = answer.as_ref().and_then(|topic| topic.get(STAMP)).and_then(|entry| entry.value.as_deref());
    match stamp {
        Some("CreateTime") => Err(SourceError::Clock { topic: settings.topic.clone() }),
        Some(_) => Ok(()),
        None => {
            tracing::debug!(topic = settings.topic, "the broker does not report {STAMP}");
            Ok(())
        }
    }
}

/// Creates the missing topics: the input with the timestamp type that is configured, the output topics with broker
/// timestamps. The retention of topics that recovery reads covers a recovery without a snapshot. Without `replication`,
/// the brokers' default applies.
///
/// # Errors
/// When the brokers refuse.
pub fn create_topics(
    settings: &KafkaSettings,
    partitions: u32,
    replication: Option<u32>,
) -> Result<(), SourceError> {
    let names = settings.topics();
    let retention = |needed: Retention| needed.alone_ms.max(RETENTION_MIN_MS).to_string();
    let (input, verdicts) =
        (retention(settings.input_retention(None)), retention(settings.verdicts_retention(None)));
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    let replicas = replication.map_or(-1, |replicas| i32::try_from(replicas).unwrap_or(i32::MAX));
    let stamped_by = |name, clock| {
        let topic = NewTopic::new(name, count, TopicReplication::Fixed(replicas));
        topic.set(STAMP, clock).set(CLEANUP, "delete")
    };
    let clock = match settings.clock {
        InputClock::LogAppendTime => "LogAppendTime",
        InputClock::CreateTime => "CreateTime",
    };
    let mut topics = vec![stamped_by(&settings.topic, clock).set(RETENTION, &input)];
    let new = |name| stamped_by(name, "LogAppendTime");
    topics.extend(OUTPUT_TOPICS.iter().map(|topic| match topic {
        Topic::Verdicts => new(names.name(*topic)).set(RETENTION, &verdicts),
        Topic::Alerts | Topic::DeadLetters | Topic::Late => new(names.name(*topic)),
    }));
    let admin = admin(settings).map_err(|error| stopped(&settings.topic, error))?;
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let answers =
        wait_for(admin.create_topics(&topics, &options)).map_err(|error| stopped(&settings.topic, error))?;
    for answer in answers {
        match answer {
            Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(stopped(&topic, code)),
        }
    }
    Ok(())
}

pub(super) fn admin(settings: &KafkaSettings) -> Result<AdminClient<DefaultClientContext>, KafkaError> {
    settings.plain_client(ClientKind::Producer, "admin").create()
}

/// The admin client returns futures; here one request is sent at a time.
pub(super) fn wait_for<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without any driver can be built")
        .block_on(answer)
}
