//! Bytes to registers: every byte is checked; values that the pack reads or keeps are converted.

use crate::feed::Feed;
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use tripline_core::event::Event;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut feed = Feed::new(1_000);
    let batches = feed.batches(4_096);
    let mut event = Event::new(feed.config.ruleset().registers());
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(4_096));
    group.bench_function("json", |bencher| {
        bencher.iter(|| {
            for batch in &batches {
                for record in &batch.records {
                    let decoded = feed.decoder.decode(batch.value(record), batch.source(record), &mut event);
                    black_box(decoded).expect("the simulator's records are whole");
                }
            }
        });
    });
    group.finish();
}
