//! The terminal pack's looks back by hand: the same as `terminals.yaml`.

use super::facts::{Look, Names, Op};
use super::looks::{
    AMOUNT, CARD, CENTS, Shows,
    Shows::{Money, Plain, Since},
    TIME, is_fraud_label, is_spend, look,
};
use super::truth::{is, or};
use super::{DAY, HOUR, MINUTE};

const WHOLE: &[Names] = &[];
const BY_CARD: &[Names] = &[CARD];

/// Every aggregate of the terminals' key space.
pub(crate) fn terminal() -> Vec<Look> {
    vec![
        look("term_tries_30m", Op::Count, WHOLE, 30 * MINUTE).naming(is_spend),
        look("term_cards_1h", Op::Distinct(CARD, 1_024), WHOLE, HOUR),
        look("term_fraud_2d", Op::Count, WHOLE, 2 * DAY).naming(is_fraud_label),
        look("term_seen_delayed", Op::Count, WHOLE, 2 * HOUR)
            .delayed(30 * MINUTE)
            .naming(|row| is(Some(&row.kind), "purchase")),
        look("term_avg_1h", Op::Avg(AMOUNT, CENTS), WHOLE, HOUR).before().at_least(2),
        look("term_card_1h", Op::Sum(AMOUNT, CENTS), BY_CARD, HOUR),
        look("term_reversed_1d", Op::Count, WHOLE, DAY)
            .only(|row| or(row.fields.reversed, row.fields.declined)),
        look("term_first_time", Op::First(TIME), WHOLE, None),
    ]
}

/// The features in the pack's order.
pub(crate) const FEATURES_TERMINAL: &[(&str, Shows)] = &[
    ("term_tries_30m", Plain),
    ("term_cards_1h", Plain),
    ("term_fraud_2d", Plain),
    ("term_seen_delayed", Plain),
    ("term_avg_1h", Money),
    ("term_card_1h", Money),
    ("term_reversed_1d", Plain),
    ("term_first_time", Since(MINUTE)),
];
