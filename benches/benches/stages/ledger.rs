//! Inserting a row for every event into ledgers with a day of rows, while the rows of the day before expire.

use crate::feed::Feed;
use criterion::{Criterion, SamplingMode, Throughput};
use std::hint::black_box;
use tripline_core::batch::Timestamp;
use tripline_core::event::Event;
use tripline_core::ledger::{Arrival, Inserted, Ledgers};
use tripline_rules::aggregate::Tags;

const ACCOUNTS: u32 = 10_000;
/// A day of them.
const EVENTS: usize = 30_000;
const DAY_MS: i64 = 86_400_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut feed = Feed::new(ACCOUNTS);
    let mut events = feed.events(EVENTS);
    let config = &feed.config;
    let program = &config.ruleset().programs()[0];
    let tags: Vec<Tags> = events.iter_mut().map(|event| program.tags(&mut event.registers)).collect();
    let mut ledgers = Ledgers::new(program.plan(), config.schema(), feed.limits());
    let mut day = 0;
    let mut pass = |ledgers: &mut Ledgers| {
        for (event, tags) in events.iter().zip(&tags) {
            black_box(insert(ledgers, event, *tags, day));
        }
        day += 1;
    };
    pass(&mut ledgers);
    let mut group = criterion.benchmark_group("ledger");
    group.throughput(Throughput::Elements(EVENTS as u64));
    // An iteration takes long: as many in every sample.
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("insert", |bencher| bencher.iter(|| pass(&mut ledgers)));
    group.finish();
}

/// The same events every day, each with an id of its own.
fn insert(ledgers: &mut Ledgers, event: &Event, tags: Tags, day: i64) -> Inserted {
    let at = Timestamp(event.at.0 + day * DAY_MS);
    let id = event.id.wrapping_add(day.unsigned_abs());
    let arrival = Arrival {
        key: event.account,
        at,
        event_type: event.event_type,
        id,
        is_follow_up: false,
        inherited: &[],
    };
    ledgers.insert(&arrival, &event.registers, tags, at)
}
