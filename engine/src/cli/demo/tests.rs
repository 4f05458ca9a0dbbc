//! The demo in simulated time: what a seed gives, without a broker and without waiting.

use super::alert::Alert;
use super::campaign_counts::{Assessment, CampaignCounts};
use super::scenario::{LIVE, Scenario, ScenarioSettings};
use super::screen::Screen;
use super::summary::Summary;
use super::{ACCOUNTS, SPEED_UP, files, scenario};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::outputs::Outputs;
use tripline_core::results::{Collect, EventResults};

/// Kinds of campaigns that must be caught within half a minute.
const KINDS_CAUGHT_MIN: usize = 4;
/// False alarms in half a minute of a seed, 42 account-days. Genuine events raise about 5 alarms per 10,000 accounts
/// and day, so even one is rare.
const FALSE_ALARMS_MAX: u64 = 1;

/// Runs a scenario as the demo does, record by record. Returns its summary, and the alerts with their assessments.
fn watch(settings: ScenarioSettings, watched: Duration) -> (Summary, Vec<(Alert, Assessment)>) {
    let config = files::config().unwrap();
    let mut spaces = scenario::spaces(&config, settings);
    let history = Scenario::with_history(settings, &mut spaces, |_| true).unwrap();
    let mut scenario = history.scenario;
    let mut counts = CampaignCounts::new(LIVE);
    let (mut out, mut results) = (Outputs::default(), EventResults::new(Collect::Nothing));
    let mut batch = Batch::new(ShardId::account(0));
    let mut assessed = Vec::new();
    let until = scenario.time_after(watched);
    let mut offset = 0;
    while let Some(event) = scenario.next_before(until) {
        batch.push(offset, Some(event.appended_at), event.account.as_bytes(), &event.value);
        scenario.count(&mut counts);
        spaces.step(&batch, &mut out, &mut results);
        for alert in Alert::all(&out) {
            let alert = alert.unwrap();
            let assessment = counts.alert(&alert);
            assessed.push((alert, assessment));
        }
        batch.clear();
        out.clear();
        offset += 1;
    }
    assert_eq!(spaces.counts().dead_letters, 0, "{:?}", spaces.counts().reasons);
    scenario.finish(&mut counts);
    let account_days = scenario.account_days(settings.judged_from(), counts.now);
    (Summary::new(settings, &history.counts, &counts, account_days, watched), assessed)
}

/// Whatever the seed, four kinds of campaign are caught and at most one alarm is false.
fn half_a_minute_of(seeds: std::ops::RangeInclusive<u64>) {
    let next = AtomicU64::new(*seeds.start());
    let run = || {
        let mut shown = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) {
                return shown;
            }
            let settings = ScenarioSettings { seed, accounts: ACCOUNTS, speed_up: SPEED_UP };
            shown.push(watch(settings, Duration::from_secs(30)).0);
        }
    };
    let mut shown: Vec<Summary> = std::thread::scope(|scope| {
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    shown.sort_by_key(|summary| summary.seed);
    for summary in &shown {
        println!("seed {}: {}", summary.seed, summary.text());
    }
    let failed: Vec<(u64, usize, u64)> = shown
        .iter()
        .map(|summary| (summary.seed, summary.kinds_caught, summary.false_alarms.live))
        .filter(|(_, kinds, alarms)| *kinds < KINDS_CAUGHT_MIN || *alarms > FALSE_ALARMS_MAX)
        .collect();
    assert!(failed.is_empty(), "seeds with the kinds they caught and their false alarms: {failed:?}");
}

#[test]
fn half_a_minute_shows_four_kinds_of_campaign_caught() {
    half_a_minute_of(1..=2);
}

// Twenty times 90 days take minutes.
#[cfg(feature = "long-tests")]
#[test]
fn half_a_minute_shows_four_kinds_of_campaign_caught_for_twenty_seeds() {
    half_a_minute_of(1..=20);
}

/// The alerts that the README shows are those of the first seed, line by line, and nothing is wider than a terminal.
#[test]
fn the_readme_shows_alerts_of_the_first_seed_as_they_are_printed() {
    const README: &str = include_str!("../../../../README.md");
    let shown = README.split("$ tripline demo --for 30s\n").nth(1).expect("the demo's output");
    let shown = shown.split("\n```").next().expect("the end of the block");
    let settings = ScenarioSettings { seed: 1, accounts: ACCOUNTS, speed_up: SPEED_UP };
    let (summary, assessed) = watch(settings, Duration::from_secs(30));
    let mut printed = Vec::new();
    let mut screen = Screen::on(&mut printed);
    assessed.iter().for_each(|(alert, assessment)| screen.alert(alert, *assessment).unwrap());
    let printed =
        anstream::adapter::strip_str(&String::from_utf8(printed).unwrap()).to_string() + &summary.text();
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines.iter().chain(&shown.lines().collect::<Vec<_>>()).all(|line| line.chars().count() <= 80));
    let is_alert = |line: &&str| ["MEDIUM", "HIGH", "CRITICAL"].iter().any(|word| line.contains(word));
    let alerts: Vec<&str> = shown.lines().filter(is_alert).collect();
    assert!(alerts.len() >= 5, "{shown}");
    for alert in alerts {
        let of_readme = shown.lines().skip_while(|line| *line != alert);
        let same = lines.iter().skip_while(|line| **line != alert).zip(of_readme);
        let length = same.clone().take_while(|(printed, shown)| **printed == *shown).count();
        // Its lines up to the next one of a time.
        let block = shown.lines().skip_while(|line| *line != alert).skip(1);
        let wanted = 1 + block.take_while(|line| line.starts_with("         ")).count();
        assert!(length >= wanted, "{alert}\n{printed}");
    }
    let table = shown.lines().filter(|line| summary.campaigns.iter().any(|row| line.starts_with(row.kind)));
    assert!(table.clone().count() == 5 && table.clone().all(|line| lines.contains(&line)), "{printed}");
}

#[test]
fn the_same_seed_gives_the_same_alerts_and_another_seed_others() {
    let ids = |seed| {
        let settings = ScenarioSettings { seed, accounts: 600, speed_up: SPEED_UP };
        let (_, assessed) = watch(settings, Duration::from_secs(15));
        assessed.into_iter().map(|(alert, assessment)| (alert.event.id, assessment)).collect::<Vec<_>>()
    };
    let first = ids(1);
    assert!(!first.is_empty());
    assert_eq!(first, ids(1));
    assert_ne!(first, ids(2));
}

#[test]
fn the_demo_runs_for_a_year_at_most() {
    assert_eq!(super::time("30s"), Ok(Duration::from_secs(30)));
    assert_eq!(super::time("8760h"), Ok(super::TIME_MAX));
    for text in ["8761h", "9223372036854775807s", "-1s", "soon", ""] {
        assert!(super::time(text).is_err(), "{text}");
    }
}
