//! Input that means harm, through the whole engine: every bound of the core by its name, and what becomes of what
//! passes it.
//!
//! The engine here is the real one with a small pack. What a bank could send, or an analyst write, by mistake or on
//! purpose must never stop it, grow it without end, or make it repeat a card number.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "the numbers of these small streams are far below 2^53"
)]

mod bank;
mod cards;
mod coverage;
mod demo;
mod files;
mod model;
#[path = "../shared/mutation.rs"]
mod mutation;

mod packs;
mod poison;
mod records;
mod shard;
