//! The output of the demo: lines, in colour where the terminal and `NO_COLOR` allow it. The cursor is never moved.

use super::alert::{Alert, Rule};
use super::campaign_counts::{Assessment, CampaignCounts, oddity_name};
use super::scenario::{LIVE, ScenarioSettings};
use super::summary::Summary;
use crate::cli::text::grouped;
use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use std::io::{self, Write};
use std::time::Duration;
use tripline_rules::text::printable;

/// Rules shown per alert, those of the highest score first.
const RULES_SHOWN: usize = 3;
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const KNOWN: Style = AnsiColor::Green.on_default();
const WRONG: Style = AnsiColor::Yellow.on_default();

/// Writes the output of the demo.
pub struct Screen<W: Write> {
    out: W,
}

/// Output on standard output, or on standard error when standard output is for JSON.
pub fn open(json: bool) -> Screen<Box<dyn Write + Send>> {
    let out: Box<dyn Write + Send> = if json {
        Box::new(AutoStream::auto(io::stderr()))
    } else {
        Box::new(AutoStream::auto(io::stdout()))
    };
    Screen { out }
}

impl<W: Write> Screen<W> {
    /// The address and the topics of the broker, and how another client consumes alerts.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn broker(&mut self, address: &str, topics: &[&str], alerts: &str) -> io::Result<()> {
        writeln!(self.out, "{BOLD}Kafka broker{BOLD:#} {address}, in this process")?;
        writeln!(self.out, "Topics: {}", topics.join(" "))?;
        writeln!(self.out, "Read alerts with any Kafka client: {BOLD}kcat -b {address} -t {alerts}{BOLD:#}")?;
        self.out.flush()
    }

    /// The history is in the ledgers.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn loaded(&mut self, settings: ScenarioSettings, events: u64, took: Duration) -> io::Result<()> {
        let ScenarioSettings { seed, accounts, .. } = settings;
        let (accounts, events) = (grouped(accounts.into()), grouped(events));
        let seconds = took.as_secs_f64();
        writeln!(
            self.out,
            "Seed {seed}: 90 days of history, {accounts} accounts, {events} events, loaded in {seconds:.1} s"
        )?;
        self.out.flush()
    }

    /// The live part begins.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn live(&mut self, settings: ScenarioSettings) -> io::Result<()> {
        let live = jiff::Timestamp::from_millisecond(LIVE.0).unwrap_or_default();
        let live = live.strftime("%A, %-d %B %Y, %H:%M UTC");
        writeln!(self.out, "Live from {live}; 1 s of real time is {} s simulated\n", settings.speed_up)?;
        self.out.flush()
    }

    /// An alert and whether it is correct; then the rules that fired.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn alert(&mut self, alert: &Alert, assessment: Assessment) -> io::Result<()> {
        let time = jiff::Timestamp::from_millisecond(alert.at.0).unwrap_or_default();
        let severity = severity_style(&alert.severity);
        let about = match alert.entity.kind.as_str() {
            "account" => format!("account {}", alert.account),
            // A customer's report names an earlier event; without its row the terminal's id is unknown.
            kind if alert.entity.id.is_empty() => format!("a {kind}"),
            kind => format!("{kind} {}", alert.entity.id),
        };
        let action = match &alert.action.target {
            Some(target) => format!("{} {target}", alert.action.verb.replace('_', " ")),
            None => alert.action.verb.replace('_', " "),
        };
        let amount = alert.event.amount.as_ref().map_or(String::new(), |amount| format!(", {amount}"));
        let (style, word) = assessment_text(assessment);
        writeln!(
            self.out,
            "{DIM}{}{DIM:#} {severity}{:<8}{severity:#} {about}: {BOLD}{action}{BOLD:#}, {}{amount}  {style}{word}{style:#}",
            time.strftime("%H:%M:%S"),
            alert.severity.to_uppercase(),
            alert.event.event_type.replace('_', " "),
        )?;
        let mut rules: Vec<&Rule> = alert.rules.iter().collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.score));
        for (number, rule) in rules.iter().take(RULES_SHOWN).enumerate() {
            let more = match rules.len().saturating_sub(RULES_SHOWN) {
                more @ 1.. if number + 1 == RULES_SHOWN => format!(" (and {more} more)"),
                _ => String::new(),
            };
            let (title, reason) = (printable(&rule.title), printable(&rule.reason));
            writeln!(self.out, "         {title}: {reason}{more}")?;
        }
        self.out.flush()
    }

    /// Counts and latencies so far.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn status(&mut self, counts: &CampaignCounts, events_per_second: f64) -> io::Result<()> {
        let time = jiff::Timestamp::from_millisecond(counts.now.0).unwrap_or_default();
        let latency = counts.latency().map_or(String::new(), |(p50, p99)| {
            format!(" · event to alert {} ms, p99 {} ms", p50.as_millis(), p99.as_millis())
        });
        let states = counts.states(None);
        writeln!(
            self.out,
            "{DIM}{} {events_per_second:.1} events/s · {} alerts{latency}\n\
             {:8} campaigns: {} caught, {} missed, {} open · {} false alarms{DIM:#}",
            time.strftime("%H:%M:%S"),
            counts.alerts,
            "",
            states.caught,
            states.missed,
            states.open,
            counts.false_alarms(),
        )?;
        self.out.flush()
    }

    /// The summary at the end.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        writeln!(self.out, "\n{}", summary.text().trim_end())?;
        self.out.flush()
    }
}

fn severity_style(severity: &str) -> Style {
    match severity {
        "critical" => AnsiColor::Red.on_default().bold().invert(),
        "high" => AnsiColor::Red.on_default().bold(),
        "medium" => AnsiColor::Magenta.on_default(),
        _ => AnsiColor::Cyan.on_default(),
    }
}

fn assessment_text(assessment: Assessment) -> (Style, String) {
    match assessment {
        Assessment::Caught(kind) => (GOOD, format!("caught: {}", kind.name())),
        Assessment::Again(kind) => (KNOWN, format!("further alert: {}", kind.name())),
        Assessment::Reported(kind) => (KNOWN, format!("reported by customers: {}", kind.name())),
        Assessment::Victim(kind) => (KNOWN, format!("genuine event of a victim: {}", kind.name())),
        Assessment::FalseAlarm(oddity) => (WRONG, format!("false alarm: {}", oddity_name(oddity))),
    }
}
