//! The screen: lines that scroll by, in colour where the terminal and `NO_COLOR` allow it. No cursor is moved.

use super::alert::{Alert, Rule};
use super::summary::Summary;
use super::tally::{Mark, Tally, oddity_name};
use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use std::io::{self, Write};

/// Rules of an alert that are shown, the weightiest first.
const RULES_SHOWN: usize = 3;
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const KNOWN: Style = AnsiColor::Green.on_default();
const WRONG: Style = AnsiColor::Yellow.on_default();

/// Where the show is written.
pub struct Screen<W: Write> {
    out: W,
}

/// The show on standard output, or on standard error when that is kept for JSON.
pub fn open(json: bool) -> Screen<Box<dyn Write + Send>> {
    let out: Box<dyn Write + Send> = if json {
        Box::new(AutoStream::auto(io::stderr()))
    } else {
        Box::new(AutoStream::auto(io::stdout()))
    };
    Screen { out }
}

impl<W: Write> Screen<W> {
    /// A line as it is.
    ///
    /// # Errors
    /// When nobody reads.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    /// Where the show can be watched from outside.
    ///
    /// # Errors
    /// When nobody reads.
    pub fn broker(&mut self, address: &str, topics: &[&str], alerts: &str) -> io::Result<()> {
        writeln!(self.out, "{BOLD}Kafka{BOLD:#} at {address}, in this process; topics {}", topics.join(" "))?;
        writeln!(self.out, "Any Kafka client can watch:  {BOLD}kcat -b {address} -t {alerts}{BOLD:#}")?;
        self.out.flush()
    }

    /// An alert and what it is worth: when, how bad, who, what to do; then why.
    ///
    /// # Errors
    /// When nobody reads.
    pub fn alert(&mut self, alert: &Alert, mark: Mark) -> io::Result<()> {
        let time = jiff::Timestamp::from_millisecond(alert.at.0).unwrap_or_default();
        let severity = severity_style(&alert.severity);
        let about = match alert.entity.kind.as_str() {
            "account" => format!("account {}", alert.account),
            // A report names an earlier event; when that is not held any more, neither is the terminal's name.
            kind if alert.entity.id.is_empty() => format!("a {kind}"),
            kind => format!("{kind} {}", alert.entity.id),
        };
        let action = match &alert.action.target {
            Some(target) => format!("{} {target}", alert.action.verb.replace('_', " ")),
            None => alert.action.verb.replace('_', " "),
        };
        let amount = alert.event.amount.as_ref().map_or(String::new(), |amount| format!(", {amount}"));
        let (style, word) = mark_words(mark);
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
            writeln!(self.out, "         {}: {}{more}", rule.title, rule.reason)?;
        }
        self.out.flush()
    }

    /// How it stands.
    ///
    /// # Errors
    /// When nobody reads.
    pub fn status(&mut self, tally: &Tally, events_per_second: f64) -> io::Result<()> {
        let time = jiff::Timestamp::from_millisecond(tally.now.0).unwrap_or_default();
        let (_, alerts) = tally.counts();
        let latency = tally.latency().map_or(String::new(), |(p50, p99)| {
            format!(" · event to alert {} ms, p99 {} ms", p50.as_millis(), p99.as_millis())
        });
        let standing = tally.standing(None);
        writeln!(
            self.out,
            "{DIM}{} · {events_per_second:.1} events/s · {alerts} alerts{latency} · campaigns: {} caught, {} missed, {} open · {} false alarms{DIM:#}",
            time.strftime("%H:%M:%S"),
            standing.caught,
            standing.missed,
            standing.open,
            tally.false_alarms(),
        )?;
        self.out.flush()
    }

    /// The end.
    ///
    /// # Errors
    /// When nobody reads.
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

fn mark_words(mark: Mark) -> (Style, String) {
    match mark {
        Mark::Caught(kind) => (GOOD, format!("caught: {}", kind.name())),
        Mark::Again(kind) => (KNOWN, format!("again: {}", kind.name())),
        Mark::Reported(kind) => (KNOWN, format!("found by reports: {}", kind.name())),
        Mark::Victim(kind) => (KNOWN, format!("the victim's own, after: {}", kind.name())),
        Mark::FalseAlarm(oddity) => (WRONG, format!("false alarm: {}", oddity_name(oddity))),
    }
}
