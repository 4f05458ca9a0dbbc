//! Shards over restarts: from the log under another pack, from snapshots of this and of another log, and
//! what a quiet shard and a stop leave behind.

use crate::simulation::memory::{Log, MemoryRecovery, MemorySink, MemorySource};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tripline::config::{Config, load_from};
use tripline::io::snapshot::{Catalogue, Store, Writer, Writing};
use tripline::ops::reporter::Reporter;
use tripline::runtime::clock::Clock;
use tripline::runtime::output_buffer::OutputBuffer;
use tripline::runtime::report::Report;
use tripline::runtime::shard_processor::ShardProcessor;
use tripline::runtime::snapshots::Snapshots;
use tripline::runtime::worker::{Parts, Timings, Worker, WorkerError};
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::snapshot::{InputTopic, Origin};

const SHARD: ShardId = ShardId { space: 0, partition: 0 };
/// 2024-03-01T12:00:00Z.
const NOON: i64 = 1_709_294_400_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const MINUTE: Duration = Duration::from_secs(60);

const CONFIGURATION: &str = "
version: 1
stream: shards
schema: schema.yaml
packs: [pack.yaml]
input:
  topic: events
  fields:
    event.id: /id
    event.type: {const: purchase}
    event.time: {from: /t, format: epoch_ms}
    account.id: /account
time: {lateness: 1h}
";
const SCHEMA: &str = "version: 1\nfields:\n  event.type: one of purchase|label\n";

/// A pack whose only rule fires at every event and is silent for so long.
fn config(silence: &str) -> Config {
    let pack = format!(
        "version: 1
pack: shards
owner: a
timezone: UTC
aggregates:
  uses: {{count: events, by: account, over: 1h}}
rules:
  - {{id: USED, title: used, event: [purchase], when: uses >= 1, action: alert, cooldown: {{by: rule+account, for: {silence}}}, reason: \"{{uses}}\"}}
"
    );
    let files = |path: &Path| match path.to_str() {
        Some("tripline.yaml") => Ok(CONFIGURATION.as_bytes().to_vec()),
        Some("schema.yaml") => Ok(SCHEMA.as_bytes().to_vec()),
        Some("pack.yaml") => Ok(pack.as_bytes().to_vec()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let loaded = load_from(Path::new("tripline.yaml"), &files).unwrap();
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems))
}

fn log() -> Log {
    let log = Log::new("events", 1);
    for topic in ["bank.alerts", "bank.verdicts", "bank.dead-letters", "bank.late"] {
        log.create(topic, 1);
    }
    log
}

/// An event of an account, appended when it happens.
fn append(log: &Log, number: i64, account: &str, at: i64) {
    let value = format!(r#"{{"id":"e{number}","t":{at},"account":"{account}"}}"#);
    log.append(0, Timestamp(at), account.as_bytes(), value.as_bytes());
    log.set_now(Timestamp(at));
}

fn catalogue() -> Catalogue {
    Catalogue::new(Store::over(Arc::new(InMemory::new()), ObjectPath::default(), true), "group")
}

/// A process with one worker.
struct Service {
    worker: Worker<MemorySource, MemorySink, ShardProcessor, MemoryRecovery>,
    writing: Writing,
    reporter: Arc<Reporter>,
    clock: Clock,
}

impl Service {
    fn start(log: &Log, config: &Config, catalogue: &Catalogue) -> Service {
        let (reporter, clock) = (Arc::<Reporter>::default(), Clock::by_hand(Timestamp(NOON)));
        let report: Arc<dyn Report> = Arc::<Reporter>::clone(&reporter);
        let input = InputTopic::new("cluster", "events", 1);
        let (writer, writing) = Writer::stepped(catalogue.clone(), Arc::clone(&report));
        let snapshots = Snapshots::new(Arc::new(writer), MINUTE, input.clone(), clock.clone());
        let installation = Arc::clone(&config.installation);
        let lookback = installation.lookback();
        let source = MemorySource::join(log, 100, None);
        let sink = MemorySink::new(log, "bank", "producer", source.membership(), true);
        let timings = Timings { commit_interval: Duration::ZERO, clock: clock.clone(), ..Timings::default() };
        let parts = Parts {
            source,
            outputs: OutputBuffer::stepped(sink, || true),
            processor: ShardProcessor::new(installation, Arc::clone(&report), input, Some(snapshots)),
            recovery: MemoryRecovery::new(log, "bank", lookback, Some(catalogue.clone())),
            report,
            shutdown: reporter.status.shutdown().clone(),
        };
        Service { worker: Worker::new(parts, timings), writing, reporter, clock }
    }

    /// Some turns, after so much time.
    fn turns(&mut self, count: usize, passed: Duration) -> Result<(), WorkerError> {
        for _ in 0..count {
            self.clock.pass(passed);
            self.worker.turn()?;
            while self.writing.go_on() {}
        }
        Ok(())
    }

    fn stop(mut self) {
        self.reporter.status.shutdown().request();
        self.worker.run().map(drop).unwrap();
        while self.writing.go_on() {}
    }

    /// Accounts with rows.
    fn accounts(&self) -> usize {
        self.worker.live().map(|(_, shard)| shard.account_shard().shard().ledgers().keys()).sum()
    }
}

/// Offsets of the shard's snapshots, the newest first.
fn offsets(catalogue: &Catalogue) -> Vec<i64> {
    catalogue.list(SHARD).unwrap().iter().map(|stored| stored.offset).collect()
}

fn alerts(log: &Log) -> i64 {
    i64::try_from(log.read("bank.alerts", 0).len()).unwrap()
}

#[test]
fn a_cooldown_of_an_earlier_pack_is_open_after_a_restart_from_the_log() {
    for (days, expected) in [(3, 1), (9, 1), (10, 2)] {
        let log = log();
        append(&log, 0, "a", NOON);
        let mut before = Service::start(&log, &config("10d"), &catalogue());
        before.turns(20, Duration::ZERO).unwrap();
        assert_eq!(alerts(&log), 1);
        before.stop();
        // Others go on meanwhile, under a pack that is silent for an hour only.
        for day in 1..days {
            append(&log, day, "b", NOON + day * DAY);
            let mut meanwhile = Service::start(&log, &config("1h"), &catalogue());
            meanwhile.turns(20, Duration::ZERO).unwrap();
            meanwhile.stop();
        }
        append(&log, days, "a", NOON + days * DAY);
        let mut after = Service::start(&log, &config("1h"), &catalogue());
        after.turns(20, Duration::ZERO).unwrap();
        assert_eq!(alerts(&log), expected + days - 1, "day {days}: one of each day, and those of `a`");
    }
}

#[test]
fn snapshots_of_a_topic_that_was_created_again_are_foreign() {
    let (old, new, catalogue, config) = (log(), log(), catalogue(), config("1h"));
    (0..5).for_each(|number| append(&old, number, &format!("old-{number}"), NOON));
    let mut before = Service::start(&old, &config, &catalogue);
    before.turns(20, Duration::ZERO).unwrap();
    before.stop();
    assert_eq!(offsets(&catalogue), [5]);
    // The same topic again: its snapshot is used.
    let mut same = Service::start(&old, &config, &catalogue);
    same.turns(20, Duration::ZERO).unwrap();
    assert_eq!((same.accounts(), same.worker.live().count()), (5, 1));
    assert!(!same.reporter.metrics.text().contains("tripline_snapshots_total{result=\"refused\"} 1"));
    drop(same);
    // Created again, it has come to the same offset and beyond.
    (0..8).for_each(|number| append(&new, number, "new", NOON + 1 + number));
    let mut first = Service::start(&new, &config, &self::catalogue());
    first.turns(20, Duration::ZERO).unwrap();
    drop(first);
    new.expel(1);
    let mut after = Service::start(&new, &config, &catalogue);
    after.turns(20, Duration::ZERO).unwrap();
    assert_eq!((after.accounts(), after.worker.live().count()), (1, 1), "none of the old topic's accounts");
    assert!(after.reporter.metrics.text().contains("tripline_snapshots_total{result=\"refused\"} 1"));
}

#[test]
fn a_snapshot_of_no_record_is_foreign_where_the_log_has_one_before_it() {
    let (log, catalogue, config) = (log(), catalogue(), config("1h"));
    (0..3).for_each(|number| append(&log, number, "a", NOON + number));
    let mut first = Service::start(&log, &config, &self::catalogue());
    first.turns(20, Duration::ZERO).unwrap();
    drop(first);
    log.expel(1);
    // As of history files and a topic that was empty up to there.
    let input = InputTopic::new("cluster", "events", 1);
    let origin = Origin { input, partition: 0, offset: 3, last: None };
    catalogue.write_whole(&mut AccountShard::new(&config.installation), origin, Timestamp(NOON)).unwrap();
    let mut service = Service::start(&log, &config, &catalogue);
    service.turns(20, Duration::ZERO).unwrap();
    assert_eq!((service.accounts(), service.worker.live().count()), (1, 1), "it is restored from the log");
    assert!(service.reporter.metrics.text().contains("tripline_snapshots_total{result=\"refused\"} 1"));
}

#[test]
fn an_idle_shard_and_a_stop_leave_a_fresh_snapshot() {
    let (log, catalogue, config) = (log(), catalogue(), config("1h"));
    append(&log, 0, "a", NOON);
    let mut service = Service::start(&log, &config, &catalogue);
    service.turns(20, Duration::ZERO).unwrap();
    append(&log, 1, "b", NOON);
    service.turns(20, Duration::ZERO).unwrap();
    service.turns(200, Duration::from_secs(1)).unwrap();
    assert_eq!(offsets(&catalogue).first(), Some(&2), "nothing comes any more, and a snapshot has all");
    let written = offsets(&catalogue);
    service.turns(400, Duration::from_secs(1)).unwrap();
    assert_eq!(offsets(&catalogue), written, "the same state is not written again");
    append(&log, 2, "c", NOON);
    service.turns(5, Duration::ZERO).unwrap();
    service.stop();
    assert_eq!(offsets(&catalogue).first(), Some(&3), "a stop leaves one of what it has judged");
}

/// The manifest of a snapshot of format version 1.
const VERSION_1: &[u8] = include_bytes!("../../core/tests/snapshot/version_1/snapshot.bin");

#[test]
fn a_snapshot_of_the_previous_format_stops_the_shard_with_the_instruction() {
    let (log, store) = (log(), Store::over(Arc::new(InMemory::new()), ObjectPath::default(), true));
    append(&log, 0, "a", NOON);
    let length = u32::from_le_bytes(*VERSION_1.first_chunk().unwrap()) as usize;
    store.put("group/0/00000000000000000000-1/manifest", VERSION_1[4..4 + length].to_vec()).unwrap();
    let mut service = Service::start(&log, &config("1h"), &Catalogue::new(store, "group"));
    let error = service.turns(20, Duration::ZERO).unwrap_err().to_string();
    for part in ["format version 1", "version 3", "`tripline bootstrap`", "move the shard's snapshots away"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
