//! One command in its folder, within bounds of time and memory. A panic or an end by a signal is a failure.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::case::{Stdout, Step};
use crate::text::short;

const SECONDS: u64 = 20;
/// Of resident memory.
const MEGABYTES: u64 = 2048;
/// Of addresses, which an allocation without a bound exhausts before the machine's memory: 16 GiB.
const ADDRESS_KIBIBYTES: u64 = 16 << 20;
const SIGPIPE: i32 = 13;
const EXIT_OF_A_PANIC: i32 = 101;

/// A command that has ended.
pub struct Ended {
    pub folder: PathBuf,
    pub run: Vec<String>,
    /// The exit status, or the signal's negative number.
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
    /// Files written or changed, from the folder.
    pub wrote: Vec<String>,
}

impl Ended {
    /// The path after an option of the command.
    pub fn path_after(&self, option: &str) -> Result<PathBuf, String> {
        let at = self.run.iter().position(|argument| argument == option);
        let path =
            at.and_then(|at| self.run.get(at + 1)).ok_or_else(|| format!("the step has no {option}"))?;
        Ok(self.folder.join(path))
    }
}

pub fn execute(program: &Path, step: &Step, folder: &Path) -> Result<Ended, String> {
    let before = stamps(folder);
    let began = Instant::now();
    let mut child = spawn(program, step, folder).map_err(|error| format!("cannot be started: {error}"))?;
    let stdout = child.stdout.take().map(read);
    let stderr = child.stderr.take().map(read);
    let status = wait(&mut child, step, began);
    let text = |reader: Option<JoinHandle<Vec<u8>>>| {
        let bytes = reader.map(|reader| reader.join().unwrap()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    let status = status?;
    let exit = status.code().unwrap_or_else(|| -status.signal().unwrap_or_default());
    if exit == EXIT_OF_A_PANIC || stderr.contains("panicked at") {
        return Err(format!("panic: {}", short(&stderr)));
    }
    if exit < 0 && !(exit == -SIGPIPE && step.stdout == Some(Stdout::Closed)) {
        return Err(format!("ended by signal {}: {}", -exit, short(&stderr)));
    }
    let after = stamps(folder);
    let wrote =
        after.into_iter().filter(|(name, stamp)| before.get(name) != Some(stamp)).map(|(name, _)| name);
    let wrote = wrote.collect();
    Ok(Ended { folder: folder.to_owned(), run: step.run.clone(), exit, stdout, stderr, wrote })
}

/// The shell sets the limits and is then replaced by the command, which keeps its process id.
fn spawn(program: &Path, step: &Step, folder: &Path) -> io::Result<Child> {
    let limited = format!("ulimit -v {ADDRESS_KIBIBYTES}; ulimit -c 0; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.arg("-c").arg(limited).arg(program).args(&step.run);
    command.current_dir(folder).env_clear().env("HOME", folder).env("LC_ALL", "C.UTF-8");
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    match step.stdout {
        Some(Stdout::Closed) => {
            let (reader, writer) = io::pipe()?;
            drop(reader);
            command.stdout(writer)
        }
        None => command.stdout(Stdio::piped()),
    };
    command.spawn()
}

fn wait(child: &mut Child, step: &Step, began: Instant) -> Result<ExitStatus, String> {
    let seconds = step.seconds.unwrap_or(SECONDS);
    let megabytes = step.mb.unwrap_or(MEGABYTES);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Ok(status);
        }
        let too_much = if began.elapsed() >= Duration::from_secs(seconds) {
            Some(format!("still runs after {seconds} s"))
        } else {
            peak_kibibytes(child.id())
                .filter(|peak| *peak > megabytes * 1024)
                .map(|peak| format!("takes {} MB of memory, {megabytes} MB allowed", peak / 1024))
        };
        if let Some(problem) = too_much {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(problem);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The largest resident memory so far.
fn peak_kibibytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Time of change and size of every file.
fn stamps(folder: &Path) -> BTreeMap<String, (std::time::SystemTime, u64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let stamp = |known: Metadata| (known.modified().unwrap(), known.len());
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.extend(entry.metadata().ok().map(|known| (name, stamp(known))));
            }
        }
    }
    found
}
