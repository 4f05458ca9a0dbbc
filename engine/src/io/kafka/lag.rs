//! Asks the brokers every second for the ends of the input's partitions: the lag, whether brokers answer, and whether
//! an open upstream transaction blocks the records behind it.

use super::client::Health;
use super::client_setting::ClientKind;
use super::consumer::{number, shard};
use super::outage::{Change, Outages, Probe};
use super::settings::KafkaSettings;
use crate::runtime::clock::Clock;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tripline_core::batch::ShardId;

const EVERY: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Time for any broker to answer, once the ends were not.
const METADATA_WITHIN: Duration = Duration::from_secs(1);
/// How often it is looked whether the process is asked to stop, or the client has lost its brokers.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a report of a client is waited for: without a wait only one is served at a time.
const SERVE_WITHIN: Duration = Duration::from_millis(5);
/// A transaction that is open for longer is reported. Consumers of committed records wait for it.
const OPEN_FOR: Duration = Duration::from_secs(3);

type LagConsumer = BaseConsumer<WatchContext>;

/// Keeps why the client has no connection, for the one log line about it.
struct WatchContext {
    health: Health,
    /// The client reported that none of its brokers is reachable.
    is_cut_off: AtomicBool,
    /// The latest error of a connection.
    reason: Mutex<Option<String>>,
}

impl ClientContext for WatchContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.health.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.health.error(&error, reason);
        if error.rdkafka_error_code() == Some(Code::AllBrokersDown) {
            self.is_cut_off.store(true, Ordering::Release);
        } else {
            self.set_reason(Some(reason.to_owned()));
        }
    }
}

impl ConsumerContext for WatchContext {}

impl WatchContext {
    fn reason(&self) -> Option<String> {
        self.reason.lock().expect("no thread panics while it holds the reason").clone()
    }

    fn set_reason(&self, reason: Option<String>) {
        *self.reason.lock().expect("no thread panics while it holds the reason") = reason;
    }
}

/// Runs until a shutdown is requested.
pub(super) fn watch(settings: &KafkaSettings, health: &Health) {
    let made = |role: &str, isolation: &str| -> Result<LagConsumer, KafkaError> {
        let mut config = settings.plain_client(ClientKind::Consumer, role);
        config.set("isolation.level", isolation);
        let (is_cut_off, reason) = (AtomicBool::new(false), Mutex::default());
        config.create_with_context(WatchContext { health: health.clone(), is_cut_off, reason })
    };
    let (stable, written) = match (made("lag", "read_committed"), made("ends", "read_uncommitted")) {
        (Ok(stable), Ok(written)) => (stable, written),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(reason = %error, "the lag consumer cannot be created; lag is not measured until the process restarts");
            return;
        }
    };
    let mut watch = Watch {
        settings,
        health,
        stable,
        written,
        outages: Outages::default(),
        standing: Standing::default(),
    };
    while !health.shutdown.is_requested() {
        let probe = watch.probe();
        watch.report(probe);
        watch.pause();
    }
}

struct Watch<'a> {
    settings: &'a KafkaSettings,
    health: &'a Health,
    stable: LagConsumer,
    written: LagConsumer,
    outages: Outages,
    standing: Standing,
}

impl Watch<'_> {
    /// Serves what the clients report; neither has a record.
    fn serve(&self) {
        for client in [&self.stable, &self.written] {
            while client.poll(SERVE_WITHIN).is_some() {}
        }
    }

    /// Whether the client has reported that it has no broker since the last answer.
    fn is_cut_off(&self) -> bool {
        self.stable.context().is_cut_off.load(Ordering::Acquire)
    }

    fn pause(&self) {
        let (began, was_cut_off) = (Instant::now(), self.is_cut_off());
        while began.elapsed() < EVERY
            && !self.health.shutdown.is_requested()
            && self.is_cut_off() == was_cut_off
        {
            std::thread::sleep(LOOK_EVERY);
            self.serve();
        }
    }

    /// Reads the ends of the owned partitions. Where that fails, any answer of any broker tells an outage of all from
    /// that of some.
    fn probe(&mut self) -> Probe {
        let ends = if self.is_cut_off() { None } else { Some(self.poll_ends()) };
        if let Some(Ok(())) = ends {
            return Probe::Answered;
        }
        let metadata = self.stable.fetch_metadata(Some(&self.settings.topic), METADATA_WITHIN);
        self.serve();
        if let Err(error) = metadata {
            return Probe::Silent(self.stable.context().reason().unwrap_or_else(|| error.to_string()));
        }
        self.stable.context().is_cut_off.store(false, Ordering::Release);
        match ends.unwrap_or_else(|| self.poll_ends()) {
            Ok(()) => Probe::Answered,
            Err(error) => Probe::Partial(error.to_string()),
        }
    }

    fn report(&mut self, probe: Probe) {
        let (health, brokers) = (self.health, self.settings.brokers.as_str());
        let now = Clock::default().wall();
        if health.shutdown.is_requested() {
            return;
        }
        let is_answered = probe == Probe::Answered;
        let (outage, change) = self.outages.observe(probe, (Instant::now(), now));
        if is_answered {
            self.stable.context().set_reason(None);
        }
        if is_answered || outage.is_some() {
            health.report.brokers(now, outage.clone());
        }
        match (change, outage) {
            (Some(Change::Began), Some(outage)) => tracing::warn!(
                brokers,
                reason = outage.reason,
                "outage of the brokers: no alert is published until it ends. State is kept and no record is skipped; the clients \
                 reconnect by themselves. Check brokers, network and credentials"
            ),
            (Some(Change::Ended(lasted)), _) => {
                tracing::info!(brokers, seconds = lasted.as_secs(), "the brokers answer again")
            }
            _ => {}
        }
    }

    fn poll_ends(&mut self) -> Result<(), KafkaError> {
        let (settings, health) = (self.settings, self.health);
        let owned = health.report.owned();
        self.standing.0.retain(|shard, _| owned.contains(shard));
        if owned.is_empty() {
            return self.stable.fetch_metadata(Some(&settings.topic), ANSWER_WITHIN).map(drop);
        }
        let stable = ends(settings, &self.stable, &owned)?;
        let written = ends(settings, &self.written, &owned)?;
        for (shard, end) in stable {
            let behind = written.get(&shard).map_or(0, |written| u64::try_from(written - end).unwrap_or(0));
            health.report.log_end(shard, end, behind);
            let open_for = self.standing.observe(shard, end, behind, Instant::now());
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
