//! A table of measurements by round with their medians, printed and kept as a file.

use crate::cost::median;
use crate::kafka::Failure;
use serde_json::{Map, Value, json};
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A column: what was measured, its unit last, and the digits behind the point that mean anything.
pub type Column = (&'static str, usize);

/// What a benchmark measured.
pub struct Report {
    /// What was measured, and on what.
    pub about: String,
    /// The columns.
    pub columns: &'static [Column],
    /// A line a round, a value a column.
    pub rounds: Vec<Vec<f64>>,
}

impl Report {
    /// The middle value of each column.
    fn medians(&self) -> Vec<f64> {
        let column = |at: usize| self.rounds.iter().map(|round| round[at]).collect::<Vec<_>>();
        (0..self.columns.len()).map(|at| median(&column(at))).collect()
    }

    fn named(&self, values: &[f64]) -> Value {
        let named = self.columns.iter().zip(values);
        named.map(|((name, _), value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>().into()
    }

    /// Writes it to a file with date, commit, command and machine.
    ///
    /// # Errors
    /// When the file cannot be written.
    ///
    /// # Panics
    /// Without any round.
    pub fn keep(&self, path: &Path) -> Result<(), Failure> {
        let rounds: Vec<Value> = self.rounds.iter().map(|round| self.named(round)).collect();
        let program = std::env::current_exe().unwrap_or_default();
        let program = program.file_name().unwrap_or_default().to_string_lossy();
        let command: Vec<String> = std::env::args().skip(1).collect();
        let kept = json!({
            "date": output_of("date", &["-u", "+%FT%TZ"]),
            "commit": output_of("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]),
            "command": format!("{program} {}", command.join(" ")).trim_end(),
            "machine": machine(),
            "about": self.about,
            "rounds": rounds,
            "median": self.named(&self.medians()),
        });
        fs::create_dir_all(path.parent().ok_or("a file lies in a folder")?)?;
        Ok(fs::write(path, format!("{kept:#}\n"))?)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        writeln!(f, "{}\n\n| round | {} |", self.about, names.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(names.len()))?;
        let rounds = (1..).map(|number: u32| number.to_string()).zip(self.rounds.iter().cloned());
        for (name, values) in rounds.chain([("median".to_owned(), self.medians())]) {
            write!(f, "| {name} |")?;
            for ((_, digits), value) in self.columns.iter().zip(values) {
                write!(f, " {value:.digits$} |")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Where a result of this name is kept: `benches/runs/NAME.json`.
///
/// # Errors
/// When the name is no file name, or there is such a result already.
pub fn place(name: &str) -> Result<PathBuf, Failure> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(format!("`{name}` is no name for a result: letters, digits, `-`, `_`, `.`").into());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("runs").join(format!("{name}.json"));
    if path.exists() {
        return Err(format!("{} is there already", path.display()).into());
    }
    Ok(path)
}

/// The output of a program; empty if it cannot be run.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let line = |text: &str, name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().trim_matches([' ', '\t', ':']).to_owned()
    };
    json!({
        "cpu": line(&cpus, "model name"),
        "cores": cpus.lines().filter(|line| line.starts_with("processor")).count(),
        "memory": line(&read("/proc/meminfo"), "MemTotal"),
        "load": read("/proc/loadavg").trim(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_round_counts_column_by_column() {
        let columns = &[("events", 0), ("ratio", 2)];
        let rounds = vec![vec![10.0, 0.5], vec![30.0, 0.25], vec![20.0, 0.75]];
        let text = Report { about: "a run".to_owned(), columns, rounds }.to_string();
        assert!(text.ends_with("| 3 | 20 | 0.75 |\n| median | 20 | 0.50 |\n"), "{text}");
    }

    #[test]
    fn a_result_lies_beside_the_others_or_nowhere() {
        assert!(place("2026-03-01-throughput").unwrap().ends_with("runs/2026-03-01-throughput.json"));
        assert!(place("../elsewhere").is_err());
        assert!(place("").is_err());
    }
}
