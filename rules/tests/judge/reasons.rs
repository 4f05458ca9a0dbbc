//! Rules that fire, and the reasons and values that they give.

use crate::fixture::{PACK, Texts, house, number_of};
use tripline_rules::action::Mode;
use tripline_rules::ruleset::Described;
use tripline_rules::schema::{ACCOUNT_CURRENCY, EVENT_TIME, TX_AMOUNT};
use tripline_rules::time::{HOUR_MS, MINUTE_MS, ms_as_f64};
use tripline_rules::value::{Geo, NoTexts, TextKey};

#[test]
fn a_burst_fires_with_its_reason_and_values() {
    let house = house(PACK);
    let mut registers = house.event("purchase");
    registers.set_number(house.fact(0, "tries").1, 6.0);
    registers.set_number(house.fact(0, "declines").1, 2.0);
    let (fired, unknown) = house.judge(0, "purchase", &mut registers, &NoTexts);
    assert_eq!(fired, [""; 0], "tries_again is another fact, still unknown");
    assert!(unknown.contains(&"BURST"));
    registers.set_number(house.fact(0, "tries_again").1, 6.0);
    let (fired, _) = house.judge(0, "purchase", &mut registers, &NoTexts);
    assert_eq!(fired, ["BURST"]);
    let mut reason = String::new();
    house.rules.reason(house.rule("BURST"), &mut registers, &NoTexts, &mut reason);
    assert_eq!(reason, "6 attempts in 10 minutes, 2 declined, limit 6");
    let values: Vec<_> = house.rules.values(house.rule("BURST"), &registers, &NoTexts).collect();
    assert_eq!(values[0], ("tries", Described::Number(6.0)));
    assert_eq!(values[1], ("$burst", Described::Number(6.0)));
    assert_eq!(values.len(), 4);
    // Five tries, or a log-in, and it does not.
    registers.set_number(house.fact(0, "tries").1, 5.0);
    let (fired, unknown) = house.judge(0, "purchase", &mut registers, &NoTexts);
    assert!(fired.is_empty() && !unknown.contains(&"BURST"));
    registers.set_number(house.fact(0, "tries").1, 6.0);
    let (fired, unknown) = house.judge(0, "login", &mut registers, &NoTexts);
    assert!(fired.is_empty() && !unknown.contains(&"BURST"));
}

#[test]
fn card_testing_in_shadow_names_the_merchant_and_the_limit() {
    let house = house(PACK);
    let mut registers = house.event("purchase");
    registers.set(house.slot("tx.channel"), 1);
    registers.set_number(TX_AMOUNT, 200.0);
    registers.set(ACCOUNT_CURRENCY, number_of("USD"));
    registers.set_number(house.fact(0, "small_30m").1, 4.0);
    registers.set(house.slot("merchant.mcc"), TextKey::default().text(b"5411"));
    let texts = Texts(vec![(house.slot("merchant.id"), "M-Zürich")]);
    registers.set(house.slot("merchant.id"), TextKey::default().text("M-Zürich".as_bytes()));
    let (fired, _) = house.judge(0, "purchase", &mut registers, &texts);
    assert_eq!(fired, ["TESTING"]);
    let rule = &house.rules.rules()[house.rule("TESTING")];
    assert_eq!(rule.mode, Mode::Shadow);
    let cooldown = rule.cooldown.as_ref().unwrap_or_else(|| panic!("a cooldown"));
    assert_eq!(
        (cooldown.entity.as_str(), cooldown.length, cooldown.unless_score_increases),
        ("account", 21_600_000, true)
    );
    let mut reason = String::new();
    house.rules.reason(house.rule("TESTING"), &mut registers, &texts, &mut reason);
    assert_eq!(reason, "4 charges of 2.00 USD or less at M-Zürich by ecom, 2%");
    registers.set(house.slot("merchant.mcc"), TextKey::default().text(b"7995"));
    assert!(house.judge(0, "purchase", &mut registers, &texts).0.is_empty());
}

#[test]
fn a_cloned_card_is_faster_than_an_airliner() {
    let house = house(PACK);
    let mut registers = house.event("purchase");
    let at = 1_793_511_000_000.0;
    let place = |latitude, longitude| Geo { latitude, longitude }.pack();
    registers.set_number(EVENT_TIME, at);
    registers.set_bool(house.slot("tx.card_present"), true);
    registers.put(house.slot("tx.geo"), place(40.7128, -74.0060));
    registers.put(house.fact(0, "place").1, place(51.5074, -0.1278));
    registers.set_number(house.fact(0, "place_at").1, at - ms_as_f64(42 * MINUTE_MS));
    assert_eq!(house.judge(0, "purchase", &mut registers, &NoTexts).0, ["TRAVEL"]);
    let mut reason = String::new();
    house.rules.reason(house.rule("TRAVEL"), &mut registers, &NoTexts, &mut reason);
    assert_eq!(reason, "5,570 km away 42 minutes ago, at 01:30");
    registers.set_number(house.fact(0, "place_at").1, at - ms_as_f64(8 * HOUR_MS));
    assert!(house.judge(0, "purchase", &mut registers, &NoTexts).0.is_empty());
    // In the same instant two places are a millisecond apart; the same place is no travel.
    registers.set_number(house.fact(0, "place_at").1, at);
    assert_eq!(house.judge(0, "purchase", &mut registers, &NoTexts).0, ["TRAVEL"]);
    registers.put(house.fact(0, "place").1, place(40.7128, -74.0060));
    assert!(house.judge(0, "purchase", &mut registers, &NoTexts).0.is_empty());
}

#[test]
fn a_zone_named_by_a_field_and_a_text_pattern_need_the_event_itself() {
    let house = house(PACK);
    let mut registers = house.event("purchase");
    registers.set_number(EVENT_TIME, 1_793_511_000_000.0);
    registers.set(house.slot("account.timezone"), TextKey::default().text(b"America/New_York"));
    registers.set_number(house.fact(0, "seen_before(merchant.id)").1, 0.0);
    let texts = Texts(vec![(house.slot("tx.description"), "Gift card")]);
    assert!(house.rules.text_slots().contains(&house.slot("tx.description")));
    assert_eq!(house.judge(0, "purchase", &mut registers, &texts).0, ["NIGHT"]);
    assert!(house.judge(0, "purchase", &mut registers, &NoTexts).1.contains(&"NIGHT"));
    registers.set(house.slot("account.timezone"), TextKey::default().text(b"Asia/Tokyo"));
    assert!(house.judge(0, "purchase", &mut registers, &texts).0.is_empty());
    registers.set(house.slot("account.timezone"), TextKey::default().text(b"Nowhere"));
    assert!(house.judge(0, "purchase", &mut registers, &texts).1.contains(&"NIGHT"));
}
