//! Events per CPU second of the service and of a bare consumer, over the same records in the same round.

use super::bare;
use super::bench::{Bench, Guarantee, Load, TOPIC};
use std::time::Instant;
use tripline_benches::kafka::{Failure, Writer, asking, begin_at, ends};
use tripline_benches::records::next;
use tripline_benches::report::{Column, Report};
use tripline_core::simulate::SimulatedEvent;

const COLUMNS: &[Column] = &[
    ("bare_events_per_cpu_second", 0),
    ("service_events_per_cpu_second", 0),
    ("ratio", 3),
    ("bare_events_per_second", 0),
    ("service_events_per_second", 0),
    ("alerts", 0),
    ("service_peak_mb", 0),
];

/// Each round's events are written in one transaction, whose commit makes them visible to the service. It is live and
/// idle then, so no start or restore is measured. Afterwards the bare consumer reads the same records.
pub(super) fn measure(load: Load, events: u32, rounds: u32) -> Result<Report, Failure> {
    let mut bench = Bench::start(load)?;
    let writer = Writer::transactional(&bench.broker.address(), TOPIC)?;
    // The first round does not count: it includes one-time allocations and connections.
    service(&mut bench, &writer, (events / 10).max(1_000))?;
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let before = ends(&bench.asking, TOPIC)?;
        let (ours, alerts) = service(&mut bench, &writer, events)?;
        let group = format!("bare-{round}");
        begin_at(&asking(&bench.broker.address(), &group)?, TOPIC, &before)?;
        let bare = bare::measure(&bench.broker.address(), &group, events, bench.folder.path())?;
        let rate = |seconds: f64| f64::from(events) / seconds;
        let (theirs, own) = (rate(bare.cpu_seconds), rate(ours.cpu_seconds));
        let peak = mb(bench.service.spent().peak_bytes);
        measured.push(vec![theirs, own, own / theirs, rate(bare.seconds), rate(ours.seconds), alerts, peak]);
        eprintln!("harness: round {round}: {own:.0} of {theirs:.0} events per CPU second");
    }
    let about = format!("{events} events a round; {}", bench.about);
    bench.stop()?;
    Ok(Report { about, columns: COLUMNS, rounds: measured })
}

const BOTH: &[Column] = &[
    ("at_least_once_events_per_second", 0),
    ("exactly_once_events_per_second", 0),
    ("ratio", 3),
    ("at_least_once_events_per_cpu_second", 0),
    ("exactly_once_events_per_cpu_second", 0),
    ("ratio_of_cpu", 3),
    ("alerts", 0),
];

/// The same records under both guarantees in turn, each with its own broker and service; the other is idle meanwhile.
pub(super) fn compare(load: Load, events: u32, rounds: u32) -> Result<Report, Failure> {
    let mut least = Bench::start(Load { guarantee: Guarantee::AtLeastOnce, ..load })?;
    let mut exact = Bench::start(Load { guarantee: Guarantee::ExactlyOnce, ..load })?;
    let mut measured = Vec::new();
    for round in 0..=rounds {
        // The first round does not count: it includes one-time allocations and connections.
        let events = if round == 0 { (events / 10).max(1_000) } else { events };
        let writer = Writer::transactional(&least.broker.address(), TOPIC)?;
        let (free, _) = service(&mut least, &writer, events)?;
        let writer = Writer::transactional(&exact.broker.address(), TOPIC)?;
        let (bound, alerts) = service(&mut exact, &writer, events)?;
        let rate = |seconds: f64| f64::from(events) / seconds;
        let (wall, cpu) = (free.seconds / bound.seconds, free.cpu_seconds / bound.cpu_seconds);
        if round > 0 {
            eprintln!("harness: round {round}: {wall:.2} of the events a second");
            let by_wall = [rate(free.seconds), rate(bound.seconds), wall];
            let by_cpu = [rate(free.cpu_seconds), rate(bound.cpu_seconds), cpu];
            measured.push([&by_wall[..], &by_cpu, &[alerts]].concat());
        }
    }
    let about = format!("{events} events a round, under both guarantees in turn; {}", least.about);
    least.stop()?;
    exact.stop()?;
    Ok(Report { about, columns: BOTH, rounds: measured })
}

/// CPU time and time of the service for the next events, and its alerts.
fn service(bench: &mut Bench, writer: &Writer, events: u32) -> Result<(bare::Needed, f64), Failure> {
    writer.begin()?;
    let mut event = SimulatedEvent::default();
    for _ in 0..events {
        next(&mut bench.feed, &mut event);
        writer.send(event.appended_at, event.account.as_bytes(), &event.value)?;
    }
    writer.finish()?;
    let (goal, alerts) = (ends(&bench.asking, TOPIC)?, bench.alerts()?);
    let (before, began) = (bench.service.spent(), Instant::now());
    writer.commit()?;
    bench.until_committed(&goal)?;
    let (after, seconds) = (bench.service.spent(), began.elapsed().as_secs_f64());
    let needed = bare::Needed { cpu_seconds: after.cpu_seconds - before.cpu_seconds, seconds };
    Ok((needed, f64::from(bench.alerts()? - alerts)))
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
