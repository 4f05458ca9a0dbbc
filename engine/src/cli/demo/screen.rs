//! The output of the demo: lines of at most 80 columns, in colour where the terminal and `NO_COLOR` allow it. The
//! cursor is never moved.

use super::alert::{Alert, Money, Rule};
use super::campaign_counts::{Assessment, CampaignCounts, oddity_name};
use super::scenario::{LIVE, ScenarioSettings};
use super::summary::Summary;
use crate::cli::text::{WIDTH, grouped, wrapped};
use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;
use tripline_core::batch::Timestamp;
use tripline_rules::text::printable;

/// Rules shown per alert, those of the highest score first.
const RULES_SHOWN: usize = 3;
/// Blanks before what belongs to the line above: as wide as a time.
const INDENT: usize = 9;
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
    Screen::on(out)
}

impl<W: Write> Screen<W> {
    /// A screen that writes there.
    pub fn on(out: W) -> Screen<W> {
        Screen { out }
    }

    /// The address and the topics of the broker, and how another client consumes alerts.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn broker(&mut self, address: &str, topics: &[&str], alerts: &str) -> io::Result<()> {
        writeln!(self.out, "{BOLD}Kafka broker{BOLD:#} {address}, in this process")?;
        self.lines(&format!("Topics: {}", topics.join(" ")), 0, Style::new())?;
        writeln!(self.out, "Read alerts with any Kafka client: {BOLD}kcat -b {address} -t {alerts}{BOLD:#}")?;
        self.out.flush()
    }

    /// Where metrics are served.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn http(&mut self, address: SocketAddr) -> io::Result<()> {
        writeln!(self.out, "Metrics: {BOLD}http://{address}/metrics{BOLD:#}")?;
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
        let line = format!(
            "Seed {seed}: 90 days of history, {accounts} accounts, {events} events, loaded in {seconds:.1} s"
        );
        self.lines(&line, 0, Style::new())?;
        self.out.flush()
    }

    /// The live part begins.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn live(&mut self, settings: ScenarioSettings) -> io::Result<()> {
        let live = jiff::Timestamp::from_millisecond(LIVE.0).unwrap_or_default();
        let live = live.strftime("%A, %-d %B %Y, %H:%M UTC");
        let line = format!("Live from {live}; 1 s of real time is {} s simulated", settings.speed_up);
        self.lines(&line, 0, Style::new())?;
        writeln!(self.out)?;
        self.out.flush()
    }

    /// An alert: its event and action, whether it is correct, and the rules that fired.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn alert(&mut self, alert: &Alert, assessment: Assessment) -> io::Result<()> {
        let severity = severity_style(&alert.severity);
        write!(
            self.out,
            "{DIM}{}{DIM:#} {severity}{:<8}{severity:#} ",
            clock(alert.at),
            alert.severity.to_uppercase()
        )?;
        let event = [
            Some(alert.event.event_type.replace('_', " ")),
            alert.event.amount.as_ref().map(Money::to_string),
        ];
        let event = event.into_iter().flatten().collect::<Vec<_>>().join(" ");
        // An id can be long: what does not fit beside the time goes on below it.
        let about = format!("{}: {}, {event}", printable(&about(alert)), action(alert));
        let mut lines = wrapped(&about, WIDTH - 2 * INDENT).into_iter();
        writeln!(self.out, "{BOLD}{}{BOLD:#}", lines.next().unwrap_or_default())?;
        for line in lines {
            writeln!(self.out, "{:1$}{BOLD}{line}{BOLD:#}", "", 2 * INDENT)?;
        }
        let (style, word) = assessment_text(assessment);
        self.lines(&word, INDENT, style)?;
        let mut rules: Vec<&Rule> = alert.rules.iter().collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.score));
        for (number, rule) in rules.iter().take(RULES_SHOWN).enumerate() {
            let more = match rules.len().saturating_sub(RULES_SHOWN) {
                more @ 1.. if number + 1 == RULES_SHOWN => format!(" (and {more} more)"),
                _ => String::new(),
            };
            let (title, reason) = (printable(&rule.title), printable(&rule.reason));
            self.lines(&format!("{title}: {reason}{more}"), INDENT, Style::new())?;
        }
        self.out.flush()
    }

    /// Counts and latencies so far.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn status(&mut self, counts: &CampaignCounts, events_per_second: f64) -> io::Result<()> {
        let latency = counts.latency().map_or(String::new(), |(p50, p99)| {
            format!(" · event to alert {} ms, p99 {} ms", p50.as_millis(), p99.as_millis())
        });
        let states = counts.states(None);
        let rate = format!("{events_per_second:.1} events/s · {} alerts{latency}", grouped(counts.alerts));
        let campaigns = format!(
            "campaigns: {} caught, {} missed, {} open · {} false alarms",
            grouped(states.caught as u64),
            grouped(states.missed as u64),
            grouped(states.open as u64),
            grouped(counts.false_alarms()),
        );
        self.lines(&format!("{} {rate}", clock(counts.now)), 0, DIM)?;
        self.lines(&campaigns, INDENT, DIM)?;
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

    /// A text behind so many blanks, with further lines two blanks deeper.
    fn lines(&mut self, text: &str, indent: usize, style: Style) -> io::Result<()> {
        let first = wrapped(text, WIDTH - indent).swap_remove(0);
        let rest = text[first.len()..].trim_start();
        writeln!(self.out, "{:indent$}{style}{first}{style:#}", "")?;
        if rest.is_empty() {
            return Ok(());
        }
        let indent = indent + 2;
        for line in wrapped(rest, WIDTH - indent) {
            writeln!(self.out, "{:indent$}{style}{line}{style:#}", "")?;
        }
        Ok(())
    }
}

/// `17:03:17`
fn clock(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().strftime("%H:%M:%S").to_string()
}

/// Whom an alert is about.
fn about(alert: &Alert) -> String {
    match alert.entity.kind.as_str() {
        "account" => format!("account {}", alert.account),
        // A customer's report names an earlier event; without its row the terminal's id is unknown.
        kind if alert.entity.id.is_empty() => format!("a {kind}"),
        kind => format!("{kind} {}", alert.entity.id),
    }
}

/// What it recommends.
fn action(alert: &Alert) -> String {
    let verb = alert.action.verb.replace('_', " ");
    alert.action.target.as_ref().map_or(verb.clone(), |target| format!("{verb} {target}"))
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
