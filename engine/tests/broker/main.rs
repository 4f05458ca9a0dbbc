//! What only a real broker can show. The cases run one after another on an Apache Kafka that this program starts in a
//! temporary folder on a free port, and stops. An argument picks the cases whose name contains it.

#![expect(clippy::unwrap_used, reason = "a test program: what cannot be unwrapped has failed")]

mod cluster;
mod disk;
mod operations;
mod outage;
mod placement;
mod tally;

use cluster::{
    Cluster, Seen, add_partitions, begin_transaction, committed, delete_before, die_in_transaction,
    end_transaction, produce, read_all, stamp, undo_transaction,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tally::{Calls, Tally};
use tripline::io::kafka::{KafkaSettings, Problem, RunError, audit_topics, run};
use tripline::ops::control::Control;
use tripline::ops::http::HttpState;
use tripline::ops::log::start as start_log;
use tripline::ops::reporter::Reporter;
use tripline::runtime::report::Report;
use tripline::settings::{Guarantee, HttpSettings, InputClock, LogFormat};

type Case = (&'static str, fn(&Cluster));

const CASES: [Case; 15] = [
    ("a_clean_restart_among_100000_records_loses_and_repeats_nothing", clean_restart),
    ("a_second_member_takes_shards_over_with_their_past", second_member),
    ("sigterm_commits_everything_judged_and_leaves", sigterm),
    ("a_topic_stamped_by_its_producers_is_refused_and_can_be_taken_over", create_time),
    ("a_topic_that_is_not_keyed_by_account_stops_the_process", placement::keyed_by_card),
    ("partitions_that_are_added_stop_the_process_within_seconds", added_partitions),
    ("input_deleted_before_it_was_judged_stops_the_engine", deleted_input),
    ("a_broker_that_dies_and_returns_is_waited_for", broker_dies),
    ("an_outage_is_one_line_at_each_end_and_its_figures_are_stale", outage::one_line_at_each_end),
    ("a_transaction_left_open_upstream_is_named", open_transaction),
    ("the_lag_is_0_behind_the_marker_of_a_transaction", marker),
    ("shards_whose_owner_died_in_a_transaction_keep_no_other_waiting", dead_owner),
    ("topics_are_created_as_needed_and_what_is_wrong_is_reported", operations::topics),
    ("a_full_disk_costs_snapshots_alone_and_says_so", disk::full),
    ("history_from_files_and_then_live_records_alert_as_a_replay_of_all", operations::bootstrap),
];

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "error,rdkafka=off".to_owned());
    start_log(LogFormat::Text, &filter).unwrap();
    let picked = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let cluster = Cluster::start();
    let mut failed = 0;
    for (name, case) in CASES.into_iter().filter(|(name, _)| picked(name)) {
        let began = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| case(&cluster)));
        let verdict = if ended.is_ok() { "ok" } else { "FAILED" };
        println!("{name} ... {verdict} ({:.1} s)", began.elapsed().as_secs_f64());
        failed += usize::from(ended.is_err());
    }
    drop(cluster);
    assert!(failed == 0, "{failed} cases failed");
}

/// A service in a thread, as a process would run it.
struct Service {
    calls: Calls,
    reporter: Arc<Reporter>,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Service {
    fn start(settings: &KafkaSettings) -> Service {
        let (calls, reporter) = (Calls::default(), Arc::<Reporter>::default());
        let (settings, seen) = (settings.clone(), calls.clone());
        let shutdown = reporter.status.shutdown().clone();
        let report: Arc<dyn Report> = Arc::<Reporter>::clone(&reporter);
        let work = move || run(&settings, &report, &shutdown, None, move |_, _| Tally::new(&seen));
        Service { calls, reporter, thread: Some(std::thread::spawn(work)) }
    }

    fn end(&mut self) -> Result<(), RunError> {
        self.thread.take().expect("ended once").join().expect("the service does not panic")
    }

    fn stop(mut self) {
        self.reporter.status.shutdown().request();
        self.end().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A case that failed must not leave its service to the next.
        self.reporter.status.shutdown().request();
    }
}

fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "still waiting for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn all_committed(settings: &KafkaSettings) -> bool {
    committed(settings).into_iter().all(|(next, end)| next == end)
}

/// Compares the verdicts with a count of the input made apart. Gives how many are repeats.
fn verdicts_fit(settings: &KafkaSettings) -> usize {
    let mut expected = BTreeSet::new();
    let mut counts: BTreeMap<(i32, String), u64> = BTreeMap::new();
    for record in read_all(settings, &settings.topic) {
        let count = counts.entry((record.partition, record.key.clone())).or_default();
        *count += 1;
        expected.insert((record.partition, record.key, format!("{}:{count}", record.offset)));
    }
    let verdicts = read_all(settings, &settings.topics().verdicts);
    let count = verdicts.len();
    let mut found = BTreeSet::new();
    for verdict in verdicts {
        let offset = verdict.value.split(':').next().unwrap();
        assert_eq!(verdict.headers["tripline.source.offset"], offset);
        assert_eq!(verdict.headers["tripline.source.partition"], verdict.partition.to_string());
        found.insert((verdict.partition, verdict.key, verdict.value));
    }
    let missing = expected.difference(&found).count();
    let wrong: Vec<_> = found.difference(&expected).take(3).collect();
    assert!(
        missing == 0 && wrong.is_empty(),
        "{missing} verdicts missing; judged from a torn past: {wrong:?}"
    );
    count - found.len()
}

fn clean_restart(cluster: &Cluster) {
    const RECORDS: u32 = 100_000;
    let mut settings = cluster.service("restart", 12);
    settings.workers = 2;
    produce(&settings, "murmur2_random", 0, RECORDS / 2);
    let first = Service::start(&settings);
    await_that("a first part is judged", || first.calls.judged() > u64::from(RECORDS) / 5);
    let calls = first.calls.clone();
    first.stop();
    let before = calls.judged();
    println!("  stopped after {before} of {RECORDS} records");
    assert!(before < u64::from(RECORDS));
    produce(&settings, "murmur2_random", RECORDS / 2, RECORDS / 2);
    let second = Service::start(&settings);
    await_that("all is committed", || all_committed(&settings));
    let after = second.calls.judged();
    assert_eq!(before + after, u64::from(RECORDS), "each record is judged by one of the two");
    assert_eq!(second.calls.folded(), before, "the journal of the first is read back");
    second.stop();
    assert_eq!(verdicts_fit(&settings), 0, "a clean restart repeats nothing");
    let refused = read_all(&settings, &settings.topics().dead_letters);
    assert_eq!(refused.len(), 1);
    let header = |name: &str| refused[0].headers[name].clone();
    assert_eq!(header("tripline.error.reason"), "not_json");
    let is_it = |record: &&Seen| {
        header("tripline.error.partition") == record.partition.to_string()
            && header("tripline.error.offset") == record.offset.to_string()
    };
    let input = read_all(&settings, &header("tripline.error.topic"));
    assert_eq!(input.iter().find(is_it).map(|record| record.value.as_str()), Some("unreadable"));
}

fn second_member(cluster: &Cluster) {
    let settings = cluster.service("members", 6);
    produce(&settings, "murmur2_random", 0, 20_000);
    let first = Service::start(&settings);
    await_that("the first has begun", || first.calls.judged() > 2_000);
    let mut other = settings.clone();
    other.instance = "1".to_owned();
    let second = Service::start(&other);
    await_that("the second has shards", || {
        (0..6).any(|partition| second.calls.of(partition).contains(&"live"))
    });
    produce(&settings, "murmur2_random", 20_000, 20_000);
    await_that("all is committed", || all_committed(&settings));
    let moved: Vec<u32> = (0..6).filter(|partition| !second.calls.of(*partition).is_empty()).collect();
    println!("  partitions {moved:?} moved");
    assert_eq!(moved.len(), 3, "the shards are spread");
    for partition in moved {
        assert_eq!(second.calls.of(partition), ["open", "restore", "live", "step"], "partition {partition}");
        assert_eq!(first.calls.of(partition).last(), Some(&"release"));
    }
    first.stop();
    second.stop();
    assert_eq!(verdicts_fit(&settings), 0, "a shard is committed before it is given back");
}

fn sigterm(cluster: &Cluster) {
    let mut settings = cluster.service("sigterm", 4);
    settings.commit_interval = Duration::from_secs(400);
    let (timeout, min_gap) = (Duration::from_secs(900), Duration::from_millis(2));
    settings.guarantee = Guarantee::ExactlyOnce { timeout, min_gap };
    produce(&settings, "murmur2_random", 0, 5_000);
    let mut service = Service::start(&settings);
    let state = HttpState { process: Arc::default(), reporter: Arc::clone(&service.reporter) };
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let _control = Control::start(Some(HttpSettings { listen, allow_remote: false }), state).unwrap();
    await_that("all is judged", || service.calls.judged() == 5_000);
    await_that("it is ready", || service.reporter.status.reasons().is_empty());
    assert!(!all_committed(&settings), "the interval has not passed");
    let began = Instant::now();
    assert!(
        Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status().unwrap().success()
    );
    service.end().unwrap();
    println!("  left within {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(all_committed(&settings));
}

/// What `topics` finds wrong with the input, and whether `run` fails because of it.
fn found(settings: &KafkaSettings) -> Vec<(bool, Problem)> {
    let input = audit_topics(settings, None, None).unwrap().swap_remove(0);
    input.findings.into_iter().map(|finding| (finding.is_error, finding.problem)).collect()
}

/// `topics` says beforehand what `run` does with a topic whose records have timestamps of their producers.
fn create_time(cluster: &Cluster) {
    let mut settings = cluster.service("clock", 2);
    stamp(&settings, "CreateTime");
    produce(&settings, "murmur2_random", 0, 10);
    assert_eq!(found(&settings), [(true, Problem::Stamped)]);
    let error = Service::start(&settings).end().unwrap_err().to_string();
    assert!(error.contains("clock.events is stamped by its producers"), "{error}");
    // The topic was changed afterwards: what lies in it still carries the producers' clock.
    stamp(&settings, "LogAppendTime");
    let old = |partition, offset, without_snapshot| {
        let partitions = if partition == 0 { 2 } else { 1 };
        vec![(true, Problem::OldStamps { partitions, partition, offset, without_snapshot })]
    };
    assert_eq!(found(&settings), old(0, 0, false));
    let error = Service::start(&settings).end().unwrap_err().to_string();
    assert!(error.contains("clock.events is stamped by its producers"), "{error}");
    settings.clock = InputClock::CreateTime;
    assert_eq!(found(&settings), []);
    let service = Service::start(&settings);
    await_that("it is judged", || service.calls.judged() == 10);
    await_that("all is committed", || all_committed(&settings));
    service.stop();
    // Further records have the broker's timestamps; a restore would read the older ones.
    produce(&settings, "murmur2_random", 10, 10);
    settings.clock = InputClock::LogAppendTime;
    assert_eq!(found(&settings), old(0, 0, true));
    let error = Service::start(&settings).end().unwrap_err().to_string();
    assert!(error.contains("clock.events is stamped by its producers"), "{error}");
    // Once they are gone, both agree that the broker's clock can be used.
    let next: Vec<i64> = committed(&settings).into_iter().map(|(next, _)| next).collect();
    delete_before(&settings, &next);
    assert_eq!(found(&settings), []);
    settings.clock = InputClock::CreateTime;
    assert_eq!(found(&settings), [(false, Problem::BrokerStamps)]);
    settings.clock = InputClock::LogAppendTime;
    let service = Service::start(&settings);
    await_that("the rest is judged", || service.calls.judged() == 10);
    service.stop();
}

fn added_partitions(cluster: &Cluster) {
    let settings = cluster.service("wider", 4);
    produce(&settings, "murmur2_random", 0, 100);
    let mut service = Service::start(&settings);
    await_that("all is committed", || all_committed(&settings));
    let began = Instant::now();
    add_partitions(&settings, 6);
    let error = service.end().unwrap_err().to_string();
    println!("  stopped after {:.1} s", began.elapsed().as_secs_f64());
    assert!(
        error.contains("wider.events has 6 partitions") && error.contains("2 partitions were added"),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(15));
    assert!(
        found(&settings).contains(&(true, Problem::Repartitioned { built_for: 4 })),
        "`topics` reports it"
    );
}

fn deleted_input(cluster: &Cluster) {
    let settings = cluster.service("deleted", 2);
    produce(&settings, "murmur2_random", 0, 2_000);
    let service = Service::start(&settings);
    await_that("all is committed", || all_committed(&settings));
    service.stop();
    let ends: Vec<i64> = committed(&settings).into_iter().map(|(_, end)| end).collect();
    // Retention took half of the past: coverage says so, and judging goes on.
    delete_before(&settings, &ends.iter().map(|end| end / 2).collect::<Vec<i64>>());
    let service = Service::start(&settings);
    await_that("both are live", || (0..2).all(|partition| service.calls.of(partition).contains(&"live")));
    for partition in 0..2u32 {
        let history = service.calls.history(partition);
        assert!(history.truncated && history.log_from.is_some() && history.rows > 0, "{history:?}");
    }
    service.stop();
    // Now it takes records that nobody has judged.
    produce(&settings, "murmur2_random", 2_000, 2_000);
    let ends: Vec<i64> = committed(&settings).into_iter().map(|(_, end)| end).collect();
    delete_before(&settings, &ends.iter().map(|end| end - 10).collect::<Vec<i64>>());
    let mut service = Service::start(&settings);
    let error = service.end().unwrap_err().to_string();
    assert!(error.contains("no longer in the log"), "{error}");
    assert_eq!(service.calls.judged(), 0, "nothing was skipped over");
}

fn broker_dies(cluster: &Cluster) {
    let settings = cluster.service("away", 4);
    produce(&settings, "murmur2_random", 0, 3_000);
    let service = Service::start(&settings);
    await_that("all is committed", || all_committed(&settings));
    let began = Instant::now();
    cluster.broker("kill");
    await_that("readiness tells", || {
        service.reporter.status.reasons().iter().any(|line| line.contains("no broker answers"))
    });
    println!("  not ready after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5));
    cluster.broker("start");
    produce(&settings, "murmur2_random", 3_000, 3_000);
    await_that("it goes on by itself", || all_committed(&settings));
    await_that("it is ready again", || service.reporter.status.reasons().is_empty());
    service.stop();
    verdicts_fit(&settings);
}

/// A producer upstream begins a transaction and goes silent: what lies behind cannot be read, and an operator can see
/// which partition waits, until the transaction ends.
fn open_transaction(cluster: &Cluster) {
    let settings = cluster.service("hanging", 1);
    produce(&settings, "murmur2_random", 0, 1_000);
    let service = Service::start(&settings);
    await_that("the service is live", || {
        service.reporter.metrics.text().contains("tripline_events_total 1000")
    });
    let began = Instant::now();
    let upstream = begin_transaction(&settings);
    produce(&settings, "murmur2_random", 1_000, 500);
    await_that("the partition is named", || {
        service
            .reporter
            .status
            .reasons()
            .iter()
            .any(|line| line.starts_with("partition 0: an upstream transaction"))
    });
    println!("  named after {:.1} s", began.elapsed().as_secs_f64());
    let text = service.reporter.metrics.text();
    assert!(text.contains("tripline_open_transaction_records{partition=\"0\"} 501"), "{text}");
    end_transaction(upstream);
    await_that("it flows again", || service.reporter.status.reasons().is_empty());
    await_that("everything is judged", || {
        service.reporter.metrics.text().contains("tripline_events_total 1501")
    });
    service.stop();
}

/// The end of the log is behind the marker, which is no record. The lag counts records.
fn marker(cluster: &Cluster) {
    let settings = cluster.service("marker", 1);
    produce(&settings, "murmur2_random", 0, 10);
    let lag = |service: &Service| service.reporter.status.shards().first().and_then(|(_, shard)| shard.lag);
    let lag_is_0 = |service: &Service| {
        let metric = "tripline_lag_records{partition=\"0\"} 0";
        lag(service) == Some(0) && service.reporter.metrics.text().lines().any(|line| line == metric)
    };
    let service = Service::start(&settings);
    end_transaction(begin_transaction(&settings));
    await_that("all is judged", || service.calls.judged() == 11);
    await_that("the lag is 0", || lag_is_0(&service));
    // An aborted record is none, and so is the marker behind it.
    undo_transaction(begin_transaction(&settings));
    let end = || committed(&settings)[0].1;
    await_that("the abort is in the log", || end() == 14);
    std::thread::sleep(Duration::from_secs(2));
    await_that("the lag is 0 again", || lag_is_0(&service));
    service.stop();
    let service = Service::start(&settings);
    await_that("the lag is 0 after a restart", || lag_is_0(&service));
    assert_eq!(service.calls.judged(), 0);
    service.stop();
}

/// Where two shards go on is known once the broker has ended their dead owner's transaction. The worker that takes them
/// over judges its other shards meanwhile, and answers the group.
fn dead_owner(cluster: &Cluster) {
    const LEFT: [u32; 2] = [1, 3];
    let settings = cluster.service("heir", 4);
    produce(&settings, "murmur2_random", 0, 2_000);
    let service = Service::start(&settings);
    await_that("all is committed", || all_committed(&settings));
    service.stop();
    let before = committed(&settings);
    let left = LEFT.map(|partition| (i32::try_from(partition).unwrap(), before[partition as usize].0));
    let dead = die_in_transaction(&settings, left[0], left[1]);
    produce(&settings, "murmur2_random", 2_000, 2_000);
    let began = Instant::now();
    let service = Service::start(&settings);
    await_that("the other shards are judged", || {
        [0, 2].iter().all(|partition| service.calls.of(*partition).contains(&"step"))
    });
    println!("  the others are judged after {:.1} s", began.elapsed().as_secs_f64());
    std::thread::sleep(Duration::from_secs(2));
    for partition in LEFT {
        assert!(!service.calls.of(partition).contains(&"live"), "partition {partition} must not go on yet");
    }
    let reasons = service.reporter.status.reasons();
    let count = |part: &str| reasons.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("is being restored"), 2, "{reasons:?}");
    for partition in LEFT {
        assert_eq!(count(&format!("partition {partition} waits: ")), 1, "an operator sees why: {reasons:?}");
    }
    undo_transaction(dead);
    await_that("all is committed", || all_committed(&settings));
    service.stop();
    assert_eq!(verdicts_fit(&settings), 0, "nothing is repeated");
}
