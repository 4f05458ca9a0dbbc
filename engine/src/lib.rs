//! Tripline, the engine: command line, configuration and edges.

pub mod cli;
pub mod config;
pub mod edge;
pub mod names;
