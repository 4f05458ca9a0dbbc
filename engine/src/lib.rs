//! Tripline, the engine: command line, configuration and everything at the edges.
//!
//! From below: [`names`], [`failpoint`], [`json`] and [`error_chain`] know nobody; [`runtime`] is the worker's loop and knows traits only;
//! [`io`] reaches Kafka, files and snapshot stores; [`ops`] shows operators what happens; [`config`] reads an
//! installation; [`cli`] puts all of them together, one file a command.

pub mod cli;
pub mod config;
pub mod error_chain;
pub mod failpoint;
pub mod io;
pub mod json;
pub mod names;
pub mod ops;
pub mod runtime;
