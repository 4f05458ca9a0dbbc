//! What Tripline's benchmarks share: the load pack, simulated records, a real Kafka and the service on it, and what a
//! measurement cost.
//!
//! It measures; nothing here is timed by a test, and nothing of it is part of the service.

pub mod cost;
pub mod equal;
pub mod kafka;
pub mod load;
pub mod open_loop;
pub mod probe;
pub mod proxy;
pub mod records;
pub mod report;
pub mod service;
pub mod watch;
