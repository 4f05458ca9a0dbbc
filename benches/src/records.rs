//! Records of a simulated bank: in a topic, or in memory in batches like a worker's.

use crate::kafka::{Failure, Writer};
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::simulate::{Campaigns, SimulatedEvent, Simulation, SimulationSettings};

/// Records of a batch, as many as a worker's.
pub const BATCH_RECORDS: usize = 256;
/// The first time of the simulated bank: 2026-03-01, a Sunday.
pub const START: Timestamp = Timestamp(1_772_323_200_000);

/// Hours of events that fill the ledgers of the load pack: its lookback is a day, its lateness an hour.
const PAST_HOURS: i64 = 26;
const HOUR_MS: i64 = 3_600_000;

/// A bank whose every account has three events a day, with a hundred campaigns a day.
pub fn bank(accounts: u32) -> Simulation {
    let campaigns = Campaigns::poisson(100.0);
    Simulation::new(&SimulationSettings { campaigns, ..SimulationSettings::new(7, accounts, START) })
}

/// Publishes the events before the measurement. Returns their number.
///
/// # Errors
/// When they cannot be published.
pub fn write_past(feed: &mut Simulation, brokers: &str, topic: &str) -> Result<u32, Failure> {
    let writer = Writer::new(brokers, topic, 5)?;
    let (mut event, mut count) = (SimulatedEvent::default(), 0);
    while feed.next_before(Timestamp(START.0 + PAST_HOURS * HOUR_MS), &mut event) {
        writer.send(event.appended_at, event.account.as_bytes(), &event.value)?;
        count += 1;
    }
    writer.finish()?;
    Ok(count)
}

/// The next record of a feed.
pub fn next(feed: &mut Simulation, event: &mut SimulatedEvent) {
    while !feed.next_before(Timestamp(i64::MAX / 4), event) {}
}

/// The records of a feed as those of one partition.
pub struct Records {
    simulation: Simulation,
    event: SimulatedEvent,
    offset: i64,
}

impl Records {
    /// The feed of a bank with this many accounts.
    pub fn new(accounts: u32) -> Records {
        Records { simulation: bank(accounts), event: SimulatedEvent::default(), offset: 0 }
    }

    /// Fills a batch with the next records. False at the first record after `until`, which is lost.
    pub fn fill(&mut self, batch: &mut Batch, most: usize, until: Timestamp) -> bool {
        batch.clear();
        while batch.records.len() < most {
            if !self.simulation.next_before(until, &mut self.event) {
                return false;
            }
            let SimulatedEvent { account, value, appended_at, .. } = &self.event;
            batch.push(self.offset, Some(*appended_at), account.as_bytes(), value);
            self.offset += 1;
        }
        true
    }

    /// The next `count` records, in batches of `most`.
    pub fn batches(&mut self, count: usize, most: usize) -> Vec<Batch> {
        let mut left = count;
        let mut batches = Vec::with_capacity(count.div_ceil(most));
        while left > 0 {
            let mut batch = empty();
            self.fill(&mut batch, left.min(most), Timestamp(i64::MAX / 4));
            left -= batch.records.len();
            batches.push(batch);
        }
        batches
    }
}

/// A batch of the one partition, without records.
pub fn empty() -> Batch {
    Batch::new(ShardId::account(0))
}
