//! An alert as a subscriber reads it: the fields of the published JSON that the screen shows and the counts need.

use crate::cli::text::money;
use serde::Deserialize;
use tripline_core::batch::Timestamp;
use tripline_core::outputs::{Outputs, Topic};

/// An alert.
#[derive(Clone, Debug, Deserialize)]
pub struct Alert {
    /// When its event happened.
    pub at: Timestamp,
    /// The account.
    pub account: String,
    /// The entity that it is about.
    pub entity: Entity,
    /// The judged event.
    pub event: Event,
    /// The recommended action.
    pub action: Action,
    /// `low` to `critical`.
    pub severity: String,
    /// The rules that fired.
    pub rules: Vec<Rule>,
}

/// The entity of an alert.
#[derive(Clone, Debug, Deserialize)]
pub struct Entity {
    /// `account`, `terminal`, …
    pub kind: String,
    /// Its id.
    pub id: String,
}

/// The judged event.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its amount.
    pub amount: Option<Money>,
}

/// An amount.
#[derive(Clone, Debug, Deserialize)]
pub struct Money {
    /// Minor units.
    pub minor: i64,
    /// ISO 4217.
    pub currency: String,
}

/// A recommended action.
#[derive(Clone, Debug, Deserialize)]
pub struct Action {
    /// `block`, `hold`, …
    #[serde(rename = "do")]
    pub verb: String,
    /// Its target.
    pub target: Option<String>,
}

/// A rule that fired.
#[derive(Clone, Debug, Deserialize)]
pub struct Rule {
    /// Its title.
    pub title: String,
    /// Its part of the score.
    pub score: i32,
    /// Why it fired.
    pub reason: String,
}

impl Alert {
    /// The alerts among outputs.
    ///
    /// # Errors
    /// When an alert is not as published.
    pub fn all(out: &Outputs) -> impl Iterator<Item = serde_json::Result<Alert>> {
        let alerts = out.records.iter().filter(|output| output.topic == Topic::Alerts);
        alerts.map(|output| serde_json::from_slice(out.value(output)))
    }
}

impl std::fmt::Display for Money {
    /// `1,234.50 USD`, as reasons have it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&money(self.minor, &self.currency))
    }
}
