//! One process of the group: how it is started, what it says of itself, and how it may end.

use super::{PREFIX, TOPIC};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tripline::ops::status_client::get;
use tripline::ops::status_report::StatusReport;
use tripline_benches::kafka::{Broker, Failure, free_port};
use tripline_benches::service::{Installation, Process};

/// The packs of the group, one installation after the other: the second looks back further and judges alike.
pub(super) const PACKS: [&[&str]; 2] =
    [&["benches/packs/load.yaml"], &["benches/packs/longer.yaml", "benches/packs/load.yaml"]];
/// A member that says nothing for so long is taken for dead, ms.
const CLIENT: &str = "{session.timeout.ms: \"6000\"}";
const SIGABRT: i32 = 6;
const SIGTERM: i32 = 15;
/// A process listens to being asked to leave after this time.
const LISTENS_WITHIN: Duration = Duration::from_secs(3);
/// How a process ends that has given up, whatever the reason.
const GAVE_UP: i32 = 2;
/// A process that has given up is started again after this time, as a supervisor does.
const RESTARTED_AFTER: Duration = Duration::from_secs(1);
/// A process that was asked to leave has left after this time.
const LEFT_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Member {
    /// By pack.
    pub(super) configs: Vec<PathBuf>,
    /// Where it tells its state.
    pub(super) place: String,
    pub(super) log: PathBuf,
    pub(super) process: Option<Process>,
    pub(super) returns_at: Option<Instant>,
    pub(super) started_at: Instant,
    /// Since when it is asked to leave.
    pub(super) leaves_since: Option<Instant>,
    /// Where it is to die, once.
    pub(super) dies_at: Option<String>,
}

impl Member {
    pub(super) fn new(
        number: usize,
        broker: &Broker,
        folder: &Path,
        store: &Path,
    ) -> Result<Member, Failure> {
        let (instance, brokers, http) = (number.to_string(), broker.address(), free_port()?);
        let snapshots = format!("{{store: {}, every: 3s}}", store.display());
        let mut configs = Vec::new();
        for (at, packs) in PACKS.iter().enumerate() {
            let on = Installation {
                config: "benches/packs/tripline.yaml",
                packs,
                brokers: &brokers,
                clock: "create_time",
                lateness: "1h",
                guarantee: "exactly_once",
                snapshots: &snapshots,
                workers: 2,
                instance: &instance,
                client: CLIENT,
                http,
            };
            let folder = folder.join(format!("pack-{at}"));
            std::fs::create_dir_all(&folder)?;
            configs.push(on.write(PREFIX, TOPIC, PREFIX, &folder)?);
        }
        Ok(Member {
            configs,
            place: format!("127.0.0.1:{http}"),
            log: folder.join(format!("run-{number}.log")),
            process: None,
            returns_at: Some(Instant::now()),
            started_at: Instant::now(),
            leaves_since: None,
            dies_at: None,
        })
    }

    pub(super) fn start_if_due(&mut self, program: &Path, pack: usize) -> Result<(), Failure> {
        if self.process.is_some() || self.returns_at.is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        let config = self.configs[pack].to_string_lossy();
        let arguments = ["run", "--config", &config];
        let variable = self.dies_at.as_deref().map(|place| ("FAILPOINTS", place));
        self.process = Some(Process::start_with(program, &arguments, &self.log, variable)?);
        (self.returns_at, self.started_at, self.leaves_since) = (None, Instant::now(), None);
        Ok(())
    }

    /// Sees whether the process has ended: as it was to, or having given up, where that may be. Anything else is an
    /// error.
    pub(super) fn has_given_up(&mut self, may_give_up: bool) -> Result<bool, Failure> {
        let Some(process) = &mut self.process else { return Ok(false) };
        let Some(status) = process.ended()? else {
            if self.leaves_since.is_some_and(|since| since.elapsed() > LEFT_WITHIN) {
                return Err(self.error(&format!("did not leave within {LEFT_WITHIN:?}")));
            }
            return Ok(false);
        };
        self.process = None;
        let leaves = self.leaves_since.take().is_some();
        // Before it listens for being asked to leave it has begun nothing, and ends as any program does.
        let is_young = self.started_at.elapsed() < LISTENS_WITHIN && status.signal() == Some(SIGTERM);
        if leaves && (status.success() || is_young) {
            return Ok(false);
        }
        if self.dies_at.is_some() && status.signal() == Some(SIGABRT) {
            self.dies_at = None;
            return Ok(false);
        }
        if self.has_panicked()? {
            return Err(self.error("panicked"));
        }
        if may_give_up && status.code() == Some(GAVE_UP) {
            if !leaves {
                self.returns_at = Some(Instant::now() + RESTARTED_AFTER);
            }
            return Ok(true);
        }
        Err(self.error(&format!("ended with {status}")))
    }

    /// Whether a thread of it has: a process that sees a worker panic ends as one that gives up.
    pub(super) fn has_panicked(&self) -> Result<bool, Failure> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).contains("panicked at"))
    }

    pub(super) fn error(&self, what: &str) -> Failure {
        format!("a process {what}; see {}", self.log.display()).into()
    }

    /// What it says of itself, if it answers.
    pub(super) fn overview(&self) -> Option<StatusReport> {
        self.process.as_ref()?;
        serde_json::from_str(&get(&self.place, "/status").ok()?).ok()
    }

    pub(super) fn is_filling(&self) -> bool {
        self.overview().is_some_and(|report| {
            report.shards.iter().any(|shard| shard.phase == "restoring" && shard.next.is_some())
        })
    }
}
