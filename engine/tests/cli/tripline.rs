//! The binary and what it leaves behind. It does not depend on rules or configurations.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_tripline");
/// The demo's configuration, from the repository's root.
pub const DEMO: &str = "deploy/examples/demo/tripline.yaml";
/// A short stream of the simulated bank, `tripline simulate --events 700 --accounts 60 --seed 7 --campaigns-per-day
/// 0.5`.
pub const DEMO_SAMPLE: &str = "deploy/examples/demo/sample.jsonl";
/// The Fraud Detection Handbook's configuration.
pub const HANDBOOK: &str = "deploy/examples/handbook/tripline.yaml";
/// Card payments of its form, made up by [`crate::handbook`].
pub const HANDBOOK_SAMPLE: &str = "deploy/examples/handbook/sample.csv";

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Standard output of a run that had to end with 0.
    pub fn fine(self) -> String {
        self.with(0).stdout
    }

    /// The run, which had to end with this status.
    pub fn with(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "standard output:\n{}\nstandard error:\n{}", self.stdout, self.stderr);
        self
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Runs the binary from the repository's root.
pub fn tripline<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ended {
    ended(Command::new(BINARY).args(arguments).current_dir(root()))
}

/// Runs any command with pipes, as in a script.
pub fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code().expect("ended by itself"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// A replay with all its files.
pub struct Replayed {
    /// `--output`.
    pub alerts: String,
    /// `--verdicts`: a line a row.
    pub verdicts: String,
    /// `--journal`: the verdicts topic.
    pub journal: String,
    /// `--dead-letters`.
    pub dead_letters: String,
    /// The object of `--json`.
    pub summary: serde_json::Value,
    /// Standard error.
    pub stderr: String,
}

/// Replays a file through a configuration, with further arguments.
pub fn replay(config: &str, input: impl AsRef<Path>, further: &[&str]) -> Replayed {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (alerts, verdicts) = (file("alerts"), file("verdicts"));
    let (journal, letters) = (file("journal"), file("letters"));
    let mut arguments = vec!["replay", "--json", "--config", config, "--input"];
    arguments.push(input.as_ref().to_str().unwrap());
    arguments.extend(["--output", &alerts, "--verdicts", &verdicts]);
    arguments.extend(["--journal", &journal, "--dead-letters", &letters]);
    arguments.extend(further);
    let ended = tripline(arguments).with(0);
    let read = |name: &str| fs::read_to_string(name).unwrap();
    Replayed {
        alerts: read(&alerts),
        verdicts: read(&verdicts),
        journal: read(&journal),
        dead_letters: read(&letters),
        summary: serde_json::from_str(&ended.stdout).unwrap(),
        stderr: ended.stderr,
    }
}

/// Writes a stream of the simulated bank; the arguments say which.
pub fn simulate(into: &Path, arguments: &str) {
    let output = ["--output", into.to_str().unwrap()];
    tripline(["simulate"].into_iter().chain(arguments.split(' ')).chain(output)).fine();
}

/// The objects of JSON lines.
pub fn objects(lines: &str) -> Vec<serde_json::Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}
