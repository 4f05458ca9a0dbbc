//! A cache of the hashes of short free texts: countries, categories and time zones repeat, and comparing a short text
//! costs less than hashing it. The cache changes how fast a text is read, never what is read.

use super::word::head;
use tripline_rules::value::TextKey;

/// Longest text in the cache, bytes: two words hold it.
const BYTES_MAX: usize = 16;
const TEXTS: usize = 256;

/// A text, by its first and last eight bytes and its length, and its hash.
#[derive(Clone, Copy, Debug)]
struct Text {
    head: u64,
    tail: u64,
    length: usize,
    hash: u64,
}

/// Texts and their hashes, each in the one entry that its bytes select.
#[derive(Clone, Debug)]
pub(super) struct HashCache {
    texts: Box<[Text; TEXTS]>,
}

impl HashCache {
    /// An empty cache: no text has the length of its entries.
    pub(super) fn new() -> HashCache {
        HashCache { texts: Box::new([Text { head: 0, tail: 0, length: usize::MAX, hash: 0 }; TEXTS]) }
    }

    /// The hash of a text that begins with these eight bytes, if it is in the cache.
    #[inline(always)]
    pub(super) fn find(&self, text: &[u8], head: u64) -> Option<u64> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let tail = tail(text);
        let cached = &self.texts[index(head, tail)];
        (cached.head == head && cached.tail == tail && cached.length == text.len()).then_some(cached.hash)
    }

    /// The hash of a text, which enters the cache if it is short.
    #[inline(never)]
    pub(super) fn hash(&mut self, text: &[u8], key: &TextKey) -> u64 {
        let hash = key.text(text);
        if text.len() <= BYTES_MAX {
            let (head, tail) = (head(text), tail(text));
            self.texts[index(head, tail)] = Text { head, tail, length: text.len(), hash };
        }
        hash
    }
}

/// The last eight bytes; 0 for a shorter text, which its head holds whole.
#[inline(always)]
fn tail(text: &[u8]) -> u64 {
    text.last_chunk().map_or(0, |tail| u64::from_le_bytes(*tail))
}

/// The upper bits of a product depend on all bytes (Knuth's multiplicative hash).
#[inline(always)]
fn index(head: u64, tail: u64) -> usize {
    const BITS: u32 = TEXTS.ilog2();
    ((head ^ tail.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn a_cached_hash_is_the_hash(texts in prop::collection::vec("[ab\0]{0,3}|[ab]{7,9}|[ab]{15,17}", 0..200)) {
            let (mut hashes, key) = (HashCache::new(), TextKey::default());
            for text in texts.iter().map(String::as_bytes) {
                let found = hashes.find(text, head(text));
                prop_assert!(found.is_none_or(|hash| hash == key.text(text)));
                prop_assert_eq!(hashes.hash(text, &key), key.text(text));
                prop_assert_eq!(hashes.find(text, head(text)).is_some(), text.len() <= BYTES_MAX);
            }
        }
    }
}
