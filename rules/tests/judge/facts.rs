//! Which facts and row conditions a pack gives rise to, and for which events facts are computed.

use crate::fixture::{PACK, house, number_of};
use tripline_rules::aggregate::{FactSet, Op, TagId};
use tripline_rules::program::Fired;
use tripline_rules::schema::{ACCOUNT_CURRENCY, TX_AMOUNT, TX_DECLINED};
use tripline_rules::time::DAY_MS;
use tripline_rules::value::{NoTexts, Registers};

#[test]
fn equal_aggregates_are_computed_once_and_unread_ones_not_at_all() {
    let house = house(PACK);
    let names: Vec<&str> = house.plan(0).aggregates.iter().map(|aggregate| aggregate.name.as_str()).collect();
    assert!(!names.contains(&"unread") && names.contains(&"seen_before(merchant.id)"));
    // The same condition in other words is one bit of a row.
    let filter = |name: &str| house.plan(0).aggregates[house.fact(0, name).0].filter;
    assert_eq!(filter("tries"), filter("tries_again"));
    assert_eq!(house.rules.programs().len(), 2);
    let terminal: Vec<&str> =
        house.plan(1).aggregates.iter().map(|aggregate| aggregate.name.as_str()).collect();
    assert_eq!(terminal, ["hit", "seen"]);
    assert_eq!(house.plan(1).look_back, 14 * DAY_MS);
    let lane = |name: &str| {
        let plan = house.plan(0);
        plan.lanes[plan.aggregates[house.fact(0, name).0].lane].fields.clone()
    };
    assert_eq!(lane("spent"), []);
    assert_eq!(lane("tries"), [house.slot("card.id")]);
    assert!(names.iter().all(|name| *name != "per_mcc"), "nothing reads it");
    assert_eq!(house.plan(0).coverages.len(), 1);
    let same = self::house(
        "version: 1\naggregates:\n  a: {count: events, by: card, over: 60m, where: tx.declined and tx.amount > 5}\n  \
         b: {count: events, by: [account, card], over: 1h, where: tx.declined and tx.amount > 5.00}\nfeatures: {f: a + b}\n",
    );
    assert_eq!((same.plan(0).aggregates.len(), same.plan(0).tags), (1, 1));
    assert_eq!(same.plan(0).aggregates[0].op, Op::Count);
}

#[test]
fn a_row_carries_the_truth_of_each_condition() {
    let house = house(PACK);
    let mut registers = house.event("purchase");
    registers.set_number(TX_AMOUNT, 200.0);
    registers.set(house.slot("tx.channel"), 1);
    let program = &house.rules.programs()[0];
    let tag = |name: &str| -> TagId {
        house.plan(0).aggregates[house.fact(0, name).0].filter.unwrap_or_else(|| panic!("{name}"))
    };
    let tags = program.tags(&mut registers);
    assert!(tags.has(tag("tries")) && tags.has(tag("small_30m")));
    // Whether it was declined is unknown: the row does not count as declined.
    assert!(!tags.has(tag("declines")));
    registers.set_bool(TX_DECLINED, true);
    assert!(program.tags(&mut registers).has(tag("declines")));
    // 2.00 in yen are 2 minor units.
    registers.set(ACCOUNT_CURRENCY, number_of("JPY"));
    assert!(!program.tags(&mut registers).has(tag("small_30m")));
    registers.set_number(TX_AMOUNT, 2.0);
    assert!(program.tags(&mut registers).has(tag("small_30m")));
    let mut login = house.event("login");
    assert!(!program.tags(&mut login).has(tag("tries")));
}

#[test]
fn facts_are_asked_for_only_where_a_rule_may_fire() {
    let house = house(PACK);
    let wants = |registers: &mut Registers, kind: &str| {
        let wanted = house.wanted(0, kind, registers);
        house
            .plan(0)
            .aggregates
            .iter()
            .enumerate()
            .filter(|(at, _)| wanted.has(*at))
            .map(|(_, a)| a.name.clone())
            .collect::<Vec<_>>()
    };
    let mut login = house.event("login");
    login.set_bool(house.slot("tx.card_present"), false);
    let asked = wants(&mut login, "login");
    // SIGNAL and NIGHT judge every type and have no guard over cheap fields; TERMINAL judges no log-ins.
    assert!(asked.contains(&"spent".to_owned()) && !asked.contains(&"tries".to_owned()), "{asked:?}");
    assert!(!asked.contains(&"place".to_owned()) && !asked.contains(&"small_30m".to_owned()), "{asked:?}");
    let mut purchase = house.event("purchase");
    let asked = wants(&mut purchase, "purchase");
    assert!(
        asked.contains(&"tries".to_owned()) && asked.contains(&"place".to_owned()),
        "unknown may yet be true"
    );
    purchase.set_number(TX_AMOUNT, 201.0);
    assert!(!wants(&mut purchase, "purchase").contains(&"small_30m".to_owned()));
    purchase.set_number(TX_AMOUNT, 200.0);
    assert!(wants(&mut purchase, "purchase").contains(&"small_30m".to_owned()));
    // The terminals' program asks for its own facts; the signal's value is always wanted.
    let terminal = house.wanted(1, "login", &mut login);
    assert!(terminal.has(0) && terminal.has(1));
}

#[test]
fn the_facts_of_a_rule_that_one_fact_rules_out_are_not_asked_for() {
    let house = house(
        "version: 1\naggregates:\n  tries: {count: events, by: account, over: 1h}\n  \
         usual: {median: tx.amount, by: account, over: 24h}\nrules:\n  - {id: R, when: \"tx.amount > 2 * usual and tries >= 5\"}\n",
    );
    let program = &house.rules.programs()[0];
    let (tries, usual) = (house.fact(0, "tries"), house.fact(0, "usual"));
    for (count, in_question) in [(4.0, false), (5.0, true)] {
        let mut registers = house.event("purchase");
        let mut asked = Vec::new();
        program.tags(&mut registers);
        program.demand(house.code("purchase"), &mut registers, &FactSet::default(), |facts, registers| {
            asked.push((facts.has(tries.0), facts.has(usual.0)));
            registers.set_number(tries.1, count);
        });
        let expected: &[(bool, bool)] =
            if in_question { &[(true, false), (false, true)] } else { &[(true, false)] };
        assert_eq!(asked, expected, "{count} tries");
    }
}

/// A fact that one rule did not need must not be unknown to another.
#[test]
fn rules_that_share_a_part_do_not_share_that_it_was_not_asked_for() {
    let house = house(
        "version: 1\naggregates:\n  tries: {count: events, by: account, over: 1h}\n  \
         seen: {count: events, by: account, over: 24h}\nrules:\n  \
         - {id: LARGE, when: \"tx.amount > 100 and 2 * tries >= 4\"}\n  \
         - {id: FEW, when: \"seen >= 1 and 2 * tries < 50\"}\n",
    );
    let (program, code) = (&house.rules.programs()[0], house.code("purchase"));
    let facts = [(house.fact(0, "tries"), 3.0), (house.fact(0, "seen"), 5.0)];
    for (amount, expected) in [(5_000.0, vec![1]), (20_000.0, vec![0, 1])] {
        let mut registers = house.event("purchase");
        registers.set_number(TX_AMOUNT, amount);
        program.tags(&mut registers);
        program.demand(code, &mut registers, &FactSet::default(), |asked, registers| {
            for ((fact, slot), value) in facts.iter().filter(|((fact, _), _)| asked.has(*fact)) {
                assert!(!registers.is_known(*slot), "fact {fact} is computed once");
                registers.set_number(*slot, *value);
            }
        });
        let mut fired = Fired::default();
        program.judge(code, &mut registers, &NoTexts, &mut fired, &mut ());
        assert_eq!((fired.rules, fired.unknown.len()), (expected, 0), "an amount of {amount}");
    }
}
