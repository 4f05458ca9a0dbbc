//! What compiled packs say about single events: facts, tags, key spaces, reasons, values.

mod facts;
mod fixture;
mod populations;
mod reasons;

use crate::fixture::{PACK, house};
use std::time::Instant;
use tripline_rules::action::Verb;
use tripline_rules::aggregate::FactSet;
use tripline_rules::program::{Fired, Trace};
use tripline_rules::ruleset::{ReadFrom, Ruleset};
use tripline_rules::schema::{EVENT_TIME, TX_AMOUNT};
use tripline_rules::value::{NoTexts, Slot, TextKey};

#[test]
fn key_spaces_see_what_travels_to_them() {
    let house = house(PACK);
    let rule = &house.rules.rules()[house.rule("TERMINAL")];
    assert_eq!(rule.space, 1);
    let read = |name: &str| rule.values.iter().find(|value| value.name == name).map(|value| value.from);
    assert!(matches!(read("spent"), Some(ReadFrom::Fact { space: 0, .. })));
    assert!(matches!(read("hit"), Some(ReadFrom::Fact { space: 1, aggregate: Some(0), .. })));
    // The account's program computes what the terminals' rule reads, for events that it judges.
    let wanted = house.wanted(0, "label", &mut house.event("label"));
    assert!(wanted.has(house.fact(0, "spent").0));
    let mut registers = house.event("label");
    registers.set_number(house.fact(1, "hit").1, 6.0);
    registers.set_number(house.fact(1, "seen").1, 200.0);
    registers.set_number(house.fact(0, "spent").1, 101.0);
    assert_eq!(house.judge(1, "label", &mut registers, &NoTexts).0, ["TERMINAL"]);
    assert_eq!(house.rules.signal(0, &mut registers, &NoTexts), Some(0.03f64.to_bits()));
    let signal = &house.rules.signals()[0];
    assert_eq!(
        (signal.entity.as_str(), signal.name.as_str(), signal.space, signal.step),
        ("terminal", "rate", 1, 0.005)
    );
    let slot = signal.slot.unwrap_or_else(|| panic!("SIGNAL reads it"));
    registers.set_number(slot, 0.03);
    registers.set_number(house.plan(0).coverages[0].slot, 0.95);
    registers.set_number(house.fact(0, "spent").1, 1_001.0);
    assert_eq!(house.judge(0, "label", &mut registers, &NoTexts).0, ["SIGNAL"]);
}

#[test]
fn features_are_given_in_major_units_and_missing_ones_as_nan() {
    let house = house(PACK);
    let mut registers = house.event("purchase");
    registers.set_number(TX_AMOUNT, 1_234.0);
    registers.set_number(EVENT_TIME, 1_793_511_000_000.0);
    let mut row = [0.0; 4];
    house.rules.features_row(&mut registers, &NoTexts, &mut row);
    assert_eq!((row[0], row[1]), (12.34, 1.0));
    assert!(row[2].is_nan() && row[3].is_nan());
    let names: Vec<&str> = house.rules.features().iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(names, ["amount", "weekend", "tries", "hits"]);
    assert_eq!(house.rules.features().iter().map(|feature| feature.space).collect::<Vec<_>>(), [0, 0, 0, 1]);
    assert!(house.rules.feature_demand(0).has(house.fact(0, "tries").0));
    assert!(!house.rules.feature_demand(0).has(house.fact(0, "declines").0));
    assert!(house.rules.feature_demand(1).has(house.fact(1, "hit").0));
}

#[test]
fn scores_lead_to_the_first_line_that_holds() {
    let house = house(PACK);
    let verb = |score| house.rules.decide(score).map(|action| action.verb);
    assert_eq!(
        [verb(59.0), verb(60.0), verb(84.0), verb(85.0)],
        [None, Some(Verb::Block), Some(Verb::Block), Some(Verb::Hold)]
    );
    assert!(Verb::Block > Verb::Hold && Verb::Hold > Verb::StepUp && Verb::Alert > Verb::None);
    assert!(house.rules.rules().iter().all(|rule| rule.id != "OUT"));
    assert!(!house.rules.reads_model("profile"));
}

#[test]
fn the_hash_sees_content_and_not_layout() {
    let one = house("version: 1\nrules:\n  - {id: A, when: tx.declined}\n");
    let other = house("# words\nversion:   1\nrules:\n  - id: 'A'\n    when: >-\n      tx.declined\n");
    let third = house("version: 1\nrules:\n  - {id: A, when: tx.reversed}\n");
    assert_eq!(one.rules.hash(), other.rules.hash());
    assert_ne!(one.rules.hash(), third.rules.hash());
    assert_ne!(one.rules.rules()[0].version, third.rules.rules()[0].version);
    let empty = Ruleset::empty(&one.schema, TextKey::default());
    assert_eq!((empty.rules().len(), empty.programs().len()), (0, 1));
}

#[derive(Default)]
struct Heard(Vec<(usize, Option<bool>)>, usize);

impl Trace for Heard {
    fn computed(&mut self, _: Slot, _: Option<u64>) {
        self.1 += 1;
    }

    fn judged(&mut self, rule: usize, holds: Option<bool>) {
        self.0.push((rule, holds));
    }
}

#[test]
fn a_listener_hears_every_rule_that_is_judged() {
    let house = house(PACK);
    let mut registers = house.event("purchase");
    let mut heard = Heard::default();
    let mut fired = Fired::default();
    house.rules.programs()[0].judge(house.code("purchase"), &mut registers, &NoTexts, &mut fired, &mut heard);
    assert_eq!(heard.0.len(), 5);
    assert!(heard.1 > 10 && fired.unknown.len() == 5);
}

/// Twenty rules of three comparisons over twenty fields and facts. Prints the time; the bound is generous.
#[test]
fn sixty_conditions_take_far_less_than_a_network_packet() {
    let mut pack = "version: 1\naggregates:\n".to_owned();
    for at in 1..=10 {
        pack.push_str(&format!("  a{at}: {{count: events, by: card, over: {at}h}}\n"));
    }
    pack.push_str("rules:\n");
    for at in 0..20 {
        let (a, b) = (at % 10 + 1, (at * 3) % 10 + 1);
        pack.push_str(&format!(
            "  - {{id: R{at}, event: purchase, when: \"tx.amount > {at} and a{a} >= {at} and a{b} < {}\"}}\n",
            at + 3
        ));
    }
    let house = house(&pack);
    let mut registers = house.event("purchase");
    registers.set_number(TX_AMOUNT, 1_000.0);
    for aggregate in &house.plan(0).aggregates {
        registers.set_number(aggregate.slot, 4.0);
    }
    let mut fired = Fired::default();
    let rounds = 20_000;
    let start = Instant::now();
    for _ in 0..rounds {
        fired.clear();
        let (program, code) = (&house.rules.programs()[0], house.code("purchase"));
        program.tags(&mut registers);
        program.demand(code, &mut registers, &FactSet::default(), |_, _| {});
        program.judge(code, &mut registers, &NoTexts, &mut fired, &mut ());
    }
    println!("{} ns an event", start.elapsed().as_nanos() / rounds);
    assert!(start.elapsed().as_millis() < 2_000);
    assert!(!fired.rules.is_empty());
}
