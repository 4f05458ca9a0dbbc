//! A processor that counts, for tests of the worker's loop.

use std::collections::BTreeMap;
use tripline::runtime::processor::Processor;
use tripline::runtime::recovery::History;
use tripline::runtime::source::Position;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::outputs::{Output, Outputs, Topic};

/// Counts each account's records; an alert for every fraud says how many there have been, and a verdict for what is merely
/// odd. So an alert shows whether the past was whole.
#[derive(Default)]
pub struct Tally {
    pub counts: BTreeMap<ShardId, BTreeMap<Vec<u8>, u64>>,
    pub folded: BTreeMap<ShardId, Vec<String>>,
    pub calls: Vec<(&'static str, u32)>,
}

impl Tally {
    fn count(&mut self, shard: ShardId, key: &[u8]) -> u64 {
        let count = self.counts.get_mut(&shard).expect("assigned").entry(key.to_vec()).or_default();
        *count += 1;
        *count
    }

    fn called(&mut self, call: &'static str, shard: ShardId) {
        if self.calls.last() != Some(&(call, shard.partition)) {
            self.calls.push((call, shard.partition));
        }
    }
}

impl Processor for Tally {
    fn assign(&mut self, at: &Position) {
        self.called("assign", at.shard);
        self.counts.insert(at.shard, BTreeMap::new());
        self.folded.insert(at.shard, Vec::new());
    }

    fn restore(&mut self, batch: &Batch) {
        self.called("restore", batch.shard);
        for record in &batch.records {
            self.count(batch.shard, batch.key(record));
        }
    }

    fn fold_verdicts(&mut self, batch: &Batch) {
        let lines =
            batch.records.iter().map(|record| String::from_utf8(batch.value(record).to_vec()).unwrap());
        self.folded.get_mut(&batch.shard).expect("assigned").extend(lines);
    }

    fn live(&mut self, shard: ShardId, _: &History) {
        self.called("live", shard);
    }

    fn step(&mut self, batch: &Batch, out: &mut Outputs) {
        self.called("step", batch.shard);
        for record in &batch.records {
            let key = batch.key(record);
            let count = self.count(batch.shard, key);
            let topics: &[Topic] = match batch.value(record) {
                b"fraud" => &[Topic::Alerts, Topic::Verdicts],
                b"odd" => &[Topic::Verdicts],
                _ => &[],
            };
            let line = format!("{}:{}:{count}", batch.shard.partition, record.offset);
            for &topic in topics {
                let start = out.bytes.len();
                out.bytes.extend_from_slice(line.as_bytes());
                let value = start..out.bytes.len();
                out.records.push(Output { topic, cause: record.offset, key: 0..0, value, headers: 0..0 });
            }
        }
    }

    fn advance(&mut self, _: ShardId, _: Timestamp, _: &mut Outputs) {}

    fn revoke(&mut self, shard: ShardId) {
        self.called("revoke", shard);
        self.counts.remove(&shard);
        self.folded.remove(&shard);
    }
}
