//! History on its way to the shards: each record goes to the shard of its account, shards are spread over workers.
//!
//! It does not depend on where positions are committed: the caller does that.

use super::worker::{Bootstrapped, Job, LastRecords, Task};
use crate::cli::error::{CliError, InputError};
use crate::cli::feed::{Progress, Records};
use crate::config::Config;
use crate::io::kafka::KafkaSettings;
use crate::io::kafka::transfer::read_topic;
use crate::io::snapshot::Catalogue;
use crate::runtime::report::Report;
use crate::runtime::source::Position;
use crate::runtime::verdict_filter::VerdictFilter;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{ScopedJoinHandle, scope};
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
    /// their own verdicts there, too. Then writes their snapshots.
    ///
    /// # Errors
    /// When a file, a topic or the store cannot be read or written. What was written then is of no group yet.
    pub fn restore(&self, records: Records, folds: bool) -> Result<Bootstrapped, CliError> {
        let header = records.header().map(<[u8]>::to_vec);
        scope(|scope| {
            let (mut ways, mut threads) = (Vec::new(), Vec::new());
            for worker in 0..self.threads {
                let (way, jobs) = sync_channel(WAITING_MAX);
                let header = header.as_deref();
                ways.push(way);
                threads.push(scope.spawn(move || self.task(worker, header).run(jobs)));
            }
            let handed_over = self.hand_over(records, folds, &ways);
            // Without the end no worker writes what it has.
            drop(ways);
            let done = threads.into_iter().map(joined).collect::<Result<Vec<Bootstrapped>, CliError>>();
            handed_over?;
            Ok(done?.iter().fold(Bootstrapped::default(), Bootstrapped::and))
        })
    }

    fn hand_over(&self, mut records: Records, folds: bool, ways: &[SyncSender<Job>]) -> Result<(), CliError> {
        let mut router = Router::new(self, &records, ways)?;
        let progress = Progress::begin();
        while let Some((batch, is_dumped)) = records.next()? {
            if router.read == 0 && !is_dumped {
                ways.iter().for_each(|way| send(way, Job::PartialLog));
            }
            (0..batch.records.len()).for_each(|number| router.route(batch, number, is_dumped));
            progress.at(router.read);
        }
        self.input(&mut router, &progress)?;
        progress.end();
        if router.taken == 0 {
            return Err(InputError::NoEvents(router.read).into());
        }
        (0..self.positions.len()).for_each(|partition| router.flush(partition));
        if folds {
            self.fold(ways)?;
        }
        let last = LastRecords::from(router.last);
        ways.iter().for_each(|way| send(way, Job::End(Arc::clone(&last))));
        Ok(())
    }

    /// Hands over what the input holds before the positions: nobody will judge it, and history may end before it.
    fn input(&self, router: &mut Router<'_>, progress: &Progress) -> Result<(), CliError> {
        if self.extents.iter().zip(self.positions).all(|((first, _), next)| first >= next) {
            return Ok(());
        }
        read_topic::<CliError>(self.settings, &self.settings.topic, |record| {
            let partition = record.partition as usize;
            if self.positions.get(partition).is_some_and(|next| record.offset < *next) {
                router.read += 1;
                router.taken += 1;
                router.last[partition] = Some(LastRecord::new(record.offset, record.key, record.value));
                router.put(partition, (record.offset, record.appended_at), record.key, record.value);
                progress.at(router.read);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Hands over the shards' own verdicts of records before their positions: open cooldowns and incidents.
    fn fold(&self, ways: &[SyncSender<Job>]) -> Result<(), CliError> {
        let filters = self.positions.iter().map(|next| VerdictFilter::between(0, *next));
        let mut filters: Vec<VerdictFilter> = filters.collect();
        read_topic::<CliError>(self.settings, &self.settings.topics().verdicts, |record| {
            let partition = record.partition as usize;
            let Some(filter) = filters.get_mut(partition) else { return Ok(()) };
            let Ok(recorded) = serde_json::from_slice::<Recorded>(record.value) else { return Ok(()) };
            if filter.takes(recorded.source.offset, record.value) {
                let mut batch = Batch::new(ShardId::account(record.partition));
                batch.push(record.offset, record.appended_at, record.key, record.value);
                send(&ways[partition % ways.len()], Job::Verdicts(batch));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// What one worker restores: the shards of its number.
    fn task<'t>(&'t self, worker: usize, header: Option<&'t [u8]>) -> Task<'t> {
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
        }
    }
}

fn joined(thread: ScopedJoinHandle<'_, Result<Bootstrapped, CliError>>) -> Result<Bootstrapped, CliError> {
    thread.join().expect("a worker that restores shards does not panic")
}

/// Hands a job over. A worker that has failed takes no more; its own result says why.
fn send(way: &SyncSender<Job>, job: Job) {
    let _ = way.send(job);
}

/// Routes each record to the shard of its account.
struct Router<'a> {
    ways: &'a [SyncSender<Job>],
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
    fn new(plan: &Plan<'_>, records: &Records, ways: &'a [SyncSender<Job>]) -> Result<Router<'a>, CliError> {
        let installation = &plan.config.installation;
        let decode = installation.decode_of(&[ACCOUNT_ID], &[]);
        let mut decoder = Decoder::new(Arc::new(decode));
        records.take_header(|line| decoder.set_header(line))?;
        let (settings, registers) = (installation.settings(), installation.schema().fields().len());
        let shards = (0..).map(ShardId::account).take(plan.positions.len());
        Ok(Router {
            ways,
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
    fn route(&mut self, batch: &Batch, number: usize, is_dumped: bool) {
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
        self.put(partition, (record.offset, time), key, value);
    }

    fn put(&mut self, partition: usize, (offset, time): (i64, Option<Timestamp>), key: &[u8], value: &[u8]) {
        let pending = &mut self.pending[partition];
        pending.push(offset, time, key, value);
        if pending.records.len() >= BATCH_RECORDS || pending.bytes.len() >= BATCH_BYTES {
            self.flush(partition);
        }
    }

    fn flush(&mut self, partition: usize) {
        let pending = &mut self.pending[partition];
        if !pending.records.is_empty() {
            let shard = pending.shard;
            let full = std::mem::replace(pending, Batch::new(shard));
            send(&self.ways[partition % self.ways.len()], Job::Rows(full));
        }
    }
}
