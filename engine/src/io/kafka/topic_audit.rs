//! Checks that the topics of an installation exist and are configured for `run` and for recovery. It changes nothing.

use super::client_setting::ClientKind;
use super::note;
use super::settings::KafkaSettings;
use super::stamps::{Stamps, first_stamps};
use super::topics::{CLEANUP, RETENTION, STAMP, admin, count, stopped, wait_for};
use crate::io::snapshot::Catalogue;
use crate::names::{OUTPUT_TOPICS, topic_label};
use crate::runtime::recovery::Retention;
use crate::runtime::source::SourceError;
use crate::settings::InputClock;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tripline_core::outputs::Topic;
use tripline_core::snapshot::InputTopic;

/// Time-out of metadata requests.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Time-out of requests for topic settings; some brokers never answer them.
const DESCRIBED_WITHIN: Duration = Duration::from_secs(5);
const RETENTION_BYTES: &str = "retention.bytes";
/// The role of the input topic; the roles of the others are their labels.
const INPUT: &str = "input";

/// One inspected topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditedTopic {
    /// Its name.
    pub topic: String,
    /// `input`, or the label of the output topic.
    pub role: &'static str,
    /// Number of partitions; `None` if the topic does not exist.
    pub partitions: Option<u32>,
    /// Retention, ms; −1 is unlimited; `None` if the brokers do not report it.
    pub retention_ms: Option<i64>,
    /// Retention that recovery needs without a snapshot, ms; `None` if recovery does not read the topic.
    pub needed_ms: Option<i64>,
    /// `LogAppendTime` or `CreateTime`.
    pub stamped: Option<String>,
    /// Of the input: who set the timestamps of the first records that `run` would read; `None` if none could be read.
    pub stamps: Option<Stamps>,
    /// `delete`, `compact` or both.
    pub cleanup: Option<String>,
    /// Problems of the topic.
    pub findings: Vec<Finding>,
}

/// A problem of a topic, and whether it is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether `run` or recovery fails because of it.
    #[serde(rename = "is_fault")]
    pub is_error: bool,
    /// The problem.
    #[serde(flatten)]
    pub problem: Problem,
}

/// A problem of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "flaw", rename_all = "snake_case")]
pub enum Problem {
    /// The topic does not exist.
    Missing,
    /// Its number of partitions differs from the input's.
    Partitions {
        /// The input's.
        needed: u32,
    },
    /// Its retention is shorter than recovery reads back.
    Retention {
        /// Retention that is needed, ms.
        needed_ms: i64,
        /// Whether it is needed only without a usable snapshot.
        without_snapshot: bool,
    },
    /// The group's state was built for another number of partitions.
    Repartitioned {
        /// For how many.
        built_for: u32,
    },
    /// A size limit may delete records before the retention time.
    Bytes {
        /// Bytes that a partition retains.
        bytes: i64,
    },
    /// Its timestamps are set by producers, not by the broker.
    Stamped,
    /// Records that `run` would read have timestamps of their producers, from before the topic was changed.
    OldStamps {
        /// Partitions with such records.
        partitions: usize,
        /// One of them.
        partition: i32,
        /// Offset of its first such record.
        offset: i64,
        /// Whether only a restore without a snapshot reads them.
        without_snapshot: bool,
    },
    /// `run` would trust producers' timestamps, and every record that it would read has the broker's.
    BrokerStamps,
    /// It is compacted.
    Compacted,
    /// The brokers do not report its settings.
    #[serde(rename = "untold")]
    SettingsUnknown,
}

/// What is required of a topic.
struct Need {
    role: &'static str,
    /// Required partitions: the input's, if they are known and the topic is not the input.
    partitions: Option<u32>,
    keep: Option<Retention>,
    /// Whether broker timestamps are recommended, and whether they are required.
    stamped: (bool, bool),
    /// Whether the engine reads the topic, so that its problems are errors.
    is_read: bool,
}

/// Inspects the input and the output topics, in that order. `snapshots_every`: the interval of a shard's snapshots.
/// `snapshots`: those of the group, where they are to be looked at.
///
/// # Errors
/// When no broker responds.
pub fn audit_topics(
    settings: &KafkaSettings,
    snapshots_every: Option<Duration>,
    snapshots: Option<&Catalogue>,
) -> Result<Vec<AuditedTopic>, SourceError> {
    let failed = |error: KafkaError| stopped(&settings.brokers, error);
    let consumer: BaseConsumer =
        settings.plain_client(ClientKind::Consumer, "topics").create().map_err(failed)?;
    let names = settings.topics();
    let partitions_of = |name: &str| count(ANSWER_WITHIN, &consumer, name);
    let input = partitions_of(&settings.topic)?;
    let mut found = vec![(settings.topic.as_str(), INPUT, input)];
    for topic in OUTPUT_TOPICS {
        let name = names.name(topic);
        found.push((name, topic_label(topic), partitions_of(name)?));
    }
    let present: Vec<&str> =
        found.iter().filter(|(_, _, count)| count.is_some()).map(|(name, ..)| *name).collect();
    let mut described = describe(settings, &present)?.into_iter();
    let audited = found.into_iter().map(|(name, role, partitions)| {
        let resource = partitions.and_then(|_| described.next()).flatten();
        let need = need(settings, role, input, snapshots_every);
        inspected(name, partitions, resource.as_ref(), &need)
    });
    let mut audited: Vec<AuditedTopic> = audited.collect();
    if let Some(partitions) = input {
        let keep = settings.input_retention(snapshots_every);
        let input = &mut audited[0];
        let in_snapshots = || {
            let cluster = consumer.client().fetch_cluster_id(ANSWER_WITHIN).unwrap_or_default();
            snapshots?.written_for(&InputTopic::new(&cluster, &settings.topic, partitions))
        };
        // Without the right to read, `run` fails with its own error.
        let built_for = built_for(settings, partitions).ok().flatten().or_else(in_snapshots);
        let problem = built_for.map(|built_for| Problem::Repartitioned { built_for });
        input.findings.extend(problem.map(|problem| Finding { is_error: true, problem }));
        input.stamps = first_stamps(settings, partitions, keep.alone_ms).ok();
        input.findings.extend(
            input
                .stamps
                .as_ref()
                .and_then(|stamps| stamped(stamps, settings.clock, input.stamped.as_deref(), keep)),
        );
    }
    Ok(audited)
}

/// For how many partitions the group's committed state was built, if not for so many.
fn built_for(settings: &KafkaSettings, partitions: u32) -> Result<Option<u32>, KafkaError> {
    let mut config = settings.reader(0);
    let consumer: BaseConsumer = config.set("isolation.level", "read_uncommitted").create()?;
    let mut all = TopicPartitionList::new();
    all.add_partition_range(&settings.topic, 0, i32::try_from(partitions).unwrap_or(i32::MAX) - 1);
    let committed = consumer.committed_offsets(all, ANSWER_WITHIN)?;
    let elements = committed.elements();
    let mut counts = elements.iter().filter_map(|element| note::partitions(element.metadata()));
    Ok(counts.find(|count| *count != partitions))
}

/// What the timestamps of the first records that `run` would read mean for it.
fn stamped(stamps: &Stamps, clock: InputClock, now: Option<&str>, keep: Retention) -> Option<Finding> {
    let (next, restored) = (&stamps.next_by_producer, &stamps.restored_by_producer);
    let old = |found: &BTreeMap<i32, i64>, without_snapshot| {
        let (partition, offset) = found.first_key_value().map(|(partition, offset)| (*partition, *offset))?;
        Some(Problem::OldStamps { partitions: found.len(), partition, offset, without_snapshot })
    };
    match clock {
        // Nothing but such records: the topic itself is the problem.
        InputClock::LogAppendTime if now == Some("CreateTime") => None,
        InputClock::LogAppendTime => match old(next, false) {
            Some(problem) => Some(Finding { is_error: true, problem }),
            None => {
                let is_error = keep.behind_snapshot_ms.is_none();
                old(restored, true).map(|problem| Finding { is_error, problem })
            }
        },
        InputClock::CreateTime => {
            let is_brokers = now == Some("LogAppendTime") && next.is_empty() && restored.is_empty();
            (is_brokers && stamps.read > 0)
                .then_some(Finding { is_error: false, problem: Problem::BrokerStamps })
        }
    }
}

/// The settings of topics, in their order; `None` for those that the brokers do not report.
fn describe(settings: &KafkaSettings, topics: &[&str]) -> Result<Vec<Option<ConfigResource>>, SourceError> {
    let admin = admin(settings).map_err(|error| stopped(&settings.brokers, error))?;
    let options = AdminOptions::new().request_timeout(Some(DESCRIBED_WITHIN));
    let mut described = Vec::new();
    let mut is_answered = true;
    for topic in topics {
        // One request at a time: the response to several need not be in their order. Brokers that do not answer one
        // request will not answer the next.
        let answer = is_answered
            .then(|| wait_for(admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options)));
        is_answered = matches!(answer, Some(Ok(_)));
        let resource = answer.and_then(Result::ok).and_then(|all| all.into_iter().next());
        described.push(resource.and_then(Result::ok));
    }
    Ok(described)
}

fn need(
    settings: &KafkaSettings,
    role: &'static str,
    input: Option<u32>,
    snapshots_every: Option<Duration>,
) -> Need {
    let by_append = settings.clock == InputClock::LogAppendTime;
    let verdicts = topic_label(Topic::Verdicts);
    if role == INPUT {
        let keep = Some(settings.input_retention(snapshots_every));
        return Need { role, partitions: None, keep, stamped: (by_append, by_append), is_read: true };
    }
    let is_read = role == verdicts;
    let keep = is_read.then(|| settings.verdicts_retention(snapshots_every));
    Need { role, partitions: input, keep, stamped: (true, is_read), is_read }
}

fn inspected(
    topic: &str,
    partitions: Option<u32>,
    resource: Option<&ConfigResource>,
    need: &Need,
) -> AuditedTopic {
    let setting = |name: &str| resource.and_then(|all| all.get(name)).and_then(|entry| entry.value.clone());
    let number = |name: &str| setting(name).and_then(|value| value.parse().ok());
    let mut audited = AuditedTopic {
        topic: topic.to_owned(),
        role: need.role,
        partitions,
        retention_ms: number(RETENTION),
        needed_ms: need.keep.map(|keep| keep.alone_ms),
        stamped: setting(STAMP),
        stamps: None,
        cleanup: setting(CLEANUP),
        findings: Vec::new(),
    };
    audited.findings = findings(&audited, number(RETENTION_BYTES), need);
    audited
}

fn findings(found: &AuditedTopic, bytes: Option<i64>, need: &Need) -> Vec<Finding> {
    let Some(partitions) = found.partitions else {
        return vec![Finding { is_error: true, problem: Problem::Missing }];
    };
    let mut findings = Vec::new();
    let mut add = |is_error: bool, problem: Problem| findings.push(Finding { is_error, problem });
    if let Some(needed) = need.partitions.filter(|needed| *needed != partitions) {
        add(need.is_read, Problem::Partitions { needed });
    }
    if found.retention_ms.is_none() && found.stamped.is_none() && found.cleanup.is_none() {
        add(true, Problem::SettingsUnknown);
        return findings;
    }
    if let (Some(keep), Some(retained)) = (need.keep, found.retention_ms.filter(|ms| *ms >= 0)) {
        if retained < keep.least_ms() {
            let without_snapshot = keep.behind_snapshot_ms.is_none();
            add(true, Problem::Retention { needed_ms: keep.least_ms(), without_snapshot });
        } else if retained < keep.alone_ms {
            add(false, Problem::Retention { needed_ms: keep.alone_ms, without_snapshot: true });
        }
    }
    if let (Some(_), Some(bytes)) = (need.keep, bytes.filter(|bytes| *bytes >= 0)) {
        add(false, Problem::Bytes { bytes });
    }
    let (is_wanted, must) = need.stamped;
    if is_wanted && found.stamped.as_deref() == Some("CreateTime") {
        add(must, Problem::Stamped);
    }
    if found.cleanup.as_deref().is_some_and(|policy| policy.contains("compact")) {
        add(need.is_read, Problem::Compacted);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use tripline_core::installation::Lookback;

    const DAY: i64 = 86_400_000;

    fn settings() -> KafkaSettings {
        let mut settings = KafkaSettings::new("127.0.0.1:9092", "events", "tripline", "bank");
        settings.lookback = Lookback { input_ms: 90 * DAY, verdicts_ms: 2 * DAY, row_retention_ms: 90 * DAY };
        settings
    }

    /// Findings for a topic of 12 partitions with this retention in days, where the input has 12, too.
    fn found(role: &'static str, days: i64, every: Option<Duration>) -> Vec<(bool, Problem)> {
        let need = need(&settings(), role, Some(12), every);
        let mut audited = inspected("t", Some(12), None, &need);
        audited.retention_ms = Some(days * DAY);
        audited.stamped = Some("LogAppendTime".to_owned());
        audited.cleanup = Some("delete".to_owned());
        findings(&audited, Some(-1), &need).into_iter().map(|one| (one.is_error, one.problem)).collect()
    }

    #[test]
    fn a_retention_shorter_than_recovery_reads_is_an_error_and_with_snapshots_a_warning() {
        assert_eq!(found(INPUT, 90, None), []);
        let short = |without_snapshot, needed_ms| Problem::Retention { needed_ms, without_snapshot };
        assert_eq!(found(INPUT, 7, None), [(true, short(true, 90 * DAY))]);
        let hourly = Some(Duration::from_secs(3_600));
        assert_eq!(found(INPUT, 7, hourly), [(false, short(true, 90 * DAY))]);
        assert_eq!(found(INPUT, 0, hourly), [(true, short(false, 3 * 3_600_000))]);
        assert_eq!(found("verdicts", 7, None), [], "it is read back for two days");
        assert_eq!(found("alerts", 0, None), [], "nobody recovers from alerts");
    }

    fn stamps(read: usize, next: &[(i32, i64)], restored: &[(i32, i64)]) -> Stamps {
        let offsets = |of: &[(i32, i64)]| of.iter().copied().collect();
        Stamps { read, next_by_producer: offsets(next), restored_by_producer: offsets(restored) }
    }

    #[test]
    fn records_of_before_a_topic_was_changed_are_an_error_where_run_would_stop_at_them() {
        let found = |stamps: &Stamps, clock, every| {
            let found = stamped(stamps, clock, Some("LogAppendTime"), Retention::of(90 * DAY, every));
            found.map(|one| (one.is_error, one.problem))
        };
        let old = |partition, offset, without_snapshot| {
            Some(Problem::OldStamps { partitions: 1, partition, offset, without_snapshot })
        };
        let (by_append, by_create) = (InputClock::LogAppendTime, InputClock::CreateTime);
        let hourly = Some(Duration::from_secs(3_600));
        for every in [None, hourly] {
            assert_eq!(
                found(&stamps(4, &[(3, 17)], &[(1, 5)]), by_append, every),
                Some(true).zip(old(3, 17, false))
            );
            assert_eq!(found(&stamps(4, &[], &[]), by_append, every), None);
        }
        let restored = stamps(4, &[], &[(1, 5)]);
        assert_eq!(found(&restored, by_append, None), Some(true).zip(old(1, 5, true)));
        assert_eq!(
            found(&restored, by_append, hourly),
            Some(false).zip(old(1, 5, true)),
            "a snapshot may do"
        );
        assert_eq!(found(&restored, by_create, None), None, "it is what `create_time` is for");
        assert_eq!(found(&stamps(4, &[], &[]), by_create, None), Some((false, Problem::BrokerStamps)));
        assert_eq!(found(&stamps(0, &[], &[]), by_create, None), None, "an empty topic says nothing");
        let all =
            stamped(&stamps(4, &[(0, 0)], &[]), by_append, Some("CreateTime"), Retention::of(DAY, None));
        assert_eq!(all, None, "the topic itself is the error");
    }

    #[test]
    fn problems_are_errors_on_topics_that_the_engine_reads_and_warnings_on_others() {
        for (role, is_error) in [("verdicts", true), ("alerts", false)] {
            let need = need(&settings(), role, Some(48), None);
            let mut audited = inspected("t", Some(12), None, &need);
            assert_eq!(audited.findings.last().unwrap().problem, Problem::SettingsUnknown);
            audited.retention_ms = Some(-1);
            audited.stamped = Some("CreateTime".to_owned());
            audited.cleanup = Some("compact,delete".to_owned());
            let all = [Problem::Partitions { needed: 48 }, Problem::Stamped, Problem::Compacted];
            let expected: Vec<Finding> = all.map(|problem| Finding { is_error, problem }).into();
            assert_eq!(findings(&audited, None, &need), expected, "{role}");
        }
    }
}
