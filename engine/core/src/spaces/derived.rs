//! The key spaces beside the account's, each as one shard for all partitions, and what they publish.

use crate::batch::Timestamp;
use crate::decision::EventOutcome;
use crate::derived::{AccountJudged, DecisionSink, DerivedSpaces};
use crate::event::Event;
use crate::ingested::{Ingested, InsertedRow};
use crate::installation::Installation;
use crate::reads::EventRows;
use crate::results::EventResults;
use crate::shard::Shard;
use crate::signals::{SignalTable, Signals};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The shards of the derived key spaces, in the order of the ruleset's programs.
pub struct DerivedShards {
    installation: Arc<Installation>,
    shards: Vec<DerivedShard>,
    signals: SignalTable,
    /// Where the log of each partition begins.
    begins: BTreeMap<u32, Timestamp>,
}

struct DerivedShard {
    shard: Shard,
    /// Of the events that will be judged, in their order: the row that each has here.
    pending: VecDeque<Option<InsertedRow>>,
}

/// Derived key spaces that go along with a step of the account's, and what they collect of its events.
pub struct Collecting<'a> {
    derived: &'a mut DerivedShards,
    results: &'a mut EventResults,
}

impl DerivedShards {
    /// Empty shards.
    pub fn new(installation: &Arc<Installation>) -> DerivedShards {
        let programs = installation.ruleset().programs().len();
        let shards = (1..programs).map(|program_number| DerivedShard {
            shard: Shard::new(installation, program_number),
            pending: VecDeque::new(),
        });
        DerivedShards {
            shards: shards.collect(),
            signals: SignalTable::new(installation.settings()),
            installation: Arc::clone(installation),
            begins: BTreeMap::new(),
        }
    }

    /// The shards, and where the results of a step's events are collected.
    pub fn collecting<'a>(&'a mut self, results: &'a mut EventResults) -> Collecting<'a> {
        Collecting { derived: self, results }
    }

    /// The shards.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().map(|derived| &derived.shard)
    }
}

impl DerivedSpaces for Collecting<'_> {
    fn signals(&self) -> &impl Signals {
        &self.derived.signals
    }

    /// All partitions are read from the latest of their beginnings on.
    fn begin_at(&mut self, partition: u32, from: Timestamp) {
        let begins = &mut self.derived.begins;
        begins.insert(partition, from);
        let latest = begins.values().copied().max().unwrap_or(from);
        self.derived.shards.iter_mut().for_each(|derived| derived.shard.begin_at(latest));
        self.derived.signals.begin_at(latest);
    }

    fn prefetch<'a>(&mut self, events: impl Iterator<Item = &'a Event> + Clone) {
        for derived in &mut self.derived.shards {
            derived.shard.prefetch(events.clone());
        }
    }

    fn ingest(&mut self, event: &mut Event, account: &InsertedRow, is_judged: bool) {
        let DerivedShards { installation, shards, signals, .. } = &mut *self.derived;
        signals.begin_with(event);
        for DerivedShard { shard, pending } in shards {
            let inserted = match shard.ingest(event, is_judged) {
                Ingested::New(inserted) => Some(inserted),
                _ => None,
            };
            if is_judged {
                if let Some(inserted) = &inserted {
                    let own = (&**shard.program(), inserted);
                    signals.publish(&EventRows { installation, account, own }, event);
                }
                pending.push_back(inserted);
            }
        }
    }

    fn judge(&mut self, event: &mut Event, judged: &AccountJudged<'_>, sink: &mut DecisionSink<'_>) {
        let mut outcome = EventOutcome::default();
        judged.decision.into_iter().for_each(|decision| outcome.add(decision));
        for DerivedShard { shard, pending } in &mut self.derived.shards {
            let Some(inserted) = pending.pop_front().flatten() else { continue };
            let judged = shard.judge(event, &inserted, judged.inserted, judged.scores);
            sink.take(&judged);
            judged.decision.iter().for_each(|decision| outcome.add(decision));
        }
        if !judged.is_label {
            let installation = &self.derived.installation;
            let compiled = (&**installation.schema(), &**installation.ruleset());
            self.results.add(compiled, event, &outcome, judged.scores.all());
        }
    }
}
