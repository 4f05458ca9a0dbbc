//! History on its way to the shards: each record goes to the shard of its account, shards are spread over workers.
//!
//! It does not depend on where positions are committed: the caller does that.

use super::hand_over::{Interrupted, Workers};
use super::worker::{Bootstrapped, Job, LastRecords, Task};
use crate::cli::error::{CliError, InputError};
use crate::cli::feed::{Progress, Records};
use crate::config::Config;
use crate::io::kafka::transfer::read_topic;
use crate::io::kafka::{KafkaSettings, RunError};
use crate::io::snapshot::Catalogue;
use crate::runtime::report::Report;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::source::Position;
use crate::runtime::verdict_filter::VerdictFilter;
use crate::runtime::worker::WorkerError;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::scope;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::clock::{IntakeClock, Timing};
use tripline_core::decode::Decoder;
use tripline_core::event::Event;
use tripline_core::lookahead::Lookahead;
use tripline_core::placement::Partitioner;
use tripline_core::snapshot::{InputTopic, LastRecord};
use tripline_core::verdict::Recorded;
use tripline_rules::schema::ACCOUNT_ID;

/// Records of a shard that are handed over together.
const BATCH_RECORDS: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// Batches that wait for a worker.
const WAITING_MAX: usize = 64;

/// What a worker does: [`Task::run`].
type Work<'w> = dyn Fn(Task<'_>, Receiver<Job>) -> Result<Bootstrapped, CliError> + Sync + 'w;

/// What is to be restored, and from what.
pub struct Plan<'a> {
    /// What the shards are made of.
    pub config: &'a Config,
    /// Where the input and the verdicts are.
    pub settings: &'a KafkaSettings,
    /// The input.
    pub input: &'a InputTopic,
    /// Where snapshots go.
    pub catalogue: &'a Catalogue,
    /// First offset and end of every partition.
    pub extents: &'a [(i64, i64)],
    /// Where every partition goes on.
    pub positions: &'a [i64],
    /// Where the workers report.
    pub report: &'a Arc<dyn Report>,
    /// The moment the snapshots are of.
    pub begun_at: Timestamp,
    /// How many workers restore shards.
    pub threads: usize,
    /// How producers choose the partition of an account.
    pub partitioner: Partitioner,
}

impl Plan<'_> {
    /// Restores all shards from the records, and from what the input holds before their positions; with `folds` from
    /// their own verdicts there, too. Then writes their snapshots. Ends as soon as a worker fails.
    ///
    /// # Errors
    /// When a file, a topic or the store cannot be read or written. What was written then is of no group yet.
    pub fn restore(&self, records: Records, folds: bool) -> Result<Bootstrapped, CliError> {
        self.restore_with(records, folds, &|task: Task<'_>, jobs| task.run(jobs))
    }

    fn restore_with(&self, records: Records, folds: bool, work: &Work<'_>) -> Result<Bootstrapped, CliError> {
        let header = records.header().map(<[u8]>::to_vec);
        let shutdown = Shutdown::default();
        scope(|scope| {
            let (mut ways, mut threads) = (Vec::new(), Vec::new());
            for worker in 0..self.threads {
                let (way, jobs) = sync_channel(WAITING_MAX);
                let (header, shutdown) = (header.as_deref(), &shutdown);
                ways.push(way);
                threads.push(scope.spawn(move || {
                    let _ends_all = EndsAll(shutdown);
                    let done = work(self.task(worker, header, shutdown), jobs);
                    if done.is_err() {
                        shutdown.fail();
                    }
                    done
                }));
            }
            // Without the end no worker writes what it has.
            let handed_over = self.hand_over(records, folds, &Workers { ways, shutdown: &shutdown });
            let joined = threads.into_iter().zip(0..).map(|(thread, worker)| {
                let panicked = RunError::Worker { worker, cause: WorkerError::Panicked(worker) };
                thread.join().unwrap_or(Err(panicked.into()))
            });
            // All are joined: a panic that nobody takes would go on here.
            let joined: Vec<Result<Bootstrapped, CliError>> = joined.collect();
            let done = joined.into_iter().collect::<Result<Vec<Bootstrapped>, CliError>>()?;
            match handed_over {
                Ok(()) => Ok(done.iter().fold(Bootstrapped::default(), Bootstrapped::and)),
                Err(Interrupted::Error(error)) => Err(error),
                Err(Interrupted::Worker) => {
                    unreachable!("the result of a worker that ended early is an error")
                }
            }
        })
    }

    fn hand_over(&self, mut records: Records, folds: bool, workers: &Workers<'_>) -> Result<(), Interrupted> {
        let mut router = Router::new(self, &records, workers)?;
        let progress = Progress::begin();
        while let Some((batch, is_dumped)) = records.next()? {
            workers.check()?;
            if router.read == 0 && !is_dumped {
                workers.send_all(|| Job::PartialLog)?;
            }
            (0..batch.records.len()).try_for_each(|number| router.route(batch, number, is_dumped))?;
            progress.at(router.read);
        }
        self.input(&mut router, &progress)?;
        progress.end();
        if router.taken == 0 {
            return Err(CliError::from(InputError::NoEvents(router.read)).into());
        }
        (0..self.positions.len()).try_for_each(|partition| router.flush(partition))?;
        if folds {
            self.fold(workers)?;
        }
        let last = LastRecords::from(router.last);
        workers.send_all(|| Job::End(Arc::clone(&last)))
    }

    /// Hands over what the input holds before the positions: nobody will judge it, and history may end before it.
    fn input(&self, router: &mut Router<'_>, progress: &Progress) -> Result<(), Interrupted> {
        if self.extents.iter().zip(self.positions).all(|((first, _), next)| first >= next) {
            return Ok(());
        }
        read_topic::<Interrupted>(self.settings, &self.settings.topic, |record| {
            router.workers.check()?;
            let partition = record.partition as usize;
            if self.positions.get(partition).is_some_and(|next| record.offset < *next) {
                router.read += 1;
                router.taken += 1;
                router.last[partition] = Some(LastRecord::new(record.offset, record.key, record.value));
                router.put(partition, (record.offset, record.appended_at), record.key, record.value)?;
                progress.at(router.read);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Hands over the shards' own verdicts of records before their positions: open cooldowns and incidents.
    fn fold(&self, workers: &Workers<'_>) -> Result<(), Interrupted> {
        let filters = self.positions.iter().map(|next| VerdictFilter::between(0, *next));
        let mut filters: Vec<VerdictFilter> = filters.collect();
        read_topic::<Interrupted>(self.settings, &self.settings.topics().verdicts, |record| {
            workers.check()?;
            let partition = record.partition as usize;
            let Some(filter) = filters.get_mut(partition) else { return Ok(()) };
            let Ok(recorded) = serde_json::from_slice::<Recorded>(record.value) else { return Ok(()) };
            if filter.takes(recorded.source.offset, record.value) {
                let mut batch = Batch::new(ShardId::account(record.partition));
                batch.push(record.offset, record.appended_at, record.key, record.value);
                workers.send(partition, Job::Verdicts(batch))?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// What one worker restores: the shards of its number.
    fn task<'t>(&'t self, worker: usize, header: Option<&'t [u8]>, shutdown: &Shutdown) -> Task<'t> {
        let at = |(partition, next): (u32, &i64)| Position {
            shard: ShardId::account(partition),
            next: *next,
            note: String::new(),
        };
        let own = (0..self.input.partitions).zip(self.positions).skip(worker).step_by(self.threads);
        Task {
            worker,
            installation: &self.config.installation,
            report: Arc::clone(self.report),
            catalogue: self.catalogue,
            positions: own.map(at).collect(),
            input: self.input,
            header,
            begun_at: self.begun_at,
            shutdown: shutdown.clone(),
        }
    }
}

/// Ends all workers when its thread panics.
struct EndsAll<'s>(&'s Shutdown);

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

/// Routes each record to the shard of its account.
struct Router<'a> {
    workers: &'a Workers<'a>,
    partitioner: Partitioner,
    decoder: Decoder,
    event: Event,
    clock: IntakeClock,
    lookahead: Lookahead,
    /// Registers of an event.
    registers: usize,
    /// The files' own time: the greatest event time so far.
    greatest: Option<Timestamp>,
    pending: Vec<Batch>,
    /// By partition, the last record of the topic.
    last: Vec<Option<LastRecord>>,
    read: u64,
    taken: u64,
}

impl<'a> Router<'a> {
    fn new(plan: &Plan<'_>, records: &Records, workers: &'a Workers<'a>) -> Result<Router<'a>, CliError> {
        let installation = &plan.config.installation;
        let decode = installation.decode_of(&[ACCOUNT_ID], &[]);
        let mut decoder = Decoder::new(Arc::new(decode));
        records.take_header(|line| decoder.set_header(line))?;
        let (settings, registers) = (installation.settings(), installation.schema().fields().len());
        let shards = (0..).map(ShardId::account).take(plan.positions.len());
        Ok(Router {
            workers,
            partitioner: plan.partitioner,
            decoder,
            event: Event::new(registers),
            clock: IntakeClock::new(settings.lateness_ms, settings.jump_ms),
            lookahead: Lookahead::default(),
            registers,
            greatest: None,
            pending: shards.map(Batch::new).collect(),
            last: vec![None; plan.positions.len()],
            read: 0,
            taken: 0,
        })
    }

    /// Puts a record with those of its account. What cannot be read goes to the first shard, which counts it.
    ///
    /// The greatest event time of all files is each record's time of the log, as in `replay`: a shard alone may have
    /// nothing for weeks.
    fn route(&mut self, batch: &Batch, number: usize, is_dumped: bool) -> Result<(), Interrupted> {
        self.read += 1;
        let record = &batch.records[number];
        let (key, value) = (batch.key(record), batch.value(record));
        let is_read = self.decoder.decode(value, batch.source(record), &mut self.event).is_ok();
        self.taken += u64::from(is_read);
        let mut time = record.appended_at;
        if !is_dumped {
            let Router { clock, lookahead, decoder, registers, event, .. } = self;
            let at = event.at;
            let is_refused =
                |clock: &IntakeClock| lookahead.contradicts(clock, (batch, number), at, decoder, *registers);
            if is_read && clock.place(at, None, is_refused) != Timing::Jump {
                self.greatest = self.greatest.max(Some(at));
            }
            time = self.greatest;
        }
        let partitions = u32::try_from(self.pending.len()).expect("partitions are counted by 32 bits");
        let account = self.event.texts.get(ACCOUNT_ID).filter(|_| is_read).map(str::as_bytes);
        // As producers place the account's records, whatever key the record of the history has.
        let whose = account.or(Some(key).filter(|key| !key.is_empty()));
        let partition = whose.map_or(0, |key| self.partitioner.partition(key, partitions)) as usize;
        self.put(partition, (record.offset, time), key, value)
    }

    fn put(
        &mut self,
        partition: usize,
        (offset, time): (i64, Option<Timestamp>),
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Interrupted> {
        let pending = &mut self.pending[partition];
        pending.push(offset, time, key, value);
        let is_full = pending.records.len() >= BATCH_RECORDS || pending.bytes.len() >= BATCH_BYTES;
        if is_full { self.flush(partition) } else { Ok(()) }
    }

    fn flush(&mut self, partition: usize) -> Result<(), Interrupted> {
        let pending = &mut self.pending[partition];
        if pending.records.is_empty() {
            return Ok(());
        }
        let shard = pending.shard;
        let full = std::mem::replace(pending, Batch::new(shard));
        self.workers.send(partition, Job::Rows(full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::feed::Order;
    use crate::config::load_from;
    use crate::io::snapshot::Store;
    use object_store::{memory::InMemory, path::Path as ObjectPath};
    use std::io::Write;
    use std::path::Path;
    use std::sync::Mutex;

    const CONFIGURATION: &str = "
version: 1
stream: s
schema: schema.yaml
packs: []
input:
  fields:
    event.id: /id
    event.type: {const: purchase}
    event.time: {from: /t, format: epoch_ms}
    account.id: /account
";
    const RECORDS: usize = 60_000;

    #[test]
    fn a_worker_that_fails_ends_the_others_and_the_reading() {
        let files = |path: &Path| match path.to_str() {
            Some("tripline.yaml") => Ok(CONFIGURATION.as_bytes().to_vec()),
            Some("schema.yaml") => Ok(b"version: 1\nfields: {event.type: one of purchase}\n".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        let loaded = load_from(Path::new("tripline.yaml"), &files).unwrap();
        let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems));
        let mut history = tempfile::NamedTempFile::new().unwrap();
        for number in 0..RECORDS {
            let at = 1_767_225_600_000 + number;
            writeln!(history, "{{\"id\":\"{number}\",\"t\":{at},\"account\":\"A{}\"}}", number % 50).unwrap();
        }
        let settings = KafkaSettings::new("127.0.0.1:9", "events", "group", "prefix");
        let store = Store::over(Arc::new(InMemory::new()), ObjectPath::default(), true);
        let report: Arc<dyn Report> = Arc::<crate::ops::reporter::Reporter>::default();
        let plan = Plan {
            config: &config,
            settings: &settings,
            input: &InputTopic::new("cluster", "events", 2),
            catalogue: &Catalogue::new(store, "group"),
            extents: &[(0, 0), (0, 0)],
            positions: &[0, 0],
            report: &report,
            begun_at: Timestamp(1),
            threads: 2,
            partitioner: Partitioner::default(),
        };
        for is_panic in [false, true] {
            let taken = Mutex::new(0);
            let work = |task: Task<'_>, jobs: Receiver<Job>| -> Result<Bootstrapped, CliError> {
                if task.worker == 1 {
                    assert!(!is_panic, "a panic on purpose");
                    return Err(RunError::Stuck(7).into());
                }
                // A worker that does not keep up: the reading waits for it.
                while !task.shutdown.is_requested() {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                for job in jobs {
                    assert!(!matches!(job, Job::End(_)), "not all was handed over");
                    *taken.lock().unwrap() +=
                        if let Job::Rows(batch) = job { batch.records.len() } else { 0 };
                }
                Ok(Bootstrapped::default())
            };
            let records = Records::open(&config, &[history.path().to_owned()], Order::AsGiven).unwrap();
            let error = plan.restore_with(records, false, &work).unwrap_err().to_string();
            let expected =
                if is_panic { "worker 1: worker 1 panicked" } else { "7 workers did not end in time" };
            assert_eq!(error, expected);
            let taken = taken.into_inner().unwrap();
            assert!(taken < RECORDS / 3, "{taken} records were handed over after the failure");
        }
    }
}
