//! Seeded randomness: a stream of numbers named by (seed, stream, position), so that nobody's life depends on the order
//! in which lives are generated.
//!
//! It does not depend on accounts or money. Logarithms come from `libm`: every platform gives the same numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Words of the key stream set aside for each position; a scene uses a few dozen.
const WORDS_PER_POSITION: u128 = 4096;

/// 2⁻³².
const UNIT: f64 = 1.0 / 4_294_967_296.0;

/// Whose numbers these are. Streams never share a word.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    /// What an account is and does.
    Account(u32),
    /// One campaign.
    Campaign(u32),
    /// When campaigns start.
    Schedule,
    /// What goes wrong on the way.
    Faults,
}

impl Stream {
    fn nonce(self) -> u64 {
        match self {
            Stream::Account(number) => u64::from(number),
            Stream::Campaign(number) => 1 << 62 | u64::from(number),
            Stream::Schedule => 2 << 62,
            Stream::Faults => 3 << 62,
        }
    }
}

/// A position in a stream of random numbers.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    /// The numbers of a stream from one of its positions on.
    pub fn new(seed: u64, stream: Stream, position: u32) -> Random {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..24].copy_from_slice(b"tripline simbank");
        let mut numbers = ChaCha8Rng::from_seed(key);
        numbers.set_stream(stream.nonce());
        numbers.set_word_pos(u128::from(position) * WORDS_PER_POSITION);
        Random(numbers)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) * UNIT
    }

    /// Uniform in [low, high).
    pub fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..n; 0 when n is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        let scaled = (u64::from(self.0.next_u32()) * u64::from(n)) >> 32;
        u32::try_from(scaled).expect("below n")
    }

    /// Uniform in low..=high.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + floor(self.unit() * real(high - low + 1))
    }

    /// True with a probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.unit())
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(2.0 * self.exponential());
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }

    /// Log-normal around a median.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// One of several, each as likely.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let count = u32::try_from(of.len()).expect("short lists");
        of[self.below(count) as usize]
    }

    /// The position of one of several weights.
    pub fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (at, weight) in weights.enumerate() {
            last = at;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }
}

/// Scatters three numbers over 64 bits (the finaliser of SplitMix64, Steele et al. 2014): for what an id names, not for
/// chance.
pub(super) fn scatter(seed: u64, a: u64, b: u64) -> u64 {
    let mut bits = seed;
    for part in [a, b] {
        bits = (bits ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
    }
    bits
}

/// The upper half of scattered bits as a number in [0, 1).
pub(super) fn scattered_unit(bits: u64) -> f64 {
    f64::from(u32::try_from(bits >> 32).expect("32 bits")) * UNIT
}

/// The whole part below a number.
#[expect(clippy::cast_possible_truncation, reason = "money and times here stay far below 2^53")]
pub(super) fn floor(value: f64) -> i64 {
    libm::floor(value) as i64
}

/// A whole number as a real one.
#[expect(clippy::cast_precision_loss, reason = "money and times here stay far below 2^53")]
pub(super) fn real(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_positions_and_seeds_give_different_numbers_and_the_same_names_the_same() {
        let first = |seed, stream, position| Random::new(seed, stream, position).bits();
        let one = first(1, Stream::Account(7), 0);
        assert_eq!(one, first(1, Stream::Account(7), 0));
        for other in [
            first(2, Stream::Account(7), 0),
            first(1, Stream::Account(8), 0),
            first(1, Stream::Account(7), 1),
            first(1, Stream::Campaign(7), 0),
            first(1, Stream::Faults, 0),
            first(1, Stream::Schedule, 0),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut random = Random::new(3, Stream::Schedule, 0);
        let n = 40_000;
        let mean = |draw: &mut dyn FnMut() -> f64| (0..n).map(|_| draw()).sum::<f64>() / f64::from(n);
        assert!((mean(&mut || random.unit()) - 0.5).abs() < 0.01);
        assert!((mean(&mut || random.exponential()) - 1.0).abs() < 0.03);
        assert!(mean(&mut || random.normal()).abs() < 0.03);
        let square = mean(&mut || {
            let drawn = random.normal();
            drawn * drawn
        });
        assert!((square - 1.0).abs() < 0.04);
        assert!((mean(&mut || real(random.between(-2, 4))) - 1.0).abs() < 0.05);
        let heavy = (0..n).filter(|_| random.weighted([1.0, 3.0].into_iter()) == 1).count();
        assert!((29_300..30_700).contains(&heavy));
    }
}
