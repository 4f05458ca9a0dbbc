//! The account pack's looks back by hand: the same as `pack.yaml`, without its language.

use super::facts::{Facts, Holds, Look, Names, Op, Reads, Row};
use super::truth::{Number, Truth, and, gt, is, le, not, one_of, or};
use super::{DAY, HOUR, MINUTE};

pub(crate) fn always(_: &Row) -> Truth {
    Some(true)
}

pub(crate) fn is_spend(row: &Row) -> Truth {
    one_of(Some(&row.kind), &["purchase", "cash_withdrawal"])
}

pub(crate) fn is_outgoing(row: &Row) -> Truth {
    one_of(Some(&row.kind), &["p2p", "transfer"])
}

pub(crate) fn is_ecom(row: &Row) -> Truth {
    is(row.fields.channel.as_deref(), "ecom")
}

pub(crate) fn approved(row: &Row) -> Truth {
    Some(!row.fields.declined.unwrap_or(false))
}

pub(crate) fn is_fraud_label(row: &Row) -> Truth {
    and(is(Some(&row.kind), "label"), is(row.fields.label.as_deref(), "fraud"))
}

pub(crate) const AMOUNT: Reads = |row| row.fields.amount;
pub(crate) const TIME: Reads = |row| Some(row.at);
const POINTS: Reads = |row| row.fields.points;
const DECLINED: Reads = |row| row.fields.declined.map(i64::from);
pub(crate) const CARD: Names = |row| row.fields.card.as_deref();
const DEVICE: Names = |row| row.fields.device.as_deref();
const MCC: Names = |row| row.fields.mcc.as_deref();
const MERCHANT: Names = |row| row.fields.merchant.as_deref();
const PAYEE: Names = |row| row.fields.payee.as_deref();
const COUNTRY: Names = |row| row.fields.country.as_deref();
pub(crate) const CENTS: f64 = 1.0;
const MILLIONTHS: f64 = 1_000_000.0;

pub(crate) fn amount(row: &Row) -> Number {
    row.fields.amount.map(|minor| minor as f64)
}

pub(crate) fn points(row: &Row) -> Number {
    row.fields.points.map(|points| points as f64 / MILLIONTHS)
}

pub(crate) const ACCOUNT: &[Names] = &[];
const BY_CARD: &[Names] = &[CARD];
const BY_CARD_MCC: &[Names] = &[CARD, MCC];
const BY_DEVICE: &[Names] = &[DEVICE];

pub(crate) fn look(name: &'static str, op: Op, lane: &'static [Names], over: impl Into<Option<i64>>) -> Look {
    let over = over.into();
    Look { name, op, lane, over, delay: 0, filter: always, follow_ups: false, current: true, at_least: 0 }
}

impl Look {
    pub(crate) fn only(self, filter: Holds) -> Look {
        Look { filter, ..self }
    }

    /// A condition that names event types: what follows up earlier events counts as well.
    pub(crate) fn naming(self, filter: Holds) -> Look {
        Look { filter, follow_ups: true, ..self }
    }

    pub(crate) fn before(self) -> Look {
        Look { current: false, ..self }
    }

    pub(crate) fn delayed(self, delay: i64) -> Look {
        Look { delay, ..self }
    }

    pub(crate) fn at_least(self, at_least: usize) -> Look {
        Look { at_least, ..self }
    }
}

/// Every aggregate of the account's key space but the population ranks.
pub(crate) fn account() -> Vec<Look> {
    vec![
        look("acct_events_1h", Op::Count, ACCOUNT, HOUR),
        look("card_tries_10m", Op::Count, BY_CARD, 10 * MINUTE).naming(is_spend),
        look("card_before_10m", Op::Count, BY_CARD, 10 * MINUTE).before(),
        look("card_declines_30m", Op::Count, BY_CARD, 30 * MINUTE)
            .naming(|row| and(is_spend(row), row.fields.declined)),
        look("card_declined_share_1h", Op::Ratio(|row| row.fields.declined), BY_CARD, HOUR).naming(is_spend),
        look("acct_out_1h", Op::Sum(AMOUNT, CENTS), ACCOUNT, HOUR)
            .naming(|row| and(is_outgoing(row), approved(row))),
        look("acct_spend_delayed_1h", Op::Sum(AMOUNT, CENTS), ACCOUNT, HOUR)
            .delayed(30 * MINUTE)
            .naming(is_spend),
        look("card_tries_delayed_10m", Op::Count, BY_CARD, 10 * MINUTE).delayed(5 * MINUTE),
        look("card_avg_2h", Op::Avg(AMOUNT, CENTS), BY_CARD, 2 * HOUR).naming(is_spend).before().at_least(2),
        look("card_sd_2h", Op::Stddev(AMOUNT, CENTS), BY_CARD, 2 * HOUR)
            .naming(is_spend)
            .before()
            .at_least(3),
        look("card_min_1h", Op::Min(AMOUNT), BY_CARD, HOUR).before(),
        look("card_max_1h", Op::Max(AMOUNT), BY_CARD, HOUR).before(),
        look("acct_median_2h", Op::Median(AMOUNT, CENTS), ACCOUNT, 2 * HOUR),
        look("card_trimmed_1d", Op::Trimmed(AMOUNT), BY_CARD, DAY),
        look("acct_quantile_2h", Op::Quantile(AMOUNT, 0.75), ACCOUNT, 2 * HOUR).only(approved),
        look("card_merchants_1h", Op::Distinct(MERCHANT, 3), BY_CARD, HOUR).only(is_ecom),
        look("acct_payees_1d", Op::Distinct(PAYEE, 1_024), ACCOUNT, DAY),
        look("card_last_country", Op::LastText(COUNTRY), BY_CARD, None).naming(is_spend).before(),
        look("card_last_time", Op::Last(TIME), BY_CARD, 2 * DAY).naming(is_spend).before(),
        look("acct_first_amount", Op::First(AMOUNT), ACCOUNT, None),
        look("acct_first_1h", Op::First(AMOUNT), ACCOUNT, HOUR).before(),
        look("card_second_2h", Op::Nth(AMOUNT, 2), BY_CARD, 2 * HOUR),
        look("card_third_time", Op::Nth(TIME, 3), BY_CARD, None).before(),
        look("acct_last_declined", Op::Last(DECLINED), ACCOUNT, None).before(),
        look("acct_rate_1d", Op::Rate, ACCOUNT, DAY).naming(is_spend),
        look("amount_rank_2h", Op::Rank(AMOUNT), ACCOUNT, 2 * HOUR).before(),
        look("card_mcc_1d", Op::Count, BY_CARD_MCC, DAY).naming(is_spend).before(),
        look("acct_device_1h", Op::Count, BY_DEVICE, HOUR),
        look("acct_device_max_1h", Op::Max(AMOUNT), BY_DEVICE, HOUR).delayed(10 * MINUTE),
        look("acct_fraud_2d", Op::Count, ACCOUNT, 2 * DAY).naming(is_fraud_label),
        look("acct_reversed_1h", Op::Count, ACCOUNT, HOUR).only(|row| row.fields.reversed),
        look("acct_unnamed_1h", Op::Count, ACCOUNT, HOUR).only(|row| Some(row.fields.merchant.is_none())),
        look("acct_odd_1h", Op::Count, ACCOUNT, HOUR)
            .only(|row| or(row.fields.declined, gt(amount(row), 5_000.0))),
        look("acct_home_1h", Op::Count, ACCOUNT, HOUR).only(|row| {
            and(is(row.fields.country.as_deref(), "DE"), not(is(row.fields.channel.as_deref(), "atm")))
        }),
        look("card_small_30m", Op::Count, BY_CARD, 30 * MINUTE)
            .only(|row| and(is_ecom(row), le(amount(row), 200.0))),
        look("acct_risky_1h", Op::Count, ACCOUNT, HOUR)
            .only(|row| one_of(row.fields.mcc.as_deref(), &["6051", "7995"])),
        look("card_points_2h", Op::Sum(POINTS, MILLIONTHS), BY_CARD, 2 * HOUR),
        look("card_points_avg_2h", Op::Avg(POINTS, MILLIONTHS), BY_CARD, 2 * HOUR).at_least(2),
        look("card_points_sd_2h", Op::Stddev(POINTS, MILLIONTHS), BY_CARD, 2 * HOUR),
        look("acct_points_median_1d", Op::Median(POINTS, MILLIONTHS), ACCOUNT, DAY)
            .naming(|row| or(is_spend(row), is_outgoing(row))),
    ]
}

/// A rank among everybody's events of whole days, today included.
pub(crate) struct Population {
    pub name: &'static str,
    pub days: i64,
    pub group: Option<Names>,
    pub at_least: usize,
}

/// The ranks `by: all`.
pub(crate) const POPULATIONS: [Population; 2] = [
    Population { name: "amount_rank_all_2d", days: 2, group: None, at_least: 4 },
    Population { name: "amount_rank_mcc_1d", days: 1, group: Some(MCC), at_least: 0 },
];

/// How a feature writes the fact it shows.
#[derive(Clone, Copy)]
pub(crate) enum Shows {
    Plain,
    /// Cents as major units.
    Money,
    /// How long ago, in units of so many ms.
    Since(i64),
}
use Shows::{Money, Plain, Since};

/// The features in the pack's order.
pub(crate) const FEATURES_ACCOUNT: &[(&str, Shows)] = &[
    ("acct_events_1h", Plain),
    ("card_tries_10m", Plain),
    ("card_before_10m", Plain),
    ("card_declines_30m", Plain),
    ("card_declined_share_1h", Plain),
    ("acct_out_1h", Money),
    ("acct_spend_delayed_1h", Money),
    ("card_tries_delayed_10m", Plain),
    ("card_avg_2h", Money),
    ("card_sd_2h", Money),
    ("card_min_1h", Money),
    ("card_max_1h", Money),
    ("acct_median_2h", Money),
    ("card_trimmed_1d", Money),
    ("acct_quantile_2h", Money),
    ("card_merchants_1h", Plain),
    ("acct_payees_1d", Plain),
    ("card_last_time", Since(MINUTE)),
    ("acct_first_amount", Money),
    ("acct_first_1h", Money),
    ("card_second_2h", Money),
    ("card_third_time", Since(HOUR)),
    ("acct_last_declined", Plain),
    ("acct_rate_1d", Plain),
    ("amount_rank_2h", Plain),
    ("amount_rank_all_2d", Plain),
    ("amount_rank_mcc_1d", Plain),
    ("card_mcc_1d", Plain),
    ("acct_device_1h", Plain),
    ("acct_device_max_1h", Money),
    ("acct_fraud_2d", Plain),
    ("acct_reversed_1h", Plain),
    ("acct_unnamed_1h", Plain),
    ("acct_odd_1h", Plain),
    ("acct_home_1h", Plain),
    ("card_small_30m", Plain),
    ("acct_risky_1h", Plain),
    ("card_points_2h", Plain),
    ("card_points_avg_2h", Plain),
    ("card_points_sd_2h", Plain),
    ("acct_points_median_1d", Plain),
];

/// What the features of an event are.
pub(crate) fn features(at: i64, facts: &Facts, shown: &[(&'static str, Shows)]) -> Vec<Number> {
    shown
        .iter()
        .map(|(name, shows)| {
            let fact = facts.number(name)?;
            Some(match shows {
                Plain => fact,
                Money => fact / 100.0,
                Since(unit) => (at as f64 - fact) / *unit as f64,
            })
        })
        .collect()
}
