//! The summary of a demo: campaigns caught and missed, money, false alarms. As a table and as JSON.

use super::campaign_counts::{CampaignCounts, oddity_name};
use super::scenario::ScenarioSettings;
use crate::cli::text::{WIDTH, grouped, wrapped};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tripline_core::simulate::CampaignKind;

/// The summary of a demo.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Seed of the simulation.
    pub seed: u64,
    /// Accounts of the bank.
    pub accounts: u32,
    /// Simulated seconds per second of real time.
    pub speed_up: f64,
    /// Real time.
    pub seconds: f64,
    /// Simulated time.
    pub story_seconds: f64,
    /// Events published.
    pub events: u64,
    /// Events per second of real time.
    pub events_per_second: f64,
    /// Alerts consumed from the broker.
    pub alerts: u64,
    /// From publishing an event to consuming its alert.
    pub latency_ms: Option<Latency>,
    /// One row per kind.
    pub campaigns: Vec<KindRow>,
    /// Kinds of which at least one campaign was caught.
    pub kinds_caught: usize,
    /// Campaigns before the live part of which customers have reported frauds.
    pub found_by_reports: usize,
    /// Alerts on genuine events of victims.
    pub alerts_on_victims: u64,
    /// Alerts without fraud.
    pub false_alarms: FalseAlarms,
}

/// Milliseconds.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// Campaigns of one kind. Money in US dollars.
#[derive(Debug, Serialize)]
pub struct KindRow {
    /// The name of the kind.
    pub kind: &'static str,
    /// With at least one published fraud.
    pub begun: usize,
    /// With an alert.
    pub caught: usize,
    /// Ended without an alert.
    pub missed: usize,
    /// Still under way without an alert.
    pub open: usize,
    /// Median simulated time from the first step to the first alert.
    pub first_alert_after_seconds: Option<f64>,
    /// Taken in all if no action is carried out.
    pub at_stake_usd: f64,
    /// Taken up to the first alert, its event included.
    pub lost_usd: f64,
    /// At stake after the first alert.
    pub saved_usd: f64,
}

/// Alerts without fraud, in the judged part of the history and in the live part.
#[derive(Debug, Serialize)]
pub struct FalseAlarms {
    /// All.
    pub total: u64,
    /// Those of the live part.
    pub live: u64,
    /// Days on which accounts were open, summed over the accounts.
    pub account_days: f64,
    /// Per 10,000 accounts and simulated day.
    pub per_10000_accounts_and_day: f64,
    /// By what the customer did.
    pub by_kind: BTreeMap<&'static str, u64>,
}

impl Summary {
    /// Summarizes the counts of the judged history and of the live part, which took this much real time. Both parts
    /// together have so many account-days.
    #[expect(clippy::cast_precision_loss, reason = "counts and milliseconds of a demo are far below 2^53")]
    pub fn new(
        settings: ScenarioSettings,
        history: &CampaignCounts,
        counts: &CampaignCounts,
        account_days: f64,
        watched: Duration,
    ) -> Summary {
        let simulated_ms = (counts.now.0 - counts.from.0).max(1) as f64;
        let seconds = watched.as_secs_f64();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Summary {
            seed: settings.seed,
            accounts: settings.accounts,
            speed_up: settings.speed_up,
            seconds,
            story_seconds: simulated_ms / 1e3,
            events: counts.events,
            events_per_second: counts.events as f64 / seconds.max(1e-3),
            alerts: counts.alerts,
            latency_ms: counts.latency().map(|(p50, p99)| Latency { p50: ms(p50), p99: ms(p99) }),
            campaigns: CampaignKind::ALL.iter().map(|kind| KindRow::new(*kind, counts)).collect(),
            kinds_caught: counts.kinds_caught(),
            found_by_reports: counts.reported.len(),
            alerts_on_victims: counts.victims,
            false_alarms: FalseAlarms::new(history, counts, account_days),
        }
    }
}

impl FalseAlarms {
    #[expect(clippy::cast_precision_loss, reason = "alarms of a demo are far below 2^53")]
    fn new(history: &CampaignCounts, counts: &CampaignCounts, account_days: f64) -> FalseAlarms {
        let mut by_kind = BTreeMap::new();
        for (kind, count) in history.false_alarms.iter().chain(&counts.false_alarms) {
            *by_kind.entry(oddity_name(*kind)).or_default() += count;
        }
        let total = history.false_alarms() + counts.false_alarms();
        FalseAlarms {
            total,
            live: counts.false_alarms(),
            account_days,
            per_10000_accounts_and_day: total as f64 / account_days * 1e4,
            by_kind,
        }
    }

    /// The alarms as text, and where they were counted.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days are not negative")]
    fn text(&self) -> String {
        let kinds: Vec<String> = self.by_kind.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(": {}", kinds.join(", ")) };
        let line = format!(
            "false alarms: {} in {} account-days of the last days of history and the live part, {:.1} per 10,000 \
             accounts and day{kinds}",
            grouped(self.total),
            grouped(self.account_days as u64),
            self.per_10000_accounts_and_day
        );
        wrapped(&line, WIDTH).join("\n")
    }
}

impl KindRow {
    #[expect(clippy::cast_precision_loss, reason = "cents and milliseconds of a demo are far below 2^53")]
    fn new(kind: CampaignKind, counts: &CampaignCounts) -> KindRow {
        let states = counts.states(Some(kind));
        let (mut lost, mut saved) = (0, 0);
        let mut delays = Vec::new();
        for watched in counts.campaigns.values().filter(|watched| watched.campaign.kind == kind) {
            let (lost_here, saved_here) = watched.lost_and_saved(counts.now);
            lost += lost_here;
            saved += saved_here;
            delays.extend(watched.caught_at.map(|at| at.0 - watched.campaign.first_fraud_at.0));
        }
        delays.sort_unstable();
        let dollars = |cents: i64| cents as f64 / 100.0;
        KindRow {
            kind: kind.name(),
            begun: states.begun,
            caught: states.caught,
            missed: states.missed,
            open: states.open,
            first_alert_after_seconds: delays.get(delays.len() / 2).map(|ms| *ms as f64 / 1e3),
            at_stake_usd: dollars(lost + saved),
            lost_usd: dollars(lost),
            saved_usd: dollars(saved),
        }
    }
}

impl Summary {
    /// The summary as text of at most 80 columns.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:.0} s of real time, {} simulated: {} events, {} alerts",
            self.seconds,
            time(self.story_seconds),
            grouped(self.events),
            grouped(self.alerts),
        );
        if let Some(Latency { p50, p99 }) = self.latency_ms {
            text.push_str(&format!("\nevent to alert: median {p50:.0} ms, p99 {p99:.0} ms"));
        }
        text.push_str(&format!(
            "\n\n{:<20}{:>6}{:>7}{:>7}{:>5}{:>8}{:>9}{:>9}{:>9}\n",
            "campaigns", "begun", "caught", "missed", "open", "delay", "at stake", "lost", "saved"
        ));
        for row in self.campaigns.iter().filter(|row| row.begun > 0) {
            text.push_str(&row.line());
        }
        text.push_str(&self.total().line());
        text.push_str(
            "at stake, lost and saved: US dollars at fixed exchange rates\n\
             delay: median simulated time from the first step to the first alert\n\
             lost: taken up to the first alert, its event included\n\
             saved: at stake after the first alert, if its action is carried out\n",
        );
        text.push_str(&format!("\n{}\n", self.false_alarms.text()));
        if self.found_by_reports > 0 {
            text.push_str(&format!(
                "campaigns before the live part, found by customers' reports: {}\n",
                self.found_by_reports
            ));
        }
        text
    }

    fn total(&self) -> KindRow {
        let count = |of: fn(&KindRow) -> usize| self.campaigns.iter().map(of).sum();
        let money = |of: fn(&KindRow) -> f64| self.campaigns.iter().map(of).sum();
        KindRow {
            kind: "total",
            begun: count(|row| row.begun),
            caught: count(|row| row.caught),
            missed: count(|row| row.missed),
            open: count(|row| row.open),
            first_alert_after_seconds: None,
            at_stake_usd: money(|row| row.at_stake_usd),
            lost_usd: money(|row| row.lost_usd),
            saved_usd: money(|row| row.saved_usd),
        }
    }
}

impl KindRow {
    fn line(&self) -> String {
        let delay = self.first_alert_after_seconds.map_or(String::new(), time);
        format!(
            "{:<20}{:>6}{:>7}{:>7}{:>5}{delay:>8}{:>9}{:>9}{:>9}\n",
            self.kind,
            self.begun,
            self.caught,
            self.missed,
            self.open,
            dollars(self.at_stake_usd),
            dollars(self.lost_usd),
            dollars(self.saved_usd),
        )
    }
}

/// `1,234`
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sums of a demo, never negative")]
fn dollars(amount: f64) -> String {
    grouped(amount.round() as u64)
}

/// `45 s`, `12 min`, `2.1 h`
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the seconds of a demo are never negative"
)]
fn time(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{}.{} h", seconds / 3_600, seconds % 3_600 / 360),
    }
}
