//! `tripline topics`: checks that the required topics exist and are configured for recovery, and creates missing ones.

use super::configured::configured;
use super::error::{CliError, TopicsError};
use super::report::{Exit, Report};
use super::{broker, text};
use crate::io::kafka::{AuditedTopic, KafkaSettings, Problem, Stamps, audit_topics, create_topics};
use crate::io::snapshot::{Catalogue, Store};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// Partitions of a new input: enough for as many workers, and easy to spread.
const PARTITIONS: u32 = 48;

/// Check that the required topics exist and are configured for recovery, or create missing ones.
///
/// Each topic needs the partitions of the input, a retention as long as recovery reads back, timestamps of the broker
/// and no compaction; the input needs the partitions that the state of the group was built for. Each problem is shown
/// with the command that solves it. Exit 1 when `run` or recovery would fail.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tripline topics --config tripline.yaml --create --partitions 12")]
pub struct Topics {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Create missing topics.
    #[arg(long)]
    create: bool,
    /// Partitions of the input topic when it is created; the other topics get as many. [default: 48]
    #[arg(long, value_name = "N", requires = "create", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    partitions: Option<u32>,
    /// Replication factor; by default that of the brokers.
    #[arg(long, value_name = "N", requires = "create", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    replication: Option<u32>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Audit<'a> {
    is_fine: bool,
    created: &'a [String],
    topics: &'a [AuditedTopic],
}

impl Topics {
    /// Runs the command.
    ///
    /// # Errors
    /// When no broker answers, or topics cannot be created.
    pub fn run(self) -> Result<Exit, CliError> {
        let config = configured(&self.config)?;
        let settings = broker::of_config(&config)?;
        let every = config.snapshots.as_ref().map(|snapshots| snapshots.every);
        // A store that cannot be opened is reported by `check` and `run`.
        let store = config.snapshots.as_ref().and_then(|one| Store::open_existing(&one.store).ok().flatten());
        let snapshots = store.map(|store| Catalogue::new(store, &settings.group));
        let mut topics = audit_topics(&settings, every, snapshots.as_ref())?;
        let created = if self.create { self.create(&settings, &topics)? } else { Vec::new() };
        if !created.is_empty() {
            topics = audit_topics(&settings, every, snapshots.as_ref())?;
        }
        let is_fine = !topics.iter().flat_map(|topic| &topic.findings).any(|finding| finding.is_error);
        let mut report = Report::new(self.json);
        report.json(&Audit { is_fine, created: &created, topics: &topics })?;
        report.text(|| text(&settings.brokers, &created, &topics))?;
        Ok(if is_fine { Exit::Success } else { Exit::Problems })
    }

    /// Creates what is missing. Gives the names.
    fn create(&self, settings: &KafkaSettings, topics: &[AuditedTopic]) -> Result<Vec<String>, CliError> {
        let found = topics.first().and_then(|input| input.partitions);
        if let (Some(found), Some(wanted)) = (found, self.partitions)
            && found != wanted
        {
            return Err(TopicsError::Partitions { topic: settings.topic.clone(), found, wanted }.into());
        }
        let missing = topics.iter().filter(|topic| topic.partitions.is_none());
        let missing: Vec<String> = missing.map(|topic| topic.topic.clone()).collect();
        if !missing.is_empty() {
            let partitions = found.or(self.partitions).unwrap_or(PARTITIONS);
            create_topics(settings, partitions, self.replication)?;
        }
        Ok(missing)
    }
}

/// Logs every problem of the topics of a service that starts, without delaying it: on a thread of its own. Brokers that
/// do not answer are reported by the service itself.
///
/// # Panics
/// When the system cannot start a thread.
pub fn warn(settings: &KafkaSettings, snapshots_every: Option<Duration>) {
    let settings = settings.clone();
    let work = move || {
        let Ok(topics) = audit_topics(&settings, snapshots_every, None) else { return };
        for topic in &topics {
            for finding in &topic.findings {
                let (problem, solution) = explained(topic, &finding.problem, &settings.brokers);
                let name = topic.topic.as_str();
                match finding.is_error {
                    // Some clusters never answer. Neither that nor a clock that may be changed is worth an alarm.
                    _ if matches!(finding.problem, Problem::SettingsUnknown | Problem::BrokerStamps) => {
                        tracing::info!(topic = name, solution, "{problem}");
                    }
                    true => tracing::error!(topic = name, solution, "recovery would fail: {problem}"),
                    false => tracing::warn!(topic = name, solution, "{problem}"),
                }
            }
        }
    };
    thread::Builder::new()
        .name("tripline-topics".to_owned())
        .spawn(work)
        .expect("the system can start a thread");
}

fn text(brokers: &str, created: &[String], topics: &[AuditedTopic]) -> String {
    let heads = ["topic", "partitions", "retention", "needed", "timestamps", "cleanup"];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(topics.iter().map(row));
    let mut lines = text::table(&rows).into_iter();
    let mut text = created.iter().map(|topic| format!("created {topic}\n")).collect::<String>();
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    lines.next().into_iter().for_each(&mut add);
    for (topic, line) in topics.iter().zip(lines) {
        add(line);
        for finding in &topic.findings {
            let (what, solution) = explained(topic, &finding.problem, brokers);
            add(format!("  {}: {what}", if finding.is_error { "error" } else { "warning" }));
            add(format!("    {solution}"));
        }
    }
    text
}

fn row(topic: &AuditedTopic) -> [String; 6] {
    let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let stay = |ms: i64| if ms < 0 { "unlimited".to_owned() } else { text::duration(ms) };
    [
        topic.topic.clone(),
        known(topic.partitions.map(|count| count.to_string())),
        known(topic.retention_ms.map(stay)),
        known(topic.needed_ms.map(text::duration)),
        known(stamps(topic)),
        known(topic.cleanup.clone()),
    ]
}

/// Who sets a topic's timestamps now, and who set those of older records that `run` would read.
fn stamps(topic: &AuditedTopic) -> Option<String> {
    let is_older =
        |stamps: &Stamps| !stamps.next_by_producer.is_empty() || !stamps.restored_by_producer.is_empty();
    let older = if topic.stamps.as_ref().is_some_and(is_older) { ", before: producer" } else { "" };
    Some(match topic.stamped.as_deref()? {
        "LogAppendTime" => format!("broker{older}"),
        "CreateTime" => "producer".to_owned(),
        other => other.to_owned(),
    })
}

/// State that was built for another number of partitions.
fn repartitioned(topic: &AuditedTopic, built_for: u32) -> (String, String) {
    let state = format!("the state of the group was built for {built_for} partitions");
    let what = match topic.partitions.unwrap_or_default().checked_sub(built_for) {
        Some(added) => format!("{state}, and {added} were added: accounts are split over two partitions"),
        None => format!("{state}: the topic was created anew with fewer"),
    };
    (what, "use a new topic, group and prefix (runbook: Re-key to more partitions)".to_owned())
}

/// A problem, and the command that solves it.
fn explained(topic: &AuditedTopic, problem: &Problem, brokers: &str) -> (String, String) {
    let name = &topic.topic;
    let set = |setting: &str| {
        format!(
            "kafka-configs.sh --bootstrap-server {brokers} --entity-type topics --entity-name {name} --alter \
             --add-config {setting}"
        )
    };
    match problem {
        Problem::Missing => (
            "topic does not exist".to_owned(),
            "tripline topics --create with the same configuration".to_owned(),
        ),
        Problem::Partitions { needed } if topic.partitions.is_some_and(|found| found < *needed) => (
            format!("the input has {needed} partitions"),
            format!(
                "kafka-topics.sh --bootstrap-server {brokers} --alter --topic {name} --partitions {needed}"
            ),
        ),
        Problem::Partitions { needed } => (
            format!("the input has {needed} partitions"),
            "partitions cannot be removed: choose another `kafka.prefix`, then tripline topics --create"
                .to_owned(),
        ),
        Problem::Retention { needed_ms, without_snapshot } => {
            let reader =
                if *without_snapshot { "a restart without a snapshot" } else { "a restart from a snapshot" };
            let retained = topic.retention_ms.map_or_else(String::new, text::duration);
            let what =
                format!("retention is {retained}, but {reader} reads back {}", text::duration(*needed_ms));
            (what, set(&format!("retention.ms={needed_ms}")))
        }
        Problem::Repartitioned { built_for } => repartitioned(topic, *built_for),
        Problem::Bytes { bytes } => (
            format!("the broker deletes records early, once a partition has {bytes} bytes"),
            set("retention.bytes=-1"),
        ),
        Problem::OldStamps { partitions, partition, offset, without_snapshot } => {
            let reader = if *without_snapshot { "a restore without a snapshot" } else { "`run`" };
            let what = format!(
                "older records of {partitions} of {} partitions have timestamps of their producers: {reader} stops at \
                 offset {offset} of partition {partition}",
                topic.partitions.unwrap_or_default()
            );
            let wait = topic.needed_ms.map_or_else(String::new, |ms| format!(" for {}", text::duration(ms)));
            (what, format!("set input.clock: create_time{wait} (runbook: Take over an existing topic)"))
        }
        Problem::BrokerStamps => (
            "every record that `run` reads has a timestamp of the broker".to_owned(),
            "input.clock: log_append_time can be set now (runbook: Take over an existing topic)".to_owned(),
        ),
        Problem::Stamped => (
            "timestamps come from producers, not from the broker".to_owned(),
            set("message.timestamp.type=LogAppendTime"),
        ),
        Problem::Compacted => {
            ("compaction deletes all but the last record of a key".to_owned(), set("cleanup.policy=delete"))
        }
        Problem::SettingsUnknown => (
            "the broker does not return the topic's settings".to_owned(),
            format!("allow DescribeConfigs on topic {name}, or read them with kafka-configs.sh --describe"),
        ),
    }
}
