//! The first alerts of a replay as lines for people, with times in the zone of the pack. It reads rendered alerts.

use crate::cli::text::{WIDTH, grouped, money, wrapped};
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt::Write;
use tripline_core::batch::Timestamp;
use tripline_core::installation::Installation;
use tripline_core::outputs::{Outputs, Topic};
use tripline_rules::text::printable;

/// Alerts that are listed.
const LISTED_MAX: u64 = 20;
/// Before the lines that belong to an alert.
const INDENT: &str = "    ";
/// Characters that a reason has in a line, however long the id of its rule is.
const REASON_WIDTH_MIN: usize = 20;

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
    #[serde(borrow)]
    severity: Cow<'a, str>,
    score: i32,
    #[serde(borrow)]
    rules: Vec<Rule<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    amount: Option<Money<'a>>,
}

#[derive(Deserialize)]
struct Money<'a> {
    minor: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
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
        let action: Vec<&str> =
            [Some(verb), target.as_ref(), id.as_ref()].into_iter().flatten().map(|w| &**w).collect();
        let mut parts = vec![
            at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
            alert.severity.to_string(),
            format!("score {}", alert.score),
        ];
        parts.extend(alert.event.amount.as_ref().map(|amount| money(amount.minor, &amount.currency)));
        parts.push(action.join(" "));
        self.parts("", &parts);
        let Event { id, event_type, .. } = &alert.event;
        self.parts(INDENT, &[format!("account {}", alert.account), format!("{event_type} {id}")]);
        for rule in &alert.rules {
            let name = format!("{INDENT}{:<12}  ", rule.id);
            let indent = name.chars().count();
            let reason = printable(&rule.reason);
            let lines = wrapped(&reason, WIDTH.saturating_sub(indent).max(REASON_WIDTH_MIN));
            let _ = writeln!(self.text, "{name}{}", lines.join(&format!("\n{:indent$}", "")).trim_end());
        }
    }

    /// Parts of a line, two blanks apart; one that does not fit begins the next line.
    fn parts(&mut self, indent: &str, parts: &[String]) {
        let mut length = 0;
        for part in parts {
            let part = printable(part);
            let own = part.chars().count();
            if length > 0 && length + 2 + own > WIDTH {
                let _ = write!(self.text, "\n{INDENT}{part}");
                length = INDENT.len() + own;
            } else if length > 0 {
                let _ = write!(self.text, "  {part}");
                length += 2 + own;
            } else {
                let _ = write!(self.text, "{indent}{part}");
                length = indent.len() + own;
            }
        }
        self.text.push('\n');
    }

    /// The list, and how much of all it is; empty without alerts.
    pub fn text(mut self) -> String {
        if self.alerts > LISTED_MAX {
            let (all, more) = (grouped(self.alerts), grouped(self.alerts - LISTED_MAX));
            let _ = writeln!(
                self.text,
                "the first {LISTED_MAX} of {all} alerts; {more} are not shown: `--output FILE` writes all"
            );
        }
        if self.alerts > 0 {
            self.text.push('\n');
        }
        self.text
    }
}
