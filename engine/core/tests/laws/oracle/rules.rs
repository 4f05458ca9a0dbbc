//! The packs' rules by hand: the same as `pack.yaml` and `terminals.yaml`, three-valued, without their language.

use super::facts::{Facts, Row};
use super::looks::{amount, approved, is_ecom, points};
use super::suppress::{About, Cooldown, DEFAULT, NONE, SIX_HOURS, cooldown, unless_higher};
use super::truth::{Number, Truth, and, both, ge, gt, is, le, lt, not, one_of, or, ratio, with};
use super::{HOUR, MINUTE};

/// What happens from now on; the later, the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    None,
    Alert,
    Review,
    StepUp,
    Hold,
    Block,
}

impl Action {
    /// As alerts spell it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Action::None => "none",
            Action::Alert => "alert",
            Action::Review => "review",
            Action::StepUp => "step_up",
            Action::Hold => "hold",
            Action::Block => "block",
        }
    }
}

/// One rule.
pub(crate) struct Rule {
    pub id: &'static str,
    pub events: &'static [&'static str],
    pub when: fn(&Row, &Facts) -> Truth,
    pub score: i32,
    pub action: Action,
    pub cooldown: Option<Cooldown>,
    pub live: bool,
}

const SPENDING: &[&str] = &["purchase", "cash_withdrawal"];

fn rule(
    id: &'static str,
    events: &'static [&'static str],
    score: i32,
    action: Action,
    cooldown: Option<Cooldown>,
    when: fn(&Row, &Facts) -> Truth,
) -> Rule {
    Rule { id, events, when, score, action, cooldown, live: true }
}

/// The action that the sum of the scores leads to.
pub(crate) fn decide(score: f64) -> Action {
    match score {
        _ if score >= 80.0 => Action::Hold,
        _ if score >= 50.0 => Action::Review,
        _ if score >= 30.0 => Action::Alert,
        _ => Action::None,
    }
}

fn all(truths: &[Truth]) -> Truth {
    let mut so_far = Some(true);
    for truth in truths {
        so_far = and(so_far, *truth);
    }
    so_far
}

fn minutes_since(row: &Row, time: Number) -> Number {
    time.map(|time| (row.at as f64 - time) / MINUTE as f64)
}

fn exceeds(a: Number, b: Number) -> Truth {
    both(a, b, |a, b| a > b)
}

fn reaches(a: Number, b: Number) -> Truth {
    both(a, b, |a, b| a >= b)
}

/// All types of event of the streams' schema.
const EVERY_TYPE: &[&str] =
    &["purchase", "cash_withdrawal", "transfer", "p2p", "login", "outcome", "reversal", "clearing", "label"];

/// The account's rules that judge now, in the pack's order.
pub(crate) fn account() -> Vec<Rule> {
    let mut rules = behaviour();
    rules.extend(context());
    rules.push(Rule {
        live: false,
        ..rule("SHADOWED", &["purchase", "login"], 90, Action::Block, DEFAULT, |_, f| {
            and(ge(f.number("acct_events_1h"), 4.0), gt(f.number("acct_rate_1d"), 1.0))
        })
    });
    rules
}

fn behaviour() -> Vec<Rule> {
    use Action::{Block, Hold, None, Review, StepUp};
    vec![
        rule("BURST", SPENDING, 35, Review, DEFAULT, |_, f| ge(f.number("card_tries_10m"), 3.0)),
        rule("DECLINES", SPENDING, 20, None, DEFAULT, |_, f| {
            and(ge(f.number("card_declines_30m"), 2.0), ge(f.number("card_declined_share_1h"), 0.5))
        }),
        rule("TESTING", &["purchase"], 45, Block, cooldown(About::Card, HOUR), |row, f| {
            all(&[
                is_ecom(row),
                le(amount(row), 200.0),
                ge(f.number("card_small_30m"), 2.0),
                ge(f.number("card_merchants_1h"), 2.0),
            ])
        }),
        rule("DRAIN", &["p2p", "transfer"], 60, Hold, unless_higher(About::Key, 2 * HOUR), |_, f| {
            ge(f.number("acct_out_1h"), 40_000.0)
        }),
        rule("PAYEES", &["p2p", "transfer"], 25, StepUp, unless_higher(About::Key, 30 * MINUTE), |_, f| {
            and(ge(f.number("acct_payees_1d"), 2.0), le(f.number("acct_payees_1d"), 9.0))
        }),
        rule("SPIKE", SPENDING, 25, None, DEFAULT, |row, f| {
            exceeds(
                amount(row),
                with(f.number("card_avg_2h"), f.number("card_sd_2h"), |avg, sd| avg + 2.0 * sd),
            )
        }),
        rule("RISKY", &["purchase"], 30, None, DEFAULT, |row, f| {
            all(&[
                one_of(row.fields.mcc.as_deref(), &["6051", "7995"]),
                f.number("card_mcc_1d").map(|count| count == 0.0),
                ge(amount(row), 2_000.0),
            ])
        }),
        rule("ABROAD", SPENDING, 15, None, DEFAULT, |row, f| {
            let last = f.texts.get("card_last_country").map(String::as_str);
            both(row.fields.country.as_deref(), last, |now, last| now != last)
        }),
        rule("FAST", &["purchase"], 10, None, NONE, |row, f| {
            lt(minutes_since(row, f.number("card_last_time")), 5.0)
        }),
        rule("RANK", SPENDING, 12, None, DEFAULT, |_, f| {
            let everybody =
                or(ge(f.number("amount_rank_all_2d"), 0.75), ge(f.number("amount_rank_mcc_1d"), 0.9));
            and(ge(f.number("amount_rank_2h"), 0.75), everybody)
        }),
        rule("MEDIAN", EVERY_TYPE, 18, None, unless_higher(About::Card, 10 * MINUTE), |row, f| {
            all(&[
                one_of(Some(&row.kind), &["purchase", "p2p"]),
                reaches(amount(row), f.number("acct_median_2h").map(|median| 3.0 * median)),
                reaches(amount(row), f.number("acct_quantile_2h")),
            ])
        }),
    ]
}

fn context() -> Vec<Rule> {
    use Action::{Alert, None, Review};
    vec![
        rule("FRAUD", &["label"], 50, Review, NONE, |row, _| is(row.fields.label.as_deref(), "fraud")),
        rule(
            "AMENDED",
            &["reversal", "clearing", "outcome"],
            10,
            Alert,
            cooldown(About::Key, HOUR),
            |_, f| or(ge(f.number("acct_reversed_1h"), 1.0), ge(f.number("acct_odd_1h"), 4.0)),
        ),
        rule("TRUST", &["purchase", "p2p", "transfer"], -15, None, DEFAULT, |row, f| {
            and(ge(f.number("acct_device_1h"), 2.0), approved(row))
        }),
        rule(
            "ROUND",
            &["p2p", "transfer", "purchase"],
            14,
            None,
            cooldown(About::Key, SIX_HOURS),
            |row, _| {
                let minor = amount(row);
                all(&[ge(minor, 9_000.0), le(minor, 11_000.0), minor.map(|minor| minor % 1_000.0 == 0.0)])
            },
        ),
        rule("UNNAMED", SPENDING, 9, None, DEFAULT, |row, f| {
            and(Some(row.fields.merchant.is_none()), gt(f.number("acct_unnamed_1h"), 1.0))
        }),
        rule("CALM", &["purchase"], 5, None, DEFAULT, |row, f| {
            let home = ratio(f.number("acct_home_1h"), f.number("acct_events_1h"));
            and(not(or(row.fields.declined, gt(f.number("acct_risky_1h"), 1.0))), lt(home, 0.5))
        }),
        rule("POINTS", &["purchase", "p2p", "login"], 8, None, DEFAULT, |row, f| {
            let (own, usual) = (points(row).unwrap_or(0.0), f.number("card_points_avg_2h").unwrap_or(0.0));
            and(ge(f.number("card_points_2h"), 1.5), Some(own >= usual))
        }),
        rule("GROWTH", SPENDING, 7, None, DEFAULT, |row, f| {
            let largest = with(amount(row), f.number("card_max_1h"), f64::max);
            let before = with(f.number("acct_spend_delayed_1h"), f.number("card_min_1h"), |spend, min| {
                2.0 * (spend - min).abs()
            });
            let second = both(f.number("card_second_2h"), f.number("acct_first_1h"), |a, b| a < b);
            and(exceeds(largest, before), second)
        }),
    ]
}

/// The terminals' rules.
pub(crate) fn terminal() -> Vec<Rule> {
    use Action::{Alert, None, Review};
    vec![
        rule("TERM-BURST", SPENDING, 40, Alert, cooldown(About::Key, HOUR), |_, f| {
            and(ge(f.number("term_tries_30m"), 3.0), ge(f.number("term_cards_1h"), 2.0))
        }),
        rule(
            "TERM-FRAUD",
            &["purchase", "label"],
            60,
            Review,
            unless_higher(About::Key, SIX_HOURS),
            |_, f| {
                let rate = ratio(f.number("term_fraud_2d"), f.number("term_seen_delayed"));
                and(ge(f.number("term_fraud_2d"), 1.0), gt(rate, 0.25))
            },
        ),
        rule("TERM-LARGE", &["purchase"], 25, Alert, cooldown(About::Account, HOUR), |row, f| {
            let usual = f.number("term_avg_1h").map(|avg| 2.0 * avg);
            and(exceeds(amount(row), usual), ge(f.number("term_card_1h"), 10_000.0))
        }),
        Rule {
            live: false,
            ..rule("TERM-SHADOW", &["purchase", "reversal"], 30, None, NONE, |_, f| {
                ge(f.number("term_reversed_1d"), 1.0)
            })
        },
    ]
}
