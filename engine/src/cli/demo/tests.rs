//! The demo's story in simulated time: what a seed shows, without a broker and without waiting.

use super::alert::Alert;
use super::story::{LIVE, Plot, Story};
use super::summary::Summary;
use super::tally::{Mark, Tally};
use super::{ACCOUNTS, SPEED_UP, files, spaces};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::lines::{Collect, Lines};
use tripline_core::outputs::{Outputs, Topic};

/// Kinds of campaigns that half a minute of watching must show caught.
const KINDS_CAUGHT_MIN: usize = 4;
/// False alarms in half a minute of a seed: 42 account-days. What is honest there raises about 5 alarms per 10,000
/// accounts and day, so even one is rare.
const FALSE_ALARMS_MAX: u64 = 1;

/// Tells a story as the demo does, record by record, and gives its summary with the alerts and what they were worth.
fn watch(plot: Plot, watched: Duration) -> (Summary, Vec<(Alert, Mark)>) {
    let config = files::config().unwrap();
    let mut spaces = spaces(&config);
    let (mut story, _) = Story::with_past(plot, &mut spaces, |_| true);
    let mut tally = Tally::new(LIVE);
    let (mut out, mut lines) = (Outputs::default(), Lines::new(Collect::Nothing));
    let mut batch = Batch::new(ShardId { space: 0, partition: 0 });
    let mut marked = Vec::new();
    let until = story.time_after(watched);
    let mut offset = 0;
    while let Some(event) = story.next_before(until) {
        batch.push(offset, Some(event.appended_at), event.account.as_bytes(), &event.value);
        story.tell(&mut tally);
        spaces.step(&batch, &mut out, &mut lines);
        for output in out.records.iter().filter(|output| output.topic == Topic::Alerts) {
            let alert: Alert = serde_json::from_slice(out.value(output)).unwrap();
            let mark = tally.alert(&alert);
            marked.push((alert, mark));
        }
        batch.clear();
        out.clear();
        offset += 1;
    }
    assert_eq!(spaces.counts().dead_letters, 0, "{:?}", spaces.counts().reasons);
    story.finish(&mut tally);
    (Summary::new(plot, &tally, watched), marked)
}

/// Four kinds of campaign are caught, and hardly anybody honest is bothered, whatever the seed.
fn half_a_minute_of(seeds: std::ops::RangeInclusive<u64>) {
    let next = AtomicU64::new(*seeds.start());
    let tell = || {
        let mut shown = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) {
                return shown;
            }
            let plot = Plot { seed, accounts: ACCOUNTS, speed_up: SPEED_UP };
            shown.push(watch(plot, Duration::from_secs(30)).0);
        }
    };
    let mut shown: Vec<Summary> = std::thread::scope(|scope| {
        let threads = [scope.spawn(tell), scope.spawn(tell)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    shown.sort_by_key(|summary| summary.seed);
    for summary in &shown {
        println!("seed {}: {}", summary.seed, summary.text());
    }
    let faulty: Vec<(u64, usize, u64)> = shown
        .iter()
        .map(|summary| (summary.seed, summary.kinds_caught, summary.false_alarms.total))
        .filter(|(_, kinds, alarms)| *kinds < KINDS_CAUGHT_MIN || *alarms > FALSE_ALARMS_MAX)
        .collect();
    assert!(faulty.is_empty(), "seeds with the kinds they caught and their false alarms: {faulty:?}");
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

#[test]
fn the_same_seed_tells_the_same_story_and_another_seed_another() {
    let ids = |seed| {
        let plot = Plot { seed, accounts: 600, speed_up: SPEED_UP };
        let (_, marked) = watch(plot, Duration::from_secs(15));
        marked.into_iter().map(|(alert, mark)| (alert.event.id, mark)).collect::<Vec<_>>()
    };
    let first = ids(1);
    assert!(!first.is_empty());
    assert_eq!(first, ids(1));
    assert_ne!(first, ids(2));
}
