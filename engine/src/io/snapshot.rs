//! Snapshots beside the log: begun by a worker's processor, written by one thread of the process, read by a restore.
//!
//! A snapshot needs no coordination with the broker: rows are a function of the events, so a snapshot at a committed
//! offset and the events from there on give the state of the shard. Damaged, foreign or incomplete snapshots are logged
//! and skipped, and the next older one or the log is used.
//!
//! - `store`: a folder or an object store, by names
//! - `catalogue`: the snapshots of a shard
//! - `writer`: the thread that writes
//! - `whole`: a snapshot of a shard that does not change meanwhile

mod catalogue;
mod store;
#[cfg(test)]
mod tests;
mod whole;
mod writer;

pub use catalogue::Catalogue;
pub use store::{ObjectStoreError, Refusal, Store};
pub use whole::Written;
pub use writer::{Writer, Writing};
