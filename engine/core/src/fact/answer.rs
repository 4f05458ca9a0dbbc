//! From what was gathered of the matching rows to the fact in its register. Every way of gathering ends here, and all
//! that is gathered is exact, so that none of them can give another bit.

use super::bound::BoundAggregate;
use super::order::{self, float};
use super::spread::Squares;
use tripline_rules::aggregate::Op;
use tripline_rules::time::{DAY_MS, ms_as_f64};
use tripline_rules::value::Registers;

/// What is gathered of the matching rows: which of it, the operation decides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gathered {
    /// Matching rows.
    pub(crate) rows: u32,
    /// Rows that satisfy a ratio's condition; different values.
    pub(crate) hits: u32,
    /// The one value of `Min`, `Max`, `Last`, `First`, `Nth`.
    pub(crate) word: Option<u64>,
    pub(crate) sum: i128,
    pub(crate) squares: Squares,
}

impl Gathered {
    /// Takes a matching row in: all that does not depend on which rows came before it.
    #[inline]
    pub(super) fn take(&mut self, fact: &BoundAggregate, row: &[u64], word: u64) {
        match fact.op {
            Op::Sum | Op::Avg => self.add(word),
            Op::Stddev => self.add_square(word),
            Op::Ratio(_) => self.hit(fact.is_hit(row)),
            Op::Min => self.lesser(word),
            Op::Max => self.greater(word),
            _ => self.count(),
        }
    }

    /// Takes a matching row out again. False when the one value that is left is not known.
    pub(super) fn remove(&mut self, fact: &BoundAggregate, row: &[u64], word: u64) -> bool {
        self.rows -= 1;
        match fact.op {
            Op::Sum | Op::Avg => self.sum -= i128::from(word.cast_signed()),
            Op::Stddev => {
                self.sum -= i128::from(word.cast_signed());
                self.squares.remove(word.cast_signed());
            }
            Op::Ratio(_) => self.hits -= u32::from(fact.is_hit(row)),
            Op::Min | Op::Max => return self.word != Some(word),
            _ => {}
        }
        true
    }

    /// Takes in the sum and the hits of other rows.
    #[inline]
    pub(super) fn add_sums(&mut self, other: &Gathered) {
        self.sum += other.sum;
        self.hits += other.hits;
    }

    /// Takes in the sum and the squares of other rows.
    pub(super) fn add_squares(&mut self, other: &Gathered) {
        self.sum += other.sum;
        self.squares.add_all(&other.squares);
    }

    #[inline]
    pub(super) fn count(&mut self) {
        self.rows += 1;
    }

    #[inline]
    pub(super) fn add(&mut self, word: u64) {
        self.count();
        self.sum += i128::from(word.cast_signed());
    }

    #[inline]
    pub(super) fn add_square(&mut self, word: u64) {
        self.add(word);
        self.squares.add(word.cast_signed());
    }

    /// The next older row of `last`, `first` or `nth`.
    #[inline]
    pub(super) fn next_older(&mut self, op: Op, word: u64) {
        self.count();
        let is_meant = match op {
            Op::Last => self.rows == 1,
            Op::Nth(nth) => self.rows == nth,
            _ => true,
        };
        if is_meant {
            self.word = Some(word);
        }
    }

    #[inline]
    pub(super) fn hit(&mut self, is_hit: bool) {
        self.count();
        self.hits += u32::from(is_hit);
    }

    #[inline]
    pub(super) fn lesser(&mut self, word: u64) {
        self.count();
        self.word =
            Some(self.word.map_or(word, |held| held.cast_signed().min(word.cast_signed()).cast_unsigned()));
    }

    #[inline]
    pub(super) fn greater(&mut self, word: u64) {
        self.count();
        self.word =
            Some(self.word.map_or(word, |held| held.cast_signed().max(word.cast_signed()).cast_unsigned()));
    }
}

/// Writes the fact, or makes its register unknown. `values`: those of an order statistic; `own`: the event's value.
/// Gives back whether the fact is approximate.
#[inline(always)]
pub(crate) fn answer(
    fact: &BoundAggregate,
    gathered: &Gathered,
    values: &mut [i64],
    own: Option<i64>,
    registers: &mut Registers,
) -> bool {
    if gathered.rows < fact.at_least {
        registers.unset(fact.slot);
        return false;
    }
    let units = fact.value.units();
    let rows = f64::from(gathered.rows);
    let any = gathered.rows > 0;
    let number = match fact.op {
        Op::Count => Some(rows),
        Op::Sum => fact.value.total(gathered.sum),
        Op::Avg => any.then(|| float(gathered.sum) / (rows * units)),
        Op::Stddev => gathered.squares.spread(gathered.rows, gathered.sum).map(|spread| spread / units),
        Op::Median => order::median(values).map(|median| median / units),
        Op::TrimmedMean => order::trimmed_mean(values).map(|mean| mean / units),
        Op::Quantile(q) => order::quantile(values, q).map(|quantile| quantile / units),
        Op::Distinct { max } => Some(f64::from(gathered.hits.min(max))),
        Op::Rate => fact.over.map(|over| rows * ms_as_f64(DAY_MS) / ms_as_f64(over)),
        Op::Ratio(_) => any.then(|| f64::from(gathered.hits) / rows),
        Op::Rank => own.and_then(|own| order::rank(values, own)),
        Op::Min | Op::Max | Op::Last | Op::First | Op::Nth(_) => {
            registers.put(fact.slot, gathered.word.map(|word| fact.value.to_register(word)));
            return false;
        }
    };
    match number {
        Some(number) => registers.set_number(fact.slot, number),
        None => registers.unset(fact.slot),
    }
    matches!(fact.op, Op::Distinct { max } if gathered.hits >= max)
}
