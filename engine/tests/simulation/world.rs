//! The life of one seed: records come, processes start, die, stand still, are replaced; at last all is quiet, and what
//! a reader of committed records sees is compared with the oracle.

use crate::bank::{self, Record};
use crate::dice::Dice;
use crate::disk::{Disk, Mood};
use crate::faulty::Tally;
use crate::installed::Installed;
use crate::kept::{note, side};
use crate::memory::Log;
use crate::oracle::{Stretch, expected};
use crate::plant::Plant;
use crate::process::{PREFIX, Process, Setup};
use object_store::path::Path;
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tripline::io::snapshot::{Catalogue, Store};
use tripline::names::{OUTPUT_TOPICS, Topics, header};
use tripline::runtime::snapshot::SnapshotStore as _;
use tripline_core::batch::{ShardId, Timestamp};

pub(crate) const INSTANCES: [&str; 3] = ["0", "1", "2"];
/// Rounds after which everything must be committed once no fault happens any more.
const QUIET_ROUNDS: usize = 600;
/// Rounds after which the broker gives up a silent member, at most.
pub(crate) const SESSION_MAX: usize = 24;
/// Rounds after which it gives up a silent producer, at most.
const TRANSACTION_MAX: usize = 72;

/// Where an instance stands.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) process: Option<Process>,
    /// The process stands still for so many rounds.
    pub(crate) stalled: usize,
    /// Since when it gave no sign of life.
    silent: usize,
    /// Member and producer that the broker still waits for.
    pub(crate) missed: Option<(u64, String)>,
}

/// What a seed came to.
pub struct Outcome {
    pub tally: Tally,
    pub trace: Vec<String>,
    pub fault: Option<String>,
}

pub struct World<'a> {
    pub(crate) installed: &'a Installed,
    pub(crate) dice: Dice,
    pub(crate) log: Log,
    pub(crate) disk: Disk,
    pub(crate) store: Store,
    catalogue: Catalogue,
    pub(crate) setup: Setup,
    pub(crate) records: Vec<Record>,
    pub(crate) appended: usize,
    now: Timestamp,
    pub(crate) slots: Vec<Slot>,
    /// Replaced processes that have not noticed yet.
    pub(crate) ghosts: Vec<Process>,
    stretches: BTreeMap<u32, Vec<Stretch>>,
    changes_packs: bool,
    /// Rounds until a silent member is given up.
    session: usize,
    /// The same for a silent producer.
    transaction: usize,
    pack: usize,
    round: usize,
    looked_at: usize,
    tally: Tally,
    trace: Vec<String>,
}

/// Lives a seed.
pub fn live(installed: &Installed, seed: u64, plant: Option<Plant>) -> Outcome {
    let mut world = World::new(installed, seed, plant);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let fault = ended.unwrap_or_else(|panic| Err(format!("panicked: {}", reason(&*panic)))).err();
    Outcome { tally: world.tally, trace: world.trace, fault }
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

impl<'a> World<'a> {
    fn new(installed: &'a Installed, seed: u64, plant: Option<Plant>) -> World<'a> {
        let mut dice = Dice::new(seed);
        let partitions = 1 + u32::try_from(dice.below(3)).expect("few");
        let count = 30 + dice.below(130);
        let changes_packs = dice.chance(500);
        let reach = if changes_packs { bank::HELD_BY_EVERY_PACK } else { i64::MAX };
        let records = bank::records(&mut dice, partitions, count, reach);
        let records_max = 1 + dice.below(5);
        let setup = Setup {
            partitions,
            records_max,
            batch_full: dice.pick(&[records_max, usize::MAX]),
            commit_interval: Duration::from_millis(dice.pick(&[0, 100, 100, 300])),
            alert_gap: dice.pick(&[None, Some(Duration::from_millis(2))]),
            snapshots_every: Duration::from_millis(dice.pick(&[50, 200, 1_000, 60_000])),
            skew_ms: 0,
            plant,
        };
        let log = Log::new("events", partitions);
        let topics = Topics::under(PREFIX);
        OUTPUT_TOPICS.iter().for_each(|topic| log.create(topics.name(*topic), partitions));
        let disk = Disk::default();
        let store = Store::over(Arc::new(disk.clone()), Path::default(), true);
        let catalogue = Catalogue::new(store.clone(), "simulated");
        World {
            installed,
            changes_packs,
            session: 2 + dice.below(SESSION_MAX - 2),
            transaction: 2 + dice.below(TRANSACTION_MAX - 2),
            dice,
            log,
            disk,
            store,
            catalogue,
            setup,
            records,
            appended: 0,
            now: Timestamp(bank::START),
            slots: INSTANCES.iter().map(|_| Slot::default()).collect(),
            ghosts: Vec::new(),
            stretches: BTreeMap::new(),
            pack: 0,
            round: 0,
            looked_at: 0,
            tally: Tally::new(),
            trace: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        let calm = self.dice.chance(100);
        self.start(0);
        while self.appended < self.records.len() || self.dice.chance(900) {
            self.round += 1;
            self.append();
            if !calm {
                self.mishap()?;
            }
            self.turns(true)?;
        }
        self.quiet()?;
        self.compare()
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    pub(crate) fn happened(&mut self, what: &'static str, whom: impl std::fmt::Display) {
        self.count(what);
        self.trace.push(format!("round {}: {what} ({whom})", self.round));
    }

    fn append(&mut self) {
        let most = self.dice.pick(&[0, 1, 1, 2, 6]);
        for _ in 0..most.min(self.records.len() - self.appended) {
            let record = &mut self.records[self.appended];
            self.now = self.now.max(Timestamp(record.at));
            record.at = self.now.0;
            self.log.append(record.partition, self.now, record.key.as_bytes(), &record.value);
            self.appended += 1;
        }
        self.now.0 += 1;
        self.log.set_now(self.now);
    }

    pub(crate) fn start(&mut self, place: usize) {
        if self.changes_packs && self.dice.chance(400) {
            self.pack = self.dice.below(self.installed.configs.len());
            let pack = self.pack;
            self.happened("fault: pack changed at a restart", pack);
        }
        let mut setup = self.setup.clone();
        setup.skew_ms = self.dice.pick(&[0, 0, 0, 1_000, -1_000, bank::HOUR, -bank::HOUR, bank::DAY]);
        let process = Process::start(
            (&self.log, &self.catalogue),
            self.installed,
            (INSTANCES[place], self.pack),
            &setup,
            (self.now, self.torn()),
        );
        let slot = &mut self.slots[place];
        *slot = Slot { process: Some(process), ..Slot::default() };
        self.trace
            .push(format!("round {}: {} starts under pack {}", self.round, INSTANCES[place], self.pack));
    }

    /// Newest snapshots of which no manifest was written, for a planted fault.
    fn torn(&self) -> BTreeMap<u32, i64> {
        let mut torn = BTreeMap::new();
        for partition in (0..self.setup.partitions).filter(|_| self.setup.plant == Some(Plant::NoManifest)) {
            let committed = self.log.committed(partition).map_or(0, |(next, _)| next);
            let all = self.catalogue.list(ShardId::account(partition)).unwrap_or_default();
            let newest = all.iter().find(|kept| kept.offset <= committed);
            let newest = newest.filter(|kept| matches!(self.catalogue.manifest(kept), Ok(None)));
            torn.extend(newest.map(|kept| (partition, kept.offset)));
        }
        torn
    }

    pub(crate) fn end(&mut self, tally: &Tally) {
        tally.iter().for_each(|(what, count)| *self.tally.entry(what).or_default() += count);
    }

    /// The process is gone without a word.
    pub(crate) fn crash(&mut self, place: usize) {
        let slot = &mut self.slots[place];
        let Some(process) = slot.process.take() else { return };
        slot.missed = Some((process.member.member(), process.producer.clone()));
        (slot.silent, slot.stalled) = (0, 0);
        self.end(&process.controls.tally());
    }

    /// Every process takes a turn, or not.
    fn turns(&mut self, is_rough: bool) -> Result<(), String> {
        for place in 0..INSTANCES.len() {
            self.time_out(place);
            if self.slots[place].stalled > 0 {
                self.slots[place].stalled -= 1;
                // It may be asked to stop before it hears what became of its shards.
                if self.slots[place].stalled == 0 && is_rough && self.dice.chance(300) {
                    self.stop(place)?;
                }
                continue;
            }
            if is_rough && self.dice.chance(200) {
                continue;
            }
            self.turn(place, is_rough)?;
        }
        if !self.ghosts.is_empty() && (self.dice.chance(100) || !is_rough) {
            let mut ghost = self.ghosts.swap_remove(0);
            let (passed, now) = (Duration::from_millis(self.dice.ms(1_000)), self.now);
            // It may be asked to stop in the middle of its leave, so that it commits before it polls.
            let tally = if self.dice.chance(500) {
                self.count("path: zombie asked to stop");
                ghost.stop().1
            } else {
                self.count("path: zombie went on");
                if ghost.turn(passed, now).is_ok() {
                    return Err("a process that was replaced went on as if it were not".to_owned());
                }
                ghost.controls.tally()
            };
            self.end(&tally);
            self.look()?;
        }
        if self.dice.chance(if is_rough { 120 } else { 1_000 })
            && let Some(ended) = self.log.deliver()
        {
            let what = if ended {
                "path: late end took effect"
            } else {
                "path: late end was fenced, or found nothing"
            };
            self.happened(what, "broker");
        }
        self.look()
    }

    /// The broker waits so long for a process that gives no sign of life.
    fn time_out(&mut self, place: usize) {
        let slot = &mut self.slots[place];
        let is_silent = slot.missed.is_some() || slot.stalled > 0;
        slot.silent = if is_silent { slot.silent + 1 } else { 0 };
        let silent = slot.silent;
        let running =
            slot.process.as_ref().map(|process| (process.member.member(), process.producer.clone()));
        let Some((member, producer)) = slot.missed.clone().or(running) else { return };
        if silent == self.session {
            self.log.expel(member);
            self.happened("fault: session timed out", INSTANCES[place]);
        }
        if silent == self.transaction {
            self.log.time_out(&producer);
            self.happened("fault: transaction timed out", INSTANCES[place]);
        }
        if silent >= self.session.max(self.transaction) {
            self.slots[place].missed = None;
        }
    }

    fn turn(&mut self, place: usize, is_rough: bool) -> Result<(), String> {
        let (pieces, writes, steps) = (self.dice.below(6) + 1, self.dice.below(4), self.dice.below(4));
        let passed = Duration::from_millis(self.dice.ms(if is_rough { 120 } else { 1_000 }));
        let now = self.now;
        let Some(process) = &mut self.slots[place].process else { return Ok(()) };
        process.controls.pieces(pieces);
        process.controls.steps(steps);
        let ended = process.turn(passed, now);
        for _ in 0..writes {
            process.write();
        }
        let happened = process.controls.take_events();
        let round = self.round;
        self.trace
            .extend(happened.iter().map(|what| format!("round {round}: {what} ({})", INSTANCES[place])));
        if let Some(wrong) = process.wrong() {
            return Err(wrong);
        }
        let died = process.controls.died();
        match (ended, died) {
            (_, Some(_)) => self.crash(place),
            (Ok(()), None) => {}
            (Err(fault), None) => return Err(format!("process {} ended: {fault}", INSTANCES[place])),
        }
        self.look()
    }

    /// What is committed and written since the last look is as promised.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        for partition in 0..self.setup.partitions {
            let Some((next, text)) = self.log.committed(partition) else { continue };
            let stretches = self.stretches.entry(partition).or_default();
            let from = stretches.last().map_or(0, |stretch| stretch.to);
            if next < from {
                return Err(format!("partition {partition} went back from {from} to {next}"));
            }
            let Some((pack, read)) = note(&text) else {
                return Err(format!("partition {partition} at {next}: the note is lost: {text:?}"));
            };
            if read != side(next) {
                return Err(format!("partition {partition} at {next}: the side position is {read}"));
            }
            if next > from {
                stretches.push(Stretch { from, to: next, pack });
            }
        }
        let written = self.disk.written();
        // A snapshot counts once it has a manifest.
        for name in written[self.looked_at..].iter().filter(|name| name.ends_with("/manifest")) {
            let mut parts = name.split('/').skip(1);
            let partition = parts.next().and_then(|part| part.parse().ok());
            let offset = parts.next().and_then(|part| part.split_once('-')?.0.parse::<i64>().ok());
            let (Some(partition), Some(offset)) = (partition, offset) else { continue };
            if self.log.committed(partition).is_none_or(|(next, _)| next < offset) {
                return Err(format!("{name}: a snapshot of what is not committed"));
            }
        }
        self.looked_at = written.len();
        Ok(())
    }

    /// No fault happens any more: everything must be judged and committed soon.
    fn quiet(&mut self) -> Result<(), String> {
        self.disk.set(Mood::Well);
        for place in 0..INSTANCES.len() {
            self.slots[place].stalled = 0;
            self.process(place, |process| process.controls.calm());
        }
        if self.slots.iter().all(|slot| slot.process.is_none()) {
            self.start(0);
        }
        for _ in 0..QUIET_ROUNDS {
            self.round += 1;
            self.turns(false)?;
            let done = (0..self.setup.partitions).all(|partition| {
                let count = self.records.iter().filter(|record| record.partition == partition).count();
                let next = self.log.committed(partition).map_or(0, |(next, _)| next);
                usize::try_from(next) == Ok(count)
            });
            if done && self.ghosts.is_empty() {
                for place in 0..INSTANCES.len() {
                    self.stop(place)?;
                }
                // What the dead have left open holds readers back no longer than until then.
                let missed = self.slots.iter().filter_map(|slot| slot.missed.as_ref());
                missed.for_each(|(_, producer)| self.log.time_out(producer));
                return Ok(());
            }
        }
        Err(format!("not all was committed within {QUIET_ROUNDS} quiet rounds"))
    }

    /// What readers of committed records see is what the oracle says, each once, in order.
    fn compare(&mut self) -> Result<(), String> {
        let topics = Topics::under(PREFIX);
        for partition in 0..self.setup.partitions {
            let stretches = self.stretches.get(&partition).map_or(&[][..], Vec::as_slice);
            let must = expected(self.installed, partition, &self.records, stretches);
            for topic in OUTPUT_TOPICS {
                let must: Vec<_> = must.iter().filter(|one| one.topic == topic).collect();
                let name = topics.name(topic);
                let found = self.log.read(name, partition);
                for (one, (offset, entry)) in must.iter().zip(&found) {
                    let own = entry.headers.iter().filter(|(name, _)| !name.starts_with("tripline.source"));
                    let cause = entry.headers.iter().find(|(name, _)| name == header::SOURCE_OFFSET);
                    let is_same = one.key == entry.key
                        && one.value == entry.value
                        && own.eq(one.headers.iter())
                        && cause.map(|(_, cause)| cause.clone()) == Some(one.cause.to_string());
                    if !is_same {
                        let (must, found) =
                            (String::from_utf8_lossy(&one.value), String::from_utf8_lossy(&entry.value));
                        return Err(format!(
                            "{name}/{partition} at {offset}, of record {}:\n  must be {must}\n  but is {found}",
                            one.cause
                        ));
                    }
                }
                if must.len() != found.len() {
                    return Err(format!("{name}/{partition}: {} records, not {}", found.len(), must.len()));
                }
                let aborted = self.log.aborted(name, partition);
                *self.tally.entry("records aborted").or_default() += aborted as u64;
                *self.tally.entry("records published").or_default() += found.len() as u64;
            }
        }
        Ok(())
    }
}
