//! A set of different values that allocates nothing once it has grown.

use crate::ledger::layout::mixed;
use hashbrown::HashTable;

/// Up to so many values are compared one by one.
const LISTED_MAX: usize = 24;

/// Different words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Distinct {
    listed: Vec<u64>,
    table: HashTable<u64>,
}

impl Distinct {
    /// Forgets all; the memory stays.
    pub(crate) fn clear(&mut self) {
        self.listed.clear();
        if !self.table.is_empty() {
            self.table.clear();
        }
    }

    /// How many different words there are.
    pub(crate) fn len(&self) -> usize {
        self.listed.len() + self.table.len()
    }

    /// Adds a word if it is new.
    #[inline]
    pub(crate) fn insert(&mut self, word: u64) {
        if self.listed.contains(&word) {
            return;
        }
        if self.listed.len() < LISTED_MAX {
            self.listed.push(word);
            return;
        }
        let hash = mixed(word);
        self.table.entry(hash, |held| *held == word, |held| mixed(*held)).or_insert(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_words_count_once_in_the_list_and_beyond() {
        let mut distinct = Distinct::default();
        (0..200u64).for_each(|word| distinct.insert(word % 70));
        assert_eq!(distinct.len(), 70);
        distinct.clear();
        distinct.insert(5);
        assert_eq!(distinct.len(), 1);
    }
}
