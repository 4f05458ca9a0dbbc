//! The laws of the core, over thousands of small streams: against a slow oracle that was written apart.
//!
//! A failure names the seed of its stream; `TRIPLINE_LAWS_SEED=<seed>` runs that stream alone.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the numbers of these small streams are far below 2^53"
)]

mod compare;
mod edges;
mod engine;
mod generator;
mod laws;
mod mapping;
mod oracle;
mod restart;
#[path = "../shared/seeds.rs"]
mod seeds;
mod shuffle;
