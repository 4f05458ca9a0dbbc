//! One process with two workers compared with three with one each, on records written before; then one of the three is
//! killed.

use super::site::{Context, Member, Setup, Site, TOPIC, check, time_outs, until_balanced};
use super::stream::Stream;
use super::takeover;
use clap::Args;
use std::time::{Duration, Instant};
use tripline_benches::kafka::{Failure, PARTITIONS, Writer, await_committed, ends};
use tripline_benches::probe;
use tripline_benches::records::next;
use tripline_benches::report::{Column, Report};
use tripline_core::simulate::{SimulatedEvent, Simulation};

/// `scale`.
#[derive(Args)]
pub(super) struct Scale {
    /// Accounts of the bank, each with about three events before.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..))]
    accounts: u32,
    /// Events for one process, and again for three.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    events: u32,
    /// Interval between two snapshots of a shard.
    #[arg(long, default_value = "60s")]
    snapshots_every: String,
}

const COLUMNS: &[Column] = &[
    ("one_events_per_second", 0),
    ("three_events_per_second", 0),
    ("ratio", 2),
    ("one_events_per_cpu_second", 0),
    ("three_events_per_cpu_second", 0),
    ("shards_of_one", 0),
    ("shards_of_first", 0),
    ("shards_of_second", 0),
    ("shards_of_third", 0),
];
/// Probes in each lot of events; their alerts show that every partition was judged with its ledgers.
const PROBES: u32 = 10 * PARTITIONS.unsigned_abs();
/// Events of a lot after those that arm the probes: a few minutes of event time, far less than the rule's window.
const ARMED_BEFORE_END: u32 = 1_000;
/// Events and alerts per second while one of three is killed.
const STREAMED: (u32, u32) = (500, 50);

/// Throughput of a lot.
struct Took {
    per_second: f64,
    per_cpu_second: f64,
}

impl Scale {
    /// Runs the measurement: throughput and takeover.
    pub(super) fn measure(&self, context: &Context) -> Result<Vec<Report>, Failure> {
        let (site, mut feed) = Site::start(self.accounts, context)?;
        let every = Some(self.snapshots_every.as_str());
        let member = |instance, workers| site.member(Setup { instance, workers, snapshots_every: every });
        let writer = Writer::transactional(&site.address(), TOPIC)?;
        let mut alone = [member("0", 2)?];
        alone[0].start()?;
        site.await_committed(&mut alone)?;
        let whole = until_balanced(&mut alone, 2)?;
        let one = self.lot(&site, &mut alone, (&writer, &mut feed), 0)?;
        alone[0].stop()?;
        let mut three = [member("1", 1)?, member("2", 1)?, member("3", 1)?];
        three.iter_mut().try_for_each(Member::start)?;
        let shares = until_balanced(&mut three, 1)?;
        let many = self.lot(&site, &mut three, (&writer, &mut feed), PROBES)?;
        let stream = Stream::start(&site.address(), feed, STREAMED.0)?;
        let (taken, _) = takeover::killed(&site, &mut three, (&stream, STREAMED.1), (2 * PROBES, 1))?;
        until_balanced(&mut three[1..], 1)?;
        stream.stop()?;
        site.await_committed(&mut three)?;
        site.watch.check()?;
        three.iter_mut().try_for_each(Member::stop)?;
        site.compare(&alone[0])?;
        let mut figures = vec![one.per_second, many.per_second, many.per_second / one.per_second];
        figures.extend([one.per_cpu_second, many.per_cpu_second]);
        for share in whole.iter().chain(&shares) {
            figures.push(f64::from(u32::try_from(share.len())?));
        }
        let about = format!(
            "1 process of 2 workers, then 3 processes of 1 worker, {} events each that appear at once to live processes; {}",
            self.events, site.about
        );
        let about_taken = format!(
            "one of 3 processes of 1 worker killed (-9) for good, {} events and {} alerts a second, snapshots every {}; {}; {}",
            STREAMED.0,
            STREAMED.1,
            self.snapshots_every,
            time_outs(),
            site.about
        );
        Ok(vec![
            Report { about, columns: COLUMNS, rounds: vec![figures] },
            Report { about: about_taken, columns: takeover::COLUMNS, rounds: vec![taken] },
        ])
    }

    /// Writes a lot of events in one transaction, commits it, and waits until the group has processed them.
    fn lot(
        &self,
        site: &Site,
        members: &mut [Member],
        (writer, feed): (&Writer, &mut Simulation),
        first: u32,
    ) -> Result<Took, Failure> {
        writer.begin()?;
        let (mut event, probes) = (SimulatedEvent::default(), first..first + PROBES);
        for number in 0..self.events {
            next(feed, &mut event);
            if number + ARMED_BEFORE_END == self.events {
                probe::arm(writer, probes.clone(), event.appended_at)?;
            }
            writer.send(event.appended_at, event.account.as_bytes(), &event.value)?;
        }
        for number in probes.clone() {
            probe::fire(writer, number, event.appended_at)?;
        }
        writer.finish()?;
        let goal = ends(&site.asking, TOPIC)?;
        let spent = |members: &[Member]| members.iter().map(|member| member.spent().cpu_seconds).sum::<f64>();
        let (before, began) = (spent(members), Instant::now());
        writer.commit()?;
        await_committed(&site.asking, TOPIC, &goal, || check(members))?;
        let (wall, cpu) = (began.elapsed().as_secs_f64(), spent(members) - before);
        let ids: Vec<String> = probes.map(probe::id).collect();
        site.watch.await_all(&ids, Duration::from_secs(60), || check(members))?;
        let events = f64::from(self.events);
        eprintln!("recovery: {} processes: {:.0} events a second", members.len(), events / wall);
        Ok(Took { per_second: events / wall, per_cpu_second: events / cpu })
    }
}
