//! Sets of values as bits, so that their union is cheap: each value has a number.

use crate::row::mix;
use hashbrown::HashTable;

/// The number of every value that was seen, from 0 on.
#[derive(Clone, Debug, Default)]
pub(super) struct ValueNumbers {
    table: HashTable<(u64, usize)>,
}

impl ValueNumbers {
    /// The number of a value.
    fn of(&mut self, word: u64) -> usize {
        let next = self.table.len();
        let entry = self.table.entry(mix(word), |held| held.0 == word, |held| mix(held.0));
        entry.or_insert((word, next)).get().1
    }

    pub(super) fn counted_bytes(&self) -> usize {
        self.table.allocation_size()
    }
}

/// A set of values.
#[derive(Clone, Debug, Default)]
pub(super) struct ValueSet {
    bits: Vec<u64>,
}

impl ValueSet {
    /// Forgets all; the memory stays.
    pub(super) fn clear(&mut self) {
        self.bits.clear();
    }

    /// Adds a value.
    pub(super) fn insert(&mut self, word: u64, numbers: &mut ValueNumbers) {
        let number = numbers.of(word);
        if number / 64 >= self.bits.len() {
            self.bits.resize(number / 64 + 1, 0);
        }
        self.bits[number / 64] |= 1 << (number % 64);
    }

    /// Adds all values of another set.
    pub(super) fn insert_all(&mut self, other: &ValueSet) {
        if other.bits.len() > self.bits.len() {
            self.bits.resize(other.bits.len(), 0);
        }
        self.bits.iter_mut().zip(&other.bits).for_each(|(bits, theirs)| *bits |= theirs);
    }

    /// Number of values.
    pub(super) fn len(&self) -> u32 {
        self.bits.iter().map(|bits| bits.count_ones()).sum()
    }

    pub(super) fn counted_bytes(&self) -> usize {
        self.bits.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_counts_each_value_once() {
        let (mut numbers, mut one, mut other) =
            (ValueNumbers::default(), ValueSet::default(), ValueSet::default());
        (0..100u64).for_each(|word| one.insert(word % 70, &mut numbers));
        (50..200u64).for_each(|word| other.insert(word, &mut numbers));
        assert_eq!((one.len(), other.len()), (70, 150));
        one.insert_all(&other);
        assert_eq!(one.len(), 200);
        one.clear();
        assert_eq!(one.len(), 0);
    }
}
