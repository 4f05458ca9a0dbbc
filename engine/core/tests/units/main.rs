//! A value keeps its unit: money its currency, numbers their last bit, whether an event is judged live, its row is
//! looked at again, the shard was filled again, or another key space reads it as a signal; and it is what the newest
//! follow-up says. Random streams against a slow computation by hand.
//!
//! `TRIPLINE_STREAMS` sets how many streams are drawn, `TRIPLINE_LAWS_SEED` draws one alone.

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
#[path = "../shared/seeds.rs"]
mod seeds;
mod signals;
mod table;
