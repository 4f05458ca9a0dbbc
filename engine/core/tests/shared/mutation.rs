//! Wounds of a record, for tests of several crates of tests. It does not depend on what the record is.

use proptest::test_runner::TestRng;
use rand_chacha::rand_core::Rng;

/// What is put in: signs of JSON, words, numbers at the edge, bytes that are no text, a card number.
const SPICE: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"1e400",
    b"-0",
    b"-",
    b"\xff",
    b"\0",
    b"\\u",
    b"\\ud800",
    b"4111111111111111",
    b"\"id\":1,",
    b"9999999999999999999999",
    b"999999999999999",
    b"0.0000000000000001",
    b"\xe2\x80\xae",
    b"E+",
    b"2024-02-30",
    b"login",
    b"label",
    b",\"ref\":\"p1\"",
    b",\"points\":1000000000000",
];

/// One to `most` wounds: bytes cut out, put in, repeated, moved, replaced, a bit turned.
pub fn mutate(record: &mut Vec<u8>, rng: &mut TestRng, most: usize) {
    let mut below = |bound: usize| usize::try_from(rng.next_u32()).expect("32 bits") % bound.max(1);
    for _ in 0..1 + below(most) {
        let (at, length) = (below(record.len()), below(12));
        let end = (at + length).min(record.len());
        match below(7) {
            0 => drop(record.drain(at..end)),
            1 => drop(record.splice(at..at, SPICE[below(SPICE.len())].iter().copied())),
            2 => record.extend_from_within(at..end),
            3 if at < record.len() => record[at] = u8::try_from(below(256)).expect("below 256"),
            4 if at < record.len() => record[at] ^= 1 << below(8),
            5 if at < record.len() => record[at] = b"0123456789"[below(10)],
            _ => {
                let copy = record[at..end].to_vec();
                let to = below(record.len());
                drop(record.splice(to..to, copy));
            }
        }
    }
}
