//! What must have been published: one engine a partition, record by record, on one thread.
//!
//! Promised is: every record of the input is judged once, by the pack of the process that committed it, on all rows
//! before it and on the decision state of the verdicts committed before it. So where one pack did everything, the
//! outputs are those of a replay. Where packs followed one another, the engine of the next begins with the same rows,
//! judges none of them again, and folds the verdicts of the packs before it: cooldowns and incidents stay as they were
//! committed.

use crate::bank::Record;
use crate::installed::Installed;
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::outputs::{Outputs, Topic};
use tripline_core::signals::NoSignals;
use tripline_core::verdict::Recorded;

/// Records from an offset on were committed under a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub from: i64,
    pub to: i64,
    pub pack: usize,
}

/// One record that must be on a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub topic: Topic,
    pub cause: i64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub headers: Vec<(String, String)>,
}

struct Judge<'a> {
    installed: &'a Installed,
    shard: ShardId,
    records: Vec<&'a Record>,
    found: Vec<Expected>,
}

/// What a partition's topics must hold, in order.
pub fn expected(
    installed: &Installed,
    partition: u32,
    records: &[Record],
    stretches: &[Stretch],
) -> Vec<Expected> {
    let records = records.iter().filter(|record| record.partition == partition).collect();
    let mut judge = Judge { installed, shard: ShardId::account(partition), records, found: Vec::new() };
    let mut engine = None;
    for (number, stretch) in stretches.iter().enumerate() {
        let goes_on = number > 0 && stretches[number - 1].pack == stretch.pack;
        let mut held = engine.filter(|_| goes_on).unwrap_or_else(|| judge.filled(stretch));
        judge.step(&mut held, stretch);
        engine = Some(held);
    }
    judge.found
}

impl Judge<'_> {
    fn batch(&self, from: i64, to: i64) -> Batch {
        let mut batch = Batch::new(self.shard);
        for offset in from..to {
            let record = self.records[usize::try_from(offset).expect("offsets begin at 0")];
            batch.push(offset, Some(Timestamp(record.at)), record.key.as_bytes(), &record.value);
        }
        batch
    }

    /// An engine of the stretch's pack with all that came before.
    fn filled(&self, stretch: &Stretch) -> AccountShard {
        let config = &self.installed.configs[stretch.pack];
        let mut engine = AccountShard::new(&config.installation);
        if stretch.from > 0 {
            engine.restore(&self.batch(0, stretch.from));
        }
        for verdict in self.found.iter().filter(|found| found.topic == Topic::Verdicts) {
            let recorded: Recorded = serde_json::from_slice(&verdict.value).expect("a verdict reads back");
            engine.shard_mut().fold(recorded.at, recorded.changes);
        }
        engine
    }

    fn step(&mut self, engine: &mut AccountShard, stretch: &Stretch) {
        let mut out = Outputs::default();
        for offset in stretch.from..stretch.to {
            out.clear();
            engine.step(&self.batch(offset, offset + 1), &NoSignals, &mut out);
            self.found.extend(out.records.iter().map(|output| Expected {
                topic: output.topic,
                cause: output.cause,
                key: out.key(output).to_vec(),
                value: out.value(output).to_vec(),
                headers: out.headers(output).iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
            }));
        }
    }
}
