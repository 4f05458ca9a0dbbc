//! Snapshots of a shard: loaded again they go on byte for byte as the engine that never stopped, and nothing that is
//! damaged, incomplete or somebody else's is ever taken.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the numbers of these small streams are far below 2^53"
)]

mod format;
#[expect(dead_code, reason = "the laws' streams, of which only those of one partition are read here")]
#[path = "../laws/generator.rs"]
mod generator;
mod goes_on;
mod hostile;
mod install;
#[expect(dead_code, reason = "the laws' packs, of which the terminals' is not read here")]
#[path = "../laws/mapping.rs"]
mod mapping;
mod packs;
mod sealed;
#[path = "../shared/seeds.rs"]
mod seeds;
mod shop;
mod town;

/// What the laws' modules that are used here call by this name.
mod oracle {
    /// How a stream is read.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Settings {
        pub lateness: i64,
        pub retention: Option<i64>,
        pub rows_max: usize,
        #[expect(dead_code, reason = "one partition of the account's key space is saved")]
        pub terminals: bool,
        pub labels: bool,
    }

    pub(crate) const SECOND: i64 = 1_000;
    pub(crate) const MINUTE: i64 = 60 * SECOND;
    pub(crate) const HOUR: i64 = 60 * MINUTE;
    pub(crate) const DAY: i64 = 24 * HOUR;
    pub(crate) const LABEL_AFTER: i64 = HOUR;
}
