//! A value keeps its unit: money its currency, numbers their last bit, whether an event is judged live, its row is
//! looked at again, or the shard was filled again. Random streams against a slow computation by hand.
//!
//! `TRIPLINE_STREAMS` sets how many streams are drawn.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "the slow computation is written by hand, over values that a test bounds"
)]

mod dice;
mod engine;
mod mixed;
mod numbers;
mod table;
