//! Open loop: every event has a time at which it is to be sent, whether those before it were answered or not, and the
//! latency of its alert counts from that time. So a stall shows in all events that should have been sent meanwhile.

use super::bench::{Bench, Load, PREFIX, TOPIC};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tripline_benches::kafka::{Failure, Writer, ends, positions};
use tripline_benches::records;
use tripline_benches::report::{Column, Report};
use tripline_core::batch::Batch;
use tripline_core::simulate::SimulatedEvent;

const COLUMNS: &[Column] = &[
    ("p50_ms", 2),
    ("p99_ms", 2),
    ("p99_9_ms", 2),
    ("max_ms", 2),
    ("alerts", 0),
    ("alert_share_percent", 2),
    ("sent_per_second", 0),
    ("sender_behind_max_ms", 2),
    ("service_cpu_share", 3),
];

/// How long the writer may wait for more records to send at once: a millisecond, as a core banking system's would.
const LINGER_MS: u32 = 1;
/// After the last commit, the reader has read everything once it was at all ends for so long.
const QUIET: Duration = Duration::from_millis(500);
/// How long it waits for them.
const PATIENCE: Duration = Duration::from_secs(30);

/// Rounds of so many events at so many a second.
pub(super) fn measure(load: Load, rate: u32, events: u32, rounds: u32) -> Result<Report, Failure> {
    let mut bench = Bench::start(load)?;
    let writer = Writer::new(&bench.broker.address(), TOPIC, LINGER_MS)?;
    // What is allocated or connected once is so in a round that does not count.
    round(&mut bench, &writer, rate, (events / 10).max(1_000))?;
    let mut measured = Vec::new();
    for number in 1..=rounds {
        let figures = round(&mut bench, &writer, rate, events)?;
        eprintln!("harness: round {number}: p50 {:.2} ms, p99.9 {:.2} ms", figures[0], figures[2]);
        measured.push(figures);
    }
    let about = format!(
        "{events} events a round at {rate} a second, open loop; from the time an event is due to be sent until its alert is read; {}",
        bench.about
    );
    bench.stop()?;
    Ok(Report { about, columns: COLUMNS, rounds: measured })
}

/// Events in memory, and which of them an id is.
struct Due {
    batch: Batch,
    number_of: HashMap<String, u32>,
}

fn prepare(bench: &mut Bench, events: u32) -> Due {
    let mut due = Due { batch: records::empty(), number_of: HashMap::new() };
    let mut event = SimulatedEvent::default();
    for number in 0..events {
        bench.next(&mut event);
        due.batch.push(i64::from(number), Some(event.appended_at), event.account.as_bytes(), &event.value);
        due.number_of.insert(std::mem::take(&mut event.id), number);
    }
    due
}

fn round(bench: &mut Bench, writer: &Writer, rate: u32, events: u32) -> Result<Vec<f64>, Failure> {
    let due = prepare(bench, events);
    let topic = format!("{PREFIX}.alerts");
    let first = ends(&bench.asking, &topic)?;
    let reader = reader(&bench.broker.address(), &topic, &first)?;
    let is_over = AtomicBool::new(false);
    let before = bench.service.spent();
    let (sent, read) = thread::scope(|scope| -> Result<_, Failure> {
        let reading = scope.spawn(|| {
            read(&reader, first.len(), &is_over, &due.number_of).map_err(|fault| fault.to_string())
        });
        // Whatever becomes of the sending: the reader must not wait for ever.
        let sent = send(&due.batch, writer, rate).and_then(|sent| {
            bench.until_committed(&ends(&bench.asking, TOPIC)?)?;
            Ok(sent)
        });
        is_over.store(true, Ordering::Release);
        let read = reading.join().map_err(|_| "the reader panicked")?;
        Ok((sent?, read?))
    })?;
    let cpu = bench.service.spent().cpu_seconds - before.cpu_seconds;
    let at = |number: u32| sent.began + gap(rate, number);
    let mut late: Vec<Duration> = read.into_iter().map(|(number, then)| then - at(number)).collect();
    late.sort_unstable();
    if late.is_empty() {
        return Err(format!("no alert among {events} events").into());
    }
    let alerts = f64::from(u32::try_from(late.len())?);
    let (count, sending) = (f64::from(events), sent.seconds);
    let shares = [0.5, 0.99, 0.999, 1.0].map(|share| ms(quantile(&late, share)));
    let rest = [alerts, 100.0 * alerts / count, count / sending, ms(sent.behind_max), cpu / sending];
    Ok([&shares[..], &rest].concat())
}

/// When an event is due, from the first one on.
fn gap(rate: u32, number: u32) -> Duration {
    Duration::from_secs_f64(f64::from(number) / f64::from(rate))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The least of these that so large a share of them does not exceed: exact, nothing is binned.
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
    /// The most that the sender itself was behind: it counts as latency, and says whether the machine kept up.
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
            thread::sleep(due - now);
        }
        let at = record.appended_at.ok_or("every simulated event has its time")?;
        writer.send(at, batch.key(record), batch.value(record))?;
    }
    sent.seconds = sent.began.elapsed().as_secs_f64();
    writer.finish()?;
    Ok(sent)
}

/// A consumer of the alerts from these offsets on.
fn reader(brokers: &str, topic: &str, next: &[i64]) -> Result<BaseConsumer, Failure> {
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

/// Which event each alert is about, and when it was read, until `is_over` and everything there is was read. The end of a
/// partition is not an alert's offset + 1: the ends of transactions take places, too.
fn read(
    consumer: &BaseConsumer,
    partitions: usize,
    is_over: &AtomicBool,
    number_of: &HashMap<String, u32>,
) -> Result<Vec<(u32, Instant)>, Failure> {
    let (mut read, mut has_ended) = (Vec::new(), vec![false; partitions]);
    let mut quiet_since = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(20)) {
            Some(Err(KafkaError::PartitionEOF(partition))) => has_ended[usize::try_from(partition)?] = true,
            Some(message) => {
                let (message, now) = (message?, Instant::now());
                has_ended[usize::try_from(message.partition())?] = false;
                let alert: serde_json::Value = serde_json::from_slice(message.payload().unwrap_or_default())?;
                let id = alert["event"]["id"].as_str().ok_or("an alert names no event")?;
                read.push((*number_of.get(id).ok_or("an alert is about an event that was not sent")?, now));
                quiet_since = now;
            }
            None if !is_over.load(Ordering::Acquire) => quiet_since = Instant::now(),
            None if has_ended.iter().all(|ended| *ended) && quiet_since.elapsed() > QUIET => return Ok(read),
            None if quiet_since.elapsed() > PATIENCE => {
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
