//! From a key to its ledger: small hash tables of ledger numbers over a segmented array of headers.
//!
//! Many small tables instead of a large one: each grows alone, so no event pays for copying a million entries.

use crate::row::{Block, mix};
use hashbrown::HashTable;

const TABLES: usize = 256;
const SEGMENT: usize = 1024;
const NONE: u32 = u32::MAX;
/// Bit of [`Header::rows`]: this ledger lacks rows that were dropped.
const LACKING: u16 = 1 << 15;

/// What a ledger is beside its rows: 24 bytes, in this order.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Header {
    key: [u64; 2],
    block: u32,
    rows: u16,
    /// Rows of the block before the oldest one, free.
    pub(crate) start: u16,
}

impl Header {
    const VACANT: Header = Header { key: [0; 2], block: NONE, rows: 0, start: 0 };

    /// The entity's key.
    pub(crate) fn key(&self) -> u128 {
        u128::from(self.key[1]) << 64 | u128::from(self.key[0])
    }

    /// A word of either end: a header may lie in two cache lines.
    #[inline]
    pub(crate) fn lines(&self) -> u64 {
        self.key[0] | u64::from(self.start)
    }

    #[inline]
    pub(crate) fn block(&self) -> Block {
        Block::from_word(self.block)
    }

    pub(crate) fn set_block(&mut self, block: Block) {
        self.block = block.word();
    }

    /// Number of rows; 0 for a vacant header and for one that was just made.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.rows & !LACKING)
    }

    pub(crate) fn set_len(&mut self, rows: usize) {
        let rows = u16::try_from(rows).expect("at most 32,001 rows");
        self.rows = self.rows & LACKING | rows;
    }

    /// Whether the ledger lacks rows that were dropped.
    #[inline]
    pub(crate) fn is_lacking(&self) -> bool {
        self.rows & LACKING != 0
    }

    pub(crate) fn set_lacking(&mut self) {
        self.rows |= LACKING;
    }

    pub(crate) fn clear_lacking(&mut self) {
        self.rows &= !LACKING;
    }
}

/// All ledgers of a shard by key and by number.
#[derive(Debug)]
pub(crate) struct Index {
    tables: Vec<HashTable<u32>>,
    headers: Vec<Box<[Header; SEGMENT]>>,
    used: u32,
    free: u32,
    keys: usize,
}

fn hash(key: u128) -> u64 {
    let halves = halves(key);
    mix(halves[0] ^ halves[1].rotate_left(32))
}

fn halves(key: u128) -> [u64; 2] {
    let low = u64::try_from(key & u128::from(u64::MAX)).expect("64 bits");
    [low, u64::try_from(key >> 64).expect("64 bits")]
}

fn table_of(hash: u64) -> usize {
    usize::from(hash.to_le_bytes()[4])
}

#[inline]
fn header(headers: &[Box<[Header; SEGMENT]>], ledger: u32) -> &Header {
    &headers[ledger as usize / SEGMENT][ledger as usize % SEGMENT]
}

impl Index {
    pub(crate) fn new() -> Index {
        let tables = (0..TABLES).map(|_| HashTable::new()).collect();
        Index { tables, headers: Vec::new(), used: 0, free: NONE, keys: 0 }
    }

    /// Number of ledgers.
    pub(crate) fn len(&self) -> usize {
        self.keys
    }

    /// Numbers that ledgers may have: `0..slots()`.
    pub(crate) fn slots(&self) -> u32 {
        self.used
    }

    #[inline]
    pub(crate) fn header(&self, ledger: u32) -> &Header {
        header(&self.headers, ledger)
    }

    #[inline]
    pub(crate) fn header_mut(&mut self, ledger: u32) -> &mut Header {
        &mut self.headers[ledger as usize / SEGMENT][ledger as usize % SEGMENT]
    }

    #[inline]
    pub(crate) fn find(&self, key: u128) -> Option<u32> {
        let (hash, halves) = (hash(key), halves(key));
        let same = |ledger: &u32| header(&self.headers, *ledger).key == halves;
        self.tables[table_of(hash)].find(hash, same).copied()
    }

    /// What is nearly always the key's ledger, found without a look at its header.
    #[inline]
    pub(crate) fn likely(&self, key: u128) -> Option<u32> {
        let hash = hash(key);
        self.tables[table_of(hash)].find(hash, |_| true).copied()
    }

    /// A ledger for a key that has none; it has no block yet.
    pub(crate) fn insert(&mut self, key: u128) -> u32 {
        let ledger = self.vacant();
        *self.header_mut(ledger) = Header { key: halves(key), ..Header::VACANT };
        let hash_key = hash(key);
        let headers = &self.headers;
        let rehash = |ledger: &u32| hash(header(headers, *ledger).key());
        self.tables[table_of(hash_key)].insert_unique(hash_key, ledger, rehash);
        self.keys += 1;
        ledger
    }

    fn vacant(&mut self) -> u32 {
        if self.free != NONE {
            let ledger = self.free;
            self.free = self.header(ledger).block;
            return ledger;
        }
        let ledger = self.used;
        if ledger as usize / SEGMENT == self.headers.len() {
            self.headers.push(Box::new([Header::VACANT; SEGMENT]));
        }
        self.used += 1;
        ledger
    }

    /// Forgets a ledger whose block was released.
    pub(crate) fn remove(&mut self, ledger: u32) {
        let key = self.header(ledger).key();
        let hash = hash(key);
        if let Ok(entry) = self.tables[table_of(hash)].find_entry(hash, |held| *held == ledger) {
            entry.remove();
        }
        let free = self.free;
        *self.header_mut(ledger) = Header { block: free, ..Header::VACANT };
        self.free = ledger;
        self.keys -= 1;
    }

    /// Bytes of headers and tables.
    pub(crate) fn bytes(&self) -> usize {
        let tables: usize = self.tables.iter().map(HashTable::allocation_size).sum();
        tables + TABLES * size_of::<HashTable<u32>>() + self.headers.len() * SEGMENT * size_of::<Header>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_its_ledger_until_it_is_removed_and_numbers_are_used_again() {
        let mut index = Index::new();
        let ledgers: Vec<u32> = (0u128..5000).map(|key| index.insert(key << 70 | key)).collect();
        for (key, ledger) in (0u128..).zip(&ledgers) {
            assert_eq!(index.find(key << 70 | key), Some(*ledger));
        }
        index.remove(ledgers[7]);
        assert_eq!(index.find(7 << 70 | 7), None);
        assert_eq!(index.insert(1 << 127), ledgers[7]);
        assert_eq!((index.len(), size_of::<Header>()), (5000, 24));
    }
}
