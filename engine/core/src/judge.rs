//! The second half of a step: rules over registers, score and action, cooldowns and incidents of one event in one key
//! space. It reads facts and scores, changes decision state, and never a ledger. Records are rendered elsewhere.

use crate::batch::Timestamp;
use crate::decision::{
    AlertKind, Decision, Evidence, FiredRule, JudgedEvent, ModelResult, RaisedAlert, SCORE_MAX, verb,
};
use crate::event::Event;
use crate::ingested::{InsertedRow, KeySource, covered};
use crate::installation::Installation;
use crate::scores::EventScores;
use crate::settings::Settings;
use crate::suppress::Decisions;
use tripline_rules::action::{Action, Cooldown, Mode, Verb};
use tripline_rules::aggregate::AggregatePlan;
use tripline_rules::money::Currency;
use tripline_rules::program::{Fired, Program};
use tripline_rules::ruleset::{Described, ReadFrom, Rule, Ruleset};
use tripline_rules::schema::{ACCOUNT_ID, EVENT_ID, TX_AMOUNT, TX_CURRENCY};
use tripline_rules::value::Slot;

/// One event in one key space, and what it is judged by.
pub(crate) struct JudgeContext<'a> {
    pub(crate) installation: &'a Installation,
    /// Position of the key space's program in the ruleset.
    pub(crate) number: usize,
    pub(crate) program: &'a Program,
    pub(crate) key: KeySource,
    /// The event's row.
    pub(crate) inserted: &'a InsertedRow,
    pub(crate) scores: EventScores<'a>,
}

/// The result for one event in one key space.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Number of rules whose condition was unknown.
    pub unknown: usize,
    /// The decision, if any rule fired. Boxed, because few events have one, and none is to be moved for the others.
    pub decision: Option<Box<Decision>>,
}

/// Room for the rules that fire, reused from event to event.
#[derive(Default)]
pub(crate) struct Judge {
    fired: Fired,
}

impl Judge {
    /// Judges an event, and records what changes of the decision state.
    pub(crate) fn judge(
        &mut self,
        context: &JudgeContext<'_>,
        event: &mut Event,
        state: &mut Decisions,
    ) -> Judged {
        let fired = &mut self.fired;
        fired.clear();
        context.program.judge(event.event_type, &mut event.registers, &event.texts, fired, &mut ());
        let key = if fired.rules.is_empty() { None } else { context.key.of(event) };
        let decision = key.map(|key| Box::new(Case { context, key }.decide(fired, event, state)));
        Judged { unknown: fired.unknown.len(), decision }
    }
}

/// One event on which rules fired, with everything that its decision follows from.
struct Case<'a, 'x> {
    context: &'a JudgeContext<'x>,
    /// The ledger's key.
    key: u128,
}

impl Case<'_, '_> {
    fn decide(&self, fired: &Fired, event: &mut Event, state: &mut Decisions) -> Decision {
        let ruleset = self.context.installation.ruleset();
        let (mut live, shadow) = self.sorted(&fired.rules, event);
        let (score, action) = score_and_action(ruleset, &live);
        for fired in &mut live {
            let rule = &ruleset.rules()[fired.rule];
            fired.silenced = rule.cooldown.as_ref().is_some_and(|cooldown| {
                let lifted = cooldown.unless_score_increases;
                state.is_silenced(&rule.id, fired.cooldown_key, event.at, score, lifted)
            });
        }
        let entity = self.context.program.plan().space.key;
        let mut decision = Decision {
            program: self.context.number,
            at: event.at,
            account: event.texts.get(ACCOUNT_ID).unwrap_or_default().to_owned(),
            entity: event.texts.get(entity).unwrap_or_default().to_owned(),
            event: judged_event(event),
            score,
            action: action.cloned(),
            live,
            shadow,
            unknown: fired.unknown.len(),
            models: self.models(),
            changes: Vec::new(),
            alert: None,
        };
        self.raise(&mut decision, event, state);
        decision
    }

    /// Splits the rules that fired into live and shadow rules, and finds the key of each cooldown.
    fn sorted(&self, fired: &[usize], event: &Event) -> (Vec<FiredRule>, Vec<usize>) {
        let (mut live, mut shadow) = (Vec::new(), Vec::new());
        for number in fired {
            let rule = &self.context.installation.ruleset().rules()[*number];
            match rule.mode {
                Mode::Live => {
                    let cooldown_key = rule.cooldown.as_ref().map_or(self.key, |cooldown| {
                        cooldown_key(self.context.installation.settings(), cooldown, self.key, event)
                    });
                    live.push(FiredRule { rule: *number, cooldown_key, silenced: false });
                }
                Mode::Shadow | Mode::Off => shadow.push(*number),
            }
        }
        (live, shadow)
    }

    /// Counts the decision in its incident, and raises its alert, unless every live rule is silenced.
    fn raise(&self, decision: &mut Decision, event: &mut Event, state: &mut Decisions) {
        if decision.live.is_empty() || decision.verb() == Verb::None {
            return;
        }
        let is_suppressed = decision.is_suppressed();
        if is_suppressed && state.open_incident(self.key, event.at).is_none() {
            return;
        }
        let named = self.id(AlertKind::New, event);
        let (incident, change) = state.raise_incident(self.key, event.at, named);
        decision.changes.push(change);
        if is_suppressed {
            return;
        }
        self.open_cooldowns(decision, state);
        let kind = if incident.seq == 1 { AlertKind::New } else { AlertKind::Update };
        let rules =
            || decision.live.iter().map(|fired| &self.context.installation.ruleset().rules()[fired.rule]);
        let plan = self.context.program.plan();
        let alert = RaisedAlert {
            id: self.id(kind, event),
            kind,
            incident,
            severity: rules().map(|rule| rule.severity).max().expect("an alert has a live rule"),
            evidence: decision.live.iter().map(|fired| self.evidence(fired.rule, event)).collect(),
            coverage: self.coverage(plan, rules(), event.at),
            approximate: rules().any(|rule| self.reads_approximate(rule)),
            out_of_order: self.context.inserted.out_of_order,
        };
        self.explain_scores(&mut decision.models);
        decision.alert = Some(alert);
    }

    /// The scores of the models that read the event, without contributions.
    fn models(&self) -> Vec<ModelResult> {
        let known = self.context.scores.known();
        known.map(|(model, score, _)| ModelResult { model, score, contributions: Vec::new() }).collect()
    }

    fn explain_scores(&self, results: &mut [ModelResult]) {
        let registry = self.context.installation.models();
        for (result, (model, _, inputs)) in results.iter_mut().zip(self.context.scores.known()) {
            result.contributions = registry.model(model).contributions(inputs);
        }
    }

    fn open_cooldowns(&self, decision: &mut Decision, state: &mut Decisions) {
        for fired in decision.live.iter().filter(|fired| !fired.silenced) {
            let rule = &self.context.installation.ruleset().rules()[fired.rule];
            if let Some(cooldown) = &rule.cooldown {
                let until = Timestamp(decision.at.0.saturating_add(cooldown.length));
                let opened = state.open_cooldown(&rule.id, fired.cooldown_key, until, decision.score);
                decision.changes.push(opened);
            }
        }
    }

    /// Keyed hash of stream, key space, kind and the event's identity.
    fn id(&self, kind: AlertKind, event: &Event) -> u128 {
        let mut identity = Vec::with_capacity(128);
        let types = self.context.installation.schema().event_types();
        for part in [
            self.context.installation.settings().stream.as_str(),
            &self.context.program.plan().space.entity,
            kind.name(),
            types.value(event.event_type).unwrap_or_default(),
            event.texts.get(EVENT_ID).unwrap_or_default(),
        ] {
            identity.extend_from_slice(part.as_bytes());
            identity.push(0);
        }
        self.context.installation.settings().key.entity(&identity)
    }

    fn evidence(&self, rule: usize, event: &mut Event) -> Evidence {
        let ruleset = self.context.installation.ruleset();
        let mut reason = String::new();
        ruleset.reason(rule, &mut event.registers, &event.texts, &mut reason);
        let values = ruleset.values(rule, &event.registers, &event.texts);
        Evidence { reason, values: values.map(|(name, value)| (name.to_owned(), json(value))).collect() }
    }

    /// The smallest covered share of a window, of all windows that the rules read.
    fn coverage<'r>(
        &self,
        plan: &AggregatePlan,
        rules: impl Iterator<Item = &'r Rule>,
        at: Timestamp,
    ) -> Option<f64> {
        let smallest = rules
            .flat_map(facts)
            .filter_map(|(slot, aggregate)| match aggregate.map(|fact| &plan.aggregates[fact]) {
                Some(aggregate) => Some((aggregate.over, aggregate.delay)),
                None => plan
                    .populations
                    .iter()
                    .find(|rank| rank.slot == slot)
                    .map(|rank| (Some(rank.over_ms()), 0)),
            })
            .map(|(over, delay)| covered(over, delay, at, self.context.inserted.held_from))
            .fold(1.0, f64::min);
        (smallest < 1.0).then_some(smallest)
    }

    fn reads_approximate(&self, rule: &Rule) -> bool {
        let marks = &self.context.inserted.marks;
        facts(rule).any(|(_, aggregate)| aggregate.is_some_and(|fact| marks.approximate.has(fact)))
    }
}

/// The sum of the live rules' scores, and the highest action. Of equally high actions the first rule's has target and
/// duration, and a rule's own before that of the score.
fn score_and_action<'r>(ruleset: &'r Ruleset, live: &[FiredRule]) -> (i32, Option<&'r Action>) {
    let rules = live.iter().map(|fired| &ruleset.rules()[fired.rule]);
    let sum: i32 = rules.clone().map(|rule| rule.score).sum();
    let score = sum.clamp(0, SCORE_MAX);
    let mut action = None;
    for own in rules.filter_map(|rule| rule.action.as_ref()).chain(ruleset.decide(f64::from(score))) {
        if verb(Some(own)) > verb(action) {
            action = Some(own);
        }
    }
    (score, action)
}

fn judged_event(event: &Event) -> JudgedEvent {
    let currency = event.registers.get(TX_CURRENCY).and_then(Currency::by_number);
    let amount = event.registers.number(TX_AMOUNT).zip(currency);
    JudgedEvent {
        id: event.texts.get(EVENT_ID).unwrap_or_default().to_owned(),
        event_type: event.event_type,
        amount: amount.map(|(minor, currency)| (whole(minor), currency)),
    }
}

/// Facts of the rule's own key space that it reads: their register and, but for population ranks, their place in the
/// plan.
fn facts(rule: &Rule) -> impl Iterator<Item = (Slot, Option<usize>)> {
    rule.values.iter().filter_map(|value| match value.from {
        ReadFrom::Fact { space, aggregate, slot } if space == rule.space => Some((slot, aggregate)),
        _ => None,
    })
}

/// What a cooldown is about: the ledger's key and, inside it, the entity of the event; without one the ledger itself.
fn cooldown_key(settings: &Settings, cooldown: &Cooldown, key: u128, event: &Event) -> u128 {
    let inside = (cooldown.key != ACCOUNT_ID).then(|| event.registers.get(cooldown.key)).flatten();
    inside.map_or(key, |word| {
        let mut id = [0; 24];
        id[..16].copy_from_slice(&key.to_le_bytes());
        id[16..].copy_from_slice(&word.to_le_bytes());
        settings.key.entity(&id)
    })
}

/// A value as alerts carry it: money with its currency, times in RFC 3339, lengths of time in ms.
fn json(value: Described<'_>) -> serde_json::Value {
    match value {
        Described::Missing => serde_json::Value::Null,
        Described::Number(number) if number == number.trunc() && number.abs() < 1e15 => whole(number).into(),
        Described::Number(number) => number.into(),
        Described::Money(minor, currency) => {
            let mut money = serde_json::Map::new();
            // Averages and spreads have fractions of a minor unit.
            let minor = if minor == minor.trunc() { whole(minor).into() } else { minor.into() };
            money.insert("minor".to_owned(), minor);
            money.insert("currency".to_owned(), currency.map(Currency::code).into());
            money.into()
        }
        Described::Bool(value) => value.into(),
        Described::Text(text) => text.into(),
        Described::Time(ms) => Timestamp(whole(ms)).to_string().into(),
        Described::Duration(ms) => whole(ms).into(),
        Described::Geo(geo) => vec![geo.latitude, geo.longitude].into(),
    }
}

/// A number that is whole, as all money, times and counts in registers are.
#[expect(clippy::cast_possible_truncation, reason = "registers hold whole numbers exactly, below 2^53")]
fn whole(number: f64) -> i64 {
    number as i64
}
