//! The second half of a step: rules over registers, decision, cooldowns, and what is written of it.
//!
//! It reads facts and scores and never changes a ledger.

use crate::alert::{
    ALERT_VALID_MS, ActionPart, Alert, AlertKind, ContributionPart, Entity, EventPart, ModelPart, Money,
    RulePart, SourcePart,
};
use crate::batch::{Record, Timestamp};
use crate::counts::Counts;
use crate::event::Event;
use crate::installation::Installation;
use crate::outputs::{Outputs, Topic, header};
use crate::settings::Settings;
use crate::space::{Seated, Space, covered};
use crate::suppress::Change;
use crate::verdict::{ModelScores, Verdict};
use ndarray::ArrayView1;
use std::sync::Arc;
use tripline_models::model::Model;
use tripline_models::profile::Profile;
use tripline_rules::action::{Action, Cooldown, Mode, Severity, Target, Verb};
use tripline_rules::money::Currency;
use tripline_rules::program::Fired;
use tripline_rules::ruleset::{Described, ReadFrom, Rule, Ruleset};
use tripline_rules::schema::{ACCOUNT_ID, EVENT_ID, TX_AMOUNT, TX_CURRENCY};
use tripline_rules::value::Slot;

/// Scores add up to at most this.
const SCORE_MAX: i32 = 100;

/// What is the same for all key spaces of one event.
pub struct Scene<'a> {
    /// Partition of the input.
    pub partition: u32,
    /// The record that the event came with.
    pub record: &'a Record,
    /// The profile score; NaN without one.
    pub score: f64,
    /// The profile's inputs, `[F]`.
    pub inputs: Option<ArrayView1<'a, f64>>,
}

/// What all key spaces together made of one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Sum of the live rules' scores, at most 100.
    pub score: i32,
    /// The highest action.
    pub action: Verb,
    /// Live rules that fired, silenced ones included, as positions in the ruleset.
    pub live: Vec<usize>,
}

impl Default for Outcome {
    fn default() -> Outcome {
        Outcome { score: 0, action: Verb::None, live: Vec::new() }
    }
}

/// Judges the events of one engine.
pub struct Judge {
    installation: Arc<Installation>,
    profile: Option<Slot>,
    fired: Fired,
    live: Vec<Firing>,
    shadow: Vec<usize>,
}

/// A live rule that fired.
#[derive(Clone, Copy)]
struct Firing {
    rule: usize,
    cooldown_key: u128,
    silenced: bool,
}

/// What was decided about one event in one key space.
struct Decision<'r> {
    score: i32,
    action: Option<&'r Action>,
}

impl Judge {
    /// A judge of this installation.
    pub fn new(installation: &Arc<Installation>) -> Judge {
        Judge {
            profile: installation.ruleset().model_slot("profile"),
            installation: Arc::clone(installation),
            fired: Fired::default(),
            live: Vec::new(),
            shadow: Vec::new(),
        }
    }

    /// Puts the model's score where rules read it.
    pub fn prepare(&self, event: &mut Event, score: f64) {
        if let Some(slot) = self.profile {
            event.registers.set_number(slot, score);
        }
    }

    /// Judges an event in one key space and writes verdict and alert.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of one event's judgement with a life of its own"
    )]
    pub fn judge(
        &mut self,
        space: &mut Space,
        seated: &Seated,
        event: &mut Event,
        scene: &Scene<'_>,
        out: &mut Outputs,
        counts: &mut Counts,
        outcome: &mut Outcome,
    ) {
        self.fired.clear();
        let program = Arc::clone(space.program());
        program.judge(event.event_type, &mut event.registers, &event.texts, &mut self.fired, &mut ());
        counts.unknown += self.fired.unknown.len() as u64;
        if self.fired.rules.is_empty() {
            return;
        }
        let ruleset = Arc::clone(self.installation.ruleset());
        let Some(key) = space.key(event) else { return };
        self.sort_out(key, event, counts);
        let decision = self.decide(&ruleset);
        for firing in &mut self.live {
            let rule = &ruleset.rules()[firing.rule];
            firing.silenced = rule.cooldown.as_ref().is_some_and(|cooldown| {
                let lifted = cooldown.unless_score_increases;
                space.decisions.is_silenced(&rule.id, firing.cooldown_key, event.at, decision.score, lifted)
            });
        }
        outcome.score = (outcome.score + decision.score).min(SCORE_MAX);
        outcome.action = outcome.action.max(verb(decision.action));
        outcome.live.extend(self.live.iter().map(|firing| firing.rule));
        self.write(space, key, seated, event, scene, &decision, out, counts);
    }

    /// Splits what fired into live and shadow rules, and finds what each cooldown is about.
    fn sort_out(&mut self, key: u128, event: &Event, counts: &mut Counts) {
        self.live.clear();
        self.shadow.clear();
        for number in &self.fired.rules {
            let rule = &self.installation.ruleset().rules()[*number];
            counts.fired[*number] += 1;
            match rule.mode {
                Mode::Live => {
                    let cooldown = rule.cooldown.as_ref();
                    let cooldown_key = cooldown.map_or(key, |cooldown| {
                        cooldown_key(self.installation.settings(), cooldown, key, event)
                    });
                    self.live.push(Firing { rule: *number, cooldown_key, silenced: false });
                }
                Mode::Shadow | Mode::Off => self.shadow.push(*number),
            }
        }
    }

    fn decide<'r>(&self, ruleset: &'r Ruleset) -> Decision<'r> {
        let rules = self.live.iter().map(|firing| &ruleset.rules()[firing.rule]);
        let sum: i32 = rules.clone().map(|rule| rule.score).sum();
        let score = sum.clamp(0, SCORE_MAX);
        // Of equally high actions the first rule's says target and duration, and a rule's own before the sum's.
        let mut action = None;
        for own in rules.filter_map(|rule| rule.action.as_ref()).chain(ruleset.decide(f64::from(score))) {
            if verb(Some(own)) > verb(action) {
                action = Some(own);
            }
        }
        Decision { score, action }
    }

    #[expect(clippy::too_many_arguments, reason = "as in `judge`")]
    fn write(
        &self,
        space: &mut Space,
        key: u128,
        seated: &Seated,
        event: &mut Event,
        scene: &Scene<'_>,
        decision: &Decision<'_>,
        out: &mut Outputs,
        counts: &mut Counts,
    ) {
        let speaks = self.live.iter().any(|firing| !firing.silenced);
        let acts = verb(decision.action) > Verb::None;
        let mut changes = Vec::new();
        let mut alert_id = None;
        if acts && !self.live.is_empty() {
            let open = space.decisions.open_incident(key, event.at);
            if speaks || open.is_some() {
                let named = self.id(space, AlertKind::New, event);
                let (incident, change) = space.decisions.raise_incident(key, event.at, named);
                changes.push(change);
                if speaks {
                    self.open_cooldowns(space, event.at, decision.score, &mut changes);
                    let kind = if incident.seq == 1 { AlertKind::New } else { AlertKind::Update };
                    let id = format!("{:032x}", self.id(space, kind, event));
                    let place = Place { space, seated, incident, kind, id: &id };
                    self.write_alert(&place, event, scene, decision, out);
                    counts.alerts += 1;
                    alert_id = Some(id);
                }
            }
            counts.suppressed += u64::from(!speaks);
        }
        self.write_verdict(space, event, scene, decision, alert_id.as_deref(), &changes, out);
        counts.verdicts += 1;
        space.sweep_decisions(event.at, self.installation.settings().lateness_ms);
    }

    fn open_cooldowns(&self, space: &mut Space, at: Timestamp, score: i32, changes: &mut Vec<Change>) {
        for firing in self.live.iter().filter(|firing| !firing.silenced) {
            let rule = &self.installation.ruleset().rules()[firing.rule];
            if let Some(cooldown) = &rule.cooldown {
                let until = Timestamp(at.0.saturating_add(cooldown.length));
                changes.push(space.decisions.open_cooldown(&rule.id, firing.cooldown_key, until, score));
            }
        }
    }

    /// Keyed hash of stream, key space, kind and the event's identity.
    fn id(&self, space: &Space, kind: AlertKind, event: &Event) -> u128 {
        let mut identity = Vec::with_capacity(128);
        let types = self.installation.schema().event_types();
        for part in [
            self.installation.settings().stream.as_str(),
            &space.program().plan().space.entity,
            kind.name(),
            types.value(event.event_type).unwrap_or_default(),
            event.texts.get(EVENT_ID).unwrap_or_default(),
        ] {
            identity.extend_from_slice(part.as_bytes());
            identity.push(0);
        }
        self.installation.settings().key.entity(&identity)
    }

    fn write_alert(
        &self,
        place: &Place<'_>,
        event: &mut Event,
        scene: &Scene<'_>,
        decision: &Decision<'_>,
        out: &mut Outputs,
    ) {
        let rules = || {
            self.live.iter().map(|firing| (firing.rule, &self.installation.ruleset().rules()[firing.rule]))
        };
        let written: Vec<RulePart<'_>> =
            rules().map(|(number, rule)| self.rule_part(number, rule, event)).collect();
        let models = self.models(scene);
        let severity = rules().map(|(_, rule)| rule.severity).max().expect("an alert has a live rule");
        let alert = Alert {
            id: place.id,
            kind: place.kind,
            incident: place.incident.id,
            seq: place.incident.seq,
            at: event.at,
            expires_at: Timestamp(event.at.0 + ALERT_VALID_MS),
            account: event.texts.get(ACCOUNT_ID).unwrap_or_default(),
            entity: entity(place.space, event),
            event: self.event_part(event),
            action: action_part(decision.action),
            severity: severity_name(severity),
            score: decision.score,
            rules: written,
            models: &models,
            coverage: self.coverage(place, event.at),
            approximate: rules().any(|(_, rule)| self.reads_approximate(rule, place)),
            out_of_order: place.seated.out_of_order,
            pack: self.installation.ruleset().hash(),
            source: self.source(scene),
            test: false,
        };
        let headers = vec![
            (header::CE_SPECVERSION, "1.0".to_owned()),
            (header::CE_ID, place.id.to_owned()),
            (header::CE_TYPE, format!("tripline.alert.{}", place.kind.name())),
            (header::CE_SOURCE, format!("/tripline/{}", self.installation.settings().stream)),
            (header::CE_TIME, event.at.to_string()),
            (header::CONTENT_TYPE, "application/json".to_owned()),
        ];
        out.push_json(Topic::Alerts, scene.record.offset, alert.entity.id.as_bytes(), &alert, headers);
    }

    #[expect(clippy::too_many_arguments, reason = "as in `judge`")]
    fn write_verdict(
        &self,
        space: &Space,
        event: &Event,
        scene: &Scene<'_>,
        decision: &Decision<'_>,
        alert: Option<&str>,
        changes: &[Change],
        out: &mut Outputs,
    ) {
        let id = |number: &usize| self.installation.ruleset().rules()[*number].id.as_str();
        let verdict = Verdict {
            event: self.event_part(event),
            at: event.at,
            account: event.texts.get(ACCOUNT_ID).unwrap_or_default(),
            entity: entity(space, event),
            score: decision.score,
            action: action_part(decision.action),
            rules: self.live.iter().map(|firing| id(&firing.rule)).collect(),
            shadow: self.shadow.iter().map(id).collect(),
            silenced: self
                .live
                .iter()
                .filter(|firing| firing.silenced)
                .map(|firing| id(&firing.rule))
                .collect(),
            unknown: self.fired.unknown.len(),
            models: ModelScores::of(scene.score),
            alert,
            changes,
            pack: self.installation.ruleset().hash(),
            source: self.source(scene),
        };
        out.push_json(Topic::Verdicts, scene.record.offset, verdict.account.as_bytes(), &verdict, Vec::new());
    }

    fn rule_part<'r>(&'r self, number: usize, rule: &'r Rule, event: &mut Event) -> RulePart<'r> {
        let mut reason = String::new();
        self.installation.ruleset().reason(number, &mut event.registers, &event.texts, &mut reason);
        let mut values = serde_json::Map::new();
        for (name, value) in self.installation.ruleset().values(number, &event.registers, &event.texts) {
            values.insert(name.to_owned(), json(value));
        }
        RulePart {
            id: &rule.id,
            version: &rule.version,
            title: &rule.title,
            score: rule.score,
            reason,
            typology: &rule.typology,
            values,
        }
    }

    fn models(&self, scene: &Scene<'_>) -> Vec<ModelPart<'static>> {
        let Some(inputs) = scene.inputs else { return Vec::new() };
        let contributions = Profile.contributions(inputs);
        let contributions = contributions
            .into_iter()
            .map(|part| ContributionPart { part: part.part, value: part.value, words: part.words })
            .collect();
        vec![ModelPart {
            name: Profile.name(),
            version: Profile.version(),
            score: scene.score,
            contributions,
        }]
    }

    /// The smallest share of a window that is held, of all windows that the fired rules read.
    fn coverage(&self, place: &Place<'_>, at: Timestamp) -> Option<f64> {
        let plan = place.space.program().plan();
        let read =
            self.live.iter().flat_map(|firing| facts(&self.installation.ruleset().rules()[firing.rule]));
        let smallest = read
            .filter_map(|(slot, aggregate)| match aggregate.map(|fact| &plan.aggregates[fact]) {
                Some(aggregate) => Some((aggregate.over, aggregate.delay)),
                None => plan
                    .populations
                    .iter()
                    .find(|rank| rank.slot == slot)
                    .map(|rank| (Some(rank.over_ms()), 0)),
            })
            .map(|(over, delay)| covered(over, delay, at, place.seated.held_from))
            .fold(1.0, f64::min);
        (smallest < 1.0).then_some(smallest)
    }

    fn reads_approximate(&self, rule: &Rule, place: &Place<'_>) -> bool {
        facts(rule)
            .any(|(_, aggregate)| aggregate.is_some_and(|fact| place.seated.marks.approximate.has(fact)))
    }

    fn event_part<'e>(&'e self, event: &'e Event) -> EventPart<'e> {
        let currency = event.registers.get(TX_CURRENCY).and_then(Currency::by_number);
        let amount = event.registers.number(TX_AMOUNT).zip(currency);
        EventPart {
            id: event.texts.get(EVENT_ID).unwrap_or_default(),
            event_type: self.installation.schema().event_types().value(event.event_type).unwrap_or_default(),
            amount: amount.map(|(minor, currency)| Money { minor: whole(minor), currency: currency.code() }),
        }
    }

    fn source(&self, scene: &Scene<'_>) -> SourcePart<'_> {
        SourcePart {
            topic: &self.installation.settings().topic,
            partition: scene.partition,
            offset: scene.record.offset,
        }
    }
}

/// Where an alert stands.
struct Place<'a> {
    space: &'a Space,
    seated: &'a Seated,
    incident: crate::suppress::Incident,
    kind: AlertKind,
    id: &'a str,
}

/// Facts of the rule's own key space that it reads: their register and, but for population ranks, their place in the plan.
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

fn entity<'e>(space: &'e Space, event: &'e Event) -> Entity<'e> {
    let of = &space.program().plan().space;
    Entity { kind: &of.entity, id: event.texts.get(of.key).unwrap_or_default() }
}

fn verb(action: Option<&Action>) -> Verb {
    action.map_or(Verb::None, |action| action.verb)
}

/// An action as it is written.
pub fn verb_name(verb: Verb) -> &'static str {
    match verb {
        Verb::None => "none",
        Verb::Alert => "alert",
        Verb::Review => "review",
        Verb::StepUp => "step_up",
        Verb::Hold => "hold",
        Verb::Block => "block",
    }
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

fn action_part(action: Option<&Action>) -> ActionPart<'static> {
    let target = action.and_then(|action| action.target).map(|target| match target {
        Target::Card => "card",
        Target::Account => "account",
        Target::Payee => "payee",
    });
    ActionPart { verb: verb_name(verb(action)), target, for_ms: action.and_then(|action| action.length) }
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
