//! What compiled packs say about single events: facts, tags, key spaces, reasons, values.

use std::time::Instant;
use tripline_rules::action::{Mode, Verb};
use tripline_rules::aggregate::{FactSet, Op, Plan, TagId};
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::money::Currency;
use tripline_rules::program::{Fired, Trace};
use tripline_rules::ruleset::{CompileOptions, Described, ReadFrom, Ruleset};
use tripline_rules::schema::{ACCOUNT_CURRENCY, EVENT_TIME, EVENT_TYPE, Schema, TX_AMOUNT, TX_DECLINED};
use tripline_rules::time::{DAY_MS, HOUR_MS, MINUTE_MS, ms_as_f64};
use tripline_rules::value::{Geo, NoTexts, Registers, Slot, TextKey, TextSource};

const PACK: &str = r#"
version: 1
pack: shown
timezone: America/New_York
lists: {mcc: {file: mcc.csv}}
params:
  burst: {default: 6}
  small: {default: 2.00}
  share: {default: 2%}
terms:
  is_spend: event.type == "purchase" or event.type == "parking"
  is_ecom: tx.channel == "ecom"
aggregates:
  tries: {count: events, by: card, over: 10m, where: is_spend}
  tries_again: {count: events, by: card, over: 11m, where: 'event.type == "parking" or event.type in ["purchase"]'}
  declines: {count: events, by: card, over: 10m, where: is_spend and tx.declined}
  small_30m: {count: events, by: card, over: 30m, where: is_ecom and tx.amount <= $small}
  place: {last: tx.geo, by: card, include_current: false}
  place_at: {last: event.time, by: card, include_current: false}
  per_mcc: {count: events, by: [card, merchant.mcc], over: 90d}
  spent: {sum: tx.amount, by: account, over: 1d}
  unread: {count: events, by: account, over: 5d}
  hit: {count: events, by: terminal, over: 7d, delay: 7d, where: 'event.type == "label" and label.outcome == "fraud"'}
  seen: {count: events, by: terminal, over: 7d}
features:
  amount: tx.amount
  weekend: local_weekday("UTC") >= 6
  tries: tries * 1
  hits: hit / seen + 0 * tries
signals: {terminal.rate: {value: 'ratio(hit, seen)', step: 0.5%, valid_for: 7d}}
decide:
  - {score: 85, action: hold}
  - {score: 60, action: {do: block, target: card, for: 24h}}
defaults: {cooldown: {by: rule+card, for: 30m}}
rules:
  - id: BURST
    title: Many tries
    event: purchase
    when: tries >= $burst and declines >= 2 and tries_again > 0
    score: 35
    action: review
    reason: "{tries} attempts in 10 minutes, {declines} declined, limit {$burst}"
  - id: TESTING
    when: is_spend and is_ecom and tx.amount <= $small and small_30m >= 4 and not (merchant.mcc in @mcc)
    mode: shadow
    cooldown: {by: rule+account, for: 6h, unless: score_increases}
    reason: "{small_30m} charges of {$small | money} or less at {merchant.id} by {tx.channel}, {$share}"
  - id: TRAVEL
    when: tx.card_present and kmh(place, place_at) > 900
    reason: "{km_between(tx.geo, place) | km} away {minutes_since(place_at) | minutes} ago, at {event.time | time}"
  - id: NIGHT
    when: local_hour(account.timezone) between 0 and 5 and matches(tx.description, '(?i)gift') and seen_before(merchant.id) == false
  - id: SIGNAL
    when: signal.terminal.rate > $share and coverage(spent) >= 90% and spent > 10
  - {id: OUT, when: tx.declined, mode: "off"}
  - id: TERMINAL
    by: terminal
    event: [purchase, label]
    when: hit > 5 and ratio(hit, seen) > $share and spent > 1
    cooldown: {by: rule+terminal, for: 24h}
"#;

struct Texts(Vec<(Slot, &'static str)>);

impl TextSource for Texts {
    fn text(&self, slot: Slot) -> Option<&str> {
        self.0.iter().find(|(held, _)| *held == slot).map(|(_, text)| *text)
    }
}

struct House {
    schema: Schema,
    rules: Ruleset,
}

fn house(pack: &str) -> House {
    let (schema, faults) = Schema::load(&File::new("schema.yaml", include_str!("golden/schema.yaml")));
    let schema = schema.unwrap_or_else(|| panic!("{}", faults.render(Paint::Plain)));
    let list = |_: &str| Ok("code\n7995\n6051\n".to_owned());
    let options = CompileOptions {
        key: TextKey::default(),
        models: &["profile"],
        retention: None,
        list: &list,
        now: None,
    };
    let (rules, faults) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
    let rules = rules.unwrap_or_else(|| panic!("{}", faults.render(Paint::Plain)));
    House { schema, rules }
}

fn number_of(currency: &str) -> u64 {
    Currency::by_code(currency).map_or(0, |currency| u64::from(currency.number()))
}

impl House {
    fn slot(&self, name: &str) -> Slot {
        self.schema.slot(name).unwrap_or_else(|| panic!("{name}"))
    }

    fn event(&self, kind: &str) -> Registers {
        let mut registers = Registers::new(self.rules.registers());
        registers.set(EVENT_TYPE, u64::from(self.code(kind)));
        registers
    }

    fn code(&self, kind: &str) -> u16 {
        self.schema.event_types().code(kind).unwrap_or_else(|| panic!("{kind}"))
    }

    fn plan(&self, space: usize) -> &Plan {
        self.rules.programs()[space].plan()
    }

    fn fact(&self, space: usize, name: &str) -> (usize, Slot) {
        let at = self.plan(space).aggregates.iter().position(|aggregate| aggregate.name == name);
        let at = at.unwrap_or_else(|| panic!("{name}"));
        (at, self.plan(space).aggregates[at].slot)
    }

    /// All facts that a program asks for while none is known.
    fn wanted(&self, space: usize, kind: &str, registers: &mut Registers) -> FactSet {
        let mut wanted = FactSet::default();
        let program = &self.rules.programs()[space];
        program.tags(registers);
        program.demand(self.code(kind), registers, &FactSet::default(), |facts, _| wanted.union(facts));
        wanted
    }

    fn judge(
        &self,
        space: usize,
        kind: &str,
        registers: &mut Registers,
        texts: &dyn TextSource,
    ) -> (Vec<&str>, Vec<&str>) {
        let mut fired = Fired::default();
        let program = &self.rules.programs()[space];
        program.tags(registers);
        program.demand(self.code(kind), registers, &FactSet::default(), |_, _| {});
        program.judge(self.code(kind), registers, texts, &mut fired, &mut ());
        let ids = |rules: &[usize]| rules.iter().map(|at| self.rules.rules()[*at].id.as_str()).collect();
        (ids(&fired.rules), ids(&fired.unknown))
    }

    fn rule(&self, id: &str) -> usize {
        self.rules.rules().iter().position(|rule| rule.id == id).unwrap_or_else(|| panic!("{id}"))
    }
}

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

/// What one rule did not need to know must not be unknown to another.
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
    // In the same instant no speed exists.
    registers.set_number(house.fact(0, "place_at").1, at);
    assert!(house.judge(0, "purchase", &mut registers, &NoTexts).1.contains(&"TRAVEL"));
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
    assert_eq!(house.rules.signal(0, &mut registers, &NoTexts), Some(0.03));
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
