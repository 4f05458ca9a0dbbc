//! Intervals of numbers and sets of words: what a value can be.
//!
//! Every operation gives at least all results of its operands: a result is never too small.

use crate::ast::Compare;
use std::collections::BTreeSet;

/// Numbers from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether `low` itself is left out.
    pub(super) above_low: bool,
    /// Whether `high` itself is left out.
    pub(super) below_high: bool,
    /// Whether all numbers are whole.
    pub(super) whole: bool,
}

impl Range {
    pub(super) const ALL: Range = Range::between(f64::NEG_INFINITY, f64::INFINITY);
    pub(super) const SHARE: Range = Range::between(0.0, 1.0);
    /// Numbers that are not negative.
    pub(super) const POSITIVE: Range = Range::between(0.0, f64::INFINITY);

    pub(super) const fn between(low: f64, high: f64) -> Range {
        Range { low, high, above_low: false, below_high: false, whole: false }
    }

    pub(super) const fn whole(low: f64, high: f64) -> Range {
        Range { whole: true, ..Range::between(low, high) }
    }

    pub(super) fn point(number: f64) -> Range {
        Range::between(number, number)
    }

    pub(super) fn is_point(&self) -> bool {
        self.low == self.high && !self.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.low > self.high || self.low == self.high && (self.above_low || self.below_high)
    }

    /// Numbers in both.
    pub(super) fn meet(self, other: Range) -> Range {
        let (low, above_low) = match self.low.total_cmp(&other.low) {
            std::cmp::Ordering::Equal => (self.low, self.above_low || other.above_low),
            std::cmp::Ordering::Greater => (self.low, self.above_low),
            std::cmp::Ordering::Less => (other.low, other.above_low),
        };
        let (high, below_high) = match self.high.total_cmp(&other.high) {
            std::cmp::Ordering::Equal => (self.high, self.below_high || other.below_high),
            std::cmp::Ordering::Less => (self.high, self.below_high),
            std::cmp::Ordering::Greater => (other.high, other.below_high),
        };
        Range { low, high, above_low, below_high, whole: self.whole || other.whole }.tight()
    }

    /// Numbers in either, and all between them.
    pub(super) fn join(self, other: Range) -> Range {
        Range {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            above_low: false,
            below_high: false,
            whole: self.whole && other.whole,
        }
    }

    /// The ends of a range of whole numbers are whole numbers in it.
    fn tight(self) -> Range {
        if !self.whole {
            return self;
        }
        let low = if self.above_low { self.low.floor() + 1.0 } else { self.low.ceil() };
        let high = if self.below_high { self.high.ceil() - 1.0 } else { self.high.floor() };
        Range::whole(low, high)
    }

    /// The numbers for which a comparison with some number of `right` holds.
    pub(super) fn of(op: Compare, right: Range) -> Range {
        let (all, low, high) = (Range::ALL, right.low, right.high);
        match op {
            Compare::Eq => Range { whole: false, ..right },
            Compare::Ne => all,
            Compare::Lt => Range { high, below_high: true, ..all },
            Compare::Le => Range { high, below_high: right.below_high, ..all },
            Compare::Gt => Range { low, above_low: true, ..all },
            Compare::Ge => Range { low, above_low: right.above_low, ..all },
        }
    }

    pub(super) fn negative(self) -> Range {
        Range {
            low: -self.high,
            high: -self.low,
            above_low: self.below_high,
            below_high: self.above_low,
            whole: self.whole,
        }
    }

    pub(super) fn absolute(self) -> Range {
        let (low, high) = (self.low.abs(), self.high.abs());
        let least = if self.low <= 0.0 && self.high >= 0.0 { 0.0 } else { low.min(high) };
        Range::between(least, low.max(high))
    }

    pub(super) fn plus(self, other: Range) -> Range {
        rounded([self.low + other.low, self.high + other.high])
    }

    pub(super) fn times(self, other: Range) -> Range {
        corners(self, other, |a, b| a * b)
    }

    pub(super) fn over(self, other: Range) -> Range {
        if other.low <= 0.0 && other.high >= 0.0 {
            return Range::ALL;
        }
        corners(self, other, |a, b| a / b)
    }

    pub(super) fn extreme(self, other: Range, choose: fn(f64, f64) -> f64) -> Range {
        Range::between(choose(self.low, other.low), choose(self.high, other.high))
    }
}

/// The range of a monotone operation: its results at the corners of the operands. Without a result there, as of zero
/// times infinity, the range is without ends.
fn corners(a: Range, b: Range, op: fn(f64, f64) -> f64) -> Range {
    let results = [op(a.low, b.low), op(a.low, b.high), op(a.high, b.low), op(a.high, b.high)];
    if results.iter().any(|result| result.is_nan()) {
        return Range::ALL;
    }
    let low = results.into_iter().fold(f64::INFINITY, f64::min);
    rounded([low, results.into_iter().fold(f64::NEG_INFINITY, f64::max)])
}

/// Ends a little further out: the engine may compute the same sum in another unit, or exactly.
fn rounded([low, high]: [f64; 2]) -> Range {
    const PART: f64 = 1e-14;
    if low.is_nan() || high.is_nan() {
        return Range::ALL;
    }
    let finite = |number: f64| if number.is_finite() { number.abs() * PART } else { 0.0 };
    Range::between(low - finite(low), high + finite(high))
}

/// Words of a closed set, of a text or of yes/no.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Words {
    Only(BTreeSet<String>),
    AllBut(BTreeSet<String>),
}

impl Words {
    pub(super) fn only<'w>(words: impl IntoIterator<Item = &'w str>) -> Words {
        Words::Only(words.into_iter().map(str::to_owned).collect())
    }

    pub(super) fn any() -> Words {
        Words::AllBut(BTreeSet::new())
    }

    pub(super) fn opposite(self) -> Words {
        match self {
            Words::Only(words) => Words::AllBut(words),
            Words::AllBut(words) => Words::Only(words),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Words::Only(words) if words.is_empty())
    }

    pub(super) fn has(&self, word: &str) -> bool {
        match self {
            Words::Only(words) => words.contains(word),
            Words::AllBut(words) => !words.contains(word),
        }
    }

    /// Words in both.
    pub(super) fn meet(&self, other: &Words) -> Words {
        match (self, other) {
            (Words::Only(a), Words::Only(b)) => Words::Only(a & b),
            (Words::Only(a), Words::AllBut(b)) | (Words::AllBut(b), Words::Only(a)) => Words::Only(a - b),
            (Words::AllBut(a), Words::AllBut(b)) => Words::AllBut(a | b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_holds_every_result_of_its_operands() {
        let ranges = [
            Range::between(-2.0, 3.0),
            Range::whole(0.0, 23.0),
            Range::POSITIVE,
            Range::ALL,
            Range::point(0.0),
            Range::between(0.1, 0.3),
        ];
        let within = |range: Range, number: f64| range.low <= number && number <= range.high;
        let samples = |range: Range| {
            let ends = [range.low, range.high, (range.low + range.high) / 2.0, 0.0, 1.0, 0.2, 7.0];
            ends.into_iter().filter(move |number| number.is_finite() && within(range, *number))
        };
        for a in ranges {
            for b in ranges {
                for x in samples(a) {
                    for y in samples(b) {
                        assert!(within(a.plus(b), x + y) && within(a.times(b), x * y));
                        assert!(y == 0.0 || within(a.over(b), x / y), "{x} / {y}");
                        assert!(within(a.plus(b.negative()), x - y) && within(a.absolute(), x.abs()));
                        assert!(within(a.join(b), x) && within(a.extreme(b, f64::max), x.max(y)));
                        assert!(
                            within(a.meet(b), x) || !within(b, x) || (a.whole || b.whole) && x.fract() != 0.0
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn whole_numbers_leave_no_room_between_two_neighbours() {
        let hours = Range::whole(0.0, 23.0);
        let between = |low, high| {
            hours
                .meet(Range::of(Compare::Gt, Range::point(low)))
                .meet(Range::of(Compare::Lt, Range::point(high)))
        };
        assert!(between(5.0, 6.0).is_empty() && between(22.5, 22.9).is_empty());
        assert_eq!(between(5.0, 7.0), Range::whole(6.0, 6.0));
    }
}
