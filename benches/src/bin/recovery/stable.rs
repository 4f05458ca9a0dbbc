//! How long readers of committed records were blocked: a partition's last stable offset did not move although records
//! followed it, because a transaction stayed open.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tripline::names::Topics;
use tripline_benches::kafka::{Failure, PARTITIONS, asking};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Between two checks of all partitions.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// Longer than any transaction of a running process.
pub(super) const DEAD_AFTER: Duration = Duration::from_millis(500);

/// Reads the last stable offset and the end of each partition of alerts and verdicts.
struct Ends {
    topics: [String; 2],
    written: BaseConsumer,
    stable: BaseConsumer,
}

/// Measures how long readers are blocked, on its own thread from [`Stable::start`] on.
pub(super) struct Stable {
    ends: Option<Ends>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Duration, String>>>,
}

impl Ends {
    /// The last stable offset of a partition, if records follow it.
    fn held_at(&self, topic: &str, partition: i32) -> Result<Option<i64>, Failure> {
        let (_, stable) = self.stable.fetch_watermarks(topic, partition, ANSWER_WITHIN)?;
        let (_, end) = self.written.fetch_watermarks(topic, partition, ANSWER_WITHIN)?;
        Ok((stable < end).then_some(stable))
    }

    /// The longest time that a last stable offset did not move. Runs until `is_over`, and no partition waits for the
    /// transaction of a killed process.
    fn longest(&self, is_over: &AtomicBool) -> Result<Duration, Failure> {
        let mut longest = Duration::ZERO;
        let mut still: BTreeMap<(&str, i32), (i64, Instant)> = BTreeMap::new();
        let waits = |(_, since): &(i64, Instant)| since.elapsed() > DEAD_AFTER;
        while !is_over.load(Ordering::Acquire) || still.values().any(waits) {
            for topic in &self.topics {
                for partition in 0..PARTITIONS {
                    let place = (topic.as_str(), partition);
                    let Some(held) = self.held_at(topic, partition)? else {
                        still.remove(&place);
                        continue;
                    };
                    let (at, since) = still.entry(place).or_insert((held, Instant::now()));
                    if *at != held {
                        (*at, *since) = (held, Instant::now());
                    }
                    longest = longest.max(since.elapsed());
                }
            }
            thread::sleep(CHECK_EVERY);
        }
        Ok(longest)
    }
}

impl Stable {
    /// For the output topics under a prefix.
    pub(super) fn new(brokers: &str, prefix: &str) -> Result<Stable, Failure> {
        let stable = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("isolation.level", "read_committed")
            .create()?;
        let Topics { alerts, verdicts, .. } = Topics::under(prefix);
        let ends = Ends { topics: [alerts, verdicts], written: asking(brokers, "ends")?, stable };
        Ok(Stable { ends: Some(ends), is_over: Arc::default(), thread: None })
    }

    /// Whether readers of one of these partitions of the alerts are blocked now.
    pub(super) fn is_held_back(&self, partitions: &[u32]) -> Result<bool, Failure> {
        let Some(ends) = &self.ends else { return Ok(false) };
        for partition in partitions {
            if ends.held_at(&ends.topics[0], i32::try_from(*partition)?)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Starts measuring all partitions.
    pub(super) fn start(&mut self) {
        let Some(ends) = self.ends.take() else { return };
        let is_over = Arc::clone(&self.is_over);
        let work = move || ends.longest(&is_over).map_err(|error| error.to_string());
        self.thread = Some(thread::spawn(work));
    }

    /// The longest time that readers of a partition were blocked since the start, accurate to about 50 ms.
    pub(super) fn longest(mut self) -> Result<Duration, Failure> {
        self.is_over.store(true, Ordering::Release);
        let thread = self.thread.take().ok_or("the measurement was not started")?;
        Ok(thread.join().map_err(|_| "the measurement panicked")??)
    }
}

impl Drop for Stable {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}
