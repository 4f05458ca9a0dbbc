//! The whole alert, as the bank's own notification topic carries it.
//!
//! Written with serde in a fixed order of keys, so that equal alerts are equal bytes. It decides nothing.

use crate::batch::Timestamp;
use crate::decision::AlertKind;
use crate::suppress::hex;
use serde::Serialize;
use tripline_models::model::Contribution;
use tripline_rules::time::DAY_MS;

/// How long an alert stays worth acting on.
pub const ALERT_VALID_MS: i64 = DAY_MS;

/// An alert.
#[derive(Debug, Serialize)]
pub struct Alert<'a> {
    /// Keyed hash of stream, key space, entity, kind and the event's identity (account, type, id): it does not depend
    /// on the pack.
    pub id: &'a str,
    /// What it is in its incident.
    pub kind: AlertKind,
    /// The incident it belongs to.
    #[serde(with = "hex")]
    pub incident: u128,
    /// Its number in the incident, silenced firings counted.
    pub seq: u32,
    /// When the event happened.
    pub at: Timestamp,
    /// When acting on it has become pointless.
    pub expires_at: Timestamp,
    /// The account.
    pub account: &'a str,
    /// The entity it is about.
    pub entity: Entity<'a>,
    /// What it is about.
    pub event: EventPart<'a>,
    /// What happens from now on.
    pub action: ActionPart<'a>,
    /// The highest severity of the live rules that fired.
    pub severity: &'a str,
    /// Sum of the live rules' scores, 0 to 100.
    pub score: i32,
    /// The live rules that fired, in pack order.
    pub rules: Vec<RulePart<'a>>,
    /// Models whose score was known.
    pub models: Vec<ModelPart<'a>>,
    /// The smallest share of a window that was held, of all that the rules read, in whichever key space it was
    /// computed; absent when all windows were whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Whether something that the rules read had lost state, or a count stopped at its maximum.
    pub approximate: bool,
    /// Whether newer events of the same key had already been seen.
    pub out_of_order: bool,
    /// Hash of the packs.
    pub pack: &'a str,
    /// Where the event was read.
    pub source: SourcePart<'a>,
    /// Whether this is a test alert.
    pub test: bool,
}

/// The entity an alert is about.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Entity<'a> {
    /// `account`, `terminal`, …
    pub kind: &'a str,
    /// Its id.
    pub id: &'a str,
}

/// The judged event.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct EventPart<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: &'a str,
    /// Its money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money<'a>>,
}

/// Money on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Money<'a> {
    /// Minor units.
    pub minor: i64,
    /// ISO 4217 code.
    pub currency: &'a str,
}

/// An action with its target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ActionPart<'a> {
    /// `block`, `hold`, `step_up`, `review`, `alert` or `none`.
    #[serde(rename = "do")]
    pub verb: &'a str,
    /// What it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'a str>,
    /// Id of that card, account or payee, as the event contains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// For how long, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<i64>,
}

/// A rule that fired.
#[derive(Debug, Serialize)]
pub struct RulePart<'a> {
    /// Its id.
    pub id: &'a str,
    /// Hash of its meaning: it changes when the rule does.
    pub version: &'a str,
    /// What people call it.
    pub title: &'a str,
    /// What it added to the score.
    pub score: i32,
    /// Why, in plain words.
    pub reason: &'a str,
    /// Ids of the fraud types it looks for.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub typology: &'a [String],
    /// The values its condition and reason read, by name.
    pub values: &'a serde_json::Map<String, serde_json::Value>,
}

/// A model's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelPart<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// 0 to 1.
    pub score: f64,
    /// What each part added, the largest first.
    pub contributions: Vec<ContributionPart<'a>>,
}

/// What one part of a model added.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContributionPart<'a> {
    /// The part.
    pub part: &'a str,
    /// What it added, in the model's own units.
    pub value: f64,
    /// The same in plain words.
    pub words: &'a str,
}

impl<'a> ContributionPart<'a> {
    /// A contribution as alerts carry it.
    pub(crate) fn of(contribution: &'a Contribution) -> ContributionPart<'a> {
        ContributionPart { part: contribution.part, value: contribution.value, words: &contribution.words }
    }
}

/// Where a record was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SourcePart<'a> {
    /// Name of the topic or stream.
    pub topic: &'a str,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: i64,
}
