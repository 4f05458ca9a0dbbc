//! What reads bytes that somebody else wrote, one function a target. Each panics when the bytes show a mistake of the
//! reader, and says otherwise whether they were taken. They do not depend on a fuzzer: `src/bin/` hands them to
//! libFuzzer, and the tests run them over the inputs in `seeds/`.

mod decode;
mod pack;
mod snapshot;

#[path = "../../engine/core/tests/shared/seen.rs"]
mod seen;

pub use decode::{csv, json};
pub use pack::{expression, pack};
pub use snapshot::{snapshot, snapshot_parts};
