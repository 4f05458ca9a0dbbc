//! The writer of the bank's events and the reader of the alerts, each for its own thread.

use super::{Arguments, PREFIX, TOPIC};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedHeaders, Headers, Message};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tripline::names::{Topics, header};
use tripline_benches::kafka::{Failure, PARTITIONS, Writer, positions};
use tripline_benches::records::START;
use tripline_core::batch::Timestamp;
use tripline_core::simulate::{Campaigns, Faults, SimulatedEvent, Simulation, SimulationSettings};

/// Campaigns per account and day: enough to keep a transaction open most of the time.
const CAMPAIGNS: f64 = 0.3;
/// At the end, the reader has read everything when no record has come for this long.
const QUIET: Duration = Duration::from_secs(25);

/// Writes events until `is_over`. Returns how many.
pub(super) fn write(brokers: &str, arguments: &Arguments, is_over: &AtomicBool) -> Result<u32, Failure> {
    let settings = SimulationSettings {
        campaigns: Campaigns::poisson(CAMPAIGNS * f64::from(arguments.accounts)),
        faults: Faults::rough(),
        ..SimulationSettings::new(arguments.seed, arguments.accounts, START)
    };
    let mut feed = Simulation::new(&settings);
    let writer = Writer::new(brokers, TOPIC, 5)?;
    let (mut event, mut count, began) = (SimulatedEvent::default(), 0_u32, Instant::now());
    while !is_over.load(Ordering::Acquire) {
        let due = Duration::from_secs_f64(f64::from(count) / f64::from(arguments.rate));
        thread::sleep(due.saturating_sub(began.elapsed()));
        while !feed.next_before(Timestamp(i64::MAX / 4), &mut event) {}
        writer.send(event.appended_at, event.account.as_bytes(), &event.value)?;
        count += 1;
    }
    writer.finish()?;
    Ok(count)
}

/// Reads committed alerts until `is_over` and none has come for [`QUIET`]. Returns their number, and how many repeat an
/// id.
pub(super) fn read(brokers: &str, is_over: &AtomicBool) -> Result<(u64, u64), Failure> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "chaos-reader")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()?;
    consumer.assign(&positions(&Topics::under(PREFIX).alerts, &vec![0; usize::try_from(PARTITIONS)?])?)?;
    let (mut ids, mut count, mut doubled) = (HashSet::new(), 0, 0);
    let mut quiet_since = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let id = message
                    .headers()
                    .and_then(id)
                    .ok_or_else(|| format!("an alert has no `{}`", header::CE_ID))?;
                count += 1;
                if !ids.insert(id.to_vec()) {
                    doubled += 1;
                    eprintln!("chaos: alert {} was read twice", String::from_utf8_lossy(id));
                }
                quiet_since = Instant::now();
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {}
            // The broker may have been killed.
            Some(Err(_)) => quiet_since = Instant::now(),
            None if !is_over.load(Ordering::Acquire) => quiet_since = Instant::now(),
            None if quiet_since.elapsed() > QUIET => return Ok((count, doubled)),
            None => {}
        }
    }
}

fn id(headers: &BorrowedHeaders) -> Option<&[u8]> {
    headers.iter().find(|header| header.key == header::CE_ID)?.value
}
