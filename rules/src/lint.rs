//! Checks beyond names and types: one a file.
//!
//! They read what has been resolved and change nothing of it.

mod average;
mod constant;
pub(crate) mod duplicate;
mod effect;
mod held;
mod interval;
mod label;
mod missing;
mod reach;
mod space;
mod unused;

use crate::pack::Pack;
use crate::resolve::{CheckedFeature, CheckedRule, CheckedSignal, Resolver};

/// Runs all checks.
pub(crate) fn run(
    resolver: &mut Resolver<'_>,
    packs: &[Pack],
    rules: &[CheckedRule<'_>],
    signals: &[CheckedSignal<'_>],
    features: &[CheckedFeature<'_>],
) {
    unused::check(resolver);
    space::check(resolver, rules, signals, features);
    interval::check(resolver, rules);
    constant::check(resolver, rules);
    effect::check(resolver, packs, rules);
    label::check(resolver, rules);
    missing::check(resolver, rules);
    average::check(resolver, rules);
    reach::check(resolver, rules);
    held::check(resolver, packs, rules);
}
