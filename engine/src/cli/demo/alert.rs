//! An alert as a subscriber reads it: the fields of the published JSON that the screen shows and the counts need.

use serde::Deserialize;
use tripline_core::batch::Timestamp;
use tripline_core::outputs::{Outputs, Topic};
use tripline_rules::money::Currency;

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
        let exponent = Currency::by_code(&self.currency).map_or(2, Currency::exponent);
        let unit = 10_u64.pow(u32::from(exponent));
        let minor = self.minor.unsigned_abs();
        let sign = if self.minor < 0 { "-" } else { "" };
        write!(f, "{sign}{}", crate::cli::text::grouped(minor / unit))?;
        if exponent > 0 {
            write!(f, ".{:0width$}", minor % unit, width = usize::from(exponent))?;
        }
        write!(f, " {}", self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_the_decimals_of_its_currency() {
        let written = |minor, currency: &str| Money { minor, currency: currency.to_owned() }.to_string();
        assert_eq!(written(123_450, "USD"), "1,234.50 USD");
        assert_eq!(written(1_000_000, "JPY"), "1,000,000 JPY");
        assert_eq!(written(-7, "EUR"), "-0.07 EUR");
    }
}
