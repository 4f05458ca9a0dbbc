//! 24 rules over registers with fields and facts: guards and checks first, then the conditions of the remaining rules.

use crate::feed::Feed;
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use tripline_core::event::Event;
use tripline_core::ingested::Ingested;
use tripline_core::shard::Shard;
use tripline_rules::aggregate::FactSet;
use tripline_rules::program::Fired;

const EVENTS: usize = 4_096;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut feed = Feed::new(1_000);
    let mut events = with_facts(&mut feed);
    let program = &feed.config.ruleset().programs()[0];
    let mut fired = Fired::default();
    let mut group = criterion.benchmark_group("rules");
    group.throughput(Throughput::Elements(EVENTS as u64));
    let none = FactSet::default();
    // The registers have the facts already: only the choice of the needed ones is measured.
    group.bench_function("demand", |bencher| {
        bencher.iter(|| {
            for event in &mut events {
                program.demand(event.event_type, &mut event.registers, &none, |wanted, _| {
                    black_box(wanted);
                });
            }
        });
    });
    group.bench_function("judge", |bencher| {
        bencher.iter(|| {
            for event in &mut events {
                fired.clear();
                program.judge(event.event_type, &mut event.registers, &event.texts, &mut fired, &mut ());
                black_box(&fired);
            }
        });
    });
    group.finish();
}

/// Events behind a day of others, with every fact that a rule may read.
fn with_facts(feed: &mut Feed) -> Vec<Event> {
    let past = feed.events(3_000);
    let mut events = feed.events(EVENTS);
    let mut shard = Shard::new(&feed.config.installation, 0);
    for mut event in past {
        shard.ingest(&mut event, false);
    }
    events.retain_mut(|event| matches!(shard.ingest(event, true), Ingested::New(_)));
    assert_eq!(events.len(), EVENTS, "every event of the simulator has its row");
    events
}
