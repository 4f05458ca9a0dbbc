//! The command line: one file a command, and here what they share.

mod bootstrap;
mod broker;
mod check;
mod compare;
mod demo;
mod dump;
mod dumped;
mod evaluate;
mod features;
mod feed;
mod replay;
mod run;
mod schema;
mod simulate;
mod status;
mod topics;
mod usage;
mod words;

use crate::config::{self, Config, ReadError};
use crate::runtime::sink::SinkError;
use crate::runtime::source::SourceError;
use clap::{CommandFactory, Parser, Subcommand};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use tripline_rules::diagnostic::{Diagnostics, Paint};

/// Streaming fraud alerts on Kafka, judged by analysts' rules and statistical models.
#[derive(Debug, Parser)]
#[command(name = "tripline", version, about, propagate_version = true, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Run(run::Run),
    Bootstrap(bootstrap::Bootstrap),
    Status(status::Status),
    Topics(topics::Topics),
    Replay(replay::Replay),
    Check(check::Check),
    Simulate(simulate::Simulate),
    Features(features::Features),
    Evaluate(evaluate::Evaluate),
    Dump(dump::Dump),
    Compare(compare::Compare),
    Schema(schema::SchemaCommand),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  tripline completions bash > tripline.bash")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Runs a command.
///
/// # Errors
/// When the command could not do its work.
pub fn run(arguments: Arguments) -> Result<Outcome, CliError> {
    match arguments.command {
        Command::Demo(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Bootstrap(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Topics(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Simulate(command) => command.run(),
        Command::Features(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Dump(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "tripline", &mut io::stdout());
            Ok(Outcome::Fine)
        }
    }
}

/// How a command that could do its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exit status 0.
    Fine,
    /// It found something wrong: exit status 1.
    FoundFaults,
}

/// Why a command could not do its work: exit status 2.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A file could not be read or written.
    #[error("{path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output or input failed.
    #[error("standard streams")]
    Stream(#[from] io::Error),
    /// Configuration, schema or packs have faults; they were shown.
    #[error("{0} has faults, shown above")]
    Faults(PathBuf),
    /// A configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ReadError),
    /// Records cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Outputs cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Anything else, said in words.
    #[error("{0}")]
    Other(String),
}

impl CliError {
    /// A file error with its path.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> CliError {
        let path = path.into();
        move |source| CliError::File { path, source }
    }
}

/// Loads a configuration, showing what is wrong with it on standard error.
fn configured(path: &Path) -> Result<Config, CliError> {
    let loaded = config::load(path)?;
    show(&loaded.faults);
    loaded.config.ok_or_else(|| CliError::Faults(path.to_path_buf()))
}

/// Shows faults on standard error, in colour on a terminal.
fn show(faults: &Diagnostics) {
    if !faults.list().is_empty() {
        let paint = if io::stderr().is_terminal() { Paint::Colour } else { Paint::Plain };
        eprintln!("{}", faults.render(paint));
    }
}

/// What a command reports: text for people, or one JSON object a line.
struct Report {
    json: bool,
}

impl Report {
    fn new(json: bool) -> Report {
        Report { json }
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        if self.json {
            let line = serde_json::to_string(value).map_err(io::Error::from)?;
            writeln!(io::stdout(), "{line}")?;
        }
        Ok(())
    }

    fn text(&mut self, text: impl FnOnce() -> String) -> Result<(), CliError> {
        if !self.json {
            io::stdout().write_all(text().as_bytes())?;
        }
        Ok(())
    }
}
