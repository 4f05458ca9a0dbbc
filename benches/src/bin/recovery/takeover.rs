//! A process is killed for good: the time until others alert in its partitions, and how long readers are blocked.

use super::site::{Context, Member, PREFIX, Setup, Site, check, time_outs, until_balanced};
use super::stable::{DEAD_AFTER, Stable};
use super::stream::{Beats, Stream};
use clap::Args;
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};
use tripline_benches::kafka::{Failure, PARTITIONS};
use tripline_benches::probe;
use tripline_benches::report::{Column, Report};

/// `takeover`.
#[derive(Args)]
pub(super) struct Takeover {
    /// Accounts of the bank, each with about three events before.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..))]
    accounts: u32,
    /// Kills.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Events per second throughout.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Additional alerts per second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    alerts: u32,
    /// Interval between two snapshots of a shard.
    #[arg(long, default_value = "60s")]
    snapshots_every: String,
}

pub(super) const COLUMNS: &[Column] = &[
    ("first_partition_s", 3),
    ("last_partition_s", 3),
    ("partitions", 0),
    ("transaction_was_open", 0),
    ("readers_held_back_s", 3),
    ("readers_gap_s", 3),
    ("other_partitions_gap_s", 3),
];
/// The others must have taken over within this time.
const TAKEN_WITHIN: Duration = Duration::from_secs(180);
/// How long to wait for an open transaction before the kill.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

impl Takeover {
    /// Runs the measurement.
    pub(super) fn measure(&self, context: &Context) -> Result<Vec<Report>, Failure> {
        let (site, feed) = Site::start(self.accounts, context)?;
        let every = Some(self.snapshots_every.as_str());
        let member = |instance| site.member(Setup { instance, workers: 2, snapshots_every: every });
        let mut members = vec![member("0")?, member("1")?];
        members.iter_mut().try_for_each(Member::start)?;
        site.await_committed(&mut members)?;
        let stream = Stream::start(&site.address(), feed, self.rate)?;
        let (mut rounds, mut probe) = (Vec::new(), 0);
        for _ in 0..self.rounds {
            let (figures, next) = killed(&site, &mut members, (&stream, self.alerts), (probe, 2))?;
            rounds.push(figures);
            probe = next;
            members[0].start()?;
        }
        until_balanced(&mut members, 2)?;
        stream.stop()?;
        site.await_committed(&mut members)?;
        site.watch.check()?;
        members.iter_mut().try_for_each(Member::stop)?;
        site.compare(&members[0])?;
        let about = format!(
            "one of 2 processes of 2 workers killed (-9) for good, {} events and {} alerts a second, snapshots every {} in one \
             folder; from the kill until the first alert about a later event is read; {}; {}",
            self.rate,
            self.alerts,
            self.snapshots_every,
            time_outs(),
            site.about
        );
        Ok(vec![Report { about, columns: COLUMNS, rounds }])
    }
}

/// Kills the first member for good while it has an open transaction, and waits until the others alert in all of its
/// partitions. Returns the figures and the next free probe.
pub(super) fn killed(
    site: &Site,
    members: &mut [Member],
    (stream, alerts): (&Stream, u32),
    (probe, workers): (u32, usize),
) -> Result<(Vec<f64>, u32), Failure> {
    let shares = until_balanced(members, workers)?;
    eprintln!("recovery: shards of the processes: {shares:?}");
    let beats = Beats::start(&site.address(), probe, alerts, stream)?;
    thread::sleep(Duration::from_secs(3));
    let mut stable = Stable::new(&site.address(), PREFIX)?;
    let asked = Instant::now();
    while asked.elapsed() < OPEN_WITHIN && !stable.is_held_back(&shares[0])? {}
    members[0].kill();
    let killed = Instant::now();
    let left = &mut members[1..];
    stable.start();
    let taken = until_taken(site, left, &beats, (&shares[0], killed))?;
    // Readers may be blocked for longer than the first alerts took.
    thread::sleep(Duration::from_secs(2));
    check(left)?;
    let over = Instant::now();
    let held_back = stable.longest()?;
    let (ids, next) = beats.stop()?;
    site.await_committed(left)?;
    site.watch.await_all(&ids, Duration::from_secs(60), || check(left))?;
    let gap = |partitions: &BTreeSet<u32>| -> f64 {
        let gaps =
            partitions.iter().map(|partition| longest_gap(&site.watch.times(*partition), killed, over));
        gaps.max().unwrap_or_default().as_secs_f64()
    };
    let its: BTreeSet<u32> = shares[0].iter().copied().collect();
    let others = (0..PARTITIONS.unsigned_abs()).filter(|partition| !its.contains(partition)).collect();
    let was_open = held_back > DEAD_AFTER;
    let (first, last) = (taken.iter().min(), taken.iter().max());
    let seconds = |time: Option<&Duration>| time.copied().unwrap_or_default().as_secs_f64();
    let figures = vec![
        seconds(first),
        seconds(last),
        f64::from(u32::try_from(its.len())?),
        f64::from(u8::from(was_open)),
        held_back.as_secs_f64(),
        gap(&its),
        gap(&others),
    ];
    eprintln!(
        "recovery: taken over after {:.3} to {:.3} s, readers held back for {:.3} s",
        figures[0], figures[1], figures[4]
    );
    Ok((figures, next))
}

/// Waits until, in each of these partitions, an alert about an event after the kill was read. Returns the times since
/// the kill.
fn until_taken(
    site: &Site,
    left: &mut [Member],
    beats: &Beats,
    (partitions, killed): (&[u32], Instant),
) -> Result<Vec<Duration>, Failure> {
    let mut taken = Vec::new();
    let mut waiting: BTreeSet<u32> = partitions.iter().copied().collect();
    while !waiting.is_empty() {
        check(left)?;
        if killed.elapsed() > TAKEN_WITHIN {
            return Err(
                format!("no alert in partitions {waiting:?} within {TAKEN_WITHIN:?} of the kill").into()
            );
        }
        let fired = beats.fired_since(killed);
        waiting.retain(|partition| {
            // Alerts of a partition are read in the order of their events.
            let first = fired.iter().find(|number| probe::partition(**number) == *partition);
            let seen = first.and_then(|number| site.watch.seen(&probe::id(*number)));
            taken.extend(seen.map(|seen| seen.at - killed));
            seen.is_none()
        });
        thread::sleep(Duration::from_millis(5));
    }
    Ok(taken)
}

/// The longest time between two alerts of a reader. A gap that began before `from` counts in full.
fn longest_gap(times: &[Instant], from: Instant, until: Instant) -> Duration {
    let before = times.iter().rfind(|time| **time < from).copied().unwrap_or(from);
    let within = times.iter().filter(|time| (from..until).contains(time)).copied();
    let mut last = before;
    let gaps = within.chain([until]).map(|time| time - std::mem::replace(&mut last, time));
    gaps.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_counts_from_the_last_alert_before_the_kill() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let times = [at(0), at(90), at(400), at(410)];
        assert_eq!(longest_gap(&times, at(100), at(500)), Duration::from_millis(310));
        assert_eq!(longest_gap(&times, at(395), at(420)), Duration::from_millis(310));
        assert_eq!(longest_gap(&[], at(100), at(500)), Duration::from_millis(400), "nothing was read at all");
    }
}
