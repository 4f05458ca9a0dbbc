//! Operations on eight bytes of a text at once, in one word. It does not depend on what they mean.

/// The first eight bytes of a text, zeros behind its end.
#[inline(always)]
pub(super) fn head(text: &[u8]) -> u64 {
    if let Some(first) = text.first_chunk::<8>() {
        return u64::from_le_bytes(*first);
    }
    match (text.first_chunk::<4>(), text.last_chunk::<4>(), text) {
        // Where the two overlap they are equal.
        (Some(first), Some(last), _) => {
            let [first, last] = [*first, *last].map(|chunk| u64::from(u32::from_le_bytes(chunk)));
            first | last << (8 * text.len().wrapping_sub(4))
        }
        (.., [a, b, c]) => u64::from_le_bytes([*a, *b, *c, 0, 0, 0, 0, 0]),
        (.., [a, b]) => u64::from_le_bytes([*a, *b, 0, 0, 0, 0, 0, 0]),
        (.., [a]) => u64::from(*a),
        _ => 0,
    }
}

/// The highest bit of every byte of a word.
pub(super) const HIGH: u64 = every(0x80);

/// A word with the same byte eight times.
pub(super) const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bits of the bytes that are above nine.
#[inline(always)]
pub(super) fn above_nine(word: u64) -> u64 {
    // Only bytes above nine reach the high bit when 0x76 is added, and no sum overflows its byte.
    ((word & !HIGH).wrapping_add(every(0x76)) | word) & HIGH
}

/// The number of eight decimal digits, each from 0 to 9, the first in the lowest byte.
#[inline(always)]
pub(super) fn number(digits: u64) -> u64 {
    const TWO: u64 = 0x0000_00ff_0000_00ff;
    // Pairs of digits in every other byte; then the first and third pair, and the second and fourth, weighted and
    // summed in the upper half of a product.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let outer = (pairs & TWO).wrapping_mul(100 | 1_000_000 << 32);
    let inner = (pairs >> 16 & TWO).wrapping_mul(1 | 10_000 << 32);
    outer.wrapping_add(inner) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn a_head_is_the_first_eight_bytes_and_zeros(text in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut padded = text.clone();
            padded.resize(8.max(text.len()), 0);
            prop_assert_eq!(head(&text).to_le_bytes().to_vec(), padded[..8].to_vec());
        }

        #[test]
        fn eight_digits_are_their_number(value in 0u64..100_000_000) {
            let text = format!("{value:08}");
            prop_assert_eq!(number(head(text.as_bytes()) ^ every(b'0')), value);
        }

        #[test]
        fn bytes_above_nine_are_found(bytes in any::<[u8; 8]>(), small in any::<[bool; 8]>()) {
            let bytes: [u8; 8] = std::array::from_fn(|at| if small[at] { bytes[at] % 12 } else { bytes[at] });
            let found = above_nine(u64::from_le_bytes(bytes)).to_le_bytes();
            prop_assert_eq!(found, bytes.map(|byte| if byte > 9 { 0x80 } else { 0 }));
        }
    }
}
