//! A processor that counts: each record's verdict says the how many-th of its account it is, so that a verdict shows
//! whether the past was whole when it was judged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tripline::names::header;
use tripline::runtime::processor::Processor;
use tripline::runtime::recovery::History;
use tripline::runtime::source::Position;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::outputs::{Output, Outputs, Topic};

/// What was asked of the engines of one process, in order, without repeats in a row.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    calls: Vec<(&'static str, u32)>,
    histories: BTreeMap<u32, History>,
    judged: u64,
    folded: u64,
}

impl Calls {
    pub fn judged(&self) -> u64 {
        self.0.lock().unwrap().judged
    }

    pub fn folded(&self) -> u64 {
        self.0.lock().unwrap().folded
    }

    /// The calls about one partition.
    pub fn of(&self, partition: u32) -> Vec<&'static str> {
        let mut calls: Vec<_> = self
            .0
            .lock()
            .unwrap()
            .calls
            .iter()
            .filter(|(_, of)| *of == partition)
            .map(|call| call.0)
            .collect();
        calls.dedup();
        calls
    }

    pub fn history(&self, partition: u32) -> History {
        self.0.lock().unwrap().histories.get(&partition).cloned().unwrap_or_default()
    }

    fn note(&self, call: &'static str, shard: ShardId) {
        self.0.lock().unwrap().calls.push((call, shard.partition));
    }
}

/// The processing of one worker's shards.
#[derive(Default)]
pub struct Tally {
    pub calls: Calls,
}

/// One shard's records by account.
pub struct TallyShard {
    shard: ShardId,
    calls: Calls,
    counts: BTreeMap<Vec<u8>, u64>,
}

impl Tally {
    pub fn new(calls: &Calls) -> Tally {
        Tally { calls: calls.clone() }
    }
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
        self.calls.note("release", self.shard);
    }
}

impl Processor for Tally {
    type Shard = TallyShard;

    fn open(&mut self, at: &Position) -> TallyShard {
        self.calls.note("open", at.shard);
        TallyShard { shard: at.shard, calls: self.calls.clone(), counts: BTreeMap::new() }
    }

    fn restore(&mut self, of: &mut TallyShard, batch: &Batch) {
        self.calls.note("restore", batch.shard);
        for record in &batch.records {
            of.count(batch.key(record));
        }
    }

    fn fold_verdicts(&mut self, _: &mut TallyShard, batch: &Batch) {
        self.calls.0.lock().unwrap().folded += batch.records.len() as u64;
    }

    fn live(&mut self, of: &mut TallyShard, history: &History) {
        self.calls.note("live", of.shard);
        self.calls.0.lock().unwrap().histories.insert(of.shard.partition, history.clone());
    }

    fn step(&mut self, of: &mut TallyShard, batch: &Batch, out: &mut Outputs) {
        self.calls.note("step", batch.shard);
        for record in &batch.records {
            let key = batch.key(record);
            let count = of.count(key);
            let start = out.bytes.len();
            out.bytes.extend_from_slice(key);
            let middle = out.bytes.len();
            out.bytes.extend_from_slice(format!("{}:{count}", record.offset).as_bytes());
            let (key, value) = (start..middle, middle..out.bytes.len());
            let (cause, headers) = (record.offset, 0..0);
            if batch.value(record) == b"unreadable" {
                let (key, value, headers) = (0..0, 0..0, out.headers.len()..out.headers.len() + 1);
                out.headers.push((header::ERROR_REASON, "not_json".to_owned()));
                out.records.push(Output { topic: Topic::DeadLetters, cause, key, value, headers });
            }
            out.records.push(Output { topic: Topic::Verdicts, cause, key, value, headers });
        }
        self.calls.0.lock().unwrap().judged += batch.records.len() as u64;
    }

    fn idle(&mut self, _: &mut TallyShard) {}
}
