//! A reader of committed alerts on its own thread, from the first record on. It reports alerts that come twice.

use crate::kafka::{Failure, PARTITIONS, positions};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// An alert that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Partition of the alerts.
    pub partition: i32,
    /// When it was read.
    pub at: Instant,
}

#[derive(Default)]
struct Shared {
    /// By the id of the event that the alert is about.
    seen: Mutex<HashMap<String, Seen>>,
    /// Ids of events whose alert came again.
    doubled: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

/// The reader; it ends when this is dropped.
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().expect("no thread panics while holding the lock")
}

/// A consumer that reads committed records of a topic from these offsets on, with events at the ends of partitions.
///
/// # Errors
/// When the client cannot be made.
pub fn reader(brokers: &str, topic: &str, next: &[i64]) -> Result<BaseConsumer, Failure> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()?;
    consumer.assign(&positions(topic, next)?)?;
    Ok(consumer)
}

/// The id of the event that an alert is about.
///
/// # Errors
/// When it is no alert.
pub fn event_of(alert: &[u8]) -> Result<String, Failure> {
    let alert: serde_json::Value = serde_json::from_slice(alert)?;
    Ok(alert["event"]["id"].as_str().ok_or("an alert names no event")?.to_owned())
}

impl Shared {
    fn read(&self, consumer: &BaseConsumer) -> Result<(), Failure> {
        while !self.is_over.load(Ordering::Acquire) {
            match consumer.poll(Duration::from_millis(20)) {
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                Some(message) => {
                    let (message, at) = (message?, Instant::now());
                    let id = event_of(message.payload().unwrap_or_default())?;
                    let seen = Seen { partition: message.partition(), at };
                    if locked(&self.seen).insert(id.clone(), seen).is_some() {
                        locked(&self.doubled).push(id);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Watch {
    /// Reads a topic of alerts from its beginning.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn start(brokers: &str, topic: &str) -> Result<Watch, Failure> {
        let consumer = reader(brokers, topic, &vec![0; usize::try_from(PARTITIONS)?])?;
        let shared = Arc::<Shared>::default();
        let reading = Arc::clone(&shared);
        let thread = thread::spawn(move || reading.read(&consumer).map_err(|error| error.to_string()));
        Ok(Watch { shared, thread: Some(thread) })
    }

    /// The alert about an event, once it was read.
    pub fn seen(&self, event: &str) -> Option<Seen> {
        locked(&self.shared.seen).get(event).copied()
    }

    /// When alerts of a partition were read, in order.
    pub fn times(&self, partition: u32) -> Vec<Instant> {
        let seen = locked(&self.shared.seen);
        let of = seen.values().filter(|seen| u32::try_from(seen.partition) == Ok(partition));
        let mut times: Vec<Instant> = of.map(|seen| seen.at).collect();
        times.sort_unstable();
        times
    }

    /// Waits until the alerts about all these events were read; then none may have come again.
    ///
    /// # Errors
    /// When some are missing after that time, or came twice; `check` may end it earlier.
    pub fn await_all(
        &self,
        events: &[String],
        within: Duration,
        mut check: impl FnMut() -> Result<(), Failure>,
    ) -> Result<Vec<Seen>, Failure> {
        let began = Instant::now();
        loop {
            let seen: Vec<Seen> = events.iter().filter_map(|event| self.seen(event)).collect();
            if seen.len() == events.len() {
                self.check()?;
                return Ok(seen);
            }
            check()?;
            self.check()?;
            if began.elapsed() > within {
                let mut missing = events.iter().filter(|event| self.seen(event).is_none());
                let (first, more) = (missing.next(), missing.count());
                return Err(
                    format!("alerts are missing after {within:?}: about {first:?} and {more} more").into()
                );
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Fails when an alert came twice, or the reader has ended.
    ///
    /// # Errors
    /// Then.
    pub fn check(&self) -> Result<(), Failure> {
        let doubled = locked(&self.shared.doubled);
        if !doubled.is_empty() {
            return Err(format!("alerts were read twice: {doubled:?}").into());
        }
        match &self.thread {
            Some(thread) if !thread.is_finished() => Ok(()),
            _ => Err("the reader of alerts has ended".into()),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // `check` has reported its errors.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
