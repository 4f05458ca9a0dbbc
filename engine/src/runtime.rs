//! The loop between the log and the engines: poll, judge, hand over, commit, and the answers to membership changes.
//!
//! From the inside out: a [`processor::Processor`] owns the engines of one worker; [`worker::Worker`] feeds it from a
//! [`source::Source`], hands what it gives through an [`outbox::Outbox`] to a [`sink::Sink`], and fills new shards
//! through a [`recovery::Recovery`], whose order of reading is in [`refill`]. [`clock`] is the worker's, which a
//! simulation moves. Membership changes are data that the worker answers, never callbacks into an engine.

pub mod clock;
pub mod engines;
pub mod outbox;
pub mod processor;
pub mod recovery;
pub mod refill;
pub mod sink;
pub mod source;
pub mod worker;
