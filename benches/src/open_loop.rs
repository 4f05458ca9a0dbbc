//! Open loop: every event has a due time that does not depend on earlier responses, and the latency of its alert counts
//! from that time. So a stall increases the latency of all events that are due during it.

use crate::kafka::{Failure, Writer, ends};
use crate::watch::{event_of, reader};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tripline_core::batch::{Batch, Timestamp};

/// `linger.ms` of the writer, as a core banking system might set it.
pub const LINGER_MS: u32 = 1;
/// Minimum sleep of the sender: a wake-up for every event would take CPU time from the service. The delay counts as
/// latency.
const SLEEP: Duration = Duration::from_millis(1);
/// After the last commit, the reader has read everything when it was at all ends for this long.
const QUIET: Duration = Duration::from_millis(500);
/// The reader fails when it has not read everything within this time.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// Events in memory, in the order of their due times, and their numbers by id.
pub struct Due {
    batch: Batch,
    number_of: HashMap<String, u32>,
}

impl Default for Due {
    fn default() -> Due {
        Due { batch: crate::records::empty(), number_of: HashMap::new() }
    }
}

impl Due {
    /// Adds the next event.
    pub fn push(&mut self, id: String, at: Timestamp, key: &[u8], value: &[u8]) {
        let number = u32::try_from(self.batch.records.len()).expect("events of a round fit into memory");
        self.batch.push(i64::from(number), Some(at), key, value);
        self.number_of.insert(id, number);
    }
}

/// The result of a round.
pub struct Round {
    /// Time from each event's due time until its alert was read, ascending.
    pub late: Vec<Duration>,
    /// Duration of the sending, s.
    pub seconds: f64,
    /// Largest delay of the sender. It counts as latency and shows whether the machine kept up.
    pub behind_max: Duration,
}

/// Sends the events at a rate per second while the alerts are read; `settle` waits until all events are committed.
///
/// # Errors
/// When the broker fails, no alert was read, one was read twice, or one is about an event that was not sent.
pub fn round(
    (brokers, alerts): (&str, &str),
    asking: &BaseConsumer,
    due: &Due,
    (writer, rate): (&Writer, u32),
    settle: impl FnOnce() -> Result<(), Failure>,
) -> Result<Round, Failure> {
    let first = ends(asking, alerts)?;
    let reader = reader(brokers, alerts, &first)?;
    let is_over = AtomicBool::new(false);
    let (sent, read) = thread::scope(|scope| -> Result<_, Failure> {
        let reading =
            scope.spawn(|| read(&reader, first.len(), &is_over, due).map_err(|error| error.to_string()));
        // The reader must end even after an error of the sender.
        let sent = send(&due.batch, writer, rate).and_then(|sent| settle().map(|()| sent));
        is_over.store(true, Ordering::Release);
        let read = reading.join().map_err(|_| "the reader panicked")?;
        Ok((sent?, read?))
    })?;
    let at = |number: u32| sent.began + gap(rate, number);
    let mut late: Vec<Duration> = read.into_iter().map(|(number, then)| then - at(number)).collect();
    if late.is_empty() {
        return Err(format!("no alert among {} events", due.batch.records.len()).into());
    }
    late.sort_unstable();
    Ok(Round { late, seconds: sent.seconds, behind_max: sent.behind_max })
}

impl Round {
    /// The quantiles 50 %, 99 % and 99.9 % of the latency, and the maximum, ms.
    pub fn quantiles_ms(&self) -> [f64; 4] {
        [0.5, 0.99, 0.999, 1.0].map(|share| quantile(&self.late, share).as_secs_f64() * 1e3)
    }
}

/// The due time of an event, after the first one's.
fn gap(rate: u32, number: u32) -> Duration {
    Duration::from_secs_f64(f64::from(number) / f64::from(rate))
}

/// The smallest value that at least this share of the values does not exceed; exact, without bins.
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let least = |at: &usize| {
        let (at, all) = (u32::try_from(*at), u32::try_from(sorted.len()));
        f64::from(at.unwrap_or(u32::MAX) + 1) >= share * f64::from(all.unwrap_or(u32::MAX))
    };
    sorted[(0..sorted.len()).find(least).unwrap_or(sorted.len() - 1)]
}

struct Sent {
    began: Instant,
    seconds: f64,
    behind_max: Duration,
}

fn send(batch: &Batch, writer: &Writer, rate: u32) -> Result<Sent, Failure> {
    let mut sent = Sent { began: Instant::now(), seconds: 0.0, behind_max: Duration::ZERO };
    for (number, record) in (0..).zip(&batch.records) {
        let due = sent.began + gap(rate, number);
        loop {
            let now = Instant::now();
            if now >= due {
                sent.behind_max = sent.behind_max.max(now - due);
                break;
            }
            thread::sleep((due - now).max(SLEEP));
        }
        let at = record.appended_at.ok_or("every simulated event has its time")?;
        writer.send(at, batch.key(record), batch.value(record))?;
    }
    sent.seconds = sent.began.elapsed().as_secs_f64();
    writer.finish()?;
    Ok(sent)
}

/// Reads alerts until `is_over` and the end of every partition: the number of each one's event, and when it was read.
/// The end of a partition is not the last alert's offset + 1, because transaction markers have offsets, too.
fn read(
    consumer: &BaseConsumer,
    partitions: usize,
    is_over: &AtomicBool,
    due: &Due,
) -> Result<Vec<(u32, Instant)>, Failure> {
    let (mut read, mut has_ended) = (Vec::new(), vec![false; partitions]);
    let mut has_alerted = vec![false; due.batch.records.len()];
    let mut quiet_since = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(20)) {
            Some(Err(KafkaError::PartitionEOF(partition))) => has_ended[usize::try_from(partition)?] = true,
            Some(message) => {
                let (message, now) = (message?, Instant::now());
                has_ended[usize::try_from(message.partition())?] = false;
                let id = event_of(message.payload().unwrap_or_default())?;
                let number = *due.number_of.get(&id).ok_or("an alert is about an event that was not sent")?;
                if std::mem::replace(&mut has_alerted[number as usize], true) {
                    return Err(format!("the alert about {id} was read twice").into());
                }
                read.push((number, now));
                quiet_since = now;
            }
            None if !is_over.load(Ordering::Acquire) => quiet_since = Instant::now(),
            None if has_ended.iter().all(|ended| *ended) && quiet_since.elapsed() > QUIET => return Ok(read),
            None if quiet_since.elapsed() > READ_WITHIN => {
                return Err("alerts that were published could not be read within 30 s".into());
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_thousand_alerts_one_may_be_slower_than_the_last_quantile() {
        let sorted: Vec<Duration> = (1..=1_000).map(Duration::from_micros).collect();
        let at = |share| quantile(&sorted, share).as_micros();
        assert_eq!((at(0.5), at(0.99), at(0.999), at(1.0)), (500, 990, 999, 1_000));
        assert_eq!(quantile(&sorted[..1], 0.999), Duration::from_micros(1));
    }
}
