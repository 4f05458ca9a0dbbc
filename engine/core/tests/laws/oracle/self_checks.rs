//! The oracle against sums done by hand.

use super::bank::{Judged, Oracle, Outcome, Settings, Taken};
use super::{DAY, HOUR, MINUTE, SECOND};

const NOON: i64 = 1_709_294_400_000;
const SETTINGS: Settings =
    Settings { lateness: HOUR, retention: None, rows_max: 4_096, terminals: true, labels: false };

fn feed(oracle: &mut Oracle, appended: i64, json: &str) -> Outcome {
    oracle.take(0, Some(appended), json.as_bytes())
}

fn row(oracle: &mut Oracle, appended: i64, json: &str) -> Taken {
    match feed(oracle, appended, json) {
        Outcome::Row(taken) => taken,
        other => panic!("{json} is {other:?}"),
    }
}

fn purchase(id: &str, at: i64, rest: &str) -> String {
    format!(r#"{{"id":"{id}","kind":"purchase","t":{at},"account":"a","card":"c"{rest}}}"#)
}

fn pay(oracle: &mut Oracle, id: &str, at: i64, rest: &str) -> Taken {
    row(oracle, at, &purchase(id, at, rest))
}

fn account(taken: &Taken) -> &Judged {
    &taken.judged[0]
}

#[test]
fn a_window_opens_after_its_first_millisecond_and_closes_with_its_last() {
    let mut oracle = Oracle::new(SETTINGS);
    pay(&mut oracle, "1", NOON, "");
    let facts = |taken: Taken| (taken.facts["card_tries_10m"], taken.facts["card_before_10m"]);
    assert_eq!(facts(pay(&mut oracle, "2", NOON + 10 * MINUTE - 1, "")), (2.0, 1.0));
    assert_eq!(facts(pay(&mut oracle, "3", NOON + 10 * MINUTE, "")), (2.0, 1.0), "the first has just left");
    assert_eq!(facts(pay(&mut oracle, "4", NOON + 10 * MINUTE, "")), (3.0, 2.0), "equal times count");
}

#[test]
fn a_delayed_window_ends_before_the_event() {
    let mut oracle = Oracle::new(SETTINGS);
    pay(&mut oracle, "1", NOON, r#","amount":5"#);
    let spent = |taken: Taken| taken.facts["acct_spend_delayed_1h"];
    assert_eq!(spent(pay(&mut oracle, "2", NOON + 30 * MINUTE - 1, r#","amount":7"#)), 0.0);
    assert_eq!(spent(pay(&mut oracle, "3", NOON + 30 * MINUTE, "")), 500.0);
    assert_eq!(spent(pay(&mut oracle, "4", NOON + 90 * MINUTE, "")), 700.0);
}

#[test]
fn averages_and_spreads_are_those_of_a_pocket_calculator() {
    let mut oracle = Oracle::new(SETTINGS);
    for (second, amount) in [(1, "2"), (2, "4"), (3, "4"), (4, "10")] {
        pay(
            &mut oracle,
            &second.to_string(),
            NOON + second,
            &format!(r#","amount":{amount},"points":"0.{amount}""#),
        );
    }
    let facts = pay(&mut oracle, "5", NOON + 5, r#","amount":100"#).facts;
    assert_eq!(facts["card_avg_2h"], 500.0);
    // Squares of -3, -1, -1, 5 sum to 36; a third of it is 12.
    assert!((facts["card_sd_2h"] - 12.0f64.sqrt() * 100.0).abs() < 1e-9);
    assert_eq!(facts["acct_median_2h"], 400.0);
    assert_eq!(facts["card_trimmed_1d"], 2_400.0);
    assert_eq!(facts["acct_quantile_2h"], 1_000.0);
    assert_eq!(facts["amount_rank_2h"], 1.0);
    assert_eq!(facts["card_second_2h"], 1_000.0);
    assert_eq!(facts["acct_first_amount"], 200.0);
    assert_eq!(facts["acct_rate_1d"], 5.0);
    // 0.2 + 0.4 + 0.4 + 0.10 points.
    assert_eq!(facts["card_points_2h"], 1.1);
}

#[test]
fn quantiles_lie_between_ranks_and_a_tenth_is_cut_off_each_side() {
    let mut oracle = Oracle::new(SETTINGS);
    let mut facts = Default::default();
    for amount in 1..=10 {
        facts = pay(&mut oracle, &amount.to_string(), NOON, &format!(r#","amount":{amount}"#)).facts;
    }
    // Rank 0.75 · 9 = 6.75 lies between 7 and 8.
    assert_eq!(facts["acct_quantile_2h"], 775.0);
    assert_eq!(facts["acct_median_2h"], 550.0);
    assert_eq!(facts["card_trimmed_1d"], 550.0);
    assert_eq!(facts["amount_rank_2h"], 1.0);
}

#[test]
fn missing_is_not_false() {
    let mut oracle = Oracle::new(SETTINGS);
    let taken = pay(&mut oracle, "1", NOON, "");
    // Without an amount nothing is known of its size; no card is declined, but none is known to be approved.
    assert_eq!(taken.facts.get("card_avg_2h"), None);
    assert_eq!(taken.facts["card_declines_30m"], 0.0);
    assert_eq!(taken.facts["card_declined_share_1h"], 0.0);
    assert_eq!(taken.facts["acct_unnamed_1h"], 1.0);
    assert_eq!(taken.judged, [], "what is unknown does not fire");
    let no_card = row(&mut oracle, NOON, &format!(r#"{{"id":"2","kind":"login","t":{NOON},"account":"a"}}"#));
    assert_eq!(no_card.facts.get("card_tries_10m"), None, "without a card there is no lane");
}

#[test]
fn what_came_before_comes_late_or_lies_is_distinguished() {
    let mut oracle = Oracle::new(SETTINGS);
    let first = purchase("1", NOON, r#","amount":5"#);
    assert!(matches!(feed(&mut oracle, NOON, &first), Outcome::Row(_)));
    assert_eq!(feed(&mut oracle, NOON + HOUR, &first), Outcome::Duplicate);
    assert_eq!(feed(&mut oracle, NOON + HOUR + 1, &first), Outcome::Late);
    assert_eq!(feed(&mut oracle, NOON, &purchase("1", NOON, r#","amount":6"#)), Outcome::Conflict);
    assert_eq!(feed(&mut oracle, NOON, &purchase("1", NOON + 1, r#","amount":5"#)), Outcome::Conflict);
    let ahead = NOON + 5 * MINUTE;
    assert!(matches!(feed(&mut oracle, NOON, &purchase("2", ahead, "")), Outcome::Row(_)));
    assert_eq!(feed(&mut oracle, NOON, &purchase("3", ahead + 1, "")), Outcome::DeadLetter);
    assert_eq!(feed(&mut oracle, NOON, &purchase("4", NOON, r#","amount":"1.005""#)), Outcome::DeadLetter);
    let tally = &oracle.tally;
    assert_eq!((tally.records, tally.rows, tally.duplicates), (8, 2, 1));
    assert_eq!((tally.conflicts, tally.late, tally.dead_letters), (2, 1, 2));
}

#[test]
fn an_event_out_of_order_looks_back_from_its_own_time() {
    let mut oracle = Oracle::new(SETTINGS);
    pay(&mut oracle, "1", NOON, "");
    pay(&mut oracle, "2", NOON + 20 * MINUTE, "");
    let late = row(&mut oracle, NOON + 20 * MINUTE, &purchase("3", NOON + 5 * MINUTE, ""));
    assert_eq!((late.facts["card_tries_10m"], late.facts["acct_events_1h"]), (2.0, 2.0));
    assert_eq!(oracle.tally.out_of_order, 1);
}

#[test]
fn reversals_clearings_and_labels_find_their_payment() {
    let mut oracle = Oracle::new(SETTINGS);
    let bought = purchase("1", NOON, r#","amount":100,"terminal":"t""#);
    row(&mut oracle, NOON, &bought);
    let about = |id: &str, kind: &str, rest: &str| {
        format!(r#"{{"id":"{id}","kind":"{kind}","t":{},"account":"a","ref":"1"{rest}}}"#, NOON + 1)
    };
    row(&mut oracle, NOON, &about("2", "clearing", r#","amount":30"#));
    let reversal = row(&mut oracle, NOON, &about("3", "reversal", ""));
    assert_eq!(reversal.facts["acct_reversed_1h"], 1.0, "the payment, not the reversal itself");
    assert_eq!(account(&reversal).rules, ["AMENDED"]);
    let label = row(&mut oracle, NOON, &about("4", "label", r#","outcome":"fraud""#));
    assert_eq!(label.facts["term_fraud_2d"], 1.0, "the label is about the payment's terminal");
    assert_eq!(label.facts["acct_first_amount"], 3_000.0, "what was cleared");
    assert_eq!(account(&label).rules, ["FRAUD"]);
    assert_eq!(
        feed(&mut oracle, NOON, &bought),
        Outcome::Duplicate,
        "a repeat says what the payment once said"
    );
}

#[test]
fn a_cooldown_silences_the_message_and_not_the_score() {
    let mut oracle = Oracle::new(SETTINGS);
    for second in 0..2 {
        pay(&mut oracle, &second.to_string(), NOON + second * SECOND, r#","amount":30"#);
    }
    let first = pay(&mut oracle, "2", NOON + 2 * SECOND, r#","amount":30"#);
    let judged = account(&first);
    assert_eq!((judged.alert, judged.seq, judged.action), (true, Some(1), "review"));
    assert!(judged.rules.contains(&"BURST") && judged.silenced.is_empty());
    let second = pay(&mut oracle, "3", NOON + 3 * SECOND, r#","amount":30"#);
    assert!(account(&second).silenced.contains(&"BURST"));
    assert_eq!(account(&second).score, judged.score);
}

#[test]
fn an_incident_goes_on_for_a_day_after_its_newest_alert() {
    let mut oracle = Oracle::new(SETTINGS);
    let seq = |oracle: &mut Oracle, id: &str, at: i64| {
        let label = format!(r#"{{"id":"{id}","kind":"label","t":{at},"account":"a","outcome":"fraud"}}"#);
        account(&row(oracle, at, &label)).seq
    };
    assert_eq!(seq(&mut oracle, "1", NOON), Some(1));
    assert_eq!(seq(&mut oracle, "2", NOON + DAY), Some(2));
    assert_eq!(seq(&mut oracle, "3", NOON + 2 * DAY + 1), Some(1));
}

#[test]
fn a_full_ledger_forgets_its_oldest_row_and_an_old_one_is_not_held() {
    let mut oracle = Oracle::new(Settings { rows_max: 2, ..SETTINGS });
    for (id, minute) in [("1", 0), ("2", 1), ("3", 2)] {
        pay(&mut oracle, id, NOON + minute * MINUTE, "");
    }
    assert_eq!(oracle.tally.capped, 0, "the third sees both before it");
    assert_eq!(pay(&mut oracle, "4", NOON + 3 * MINUTE, "").facts["acct_events_1h"], 3.0);
    assert_eq!(oracle.tally.capped, 1);
    let mut oracle = Oracle::new(SETTINGS);
    pay(&mut oracle, "1", NOON, r#","amount":5"#);
    // An account that never sleeps two days loses its rows one by one.
    pay(&mut oracle, "2", NOON + DAY, "");
    let still = pay(&mut oracle, "3", NOON + 2 * DAY + HOUR + 5 * MINUTE - 1, "");
    assert_eq!(still.facts["acct_first_amount"], 500.0);
    let gone = pay(&mut oracle, "4", NOON + 2 * DAY + HOUR + 5 * MINUTE, "");
    assert_eq!(gone.facts.get("acct_first_amount"), None);
}

#[test]
fn rank_among_everybody_counts_whole_days() {
    let mut oracle = Oracle::new(SETTINGS);
    let last_midnight = NOON - 12 * HOUR;
    for (id, amount) in [("1", 1), ("2", 5), ("3", 10), ("4", 50)] {
        pay(
            &mut oracle,
            id,
            last_midnight - 1,
            &format!(r#","amount":{amount},"merchant":{{"mcc":"5411"}}"#),
        );
    }
    let today = pay(&mut oracle, "5", last_midnight, r#","amount":20,"merchant":{"mcc":"5411"}"#);
    assert_eq!(today.facts["amount_rank_all_2d"], 0.75);
    assert_eq!(today.facts.get("amount_rank_mcc_1d"), None, "the first of the day");
}

#[test]
fn the_newest_hundred_and_twenty_eight_make_an_order() {
    let mut oracle = Oracle::new(SETTINGS);
    let mut median = 0.0;
    for at in 0..200 {
        let amount = if at < 72 { 1 } else { 9 };
        let facts = pay(&mut oracle, &at.to_string(), NOON + at, &format!(r#","amount":{amount}"#)).facts;
        median = facts["acct_quantile_2h"];
        if at == 135 {
            assert_eq!(facts["acct_median_2h"], 500.0, "64 of either");
        }
    }
    assert_eq!(median, 900.0);
}
