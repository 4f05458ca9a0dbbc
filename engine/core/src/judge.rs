//! The second half of a step: rules over registers, score and action, cooldowns and incidents of one event in one key
//! space. It reads facts and scores, changes decision state, and never a ledger. Records are rendered elsewhere.

use crate::batch::Timestamp;
use crate::decision::{
    AlertKind, Decision, Evidence, FiredRule, JudgedEvent, ModelResult, RaisedAlert, SCORE_MAX, verb,
};
use crate::event::Event;
use crate::ingested::KeySource;
use crate::installation::Installation;
use crate::marks::Marks;
use crate::reads::EventRows;
use crate::scores::EventScores;
use crate::suppress::Decisions;
use tripline_rules::action::{Action, Cooldown, Mode, Verb};
use tripline_rules::money::Currency;
use tripline_rules::program::{Fired, Program};
use tripline_rules::ruleset::{Described, Ruleset};
use tripline_rules::schema::{ACCOUNT_ID, EVENT_ID, Schema, TX_AMOUNT};

/// Part of every id, so that ids of another composition are others.
const ID_VERSION: &[u8] = b"tripline alert 2";
/// The same of the keys of cooldowns.
const COOLDOWN_VERSION: &[u8] = b"tripline cooldown 2";

/// One event in one key space, and what it is judged by.
pub(crate) struct JudgeContext<'a> {
    /// The event's rows here and in the account's key space.
    pub(crate) rows: EventRows<'a>,
    /// Position of the key space's program in the ruleset.
    pub(crate) number: usize,
    pub(crate) key: KeySource,
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
        let (program, _) = context.rows.own;
        program.judge(event.event_type, &mut event.registers, &event.texts, fired, &mut ());
        let key = if fired.rules.is_empty() { None } else { context.key.of(event) };
        if key.is_some() {
            state.advance(event.at, context.rows.installation.settings().skew_ms());
        }
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

impl<'x> Case<'_, 'x> {
    fn installation(&self) -> &'x Installation {
        self.context.rows.installation
    }

    fn program(&self) -> &'x Program {
        self.context.rows.own.0
    }

    fn decide(&self, fired: &Fired, event: &mut Event, state: &mut Decisions) -> Decision {
        let ruleset = self.installation().ruleset();
        let (mut live, shadow) = self.sorted(&fired.rules, event);
        let (score, action) = score_and_action(ruleset, &live);
        for fired in &mut live {
            let rule = &ruleset.rules()[fired.rule];
            if let Some(cooldown) = &rule.cooldown {
                let lifted = cooldown.unless_score_increases;
                let silence = state.silence(&rule.id, fired.cooldown_key, event.at, score, lifted);
                (fired.silenced, fired.may_be_silenced) = (silence.is_silenced, silence.is_approximate);
            }
        }
        let entity = self.program().plan().space.key;
        let mut decision = Decision {
            program_number: self.context.number,
            at: event.at,
            account: event.texts.get(ACCOUNT_ID).unwrap_or_default().to_owned(),
            entity: event.texts.get(entity).unwrap_or_default().to_owned(),
            event: judged_event(event, self.installation().schema()),
            score,
            target: action.and_then(|action| self.target(action, event)),
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
            let rule = &self.installation().ruleset().rules()[*number];
            match rule.mode {
                Mode::Live => {
                    let cooldown_key = rule
                        .cooldown
                        .as_ref()
                        .map_or(self.key, |cooldown| self.cooldown_key(cooldown, event));
                    let (silenced, may_be_silenced) = (false, false);
                    live.push(FiredRule { rule: *number, cooldown_key, silenced, may_be_silenced });
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
        let may_lack_incident = state.may_lack_incident(self.key, event.at);
        let named = self.id(AlertKind::New, event);
        let (incident, change) = state.raise_incident(self.key, event.at, named);
        decision.changes.push(change);
        if is_suppressed {
            return;
        }
        self.open_cooldowns(decision, state);
        let kind = if incident.seq == 1 { AlertKind::New } else { AlertKind::Update };
        let rules = || decision.live.iter().map(|fired| &self.installation().ruleset().rules()[fired.rule]);
        let lacks_decisions =
            incident.seq == 1 && may_lack_incident || decision.live.iter().any(|fired| fired.may_be_silenced);
        let ruleset = self.installation().ruleset();
        let marks = rules().map(|rule| self.context.rows.marks(&rule.state, event));
        let marks = marks.fold(Marks::WHOLE, Marks::and);
        let alert = RaisedAlert {
            id: self.id(kind, event),
            kind,
            incident,
            severity: rules().map(|rule| rule.severity).max().expect("an alert has a live rule"),
            evidence: decision.live.iter().map(|fired| evidence(ruleset, fired.rule, event)).collect(),
            coverage: (marks.coverage < 1.0).then_some(marks.coverage),
            approximate: lacks_decisions || marks.approximate,
            out_of_order: self.context.rows.own.1.out_of_order,
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
        let registry = self.installation().models();
        for (result, (model, _, inputs)) in results.iter_mut().zip(self.context.scores.known()) {
            result.contributions = registry.model(model).contributions(inputs);
        }
    }

    /// What a cooldown is about: the ledger's key and, inside it, the entity of the event; without one the account.
    fn cooldown_key(&self, cooldown: &Cooldown, event: &Event) -> u128 {
        let space = self.program().plan().space.key;
        let inside = event.registers.get(cooldown.key).filter(|_| cooldown.key != ACCOUNT_ID);
        let (entity, kind) = match inside {
            _ if cooldown.key == space => return self.key,
            Some(word) => (u128::from(word), 0),
            None if space == ACCOUNT_ID => return self.key,
            None => (event.account, 1),
        };
        let (key, entity) = (self.key.to_le_bytes(), entity.to_le_bytes());
        self.installation().settings().key.id(&[COOLDOWN_VERSION, &key, &entity, &[kind]])
    }

    fn open_cooldowns(&self, decision: &mut Decision, state: &mut Decisions) {
        for fired in decision.live.iter().filter(|fired| !fired.silenced) {
            let rule = &self.installation().ruleset().rules()[fired.rule];
            if let Some(cooldown) = &rule.cooldown {
                let until = Timestamp(decision.at.0.saturating_add(cooldown.length));
                let (key, score) = (fired.cooldown_key, decision.score);
                let opened = state.open_cooldown(&rule.id, key, decision.at, until, score);
                decision.changes.push(opened);
            }
        }
    }

    /// Keyed hash of the key space, the entity in it, kind and the event's identity: account, type and id.
    fn id(&self, kind: AlertKind, event: &Event) -> u128 {
        let (settings, types) = (self.installation().settings(), self.installation().schema().event_types());
        settings.key.id(&[
            ID_VERSION,
            settings.stream.as_bytes(),
            self.program().plan().space.entity.as_bytes(),
            &self.key.to_le_bytes(),
            kind.name().as_bytes(),
            &event.account.to_le_bytes(),
            types.value(event.event_type).unwrap_or_default().as_bytes(),
            event.texts.get(EVENT_ID).unwrap_or_default().as_bytes(),
        ])
    }

    /// Id of the target of an action, if the event has one.
    fn target(&self, action: &Action, event: &Event) -> Option<String> {
        let field = self.installation().schema().slot(action.target?.field())?;
        event.texts.get(field).map(str::to_owned)
    }
}

/// Why a rule fired: its reason, and the values that it read.
pub(crate) fn evidence(ruleset: &Ruleset, rule: usize, event: &mut Event) -> Evidence {
    let mut reason = String::new();
    ruleset.reason(rule, &mut event.registers, &event.texts, &mut reason);
    let values = ruleset.values(rule, &event.registers, &event.texts);
    Evidence { reason, values: values.map(|(name, value)| (name.to_owned(), json(value))).collect() }
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

fn judged_event(event: &Event, schema: &Schema) -> JudgedEvent {
    let currency = event.currency_of(&schema.field(TX_AMOUNT).kind);
    let amount = event.registers.number(TX_AMOUNT).zip(currency);
    JudgedEvent {
        id: event.texts.get(EVENT_ID).unwrap_or_default().to_owned(),
        event_type: event.event_type,
        amount: amount.map(|(minor, currency)| (whole(minor), currency)),
    }
}

/// A value as alerts carry it: money with its currency, times in RFC 3339, lengths of time in ms.
fn json(value: Described<'_>) -> serde_json::Value {
    match value {
        Described::Missing => serde_json::Value::Null,
        Described::Number(number) if number == number.trunc() && number.abs() < 1e15 => whole(number).into(),
        Described::Number(number) => number.into(),
        Described::Money(minor, currency) => {
            let mut money = serde_json::Map::new();
            // Averages and spreads have fractions of a minor unit: the nearest is given, as in reasons.
            money.insert("minor".to_owned(), whole(libm::round(minor)).into());
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
