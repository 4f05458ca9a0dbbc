//! A value keeps its unit: money its currency, numbers their last bit, whether an event is judged live, its row is
//! looked at again, or the shard was filled again; and it is what the newest follow-up says. Random streams against a
//! slow computation by hand.
//!
//! `TRIPLINE_STREAMS` sets how many streams are drawn.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "the slow computation is written by hand, over values that a test bounds"
)]

mod amendments;
mod dice;
mod engine;
mod mixed;
mod numbers;
mod table;
