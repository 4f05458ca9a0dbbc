//! The hash of librdkafka's `consistent` partitioner: CRC-32 as in zlib.

/// The remainders of all bytes.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { rest >> 1 ^ POLYNOMIAL } else { rest >> 1 };
            bit += 1;
        }
        table[byte as usize] = rest;
        byte += 1;
    }
    table
}

pub(super) fn hash(key: &[u8]) -> u32 {
    !key.iter().fold(!0u32, |sum, byte| sum >> 8 ^ TABLE[usize::from(sum.to_le_bytes()[0] ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn the_hash_is_that_of_the_standard() {
        assert_eq!(hash(b"123456789"), 0xcbf4_3926, "the check value of CRC-32");
        assert_eq!(hash(b""), 0);
    }
}
