//! The `tripline` binary: it parses the command line, runs one command and says how it ended.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use tripline::cli::{Arguments, Exit};
use tripline::error_chain::with_causes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tripline::failpoint::start();
    let arguments = Arguments::parse();
    match tripline::cli::run(arguments) {
        Ok(Exit::Success) => ExitCode::SUCCESS,
        Ok(Exit::Problems) => ExitCode::from(1),
        // The reader of the output has left, as `head` does: what a shell shows for a program that SIGPIPE ends.
        Err(error) if error.is_closed_output() => ExitCode::from(141),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tripline: {}", with_causes(&error));
            ExitCode::from(2)
        }
    }
}
