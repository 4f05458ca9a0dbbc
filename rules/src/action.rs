//! What follows from a rule that fires: severity, mode, action, cooldown.
//!
//! It does not depend on rules, scores or what an engine does with an action.

use crate::time::Ms;
use crate::value::Slot;

/// Severity of an alert that a rule raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as in packs")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// All severities, ascending.
    pub(crate) const ALL: [Severity; 4] =
        [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The severity as packs and alerts contain it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// Whether a rule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Not evaluated.
    Off,
    /// Evaluated and recorded; never acts.
    Shadow,
    /// Acts.
    Live,
}

/// What is done, in ascending order of strength; of several, the strongest applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as in packs")]
pub enum Verb {
    None,
    Alert,
    Review,
    StepUp,
    Hold,
    Block,
}

impl Verb {
    /// All verbs, ascending.
    pub(crate) const ALL: [Verb; 6] =
        [Verb::None, Verb::Alert, Verb::Review, Verb::StepUp, Verb::Hold, Verb::Block];

    /// The verb as packs and alerts contain it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::None => "none",
            Verb::Alert => "alert",
            Verb::Review => "review",
            Verb::StepUp => "step_up",
            Verb::Hold => "hold",
            Verb::Block => "block",
        }
    }
}

/// The object of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as in packs")]
pub enum Target {
    Card,
    Account,
    Payee,
}

impl Target {
    /// All targets.
    pub(crate) const ALL: [Target; 3] = [Target::Card, Target::Account, Target::Payee];

    /// The target as packs and alerts contain it.
    pub fn name(self) -> &'static str {
        match self {
            Target::Card => "card",
            Target::Account => "account",
            Target::Payee => "payee",
        }
    }

    /// The field whose value names the target of an event.
    pub fn field(self) -> &'static str {
        match self {
            Target::Card => "card.id",
            Target::Account => "account.id",
            Target::Payee => "payee.id",
        }
    }
}

/// An action. It applies to later events: the judged one has already happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What is done.
    pub verb: Verb,
    /// The object; the rule's subject without one.
    pub target: Option<Target>,
    /// Duration, ms.
    pub length: Option<Ms>,
}

/// The period in which a rule that has fired sends no further alert about the same entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// `account`, `card`, or an entity such as `terminal`.
    pub entity: String,
    /// The field that holds its id; an event without it falls back to the account.
    pub key: Slot,
    /// Duration, ms.
    pub length: Ms,
    /// Whether a higher score is alerted again within the period.
    pub unless_score_increases: bool,
}
