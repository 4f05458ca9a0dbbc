//! Three-valued logic and arithmetic in which missing is not false.

/// Yes, no, or unknown.
pub(crate) type Truth = Option<bool>;

/// A number, or missing. Money is in minor units.
pub(crate) type Number = Option<f64>;

pub(crate) fn and(a: Truth, b: Truth) -> Truth {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

pub(crate) fn or(a: Truth, b: Truth) -> Truth {
    not(and(not(a), not(b)))
}

pub(crate) fn not(a: Truth) -> Truth {
    a.map(|a| !a)
}

/// A comparison with missing is unknown.
pub(crate) fn both<T>(a: Option<T>, b: Option<T>, compare: impl Fn(T, T) -> bool) -> Truth {
    Some(compare(a?, b?))
}

pub(crate) fn ge(a: Number, b: f64) -> Truth {
    both(a, Some(b), |a, b| a >= b)
}

pub(crate) fn le(a: Number, b: f64) -> Truth {
    both(a, Some(b), |a, b| a <= b)
}

pub(crate) fn gt(a: Number, b: f64) -> Truth {
    both(a, Some(b), |a, b| a > b)
}

pub(crate) fn lt(a: Number, b: f64) -> Truth {
    both(a, Some(b), |a, b| a < b)
}

pub(crate) fn is(a: Option<&str>, b: &str) -> Truth {
    a.map(|a| a == b)
}

pub(crate) fn one_of(a: Option<&str>, list: &[&str]) -> Truth {
    a.map(|a| list.contains(&a))
}

/// Arithmetic with missing is missing; so is what is not finite.
pub(crate) fn with(a: Number, b: Number, compute: impl Fn(f64, f64) -> f64) -> Number {
    Some(compute(a?, b?)).filter(|result| result.is_finite())
}

/// Division, by zero missing.
pub(crate) fn ratio(a: Number, b: Number) -> Number {
    with(a, b, |a, b| a / b)
}
