//! One worker's engines: the core behind the worker's loop.

use super::json::JsonFault;
use super::metrics::Metrics;
use super::processor::Processor;
use super::recovery::History;
use super::source::Position;
use crate::config::Config;
use std::collections::BTreeMap;
use std::sync::Arc;
use tripline_core::batch::{Batch, Shard, Timestamp};
use tripline_core::counts::Counts;
use tripline_core::engine::{Derived, Engine, Settings};
use tripline_core::lines::{Collect, Lines};
use tripline_core::outputs::Outputs;
use tripline_core::verdict::Recorded;

/// The engines of the shards that a worker owns.
pub struct Engines {
    config: Arc<Config>,
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    engines: BTreeMap<Shard, Held>,
    lines: Lines,
}

struct Held {
    engine: Engine,
    /// What the metrics were told already.
    told: Counts,
}

impl Engines {
    /// No engine yet.
    pub fn new(config: &Arc<Config>, metrics: Arc<Metrics>) -> Engines {
        Engines {
            settings: Arc::new(config.settings()),
            config: Arc::clone(config),
            metrics,
            engines: BTreeMap::new(),
            lines: Lines::new(Collect::Nothing),
        }
    }

    fn held(&mut self, shard: Shard) -> &mut Held {
        self.engines.get_mut(&shard).expect("the worker assigns a shard before it feeds it")
    }

    fn tell(&mut self, shard: Shard) {
        let held = self.engines.get_mut(&shard).expect("just stepped");
        let counts = held.engine.counts();
        for (number, rule) in self.config.ruleset.rules().iter().enumerate() {
            let new = counts.fired[number] - held.told.fired.get(number).copied().unwrap_or(0);
            if new > 0 {
                self.metrics.alerts(&rule.id, new);
            }
        }
        self.metrics.duplicates(counts.duplicates - held.told.duplicates);
        held.told.clone_from(counts);
    }
}

impl Processor for Engines {
    fn assign(&mut self, at: &Position) {
        let Config { schema, ruleset, mapping, .. } = &*self.config;
        let engine = Engine::new(schema, ruleset, mapping, &self.settings)
            .expect("the mapping was accepted when the configuration was loaded");
        self.engines.insert(at.shard, Held { engine, told: Counts::default() });
    }

    fn restore(&mut self, batch: &Batch) {
        self.held(batch.shard).engine.restore(batch, &mut Derived::default());
    }

    fn fold_verdicts(&mut self, batch: &Batch) {
        let held = self.held(batch.shard);
        for record in &batch.records {
            match serde_json::from_slice::<Recorded>(batch.value(record)) {
                Ok(recorded) => held.engine.space_mut().fold(recorded.changes),
                // It cannot be ours: nobody else may write there, but a stray record must not stop the shard.
                Err(fault) => {
                    let fault = JsonFault::from(fault);
                    let (partition, offset) = (batch.shard.partition, record.offset);
                    tracing::warn!(partition, offset, %fault, "a record of the verdicts topic is no verdict");
                }
            }
        }
    }

    fn live(&mut self, shard: Shard, history: &History) {
        let held = self.held(shard);
        if let Some(since) = history.skipped_before {
            held.engine.skip_before(since);
        }
        held.told = held.engine.counts().clone();
    }

    fn step(&mut self, batch: &Batch, out: &mut Outputs) {
        let mut lines = std::mem::replace(&mut self.lines, Lines::new(Collect::Nothing));
        self.held(batch.shard).engine.step(batch, &mut Derived::default(), out, &mut lines);
        self.lines = lines;
        self.tell(batch.shard);
    }

    fn advance(&mut self, _shard: Shard, _now: Timestamp, _out: &mut Outputs) {
        // Nothing of this version happens by the passing of time alone: absence rules are not there yet.
    }

    fn revoke(&mut self, shard: Shard) {
        self.engines.remove(&shard);
    }
}
