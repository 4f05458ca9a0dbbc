//! The loop between the log and the processing of its records: poll, judge, hand over, commit, and the answers to
//! membership changes. It depends on traits only, not on Kafka, files, metrics or configuration.
//!
//! [`worker`] is the loop. It reads a [`source`], drives a [`processor`], and hands outputs through an
//! [`output_buffer`] to a [`sink`]; `commits` decides when a commit begins and what an answer means; `owned_shard` is
//! all that is known about a shard. New shards are restored through a [`recovery`], in the order of [`restore`].
//! [`shard_processor`] is the processor of the core, `note` what it keeps beside a committed offset, [`snapshots`]
//! decides when it begins a snapshot, [`snapshot`] is where snapshots go. [`report`] is what all of them report,
//! [`shutdown`] how they are asked to end, [`clock`] a clock that a simulation moves.

pub mod clock;
mod commits;
mod note;
pub mod output_buffer;
mod owned_shard;
pub mod processor;
pub mod recovery;
pub mod report;
pub mod restore;
pub mod shard_processor;
mod share;
pub mod shutdown;
pub mod sink;
pub mod snapshot;
pub mod snapshots;
pub mod source;
pub mod verdict_filter;
pub mod worker;
