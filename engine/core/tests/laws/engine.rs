//! The engine under test: a stream goes in, everything that comes out is kept.

use crate::generator::{Case, Record};
use crate::mapping::installed;
use std::sync::Arc;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::counts::Counts;
use tripline_core::installation::Installation;
use tripline_core::outputs::{Outputs, Topic};
use tripline_core::results::{Collect, EventResults};
use tripline_core::settings::Settings;
use tripline_core::spaces::Spaces;
use tripline_rules::value::TextKey;

/// One published record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Published {
    pub topic: Topic,
    pub partition: u32,
    pub cause: i64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
}

/// One line of a record that became a row; features as bits, so that equal means equal bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub partition: u32,
    pub event: String,
    pub score: i32,
    pub action: String,
    pub features: Vec<u64>,
}

/// How the engine is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub totals_threshold: usize,
    pub terminals: bool,
}

/// All packs, running totals where they are worth it.
pub(crate) const USUAL: Way = Way { totals_threshold: 64, terminals: true };

/// An engine and what it has published.
pub(crate) struct Engine {
    spaces: Spaces,
    outputs: Outputs,
    results: EventResults,
    pub published: Vec<Published>,
    pub rows: Vec<Row>,
}

impl Engine {
    pub(crate) fn new(case: &Case, way: Way) -> Engine {
        let installed = installed();
        let settings = Settings {
            topic: "laws.events".to_owned(),
            key: TextKey::default(),
            lateness_ms: case.settings.lateness,
            retention_ms: case.settings.retention,
            rows_per_ledger: u16::try_from(case.settings.rows_max).expect("caps are small"),
            totals_threshold: way.totals_threshold,
            models: Vec::new(),
            features: true,
            ..Settings::new("laws")
        };
        let ruleset = if way.terminals { &installed.all } else { &installed.account };
        let mapping = if case.settings.labels { &installed.labelled } else { &installed.mapping };
        let installation = Installation::compile(&installed.schema, ruleset, mapping, settings)
            .expect("the mapping fits the schema");
        Engine {
            spaces: Spaces::new(&Arc::new(installation)),
            outputs: Outputs::default(),
            results: EventResults::new(Collect::Features),
            published: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Takes consecutive records of one partition in one batch.
    pub(crate) fn step(&mut self, records: &[&Record]) {
        let partition = records[0].partition;
        let mut batch = Batch::new(ShardId::account(partition));
        for record in records {
            assert_eq!(record.partition, partition, "a batch is of one partition");
            batch.push(record.offset, record.appended.map(Timestamp), record.key.as_bytes(), &record.value);
        }
        self.outputs.clear();
        self.results.clear();
        self.spaces.step(&batch, &mut self.outputs, &mut self.results);
        let outputs = &self.outputs;
        self.published.extend(outputs.records.iter().map(|output| Published {
            topic: output.topic,
            partition,
            cause: output.cause,
            key: outputs.key(output).to_vec(),
            value: outputs.value(output).to_vec(),
            headers: outputs.headers(output).to_vec(),
        }));
        let results = &self.results;
        self.rows.extend(results.rows().iter().map(|line| Row {
            partition,
            event: results.event(line).to_owned(),
            score: line.score,
            action: format!("{:?}", line.action),
            features: results.features(line).iter().map(|feature| feature.to_bits()).collect(),
        }));
    }

    /// What each subscriber sees: topic by topic, in order.
    pub(crate) fn by_topic(&self, partition: Option<u32>) -> Vec<&Published> {
        let is_asked = |record: &&Published| partition.is_none_or(|asked| asked == record.partition);
        let mut published: Vec<&Published> = self.published.iter().filter(is_asked).collect();
        published.sort_by_key(|record| record.topic);
        published
    }

    pub(crate) fn counts(&self) -> Counts {
        self.spaces.counts()
    }
}

/// Everything that comes out when the records are cut into batches: `cut` says whether a batch ends before a record.
pub(crate) fn run(case: &Case, records: &[Record], way: Way, mut cut: impl FnMut() -> bool) -> Engine {
    let mut engine = Engine::new(case, way);
    let mut batch: Vec<&Record> = Vec::new();
    for record in records {
        if batch.last().is_some_and(|last| last.partition != record.partition || cut()) {
            engine.step(&batch);
            batch.clear();
        }
        batch.push(record);
    }
    if !batch.is_empty() {
        engine.step(&batch);
    }
    engine
}
