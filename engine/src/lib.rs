//! Tripline, the engine: command line, configuration and everything at the edges.

pub mod cli;
pub mod config;
pub mod io;
pub mod names;
pub mod ops;
pub mod runtime;
