//! Whether the topics of an installation are as `run` and recovery need them. It asks the brokers and changes nothing.

use super::settings::KafkaSettings;
use super::topics::{CLEANUP, RETENTION, STAMP, admin, count, stopped, wait_for};
use crate::names::{OUTPUT_TOPICS, topic_label};
use crate::runtime::recovery::Retention;
use crate::runtime::source::SourceError;
use crate::settings::InputClock;
use rdkafka::admin::{AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use serde::Serialize;
use std::time::Duration;
use tripline_core::outputs::Topic;

/// How long brokers may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long they may take to tell settings; some never do.
const DESCRIBED_WITHIN: Duration = Duration::from_secs(5);
const RETENTION_BYTES: &str = "retention.bytes";
/// The role of the topic that is read; those of the others are their labels.
const INPUT: &str = "input";

/// One topic as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Surveyed {
    /// Its name.
    pub topic: String,
    /// `input`, or what is published there.
    pub role: &'static str,
    /// How many partitions it has; none when it is not there.
    pub partitions: Option<u32>,
    /// How long its records stay, ms; −1 for ever; none when the brokers do not tell.
    pub retention_ms: Option<i64>,
    /// How long they are needed without a snapshot, ms; none where recovery does not read it.
    pub needed_ms: Option<i64>,
    /// `LogAppendTime` or `CreateTime`.
    pub stamped: Option<String>,
    /// `delete`, `compact` or both.
    pub cleanup: Option<String>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// Something wrong with a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether `run` or recovery cannot do with it.
    pub is_fault: bool,
    /// What it is.
    #[serde(flatten)]
    pub flaw: Flaw,
}

/// What may be wrong with a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "flaw", rename_all = "snake_case")]
pub enum Flaw {
    /// It is not there.
    Missing,
    /// It has not the input's number of partitions.
    Partitions {
        /// The input's.
        needed: u32,
    },
    /// Its records go before they are read for the last time.
    Retention {
        /// How long they must stay, ms.
        needed_ms: i64,
        /// Whether snapshots make up for it as long as there are any.
        without_snapshot: bool,
    },
    /// Its records may go before their time when there are many.
    Bytes {
        /// Bytes of a partition that stay.
        bytes: i64,
    },
    /// Its producers stamp it, not the broker.
    Stamped,
    /// Only the last record of a key stays.
    Compacted,
    /// The brokers do not tell its settings.
    Untold,
}

/// What a topic is to be like.
struct Need {
    role: &'static str,
    /// The input's partitions, where they are known and it is not the input itself.
    partitions: Option<u32>,
    keep: Option<Retention>,
    /// Whether the broker's stamp is wanted, and whether it must be there.
    stamped: (bool, bool),
    /// Whether it is read by the engine, so that the engine cannot do without.
    is_read: bool,
}

/// Looks at the input and the output topics, in that order. `snapshots_every`: how often a shard's snapshot is cut.
///
/// # Errors
/// When no broker answers.
pub fn survey(
    settings: &KafkaSettings,
    snapshots_every: Option<Duration>,
) -> Result<Vec<Surveyed>, SourceError> {
    let failed = |fault: KafkaError| stopped(&settings.brokers, fault);
    let consumer: BaseConsumer = settings.asking("topics").create().map_err(failed)?;
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
    let mut told = describe(settings, &present)?.into_iter();
    let surveyed = found.into_iter().map(|(name, role, partitions)| {
        let resource = partitions.and_then(|_| told.next()).flatten();
        let need = need(settings, role, input, snapshots_every);
        looked_at(name, partitions, resource.as_ref(), &need)
    });
    Ok(surveyed.collect())
}

/// The settings of topics, in their order; none of those that the brokers do not tell.
fn describe(settings: &KafkaSettings, topics: &[&str]) -> Result<Vec<Option<ConfigResource>>, SourceError> {
    let admin = admin(settings).map_err(|fault| stopped(&settings.brokers, fault))?;
    let options = AdminOptions::new().request_timeout(Some(DESCRIBED_WITHIN));
    let mut told = Vec::new();
    let mut is_answered = true;
    for topic in topics {
        // One at a time: the answer to several need not be in their order. Brokers that do not answer one will not the next.
        let answer = is_answered
            .then(|| wait_for(admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options)));
        is_answered = matches!(answer, Some(Ok(_)));
        let resource = answer.and_then(Result::ok).and_then(|all| all.into_iter().next());
        told.push(resource.and_then(Result::ok));
    }
    Ok(told)
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

fn looked_at(
    topic: &str,
    partitions: Option<u32>,
    resource: Option<&ConfigResource>,
    need: &Need,
) -> Surveyed {
    let told = |name: &str| resource.and_then(|all| all.get(name)).and_then(|entry| entry.value.clone());
    let number = |name: &str| told(name).and_then(|value| value.parse().ok());
    let mut surveyed = Surveyed {
        topic: topic.to_owned(),
        role: need.role,
        partitions,
        retention_ms: number(RETENTION),
        needed_ms: need.keep.map(|keep| keep.alone_ms),
        stamped: told(STAMP),
        cleanup: told(CLEANUP),
        findings: Vec::new(),
    };
    surveyed.findings = findings(&surveyed, number(RETENTION_BYTES), need);
    surveyed
}

fn findings(found: &Surveyed, bytes: Option<i64>, need: &Need) -> Vec<Finding> {
    let Some(partitions) = found.partitions else {
        return vec![Finding { is_fault: true, flaw: Flaw::Missing }];
    };
    let mut findings = Vec::new();
    let mut say = |is_fault: bool, flaw: Flaw| findings.push(Finding { is_fault, flaw });
    if let Some(needed) = need.partitions.filter(|needed| *needed != partitions) {
        say(need.is_read, Flaw::Partitions { needed });
    }
    if found.retention_ms.is_none() && found.stamped.is_none() && found.cleanup.is_none() {
        say(true, Flaw::Untold);
        return findings;
    }
    if let (Some(keep), Some(held)) = (need.keep, found.retention_ms.filter(|held| *held >= 0)) {
        if held < keep.least_ms() {
            let without_snapshot = keep.behind_snapshot_ms.is_none();
            say(true, Flaw::Retention { needed_ms: keep.least_ms(), without_snapshot });
        } else if held < keep.alone_ms {
            say(false, Flaw::Retention { needed_ms: keep.alone_ms, without_snapshot: true });
        }
    }
    if let (Some(_), Some(bytes)) = (need.keep, bytes.filter(|bytes| *bytes >= 0)) {
        say(false, Flaw::Bytes { bytes });
    }
    let (is_wanted, must) = need.stamped;
    if is_wanted && found.stamped.as_deref() == Some("CreateTime") {
        say(must, Flaw::Stamped);
    }
    if found.cleanup.as_deref().is_some_and(|policy| policy.contains("compact")) {
        say(need.is_read, Flaw::Compacted);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::recovery::Lookback;

    const DAY: i64 = 86_400_000;

    fn settings() -> KafkaSettings {
        let mut settings = KafkaSettings::new("127.0.0.1:9092", "events", "tripline", "bank");
        settings.lookback = Lookback { rows_ms: 90 * DAY, verdicts_ms: 2 * DAY, retention_ms: 90 * DAY };
        settings
    }

    /// What is found of a topic of 12 partitions where the input has 12, kept for so many days.
    fn found(role: &'static str, days: i64, every: Option<Duration>) -> Vec<(bool, Flaw)> {
        let need = need(&settings(), role, Some(12), every);
        let mut surveyed = looked_at("t", Some(12), None, &need);
        surveyed.retention_ms = Some(days * DAY);
        surveyed.stamped = Some("LogAppendTime".to_owned());
        surveyed.cleanup = Some("delete".to_owned());
        findings(&surveyed, Some(-1), &need).into_iter().map(|one| (one.is_fault, one.flaw)).collect()
    }

    #[test]
    fn a_log_that_forgets_too_soon_is_a_fault_and_with_snapshots_a_warning() {
        assert_eq!(found(INPUT, 90, None), []);
        let short = |without_snapshot, needed_ms| Flaw::Retention { needed_ms, without_snapshot };
        assert_eq!(found(INPUT, 7, None), [(true, short(true, 90 * DAY))]);
        let hourly = Some(Duration::from_secs(3_600));
        assert_eq!(found(INPUT, 7, hourly), [(false, short(true, 90 * DAY))]);
        assert_eq!(found(INPUT, 0, hourly), [(true, short(false, 3 * 3_600_000))]);
        assert_eq!(found("verdicts", 7, None), [], "it is read back for two days");
        assert_eq!(found("alerts", 0, None), [], "nobody recovers from alerts");
    }

    #[test]
    fn what_the_engine_reads_must_be_right_and_the_rest_had_better_be() {
        for (role, is_fault) in [("verdicts", true), ("alerts", false)] {
            let need = need(&settings(), role, Some(48), None);
            let mut surveyed = looked_at("t", Some(12), None, &need);
            assert_eq!(surveyed.findings.last().unwrap().flaw, Flaw::Untold);
            surveyed.retention_ms = Some(-1);
            surveyed.stamped = Some("CreateTime".to_owned());
            surveyed.cleanup = Some("compact,delete".to_owned());
            let all = [Flaw::Partitions { needed: 48 }, Flaw::Stamped, Flaw::Compacted];
            let expected: Vec<Finding> = all.map(|flaw| Finding { is_fault, flaw }).into();
            assert_eq!(findings(&surveyed, None, &need), expected, "{role}");
        }
    }
}
