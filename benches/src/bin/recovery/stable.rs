//! How long readers of committed records could not go on: a partition's last stable offset stood still though there
//! were records behind it, of a transaction that nobody ended.

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
/// Between two looks at all partitions.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A transaction of a living process ends sooner.
pub(super) const DEAD_AFTER: Duration = Duration::from_millis(500);

/// The two ends of the partitions of alerts and verdicts.
struct Ends {
    topics: [String; 2],
    written: BaseConsumer,
    stable: BaseConsumer,
}

/// Somebody who looks at them, on a thread of its own once it looks on.
pub(super) struct Stable {
    ends: Option<Ends>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Duration, String>>>,
}

impl Ends {
    /// The last stable offset of a partition, where there are records behind it.
    fn held_at(&self, topic: &str, partition: i32) -> Result<Option<i64>, Failure> {
        let (_, stable) = self.stable.fetch_watermarks(topic, partition, ANSWER_WITHIN)?;
        let (_, end) = self.written.fetch_watermarks(topic, partition, ANSWER_WITHIN)?;
        Ok((stable < end).then_some(stable))
    }

    /// The longest that any partition stood still, until it is over and none waits for a dead process's transaction.
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
            thread::sleep(LOOK_EVERY);
        }
        Ok(longest)
    }
}

impl Stable {
    /// Looks at the output topics under this prefix.
    pub(super) fn watch(brokers: &str, prefix: &str) -> Result<Stable, Failure> {
        let stable = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("isolation.level", "read_committed")
            .create()?;
        let Topics { alerts, verdicts, .. } = Topics::under(prefix);
        let ends = Ends { topics: [alerts, verdicts], written: asking(brokers, "ends")?, stable };
        Ok(Stable { ends: Some(ends), is_over: Arc::default(), thread: None })
    }

    /// Whether readers of one of these partitions of the alerts are held back now.
    pub(super) fn is_held_back(&self, partitions: &[u32]) -> Result<bool, Failure> {
        let Some(ends) = &self.ends else { return Ok(false) };
        for partition in partitions {
            if ends.held_at(&ends.topics[0], i32::try_from(*partition)?)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// From now on it looks at all partitions.
    pub(super) fn look_on(&mut self) {
        let Some(ends) = self.ends.take() else { return };
        let is_over = Arc::clone(&self.is_over);
        let work = move || ends.longest(&is_over).map_err(|error| error.to_string());
        self.thread = Some(thread::spawn(work));
    }

    /// The longest that readers of any partition were held back since then, to about 50 ms.
    pub(super) fn longest(mut self) -> Result<Duration, Failure> {
        self.is_over.store(true, Ordering::Release);
        let thread = self.thread.take().ok_or("it looks on")?;
        Ok(thread.join().map_err(|_| "who looked at the ends panicked")??)
    }
}

impl Drop for Stable {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}
