//! A pack over every kind of rule, and what the tests ask of its programs.

use tripline_rules::aggregate::{AggregatePlan, FactSet};
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::money::Currency;
use tripline_rules::program::Fired;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{EVENT_TYPE, Schema};
use tripline_rules::value::{Registers, Slot, TextKey, TextSource};

pub(crate) const PACK: &str = r#"
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

pub(crate) struct Texts(pub(crate) Vec<(Slot, &'static str)>);

impl TextSource for Texts {
    fn text(&self, slot: Slot) -> Option<&str> {
        self.0.iter().find(|(held, _)| *held == slot).map(|(_, text)| *text)
    }
}

pub(crate) struct House {
    pub(crate) schema: Schema,
    pub(crate) rules: Ruleset,
}

pub(crate) fn house(pack: &str) -> House {
    let (schema, problems) = Schema::load(&File::new("schema.yaml", include_str!("../golden/schema.yaml")));
    let schema = schema.unwrap_or_else(|| panic!("{}", problems.render(Paint::Plain)));
    let list = |_: &str| Ok("code\n7995\n6051\n".to_owned());
    let options = CompileOptions {
        key: TextKey::default(),
        models: &["profile"],
        retention: None,
        lookback: 0,
        list: &list,
    };
    let (rules, problems) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
    let rules = rules.unwrap_or_else(|| panic!("{}", problems.render(Paint::Plain)));
    House { schema, rules }
}

pub(crate) fn number_of(currency: &str) -> u64 {
    Currency::by_code(currency).map_or(0, |currency| u64::from(currency.number()))
}

impl House {
    pub(crate) fn slot(&self, name: &str) -> Slot {
        self.schema.slot(name).unwrap_or_else(|| panic!("{name}"))
    }

    pub(crate) fn event(&self, kind: &str) -> Registers {
        let mut registers = Registers::new(self.rules.registers());
        registers.set(EVENT_TYPE, u64::from(self.code(kind)));
        registers
    }

    pub(crate) fn code(&self, kind: &str) -> u16 {
        self.schema.event_types().code(kind).unwrap_or_else(|| panic!("{kind}"))
    }

    pub(crate) fn plan(&self, space: usize) -> &AggregatePlan {
        self.rules.programs()[space].plan()
    }

    pub(crate) fn fact(&self, space: usize, name: &str) -> (usize, Slot) {
        let at = self.plan(space).aggregates.iter().position(|aggregate| aggregate.name == name);
        let at = at.unwrap_or_else(|| panic!("{name}"));
        (at, self.plan(space).aggregates[at].slot)
    }

    /// All facts that a program asks for while none is known.
    pub(crate) fn wanted(&self, space: usize, kind: &str, registers: &mut Registers) -> FactSet {
        let mut wanted = FactSet::default();
        let program = &self.rules.programs()[space];
        program.tags(registers);
        program.demand(self.code(kind), registers, &FactSet::default(), |facts, _| wanted.union(facts));
        wanted
    }

    pub(crate) fn judge(
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

    pub(crate) fn rule(&self, id: &str) -> usize {
        self.rules.rules().iter().position(|rule| rule.id == id).unwrap_or_else(|| panic!("{id}"))
    }
}
