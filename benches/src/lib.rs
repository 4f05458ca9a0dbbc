//! Shared parts of the benchmarks: the load pack, simulated records, a real Kafka with the service, and measurements of
//! CPU time and memory.
//!
//! No part of the service depends on this crate, and no test depends on a time.

pub mod cost;
pub mod equal;
pub mod hot;
pub mod kafka;
pub mod load;
pub mod open_loop;
pub mod probe;
pub mod proxy;
pub mod records;
pub mod report;
pub mod service;
pub mod watch;
