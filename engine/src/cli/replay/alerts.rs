//! The first alerts of a replay as lines for people, with times in the zone of the pack. It reads rendered alerts.

use crate::cli::text::grouped;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt::Write;
use tripline_core::batch::Timestamp;
use tripline_core::installation::Installation;
use tripline_core::outputs::{Outputs, Topic};
use tripline_rules::text::printable;

/// Alerts that are listed.
const LISTED_MAX: u64 = 20;

/// The list, and how many alerts there are.
#[derive(Default)]
pub struct AlertList {
    alerts: u64,
    text: String,
}

#[derive(Deserialize)]
struct Alert<'a> {
    at: Timestamp,
    #[serde(borrow)]
    account: Cow<'a, str>,
    #[serde(borrow)]
    event: Event<'a>,
    #[serde(borrow)]
    action: Action<'a>,
    score: i32,
    #[serde(borrow)]
    rules: Vec<Rule<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(rename = "do", borrow)]
    verb: Cow<'a, str>,
    #[serde(borrow)]
    target: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Rule<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

impl AlertList {
    /// Takes the alerts of a step.
    pub fn take(&mut self, installation: &Installation, out: &Outputs) {
        for output in out.records.iter().filter(|output| output.topic == Topic::Alerts) {
            self.alerts += 1;
            if self.alerts <= LISTED_MAX
                && let Ok(alert) = serde_json::from_slice::<Alert<'_>>(out.value(output))
            {
                self.add(installation, &alert);
            }
        }
    }

    fn add(&mut self, installation: &Installation, alert: &Alert<'_>) {
        let rules = installation.ruleset().rules();
        let first = alert.rules.first().and_then(|fired| rules.iter().find(|rule| rule.id == *fired.id));
        let zone = first.map_or(jiff::tz::TimeZone::UTC, |rule| rule.zone().clone());
        let at = jiff::Timestamp::from_millisecond(alert.at.0).unwrap_or_default().to_zoned(zone);
        let Action { verb, target, id } = &alert.action;
        let _ = write!(
            self.text,
            "{}  {}  {}  score {}  {verb}",
            at.strftime("%Y-%m-%d %H:%M:%S %Z"),
            printable(&alert.account),
            printable(&alert.event.id),
            alert.score
        );
        for word in target.iter().chain(id) {
            let _ = write!(self.text, " {}", printable(word));
        }
        self.text.push('\n');
        for rule in &alert.rules {
            let _ = writeln!(self.text, "    {:<12}  {}", rule.id, printable(&rule.reason));
        }
    }

    /// The list with its heading; empty without alerts.
    pub fn text(mut self) -> String {
        if self.alerts > LISTED_MAX {
            let more = grouped(self.alerts - LISTED_MAX);
            let _ = writeln!(self.text, "and {more} more alerts: `--output FILE` writes all of them");
        }
        if self.alerts > 0 {
            self.text.push('\n');
        }
        self.text
    }
}
