//! Snapshots beside the log: cut by a worker's engines, written by one thread of the process, read when a shard is filled.
//!
//! No link between snapshot and broker is needed: rows are a function of the events, so a snapshot cut at a committed
//! offset and the events from there on give what the shard held. Anything wrong with one is said, and the next older
//! one or the log is taken.
//!
//! - `store`: a folder or an object store, by names
//! - `catalogue`: which snapshots of a shard there are
//! - `writer`: the thread that writes
//! - `whole`: one of an engine that stands still, at once

mod catalogue;
mod store;
#[cfg(test)]
mod tests;
mod whole;
mod writer;

pub use catalogue::Catalogue;
pub use store::{Store, StoreFault};
pub use whole::Written;
pub use writer::{Writer, Writing};
