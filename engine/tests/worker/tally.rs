//! A processor that counts, for tests of the worker's loop.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tripline::runtime::processor::Processor;
use tripline::runtime::recovery::History;
use tripline::runtime::source::Position;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::outputs::{Output, Outputs, Topic};

/// Counts each account's records; an alert for every fraud says how many there have been, and a verdict for what is
/// merely odd. So an alert shows whether the past was whole.
#[derive(Default)]
pub struct Tally {
    pub calls: Calls,
}

/// What was asked of a processor, and about which partition, without repeats in a row.
#[derive(Clone, Default)]
pub struct Calls(Rc<RefCell<Vec<(&'static str, u32)>>>);

impl Calls {
    pub fn all(&self) -> Vec<(&'static str, u32)> {
        self.0.borrow().clone()
    }

    fn add(&self, call: &'static str, shard: ShardId) {
        let mut calls = self.0.borrow_mut();
        if calls.last() != Some(&(call, shard.partition)) {
            calls.push((call, shard.partition));
        }
    }
}

/// One shard's records by account, and the verdicts it was restored from.
pub struct TallyShard {
    shard: ShardId,
    calls: Calls,
    pub counts: BTreeMap<Vec<u8>, u64>,
    pub folded: Vec<String>,
}

impl TallyShard {
    fn count(&mut self, key: &[u8]) -> u64 {
        let count = self.counts.entry(key.to_vec()).or_default();
        *count += 1;
        *count
    }
}

impl Drop for TallyShard {
    fn drop(&mut self) {
        self.calls.add("release", self.shard);
    }
}

impl Processor for Tally {
    type Shard = TallyShard;

    fn open(&mut self, at: &Position) -> TallyShard {
        self.calls.add("open", at.shard);
        let (shard, calls) = (at.shard, self.calls.clone());
        TallyShard { shard, calls, counts: BTreeMap::new(), folded: Vec::new() }
    }

    fn restore(&mut self, of: &mut TallyShard, batch: &Batch) {
        self.calls.add("restore", of.shard);
        for record in &batch.records {
            of.count(batch.key(record));
        }
    }

    fn fold_verdicts(&mut self, of: &mut TallyShard, batch: &Batch) {
        let lines =
            batch.records.iter().map(|record| String::from_utf8(batch.value(record).to_vec()).unwrap());
        of.folded.extend(lines);
    }

    fn live(&mut self, of: &mut TallyShard, _: &History) {
        self.calls.add("live", of.shard);
    }

    fn step(&mut self, of: &mut TallyShard, batch: &Batch, out: &mut Outputs) {
        self.calls.add("step", of.shard);
        for record in &batch.records {
            let key = batch.key(record);
            let count = of.count(key);
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

    fn idle(&mut self, _: &mut TallyShard) {}
}
