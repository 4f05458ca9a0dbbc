//! Which streams a law is tested on, for several crates of tests. It does not depend on what a stream is.

/// The seed of random tests that `.cargo/config.toml` sets: the same streams on every machine.
const USUAL: u64 = 20_261_122;
/// No law takes more seeds than these, so another seed of random tests draws other streams.
const APART: u64 = 10_000_000;

/// So many seeds from `first`, moved to others by `PROPTEST_RNG_SEED`; or the one that `TRIPLINE_LAWS_SEED` names.
pub(crate) fn seeds(first: u64, count: u64) -> Vec<u64> {
    if let Some(seed) = number("TRIPLINE_LAWS_SEED") {
        return vec![seed];
    }
    let apart = number("PROPTEST_RNG_SEED").map_or(0, |seed| seed.wrapping_sub(USUAL).wrapping_mul(APART));
    (first..first + count).map(|seed| seed.wrapping_add(apart)).collect()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
