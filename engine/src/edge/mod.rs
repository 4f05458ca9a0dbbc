//! The world at the edges: where records come from, where outputs go, and the loop between them.
//!
//! From the inside out: a [`processor::Processor`] owns the engines of one worker; [`worker::Worker`] feeds it from a
//! [`source::Source`], hands what it gives through an [`outbox::Outbox`] to a [`sink::Sink`], and fills new shards through a
//! [`recovery::Recovery`], whose order of reading is in [`refill`]. [`kafka`] is the real edge, [`memory`] its twin for tests, [`mod@file`] reads and writes files;
//! [`snapshot`] keeps ledgers beside the log.
//! [`http`], [`metrics`], [`status`], [`overview`], [`ask`] and [`log`] are for operators, [`control`] for signals;
//! [`clock`] is the worker's, which a simulation moves. Membership changes are data that the worker answers, never
//! callbacks into an engine.

pub mod ask;
pub mod clock;
pub mod control;
pub mod engines;
pub mod failpoint;
pub mod file;
pub mod http;
pub mod json;
pub mod kafka;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod outbox;
pub mod overview;
pub mod processor;
pub mod recovery;
pub mod refill;
pub mod sink;
pub mod snapshot;
pub mod source;
pub mod status;
pub mod worker;
