//! The `tripline` binary: it parses the command line, runs one command and says how it ended.

use clap::Parser;
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
        Err(error) => {
            eprintln!("tripline: {}", with_causes(&error));
            ExitCode::from(2)
        }
    }
}
