//! The command line: one module per command. Shared code is in modules that do not depend on a command.

mod bootstrap;
mod broker;
mod check;
mod compare;
mod configured;
mod demo;
mod dump;
mod dumped;
mod error;
mod evaluate;
mod features;
mod feed;
mod paths;
mod places;
mod refusals;
mod refused;
mod replay;
mod report;
mod run;
mod schema;
mod simulate;
mod status;
mod text;
mod topics;
mod usage;

pub use error::CliError;
pub use report::Exit;

use clap::{CommandFactory, Parser, Subcommand};
use std::io::{self, Write};

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
pub fn run(arguments: Arguments) -> Result<Exit, CliError> {
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
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tripline", &mut script);
            io::stdout().write_all(&script)?;
            Ok(Exit::Success)
        }
    }
}
