//! Where one value lies in a row, and how it is written there: words, bits and encodings.

use crate::number::{MILLIONTHS, from_millionths, to_millionths};
use tripline_rules::schema::Kind;
use tripline_rules::value::MONEY_MINOR_MAX_EXACT;

pub(super) const AT: usize = 0;
pub(super) const ID: usize = 1;
pub(super) const PACKED: usize = 2;

/// A row's first packed word: its type, whether it is a follow-up, its currency, and as many of the known bits and
/// conditions as it has room for.
#[inline]
pub(crate) fn head(row: &[u64]) -> u64 {
    row[PACKED]
}

/// How a value is written in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// The register's word as it is.
    Raw,
    /// A whole number that registers hold as `f64`: minor units, milliseconds.
    Whole,
    /// A number in units of 10⁻⁶.
    Fixed,
}

/// A bit of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bit {
    pub(super) word: usize,
    pub(super) mask: u64,
}

impl Bit {
    /// No bit at all: every row has it.
    pub(crate) const NONE: Bit = Bit { word: PACKED, mask: 0 };

    pub(super) fn at(position: usize) -> Bit {
        Bit { word: PACKED + position / 64, mask: 1 << (position % 64) }
    }

    /// Whether it is in a row's first packed word.
    pub(crate) fn is_in_head(self) -> bool {
        self.word == PACKED
    }

    /// The bit in its word.
    pub(crate) fn mask(self) -> u64 {
        self.mask
    }

    #[inline]
    pub(crate) fn is_set(self, row: &[u64]) -> bool {
        row[self.word] & self.mask == self.mask
    }

    #[inline]
    pub(super) fn put(self, row: &mut [u64], on: bool) {
        row[self.word] = row[self.word] & !self.mask | if on { self.mask } else { 0 };
    }
}

/// Where a value lies in a row and how it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(super) word: usize,
    pub(super) shift: u32,
    pub(super) mask: u64,
    pub(super) known: Bit,
    pub(super) encoding: Encoding,
}

impl Column {
    /// No value: every row holds 0.
    pub(crate) const NOTHING: Column =
        Column { word: AT, shift: 0, mask: 0, known: Bit::NONE, encoding: Encoding::Raw };

    /// A value that has a word of its own, which is yet to be chosen.
    pub(super) fn word(encoding: Encoding) -> Column {
        Column { word: usize::MAX, shift: 0, mask: u64::MAX, known: Bit::NONE, encoding }
    }

    /// Whether the value has a word of its own.
    pub(super) fn is_word(&self) -> bool {
        self.mask == u64::MAX
    }

    /// The value as the row holds it.
    #[inline]
    pub(crate) fn read(&self, row: &[u64]) -> Option<u64> {
        self.known.is_set(row).then(|| self.raw(row))
    }

    /// The value as the row holds it; 0 where it is unknown.
    #[inline]
    pub(crate) fn raw(&self, row: &[u64]) -> u64 {
        // Shifts are below 64.
        row[self.word].wrapping_shr(self.shift) & self.mask
    }

    /// Set in the rows in which the value is known.
    pub(crate) fn known(&self) -> Bit {
        self.known
    }

    /// Whether a row's value equals that of another row in which it is known.
    #[inline]
    pub(super) fn agrees(&self, row: &[u64], known: &[u64]) -> bool {
        self.known.is_set(row) && self.raw(row) == self.raw(known)
    }

    /// The value as a whole number of [`Column::units`].
    #[inline]
    pub(crate) fn number(&self, row: &[u64]) -> Option<i64> {
        self.read(row).map(u64::cast_signed)
    }

    /// The sum of so many units as registers hold it: a sum of money is exact or missing, that of numbers is the
    /// nearest `f64`.
    pub(crate) fn total(&self, sum: i128) -> Option<f64> {
        if self.encoding == Encoding::Fixed {
            return Some(from_millionths(sum));
        }
        #[expect(clippy::cast_precision_loss, reason = "within 2^53")]
        let exact =
            |sum: i64| (sum.unsigned_abs() <= MONEY_MINOR_MAX_EXACT.unsigned_abs()).then_some(sum as f64);
        exact(i64::try_from(sum).ok()?)
    }

    /// How many units of the row make one of the register's.
    pub(crate) fn units(&self) -> f64 {
        if self.encoding == Encoding::Fixed { MILLIONTHS } else { 1.0 }
    }

    /// A row's value as registers hold it.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "rounds to the nearest f64, which is the decoder's own")]
    pub(crate) fn to_register(self, held: u64) -> u64 {
        match self.encoding {
            Encoding::Raw => held,
            Encoding::Whole => (held.cast_signed() as f64).to_bits(),
            Encoding::Fixed => from_millionths(held.cast_signed().into()).to_bits(),
        }
    }

    /// A register's value as rows hold it; `None` for what a row cannot hold exactly.
    #[inline]
    pub(super) fn to_row(self, word: u64) -> Option<u64> {
        match self.encoding {
            Encoding::Raw => (word <= self.mask).then_some(word),
            Encoding::Whole => whole(f64::from_bits(word), MONEY_MINOR_MAX_EXACT),
            Encoding::Fixed => to_millionths(f64::from_bits(word)).map(i64::cast_unsigned),
        }
    }

    /// Writes the value of a row that is all 0 so far.
    #[inline]
    pub(super) fn fill(&self, row: &mut [u64], held: Option<u64>) {
        if let Some(held) = held {
            // Shifts are below 64.
            row[self.word] |= held.wrapping_shl(self.shift);
            row[self.known.word] |= self.known.mask;
        }
    }

    /// Writes a row's value, or makes it unknown; an unknown value's bits are 0.
    pub(super) fn write(&self, row: &mut [u64], held: Option<u64>) {
        row[self.word] = row[self.word] & !(self.mask << self.shift) | held.unwrap_or(0) << self.shift;
        self.known.put(row, held.is_some());
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "within ±2^55 when converted, or compared with what it was; the bounds are powers of two"
)]
fn whole(value: f64, max: i64) -> Option<u64> {
    let near = value as i64;
    if near as f64 == value && near.unsigned_abs() <= max.unsigned_abs() {
        return Some(near.cast_unsigned());
    }
    let rounded = libm::round(value);
    (rounded.abs() <= max as f64).then(|| (rounded as i64).cast_unsigned())
}

pub(super) fn encoding_of(kind: &Kind) -> Encoding {
    match kind {
        Kind::Bool | Kind::OneOf(_) | Kind::Text | Kind::Geo => Encoding::Raw,
        Kind::Money(_) | Kind::Time | Kind::Duration => Encoding::Whole,
        Kind::Number => Encoding::Fixed,
    }
}

/// Bits that distinguish so many values, at least one.
pub(super) fn bits_for(values: usize) -> usize {
    let bits = usize::BITS - values.saturating_sub(1).leading_zeros();
    usize::try_from(bits.max(1)).expect("at most 64")
}

/// Takes one bit.
pub(super) fn packed_bit(free: &mut usize) -> Bit {
    *free += 1;
    Bit::at(*free - 1)
}

/// Takes that many adjacent bits of one word.
pub(super) fn packed_column(free: &mut usize, bits: usize) -> Column {
    if *free % 64 + bits > 64 {
        *free = free.next_multiple_of(64);
    }
    let bit = Bit::at(*free);
    *free += bits;
    let shift = bit.mask.trailing_zeros();
    Column { word: bit.word, shift, mask: (1 << bits) - 1, known: Bit::NONE, encoding: Encoding::Raw }
}
