//! Latency of alerts, open loop: from the due time of the event until the alert is read.

use super::bench::{Bench, Load, PREFIX, TOPIC};
use std::time::{Duration, Instant};
use tripline::names::Topics;
use tripline_benches::kafka::{Failure, Writer, asking, ends};
use tripline_benches::open_loop::{self, Due, LINGER_MS};
use tripline_benches::records::next;
use tripline_benches::report::{Column, Report};
use tripline_core::simulate::SimulatedEvent;

const COLUMNS: &[Column] = &[
    ("p50_ms", 2),
    ("p99_ms", 2),
    ("p99_9_ms", 2),
    ("max_ms", 2),
    ("alerts", 0),
    ("alert_share_percent", 2),
    ("sent_per_second", 0),
    ("sender_behind_max_ms", 2),
    ("service_cpu_share", 3),
];

/// Rounds at a rate per second, after warm-up rounds that do not count.
pub(super) fn measure(
    load: Load,
    (rate, warm_up): (u32, Duration),
    events: u32,
    rounds: u32,
) -> Result<Report, Failure> {
    let mut bench = Bench::start(load)?;
    let writer = Writer::new(&bench.broker.address(), TOPIC, LINGER_MS)?;
    // A new broker becomes faster for a minute or more, while its JVM compiles.
    let began = Instant::now();
    while began.elapsed() < warm_up {
        round(&mut bench, &writer, rate, events)?;
    }
    let mut measured = Vec::new();
    for number in 1..=rounds {
        let figures = round(&mut bench, &writer, rate, events)?;
        eprintln!("harness: round {number}: p50 {:.2} ms, p99.9 {:.2} ms", figures[0], figures[2]);
        measured.push(figures);
    }
    let about = format!(
        "{events} events a round at {rate} a second, open loop, after {warm_up:?} of them that do not count; from the time an event is due to be sent until its alert is read; {}",
        bench.about
    );
    bench.stop()?;
    Ok(Report { about, columns: COLUMNS, rounds: measured })
}

fn prepare(bench: &mut Bench, events: u32) -> Due {
    let (mut due, mut event) = (Due::default(), SimulatedEvent::default());
    for _ in 0..events {
        next(&mut bench.feed, &mut event);
        let id = std::mem::take(&mut event.id);
        due.push(id, event.appended_at, event.account.as_bytes(), &event.value);
    }
    due
}

fn round(bench: &mut Bench, writer: &Writer, rate: u32, events: u32) -> Result<Vec<f64>, Failure> {
    let (due, address) = (prepare(bench, events), bench.broker.address());
    let asking = asking(&address, PREFIX)?;
    let before = bench.service.spent();
    let alerts = Topics::under(PREFIX).alerts;
    let done = open_loop::round((&address, &alerts), &asking, &due, (writer, rate), || {
        bench.until_committed(&ends(&asking, TOPIC)?)
    })?;
    let cpu = bench.service.spent().cpu_seconds - before.cpu_seconds;
    let (alerts, count) = (f64::from(u32::try_from(done.late.len())?), f64::from(events));
    let behind_ms = done.behind_max.as_secs_f64() * 1e3;
    let rest = [alerts, 100.0 * alerts / count, count / done.seconds, behind_ms, cpu / done.seconds];
    Ok([&done.quantiles_ms()[..], &rest].concat())
}
