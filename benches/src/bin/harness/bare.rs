//! The baseline: consumers with the settings of the service's workers. They read the length of each record and commit
//! as often as a worker, and do nothing else.

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use tripline::io::kafka::KafkaSettings;
use tripline_benches::kafka::Failure;
use tripline_benches::service::{Process, Spent};

use super::bench::{TOPIC, WORKERS};

const WAIT: Duration = Duration::from_millis(50);

/// CPU time and time of the bare consumers from the first record to the last commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needed {
    pub(super) cpu_seconds: f64,
    pub(super) seconds: f64,
}

/// Runs them as a separate process until they have read this many records.
pub(super) fn measure(brokers: &str, group: &str, events: u32, folder: &Path) -> Result<Needed, Failure> {
    let log = folder.join(format!("{group}.log"));
    let arguments = ["bare", brokers, group, &events.to_string()];
    let mut process = Process::start(&std::env::current_exe()?, &arguments, &log)?;
    let began = Instant::now();
    let status = loop {
        match process.ended()? {
            Some(status) => break status,
            None if began.elapsed() > Duration::from_secs(600) => {
                return Err("the bare consumer did not end within ten minutes".into());
            }
            None => thread::sleep(Duration::from_millis(50)),
        }
    };
    let output = std::fs::read_to_string(&log)?;
    let line = output.lines().find_map(|line| line.strip_prefix("needed "));
    let needed: Option<Vec<f64>> =
        line.and_then(|line| line.split(' ').map(|number| number.parse().ok()).collect());
    match needed.as_deref() {
        Some([cpu_seconds, seconds]) => Ok(Needed { cpu_seconds: *cpu_seconds, seconds: *seconds }),
        _ => Err(format!("the bare consumer ended with {status}: {output}").into()),
    }
}

/// Reads this many records from the group's committed offsets, and prints what it needed.
pub(super) fn run(brokers: &str, group: &str, events: u64) -> Result<(), Failure> {
    let settings = KafkaSettings::new(brokers, TOPIC, group, "none");
    let progress =
        ReadProgress { events, read: AtomicU64::new(0), first: OnceLock::new(), last: OnceLock::new() };
    let error = Mutex::new(None);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (settings, progress, error) = (&settings, &progress, &error);
            scope.spawn(move || {
                if let Err(reason) = poll(settings, worker, progress) {
                    *error.lock().expect("no consumer panics while holding the lock") =
                        Some(reason.to_string());
                    // This ends the other consumers, too.
                    progress.read.store(events, Ordering::Relaxed);
                }
            });
        }
    });
    if let Some(reason) = error.into_inner()? {
        return Err(reason.into());
    }
    let Some(((before, began), (after, ended))) = progress.first.get().zip(progress.last.get()) else {
        return Err("nothing was read".into());
    };
    println!("needed {} {}", after.cpu_seconds - before.cpu_seconds, (*ended - *began).as_secs_f64());
    Ok(())
}

/// Records read by all consumers; CPU time and time at the first record and after the last.
struct ReadProgress {
    events: u64,
    read: AtomicU64,
    first: OnceLock<(Spent, Instant)>,
    last: OnceLock<(Spent, Instant)>,
}

fn now() -> (Spent, Instant) {
    (Spent::of("self"), Instant::now())
}

/// One consumer, like a worker's. It adds to the shared count only when it commits, not for each record.
fn poll(settings: &KafkaSettings, worker: usize, progress: &ReadProgress) -> Result<(), Failure> {
    let consumer: BaseConsumer = settings.consumer(worker).create()?;
    consumer.subscribe(&[TOPIC])?;
    let mut next = BTreeMap::new();
    let (mut count, mut bytes, mut committed) = (0, 0, Instant::now());
    while progress.read.load(Ordering::Relaxed) < progress.events {
        for _ in 0..settings.batch_max {
            match consumer.poll(WAIT) {
                Some(Ok(message)) => {
                    if count == 0 {
                        progress.first.get_or_init(now);
                    }
                    count += 1;
                    bytes += message.payload_len();
                    next.insert(message.partition(), message.offset() + 1);
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => break,
                Some(Err(error)) => return Err(error.into()),
            }
        }
        if count > 0 && committed.elapsed() >= settings.commit_interval {
            let mut list = TopicPartitionList::new();
            for (partition, offset) in std::mem::take(&mut next) {
                list.add_partition_offset(TOPIC, partition, Offset::Offset(offset))?;
            }
            consumer.commit(&list, CommitMode::Sync)?;
            progress.read.fetch_add(std::mem::take(&mut count), Ordering::Relaxed);
            committed = Instant::now();
        }
    }
    // Leaving the group is not measured.
    progress.last.get_or_init(now);
    println!("worker {worker} saw {bytes} bytes");
    Ok(())
}
