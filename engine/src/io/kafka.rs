//! Kafka: workers as threads, each with a consumer and a producer of its own.
//!
//! It does not depend on what a record means.

mod at_least_once;
mod client;
mod client_setting;
mod consumer;
mod exactly_once;
mod group;
mod lag;
pub mod mock;
mod note;
mod outage;
mod producer;
mod rebalance;
mod recovery;
mod refusal;
mod settings;
mod shard_log;
mod stamps;
#[cfg(test)]
mod tests;
mod topic_audit;
mod topics;
pub mod transfer;

pub use at_least_once::AtLeastOnce;
pub use client_setting::{FREQUENT_SETTINGS, SettingError, setting_error};
pub use consumer::KafkaSource;
pub use exactly_once::ExactlyOnce;
pub use group::{BeginError, Group};
pub use recovery::KafkaRecovery;
pub use settings::{BATCH_MAX_BOUNDS, KafkaSettings};
pub use stamps::Stamps;
pub use topic_audit::{AuditedTopic, Finding, Problem, audit_topics};
pub use topics::create_topics;

use crate::io::snapshot::Catalogue;
use crate::runtime::output_buffer::OutputBuffer;
use crate::runtime::processor::Processor;
use crate::runtime::report::Report;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::sink::{Sink, SinkError};
use crate::runtime::source::SourceError;
use crate::runtime::worker::{Parts, Timings, Worker, WorkerError};
use crate::settings::Guarantee;
use client::Health;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tripline_core::snapshot::InputTopic;

/// Time a worker has beyond [`KafkaSettings::stop_within`] to leave its group and end.
const LEAVE_MARGIN: Duration = Duration::from_secs(10);

/// How often it is looked whether the process is asked to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why the service could not start, or ended without a shutdown request.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings are invalid; all errors.
    #[error("the Kafka settings are invalid: {}", .0.join("; "))]
    Settings(Vec<String>),
    /// The topics or the group are not usable.
    #[error(transparent)]
    Prepare(#[from] SourceError),
    /// A worker ended.
    #[error("worker {worker}: {cause}")]
    Worker {
        /// Its number.
        worker: usize,
        /// Why.
        #[source]
        cause: WorkerError,
    },
    /// Workers did not end in time after a shutdown request.
    #[error("{0} workers did not end in time")]
    Stuck(usize),
}

/// Checks topics and group, then runs all workers until [`Shutdown::request`] is called or one of them fails; then the
/// others commit and leave. `make` creates the processor of a worker, in the worker's thread, from its number and the
/// input. Shards are restored from `snapshots` and the log, or from the log alone.
///
/// # Errors
/// When it cannot start, a worker fails, or workers do not end in time.
pub fn run<P: Processor>(
    settings: &KafkaSettings,
    report: &Arc<dyn Report>,
    shutdown: &Shutdown,
    snapshots: Option<Catalogue>,
    make: impl Fn(usize, &InputTopic) -> P + Send + Sync + 'static,
) -> Result<(), RunError> {
    let errors = settings.errors();
    if !errors.is_empty() {
        return Err(RunError::Settings(errors));
    }
    let settings = Arc::new(settings.clone());
    let health = |worker| Health { worker, report: Arc::clone(report), shutdown: shutdown.clone() };
    let supervisor = health(settings.workers);
    {
        let (settings, supervisor) = (Arc::clone(&settings), supervisor.clone());
        let name = "tripline-lag".to_owned();
        let watch = move || lag::watch(&settings, &supervisor);
        thread::Builder::new().name(name).spawn(watch).expect("the system can start a thread");
    }
    let input = match prepared(&settings, &supervisor) {
        Ok(Some(input)) => input,
        Ok(None) => return Ok(()),
        Err(error) => {
            shutdown.fail();
            return Err(error.into());
        }
    };
    let make = Arc::new(make);
    let (ended, endings) = channel();
    for worker in 0..settings.workers {
        let (settings, health) = (Arc::clone(&settings), health(worker));
        let (make, ended, snapshots) = (Arc::clone(&make), ended.clone(), snapshots.clone());
        let input = input.clone();
        let work = move || {
            let guard = Ending { worker, ended };
            let result = work(&settings, &health, &input, snapshots, &*make);
            guard.send(result);
        };
        let name = format!("tripline-worker-{worker}");
        thread::Builder::new().name(name).spawn(work).expect("the system can start a thread");
    }
    drop(ended);
    supervise(&settings, shutdown, &endings)
}

/// The input, once the topics are checked and the group has begun; none when the process is asked
/// to stop before. That is done beside: a request to brokers that do not answer cannot be interrupted, and nothing has
/// begun that would have to be ended.
fn prepared(settings: &Arc<KafkaSettings>, supervisor: &Health) -> Result<Option<InputTopic>, SourceError> {
    let (answer, prepared) = channel();
    {
        let (settings, supervisor) = (Arc::clone(settings), supervisor.clone());
        let name = "tripline-start".to_owned();
        let prepare = move || {
            // Nobody waits for it any more when the process is asked to stop.
            let _ = answer.send(group::prepare(&settings, &supervisor));
        };
        thread::Builder::new().name(name).spawn(prepare).expect("the system can start a thread");
    }
    loop {
        match prepared.recv_timeout(LOOK_EVERY) {
            Ok(input) => return input.map(Some),
            Err(RecvTimeoutError::Timeout) if supervisor.shutdown.is_requested() => {
                tracing::info!("asked to stop before the brokers answered");
                return Ok(None);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the thread that checks topics and group has panicked")
            }
        }
    }
}

fn work<P: Processor>(
    settings: &Arc<KafkaSettings>,
    health: &Health,
    input: &InputTopic,
    snapshots: Option<Catalogue>,
    make: &impl Fn(usize, &InputTopic) -> P,
) -> Result<(), WorkerError> {
    let partitions = input.partitions;
    let source = KafkaSource::join(Arc::clone(settings), health, partitions)?;
    let (consumer, own) = (source.consumer(), health.clone());
    let sink: Box<dyn Sink + Send> = match settings.guarantee {
        Guarantee::AtLeastOnce => {
            Box::new(AtLeastOnce::new(Arc::clone(settings), own, consumer, partitions)?)
        }
        Guarantee::ExactlyOnce { .. } => {
            match ExactlyOnce::new(Arc::clone(settings), own, consumer, partitions) {
                // Nothing has been judged yet.
                Err(SinkError::Stopped(_)) => return Ok(()),
                sink => Box::new(sink?),
            }
        }
    };
    let recovery = KafkaRecovery::start(Arc::clone(settings), health.clone(), snapshots, partitions);
    let timings = Timings {
        worker: health.worker,
        commit_interval: settings.commit_interval,
        alert_gap: settings.alert_gap(),
        batch_full: settings.batch_max,
        leave_within: settings.stop_within,
        ..Timings::default()
    };
    let parts = Parts {
        source,
        outputs: OutputBuffer::threaded(sink, health.worker),
        processor: make(health.worker, input),
        recovery,
        report: Arc::clone(&health.report),
        shutdown: health.shutdown.clone(),
    };
    Worker::new(parts, timings).run().map(drop)
}

/// Which worker ended, and how.
type Ended = (usize, Result<(), WorkerError>);

/// Reports to the supervisor how a worker ended, even when it panicked.
struct Ending {
    worker: usize,
    ended: Sender<Ended>,
}

impl Ending {
    fn send(&self, result: Result<(), WorkerError>) {
        // Nobody receives once the supervisor has stopped waiting.
        let _ = self.ended.send((self.worker, result));
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if thread::panicking() {
            self.send(Err(WorkerError::Panicked(self.worker)));
        }
    }
}

fn supervise(
    settings: &KafkaSettings,
    shutdown: &Shutdown,
    endings: &std::sync::mpsc::Receiver<Ended>,
) -> Result<(), RunError> {
    let mut left = settings.workers;
    let mut first = None;
    let mut stopping: Option<Instant> = None;
    while left > 0 {
        match endings.recv_timeout(LOOK_EVERY) {
            Ok((worker, result)) => {
                left -= 1;
                if let Err(cause) = result {
                    tracing::error!(worker, reason = %cause, "worker failed");
                    shutdown.fail();
                    first.get_or_insert(RunError::Worker { worker, cause });
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if shutdown.is_requested() {
            let since = *stopping.get_or_insert_with(Instant::now);
            if since.elapsed() > settings.stop_within + LEAVE_MARGIN {
                return Err(first.unwrap_or(RunError::Stuck(left)));
            }
        }
    }
    first.map_or(Ok(()), Err)
}
