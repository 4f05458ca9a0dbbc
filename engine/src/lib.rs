//! Tripline, the engine: command line, configuration and everything at the edges.
//!
//! From the lowest layer: [`names`], [`settings`], [`failpoint`], [`json`] and [`error_chain`] import no other module;
//! [`config`] reads an installation; [`runtime`] is the loop of a worker and imports no I/O; [`io`] is Kafka, files and
//! snapshot stores; [`ops`] reports to operators; [`cli`] has one file per command.

// A closed pipe must not end in a panic: `cli::report` writes to the standard streams.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod cli;
pub mod config;
pub mod error_chain;
pub mod failpoint;
pub mod io;
pub mod json;
pub mod names;
pub mod ops;
pub mod runtime;
pub mod settings;
