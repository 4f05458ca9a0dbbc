//! Tripline's models: numbers in, scores out, and how well they do.
//!
//! A model sees features and gives a score in [0, 1]; it knows no rules, no ledgers and no events.

pub mod metrics;
pub mod model;
pub mod profile;
pub mod protocol;
