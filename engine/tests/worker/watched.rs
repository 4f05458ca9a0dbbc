//! What the processing of a shard watches in its records: whether they are in the partition of their account, and how
//! many of them are dead letters. Each is reported only from a share on that is no chance.

use std::fs;
use std::sync::Arc;
use tripline::config;
use tripline::ops::reporter::Reporter;
use tripline::runtime::processor::Processor;
use tripline::runtime::recovery::History;
use tripline::runtime::report::{Phase, Report, ShardStatus};
use tripline::runtime::shard_processor::{ProcessedShard, ShardProcessor};
use tripline::runtime::source::Position;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::outputs::Outputs;
use tripline_core::placement::{Partitioner, Placement};
use tripline_core::snapshot::InputTopic;

const PARTITIONS: u32 = 6;
const PARTITION: u32 = 2;
const BEGIN_MS: i64 = 1_767_225_600_000;

/// A live shard of an installation without rules.
struct Watched {
    processor: ShardProcessor,
    shard: ProcessedShard,
    reporter: Arc<Reporter>,
    records: i64,
}

impl Watched {
    fn new(partitioner: Partitioner) -> Watched {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("schema.yaml", "version: 1\nfields: {event.type: one of purchase}\n"),
            (
                "tripline.yaml",
                "version: 1\nstream: s\nschema: schema.yaml\npacks: []\ninput: {fields: {event.id: /id, event.type: {const: purchase}, \
                 event.time: {from: /at, format: epoch_ms}, account.id: /account}}\n",
            ),
        ];
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let loaded = config::load(&folder.path().join("tripline.yaml")).unwrap();
        let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.problems.json()));
        let mut settings = config.settings().clone();
        settings.placement = Placement::ByPartition { partitioner, partitions: PARTITIONS };
        let installation = Arc::new(config.installation.with_settings(settings));
        let reporter = Arc::<Reporter>::default();
        let report: Arc<dyn Report> = Arc::<Reporter>::clone(&reporter);
        reporter.status.assigned();
        let live = ShardStatus {
            worker: 0,
            phase: Phase::Live,
            next: Some(0),
            lag: None,
            log_from: None,
            snapshot_at: None,
            restore: None,
        };
        reporter.status.shard(ShardId::account(PARTITION), live);
        let input = InputTopic::new("", "events", PARTITIONS);
        let mut processor = ShardProcessor::new(installation, report, input, None);
        let at = Position { shard: ShardId::account(PARTITION), next: 0, note: String::new() };
        let mut shard = processor.open(&at);
        processor.live(&mut shard, &History::default());
        Watched { processor, shard, reporter, records: 0 }
    }

    /// Judges so many records, each made from its number.
    fn step(&mut self, count: i64, value: impl Fn(i64) -> String) {
        for first in (self.records..self.records + count).step_by(500) {
            let mut batch = Batch::new(ShardId::account(PARTITION));
            for number in first..(first + 500).min(self.records + count) {
                let at = Timestamp(BEGIN_MS + number);
                batch.push(number, Some(at), b"whatever the key is", value(number).as_bytes());
            }
            self.processor.step(&mut self.shard, &batch, &mut Outputs::default());
        }
        self.records += count;
    }

    fn obstacle(&self) -> Option<String> {
        self.processor.obstacle(&self.shard)
    }

    fn mismatches(&self) -> String {
        let text = self.reporter.metrics.text();
        let line = text.lines().find(|line| line.starts_with("tripline_partition_mismatches_total "));
        line.unwrap().split(' ').next_back().unwrap().to_owned()
    }
}

/// A record of an account that belongs into this partition by this partitioner, or into another one.
fn record(number: i64, partitioner: Partitioner, belongs: bool) -> String {
    let is_meant =
        |account: &String| (partitioner.partition(account.as_bytes(), PARTITIONS) == PARTITION) == belongs;
    let account = (0..).map(|salt| format!("A-{}-{salt}", number % 50)).find(is_meant).unwrap();
    format!("{{\"id\":\"e{number}\",\"at\":{},\"account\":\"{account}\"}}", BEGIN_MS + number)
}

#[test]
fn records_of_accounts_of_other_partitions_are_counted_and_many_stop_the_shard() {
    let murmur2 = Partitioner::Murmur2;
    let mut watched = Watched::new(murmur2);
    watched.step(2_000, |number| record(number, murmur2, true));
    watched.step(19, |number| record(number, murmur2, false));
    watched.step(981, |number| record(number, murmur2, true));
    assert_eq!((watched.mismatches().as_str(), watched.obstacle()), ("19", None), "19 of 3,000 are counted");
    watched.step(200, |number| record(number, murmur2, false));
    let obstacle = watched.obstacle().expect("219 of 3,200 are too many");
    assert!(
        obstacle.contains("219 of its last 3200 records") && obstacle.contains("`account.id`"),
        "{obstacle}"
    );
    assert!(obstacle.contains("input.partitioner"), "{obstacle}");
}

#[test]
fn another_partitioner_of_the_producers_is_no_reason_to_stop_where_it_is_named() {
    let mut watched = Watched::new(Partitioner::Consistent);
    watched.step(300, |number| record(number, Partitioner::Consistent, true));
    assert_eq!((watched.mismatches().as_str(), watched.obstacle()), ("0", None));
    let mut unnamed = Watched::new(Partitioner::Murmur2);
    unnamed.step(300, |number| record(number, Partitioner::Consistent, true));
    assert!(unnamed.obstacle().is_some(), "most of them belong elsewhere by murmur2");
}

#[test]
fn many_dead_letters_keep_the_process_from_being_ready_until_they_are_few() {
    let murmur2 = Partitioner::Murmur2;
    let mut watched = Watched::new(murmur2);
    let mixed = |percent: i64| {
        move |number: i64| {
            if number % 100 < percent { "{\"id\":".to_owned() } else { record(number, murmur2, true) }
        }
    };
    watched.step(3_000, mixed(3));
    assert_eq!(watched.reporter.status.reasons(), Vec::<String>::new(), "3 of a hundred");
    watched.step(3_000, mixed(40));
    let reasons = watched.reporter.status.reasons();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].starts_with("partition 2: ") && reasons[0].contains("dead letters"), "{reasons:?}");
    assert!(reasons[0].contains("bad_json"), "{reasons:?}");
    watched.step(60_000, mixed(0));
    assert_eq!(watched.reporter.status.reasons(), Vec::<String>::new());
}

#[test]
fn many_late_records_keep_the_process_from_being_ready() {
    let murmur2 = Partitioner::Murmur2;
    let mut watched = Watched::new(murmur2);
    // Every record but the first is of an event a year ago.
    let (now, then) = (BEGIN_MS.to_string(), (BEGIN_MS - 365 * 86_400_000).to_string());
    watched.step(1_000, |number| {
        let record = record(number, murmur2, true);
        if number == 0 { record } else { record.replace(&now[..10], &then[..10]) }
    });
    let reasons = watched.reporter.status.reasons();
    assert!(reasons.len() == 1 && reasons[0].contains("most of the newest ones: late"), "{reasons:?}");
}
