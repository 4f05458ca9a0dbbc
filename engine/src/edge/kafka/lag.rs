//! Looks at the ends of the input's partitions every few seconds: the lag, and whether brokers answer at all.

use super::client::{Health, PlainContext};
use super::consumer::{number, shard};
use super::settings::KafkaSettings;
use crate::edge::status::Trouble;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Works until the process is asked to stop.
pub(super) fn watch(settings: &KafkaSettings, health: &Health) {
    let consumer: BaseConsumer<PlainContext> =
        match settings.asking("lag").create_with_context(PlainContext(health.clone())) {
            Ok(consumer) => consumer,
            Err(fault) => {
                tracing::warn!(reason = %fault, "lag is not measured");
                return;
            }
        };
    while !health.status.is_stopping() {
        // Serves the client's log lines.
        let _ = consumer.poll(Duration::ZERO);
        match ends(settings, health, &consumer) {
            Ok(()) => health.answered(),
            Err(fault) => {
                if health.status.trouble(health.worker, Trouble::Brokers, "no broker answers") {
                    tracing::warn!(reason = %fault, "no broker answers");
                }
            }
        }
        for _ in 0..20 {
            if !health.status.is_stopping() {
                std::thread::sleep(EVERY / 20);
            }
        }
    }
}

fn ends(
    settings: &KafkaSettings,
    health: &Health,
    consumer: &BaseConsumer<PlainContext>,
) -> Result<(), KafkaError> {
    let owned = health.status.shards();
    let mut list = TopicPartitionList::with_capacity(owned.len());
    for (shard, _) in &owned {
        list.add_partition_offset(&settings.topic, number(*shard), Offset::End)?;
    }
    if owned.is_empty() {
        return consumer.fetch_metadata(Some(&settings.topic), ANSWER_WITHIN).map(drop);
    }
    let list = consumer.offsets_for_times(list, ANSWER_WITHIN)?;
    for element in list.elements() {
        element.error()?;
        if let Offset::Offset(end) = element.offset() {
            let shard = shard(element.partition());
            if let Some(lag) = health.status.ends_at(shard, end) {
                health.metrics.lag(shard, lag);
            }
        }
    }
    Ok(())
}
