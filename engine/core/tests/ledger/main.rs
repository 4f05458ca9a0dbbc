//! Ledgers and facts against an oracle written apart: plain lists of rows, a filter and a formula for each aggregate.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an oracle is written as the textbook writes it, over values that a test bounds"
)]

mod boundaries;
mod install;
mod late;
mod laws;
mod memory;
mod oracle;
mod stream;
mod world;
