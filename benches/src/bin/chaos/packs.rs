//! Whether a cooldown is open when the packs change, by the verdicts.

use super::PREFIX;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tripline::names::Topics;
use tripline_benches::kafka::{Failure, PARTITIONS, positions};
use tripline_core::suppress::Change;
use tripline_core::verdict::Recorded;

/// Number of newest verdicts read from each partition.
const LAST: i64 = 200;
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Whether a committed verdict has opened a cooldown that ends after the newest verdict of its partition.
pub(super) fn has_open_cooldown(brokers: &str) -> Result<bool, Failure> {
    let topic = Topics::under(PREFIX).verdicts;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "chaos-cooldowns")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()?;
    let mut from = Vec::new();
    for partition in 0..PARTITIONS {
        let (low, end) = consumer.fetch_watermarks(&topic, partition, ANSWER_WITHIN)?;
        from.push((end - LAST).max(low));
    }
    consumer.assign(&positions(&topic, &from)?)?;
    // By partition: time of the newest verdict, latest end of a cooldown.
    let mut seen = vec![(i64::MIN, i64::MIN); from.len()];
    let (mut left, began): (BTreeSet<i32>, _) = ((0..PARTITIONS).collect(), Instant::now());
    while !left.is_empty() {
        if began.elapsed() > ANSWER_WITHIN {
            return Err("the last verdicts cannot be read".into());
        }
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let recorded: Recorded = serde_json::from_slice(message.payload().unwrap_or_default())?;
                let (newest, until) = &mut seen[usize::try_from(message.partition())?];
                *newest = (*newest).max(recorded.at.0);
                *until = recorded.changes.iter().filter_map(opened_until).fold(*until, i64::max);
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(left.remove(&partition)),
            _ => {}
        }
    }
    Ok(seen.iter().any(|(newest, until)| until > newest))
}

fn opened_until(change: &Change) -> Option<i64> {
    match change {
        Change::Cooldown { until, .. } => Some(*until),
        Change::Incident { .. } => None,
    }
}
