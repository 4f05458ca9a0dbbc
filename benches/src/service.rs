//! The service under test: the `tripline` program as a separate process, and the CPU time and memory it has used.

use crate::cost::status_kib;
use crate::kafka::{Broker, Failure, Stamp, progress};
use rdkafka::consumer::BaseConsumer;
use std::fmt::Write;
use std::fs::{self, File, read_to_string};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tripline::names::{OUTPUT_TOPICS, Topics};

/// Linux counts CPU time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// The `tripline` program that was built beside this one.
///
/// # Errors
/// When it is not there.
pub fn program() -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe()?.with_file_name("tripline");
    if beside.exists() {
        return Ok(beside);
    }
    Err(format!("{} is not there: `cargo build --release -p tripline` first", beside.display()).into())
}

/// Creates the output topics under a prefix.
///
/// # Errors
/// When the broker refuses.
pub fn create_output_topics(broker: &Broker, prefix: &str) -> Result<(), Failure> {
    let topics = Topics::under(prefix);
    OUTPUT_TOPICS.iter().try_for_each(|topic| broker.topic(topics.name(*topic), Stamp::LogAppendTime))
}

/// A configuration of this repository with some settings replaced.
pub struct Installation<'a> {
    /// Path of the configuration from the repository's root; its schema is in the same folder.
    pub config: &'a str,
    /// Paths of the packs from the repository's root.
    pub packs: &'a [&'a str],
    /// Addresses of the brokers.
    pub brokers: &'a str,
    /// The clock of the input's timestamps.
    pub clock: &'a str,
    /// The lateness.
    pub lateness: &'a str,
    /// The delivery guarantee.
    pub guarantee: &'a str,
    /// The section `snapshots` as a YAML mapping; without snapshots empty.
    pub snapshots: &'a str,
    /// Number of worker threads.
    pub workers: usize,
    /// The static membership id of the process.
    pub instance: &'a str,
    /// Settings of the Kafka client as a YAML mapping.
    pub client: &'a str,
    /// Loopback port of the HTTP endpoints; 0 takes a free one.
    pub http: u16,
}

impl Installation<'_> {
    /// Writes the configuration to a folder.
    ///
    /// # Errors
    /// When the configuration cannot be read or written.
    pub fn write(&self, group: &str, topic: &str, prefix: &str, folder: &Path) -> Result<PathBuf, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let given = root.join(self.config);
        let packs: Vec<String> =
            self.packs.iter().map(|pack| root.join(pack).display().to_string()).collect();
        let mut written = String::new();
        let replaced = [
            "packs:",
            "schema:",
            "kafka:",
            "http:",
            "time:",
            "delivery:",
            "snapshots:",
            "secret:",
            "  topic:",
            "  clock:",
        ];
        for line in read_to_string(&given)?.lines() {
            if !replaced.iter().any(|key| line.starts_with(key)) {
                writeln!(written, "{line}")?;
            }
            if line == "input:" {
                writeln!(written, "  topic: {topic}\n  clock: {}", self.clock)?;
            }
        }
        writeln!(
            written,
            "secret: built_in\npacks: [{}]\nschema: {}\ntime: {{lateness: {}}}\ndelivery: {{guarantee: {}}}\nhttp: {{listen: \"127.0.0.1:{}\"}}\n\
             kafka: {{brokers: \"{}\", group: {group}, instance: {}, prefix: {prefix}, workers: {}, client: {}}}",
            packs.join(", "),
            given.with_file_name("schema.yaml").display(),
            self.lateness,
            self.guarantee,
            self.http,
            self.brokers,
            self.instance,
            self.workers,
            self.client
        )?;
        if !self.snapshots.is_empty() {
            writeln!(written, "snapshots: {}", self.snapshots)?;
        }
        let path = folder.join(format!("{group}-{}.yaml", self.instance));
        fs::write(&path, written)?;
        Ok(path)
    }
}

/// Kills the process `$1` when its own standard input is closed.
const KEEPER: &str = r#"trap '' HUP INT TERM; cat >/dev/null; kill -KILL "$1""#;

/// A process that is killed when this value is dropped or the process that started it ends in any way.
pub struct Process {
    child: Child,
    keeper: Child,
}

/// CPU time and memory that a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// CPU time of all threads, s.
    pub cpu_seconds: f64,
    /// Peak of the resident memory, bytes.
    pub peak_bytes: u64,
}

impl Spent {
    /// Of a process by its id, or of `self`; zero where the system does not report it.
    pub fn of(process: &str) -> Spent {
        let stat = read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        Spent {
            cpu_seconds: (ticks(11) + ticks(12)) / TICKS_PER_SECOND,
            peak_bytes: status_kib(process, "VmHWM:") * 1024,
        }
    }
}

impl Process {
    /// Starts a program; its output is appended to a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, arguments: &[&str], log: &Path) -> Result<Process, Failure> {
        Process::start_with(program, arguments, log, None)
    }

    /// [`Process::start`] with an environment variable.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_with(
        program: &Path,
        arguments: &[&str],
        log: &Path,
        variable: Option<(&str, &str)>,
    ) -> Result<Process, Failure> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(program);
        command.args(arguments).stdout(log.try_clone()?).stderr(log).stdin(Stdio::null());
        command.envs(variable);
        let child = command.spawn()?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C in the terminal must not reach it.
            .process_group(0)
            .spawn()?;
        Ok(Process { child, keeper })
    }

    /// CPU time and memory used so far.
    pub fn spent(&self) -> Spent {
        Spent::of(&self.child.id().to_string())
    }

    /// Sends SIGTERM and waits until the process has exited.
    ///
    /// # Errors
    /// When its exit status is not 0, or it does not exit within 30 s.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.signal("TERM")?;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.try_wait()? {
                return if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) };
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("it did not stop within 30 s".into())
    }

    /// Sends a signal, such as `STOP`.
    ///
    /// # Errors
    /// When `kill` cannot be run.
    pub fn signal(&self, name: &str) -> Result<(), Failure> {
        Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status()?;
        Ok(())
    }

    /// The exit status, if it has exited.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until a group has committed a number of records.
    ///
    /// # Errors
    /// When the process exits before, or nothing is committed for two minutes.
    pub fn await_committed(
        &mut self,
        asking: &BaseConsumer,
        topic: &str,
        records: i64,
    ) -> Result<(), Failure> {
        let (mut moved_at, mut last) = (Instant::now(), -1);
        loop {
            let (committed, end) = progress(asking, topic)?;
            if committed >= records {
                return Ok(());
            }
            if committed > last {
                (moved_at, last) = (Instant::now(), committed);
            }
            if let Some(status) = self.ended()? {
                return Err(format!("it ended with {status}, {committed} of {end} records committed").into());
            }
            if moved_at.elapsed() > Duration::from_secs(120) {
                return Err(
                    format!("{committed} of {end} records committed, and no more for two minutes").into()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        // The child's id may be reused: the keeper must not kill that process.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Runs a program to its end and returns its standard output.
///
/// # Errors
/// When its exit status is not 0; the error contains its output.
pub fn output(program: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&done.stderr);
    Err(format!("{} ended with {}:\n{stdout}{stderr}", arguments.join(" "), done.status).into())
}
