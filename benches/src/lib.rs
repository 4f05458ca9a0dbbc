//! What Tripline's benchmarks share: the load pack, simulated records in memory, and what a measurement cost.
//!
//! It measures; nothing here is timed by a test, and nothing of it is part of the service.

pub mod cost;
pub mod equal;
pub mod kafka;
pub mod load;
pub mod proxy;
pub mod records;
pub mod report;
pub mod service;
