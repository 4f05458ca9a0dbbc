//! Counts of values in bins that are 1 % wide. It does not depend on days or on what is counted.

/// Natural logarithm of 1.01: a bin is 1 % wide.
const LN_BIN: f64 = 0.009_950_330_853_168_083;
/// Bin 0 holds what is not positive or below 10⁻⁶, and bin `b` above it 1.01^(b - `ONE`) to 1.01^(b + 1 - `ONE`).
const ONE: f64 = 1390.0;
/// The last bin holds 4 · 10¹⁶ and all above.
pub(super) const BINS: usize = 5248;
const LAST: f64 = 5247.0;

/// The bin of a value: `floor(ln(value) / ln(1.01))`, shifted and bounded.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the clamp")]
pub(super) fn bin(value: f64) -> u16 {
    if value > 0.0 { (libm::floor(libm::log(value) / LN_BIN) + ONE).clamp(0.0, LAST) as u16 } else { 0 }
}

/// The middle of a bin, by ratio.
pub(super) fn middle(bin: u16) -> f64 {
    if bin == 0 { 0.0 } else { libm::exp((f64::from(bin) + 0.5 - ONE) * LN_BIN) }
}

/// Counts a bin, as a Fenwick tree.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    /// Whose values are counted.
    pub(super) group: u64,
    /// The newest day of which values of the group may not have been counted.
    pub(super) lacking: i64,
    pub(super) count: u32,
    tree: Box<[u32]>,
}

impl Histogram {
    pub(super) fn new(group: u64) -> Histogram {
        Histogram { group, lacking: i64::MIN, count: 0, tree: vec![0; BINS].into_boxed_slice() }
    }

    pub(super) fn change(&mut self, bin: u16, change: impl Fn(u32) -> u32) {
        self.count = change(self.count);
        let mut node = usize::from(bin) + 1;
        while node <= BINS {
            self.tree[node - 1] = change(self.tree[node - 1]);
            node += node & node.wrapping_neg();
        }
    }

    pub(super) fn below(&self, bin: u16) -> u32 {
        let (mut node, mut sum) = (usize::from(bin), 0);
        while node > 0 {
            sum += self.tree[node - 1];
            node &= node - 1;
        }
        sum
    }

    /// The first bin up to which at least `rank` events lie.
    pub(super) fn reaching(&self, rank: u32) -> u16 {
        let (mut node, mut left, mut step) = (0, rank, BINS.next_power_of_two());
        while step > 0 {
            if node + step <= BINS && self.tree[node + step - 1] < left {
                node += step;
                left -= self.tree[node - 1];
            }
            step /= 2;
        }
        u16::try_from(node).expect("a bin is below 5,248")
    }

    pub(super) fn counted_bytes() -> usize {
        size_of::<Histogram>() + BINS * size_of::<u32>()
    }
}
