//! The service under test: the `tripline` program as a process of its own, and what that process has spent.

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

/// A configuration of this repository, run elsewhere than it says.
pub struct Installation<'a> {
    /// The configuration, from the repository's root; its schema lies beside it.
    pub config: &'a str,
    /// The packs, from the repository's root.
    pub packs: &'a [&'a str],
    /// The brokers.
    pub brokers: &'a str,
    /// Whose clock stamps the input.
    pub clock: &'a str,
    /// How late an event may come.
    pub lateness: &'a str,
    /// What readers of the output topics may rely on.
    pub guarantee: &'a str,
    /// Where snapshots go and how often, as a YAML mapping; empty: nowhere.
    pub snapshots: &'a str,
    /// Its threads.
    pub workers: usize,
    /// Which process of the group it is.
    pub instance: &'a str,
    /// Settings of the client, as a YAML mapping.
    pub client: &'a str,
    /// Port of health and metrics on loopback; 0 takes a free one.
    pub http: u16,
}

impl Installation<'_> {
    /// Writes it into a folder.
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
            "packs: [{}]\nschema: {}\ntime: {{lateness: {}}}\ndelivery: {{guarantee: {}}}\nhttp: {{listen: \"127.0.0.1:{}\"}}\n\
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

/// Kills the process of the id `$1` once nobody holds the other end of its standard input.
const KEEPER: &str = r#"trap '' HUP INT TERM; cat >/dev/null; kill -KILL "$1""#;

/// A process that is killed when this is dropped, or when the process that started it ends in any other way.
pub struct Process {
    child: Child,
    keeper: Child,
}

/// What a process has spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// CPU of all its threads, seconds.
    pub cpu_seconds: f64,
    /// The most memory it held, bytes.
    pub peak_bytes: u64,
}

impl Spent {
    /// What a process has spent, by its id or `self`; nothing where the system does not say.
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
    /// Starts a program; what it says goes to a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, arguments: &[&str], log: &Path) -> Result<Process, Failure> {
        Process::start_with(program, arguments, log, None)
    }

    /// [`Process::start`] with a variable in its environment.
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
            // A Ctrl-C in the terminal is not meant for it.
            .process_group(0)
            .spawn()?;
        Ok(Process { child, keeper })
    }

    /// What it has spent so far.
    pub fn spent(&self) -> Spent {
        Spent::of(&self.child.id().to_string())
    }

    /// Asks it to stop by SIGTERM, and waits until it has.
    ///
    /// # Errors
    /// When it ends with an error, or not within half a minute.
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

    /// Sends it a signal, such as `STOP`.
    ///
    /// # Errors
    /// When the system cannot.
    pub fn signal(&self, name: &str) -> Result<(), Failure> {
        Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status()?;
        Ok(())
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until a group has committed so many records.
    ///
    /// # Errors
    /// When the process ends before, or nothing moves for two minutes.
    pub fn await_committed(
        &mut self,
        asking: &BaseConsumer,
        topic: &str,
        records: i64,
    ) -> Result<(), Failure> {
        let (mut heard, mut last) = (Instant::now(), -1);
        loop {
            let (committed, end) = progress(asking, topic)?;
            if committed >= records {
                return Ok(());
            }
            if committed > last {
                (heard, last) = (Instant::now(), committed);
            }
            if let Some(status) = self.ended()? {
                return Err(format!("it ended with {status}, {committed} of {end} records committed").into());
            }
            if heard.elapsed() > Duration::from_secs(120) {
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
        // The child is gone and its id may be another's soon: the keeper must not act any more.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Runs a program to its end and gives what it printed.
///
/// # Errors
/// When it ends with an error; what it said is in the error.
pub fn output(program: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(said);
    }
    let complaint = String::from_utf8_lossy(&done.stderr);
    Err(format!("{} ended with {}:\n{said}{complaint}", arguments.join(" "), done.status).into())
}
