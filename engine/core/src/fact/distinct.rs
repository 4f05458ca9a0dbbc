//! A set of different values that allocates nothing once it has grown.

use crate::row::mix;
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

    /// Adds a word; whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, word: u64) -> bool {
        if self.listed.contains(&word) {
            return false;
        }
        if self.listed.len() < LISTED_MAX {
            self.listed.push(word);
            return true;
        }
        let before = self.table.len();
        self.table.entry(mix(word), |held| *held == word, |held| mix(*held)).or_insert(word);
        self.table.len() > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_words_count_once_in_the_list_and_beyond() {
        let mut distinct = Distinct::default();
        assert_eq!((0..200u64).filter(|word| distinct.insert(word % 70)).count(), 70);
        distinct.clear();
        assert!(distinct.insert(5) && !distinct.insert(5));
    }
}
