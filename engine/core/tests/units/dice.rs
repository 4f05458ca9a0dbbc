//! Numbers that look random and are a function of their seed (splitmix64, Steele et al. 2014).

use crate::seeds::seeds;

pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.bits() % sides
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// The seeds of the streams that a test draws: as many as usual, or as `TRIPLINE_STREAMS` says.
pub fn streams(usual: u64) -> Vec<u64> {
    let count =
        std::env::var("TRIPLINE_STREAMS").map_or(usual, |count| count.parse().expect("a number of streams"));
    seeds(0, count)
}
