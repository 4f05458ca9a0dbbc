//! The processes of the group: who lives, who is to come back, and what a kill met.

use super::{PREFIX, TOPIC};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tripline_benches::kafka::{Broker, Failure, PARTITIONS, asking};
use tripline_benches::service::{Installation, Process};

/// A member that says nothing for so long is taken for dead, ms.
const CLIENT: &str = "{session.timeout.ms: \"6000\"}";

const SIGABRT: i32 = 6;

struct Member {
    config: PathBuf,
    log: PathBuf,
    process: Option<Process>,
    returns_at: Option<Instant>,
    started_at: Instant,
    /// Where it is to die, once.
    dies_at: Option<String>,
}

/// What a process was doing when it was killed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Met {
    /// A transaction of it was open: readers of committed records waited for its end.
    pub(super) transaction: bool,
    /// It or another had started within the last three seconds: shards moved and were filled.
    pub(super) rebalance: bool,
}

/// The processes.
pub(super) struct Crew {
    program: PathBuf,
    members: Vec<Member>,
    written: BaseConsumer,
    stable: BaseConsumer,
}

impl Crew {
    /// So many members, none started.
    pub(super) fn new(
        program: PathBuf,
        broker: &Broker,
        folder: &Path,
        count: usize,
    ) -> Result<Crew, Failure> {
        let mut members = Vec::new();
        for number in 0..count {
            let (instance, brokers) = (number.to_string(), broker.address());
            let snapshots = format!("{{store: {}, every: 3s}}", folder.join("snapshots").display());
            let on = Installation {
                config: "benches/packs/tripline.yaml",
                packs: &["benches/packs/load.yaml"],
                brokers: &brokers,
                clock: "create_time",
                lateness: "1h",
                guarantee: "exactly_once",
                snapshots: &snapshots,
                workers: 2,
                instance: &instance,
                client: CLIENT,
                http: 0,
            };
            members.push(Member {
                config: on.write(PREFIX, TOPIC, PREFIX, folder)?,
                log: folder.join(format!("run-{number}.log")),
                process: None,
                returns_at: Some(Instant::now()),
                started_at: Instant::now(),
                dies_at: None,
            });
        }
        let stable = ClientConfig::new()
            .set("bootstrap.servers", broker.address())
            .set("isolation.level", "read_committed")
            .create()?;
        Ok(Crew { program, members, written: asking(&broker.address(), PREFIX)?, stable })
    }

    /// A configuration of theirs.
    pub(super) fn config(&self) -> Result<String, Failure> {
        Ok(self.members.first().ok_or("no process was asked for")?.config.to_string_lossy().into_owned())
    }

    /// Starts everybody who is not there.
    pub(super) fn start_all(&mut self) -> Result<(), Failure> {
        for member in &mut self.members {
            if member.process.is_none() {
                member.returns_at = Some(Instant::now());
            }
        }
        self.pass(Duration::ZERO)
    }

    /// Lets time pass; those whose time has come return, and nobody may have ended by himself.
    pub(super) fn pass(&mut self, time: Duration) -> Result<(), Failure> {
        let until = Instant::now() + time;
        loop {
            for member in &mut self.members {
                if member.returns_at.is_some_and(|at| at <= Instant::now()) {
                    let config = member.config.to_string_lossy();
                    let arguments = ["run", "--config", &config];
                    let variable = member.dies_at.as_deref().map(|place| ("FAILPOINTS", place));
                    let process = Process::start_with(&self.program, &arguments, &member.log, variable)?;
                    member.process = Some(process);
                    (member.returns_at, member.started_at) = (None, Instant::now());
                }
                if let Some(process) = &mut member.process
                    && let Some(status) = process.ended()?
                {
                    if member.dies_at.take().is_some() && status.signal() == Some(SIGABRT) {
                        member.process = None;
                        continue;
                    }
                    return Err(format!("a process ended with {status}; see {}", member.log.display()).into());
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// One of those who live, by a number drawn; when nobody does, the first once he is back.
    pub(super) fn living(&mut self, drawn: u32) -> usize {
        let living: Vec<usize> =
            (0..self.members.len()).filter(|at| self.members[*at].process.is_some()).collect();
        if living.is_empty() {
            self.members[0].returns_at = Some(Instant::now());
            return 0;
        }
        living[drawn as usize % living.len()]
    }

    /// Kills a member and says what that met.
    pub(super) fn kill(&mut self, at: usize) -> Result<Met, Failure> {
        let recent = |member: &Member| {
            member.process.is_some() && member.started_at.elapsed() < Duration::from_secs(3)
        };
        let rebalance = self.members.iter().any(recent);
        // Dropping it kills it.
        self.members[at].process = None;
        // What the living write is committed at once; what is open after this is the dead one's.
        thread::sleep(Duration::from_millis(400));
        Ok(Met { transaction: self.has_open_transaction()?, rebalance })
    }

    /// Whether a partition of the journal holds records that no reader of committed ones gets yet, twice in a row.
    fn has_open_transaction(&self) -> Result<bool, Failure> {
        let topic = format!("{PREFIX}.verdicts");
        let within = Duration::from_secs(10);
        for partition in 0..PARTITIONS {
            let (_, before) = self.stable.fetch_watermarks(&topic, partition, within)?;
            let (_, end) = self.written.fetch_watermarks(&topic, partition, within)?;
            if before < end {
                thread::sleep(Duration::from_millis(400));
                let (_, after) = self.stable.fetch_watermarks(&topic, partition, within)?;
                if after == before {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Starts a member anew that is to die where `place` says; sees whether he does within half a minute, while `provoke` does
    /// what leads there. Afterwards he is back, and lives.
    pub(super) fn die_at(
        &mut self,
        at: usize,
        place: &str,
        provoke: impl FnOnce(&mut Crew) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        self.leave(at)?;
        self.members[at].dies_at = Some(place.to_owned());
        self.return_after(at, 0);
        self.pass(Duration::from_secs(1))?;
        provoke(self)?;
        let began = Instant::now();
        while self.members[at].dies_at.is_some() && began.elapsed() < Duration::from_secs(30) {
            self.pass(Duration::from_millis(100))?;
        }
        let has_died = self.members[at].dies_at.take().is_none();
        if !has_died {
            // In the middle of what it was led into it may have to give up uncommitted records, and says so.
            let _ = self.leave(at);
        }
        self.return_after(at, 0);
        Ok(has_died)
    }

    /// He comes back in so many seconds.
    pub(super) fn return_after(&mut self, at: usize, seconds: u64) {
        self.members[at].returns_at = Some(Instant::now() + Duration::from_secs(seconds));
    }

    /// Sends him a signal.
    pub(super) fn signal(&mut self, at: usize, name: &str) -> Result<(), Failure> {
        self.members[at].process.as_ref().map_or(Ok(()), |process| process.signal(name))
    }

    /// Asks him to leave, and waits until he has.
    pub(super) fn leave(&mut self, at: usize) -> Result<(), Failure> {
        self.members[at].process.take().map_or(Ok(()), Process::stop)
    }

    /// Asks everybody to leave.
    pub(super) fn stop_all(&mut self) -> Result<(), Failure> {
        (0..self.members.len()).try_for_each(|at| self.leave(at))
    }
}
