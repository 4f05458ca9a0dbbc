//! One process of the group: its start, its status, and the ways in which it may exit.

use super::{PREFIX, TOPIC};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tripline::ops::status_client::get;
use tripline::ops::status_report::StatusReport;
use tripline_benches::kafka::{Broker, Failure, free_port};
use tripline_benches::service::{Installation, Process};

/// The packs of the group's two installations. The second looks back further; its alerts are the same.
pub(super) const PACKS: [&[&str]; 2] =
    [&["benches/packs/load.yaml"], &["benches/packs/longer.yaml", "benches/packs/load.yaml"]];
/// A short session timeout, so that the shards of a killed process are reassigned soon.
const CLIENT: &str = "{session.timeout.ms: \"6000\"}";
const SIGABRT: i32 = 6;
const SIGTERM: i32 = 15;
/// After this time a process handles SIGTERM.
const HANDLES_SIGTERM_AFTER: Duration = Duration::from_secs(3);
/// Exit status of a process that stopped because of an error.
const ERROR_STATUS: i32 = 2;
/// A process that exited with an error is restarted after this time, as by a supervisor.
const RESTARTED_AFTER: Duration = Duration::from_secs(1);
/// A process exits within this time of SIGTERM.
const EXITS_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Member {
    /// A configuration for each of [`PACKS`].
    pub(super) configs: Vec<PathBuf>,
    /// `host:port` of its status endpoint.
    pub(super) place: String,
    pub(super) log: PathBuf,
    pub(super) process: Option<Process>,
    pub(super) starts_at: Option<Instant>,
    pub(super) started_at: Instant,
    /// When SIGTERM was sent.
    pub(super) stopping_since: Option<Instant>,
    /// The failpoint at which it is to crash, once.
    pub(super) crashes_at: Option<String>,
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
            starts_at: Some(Instant::now()),
            started_at: Instant::now(),
            stopping_since: None,
            crashes_at: None,
        })
    }

    pub(super) fn start_if_due(&mut self, program: &Path, pack: usize) -> Result<(), Failure> {
        if self.process.is_some() || self.starts_at.is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        let config = self.configs[pack].to_string_lossy();
        let arguments = ["run", "--config", &config];
        let variable = self.crashes_at.as_deref().map(|place| ("FAILPOINTS", place));
        self.process = Some(Process::start_with(program, &arguments, &self.log, variable)?);
        (self.starts_at, self.started_at, self.stopping_since) = (None, Instant::now(), None);
        Ok(())
    }

    /// Checks whether the process has exited. Returns whether it did so with [`ERROR_STATUS`], where that is allowed;
    /// any other unexpected exit is an error.
    pub(super) fn exited_with_error(&mut self, may_exit_with_error: bool) -> Result<bool, Failure> {
        let Some(process) = &mut self.process else { return Ok(false) };
        let Some(status) = process.ended()? else {
            if self.stopping_since.is_some_and(|since| since.elapsed() > EXITS_WITHIN) {
                return Err(self.error(&format!("did not exit within {EXITS_WITHIN:?}")));
            }
            return Ok(false);
        };
        self.process = None;
        let was_stopping = self.stopping_since.take().is_some();
        // SIGTERM ends a process that has not installed its handler yet.
        let is_starting =
            self.started_at.elapsed() < HANDLES_SIGTERM_AFTER && status.signal() == Some(SIGTERM);
        if was_stopping && (status.success() || is_starting) {
            return Ok(false);
        }
        if self.crashes_at.is_some() && status.signal() == Some(SIGABRT) {
            self.crashes_at = None;
            return Ok(false);
        }
        if self.has_panicked()? {
            return Err(self.error("panicked"));
        }
        if may_exit_with_error && status.code() == Some(ERROR_STATUS) {
            if !was_stopping {
                self.starts_at = Some(Instant::now() + RESTARTED_AFTER);
            }
            return Ok(true);
        }
        Err(self.error(&format!("ended with {status}")))
    }

    /// Whether one of its threads has panicked. The exit status does not show it: a worker's panic is [`ERROR_STATUS`],
    /// too.
    pub(super) fn has_panicked(&self) -> Result<bool, Failure> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).contains("panicked at"))
    }

    pub(super) fn error(&self, what: &str) -> Failure {
        format!("a process {what}; see {}", self.log.display()).into()
    }

    /// Its status, or none while it does not answer.
    pub(super) fn overview(&self) -> Option<StatusReport> {
        self.process.as_ref()?;
        serde_json::from_str(&get(&self.place, "/status").ok()?).ok()
    }

    pub(super) fn is_restoring(&self) -> bool {
        self.overview().is_some_and(|report| {
            report.shards.iter().any(|shard| shard.phase == "restoring" && shard.next.is_some())
        })
    }
}
