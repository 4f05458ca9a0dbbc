//! The decision about one event in one key space. It is owned and complete: alerts and verdicts are rendered from it
//! without reading the shard or the event again, and so can any other view.

use crate::batch::Timestamp;
use crate::suppress::{Change, Incident};
use serde_json::{Map, Value};
use tripline_models::model::Contribution;
use tripline_rules::action::{Action, Severity, Verb};
use tripline_rules::money::Currency;

/// Scores add up to at most this.
pub const SCORE_MAX: i32 = 100;

/// The decision about one event on which any rule of a key space fired. Rules are positions in the ruleset.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Position of the key space's program in the ruleset.
    pub program_number: usize,
    /// Event time.
    pub at: Timestamp,
    /// Id of the account, as the event contains it.
    pub account: String,
    /// Id of the key space's entity, as the event contains it.
    pub entity: String,
    /// The judged event.
    pub event: JudgedEvent,
    /// Sum of the live rules' scores, 0 to 100.
    pub score: i32,
    /// The highest action, if any rule or the score asks for one.
    pub action: Option<Action>,
    /// Id of the action's target, as the event contains it.
    pub target: Option<String>,
    /// Live rules that fired, in pack order.
    pub live: Vec<FiredRule>,
    /// Shadow rules that fired, in pack order.
    pub shadow: Vec<usize>,
    /// Number of rules whose condition was unknown.
    pub unknown: usize,
    /// Scores of the models that read the event.
    pub models: Vec<ModelResult>,
    /// Every change of decision state.
    pub changes: Vec<Change>,
    /// The alert, if one is raised.
    pub alert: Option<RaisedAlert>,
}

/// The event as alerts and verdicts cite it.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedEvent {
    /// Its id.
    pub id: String,
    /// Code of its type in the schema's event types.
    pub event_type: u16,
    /// Its money: minor units and their currency.
    pub amount: Option<(i64, Currency)>,
}

/// A live rule that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiredRule {
    /// The rule.
    pub rule: usize,
    /// Key of its cooldown: the ledger's, or that of an entity inside it.
    pub(crate) cooldown_key: u128,
    /// Whether a cooldown silences it.
    pub silenced: bool,
    /// Whether an interval of its cooldown that is no longer held might have.
    pub(crate) may_be_silenced: bool,
}

/// A model's score of the event.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelResult {
    /// Its position in the registry.
    pub model: usize,
    /// 0 to 1; NaN where the model gave none.
    pub score: f64,
    /// Contributions to the score, the largest first; empty unless an alert is raised.
    pub contributions: Vec<Contribution>,
}

/// What an alert contains beside its decision.
#[derive(Clone, Debug, PartialEq)]
pub struct RaisedAlert {
    /// Keyed hash of stream, key space, entity, kind and the event's identity.
    pub id: u128,
    /// Position of the alert in its incident.
    pub kind: AlertKind,
    /// The incident after this alert.
    pub incident: Incident,
    /// The highest severity of the live rules that fired.
    pub severity: Severity,
    /// Reasons and values of the live rules, in the order of [`Decision::live`].
    pub evidence: Vec<Evidence>,
    /// The smallest covered share of a window, of all that the rules read; `None` if all windows are covered.
    pub coverage: Option<f64>,
    /// Whether state that the rules read, or their cooldowns and the incident, was dropped or is not held for as long
    /// as they ask for, or a count stopped at its maximum.
    pub approximate: bool,
    /// Whether newer rows of the same key existed.
    pub out_of_order: bool,
}

/// Why a rule fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The reason in plain words.
    pub reason: String,
    /// Values that its condition and reason read, by name, as alerts carry them.
    pub values: Map<String, Value>,
}

/// The position of an alert in its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The first one.
    New,
    /// A further one.
    Update,
}

impl AlertKind {
    /// The kind as records contain it.
    pub fn name(self) -> &'static str {
        match self {
            AlertKind::New => "new",
            AlertKind::Update => "update",
        }
    }
}

impl Decision {
    /// The verb of the action; `Verb::None` without one.
    pub fn verb(&self) -> Verb {
        verb(self.action.as_ref())
    }

    /// Whether the decision would have raised an alert, had cooldowns not silenced all of its live rules.
    pub fn is_suppressed(&self) -> bool {
        self.verb() > Verb::None && !self.live.is_empty() && self.live.iter().all(|fired| fired.silenced)
    }
}

/// The verb of an action; `Verb::None` without one.
pub(crate) fn verb(action: Option<&Action>) -> Verb {
    action.map_or(Verb::None, |action| action.verb)
}

/// The decisions of all key spaces about one event, merged.
#[derive(Clone, Debug, PartialEq)]
pub struct EventOutcome {
    /// Sum of the live rules' scores, at most 100.
    pub score: i32,
    /// The highest action.
    pub action: Verb,
    /// Live rules that fired, silenced ones included, as positions in the ruleset.
    pub live: Vec<usize>,
    /// Shadow rules that fired, as positions in the ruleset.
    pub shadow: Vec<usize>,
}

impl Default for EventOutcome {
    fn default() -> EventOutcome {
        EventOutcome { score: 0, action: Verb::None, live: Vec::new(), shadow: Vec::new() }
    }
}

impl EventOutcome {
    /// Adds the decision of a further key space.
    pub(crate) fn add(&mut self, decision: &Decision) {
        self.score = (self.score + decision.score).min(SCORE_MAX);
        self.action = self.action.max(decision.verb());
        self.live.extend(decision.live.iter().map(|fired| fired.rule));
        self.shadow.extend(&decision.shadow);
    }
}
