//! The cost of snapshots: latency of alerts and CPU time of the process, alternately without and with them.

use super::site::{Context, Member, Setup, Site, TOPIC, check, until_balanced};
use clap::Args;
use std::slice::from_mut;
use std::time::Duration;
use tripline::names::metric;
use tripline_benches::kafka::{Failure, Writer, await_committed, ends};
use tripline_benches::open_loop::{self, Due, LINGER_MS};
use tripline_benches::probe;
use tripline_benches::records::next;
use tripline_benches::report::{Column, Report};
use tripline_core::simulate::{SimulatedEvent, Simulation};

/// `snapshot-cost`.
#[derive(Args)]
pub(super) struct Cost {
    /// Accounts of the bank, each with about three events before.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..))]
    accounts: u32,
    /// Rounds, each without and then with snapshots.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Events per second; one in a hundred alerts.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    rate: u32,
    /// Seconds of a half round, after a warm-up of a sixth of it.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(6..))]
    seconds: u32,
    /// Interval between two snapshots of a shard.
    #[arg(long, default_value = "20s")]
    snapshots_every: String,
}

const COLUMNS: &[Column] = &[
    ("off_p50_ms", 2),
    ("off_p99_ms", 2),
    ("off_p99_9_ms", 2),
    ("off_max_ms", 2),
    ("on_p50_ms", 2),
    ("on_p99_ms", 2),
    ("on_p99_9_ms", 2),
    ("on_max_ms", 2),
    ("p99_9_more_ms", 2),
    ("off_cpu_us_per_event", 2),
    ("on_cpu_us_per_event", 2),
    ("cpu_more_percent", 1),
    ("cpu_more_percent_of_a_core", 1),
    ("snapshots", 0),
    ("alerts_of_a_half", 0),
    ("sender_behind_max_ms", 2),
];
/// One of this many events alerts.
const PER_ALERT: u32 = 100;
/// How many probes ahead a probe is armed.
const AHEAD: u32 = 100;

/// The input stream and the next probe.
struct Flow {
    feed: Simulation,
    writer: Writer,
    probe: u32,
}

/// Half a round.
struct Half {
    quantiles_ms: [f64; 4],
    cpu_us: f64,
    snapshots: f64,
    alerts: f64,
    behind_ms: f64,
}

impl Cost {
    /// Runs the measurement.
    pub(super) fn measure(&self, context: &Context) -> Result<Vec<Report>, Failure> {
        let (site, feed) = Site::start(self.accounts, context)?;
        let writer = Writer::new(&site.address(), TOPIC, LINGER_MS)?;
        let mut flow = Flow { feed, writer, probe: 0 };
        let mut rounds = Vec::new();
        let mut last = None;
        for _ in 0..self.rounds {
            let (off, _) = self.half(&site, &mut flow, None)?;
            let (on, member) = self.half(&site, &mut flow, Some(&self.snapshots_every))?;
            let more_ms = on.quantiles_ms[2] - off.quantiles_ms[2];
            let more_percent = 100.0 * (on.cpu_us / off.cpu_us - 1.0);
            let of_a_core = (on.cpu_us - off.cpu_us) * f64::from(self.rate) / 1e4;
            let cpu = [more_ms, off.cpu_us, on.cpu_us, more_percent, of_a_core];
            let rest = [on.snapshots, on.alerts, off.behind_ms.max(on.behind_ms)];
            rounds.push([&off.quantiles_ms[..], &on.quantiles_ms, &cpu, &rest].concat());
            last = Some(member);
        }
        site.watch.check()?;
        last.map_or(Ok(()), |member| site.compare(&member))?;
        let about = format!(
            "{} events a second for {} s, open loop, without snapshots and then with one of every shard every {}; from the time \
             an event is due to be sent until its alert is read; 1 process of 2 workers; {}",
            self.rate, self.seconds, self.snapshots_every, site.about
        );
        Ok(vec![Report { about, columns: COLUMNS, rounds }])
    }

    /// Measures with a new process, after a warm-up.
    fn half(&self, site: &Site, flow: &mut Flow, every: Option<&str>) -> Result<(Half, Member), Failure> {
        let mut member = site.member(Setup { instance: "0", workers: 2, snapshots_every: every })?;
        member.start()?;
        site.await_committed(from_mut(&mut member))?;
        until_balanced(from_mut(&mut member), 2)?;
        if flow.probe == 0 {
            let mut event = SimulatedEvent::default();
            next(&mut flow.feed, &mut event);
            probe::arm(&flow.writer, 0..AHEAD, event.appended_at)?;
            flow.writer.finish()?;
        }
        self.stretch(site, &mut member, flow, self.seconds.div_ceil(6))?;
        let before = member.counted(metric::SNAPSHOTS, ("result", "written"))?;
        let mut half = self.stretch(site, &mut member, flow, self.seconds)?;
        half.snapshots = member.counted(metric::SNAPSHOTS, ("result", "written"))? - before;
        if (half.snapshots > 0.0) != every.is_some() {
            return Err(format!("{} snapshots were written", half.snapshots).into());
        }
        eprintln!(
            "recovery: snapshots {}: p99.9 {:.2} ms, {:.2} us of CPU an event",
            every.unwrap_or("off"),
            half.quantiles_ms[2],
            half.cpu_us
        );
        member.stop()?;
        Ok((half, member))
    }

    fn stretch(
        &self,
        site: &Site,
        member: &mut Member,
        flow: &mut Flow,
        seconds: u32,
    ) -> Result<Half, Failure> {
        let first = flow.probe;
        let events = self.rate * seconds;
        let due = flow.due(events);
        let address = site.address();
        let before = member.spent();
        let done = open_loop::round(
            (&address, &site.alerts()),
            &site.asking,
            &due,
            (&flow.writer, self.rate),
            || {
                let goal = ends(&site.asking, TOPIC)?;
                await_committed(&site.asking, TOPIC, &goal, || check(from_mut(member)))
            },
        )?;
        let cpu = member.spent().cpu_seconds - before.cpu_seconds;
        let ids: Vec<String> = (first..flow.probe).map(probe::id).collect();
        site.watch.await_all(&ids, Duration::from_secs(30), || Ok(()))?;
        Ok(Half {
            quantiles_ms: done.quantiles_ms(),
            cpu_us: 1e6 * cpu / f64::from(events),
            snapshots: 0.0,
            alerts: f64::from(u32::try_from(done.late.len())?),
            behind_ms: done.behind_max.as_secs_f64() * 1e3,
        })
    }
}

impl Flow {
    /// The bank's next events, with probes that alert and the events that arm later ones.
    fn due(&mut self, events: u32) -> Due {
        let (mut due, mut event) = (Due::default(), SimulatedEvent::default());
        next(&mut self.feed, &mut event);
        for number in 0..events {
            let at = event.appended_at;
            let armed = || probe::arming(self.probe + AHEAD, at);
            let reset = match number % PER_ALERT {
                0 => Some(armed()[0].clone()),
                33 => Some(armed()[1].clone()),
                66 => {
                    let fires = probe::firing(self.probe, at);
                    self.probe += 1;
                    Some(fires)
                }
                _ => None,
            };
            if let Some(reset) = reset {
                due.push(reset.id, at, reset.key.as_bytes(), reset.value.as_bytes());
            } else {
                let id = std::mem::take(&mut event.id);
                due.push(id, at, event.account.as_bytes(), &event.value);
                next(&mut self.feed, &mut event);
            }
        }
        due
    }
}
