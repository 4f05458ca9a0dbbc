//! What the show comes to: campaigns caught and missed, money, false alarms. As a table and as JSON.

use super::alert::grouped;
use super::story::Plot;
use super::tally::{Tally, oddity_name};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tripline_core::simulate::CampaignKind;

/// Milliseconds of a day.
const DAY_MS: f64 = 86_400_000.0;

/// The whole show.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Of the story.
    pub seed: u64,
    /// Of the bank.
    pub accounts: u32,
    /// Seconds of the story a second.
    pub speed_up: f64,
    /// Watched.
    pub seconds: f64,
    /// Of the story.
    pub story_seconds: f64,
    /// Published while one watched.
    pub events: u64,
    /// Events a second.
    pub events_per_second: f64,
    /// Read back from the broker.
    pub alerts: u64,
    /// From an event's publication to its alert's arrival.
    pub latency_ms: Option<Latency>,
    /// A row a kind.
    pub campaigns: Vec<KindRow>,
    /// Kinds with a campaign caught.
    pub kinds_caught: usize,
    /// Campaigns of before the show, found by customers' reports.
    pub found_by_reports: usize,
    /// Alerts on victims' own events.
    pub alerts_on_victims: u64,
    /// Alerts on honest people.
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
    /// In plain words.
    pub kind: &'static str,
    /// With a fraud while one watched.
    pub begun: usize,
    /// With an alert.
    pub caught: usize,
    /// Over without one.
    pub missed: usize,
    /// Neither yet.
    pub open: usize,
    /// Median time of the story from the first step to the first alert.
    pub first_alert_after_seconds: Option<f64>,
    /// What they took or would have taken.
    pub at_stake_usd: f64,
    /// Taken before an alert, that event included.
    pub lost_usd: f64,
    /// Still to be taken when the alert came.
    pub saved_usd: f64,
}

/// Alerts on honest people.
#[derive(Debug, Serialize)]
pub struct FalseAlarms {
    /// All.
    pub total: u64,
    /// Accounts times days of the story that were watched.
    pub account_days: f64,
    /// At the bank's size, in the story's time.
    pub per_10000_accounts_and_day: f64,
    /// By what they did.
    pub by_kind: BTreeMap<&'static str, u64>,
}

impl Summary {
    /// The tally after so much watching.
    #[expect(clippy::cast_precision_loss, reason = "counts and milliseconds of a show are far below 2^53")]
    pub fn new(plot: Plot, tally: &Tally, watched: Duration) -> Summary {
        let story_ms = (tally.now.0 - tally.live.0).max(1) as f64;
        let seconds = watched.as_secs_f64();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let account_days = f64::from(plot.accounts) * story_ms / DAY_MS;
        Summary {
            seed: plot.seed,
            accounts: plot.accounts,
            speed_up: plot.speed_up,
            seconds,
            story_seconds: story_ms / 1e3,
            events: tally.events,
            events_per_second: tally.events as f64 / seconds.max(1e-3),
            alerts: tally.alerts,
            latency_ms: tally.latency().map(|(p50, p99)| Latency { p50: ms(p50), p99: ms(p99) }),
            campaigns: CampaignKind::ALL.iter().map(|kind| KindRow::new(*kind, tally)).collect(),
            kinds_caught: tally.kinds_caught(),
            found_by_reports: tally.reported.len(),
            alerts_on_victims: tally.victims,
            false_alarms: FalseAlarms {
                total: tally.false_alarms(),
                account_days,
                per_10000_accounts_and_day: tally.false_alarms() as f64 / account_days * 1e4,
                by_kind: tally
                    .false_alarms
                    .iter()
                    .map(|(kind, count)| (oddity_name(*kind), *count))
                    .collect(),
            },
        }
    }
}

impl KindRow {
    #[expect(clippy::cast_precision_loss, reason = "cents and milliseconds of a show are far below 2^53")]
    fn new(kind: CampaignKind, tally: &Tally) -> KindRow {
        let standing = tally.standing(Some(kind));
        let (mut lost, mut saved) = (0, 0);
        let mut delays = Vec::new();
        for watched in tally.campaigns.values().filter(|watched| watched.campaign.kind == kind) {
            let (lost_here, saved_here) = watched.lost_and_saved(tally.now);
            lost += lost_here;
            saved += saved_here;
            delays.extend(watched.caught_at.map(|at| at.0 - watched.campaign.first_fraud_at.0));
        }
        delays.sort_unstable();
        let dollars = |cents: i64| cents as f64 / 100.0;
        KindRow {
            kind: kind.name(),
            begun: standing.begun,
            caught: standing.caught,
            missed: standing.missed,
            open: standing.open,
            first_alert_after_seconds: delays.get(delays.len() / 2).map(|ms| *ms as f64 / 1e3),
            at_stake_usd: dollars(lost + saved),
            lost_usd: dollars(lost),
            saved_usd: dollars(saved),
        }
    }
}

impl Summary {
    /// As lines for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:.0} s watched, {} of the story: {} events, {} alerts",
            self.seconds,
            story_time(self.story_seconds),
            grouped(self.events),
            grouped(self.alerts),
        );
        if let Some(Latency { p50, p99 }) = self.latency_ms {
            text.push_str(&format!("; event to alert {p50:.0} ms (median), {p99:.0} ms (p99)"));
        }
        text.push_str(&format!(
            "\n\n{:<22}{:>6}{:>8}{:>8}{:>12}{:>14}{:>11}{:>11}{:>11}\n",
            "campaigns",
            "begun",
            "caught",
            "missed",
            "still open",
            "first alert",
            "at stake",
            "lost",
            "saved"
        ));
        for row in self.campaigns.iter().filter(|row| row.begun > 0) {
            text.push_str(&row.line());
        }
        text.push_str(&self.total().line());
        text.push_str("lost: taken up to the alert, its own event included; saved: what was still to be taken, if the action is carried out\n");
        let alarms = &self.false_alarms;
        let kinds: Vec<String> =
            alarms.by_kind.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        text.push_str(&format!(
            "\nfalse alarms: {} in {:.0} account-days, {:.0} per 10,000 accounts and day{kinds}\n",
            alarms.total, alarms.account_days, alarms.per_10000_accounts_and_day
        ));
        if self.found_by_reports > 0 {
            let of_before =
                if self.found_by_reports == 1 { "campaign of before" } else { "campaigns of before" };
            text.push_str(&format!("found by customers' reports: {} {of_before}\n", self.found_by_reports));
        }
        text
    }

    fn total(&self) -> KindRow {
        let count = |of: fn(&KindRow) -> usize| self.campaigns.iter().map(of).sum();
        let money = |of: fn(&KindRow) -> f64| self.campaigns.iter().map(of).sum();
        KindRow {
            kind: "together",
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
        let after = self
            .first_alert_after_seconds
            .map_or(String::new(), |seconds| format!("after {}", story_time(seconds)));
        format!(
            "{:<22}{:>6}{:>8}{:>8}{:>12}{after:>14}{:>11}{:>11}{:>11}\n",
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

/// `$1,234`
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sums of a show, never negative")]
fn dollars(amount: f64) -> String {
    format!("${}", grouped(amount.round() as u64))
}

/// `45 s`, `12 min`, `2 h 05 min`
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a show's seconds, never negative"
)]
fn story_time(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}
