//! The processes of the group: starts, kills and stops of them, and what each was doing when it was killed.

use super::PREFIX;
use super::member::{Member, PACKS};
use super::snapshots::{partition, unfinished};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tripline::names::Topics;
use tripline::ops::status_report::StatusReport;
use tripline_benches::kafka::{Broker, Failure, PARTITIONS, asking};

/// After a change of packs, all shards are assigned and live within this time.
const LIVE_WITHIN: Duration = Duration::from_secs(90);
/// A snapshot begins within this time: every shard takes one every three seconds.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(8);

/// What a process was doing when it was killed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StateAtKill {
    /// It had an open transaction, which held back readers of committed records.
    pub(super) transaction: bool,
    /// A process had started within the last three seconds, so shards were being moved and restored.
    pub(super) rebalance: bool,
    /// It left a snapshot without a manifest.
    pub(super) snapshot: bool,
    /// One of its shards was being restored.
    pub(super) restore: bool,
}

/// The processes of the group.
pub(super) struct Group {
    program: PathBuf,
    members: Vec<Member>,
    written: BaseConsumer,
    stable: BaseConsumer,
    /// Open transactions at the last check: the last stable offset of each partition of the verdicts.
    open: BTreeMap<i32, i64>,
    /// The snapshot store, and the unfinished snapshots in it that were counted already.
    store: PathBuf,
    abandoned: BTreeSet<PathBuf>,
    /// Index of the current packs in [`PACKS`].
    pack: usize,
    /// A fault was injected after which a process may exit with status 2.
    may_exit_with_error: bool,
    gave_up: u64,
}

impl Group {
    /// A group of `count` processes, none of them started.
    pub(super) fn new(
        program: PathBuf,
        broker: &Broker,
        folder: &Path,
        count: usize,
    ) -> Result<Group, Failure> {
        let store = folder.join("snapshots");
        let members = (0..count).map(|number| Member::new(number, broker, folder, &store));
        let members = members.collect::<Result<Vec<_>, _>>()?;
        let stable = ClientConfig::new()
            .set("bootstrap.servers", broker.address())
            .set("isolation.level", "read_committed")
            .create()?;
        let written = asking(&broker.address(), PREFIX)?;
        let (open, abandoned) = (BTreeMap::new(), BTreeSet::new());
        let (pack, may_exit_with_error, gave_up) = (0, false, 0);
        Ok(Group {
            program,
            members,
            written,
            stable,
            open,
            store,
            abandoned,
            pack,
            may_exit_with_error,
            gave_up,
        })
    }

    /// The configuration of the first process under one of [`PACKS`].
    pub(super) fn config(&self, pack: usize) -> Result<&Path, Failure> {
        Ok(&self.members.first().ok_or("the group has no process")?.configs[pack])
    }

    /// From now on a process may exit with status 2 and is then restarted.
    pub(super) fn may_exit_with_error(&mut self) {
        self.may_exit_with_error = true;
    }

    /// How many processes have exited with status 2.
    pub(super) fn gave_up(&self) -> u64 {
        self.gave_up
    }

    /// Starts every process that is not running.
    pub(super) fn start_all(&mut self) -> Result<(), Failure> {
        for member in &mut self.members {
            if member.process.is_none() {
                member.starts_at = Some(Instant::now());
            }
        }
        self.wait(Duration::ZERO)
    }

    /// Waits for a time. Starts the processes that are due meanwhile, and fails when one has exited unexpectedly.
    pub(super) fn wait(&mut self, time: Duration) -> Result<(), Failure> {
        let until = Instant::now() + time;
        loop {
            for member in &mut self.members {
                member.start_if_due(&self.program, self.pack)?;
                if member.exited_with_error(self.may_exit_with_error)? {
                    self.gave_up += 1;
                    eprintln!(
                        "chaos: a process exited with status 2 and is restarted; see {}",
                        member.log.display()
                    );
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// Members that are running and not stopping.
    fn running(&self) -> Vec<usize> {
        let is_present =
            |at: &usize| self.members[*at].process.is_some() && self.members[*at].stopping_since.is_none();
        (0..self.members.len()).filter(is_present).collect()
    }

    /// A running member, chosen by a random number. Without any it starts the first and waits for it.
    pub(super) fn running_member(&mut self, drawn: u32) -> Result<usize, Failure> {
        if self.running().is_empty() {
            self.members[0].starts_at.get_or_insert_with(Instant::now);
        }
        while self.running().is_empty() {
            self.wait(Duration::from_millis(50))?;
        }
        let running = self.running();
        Ok(running[drawn as usize % running.len()])
    }

    /// Whether a member is running and is not the only one.
    pub(super) fn can_stop(&self, at: usize) -> bool {
        let running = self.running();
        running.contains(&at) && running.len() > 1
    }

    /// Another member.
    pub(super) fn other_than(&self, at: usize) -> usize {
        (at + 1) % self.members.len()
    }

    /// Kills a member. Returns what it was doing.
    pub(super) fn kill(&mut self, at: usize) -> Result<StateAtKill, Failure> {
        let recent = |member: &Member| {
            member.process.is_some() && member.started_at.elapsed() < Duration::from_secs(3)
        };
        let rebalance = self.members.iter().any(recent);
        let restore = self.members[at].is_restoring();
        self.kill_now(at);
        // Running processes commit within this time; a transaction that stays open is the killed one's.
        thread::sleep(Duration::from_millis(400));
        let snapshot = self.has_abandoned();
        Ok(StateAtKill { transaction: self.has_open_transaction()?, rebalance, snapshot, restore })
    }

    /// Kills a member as soon as it writes a snapshot, or after [`SNAPSHOT_WITHIN`].
    pub(super) fn kill_in_snapshot(&mut self, at: usize) -> Result<StateAtKill, Failure> {
        let began = Instant::now();
        let own: Vec<u32> = self.members[at].overview().map(|report| partitions(&report)).unwrap_or_default();
        let is_own = |path: &PathBuf| partition(path).is_some_and(|partition| own.contains(&partition));
        while began.elapsed() < SNAPSHOT_WITHIN
            && !unfinished(&self.store, PREFIX).difference(&self.abandoned).any(is_own)
        {
            self.wait(Duration::from_millis(1))?;
        }
        self.kill(at)
    }

    fn kill_now(&mut self, at: usize) {
        // A process is killed when it is dropped.
        self.members[at].process = None;
        self.members[at].stopping_since = None;
    }

    /// Whether a killed process left a new unfinished snapshot. Running processes finish theirs within the wait.
    fn has_abandoned(&mut self) -> bool {
        let mut found: BTreeSet<PathBuf> =
            unfinished(&self.store, PREFIX).difference(&self.abandoned).cloned().collect();
        if !found.is_empty() {
            thread::sleep(Duration::from_millis(400));
            let still = unfinished(&self.store, PREFIX);
            found.retain(|path| still.contains(path));
        }
        let has_any = !found.is_empty();
        self.abandoned.append(&mut found);
        has_any
    }

    /// Whether a transaction stays open that was not open at the last check. An earlier killed process that has not
    /// returned may still have one.
    fn has_open_transaction(&mut self) -> Result<bool, Failure> {
        let mut open = self.open_transactions()?;
        if !open.is_empty() {
            thread::sleep(Duration::from_millis(400));
            let still = self.open_transactions()?;
            open.retain(|partition, from| still.get(partition) == Some(from));
        }
        let is_new = open.iter().any(|(partition, from)| self.open.get(partition) != Some(from));
        self.open = open;
        Ok(is_new)
    }

    /// The last stable offset of each partition of the verdicts in which a transaction is open.
    fn open_transactions(&self) -> Result<BTreeMap<i32, i64>, Failure> {
        let (topic, within) = (Topics::under(PREFIX).verdicts, Duration::from_secs(10));
        let mut held = BTreeMap::new();
        for partition in 0..PARTITIONS {
            let (_, stable) = self.stable.fetch_watermarks(&topic, partition, within)?;
            let (_, end) = self.written.fetch_watermarks(&topic, partition, within)?;
            if stable < end {
                held.insert(partition, stable);
            }
        }
        Ok(held)
    }

    /// Restarts a member with the failpoint `place` set, calls `cause` and waits up to 30 s for the crash. Returns
    /// whether it crashed. Afterwards the member is started without the failpoint.
    pub(super) fn crash_at(
        &mut self,
        at: usize,
        place: &str,
        cause: impl FnOnce(&mut Group) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        self.stop(at)?;
        self.members[at].crashes_at = Some(place.to_owned());
        self.start_after(at, 0);
        self.wait(Duration::ZERO)?;
        cause(self)?;
        let began = Instant::now();
        while self.members[at].crashes_at.is_some() && began.elapsed() < Duration::from_secs(30) {
            self.wait(Duration::from_millis(100))?;
        }
        let has_crashed = self.members[at].crashes_at.take().is_none();
        if !has_crashed {
            self.stop(at)?;
        }
        // An unfinished snapshot of this crash must not be counted for the next kill.
        self.has_abandoned();
        self.start_after(at, 0);
        Ok(has_crashed)
    }

    /// Whether every process with shards reports that no broker answers.
    pub(super) fn reports_no_broker(&self) -> bool {
        let reports: Vec<StatusReport> = self.members.iter().filter_map(Member::overview).collect();
        let misses =
            |one: &StatusReport| one.reasons.iter().any(|reason| reason.contains("no broker answers"));
        !reports.is_empty() && reports.iter().filter(|one| !one.shards.is_empty()).all(misses)
    }

    /// Starts the member in this many seconds.
    pub(super) fn start_after(&mut self, at: usize, seconds: u64) {
        self.members[at].starts_at = Some(Instant::now() + Duration::from_secs(seconds));
    }

    /// Sends the member a signal.
    pub(super) fn signal(&mut self, at: usize, name: &str) -> Result<(), Failure> {
        self.members[at].process.as_ref().map_or(Ok(()), |process| process.signal(name))
    }

    /// Sends SIGTERM. The member is started again only by [`Group::start_after`] or [`Group::start_all`].
    pub(super) fn request_stop(&mut self, at: usize) -> Result<(), Failure> {
        if self.members[at].process.is_some() {
            self.signal(at, "TERM")?;
            self.members[at].stopping_since = Some(Instant::now());
        }
        Ok(())
    }

    /// Stops the member by SIGTERM and waits until it has exited.
    pub(super) fn stop(&mut self, at: usize) -> Result<(), Failure> {
        self.members[at].starts_at = None;
        self.request_stop(at)?;
        self.await_exit(at)
    }

    fn await_exit(&mut self, at: usize) -> Result<(), Failure> {
        while self.members[at].process.is_some() {
            self.wait(Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// Stops every member by SIGTERM and waits until they have exited.
    pub(super) fn stop_all(&mut self) -> Result<(), Failure> {
        for at in 0..self.members.len() {
            self.members[at].starts_at = None;
            self.request_stop(at)?;
        }
        (0..self.members.len()).try_for_each(|at| self.await_exit(at))
    }

    /// Kills every member.
    pub(super) fn kill_all(&mut self) {
        (0..self.members.len()).for_each(|at| self.kill_now(at));
    }

    /// Starts every member with the other packs and waits until all shards are live.
    pub(super) fn change_pack(&mut self) -> Result<(), Failure> {
        self.pack = (self.pack + 1) % PACKS.len();
        self.start_all()?;
        let began = Instant::now();
        while self.live() < usize::try_from(PARTITIONS)? {
            if began.elapsed() > LIVE_WITHIN {
                return Err(format!("not all shards are live {LIVE_WITHIN:?} after the packs changed").into());
            }
            self.wait(Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// Number of live shards of all members.
    fn live(&self) -> usize {
        let reports = self.members.iter().filter_map(Member::overview);
        reports.map(|report| report.shards.iter().filter(|shard| shard.phase == "live").count()).sum()
    }
}

fn partitions(report: &StatusReport) -> Vec<u32> {
    report.shards.iter().map(|shard| shard.partition).collect()
}
