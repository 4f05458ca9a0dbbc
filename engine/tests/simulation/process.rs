//! One process of the engine: the real worker and processor over the model, with its own clock and snapshot writer.

use crate::faulty::{Controls, FaultyRecovery, FaultySink, FaultySource, Tally};
use crate::installed::Installed;
use crate::kept::Kept;
use crate::memory::{Log, Membership, MemoryRecovery, MemorySink, MemorySource};
use crate::plant::Plant;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tripline::io::snapshot::{Catalogue, Writer, Writing};
use tripline::ops::reporter::Reporter;
use tripline::runtime::clock::Clock;
use tripline::runtime::output_buffer::OutputBuffer;
use tripline::runtime::report::Report;
use tripline::runtime::shard_processor::ShardProcessor;
use tripline::runtime::shutdown::Shutdown;
use tripline::runtime::snapshots::Snapshots;
use tripline::runtime::worker::{Parts, Timings, Worker, WorkerError};
use tripline_core::batch::Timestamp;
use tripline_core::snapshot::InputTopic;

pub const PREFIX: &str = "bank";

/// How a process is set up.
#[derive(Clone)]
pub struct Setup {
    pub partitions: u32,
    pub records_max: usize,
    pub commit_interval: Duration,
    pub alert_gap: Option<Duration>,
    /// A batch of so many records says that more wait.
    pub batch_full: usize,
    pub snapshots_every: Duration,
    /// How far the host's clock is from the broker's.
    pub skew_ms: i64,
    pub plant: Option<Plant>,
}

/// A process.
pub struct Process {
    worker: Worker<FaultySource, FaultySink, Kept, FaultyRecovery>,
    writing: Writing,
    shutdown: Shutdown,
    clock: Clock,
    skew_ms: i64,
    pub controls: Controls,
    pub member: Membership,
    pub producer: String,
    wrong: Rc<RefCell<Option<String>>>,
    /// The disk gives no answer at so many writes.
    hangs: usize,
}

impl Process {
    pub fn start(
        (log, catalogue): (&Log, &Catalogue),
        installed: &Installed,
        (instance, pack): (&str, usize),
        setup: &Setup,
        (now, torn): (Timestamp, BTreeMap<u32, i64>),
    ) -> Process {
        let controls = Controls::default();
        let reporter = Arc::<Reporter>::default();
        let shutdown = reporter.status.shutdown().clone();
        let report: Arc<dyn Report> = reporter;
        let clock = Clock::by_hand(Timestamp(now.0 + setup.skew_ms));
        let (writer, writing) = Writer::stepped(catalogue.clone(), Arc::clone(&report));
        let input = InputTopic::new("simulated", "events", setup.partitions);
        let snapshots = Snapshots::new(Arc::new(writer), setup.snapshots_every, input.clone(), clock.clone());
        let of_pack = Arc::clone(&installed.configs[pack].installation);
        let processor = ShardProcessor::new(of_pack, Arc::clone(&report), input, Some(snapshots));
        let inner = MemorySource::join(log, setup.records_max, Some(instance));
        let member = inner.membership();
        let source = FaultySource { inner, controls: controls.clone() };
        let producer = format!("{PREFIX}-{instance}-0");
        let mut inner = MemorySink::new(log, PREFIX, &producer, member.clone(), true);
        inner.is_crash_only = setup.plant != Some(Plant::TrustsDoubt);
        inner.heeds_loss = setup.plant != Some(Plant::ForgetsLoss);
        inner.is_fenced_by_group = setup.plant != Some(Plant::NoGeneration);
        let sink = FaultySink {
            inner,
            controls: controls.clone(),
            plant: setup.plant,
            log: log.clone(),
            member: member.clone(),
            producer: producer.clone(),
            kept: Vec::new(),
        };
        let mut inner = MemoryRecovery::new(log, PREFIX, installed.lookbacks[pack], Some(catalogue.clone()));
        inner.records_max = setup.records_max;
        inner.awaits_ended = setup.plant != Some(Plant::UncommittedJournal);
        let torn = Rc::new(RefCell::new(torn));
        let recovery = FaultyRecovery::new(inner, controls.clone(), setup.plant, torn);
        let wrong = Rc::default();
        let kept = Kept {
            processor,
            plant: setup.plant,
            controls: controls.clone(),
            pack,
            wrong: Rc::clone(&wrong),
            stale: Rc::default(),
        };
        let timings = Timings {
            commit_interval: setup.commit_interval,
            alert_gap: setup.alert_gap,
            batch_full: setup.batch_full,
            clock: clock.clone(),
            ..Timings::default()
        };
        let steps = controls.clone();
        let outputs = OutputBuffer::stepped(sink, move || steps.goes_on());
        let parts = Parts { source, outputs, processor: kept, recovery, report, shutdown: shutdown.clone() };
        let worker = Worker::new(parts, timings);
        let skew_ms = setup.skew_ms;
        Process { worker, writing, shutdown, clock, skew_ms, controls, member, producer, wrong, hangs: 0 }
    }

    /// One turn of the loop, after some time.
    pub fn turn(&mut self, passed: Duration, now: Timestamp) -> Result<(), WorkerError> {
        self.clock.pass(passed);
        self.clock.put(Timestamp(now.0 + self.skew_ms));
        self.worker.turn().map(drop)
    }

    /// Writes a part of a snapshot that waits to be written. False when none does.
    pub fn write(&mut self) -> bool {
        let hangs = self.hangs > 0;
        self.hangs = self.hangs.saturating_sub(1);
        !hangs && self.writing.go_on()
    }

    /// Somebody sets the host's clock.
    pub fn skew(&mut self, ms: i64) {
        self.skew_ms = ms;
    }

    /// The disk gives no answer for a while.
    pub fn hang(&mut self, writes: usize) {
        self.hangs = writes;
    }

    /// What its processor found wrong.
    pub fn wrong(&self) -> Option<String> {
        self.wrong.borrow().clone()
    }

    /// It is asked to stop: commits, leaves, and writes what was handed over.
    pub fn stop(mut self) -> (Result<(), WorkerError>, Tally) {
        self.shutdown.request();
        let ended = self.worker.run().map(drop);
        while self.writing.go_on() {}
        (ended, self.controls.tally())
    }
}
