//! Engines filled from history: each record goes to the shard of its account, shards are spread over threads.
//!
//! It knows records and partitions; where positions are committed is its caller's business.

use crate::cli::error::{CliError, InputError};
use crate::cli::feed::{Progress, Records};
use crate::config::Config;
use crate::io::kafka::KafkaSettings;
use crate::io::kafka::murmur2::partition_of;
use crate::io::kafka::transfer::read_topic;
use crate::io::snapshot::{Catalogue, StoreFault, Written};
use crate::json::JsonFault;
use crate::runtime::verdict_filter::VerdictFilter;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{ScopedJoinHandle, scope};
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{Batch, Record, ShardId, Timestamp};
use tripline_core::clock::{IntakeClock, Timing};
use tripline_core::counts::Counts;
use tripline_core::decode::Decoder;
use tripline_core::event::Event;
use tripline_core::snapshot::Origin;
use tripline_core::verdict::Recorded;
use tripline_rules::schema::ACCOUNT_ID;

/// Records of a shard that are handed over together.
const BATCH_RECORDS: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// Batches that wait for a thread.
const WAITING_MAX: usize = 64;

/// What is to be filled.
pub struct Plan<'a> {
    /// What the engines are made of.
    pub config: &'a Config,
    /// Where the input and the verdicts are.
    pub settings: &'a KafkaSettings,
    /// Where snapshots go.
    pub catalogue: &'a Catalogue,
    /// First offset and end of every partition.
    pub extents: &'a [(i64, i64)],
    /// Where every partition goes on.
    pub positions: &'a [i64],
    /// The moment the snapshots are of, ms.
    pub cut_at: Timestamp,
    /// How many threads fill engines.
    pub threads: usize,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    /// Of the records.
    pub counts: Counts,
    /// What lies in the snapshots.
    pub written: Written,
    /// Counted bytes of the ledgers.
    pub ledger_bytes: u64,
}

enum Job {
    /// The records are not those of a log.
    Amid,
    Rows(Batch),
    Verdicts(Batch),
    /// All was handed over.
    Save,
}

impl Plan<'_> {
    /// Fills all shards from the records, and from what the input holds before their positions; `folds` from their own
    /// verdicts there, too. Then writes their snapshots.
    ///
    /// # Errors
    /// When a file, a topic or the store cannot be read or written. What was written then is of no group yet.
    pub fn fill(&self, records: Records, folds: bool) -> Result<Filled, CliError> {
        let header = records.header().map(<[u8]>::to_vec);
        scope(|scope| {
            let (mut ways, mut threads) = (Vec::new(), Vec::new());
            for number in 0..self.threads {
                let (way, jobs) = sync_channel(WAITING_MAX);
                let header = header.as_deref();
                ways.push(way);
                threads.push(scope.spawn(move || self.work(number, header, &jobs)));
            }
            let handed = self.hand_over(records, folds, &ways);
            // Without the last word no thread saves what it has.
            drop(ways);
            let filled = threads.into_iter().map(joined).collect::<Result<Vec<Filled>, StoreFault>>();
            handed?;
            Ok(filled?.iter().fold(Filled::default(), Filled::and))
        })
    }

    fn hand_over(&self, mut records: Records, folds: bool, ways: &[SyncSender<Job>]) -> Result<(), CliError> {
        let mut router = Router::new(self, &records, ways)?;
        let progress = Progress::begin();
        while let Some((batch, is_dumped)) = records.next()? {
            if router.read == 0 && !is_dumped {
                ways.iter().for_each(|way| send(way, Job::Amid));
            }
            batch.records.iter().for_each(|record| router.route(batch, record, is_dumped));
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
        ways.iter().for_each(|way| send(way, Job::Save));
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
                router.put(partition, (record.offset, record.appended_at), record.key, record.value);
                progress.at(router.read);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Hands over the shards' own verdicts of records before their positions: open cooldowns and incidents.
    fn fold(&self, ways: &[SyncSender<Job>]) -> Result<(), CliError> {
        let journals = self.positions.iter().map(|next| VerdictFilter::between(0, *next));
        let mut journals: Vec<VerdictFilter> = journals.collect();
        read_topic::<CliError>(self.settings, &self.settings.topics().verdicts, |record| {
            let partition = record.partition as usize;
            let Some(journal) = journals.get_mut(partition) else { return Ok(()) };
            let Ok(recorded) = serde_json::from_slice::<Recorded>(record.value) else { return Ok(()) };
            if journal.takes(recorded.source.offset, record.value) {
                let mut batch = Batch::new(ShardId { space: 0, partition: record.partition });
                batch.push(record.offset, record.appended_at, record.key, record.value);
                send(&ways[partition % ways.len()], Job::Verdicts(batch));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// One thread: the shards of its number.
    fn work(&self, number: usize, header: Option<&[u8]>, jobs: &Receiver<Job>) -> Result<Filled, StoreFault> {
        let partitions = u32::try_from(self.positions.len()).expect("partitions are counted by 32 bits");
        let own = (0..partitions).skip(number).step_by(self.threads);
        let mut engines: BTreeMap<u32, AccountShard> =
            own.map(|partition| (partition, self.engine(header))).collect();
        let mut has_all = false;
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Amid => engines.values_mut().for_each(AccountShard::set_partial_log),
                Job::Rows(batch) => {
                    let engine = engines.get_mut(&batch.shard.partition).expect("it is this thread's");
                    engine.restore(&batch);
                }
                Job::Verdicts(batch) => {
                    let engine = engines.get_mut(&batch.shard.partition).expect("it is this thread's");
                    fold(engine, &batch);
                }
                Job::Save => has_all = true,
            }
        }
        let mut filled = Filled::default();
        if !has_all {
            return Ok(filled);
        }
        while let Some((partition, mut engine)) = engines.pop_first() {
            let offset = self.positions[partition as usize];
            let origin = Origin { partition, partitions, offset };
            let written = self.catalogue.write_whole(&mut engine, origin, self.cut_at)?;
            let counts = engine.counts().clone();
            let ledger_bytes = engine.shard().ledgers().counted_bytes() as u64;
            filled = filled.and(&Filled { counts, written, ledger_bytes });
        }
        Ok(filled)
    }

    fn engine(&self, header: Option<&[u8]>) -> AccountShard {
        let mut engine = AccountShard::new(&self.config.installation);
        if let Some(header) = header {
            engine.set_header(header).expect("the router's decoder accepted it");
        }
        engine
    }
}

fn joined(thread: ScopedJoinHandle<'_, Result<Filled, StoreFault>>) -> Result<Filled, StoreFault> {
    thread.join().expect("a thread that fills engines does not panic")
}

fn fold(engine: &mut AccountShard, batch: &Batch) {
    for record in &batch.records {
        match serde_json::from_slice::<Recorded>(batch.value(record)) {
            Ok(recorded) => engine.shard_mut().fold(recorded.changes),
            Err(fault) => {
                let fault = JsonFault::from(fault);
                tracing::warn!(record.offset, %fault, "record of the verdicts topic is not a verdict: skipped");
            }
        }
    }
}

fn send(way: &SyncSender<Job>, job: Job) {
    way.send(job).expect("a thread takes jobs until its last way is dropped");
}

impl Filled {
    fn and(mut self, other: &Filled) -> Filled {
        self.counts.add(&other.counts);
        self.written.keys += other.written.keys;
        self.written.rows += other.written.rows;
        self.written.bytes += other.written.bytes;
        self.ledger_bytes += other.ledger_bytes;
        self
    }
}

/// Tells whose a record is.
struct Router<'a> {
    ways: &'a [SyncSender<Job>],
    decoder: Decoder,
    event: Event,
    clock: IntakeClock,
    /// The files' own time: the greatest event time so far.
    greatest: Option<Timestamp>,
    pending: Vec<Batch>,
    read: u64,
    taken: u64,
}

impl<'a> Router<'a> {
    fn new(plan: &Plan<'_>, records: &Records, ways: &'a [SyncSender<Job>]) -> Result<Router<'a>, CliError> {
        let installation = &plan.config.installation;
        let decode = installation.decode_of(&[ACCOUNT_ID]);
        let mut decoder = Decoder::new(Arc::new(decode));
        records.take_header(|line| decoder.set_header(line))?;
        let shards = (0..).map(|partition| ShardId { space: 0, partition }).take(plan.positions.len());
        Ok(Router {
            ways,
            decoder,
            event: Event::new(installation.schema().fields().len()),
            clock: IntakeClock::new(installation.settings().lateness_ms),
            greatest: None,
            pending: shards.map(Batch::new).collect(),
            read: 0,
            taken: 0,
        })
    }

    /// Puts a record with those of its account. What cannot be read goes to the first shard, which counts it.
    ///
    /// The greatest event time of all files is each record's time of the log, as in `replay`: a shard alone may have
    /// nothing for weeks.
    fn route(&mut self, batch: &Batch, record: &Record, is_dumped: bool) {
        self.read += 1;
        let (key, value) = (batch.key(record), batch.value(record));
        let is_read = self.decoder.decode(value, record.offset, &mut self.event).is_ok();
        self.taken += u64::from(is_read);
        let mut time = record.appended_at;
        if !is_dumped {
            if is_read && self.clock.place(self.event.at, None) != Timing::Jump {
                self.greatest = self.greatest.max(Some(self.event.at));
            }
            time = self.greatest;
        }
        let partitions = u32::try_from(self.pending.len()).expect("partitions are counted by 32 bits");
        let account = self.event.texts.get(ACCOUNT_ID).filter(|_| is_read).map(str::as_bytes);
        let whose = if key.is_empty() { account } else { Some(key) };
        let partition = whose.map_or(0, |key| partition_of(key, partitions)) as usize;
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
