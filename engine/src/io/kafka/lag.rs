//! Polls the ends of the input's partitions every second: the lag, whether brokers respond, and whether an open
//! upstream transaction blocks the records behind it.

use super::client::{Health, PlainContext};
use super::consumer::{number, shard};
use super::settings::KafkaSettings;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tripline_core::batch::ShardId;

const EVERY: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A transaction that is open for longer is reported. Consumers of committed records wait for it.
const OPEN_FOR: Duration = Duration::from_secs(3);

type LagConsumer = BaseConsumer<PlainContext>;

/// Runs until a shutdown is requested.
pub(super) fn watch(settings: &KafkaSettings, health: &Health) {
    let made = |role: &str, isolation: &str| -> Result<LagConsumer, KafkaError> {
        let mut config = settings.asking(role);
        config.set("isolation.level", isolation);
        config.create_with_context(PlainContext(health.clone()))
    };
    let (stable, written) = match (made("lag", "read_committed"), made("ends", "read_uncommitted")) {
        (Ok(stable), Ok(written)) => (stable, written),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(reason = %error, "the lag consumer cannot be created; lag is not measured until the process restarts");
            return;
        }
    };
    let mut standing = Standing::default();
    while !health.shutdown.is_requested() {
        // Serves the clients' log lines.
        let _ = (stable.poll(Duration::ZERO), written.poll(Duration::ZERO));
        match poll_ends(settings, health, (&stable, &written), &mut standing) {
            Ok(()) => health.answered(),
            Err(error) => {
                health.unreachable(&error.to_string());
            }
        }
        for _ in 0..20 {
            if !health.shutdown.is_requested() {
                std::thread::sleep(EVERY / 20);
            }
        }
    }
}

fn poll_ends(
    settings: &KafkaSettings,
    health: &Health,
    (stable, written): (&LagConsumer, &LagConsumer),
    standing: &mut Standing,
) -> Result<(), KafkaError> {
    let owned = health.report.owned();
    standing.0.retain(|shard, _| owned.contains(shard));
    if owned.is_empty() {
        return stable.fetch_metadata(Some(&settings.topic), ANSWER_WITHIN).map(drop);
    }
    let stable = ends(settings, stable, &owned)?;
    let written = ends(settings, written, &owned)?;
    for (shard, end) in stable {
        let behind = written.get(&shard).map_or(0, |written| u64::try_from(written - end).unwrap_or(0));
        health.report.log_end(shard, end, behind);
        let open_for = standing.observe(shard, end, behind, Instant::now());
        let reason = open_for.filter(|open| *open >= OPEN_FOR).map(|open| {
            let seconds = open.as_secs();
            format!(
                "an upstream transaction, open for {seconds} s, blocks {behind} records from offset {end} on"
            )
        });
        let (partition, is_open) = (shard.partition, reason.is_some());
        if health.report.blocked(shard, reason) {
            match is_open {
                true => tracing::warn!(
                    partition,
                    offset = end,
                    behind,
                    "an open upstream transaction blocks the partition"
                ),
                false => tracing::info!(partition, "the upstream transaction has ended"),
            }
        }
    }
    Ok(())
}

/// Ends of partitions at the client's isolation level.
fn ends(
    settings: &KafkaSettings,
    consumer: &LagConsumer,
    shards: &[ShardId],
) -> Result<BTreeMap<ShardId, i64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(shards.len());
    for shard in shards {
        list.add_partition_offset(&settings.topic, number(*shard), Offset::End)?;
    }
    let list = consumer.offsets_for_times(list, ANSWER_WITHIN)?;
    let mut ends = BTreeMap::new();
    for element in list.elements() {
        element.error()?;
        if let Offset::Offset(end) = element.offset() {
            ends.insert(shard(element.partition()), end);
        }
    }
    Ok(ends)
}

/// Last stable offsets that do not advance although records follow, and since when.
#[derive(Default)]
struct Standing(BTreeMap<ShardId, (i64, Instant)>);

impl Standing {
    /// How long the last stable offset has stayed here with records behind it; `None` without such records.
    fn observe(&mut self, shard: ShardId, stable: i64, behind: u64, now: Instant) -> Option<Duration> {
        if behind == 0 {
            self.0.remove(&shard);
            return None;
        }
        let (at, since) = self.0.entry(shard).or_insert((stable, now));
        if *at != stable {
            (*at, *since) = (stable, now);
        }
        Some(now.duration_since(*since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_blocks_when_the_stable_offset_does_not_advance_before_written_records() {
        let (mut standing, began) = (Standing::default(), Instant::now());
        let shard = ShardId::account(3);
        let mut at = |seconds, stable, behind| {
            standing.observe(shard, stable, behind, began + Duration::from_secs(seconds))
        };
        assert_eq!(at(0, 100, 0), None, "nothing is behind");
        assert_eq!(at(1, 100, 5), Some(Duration::ZERO));
        assert_eq!(at(5, 100, 50), Some(Duration::from_secs(4)));
        assert_eq!(at(6, 120, 30), Some(Duration::ZERO), "the next transaction begins its own time");
        assert_eq!(at(9, 150, 0), None);
        assert_eq!(at(60, 150, 1), Some(Duration::ZERO));
    }
}
